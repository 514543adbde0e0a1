"""A PostgreSQL server of a test's own: in a temporary folder, as another user than root, gone when the test ends.

    cluster = Cluster()                  # makes and starts it
    self.addCleanup(cluster.close)
    uri = cluster.create_database("site")
    cluster.sql("SELECT 1", database="site")   # [("1",)]

Cases that need nothing of their own but a database take server(), which a process has one of.

It listens on a Unix socket in its own folder, where everyone is trusted, and on a port of 127.0.0.1 that nobody else has,
where a password is asked for (SCRAM). Debian's postgresql package has the programs.
"""

import atexit
import contextlib
import ctypes
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
import urllib.parse

from harness import Timeout, runs, wait_for

START_SECONDS = 60
PORT = 5432  # where nobody else has any
FIELD, RECORD, NULL = "\x1f", "\x1e", "\x1d"
PR_SET_PDEATHSIG = 1
_open_clusters = set()
_server = None


def server():
    """The server that the cases of this process share; it ends with the process."""
    global _server
    if _server is None:
        _server = Cluster()
    return _server


def programs():
    """The folder of the newest server's programs; None if there is none."""
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    return pathlib.Path(max(found, key=lambda path: int(path.split("/")[4]))).parent if found else None


def unprivileged():
    """Who runs the server: PostgreSQL refuses to be root's. It must have a name (initdb asks for it)."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("nobody to run PostgreSQL as")


class Cluster:
    """One server: `bin`, `folder`, `port`, `superuser`. Started when made; `settings` are lines of postgresql.conf.

    machine: it runs on one of network.py, whose neighbours reach it at the machine's address.
    """

    superuser = "postgres"

    def __init__(self, start=True, initialise=True, machine=None, **settings):
        self.bin = programs()
        if self.bin is None:
            raise unittest.SkipTest("no PostgreSQL server is installed")
        self.user = unprivileged()
        self.machine = machine
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-pg."))
        self.data = self.folder / "data"
        self.log_file = self.folder / "log"
        self.settings = {
            "wal_level": "logical", "max_wal_senders": 20, "max_replication_slots": 20, "max_connections": 60,
            "shared_buffers": "32MB", "fsync": "off", "listen_addresses": machine.address if machine else "127.0.0.1", "log_min_messages": "warning",
            # What is left of them when the server is killed goes with the folder.
            "dynamic_shared_memory_type": "mmap", "unix_socket_directories": str(self.folder), **settings}
        self.process = None
        self.port = PORT if machine else free_port()
        _open_clusters.add(self)
        try:
            os.chmod(self.folder, 0o711)  # others connect by the socket
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
            if initialise:
                self.run("initdb", "-D", self.data, "-U", self.superuser, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                         "--auth-local=trust", "--auth-host=scram-sha-256")
                if machine:
                    with open(self.data / "pg_hba.conf", "a") as rules:
                        rules.write("host all,replication all samenet scram-sha-256\n")
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    # Programs.

    def command(self, program, *arguments):
        words = [str(self.bin / program), *map(str, arguments)]
        if os.geteuid() != 0:
            return words
        return [*(self.machine.enter if self.machine else ()), "setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups",
                "--pdeathsig=INT", *words]

    def run(self, program, *arguments, check=True, **kwargs):
        """Runs a program of PostgreSQL's as the server's user; what it wrote to standard output."""
        done = subprocess.run(self.command(program, *arguments), capture_output=True, text=True, cwd="/",
                              env=self.environment(), **kwargs)
        if check and done.returncode != 0:
            raise AssertionError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def environment(self):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self.folder), "PGHOST": str(self.folder),
                "PGPORT": str(self.port), "PGUSER": self.superuser}

    # The server.

    def start(self):
        """Starts it and returns when it answers. A port is kept from one start to the next if it is still free."""
        for _ in range(10):
            if not self.machine and not is_free(self.port):
                self.port = free_port()
            self._launch()
            wait_for(lambda: self.process.poll() is not None or self.answers(), START_SECONDS, "PostgreSQL to answer")
            if self.process.poll() is None:
                return
            if "in use" not in self.log():
                raise AssertionError(f"PostgreSQL ended: {self.log()}")
            self.port = free_port()
        raise AssertionError("no port")

    def _launch(self):
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self.command("postgres", "-D", self.data, "-p", self.port, *options), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd="/", env=self.environment(), start_new_session=True,
                # setpriv sets it anew: it is lost when the user changes.
                preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0))

    def answers(self):
        done = subprocess.run([self.bin / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)], check=False)
        return done.returncode == 0

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def stop(self, number=signal.SIGINT):
        """Ends it: SIGINT a fast shutdown, SIGQUIT an immediate one, SIGKILL a crash of the postmaster."""
        if self.process is None:
            return
        for sent, patience in ((number, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, sent)
            try:
                self.process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        self.process = None
        wait_for(lambda: not self._processes(), what="the server's processes to end")

    def kill(self):
        """As a machine that loses its power: every process at once, by SIGKILL."""
        self._kill_processes()
        self.stop(signal.SIGKILL)

    def _kill_processes(self):
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    def _processes(self):
        """The processes that work in the data folder."""
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == str(self.data) and runs(entry):
                    found.append(int(entry))
        return found

    def close(self):
        """Stops it and deletes the folder. May be called twice, at any moment."""
        if self not in _open_clusters:
            return
        try:
            self.stop()
        finally:
            self._remove_shared_memory()
            wait_for(self._is_removed, what="the folder to be gone")
            _open_clusters.discard(self)

    def _is_removed(self):
        """An initdb that was interrupted leaves a server for a moment, which goes on writing."""
        self._kill_processes()
        shutil.rmtree(self.folder, ignore_errors=True)
        return not self.folder.exists()

    def _remove_shared_memory(self):
        """The System V segment of a server that was killed: the last line but one of postmaster.pid has its id."""
        with contextlib.suppress(OSError, IndexError):
            segment = (self.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
            subprocess.run(["ipcrm", "-m", segment], stderr=subprocess.DEVNULL, check=False)

    # Databases.

    def create_database(self, name, encoding="UTF8"):
        """An empty database; the URI of the superuser's connection to it."""
        self.sql(f'CREATE DATABASE "{name}" ENCODING \'{encoding}\' TEMPLATE template0'
                 + ("" if encoding == "UTF8" else " LOCALE 'C'"))
        return self.uri(name)

    def drop_database(self, name):
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def uri(self, database="postgres", user=superuser, tcp=False, **parameters):
        """By the socket, or by TCP, where the user needs a password ($PGPASSWORD, or `password=`)."""
        host = "127.0.0.1" if tcp else str(self.folder)
        query = urllib.parse.urlencode({"host": host, "port": self.port, **parameters}, quote_via=urllib.parse.quote)
        return f"postgresql://{user}@/{database}?{query}"

    def sql(self, text, database="postgres", user=superuser, check=True):
        """Runs SQL by psql: its rows as tuples of texts (None: NULL). Without check: (rows, what went wrong)."""
        done = subprocess.run(
            [self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F", FIELD, "-R", RECORD, "-P", f"null={NULL}",
             "-d", self.uri(database, user), "-f", "-"],
            input=text, capture_output=True, text=True, errors="surrogateescape", env=self.environment(), check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{text[:1000]}\n{done.stderr}")
        # Each statement with rows ends with a newline and not with a separator of records.
        rows = [tuple(None if field == NULL else field for field in record.split(FIELD))
                for record in done.stdout.removesuffix("\n").split(RECORD)] if done.stdout else []
        return rows if check else (rows, done.stderr)

    def psql(self, database="postgres", user=superuser):
        """A session that stays: lines of SQL go to its stdin."""
        return subprocess.Popen([self.bin / "psql", "-X", "-q", "-A", "-t", "-d", self.uri(database, user)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1, env=self.environment())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@atexit.register
def close_all_clusters():
    for cluster in list(_open_clusters):
        with contextlib.suppress(Exception, Timeout):
            cluster.close()
