#!/bin/bash
# Runs in the machine as a service, while it boots: puts questions to systemd, and says what came of them on the second serial port.
# Which, the kernel's command line says: boot.part=disk, fstab or packages.
exec >/dev/ttyS1 2>/run/guest.trace
set -u
URL=http://127.0.0.1:8080/private/uploads/report.txt
export GRANTFS_DB=/var/lib/grantfs/site/policy.db

# question NAME COMMAND...: a line "ok NAME", or "FAIL NAME" and what was said last.
question() {
  (set -ex; "${@:2}") >/run/guest.said 2>&1 &  # where "if" does not see it: it would take -e away
  if wait $!; then
    echo "ok $1"
  else
    echo "FAIL $1"
    tail -n 40 /run/guest.said | sed 's/^/  /'
    journalctl -b --no-pager -n 30 -o cat | sed 's/^/  journal: /'
  fi
}

# until_so COMMAND...: waits for it, 120 seconds at most.
until_so() {
  local i
  for ((i = 0; i < 1200; i++)); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  echo "not so after two minutes: $*"
  return 1
}

not() { ! "$@"; }  # which -e does heed
is() { [[ $(systemctl is-active "$1") == "$2" ]]; }
shown() { systemctl show --value -p "$1" "$2"; }
answer() { curl -s -o /dev/null -w '%{http_code}' -H "Cookie: __Host-files=$token" "$URL"; }
serves() { [[ $(curl -s -H "Cookie: __Host-files=$token" "$URL") == 'for alice' ]]; }
is_mounted() { grep -q ' /srv/files fuse.grantfs ' /proc/mounts; }

# in_order UNIT...: each became active before the next one began.
in_order() {
  local before='' unit
  for unit; do
    [[ -z $before ]] || (($(shown ActiveEnterTimestampMonotonic "$before") <= $(shown InactiveExitTimestampMonotonic "$unit")))
    before=$unit
  done
}

waits_for_its_disk() {
  until_so is srv-private.mount inactive
  [[ -n $(systemctl list-jobs 'grantfs@site.service' | grep waiting) ]]
  not is_mounted
  is nginx.service inactive
  [[ $(setpriv --reuid=www-data --regid=www-data --clear-groups ls /srv/files 2>&1) == *'Permission denied'* ]]
}

comes_in_order() {
  until_so is nginx.service active
  in_order srv-private.mount grantfs@site.service nginx.service
  serves
}

# asks_until_over: what was answered while something was done, each kind once.
asks_until_over() { until [[ -e /run/over ]]; do answer; echo; done | sort -u >/run/answers; }

came_back() { (($(shown NRestarts grantfs@site.service) > 0)); }

survives_a_kill() {
  local nginx
  nginx=$(shown MainPID nginx.service)
  rm -f /run/over
  asks_until_over &
  systemctl kill --signal=KILL grantfs@site.service
  until_so came_back
  until_so is grantfs@site.service active
  until_so serves
  touch /run/over
  wait $!
  [[ $(shown NRestarts grantfs@site.service) == 1 ]]
  [[ $(shown MainPID nginx.service) == "$nginx" ]]
  not grep -E '404' /run/answers
}

hands_over() { [[ $(printf '%s\n' 6.5 "$(uname -r)" | sort -V | head -n 1) == 6.5 ]]; }
one_daemon() { [[ $(grantctl --json status | grep -c '"stage"') == 1 ]]; }

reloads() {
  local daemon held
  daemon=$(shown MainPID grantfs@site.service)
  systemctl daemon-reload
  systemctl reload nginx.service
  until_so serves
  [[ $(shown MainPID grantfs@site.service) == "$daemon" ]]
  if ! hands_over; then
    not systemctl reload grantfs@site.service
    [[ $(shown MainPID grantfs@site.service) == "$daemon" ]]
    serves
    return
  fi
  rm -f /run/over
  asks_until_over &
  exec {held}</srv/files/public
  systemctl reload grantfs@site.service  # hands over
  [[ $(shown MainPID grantfs@site.service) != "$daemon" ]]
  is grantfs@site.service active
  kill -0 "$daemon"
  exec {held}<&-
  until_so not kill -0 "$daemon"
  systemctl reload grantfs@site.service
  is grantfs@site.service active
  until_so one_daemon
  touch /run/over
  wait $!
  [[ $(cat /run/answers) == 200 ]]
  serves
  daemon=$(shown MainPID grantfs@site.service)
  systemctl kill --signal=KILL --kill-whom=main grantfs@site.service  # whom it watches over
  until_so serves
  [[ $(shown MainPID grantfs@site.service) != "$daemon" ]]
  systemctl restart grantfs@site.service
  serves
}

stops_and_starts() {
  systemctl stop grantfs@site.service
  is grantfs@site.service inactive
  not is_mounted
  [[ $(answer) == 403 ]]
  systemctl start grantfs@site.service
  serves
}

wrong_options_are_not_tried_again() {
  cp /etc/grantfs/site.conf /run/site.conf
  echo 'OPTIONS=enforce=never' >>/etc/grantfs/site.conf
  not systemctl restart grantfs@site.service
  is grantfs@site.service failed
  [[ $(shown ExecMainStatus grantfs@site.service) == 2 ]]
  cp /run/site.conf /etc/grantfs/site.conf
  systemctl start grantfs@site.service
  serves
}

journal_tells_and_hides() {
  until_so journalctl --sync
  journalctl -b --no-pager -u grantfs@site.service >/run/journal
  grep /srv/files /run/journal
  not grep -F "$token" /run/journal
  journalctl -b --no-pager >/run/journal
  not grep -F "$token" /run/journal
}

status_is_well() { grantctl status; }
no_unit_failed() { [[ -z $(systemctl --failed --plain --no-legend) ]] || { systemctl --failed; false; }; }

# as_fstab: from the next boot on, the line of README's, and no unit of ours.
as_fstab() {
  systemctl disable grantfs@site.service
  rm -r /etc/systemd/system/grantfs@site.service.d
  sed -i 's#private ext4 defaults,nofail,#private ext4 defaults,#' /etc/fstab
  echo '/srv/private  /srv/files  fuse.grantfs  db=/var/lib/grantfs/site/policy.db,server_group=www-data,x-systemd.requires-mounts-for=/srv/private  0 0' \
    >>/etc/fstab
  cat >/etc/systemd/system/nginx.service.d/grantfs.conf <<'UNIT'
[Unit]
RequiresMountsFor=/srv/files
AssertPathIsMountPoint=/srv/files
UNIT
}

fstab_mounts_in_order() {
  until_so is nginx.service active
  in_order srv-private.mount srv-files.mount nginx.service
  serves
}

unmounts_and_mounts() {
  systemctl stop srv-files.mount
  not is_mounted
  systemctl start srv-files.mount
  until_so systemctl restart nginx.service
  serves
}

upgrade_hands_over() {
  local daemon
  sed -i '/fuse.grantfs/d' /etc/fstab
  umount /srv/files
  systemctl daemon-reload
  systemctl enable --now grantfs@site.service
  daemon=$(shown MainPID grantfs@site.service)
  until_so systemctl restart nginx.service
  rm -f /run/over
  asks_until_over &
  dpkg -i /packages/grantfs_*.deb
  touch /run/over
  wait $!
  ! hands_over || [[ $(cat /run/answers) == 200 ]]
  [[ $(shown MainPID grantfs@site.service) != "$daemon" ]]
  until_so systemctl restart nginx.service
  serves
}

removal_stops_the_unit() {
  dpkg --remove grantfs
  not is_mounted
  is grantfs@site.service inactive || is grantfs@site.service failed
  [[ -z $(pidof grantfs) ]]
  dpkg --purge grantfs
  [[ ! -e /etc/grantfs && -z $(find /etc/systemd/system -name 'grantfs@site.service') ]]
  [[ -e /var/lib/grantfs/site/policy.db ]]
}

token=$(grantctl session create user:alice --expires 8h)
part=$(sed -n 's/.*boot\.part=\([a-z]*\).*/\1/p' /proc/cmdline)
echo "-- $part: Debian $(cat /etc/debian_version), Linux $(uname -r), $(systemctl --version | head -n 1)"
case $part in
  disk)
    question 'the unit waits for a disk that is not there, and nginx waits for the unit' waits_for_its_disk
    echo 'WANTED disk'
    question 'the disk, the unit and nginx come one after the other' comes_in_order
    question 'the daemon is well' status_is_well
    question 'killed, it is back by itself, and no answer says that the file is missing' survives_a_kill
    question 'reload, which hands over, and restart' reloads
    question 'stop, and start' stops_and_starts
    question 'wrong options end in "failed"' wrong_options_are_not_tried_again
    question 'the journal names the mount, and holds no token' journal_tells_and_hides
    question 'no unit failed' no_unit_failed
    as_fstab
    ;;
  fstab)
    question 'a line of fstab is mounted at boot, after its disk and before nginx' fstab_mounts_in_order
    question 'the mount unit stops and starts' unmounts_and_mounts
    question 'no unit failed' no_unit_failed
    question 'an upgrade hands over, and refuses nobody' upgrade_hands_over
    question 'removed and purged' removal_stops_the_unit
    ;;
esac
echo OVER
systemctl poweroff
