#!/bin/bash
# Boots kernels of Debian's releases under qemu and runs cases in each: tools/check kernels [--short] [RELEASE...], and
# tools/check nfs [RELEASE...] (--nfs).
# The kernels stay in .deps/kernels, so that the second run is quick. A machine ends with this script, however it ends.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh

RELEASES=(bullseye bookworm trixie sid)  # Linux 5.10, 6.1, 6.12, the newest
SHORT=(bookworm sid)
NFS=(trixie sid)
KERNELS=$PWD/.deps/kernels

# private_apt RELEASE DIR: sets `apt` to the options of an apt-get that knows the release alone.
private_apt() {
  local release=$1 dir=$2 uri key
  read -r uri key < <(archive_source) || true
  [[ -n ${uri:-} ]] || die "no archive of this distribution in /etc/apt"
  [[ -n ${key:-} ]] || key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$dir/lists/partial" "$dir/download"
  printf 'deb [signed-by=%s] %s %s main\n' "$key" "$uri" "$release" >"$dir/sources.list"
  apt=(-q -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$dir/lists"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root -o Acquire::Languages=none)
}

# needed_by PACKAGE PATTERN: the packages of that name that it depends on.
needed_by() { apt-cache "${apt[@]}" depends "$1" | sed -n 's/^ *Depends: //p' | grep -E "$2" || true; }

# fetch_kernel RELEASE DIR: unpacks the release's newest kernel for virtual machines into DIR/root.
fetch_kernel() {
  local dir=$2 image packages apt
  private_apt "$1" "$dir"
  apt-get "${apt[@]}" update || return 1
  image=$(needed_by linux-image-cloud-amd64 '^linux-image-[0-9]')
  [[ -n $image ]] || return 1
  # Lately the image's package is empty, and depends on two others.
  mapfile -t packages < <(printf '%s\n' "$image"; needed_by "$image" '^linux-(binary|modules)-[0-9]')
  (cd "$dir/download" && apt-get "${apt[@]}" download "${packages[@]}") || return 1
  local package
  for package in "$dir"/download/*.deb; do dpkg-deb -x "$package" "$dir/root" || return 1; done
}

# need_kernel RELEASE: in place at once or not at all; fails if the archive does not have it.
need_kernel() {
  local release=$1 dir
  [[ ! -d $KERNELS/$release ]] || return 0
  say "fetching the kernel of $release"
  mkdir -p "$KERNELS"
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  quietly fetch_kernel "$release" "$dir" || return 1
  mv "$dir/root" "$KERNELS/$release"
  rm -rf "$dir"
}

options=() chosen=() defaults=("${RELEASES[@]}")
for word; do
  case $word in
    --short) options+=(--short) defaults=("${SHORT[@]}") ;;
    --nfs) options+=(--nfs) defaults=("${NFS[@]}") ;;
    *)
      [[ " ${RELEASES[*]} " == *" $word "* ]] || die "no kernel of $word; there are those of: ${RELEASES[*]}"
      chosen+=("$word")
      ;;
  esac
done
((EUID == 0)) || die "run this as root: it installs qemu, and makes a file system of root's files"
[[ $(dpkg --print-architecture) == amd64 ]] || die "only on amd64: the kernels run this machine's own programs"
((${#chosen[@]})) || chosen=("${defaults[@]}")

tools/setup --werror
need_packages qemu-system-x86 busybox-static cpio e2fsprogs strace
[[ " ${options[*]} " != *' --nfs '* ]] || need_packages nfs-kernel-server nfs-common rpcbind iproute2
exec 8>.deps/kernels.lock
flock 8
kernels=()
for release in "${chosen[@]}"; do
  if need_kernel "$release"; then
    kernels+=("$release=$KERNELS/$release")
  elif [[ $release == bullseye ]]; then
    say "the archive has no kernel of $release any more; going on without it"
  else
    die "no kernel of $release to be had (above)"
  fi
done
exec /usr/bin/python3 -B tests/kernels/main.py "${options[@]}" "${kernels[@]}"
