#!/bin/bash
# Makes a machine of a root, where tools/lib/boot.sh runs it: prepare.sh base: what a small server has, and what our package depends on;
# prepare.sh site: our package, and README's site on a disk that is to be mounted at /srv/private.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

base() {
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  apt-get -q update
  apt-get -q -y -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends \
    linux-image-cloud-amd64 initramfs-tools systemd systemd-sysv dbus udev kmod nginx curl /root/grantfs_*.deb
  dpkg --purge grantfs
  apt-get -q clean
  rm /usr/sbin/policy-rc.d
  passwd -d root
}

site() {
  apt-get -q -y install --no-install-recommends /packages/grantfs_*.deb
  echo machine >/etc/hostname
  head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >/etc/machine-id
  printf '%s\n' 'LABEL=root / ext4 defaults 0 1' \
    'LABEL=store /srv/private ext4 defaults,nofail,x-systemd.device-timeout=600 0 2' >/etc/fstab

  install -d -m 700 /srv/private
  install -d -m 000 /srv/files
  export GRANTFS_DB=/var/lib/grantfs/site/policy.db
  grantctl init
  grantctl own user:alice uploads/report.txt
  grantctl webconf nginx >/etc/nginx/conf.d/grantfs.conf
  cp /etc/grantfs/example.conf /etc/grantfs/site.conf
  systemctl enable grantfs@site.service

  # As the examples say it, for this site.
  local examples=/usr/share/doc/grantfs/examples/systemd
  mkdir -p /etc/systemd/system/nginx.service.d /etc/systemd/system/grantfs@site.service.d
  sed 's/grantfs@files/grantfs@site/; /^RequiresMountsFor=/d' $examples/nginx.service.d/grantfs.conf \
    >/etc/systemd/system/nginx.service.d/grantfs.conf
  sed 's#/var/lib/myapp/uploads#/srv/private#' "$examples/grantfs@NAME.service.d/store.conf" \
    >/etc/systemd/system/grantfs@site.service.d/store.conf

  install -m 755 /source/guest.sh /usr/local/sbin/guest
  cat >/etc/systemd/system/guest.service <<'UNIT'
[Unit]
Description=Questions to this machine

[Service]
ExecStart=/usr/local/sbin/guest

[Install]
WantedBy=multi-user.target
UNIT
  systemctl enable guest.service
}

"$1"
