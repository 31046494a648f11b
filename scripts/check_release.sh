#!/usr/bin/env bash
# Installs each artefact of scripts/release.sh where nothing else is, and margins the sample there:
#   scripts/check_release.sh [DIR]
# The tarball and the image run in a root that has nothing else but /dev/random and /dev/urandom. The .deb is installed by
# dpkg into a fresh minimal Debian if debootstrap is there, else unpacked into an empty root; the wheel into a fresh
# virtual environment, offline. All must write the same tables. Needs root, or a kernel that lets users have namespaces
# of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
dist=$(cd "${1:-dist}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
isolate=()
[ "$(id -u)" = 0 ] || isolate=(unshare --map-root-user)

# device ROOT: the devices that every container has, and that the command draws random numbers from.
device() { mkdir -p "$1/dev" && cp -a /dev/random /dev/urandom "$1/dev"; }
say() { printf '%-8s %s\n' "$1" "$2"; }
# hashes DIR: of the tables of a run.
hashes() { (cd "$1" && sha256sum accounts.* risk_units.* at_risk.* summary.json); }
# same WHICH DIR: its tables are those of the first artefact.
same() {
    hashes "$2" >"$work/$1.sums"
    [ -e "$work/first.sums" ] || cp "$work/$1.sums" "$work/first.sums"
    cmp "$work/first.sums" "$work/$1.sums"
    say "$1" "ran, same tables"
}

(cd "$dist" && sha256sum --check --quiet SHA256SUMS)
say sums "as in SHA256SUMS"

tarball=("$dist"/remargin-*-linux.tar.gz)
mkdir "$work/tar"
tar -xzf "${tarball[0]}" -C "$work/tar" --strip-components 1 --no-same-owner
device "$work/tar"
"${isolate[@]}" chroot "$work/tar" /remargin run /data/sample --out /out 2>"$work/log" || { cat "$work/log" && exit 1; }
same tarball "$work/tar/out"
if readelf --wide --program-headers "$work/tar/remargin" | grep -q INTERP; then
    echo "the command needs a dynamic linker" >&2
    exit 1
fi
readelf --wide --sections "$work/tar/remargin" | grep -q '\.dep-v0' || { echo "no list of dependencies in it" >&2; exit 1; }
say tarball "static, with the list of its dependencies; $(stat -c %s "$work/tar/remargin") bytes"

deb=("$dist"/remargin_*_amd64.deb)
mkdir "$work/deb"
if [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
    debootstrap --variant=minbase bookworm "$work/deb" >"$work/log" 2>&1 || { tail -n 20 "$work/log" && exit 1; }
    cp "${deb[0]}" "$work/deb/remargin.deb"
    chroot "$work/deb" dpkg --install /remargin.deb >/dev/null
    chroot "$work/deb" sh -c 'cd /root && remargin run /usr/share/remargin/sample --out out' 2>/dev/null
    same deb "$work/deb/root/out"
    chroot "$work/deb" dpkg --remove remargin >/dev/null
    [ ! -e "$work/deb/usr/bin/remargin" ]
    say deb "installed into a minimal Debian, and removed"
else
    dpkg-deb --extract "${deb[0]}" "$work/deb"
    device "$work/deb"
    "${isolate[@]}" chroot "$work/deb" /usr/bin/remargin run /usr/share/remargin/sample --out /out 2>/dev/null
    same deb "$work/deb/out"
    say deb "unpacked into an empty root: there is no debootstrap"
fi

mkdir "$work/oci" "$work/image"
image=("$dist"/remargin-*-oci.tar)
tar -xf "${image[0]}" -C "$work/oci"
entry=$(python3 - "$work/oci" "$work/layer.tar" <<'PYTHON'
import gzip, hashlib, json, pathlib, sys
layout, layer = map(pathlib.Path, sys.argv[1:])
def blob(descriptor):
    data = (layout / "blobs/sha256" / descriptor["digest"].split(":")[1]).read_bytes()
    assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"] and len(data) == descriptor["size"]
    return data
assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
(manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
manifest = json.loads(blob(manifest))
config = json.loads(blob(manifest["config"]))
(descriptor,) = manifest["layers"]
data = gzip.decompress(blob(descriptor))
assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(data).hexdigest()]
layer.write_bytes(data)
print(config["config"]["Entrypoint"][0])
PYTHON
)
tar -xf "$work/layer.tar" -C "$work/image" --no-same-owner
cp -r data/sample "$work/image/sample"
device "$work/image"
"${isolate[@]}" chroot "$work/image" "$entry" run /sample --out /out 2>/dev/null
same image "$work/image/out"

wheel=("$dist"/remargin-*.whl)
if [ -e "${wheel[0]}" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "${wheel[0]}"
    (cd "$work" && PATH=$work/venv/bin:/usr/bin:/bin remargin run "$root/data/sample" --out wheel-out 2>/dev/null)
    same wheel "$work/wheel-out"
    (cd "$work" && venv/bin/python -c "
import remargin
remargin.run('$root/data/sample', 'package-out')")
    same package "$work/package-out"
fi

python3 - "$dist"/remargin-*.cdx.json <<'PYTHON'
import json, sys
bom = json.load(open(sys.argv[1]))
assert bom["bomFormat"] == "CycloneDX"
names = {part["name"] for part in bom["components"]}
assert {"arrow-array", "parquet", "rayon"} <= names, names
assert not {"rustls", "tokio", "reqwest", "pyo3", "criterion"} & names, names
print(f"sbom     {bom['specVersion']}, {len(bom['components'])} components")
PYTHON
