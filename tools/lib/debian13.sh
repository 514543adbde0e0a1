#!/bin/bash
# Sets up, builds and checks grantfs in a Debian 13 of its own: tools/check debian13 [PART...].
# The root stays in .deps/debian13, so that the second run is quick.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh
. tools/lib/roots.sh

ROOT=$PWD/.deps/debian13
PARTS=(docs unit nobody grantctl mount django demo)

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

[[ ${1-} != --inside ]] || { inside "${@:2}"; exit; }
((EUID == 0)) || die "run this as root: it makes a root of its own and mounts there"
for part; do
  [[ " ${PARTS[*]} " == *" $part "* ]] || die "no part $part of debian13; there are: ${PARTS[*]}"
done
mkdir -p .deps
exec 8>.deps/debian13.lock
flock 8
need_root trixie "$ROOT"
connect_root "$ROOT"
copy_checkout "$ROOT/srv/grantfs"
in_root "$ROOT" /srv/grantfs/tools/lib/debian13.sh --inside "${@:-${PARTS[@]}}"
