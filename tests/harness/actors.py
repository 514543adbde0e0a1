"""Other users: processes of another uid, and what a call came to."""

import contextlib
import ctypes
import errno
import os
import pickle
import signal
import traceback

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


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


def serve(path):
    """open, fstat, read, close: one request of a web server."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


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
