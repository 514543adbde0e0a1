#!/bin/bash
# Builds the packages twice, under circumstances that differ, and compares the bytes: tools/check reproducible [RELEASE...].
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh
. tools/lib/roots.sh

RELEASES=(bookworm trixie)
ROOTS=$PWD/.deps/package

# again: runs in the root in which the packages were built. Builds them once more in another folder, at another
# date, in another time zone, with other permissions, and without a compiler cache.
again() {
  local folder=/srv/again/in/a/folder/of/another/length
  rm -rf /srv/again
  mkdir -p "$folder"
  tar -c -C /srv/grantfs . | tar -x -C "$folder" --no-same-owner
  umask 0002
  chmod -R g+w "$folder"
  cd "$folder"
  export TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 DEB_BUILD_OPTIONS='nocheck'
  quietly dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary || die "dpkg-buildpackage failed (above)"
}

# members PACKAGE: what it holds, a line each: permissions, owner, size, date, name; then hashes.
members() {
  dpkg-deb --fsys-tarfile "$1" | tar -tv --full-time
  local dir
  dir=$(mktemp -d)
  scratch+=("$dir")
  dpkg-deb --raw-extract "$1" "$dir/x"
  (cd "$dir/x" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
  rm -rf "$dir"
}

passed=0 failed=0
compare() {
  local package again
  for package in "$1"/*.deb; do
    again=$2/${package##*/}
    if cmp -s "$package" "$again"; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      say "FAIL: ${package##*/} differs: what is in it"
      diff <(members "$package") <(members "$again") || true
    fi
  done
}

[[ ${1-} != --inside ]] || { again; exit; }
releases=()
for word; do
  [[ " ${RELEASES[*]} " == *" $word "* ]] || die "no packages for $word; there are those for: ${RELEASES[*]}"
  releases+=("$word")
done
((EUID == 0)) || die "run this as root: it makes roots of its own and mounts there"
((${#releases[@]})) || releases=("${RELEASES[@]}")
tools/package "${releases[@]}"
for release in "${releases[@]}"; do
  say "building them again in $release"
  in_root "$ROOTS/$release" /srv/grantfs/tools/lib/reproducible.sh --inside
  compare "$ROOTS/$release/srv" "$ROOTS/$release/srv/again/in/a/folder/of/another"
  rm -rf "$ROOTS/$release/srv/again"
done
printf '%s passed, %s failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
