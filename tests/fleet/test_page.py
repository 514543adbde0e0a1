"""docs/fleet.md, run by the letter: a database on one machine, a web server's machine beside it, with every change kept apart."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from cluster import Cluster
from harness import BUILD, GRANTCTL, REPOSITORY, SANITIZED
from network import Network
from node import can_follow

import fleet  # noqa: F401: where servers.py is
from servers import make_certificate

PAGE = (REPOSITORY / "docs/fleet.md").read_text()

# systemd's part: what the units say, as far as it is about programs, users and what they see of others.
PRELUDE = r"""
set -e
scratch=$1 build=$2 top=$3 address=$4 certificate=$5
mount -t tmpfs tmpfs "$scratch"
for folder in etc srv usr var; do
  mkdir -p "$scratch/$folder/upper" "$scratch/$folder/work"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$scratch/$folder/upper,workdir=$scratch/$folder/work" "/$folder"
done
mount -t proc -o hidepid=invisible proc /proc
rm -rf /var/lib/grantfs /etc/grantfs
meson install -C "$build" --no-rebuild >/dev/null
echo "$address db1" >>/etc/hosts
mkdir -p /etc/grantfs
mkdir /srv/private
mount -t tmpfs -o mode=700 tmpfs /srv/private  # an overlay gives no file handles
mkdir /srv/private/shared
cp "$certificate" /etc/grantfs/db.crt
echo 'for everyone' >/srv/private/shared/note.txt

wait_until_ready() {
  /usr/bin/python3 -c '
import os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
    notified.settimeout(30)
    notified.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    while b"READY=1" not in notified.recv(4096): pass' "$1"
}
start() {
  local file=/usr/local/lib/systemd/system/${1%%@*}@.service
  said() { sed -n "s/^$1=//p" "$file" | sed "s/%i/${2#*@}/g"; }
  local user=$(said User) command=$(said ExecStart "$1") environment=$(said EnvironmentFile "$1") mask=$(said UMask)
  wait_until_ready "/run/$1" &
  local waiting=$!
  until [[ -S /run/$1 ]]; do sleep 0.01; done
  (
    umask "$mask"
    set -a; eval "$(said Environment | tr ' ' '\n')"; . "$environment"; set +a
    export NOTIFY_SOCKET=/run/$1 HOME=/nonexistent
    eval exec setpriv --pdeathsig=TERM ${user:+--reuid=$user --regid=$user --init-groups} $command
  ) &
  started+=($!)
  wait "$waiting"
}
systemctl() {
  # As Before= has it: one after the other is ready.
  for unit in "${@:3}"; do start "$unit"; done
}
started=()
"""
POSTLUDE = r"""
echo ready
read -r line
for pid in "${started[1]}" "${started[0]}"; do kill "$pid"; wait "$pid"; done
"""


def blocks(heading):
    """The indented blocks of a section."""
    section = re.search(rf"^## {heading}$.*?(?=^## )", PAGE, re.MULTILINE | re.DOTALL)[0]
    found = re.findall(r"^((?:    .*\n|\n(?=    ))+)", section, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


@unittest.skipIf(os.geteuid(), "makes namespaces and mounts: run it as root")
@unittest.skipIf(SANITIZED, "installs what was built")
class Page(unittest.TestCase):
    def setUp(self):
        if not can_follow():
            self.skipTest("built without PostgreSQL")
        for program in ("adduser", "addgroup", "meson", "openssl"):
            if not shutil.which(program):
                self.skipTest(f"no {program} here")
        self.network = Network()
        self.addCleanup(self.network.close)
        folder = tempfile.TemporaryDirectory(prefix="grantfs-page.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)

    def start_database(self, settings, rules):
        """A server for other machines, by these lines of its files."""
        said = dict(re.findall(r"^(\w+) = (\S+)", settings, re.MULTILINE))
        self.assertGreater(len(said), 3)
        make_certificate(self.folder, "db1")
        cluster = Cluster(start=False, machine=self.network.machine("db1"), ssl="on", ssl_cert_file=f"{self.folder}/site.pem",
                          ssl_key_file=f"{self.folder}/site.key", **said)
        self.addCleanup(cluster.close)
        os.chown(self.folder / "site.key", cluster.user.pw_uid, cluster.user.pw_gid)
        (cluster.data / "pg_hba.conf").write_text(f"local all all trust\n{rules}")
        cluster.start()
        return cluster

    def run_as_superuser(self, commands):
        environment = {**os.environ, "PGHOST": str(self.cluster.folder), "PGPORT": str(self.cluster.port), "PGUSER": "postgres",
                       "PATH": f"{GRANTCTL.parent}:{self.cluster.bin}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["bash", "-exc", commands], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_it_leads_from_one_machine_to_a_database_and_another(self):
        settings, rules, superusers, moves = blocks("The database")
        on_each, status = blocks("Each machine")
        self.cluster = self.start_database(settings, rules)
        self.run_as_superuser(superusers)
        old = self.folder / "old/policy.db"
        for words in (("init",), ("grant", "public", "shared")):
            subprocess.run([GRANTCTL, "--db", old, *words], check=True, capture_output=True)
        self.run_as_superuser(moves.replace("/var/lib/grantfs/site/policy.db", str(old)))

        web = self.network.machine("web1")
        scratch = self.folder / "scratch"
        scratch.mkdir()
        a_second_later = f"set +x; until {status.strip()} >/dev/null; do sleep 0.05; done"
        script = f"{PRELUDE}\nset -x\n{on_each}\n{a_second_later}\n{status}\n{POSTLUDE}"
        with subprocess.Popen([*web.enter, "bash", "-c", script, "page", scratch, BUILD, REPOSITORY, self.cluster.machine.address,
                               self.folder / "site.pem"], cwd=REPOSITORY, env={**os.environ, "LC_ALL": "C.UTF-8"}, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as machine:
            said = ""
            try:
                while not said.endswith("ready\n") and (line := machine.stdout.readline()):
                    said += line
                self.assertRegex(said, r"(?m)^follow +current ")
                note = web.seen("/srv/files/public/shared/note.txt")
                self.assertEqual(note.read_text(), "for everyone\n", said)
                self.run_as_superuser("grantctl --db postgresql:///site revoke public shared")
                self.assertFalse(note.exists())
                rest, _ = machine.communicate("\n", timeout=30)
                self.assertEqual(machine.returncode, 0, said + rest)
            finally:
                machine.kill()


if __name__ == "__main__":
    unittest.main()
