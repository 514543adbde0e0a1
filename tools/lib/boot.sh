#!/bin/bash
# Boots a Debian with systemd, nginx and our package under qemu: tools/check boot [--as-built] [RELEASE...].
# The Debian without our package stays in .deps/boot, so that the second run is quick.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh
. tools/lib/roots.sh

build=yes releases=()
for word; do
  case $word in
    --as-built) build= ;;
    bookworm | trixie) releases+=("$word") ;;
    *) die "no machine of $word; there are: bookworm trixie" ;;
  esac
done
((EUID == 0)) || die "run this as root: it makes a root of its own and mounts there"
[[ $(dpkg --print-architecture) == amd64 ]] || die "only on amd64"
((${#releases[@]})) || releases=(trixie)
need_packages qemu-system-x86 e2fsprogs iproute2
[[ -z $build ]] || tools/package "${releases[@]}"
exec 8>.deps/boot.lock
flock 8

# need_machine RELEASE: in .deps/boot/RELEASE, in place at once or not at all.
need_machine() {
  local root=$PWD/.deps/boot/$1
  [[ ! -e $root/.complete ]] || return 0
  rm -rf "$root"
  need_root "$1" "$root"
  connect_root "$root"
  cp tests/boot/prepare.sh "dist/$1"/grantfs_*.deb "$root/root/"
  say "making a machine of Debian's $1"
  quietly in_root "$root" /root/prepare.sh base || die "what the machine needs cannot be installed (above)"
  touch "$root/.complete"
}

status=0
for release in "${releases[@]}"; do
  need_machine "$release"
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  mkdir -p "$dir/upper/packages" "$dir/upper/source" "$dir/work" "$dir/root" "$dir/disks"
  cp "dist/$release"/*.deb "$dir/upper/packages/"
  cp tests/boot/*.sh "$dir/upper/source/"
  mkdir -p "$dir/upper/etc/apt/apt.conf.d"
  connect_root "$dir/upper"
  quietly in_overlay "$PWD/.deps/boot/$release" "$dir" /source/prepare.sh site || die "the site cannot be made (above)"
  unshare --mount bash -ec "mount -t overlay overlay -o 'lowerdir=$dir/upper:$PWD/.deps/boot/$release' '$dir/root'
    exec /usr/bin/python3 -B tests/boot/main.py '$dir/root' '$dir/disks'" || status=$?
  rm -rf "$dir"
done
exit "$status"
