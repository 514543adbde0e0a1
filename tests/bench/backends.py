"""Brings up what stands behind each row, and says why where it cannot."""

import base64
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests" / "fleet")]
import harness  # noqa: E402
import node  # noqa: E402
from cluster import Cluster, programs  # noqa: E402

from machine import children, cpu_seconds, dies_with_us  # noqa: E402
from webserver import COOKIE, SECRET, Nginx  # noqa: E402

PASSTHROUGH_HP = TOP / ".deps" / "passthrough_hp"
AUTH_CHECK = harness.BUILD / "tests" / "bench" / "auth_check"
DJANGO_KINDS = ("auth_django", "xaccel", "stream")
EXPIRES = 4102444800  # of signed URLs: 2100


class Unavailable(Exception):
    """A row that cannot run here, and why."""


class Server:
    """A row that runs: nginx's port, what to ask for, and whose processor time it costs."""

    def __init__(self, row, nginx, *, daemon_pids=(), site=None, django_key=""):
        self.row, self.nginx, self.site = row, nginx, site
        self.daemon_pids = daemon_pids  # a function or a tuple
        self.django_key = django_key

    def urls(self, urls):
        if self.row.kind != "secure_link":
            return urls
        return [f"{url}?md5={signature(url)}&expires={EXPIRES}" for url in urls]

    def cpu(self):
        pids = self.daemon_pids() if callable(self.daemon_pids) else self.daemon_pids
        return self.nginx.cpu(), cpu_seconds(pids)


def signature(url):
    digest = hashlib.md5(f"{EXPIRES}{url} {SECRET}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Servers:
    """Everything that runs; close() ends it all, and returns what went wrong with daemons."""

    def __init__(self, work, corpus, descriptors):
        self.work, self.corpus, self.descriptors = work, corpus, descriptors
        self._processes, self._nginxes, self._sites = [], [], []
        self._nodes, self._clusters = [], []
        self._django = None

    def start(self, row):
        """A Server; Unavailable if it cannot be had on this machine or with this build."""
        mount, daemon, site = None, (), None
        django, key, check = None, "", None
        if row.kind in DJANGO_KINDS:
            django, key, process = self._gunicorn()
            daemon = lambda: children(process.pid)  # noqa: E731 - its workers, whoever they are then
        elif row.is_grantfs:
            site = self.grantfs(row)
            mount, daemon = site.mountpoint, (site.daemon_pid,)
        elif row.kind == "auth_grantfs":
            check, process = self._auth_check(row)
            daemon = (process.pid,)
        elif row.kind in ("bindfs", "passthrough_hp"):
            mount, process = self._peer(row)
            daemon = (process.pid,)
        nginx = Nginx(self.work / f"nginx-{row.name}", row.kind, store=self.corpus.store, mount=mount, django=django,
                      check=check)
        self._nginxes.append(nginx)
        return Server(row, nginx, daemon_pids=daemon, site=site, django_key=key)

    def grantfs(self, row):
        """A mount of the store with a database of its own, so that no other daemon looks into it."""
        site = self._site()
        try:
            if row.follows:
                self._follow(site)
            options = f"{row.options},server_group=www-data".lstrip(",")
            if row.audits:
                (site.root / "audit").mkdir(mode=0o700)
                options += f",audit={site.root}/audit/record.jsonl"
            done = site.mount(options, check=False)
            if done.returncode != 0:
                lines = done.stdout.strip().splitlines() + done.stderr.strip().splitlines()
                raise Unavailable(lines[-1] if lines else f"grantfs ended with status {done.returncode}")
            if row.follows:
                self._nodes[-1].wait_until_current()
            site.says = site.status()
            if trouble := contradiction(row.expects, site.says):
                raise Unavailable(trouble)
        except BaseException:
            self.drop(site)
            raise
        self.descriptors.watch(row.name, site.daemon_pid)
        return site

    def _site(self):
        """The store and a policy database, not mounted."""
        tempfile.tempdir = str(self.work)
        site = harness.Site()
        self._sites.append(site)
        site.store = self.corpus.store
        self.corpus.fill_policy(site.db)
        return site

    def _follow(self, site):
        """Makes the database a copy of one in PostgreSQL that has the same rows, and is followed."""
        if not node.can_follow() or programs() is None:
            raise Unavailable("no PostgreSQL server is installed, or grantfs was built without PostgreSQL")
        self._clusters.append(Cluster(fsync="on"))
        upstream = node.Upstream(self._clusters[-1], "bench")
        upstream.fill_from(site.db)
        site.db.unlink()
        self._nodes.append(node.Node(upstream, "bench", site))
        self._nodes[-1].start("--follow=10")
        self._nodes[-1].wait_until_copied()

    def drop(self, site):
        self._sites.remove(site)
        site.close()

    def _auth_check(self, row):
        """The socket of a session check, and its process, which asks a database like that of a mount."""
        site = self._site()
        path = site.root / "check.sock"
        with socket.socket(socket.AF_UNIX) as listening, open(self.work / f"{row.name}.log", "wb") as log:
            listening.bind(str(path))
            path.chmod(0o666)
            listening.listen(512)
            process = subprocess.Popen([AUTH_CHECK, site.db], stdin=listening, stdout=log, stderr=log,
                                       start_new_session=True, preexec_fn=dies_with_us)
        self._processes.append(process)
        return path, process

    def _peer(self, row):
        mount = self.work / f"mount-{row.name}"
        mount.mkdir()
        if row.kind == "bindfs":
            command = ["bindfs", "-f", "-r", "--multithreaded", self.corpus.store, mount]
        else:
            if not PASSTHROUGH_HP.exists():
                raise Unavailable("passthrough_hp was not built")
            options = ",".join(filter(None, ("allow_other,ro", row.options)))
            command = [PASSTHROUGH_HP, "--foreground", "-o", options, self.corpus.store, mount]
        with open(self.work / f"{row.name}.log", "wb") as log:
            process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True, preexec_fn=dies_with_us)
        self._processes.append(process)
        deadline = time.monotonic() + 10
        while not os.path.ismount(mount):
            if process.poll() is not None or time.monotonic() > deadline:
                said = (self.work / f"{row.name}.log").read_text(errors="replace").strip().splitlines()
                raise Unavailable(said[-1] if said else f"{command[0]} did not mount")
            time.sleep(0.01)
        return mount, process

    def _gunicorn(self):
        """One for all rows of Django. Workers as gunicorn's manual counts them."""
        if self._django:
            return self._django
        folder = self.work / "django"
        folder.mkdir(mode=0o755)
        environment = {**os.environ, "BENCH_FOLDER": str(folder), "BENCH_STORE": str(self.corpus.store)}
        key = folder / "session.key"
        paths = self.corpus.paths_file("django", [f"{size}/{name}" for size, names in self.corpus.files.items()
                                                  for name in names])
        app = pathlib.Path(__file__).with_name("django_app.py")
        done = subprocess.run(["/usr/bin/python3", "-B", app, key, paths], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"Django: {done.stderr.strip().splitlines()[-1]}")
        address = folder / "socket"
        with open(folder / "gunicorn.log", "wb") as log:
            process = subprocess.Popen(
                ["/usr/bin/gunicorn", "--chdir", app.parent, "--bind", f"unix:{address}", "--umask", "0",
                 "--workers", str(2 * (os.cpu_count() or 1) + 1), "django_app:application"],
                env={**environment, "PYTHONDONTWRITEBYTECODE": "1"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=dies_with_us)
        self._processes.append(process)
        deadline = time.monotonic() + 20
        while not (address.exists() and len(children(process.pid)) > 1):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"gunicorn: {(folder / 'gunicorn.log').read_text()[-300:]}")
            time.sleep(0.05)
        self._django = address, key.read_text(), process
        return self._django

    def close(self):
        for nginx in self._nginxes:
            nginx.stop()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for each in self._nodes:
            each.stop()
        for cluster in self._clusters:
            cluster.close()
        troubles = []
        for site in self._sites:
            try:
                site.close()
            except AssertionError as error:  # a daemon that ended badly: told, after all else is gone
                troubles.append(str(error))
        return troubles


def contradiction(expects, status):
    """What `grantctl status` says otherwise than the row's name; fields that it lacks are not judged."""
    for field, wanted in expects.items():
        said = status.get(field)
        if said is None:
            continue
        if field == "transport":
            agrees = ("uring" in str(said)) == (wanted == "uring")
        elif field == "passthrough":
            agrees = (said in (True, "on", "yes", "kernel")) == wanted
        else:
            agrees = said == wanted
        if not agrees:
            return f"the daemon says {field} is {json.dumps(said)}"
    return None


def cookies(token, django_key):
    return f"{COOKIE}={token}; sessionid={django_key}"
