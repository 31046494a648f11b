#!/usr/bin/env bash
# All that a release consists of, from one commit, into one folder:
#   scripts/release.sh [--out dist] [--skip-wheel]
#
#   remargin-VERSION-x86_64-linux.tar.gz     the command, completions, man pages, licences, the sample
#   remargin_VERSION_amd64.deb               the same, where Debian wants it
#   remargin-VERSION-*.whl                   the Python package and the command
#   remargin-VERSION-oci.tar                 an image with the command alone, for `podman load` or `skopeo copy`
#   remargin-VERSION.cdx.json                what the command is made of (CycloneDX)
#   SHA256SUMS
#
# The command is linked with a static C library: it runs on every x86-64 Linux, and in an empty root. The Python
# package cannot be static: it is linked for glibc 2.17 by zig. Two builds of one commit have the same bytes, wherever
# the checkout is: paths are taken out of the program, and all times are that of the commit.
#
# Needs Rust, gcc with libc6-dev, dpkg-deb, GNU tar, Python 3.10 or later, and these, which it names if they are
# missing: cargo-auditable, cargo-cyclonedx, maturin, ziglang. Nothing is fetched but crates, which
# `cargo fetch --locked` can bring before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
PATH=$root/target/tools/bin:$PATH
target=${CARGO_TARGET_DIR:-$root/target}
out=$root/dist wheel=yes
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=$2 && shift 2 ;;
        --skip-wheel) wheel=no && shift ;;
        *) echo "usage: scripts/release.sh [--out DIR] [--skip-wheel]" >&2 && exit 2 ;;
    esac
done

missing=()
needs() { command -v "$1" >/dev/null || missing+=("$1 ($2)"); }
needs cargo-auditable "cargo install cargo-auditable --locked --root target/tools"
needs cargo-cyclonedx "cargo install cargo-cyclonedx --locked --root target/tools"
needs dpkg-deb "apt-get install dpkg"
if [ "$wheel" = yes ]; then
    needs maturin "pip install 'maturin>=1.9.4,<2'"
    python3 -c 'import ziglang' 2>/dev/null || missing+=("ziglang (pip install ziglang)")
fi
if [ ${#missing[@]} -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 2
fi
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
    echo "the checkout has changes: a release is made of a commit" >&2
    exit 2
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022
triple=x86_64-unknown-linux-gnu
name=remargin-$version-x86_64-linux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"

# Paths of this machine are in messages of panics and in what C compilers write.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
paths="--remap-path-prefix=$root=/remargin --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$sysroot=/rust"
paths="$paths --remap-path-prefix=$target=/target"
export CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$target=/target ${CFLAGS:-}"

# --target keeps flags away from what runs while it is built.
RUSTFLAGS="-C target-feature=+crt-static $paths" \
    cargo auditable build --locked --profile dist --target $triple --bin remargin
program=$work/remargin
strip -o "$program" "$target/$triple/dist/remargin"

# deterministic_tar FILE DIR: the same bytes for the same files. No name in DIR has a blank.
deterministic_tar() {
    tar --create --file "$1" --directory "$2" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner \
        --mtime="@$SOURCE_DATE_EPOCH" -- $(ls -A "$2")
}

documents=(README.md CHANGELOG.md SECURITY.md LICENSE-APACHE LICENSE-MIT)
cargo cyclonedx --quiet --format json --spec-version 1.5 --target $triple --override-filename release-sbom
python3 scripts/sbom.py release-sbom.json --target $triple --root . --out "$out/remargin-$version.cdx.json"
rm -f release-sbom.json python/release-sbom.json

# The tarball.
tree=$work/tree/$name
mkdir -p "$tree/completions" "$tree/man" "$tree/data"
install -m 755 "$program" "$tree/remargin"
cp "${documents[@]}" "$tree"
cp -r data/sample "$tree/data"
"$program" man "$tree/man" 2>/dev/null
for shell in bash zsh fish; do
    "$program" completions $shell >"$tree/completions/remargin.$shell"
done
deterministic_tar "$work/$name.tar" "$work/tree"
gzip -9 --no-name --stdout "$work/$name.tar" >"$out/$name.tar.gz"

# The package for Debian and Ubuntu.
deb=$work/deb
mkdir -p "$deb/DEBIAN" "$deb/usr/bin" "$deb/usr/share/man/man1" "$deb/usr/share/doc/remargin" \
    "$deb/usr/share/bash-completion/completions" "$deb/usr/share/zsh/vendor-completions" \
    "$deb/usr/share/fish/vendor_completions.d" "$deb/usr/share/remargin"
install -m 755 "$program" "$deb/usr/bin/remargin"
for page in "$tree"/man/*.1; do
    gzip -9 --no-name --stdout "$page" >"$deb/usr/share/man/man1/$(basename "$page").gz"
done
cp "$tree/completions/remargin.bash" "$deb/usr/share/bash-completion/completions/remargin"
cp "$tree/completions/remargin.zsh" "$deb/usr/share/zsh/vendor-completions/_remargin"
cp "$tree/completions/remargin.fish" "$deb/usr/share/fish/vendor_completions.d/remargin.fish"
cp "${documents[@]}" "$out/remargin-$version.cdx.json" "$deb/usr/share/doc/remargin"
cp LICENSE-MIT "$deb/usr/share/doc/remargin/copyright"
cp -r data/sample "$deb/usr/share/remargin"
cat >"$deb/DEBIAN/control" <<CONTROL
Package: remargin
Version: $version
Architecture: amd64
Maintainer: the authors of remargin
Section: science
Priority: optional
Installed-Size: $(du --apparent-size --block-size=1024 --summarize "$deb/usr" | cut -f 1)
Description: portfolio margin of every account of a crypto exchange
 Recalculates the maintenance and initial margin of millions of positions in
 one pass over a snapshot of the market, writes reports and flags accounts
 near liquidation.
CONTROL
find "$deb" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$deb" "$out/remargin_${version}_amd64.deb" >/dev/null

# The image.
mkdir -p "$work/layer/usr/bin" "$work/layer/tmp"
chmod 1777 "$work/layer/tmp"
install -m 755 "$program" "$work/layer/usr/bin/remargin"
deterministic_tar "$work/layer.tar" "$work/layer"
python3 scripts/oci_image.py --layer "$work/layer.tar" --version "$version" --created "$SOURCE_DATE_EPOCH" \
    --out "$work/oci"
deterministic_tar "$out/remargin-$version-oci.tar" "$work/oci"

# The wheel takes the program as it is.
if [ "$wheel" = yes ]; then
    RUSTFLAGS="$paths" REMARGIN_PROGRAM=$program scripts/wheel.sh --profile dist --out "$out" --target $triple --zig
fi

(cd "$out" && sha256sum -- * >"$work/SHA256SUMS")
mv "$work/SHA256SUMS" "$out/SHA256SUMS"
ls -l "$out"
