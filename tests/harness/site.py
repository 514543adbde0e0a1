"""A site: a private store, its database, a mount point, and the daemon between them."""

import atexit
import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest

from .actors import end_with_parent
from .killing import end_process, runs
from .namespaces import mounts
from .programs import EMULATED, GRANTCTL, GRANTFS, PATIENCE_SECONDS
from .waiting import Timeout, wait_for

_libc = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1

_open_sites = set()

#: What src/sandbox/call_filter.cc says of each.
_REFUSED_CALL = "was refused: it is not one that this program makes"

#: Options of every mount that does not say otherwise. Most cases are about decisions, and want each
#: to be made anew; tests/run.py runs them once more with leases, as a mount has them by default.
DEFAULT_OPTIONS = os.environ.get("GRANTFS_TEST_OPTIONS", "enforce=open,lease=0")
LENDS_BY_DEFAULT = "enforce=lease" in DEFAULT_OPTIONS

#: What a daemon's process for mounting is called (src/privileged/mount_helper.h).
_MOUNT_HELPER = "grantfs mounts\n"

#: For cases that want each open to be asked for, or each change of the store to show at once.
decided_anew = unittest.skipIf(LENDS_BY_DEFAULT, "with a lease that takes until it is over")


def refused_calls(log):
    """What a log says of system calls that a program made and had given up: each is missing in a list. None if there is none."""
    return "\n".join(line for line in log.splitlines() if _REFUSED_CALL in line) or None


class Site:
    """One private store, one database, one mount point; or another mount of another site's."""

    #: What stands before a command of the site, if it runs in other namespaces.
    enter = ()

    def __init__(self, init=True, of=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-"))
        _open_sites.add(self)
        self._popen = None        # a daemon in the foreground
        self._leaving = []        # those that have handed over, or were to
        self._background_pids = set()
        self._clean_exit_expected = True
        self._refused_calls_expected = False
        self._closed = False
        try:
            self.root.chmod(0o711)
            self.store = of.store if of else self._folder("store", 0o700)
            self.mountpoint = self._folder("mnt", 0o755)
            self.db = of.db if of else self._folder("policy", 0o700) / "policy.db"
            # A folder of its own: a daemon may remove what lies below that of its control socket.
            self.control = self._folder("run", 0o755) / "control.sock"
            self.log_file = self.root / "daemon.log"
            if init and not of:
                self.grantctl("init")
        except BaseException:
            self.close()
            raise

    def _folder(self, name, mode):
        folder = self.root / name
        folder.mkdir()
        folder.chmod(mode)
        return folder

    @property
    def environment(self):
        return os.environ | {"GRANTFS_DB": str(self.db), "GRANTFS_CONTROL": str(self.control)}

    # The store and the policy.

    def write(self, path, data=b""):
        """Creates or overwrites a file in the store, parents included. Returns its path there."""
        full = os.path.join(os.fsencode(self.store), os.fsencode(path))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        return pathlib.Path(os.fsdecode(full))

    def replace(self, path, data=b""):
        """Writes a temporary file beside it and renames it over, as careful programs do."""
        temporary = self.write(os.fsencode(path) + b".~tmp~", data)
        final = os.path.join(os.fsencode(self.store), os.fsencode(path))
        os.rename(temporary, final)
        return pathlib.Path(os.fsdecode(final))

    def grantctl(self, *args, input=None, check=True):
        """Runs grantctl on this site; output as text. check: raises unless it exits 0."""
        done = subprocess.run([GRANTCTL, "--db", self.db, *args], input=input,
                              env=self.environment, capture_output=True, text=True,
                              errors="surrogateescape", timeout=PATIENCE_SECONDS * 2)
        if check and done.returncode != 0:
            raise AssertionError(f"grantctl {args} exited {done.returncode}: "
                                 f"{done.stdout}{done.stderr}")
        return done

    def session(self, principal, expires=None):
        """A new session's token."""
        options = [] if expires is None else ["--expires", str(expires)]
        return self.grantctl("session", "create", principal, *options).stdout.split()[-1]

    def sql(self, statement, params=()):
        """Runs one SQL statement as another writer would, commits, returns the rows."""
        connection = sqlite3.connect(self.db, timeout=PATIENCE_SECONDS)
        try:
            with connection:
                connection.execute("PRAGMA synchronous = OFF")  # no test pulls the plug
                rows = connection.execute(statement, params).fetchall()
        finally:
            connection.close()
        if LENDS_BY_DEFAULT and self.alive():
            self.recall()  # cases that are about decisions need not know of leases
        return rows

    def sql_session(self, principal, expires=None, address=None):
        """As session(), written with plain SQL: any expiry, any address."""
        token = hashlib.sha256(os.urandom(16)).hexdigest()[:32]
        self.sql("INSERT INTO sessions (id, principal, expires, address) VALUES (?, ?, ?, ?)",
                 (token_id(token), principal, expires, address))
        return token

    def status(self, check=True):
        """What `grantctl --json status` says of this site's daemon, as Python values. Not checked: it
        may be in trouble, which is another exit status."""
        (daemon,) = json.loads(self.grantctl("--json", "status", check=check).stdout)["daemons"]
        return daemon

    def libfuse(self):
        """The version that the daemon has, as (3, 18)."""
        return tuple(map(int, re.search(r"\(libfuse (\d+)\.(\d+)", self.log()).groups()))

    def has_epochs(self):
        """Whether the kernel can be told to forget everything at once (Linux 6.16, libfuse 3.18), without which no
        file is in steady use."""
        return self.libfuse() >= (3, 18) and tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 16)

    @contextlib.contextmanager
    def stopped(self):
        """The daemon by SIGSTOP: no thread of it runs in here, and all go on afterwards."""
        pid = self.daemon_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            # Of several threads, each stops for itself.
            wait_for(lambda: all(task.read_text().rpartition(")")[2].split()[0] == "T"
                                 for task in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")), what="the daemon to stop")
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def end_leases(self):
        """For cases that are about decisions: nothing is lent any more that was decided before."""
        if LENDS_BY_DEFAULT:
            self.recall()

    def recall(self):
        """Returns when the daemon has recalled whatever was committed before."""
        line = self._ask_for_recall()
        # It gives a client five seconds, in which an emulated machine does not do everything.
        while EMULATED and not line and self.alive():
            line = self._ask_for_recall()
        said = json.loads(line)
        if not said["ok"]:
            raise AssertionError(f"no recall: {said}")

    def _ask_for_recall(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(str(self.control))
            connection.sendall(b'{"command":"recall"}\n')
            with connection.makefile() as answer:
                return answer.readline()

    def counters(self):
        """What it has counted, without an upcall of our own: lookups, opens, nodes and so on."""
        return self.status()["counters"]

    # The daemon.

    def command(self, options="", foreground=False):
        """The daemon's command line for this site; options win over the harness's own."""
        given = [option for option in options.split(",") if option]
        keys = {option.split("=")[0] for option in given}
        # io=dev: another suite's case may have io_uring on for a while, and end it under a daemon that uses it.
        for default in (f"db={self.db}", f"control={self.control}", "io=dev", *DEFAULT_OPTIONS.split(",")):
            if default.split("=")[0] not in keys:
                given.append(default)
        if foreground and "log" not in keys:
            given.append("log=stderr")
        return [str(GRANTFS), str(self.store), str(self.mountpoint), "-o", ",".join(given),
                *(["-f"] if foreground else [])]

    def mount(self, options="", check=True, descriptors=None):
        """Starts the daemon and waits until the mount answers; its log goes to log().

        It may have so many `descriptors` at most.

        Returns a CompletedProcess: returncode 0 and a daemon that runs, or the exit status and
        standard error of one that refused.
        """
        return self.start_foreground(options, check, descriptors=descriptors)

    def start_foreground(self, options="", check=True, environment=None, descriptors=None, wrapper=()):
        """As mount(); `wrapper` is a command that becomes the daemon (prlimit and the like)."""
        def prepare():
            # SIGTERM on the death of this process: the daemon unmounts.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        arguments = [*self.enter, *wrapper, *self.command(options, foreground=True)]
        start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self._popen = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment | (environment or {}), start_new_session=True,
                preexec_fn=prepare)
        self._clean_exit_expected = True
        try:
            # Until the daemon has looked at its own mount too: umount(8) would find it busy.
            looked = r"info: grantfs \S+ serves" if "log" not in options else ""
            wait_for(lambda: self._popen.poll() is not None
                     or self.answers() and re.search(looked, self.log()[start:]), what="the mount to answer")
        except Timeout:
            raise Timeout(f"the mount does not answer; its log: {self.log()}") from None
        code = self._popen.poll()
        output = self.log()[start:] if code is not None else ""
        if code is not None:
            self._popen = None
            if check:
                raise AssertionError(f"{' '.join(arguments)}\nexited {code}: {output}")
        return subprocess.CompletedProcess(arguments, code or 0, "", output)

    def hand_over(self, options="", check=True, wrapper=(), environment=None):
        """Starts another daemon that takes the place of the one in the foreground, as mount() does; returns that one's
        Popen. Not checked: or, if the new one refuses, what it came to, and nothing else is changed."""
        old = self._popen
        try:
            done = self.start_foreground(",".join(filter(None, ("handover", options))), check, environment, wrapper=wrapper)
        except BaseException:
            self._popen = old
            raise
        if done.returncode:
            self._popen = old
            return done
        self._leaving.append(old)
        return old

    def mount_background(self, options="", check=True, environment=None):
        """Runs grantfs without -f: it must exit by itself, 0 once the mount answers."""
        arguments = self.command(options)
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="surrogateescape", timeout=PATIENCE_SECONDS,
                              env=self.environment | (environment or {}))
        self._background_pids.update(self._find_daemons())
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)}\nexited {done.returncode}: {done.stderr}")
        return done

    def answers(self):
        """Whether the mount is there and its daemon answers."""
        try:
            if os.stat(self.mountpoint).st_dev == os.stat(self.root).st_dev:
                return False
            os.listdir(self.mountpoint)
            return True
        except OSError:
            return False

    @property
    def daemon_pid(self):
        """The daemon's process id; None if none runs."""
        if self._popen is not None and self._popen.poll() is None:
            return self._popen.pid
        found = self._find_daemons()
        return found[0] if found else None

    @contextlib.contextmanager
    def traced(self, output, *expressions):
        """strace(1) holds every thread of the daemon, with these of its -e, and writes what they do to a file."""
        daemon = self.daemon_pid
        tracer = subprocess.Popen(["strace", "-f", "-q", "-p", str(daemon), "-o", output, *(word for one in expressions for word in ("-e", one))],
                                  preexec_fn=end_with_parent)

        def holds_all():
            threads = pathlib.Path(f"/proc/{daemon}/task").iterdir()
            return all(f"TracerPid:\t{tracer.pid}\n" in (thread / "status").read_text() for thread in threads)

        try:
            wait_for(holds_all, what="strace to hold every thread")
            yield
        finally:
            tracer.terminate()
            tracer.wait()

    def _find_daemons(self):
        """Running processes of our grantfs binary that name this site's mount point, without those that mount for one."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                if os.stat(f"/proc/{entry}/exe").st_ino != os.stat(GRANTFS).st_ino:
                    continue
                with open(f"/proc/{entry}/cmdline", "rb") as cmdline:
                    names = cmdline.read().split(b"\0")
                helper = pathlib.Path(f"/proc/{entry}/comm").read_text() == _MOUNT_HELPER
                if os.fsencode(self.mountpoint) in names and not helper:
                    found.append(int(entry))
            except OSError:
                continue
        return found

    def alive(self):
        pid = self.daemon_pid
        return pid is not None and runs(pid)

    def log(self):
        """All that daemons in the foreground have written so far."""
        try:
            return self.log_file.read_text(errors="surrogateescape")
        except FileNotFoundError:
            return ""

    def umount(self):
        """umount(8); then waits until the daemon has gone. Raises if it fails."""
        pid = self.daemon_pid
        def unmounted():
            done = subprocess.run(["umount", self.mountpoint], capture_output=True, text=True)
            if done.returncode != 0 and "busy" not in done.stderr:
                raise AssertionError(f"umount failed: {done.stderr}")
            return done.returncode == 0

        # Somebody else's program may look at every mount of the machine, and just now at this one.
        wait_for(unmounted, timeout=1, what="the mount not to be in use")
        if pid is not None:
            self.wait_for_exit(pid)

    def terminate(self):
        """SIGTERM, and waits until it is gone. Returns the exit status of one in the foreground."""
        pid = self.daemon_pid
        os.kill(pid, signal.SIGTERM)
        return self.wait_for_exit(pid)

    def kill(self):
        """SIGKILL: the daemon is gone, the mount stays."""
        self._clean_exit_expected = False
        pid = self.daemon_pid
        os.kill(pid, signal.SIGKILL)
        self.wait_for_exit(pid)

    def expect_failure(self):
        """That the daemon ends with an error is what is tested."""
        self._clean_exit_expected = False

    def expect_refused_calls(self):
        """That the daemon makes system calls that it gave up is what is tested."""
        self._refused_calls_expected = True

    def wait_for_exit(self, pid, timeout=PATIENCE_SECONDS):
        if self._popen is not None and self._popen.pid == pid:
            try:
                code = self._popen.wait(timeout)
            except subprocess.TimeoutExpired:
                raise Timeout(f"the daemon, {pid}, does not end; its log: {self.log()}") from None
            self._popen = None
            if self._clean_exit_expected and code != 0:
                raise AssertionError(f"the daemon exited {code}; its log: {self.log()[-8000:]}")
            return code
        wait_for(lambda: not runs(pid), timeout, what=f"daemon {pid} to end")
        return None

    def path(self, view, *parts):
        """A path in the mount. Parts may be bytes; then so is the result, a str otherwise Path."""
        if any(isinstance(part, bytes) for part in (view, *parts)):
            return os.path.join(os.fsencode(self.mountpoint),
                                *(os.fsencode(str(part) if isinstance(part, int) else part)
                                  for part in (view, *parts)))
        return self.mountpoint.joinpath(str(view), *(str(part) for part in parts))

    def close(self):
        """Unmounts, ends the daemon, deletes the folder. May be called twice, at any moment.

        Raises, after all of that, if the daemon had died or failed (a sanitizer's finding makes
        it exit with an error) although nothing killed it, or made a system call that is not on
        its list (sandbox=).
        """
        if self._closed:
            return
        self._closed = True
        trouble = None
        try:
            self._unmount_all()
            trouble = self._end_daemons() or self._refused_calls()
        finally:
            self._unmount_all()
            shutil.rmtree(self.root, ignore_errors=True)
            _open_sites.discard(self)
        if self.root.exists():
            raise AssertionError(f"left behind: {self.root}: {mounts(self.root)}")
        if trouble:
            raise AssertionError(trouble)

    def _unmount_all(self):
        for point in reversed(mounts(self.root)):
            target = os.fsencode(point)
            if _libc.umount2(target, 0) != 0:
                _libc.umount2(target, _MNT_DETACH)

    def _end_daemons(self):
        for process in self._leaving:
            end_process(process, PATIENCE_SECONDS)
        for pid in self._find_daemons():
            if self._popen is None or pid != self._popen.pid:
                self._end(pid)
        if self._popen is None:
            return None
        process, self._popen = self._popen, None
        try:
            # Without its mount it ends by itself; a wedged one gets no more patience than this.
            code = process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return f"the daemon did not end when unmounted; its log: {self.log()[-8000:]}"
        if code != 0 and self._clean_exit_expected:
            return f"the daemon exited {code}; its log: {self.log()[-8000:]}"
        return None

    def _refused_calls(self):
        return None if self._refused_calls_expected else refused_calls(self.log())

    @staticmethod
    def _end(pid):
        for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            with contextlib.suppress(Timeout):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                wait_for(lambda: not runs(pid), patience)
                return


def token_id(token):
    """What the database knows a token by."""
    return hashlib.sha256(os.fsencode(token)).hexdigest()


@atexit.register
def close_all_sites():
    for site in list(_open_sites):
        with contextlib.suppress(Exception):
            site.close()


# A shell without job control has what it starts in the background ignore Ctrl-C, daemons included.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if (threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
