"""A private store, its database and a real mount, for tests that run as root.

    site = Site()                       # or, in a MountTest, self.site
    self.addCleanup(site.close)
    site.write("alice/report.pdf", b"%PDF")
    site.grantctl("own", "user:alice", "alice")
    token = site.session("user:alice")
    site.mount()
    site.path("by-session", token, "alice/report.pdf").read_bytes()

The programs are $GRANTFS_BUILD/grantfs (default: build/ at the top), which may be a sanitizer's, and build/grantctl.
Everything lies in one temporary folder per site, is reachable by other uids through the mount
alone, and is gone after close(), which also runs when the interpreter ends.
"""

import atexit
import contextlib
import ctypes
import errno
import fcntl
import grp
import hashlib
import json
import os
import pathlib
import pickle
import pwd
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", REPOSITORY / "build")).resolve()
GRANTFS = BUILD / "grantfs"
GRANTCTL = REPOSITORY / "build/grantctl"
MOUNT_HELPER = BUILD / "mount.grantfs"

# Sanitizers slow everything down: patience is theirs, not a measurement.
SANITIZED = "GRANTFS_SANITIZER_LOG" in os.environ
PATIENCE_SECONDS = 60 if SANITIZED else 15

_libc = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1

_open_sites = set()


class Timeout(AssertionError):
    """What was waited for did not come."""


def wait_for(predicate, timeout=PATIENCE_SECONDS, what=None):
    """Polls until predicate() is true and returns that value; raises Timeout otherwise."""
    deadline = time.monotonic() + timeout
    pause = 0.0005
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"waited {timeout} s in vain for {what or predicate}")
        time.sleep(pause)
        pause = min(pause * 2, 0.01)


def outcome(function, *args, **kwargs):
    """"OK" if the call succeeds, else the name of its errno: "ENOENT". os.open's fd is closed."""
    try:
        value = function(*args, **kwargs)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "EOPNOTSUPP"  # errorcode has its other name
        return errno.errorcode.get(error.errno, str(error.errno))
    if function is os.open:
        os.close(value)
    return "OK"


def mounts(under):
    """The mount points at or below a path, in this mount namespace, topmost last."""
    under = os.fsencode(os.path.realpath(os.path.dirname(under)) + "/" + os.path.basename(under))
    found = []
    with open("/proc/self/mountinfo", "rb") as lines:
        for line in lines:
            point = line.split()[4].decode("unicode_escape").encode("latin-1")
            if point == under or point.startswith(under + b"/"):
                found.append(os.fsdecode(point))
    return found


# --- other uids -----------------------------------------------------------------------------


def end_with_parent():
    """For a child process: no life after ours."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def become(uid, gid=None, groups=()):
    """For a forked child: another uid and gid (the same number by default), and no life after ours."""
    end_with_parent()
    os.setgroups(list(groups))
    gid = uid if gid is None else gid
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    end_with_parent()  # becoming another uid clears it


def _attempt(function, args, kwargs):
    try:
        return ("value", function(*args, **kwargs))
    except OSError as error:
        return ("errno", (error.errno, error.filename if isinstance(error.filename, str) else None))
    except BaseException:  # noqa: BLE001 - reported in the parent, whatever it is
        return ("traceback", traceback.format_exc())


def _unwrap(kind, value):
    if kind == "value":
        return value
    if kind == "errno":
        raise OSError(value[0], os.strerror(value[0]), value[1])
    raise AssertionError("in the other process:\n" + value)


def as_user(uid, function, *args, gid=None, groups=(), **kwargs):
    """Calls the function in a child process of that uid and gid (the same number by default).

    Returns its result, which must be picklable; raises OSError with the errno it failed with.
    The uid need not exist.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read_end)
            try:
                become(uid, gid, groups)
                answer = pickle.dumps(_attempt(function, args, kwargs))
            except BaseException:  # noqa: BLE001
                answer = pickle.dumps(("traceback", traceback.format_exc()))
            with open(write_end, "wb") as pipe:
                pipe.write(answer)
            status = 0
        finally:
            os._exit(status)
    os.close(write_end)
    try:
        with open(read_end, "rb") as pipe:
            answer = pipe.read()
    finally:
        os.waitpid(pid, 0)
    if not answer:
        raise AssertionError("the child process died without an answer")
    return _unwrap(*pickle.loads(answer))


class Actor:
    """A process of another uid that stays, and keeps its descriptors and working directory.

        alice = Actor(3001)
        alice.call(os.chdir, path)      # functions by name: builtins, or of a module's top level

    close() ends it.
    """

    def __init__(self, uid, gid=None, groups=()):
        requests_out, self._requests = os.pipe()
        self._answers, answers_in = os.pipe()
        self.uid = uid
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._requests)
                os.close(self._answers)
                become(uid, gid, groups)
                self._serve(requests_out, answers_in)
            finally:
                os._exit(0)
        os.close(requests_out)
        os.close(answers_in)
        self._requests = open(self._requests, "wb")
        self._answers = open(self._answers, "rb")

    @staticmethod
    def _serve(requests_fd, answers_fd):
        with open(requests_fd, "rb") as requests, open(answers_fd, "wb") as answers:
            while True:
                try:
                    function, args, kwargs = pickle.load(requests)
                except EOFError:
                    return
                pickle.dump(_attempt(function, args, kwargs), answers)
                answers.flush()

    def start(self, function, *args, **kwargs):
        """Begins a call without waiting for it; finish() returns its result."""
        pickle.dump((function, args, kwargs), self._requests)
        self._requests.flush()

    def finish(self):
        return _unwrap(*pickle.load(self._answers))

    def call(self, function, *args, **kwargs):
        self.start(function, *args, **kwargs)
        return self.finish()

    def outcome(self, function, *args, **kwargs):
        return self.call(outcome, function, *args, **kwargs)

    def close(self):
        if self.pid is None:
            return
        for end in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                end.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self.pid = None


# --- a site ---------------------------------------------------------------------------------


#: Options of every mount that does not say otherwise. Most cases are about decisions, and want each
#: to be made anew; tests/run.py runs them once more with leases, as a mount has them by default.
DEFAULT_OPTIONS = os.environ.get("GRANTFS_TEST_OPTIONS", "enforce=open,lease=0")
LENDS_BY_DEFAULT = "enforce=lease" in DEFAULT_OPTIONS

#: For cases that want each open to be asked for, or each change of the store to show at once.
decided_anew = unittest.skipIf(LENDS_BY_DEFAULT, "with a lease that takes until it is over")


class Site:
    """One private store, one database, one mount point; or another mount of another site's."""

    def __init__(self, init=True, of=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-"))
        _open_sites.add(self)
        self._popen = None        # a daemon in the foreground
        self._background_pids = set()
        self._clean_exit_expected = True
        self._closed = False
        try:
            self.root.chmod(0o711)
            self.store = of.store if of else self._folder("store", 0o700)
            self.mountpoint = self._folder("mnt", 0o755)
            self.db = of.db if of else self._folder("policy", 0o700) / "policy.db"
            self.control = self.root / "control.sock"
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

    def status(self):
        """What `grantctl --json status` says of this site's daemon, as Python values."""
        (daemon,) = json.loads(self.grantctl("--json", "status").stdout)["daemons"]
        return daemon

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
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(str(self.control))
            connection.sendall(b'{"command":"recall"}\n')
            with connection.makefile() as answer:
                said = json.loads(answer.readline())
        if not said["ok"]:
            raise AssertionError(f"no recall: {said}")

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

        arguments = [*wrapper, *self.command(options, foreground=True)]
        start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self._popen = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment | (environment or {}), start_new_session=True,
                preexec_fn=prepare)
        self._clean_exit_expected = True
        try:
            # Until the daemon has looked at its own mount too: umount(8) would find it busy.
            looked = " serves " if "log" not in options else ""
            wait_for(lambda: self._popen.poll() is not None
                     or self.answers() and looked in self.log()[start:], what="the mount to answer")
        except Timeout:
            raise Timeout(f"the mount does not answer; its log: {self.log()}") from None
        code = self._popen.poll()
        output = self.log()[start:] if code is not None else ""
        if code is not None:
            self._popen = None
            if check:
                raise AssertionError(f"{' '.join(arguments)}\nexited {code}: {output}")
        return subprocess.CompletedProcess(arguments, code or 0, "", output)

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
        """Running processes of our grantfs binary that name this site's mount point."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                if os.stat(f"/proc/{entry}/exe").st_ino != os.stat(GRANTFS).st_ino:
                    continue
                with open(f"/proc/{entry}/cmdline", "rb") as cmdline:
                    if os.fsencode(self.mountpoint) in cmdline.read().split(b"\0"):
                        found.append(int(entry))
            except OSError:
                continue
        return found

    def alive(self):
        pid = self.daemon_pid
        return pid is not None and _runs(pid)

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
        wait_for(lambda: not _runs(pid), timeout, what=f"daemon {pid} to end")
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
        it exit with an error) although nothing killed it.
        """
        if self._closed:
            return
        self._closed = True
        trouble = None
        try:
            self._unmount_all()
            trouble = self._end_daemons()
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

    @staticmethod
    def _end(pid):
        for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            with contextlib.suppress(Timeout):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                wait_for(lambda: not _runs(pid), patience)
                return


def token_id(token):
    """What the database knows a token by."""
    return hashlib.sha256(os.fsencode(token)).hexdigest()


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


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


# --- what the machine has once ---------------------------------------------------------------


def when_over(action):
    """Has a child run `action` when this process has ended, by SIGKILL too, or what this returns is called,
    which waits for it."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.close(write_end)
            os.read(read_end, 1)  # the end of file: nobody holds the other end any more
            action()
        os._exit(0)
    os.close(read_end)

    def over():
        os.close(write_end)
        os.waitpid(pid, 0)

    return over


def hold_machine(test, what, alone):
    """Until the test is over, other tests, of other processes too, wait for `what`; not alone: unless
    they want it not alone either."""
    descriptor = os.open(f"/run/lock/grantfs-tests.{what}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    test.addCleanup(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


# --- io_uring -------------------------------------------------------------------------------


_URING = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


def with_io_uring(test):
    """Has the kernel take io=uring until the test is over, or skips it."""
    if not has_io_uring(test):
        test.skipTest("no FUSE over io_uring: this kernel, or the packaged libfuse, has none")


def has_io_uring(test):
    """Has the kernel take io=uring until the test is over; False if it cannot."""
    if "GRANTFS_PACKAGED_LIBFUSE" in os.environ:
        return False
    try:
        before = _URING.read_text().strip()
        _URING.write_text(before)
    except OSError:
        return False
    hold_machine(test, "io_uring", alone=True)
    before = _URING.read_text().strip()
    if before in ("Y", "1"):
        return True
    test.addCleanup(when_over(lambda: _URING.write_text(before)))
    _URING.write_text("Y")
    return True


# --- a test case ----------------------------------------------------------------------------


def unused_ids(count, start=310000):
    """Numbers that are no uid and no gid of this machine."""
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}
    return [number for number in range(start, start + 1000) if number not in taken][:count]


class MountTest(unittest.TestCase):
    """A test with a site of its own, not yet mounted, and three uids that nobody has."""

    #: Whether it makes the kernel forget what it knows, of other tests' mounts too.
    DROPS_KERNEL_CACHES = False

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("mounts, and becomes other users: run it as root")
        hold_machine(self, "kernel-caches", alone=self.DROPS_KERNEL_CACHES)
        self.alice, self.bob, self.stranger = unused_ids(3)
        self.site = self.new_site()

    def new_site(self, **kwargs):
        site = Site(**kwargs)
        self.addCleanup(site.close)
        return site

    def actor(self, uid, **kwargs):
        actor = Actor(uid, **kwargs)
        self.addCleanup(actor.close)
        return actor

    def assert_errno(self, expected, function, *args, **kwargs):
        """`expected` is a number such as errno.ENOENT; the call must fail with just that."""
        want = errno.errorcode[expected]
        self.assertEqual(outcome(function, *args, **kwargs), want,
                         f"{getattr(function, '__name__', function)}{args}")

    def assert_absent(self, path):
        """To stat, open and every other question the path does not exist."""
        for function, args in ((os.stat, ()), (os.lstat, ()), (os.open, (os.O_RDONLY,)),
                               (os.open, (os.O_PATH,)), (os.listdir, ()), (os.readlink, ())):
            self.assert_errno(errno.ENOENT, function, path, *args)

    def assert_daemon_lives(self):
        self.assertTrue(self.site.alive(), f"the daemon has died; its log: {self.site.log()}")
