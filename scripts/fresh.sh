#!/usr/bin/env bash
# The README on a machine that has nothing: a minimal Debian with a C compiler (debootstrap), the Rust of this machine,
# a clone of this commit, and in it the commands of the README's sections "Install" and "Two commands", as they stand
# there. It says how long each took.
#   scripts/fresh.sh              about a quarter of an hour on two cores
#   scripts/fresh.sh --gate       then the test command of CONTRIBUTING.md, once more as long or longer: for every week
# Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
gate=no
case ${1:-} in
    "") ;;
    --gate) gate=yes ;;
    *) echo "usage: scripts/fresh.sh [--gate]" >&2 && exit 2 ;;
esac
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "needs root and debootstrap" >&2
    exit 2
fi
cargo_home=${CARGO_HOME:-$HOME/.cargo} rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
root=$(mktemp -d)
mounts=()
clean() {
    for ((place = ${#mounts[@]} - 1; place >= 0; place--)); do umount "${mounts[place]}"; done
    rm -rf --one-file-system "$root"
}
trap clean EXIT
# mounted SOURCE PLACE
mounted() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mounts+=("$root$2")
}

debootstrap --variant=minbase --include=gcc,libc6-dev,git,ca-certificates bookworm "$root" >/dev/null
mounted "$rustup_home" /root/.rustup
mounted "$cargo_home/registry" /root/.cargo/registry
mounted /proc /proc
mounted /dev /dev
cp -a "$cargo_home/bin" "$root/root/.cargo/bin"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# A proxy of this machine may have a certificate of its own.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
git clone --quiet . "$root/root/remargin"

# block TITLE: the shell commands of a section of the README.
block() { awk -v title="## $1" '/^## /{on = $0 == title} /^```/{shell = on && $0 == "```sh"; next} on && shell' README.md; }
# inside COMMANDS: as a newcomer would type them, in one shell.
inside() {
    chroot "$root" env -i HOME=/root PATH=/root/.cargo/bin:/usr/local/bin:/usr/bin:/bin TERM=dumb CARGO_TERM_QUIET=true \
        bash -euo pipefail -c "cd /root/remargin; $1"
}
for title in Install "Two commands"; do
    commands=$(block "$title")
    [ -n "$commands" ] || { echo "the README has no commands in \"$title\"" >&2 && exit 1; }
    printf '\n== %s\n%s\n' "$title" "$commands"
    start=$SECONDS
    inside "$commands"
    printf '== %s: %d s\n' "$title" "$((SECONDS - start))"
done
[ -s "$root/root/remargin/out/report.html" ]
if [ "$gate" = yes ]; then
    start=$SECONDS
    inside scripts/check.sh
    printf '== scripts/check.sh: %d s\n' "$((SECONDS - start))"
fi
