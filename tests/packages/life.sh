#!/bin/bash
# The life of the packages in a fresh root, where tools/lib/packages.sh runs it: life.sh install, with a network; life.sh use, without
# one. /packages has the packages, /source the checkout.
set -euo pipefail

PACKAGES=(grantfs grantfs-postgresql)
WORK=/var/tmp/life
URL=http://127.0.0.1:8080/private/uploads/report.txt
export DEBIAN_FRONTEND=noninteractive AUTOPKGTEST_TMP=$WORK
apt_get() { apt-get -q -y -o Dpkg::Options::=--force-unsafe-io "$@"; }

# files: all there are, without what dpkg, apt and logs keep of everything.
files() {
  find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /var/tmp -o -path /packages \
    -o -path /source -o -path /tmp -o -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /root \) -prune -o -print | sort
}

# older FOLDER: the packages, as if they were of a version before.
older() {
  local package dir
  mkdir -p "$1"
  for package in "${PACKAGES[@]}"; do
    dir=$WORK/$package
    dpkg-deb --raw-extract /packages/"$package"_[0-9]*.deb "$dir"
    sed -i -E 's/^Version: .*/Version: 0.1.9/; s/grantfs \(= [^)]*\)/grantfs (= 0.1.9)/' "$dir/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$dir" "$1/${package}_0.1.9.deb"
    rm -r "$dir"
  done
}

install_all() {
  mkdir -p "$WORK"
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d  # nginx is started by README's line
  chmod 755 /usr/sbin/policy-rc.d
  apt_get update
  apt_get install --no-install-recommends nginx curl systemd-standalone-sysusers
  older "$WORK/older"
  files >"$WORK/before"
  apt_get install --no-install-recommends "$WORK"/older/*.deb
}

failed=0 passed=0
step() {
  local name=$1
  (set -e; "${@:2}") >"$WORK/output" 2>&1 &  # where "if" does not see it: it would take -e away
  if wait $!; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAIL: Debian %s: %s\n' "$(cat /etc/debian_version)" "$name"
    tail -n 40 "$WORK/output"
  fi
}

not() { ! "$@"; }  # which -e does heed
is_mounted() { grep -q ' /srv/files fuse.grantfs ' /proc/mounts; }
daemons() { find /proc -maxdepth 2 -name comm -exec grep -lsx grantfs {} + || true; }
token() { grantctl session create user:alice --expires 8h; }
serves() { [[ $(curl -s -H "Cookie: __Host-files=$1" "$URL") == 'for alice' ]]; }
answer() { curl -s -o /dev/null -w '%{http_code}' "$URL"; }

# upgrade: a reader who asks all the while is served each time.
upgrade() {
  local mine asking
  mine=$(token)
  (until [[ -e $WORK/over ]]; do serves "$mine" || { echo refused; exit 1; }; done) &
  asking=$!
  apt_get install --no-install-recommends /packages/grantfs_[0-9]*.deb /packages/grantfs-postgresql_*.deb
  touch "$WORK/over"
  wait "$asking"
  [[ $(dpkg-query -W -f '${Version}' grantfs) != 0.1.9 ]]
  is_mounted
  # What is new takes access away from what runs.
  grantctl revoke user:alice uploads/report.txt
  not serves "$mine"
  grantctl own user:alice uploads/report.txt
  serves "$mine"
}

by_fstab() {
  umount /srv/files
  echo '/srv/private /srv/files fuse.grantfs db=/var/lib/grantfs/site/policy.db,server_group=www-data 0 0' >>/etc/fstab
  mount /srv/files
  serves "$(token)"
}

installed_names_have_pages() {
  local name
  for name in grantfs grantctl grantfs-follow mount.grantfs mount.fuse.grantfs; do
    [[ -n $(type -P "$name") ]]
    dpkg -S "/usr/share/man/man8/$name.8.gz"
  done
}

user_is_there() { getent passwd grantfs-follow; [[ -d /var/lib/grantfs ]]; }

in_use() {
  sleep infinity </srv/files/public &
  local holder=$! status=0
  apt_get remove grantfs || status=$?
  kill "$holder"
  ((status))
  is_mounted
  [[ -x /usr/bin/grantctl ]]
}

remove() {
  apt_get remove "${PACKAGES[@]}"
  not is_mounted
  [[ -z $(daemons) ]]
  [[ $(answer) == 403 ]]  # the mount point's own mode
  [[ -e /etc/grantfs/example.conf && ! -e /usr/bin/grantfs ]]
}

# purge: of what there is now, all was there before, or is the administrator's or nginx's own, or passwd(5)'s copy of before.
purge() {
  apt_get purge "${PACKAGES[@]}"
  apt_get autoremove --purge
  local new
  new=$(comm -13 "$WORK/before" <(files) | grep -vE '^/(srv/|etc/nginx/conf.d/grantfs.conf$|var/lib/(grantfs|nginx/)|usr/sbin/policy-rc.d$|etc/(passwd|shadow|group|gshadow)-$)' || true)
  [[ -z $new ]] || { echo "left behind: $new"; false; }
  [[ -z $(comm -23 "$WORK/before" <(files)) ]]
  [[ -e /var/lib/grantfs/site/policy.db ]]
}

use() {
  export GRANTFS_DB=/var/lib/grantfs/site/policy.db
  cd /source
  step "README's few lines serve a private file" debian/tests/serve
  step 'every installed name has a manual page' installed_names_have_pages
  step 'the follower has its user' user_is_there
  step 'an upgrade over a mount leaves nobody unserved' upgrade
  step 'a line in /etc/fstab' by_fstab
  step 'a mount in use is not left without its command' in_use
  step 'removed, nothing is mounted and nothing runs' remove
  step 'purged, nothing is left but policies' purge
  printf '%s %s\n' "$passed" "$failed" >/packages/result
}

case $1 in
  install) install_all ;;
  use) use ;;
esac
