"""examples/django as somebody runs it: under a uid of its own, behind nginx and grantfs."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess

import harness

TOP = pathlib.Path(__file__).resolve().parents[2]
DJANGO = TOP / "examples" / "django"
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
STOP_SECONDS = 20

# What Debian's nginx.conf has around a file of conf.d, in a folder of its own; but for default_type, which is as nginx
# has it where nobody sets another.
AROUND = """
user www-data;
worker_processes 2;
pid nginx.pid;
error_log error.log;
events { worker_connections 256; }
http {
    include /etc/nginx/mime.types;
    client_body_temp_path tmp-body;
    proxy_temp_path tmp-proxy;
    fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi;
    scgi_temp_path tmp-scgi;
    include site.conf;
}
"""

POPULATE = """
from django.contrib.auth.models import Group, User
from django.core.management import call_command
call_command("migrate", verbosity=0)
for name in ("alice", "anna", "ben", "bob", "carol"):
    User.objects.create_user(name, password=name + "'s own password")
family = Group.objects.create(name="family")
family.user_set.set(User.objects.filter(username__in=["anna", "carol"]))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def password(name):
    return f"{name}'s own password"


class DjangoSite:
    """A mount, gunicorn and nginx with https on 127.0.0.1; close() ends and deletes all."""

    def __init__(self):
        self.site = harness.Site()
        self.processes = []
        try:
            (self.uid,) = harness.unused_ids(1)
            self.folder = self.site.root
            self.port, self.django_port = free_port(), free_port()
            self._give_to_the_application()
            self.site.mount("server_group=www-data")
            self.manage("shell", input=POPULATE)
            self._start_gunicorn()
            self._start_nginx()
        except BaseException:
            self.close()
            raise

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def _give_to_the_application(self):
        """The store is its own; the policy it may write by its group; the code it may read."""
        shutil.copytree(DJANGO, self.folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        for path in (self.data, self.site.store):
            os.chown(path, self.uid, self.uid)
        policy = self.site.db.parent
        for path in (policy, *policy.iterdir()):
            os.chown(path, 0, self.uid)
        policy.chmod(0o2770)

    @property
    def _as_the_application(self):
        return {"cwd": self.folder / "app", "user": self.uid, "group": self.uid, "extra_groups": [], "env": {
            "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": str(self.data), "PYTHONDONTWRITEBYTECODE": "1",
            "SECRET_KEY": "for this test only", "SITE_DATA": str(self.data), "GRANTFS_DB": str(self.site.db),
            "GRANTFS_STORE": str(self.site.store)}}

    def manage(self, *words, input=None):
        """manage.py, as the application's own user; returns what it printed."""
        done = subprocess.run([PYTHON, "manage.py", *words], input=input, capture_output=True, text=True, timeout=60,
                              **self._as_the_application)
        if done.returncode != 0:
            raise AssertionError(f"manage.py {words}: {done.stdout}{done.stderr}")
        return done.stdout

    def _start(self, words, port, **options):
        with open(self.folder / f"{pathlib.Path(words[0]).name}.out", "wb") as output:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
        self.processes.append(process)
        harness.wait_for(lambda: process.poll() is not None or answers(port), what=words[0])
        if process.poll() is not None:
            raise AssertionError(f"{words[0]} ended: {pathlib.Path(output.name).read_text()}")

    def _start_gunicorn(self):
        self._start(["/usr/bin/gunicorn", "--bind", f"127.0.0.1:{self.django_port}", "--workers", "2", "--access-logfile",
                     str(self.data / "access.log"), "mysite.wsgi"], self.django_port, **self._as_the_application)

    def _start_nginx(self):
        folder = self.folder / "nginx"
        folder.mkdir(mode=0o755)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "site.key",
                        "-out", folder / "site.pem"], check=True, capture_output=True)
        (folder / "nginx.conf").write_text(AROUND)
        text = (DJANGO / "nginx.conf").read_text()
        for value, ours in (("127.0.0.1:8443 ", f"127.0.0.1:{self.port} "), ("127.0.0.1:8000;", f"127.0.0.1:{self.django_port};"),
                            ("/srv/files/", f"{self.site.mountpoint}/"), ("/etc/ssl/certs/", f"{folder}/"),
                            ("/etc/ssl/private/", f"{folder}/"), ("/var/log/nginx/", f"{folder}/")):
            if value not in text:
                raise AssertionError(f"examples/django/nginx.conf has no {value}")
            text = text.replace(value, ours)
        (folder / "site.conf").write_text(text)
        self._start(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"),
                     "-g", "daemon off;"], self.port)

    @contextlib.contextmanager
    def policy_away(self):
        """Another directory is where it was, with nothing in it."""
        folder = self.site.db.parent
        folder.rename(folder.with_name("away"))
        folder.mkdir(mode=0o700)
        try:
            yield
        finally:
            folder.rmdir()
            folder.with_name("away").rename(folder)

    @contextlib.contextmanager
    def policy_closed(self):
        """To the application; the mount reads it still."""
        folder = self.site.db.parent
        folder.chmod(0o700)
        try:
            yield
        finally:
            folder.chmod(0o2770)

    def nginx_lines(self):
        return (self.folder / "nginx/site.log").read_text().splitlines()

    def nginx_log(self):
        """[(what was asked for, status, Range)] of each request that nginx has answered."""
        found = []
        for line in self.nginx_lines():
            _, request, rest, asked_range, _ = line.split('"')
            found.append((request.split(" ", 1)[1], int(rest.split()[0]), asked_range))
        return found

    def django_log(self):
        """Paths that Django was asked for."""
        return [line.split('"')[1].split()[1] for line in (self.data / "access.log").read_text().splitlines()]

    def logs(self):
        """All that was logged, by anybody."""
        paths = [*self.folder.glob("*.out"), *self.folder.glob("*.log"), *self.folder.glob("nginx/*.log"), *self.data.glob("*.log")]
        return b"".join(path.read_bytes() for path in paths)

    def close(self):
        try:
            for process in reversed(self.processes):
                harness.end_process(process, STOP_SECONDS)
        finally:
            self.site.close()
