#!/bin/bash
# Builds the packages, and has each live its life in a fresh root of its release: tools/check packages [--as-built] [RELEASE...].
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh
. tools/lib/roots.sh

build=yes releases=()
for word; do
  case $word in
    --as-built) build= ;;
    bookworm | trixie) releases+=("$word") ;;
    *) die "no packages for $word; there are those for: bookworm trixie" ;;
  esac
done
((EUID == 0)) || die "run this as root: it makes roots of its own and mounts there"
((${#releases[@]})) || releases=(bookworm trixie)
[[ -z $build ]] || tools/package "${releases[@]}"
need_packages iproute2

# prepare FOLDER RELEASE LOWER: an overlay over a root, with the packages and the checkout in it.
prepare() {
  local dir=$1
  mkdir -p "$dir/upper/packages" "$dir/upper/source/examples" "$dir/upper/etc/apt/apt.conf.d" "$dir/work" "$dir/root"
  cp "dist/$2"/*.deb "$dir/upper/packages/"
  cp -a README.md debian "$dir/upper/source/"
  cp -a examples/cpp "$dir/upper/source/examples/"
  cp tests/packages/life.sh "$dir/upper/source/"
  connect_root "$dir/upper"
  mkdir -p ".deps/apt/$2"
}

passed=0 failed=0
for release in "${releases[@]}"; do
  need_fresh_root "$release"
  say "the packages' life in $release"
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  prepare "$dir" "$release"
  # What apt has fetched stays for the next time.
  keep=(--bind "$PWD/.deps/apt/$release" /var/cache/apt/archives)
  quietly in_overlay "$PWD/.deps/fresh/$release" "$dir" "${keep[@]}" /source/life.sh install || die "the packages cannot be installed (above)"
  in_overlay "$PWD/.deps/fresh/$release" "$dir" --no-network /source/life.sh use
  read -r ok bad <"$dir/upper/packages/result"
  passed=$((passed + ok)) failed=$((failed + bad))
  rm -rf "$dir"

  # The root in which they were built has a compiler, and all that libgrantfs-dev depends on.
  dir=$(mktemp -d "$PWD/.deps/work.XXXXXX")
  scratch+=("$dir")
  prepare "$dir" "$release"
  if quietly in_overlay "$PWD/.deps/package/$release" "$dir" --no-network \
    sh -ec 'dpkg -i /packages/libgrantfs-dev_*.deb; cd /source; AUTOPKGTEST_TMP=/var/tmp debian/tests/program'; then
    passed=$((passed + 1))
  else
    say "FAIL: a program by libgrantfs in $release (above)"
    failed=$((failed + 1))
  fi
  rm -rf "$dir"
done
printf '%s passed, %s failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
