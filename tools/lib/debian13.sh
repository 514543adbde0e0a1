#!/bin/bash
# Sets up, builds and checks grantfs in a Debian 13 of its own: tools/check debian13 [PART...].
# The root stays in .deps/debian13, so that the second run is quick. What runs there has mount and process
# namespaces of its own: whatever it mounts or starts is gone when it ends, however it ends.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh

CODENAME=trixie
ROOT=$PWD/.deps/debian13
PARTS=(docs unit nobody grantctl mount django demo)

# make_root: Debian 13 in $ROOT, in place at once or not at all.
make_root() {
  [[ ! -e $ROOT/etc/debian_version ]] || return 0
  say "making a Debian 13 root"
  need_packages debootstrap
  local uri key dir
  read -r uri key < <(archive_source) || true
  [[ -n ${uri:-} ]] || die "no archive of this distribution in /etc/apt"
  [[ -n ${key:-} ]] || key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p .deps
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  quietly debootstrap --variant=minbase --keyring="$key" "$CODENAME" "$dir/root" "$uri" ||
    die "debootstrap failed (above)"
  install -m 644 "$key" "$dir/root/usr/share/keyrings/archive-of-the-machine.gpg"
  printf 'deb [signed-by=/usr/share/keyrings/archive-of-the-machine.gpg] %s %s main\n' "$uri" "$CODENAME" \
    >"$dir/root/etc/apt/sources.list"
  rm -rf "$dir/root/var/cache/apt/archives"/*.deb
  chmod 755 "$dir/root"
  mv "$dir/root" "$ROOT"
}

# copy_sources: this checkout as it stands, with what was built there before.
copy_sources() {
  local there=$ROOT/srv/grantfs
  mkdir -p "$there"
  find "$there" -mindepth 1 -maxdepth 1 ! -name 'build*' ! -name .deps -exec rm -rf {} +
  tar -c --exclude='./build*' --exclude=./.deps --exclude=./.git --exclude=__pycache__ . | tar -xp -C "$there"
  cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf" 2>/dev/null || true
  # How the machine's apt is told to fetch: a proxy, say.
  apt-config dump | grep -E '^Acquire::(https?|ftp|Check-|Retries|ForceIPv)' >"$ROOT/etc/apt/apt.conf.d/99machine" || true
}

# enter: in namespaces of our own, mounts what a root needs, and goes on there.
enter() {
  mount --bind "$ROOT" "$ROOT"
  mount -t proc proc "$ROOT/proc"
  mount --rbind /sys "$ROOT/sys"
  mount -t tmpfs -o mode=755 dev "$ROOT/dev"
  mkdir "$ROOT/dev/shm" "$ROOT/dev/pts"
  mount -t tmpfs -o mode=1777 shm "$ROOT/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$ROOT/dev/pts"
  ln -s pts/ptmx "$ROOT/dev/ptmx"
  ln -s /proc/self/fd "$ROOT/dev/fd"
  local device
  for device in null zero full random urandom tty fuse loop-control; do
    [[ -e /dev/$device ]] || continue
    touch "$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
  done
  mount -t tmpfs -o mode=755 run "$ROOT/run"
  mkdir -p "$ROOT/run/lock" /run/lock
  mount --bind /run/lock "$ROOT/run/lock"  # tests outside wait for those inside, where the machine has one of a thing
  # Not chroot: in one, nobody may make a user namespace.
  mkdir -p "$ROOT/.outside"
  cd "$ROOT"
  pivot_root . .outside
  umount -l /.outside
  exec /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    /srv/grantfs/tools/lib/debian13.sh --inside "$@"
}

# check NAME COMMAND...: remembers what failed.
failed=()
check() {
  local name=$1
  shift
  say "$name"
  "$@" || failed+=("$name")
}

django_tests() {
  need_packages python3-django
  (cd examples/django && SECRET_KEY=test GRANTCTL=../../build/grantctl /usr/bin/python3 -B manage.py test)
}

inside() {
  # With the libfuse that is packaged there, as a packager's build has it.
  export LIBFUSE_WANTED=3.17 GRANTFS_PACKAGED_LIBFUSE=1
  tools/setup --werror --lumps
  local part
  for part; do
    case $part in
      django) check django django_tests ;;
      demo) check demo tools/demo ;;
      mount)
        need_packages bindfs mergerfs strace
        check mount /usr/bin/python3 -B tests/run.py mount
        ;;
      *) check "$part" /usr/bin/python3 -B tests/run.py "$part" ;;
    esac
  done
  ((${#failed[@]} == 0)) || die "Debian $(cat /etc/debian_version): failed: ${failed[*]}"
  say "Debian $(cat /etc/debian_version): all passed: $*"
}

case ${1-} in
  --enter) shift; enter "$@" ;;
  --inside) shift; inside "$@"; exit ;;
esac
((EUID == 0)) || die "run this as root: it makes a root of its own and mounts there"
for part; do
  [[ " ${PARTS[*]} " == *" $part "* ]] || die "no part $part of debian13; there are: ${PARTS[*]}"
done
mkdir -p .deps
exec 8>.deps/debian13.lock
flock 8
make_root
copy_sources
unshare --mount --propagation private --pid --fork --kill-child "$PWD/tools/lib/debian13.sh" --enter "${@:-${PARTS[@]}}"
