"""What the machine has once: a switch of the kernel, its caches, its users."""

import contextlib
import fcntl
import grp
import os
import pathlib
import pwd
import signal

_URING = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


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


def unused_ids(count, start=310000):
    """Numbers that are no uid and no gid of this machine."""
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}
    return [number for number in range(start, start + 1000) if number not in taken][:count]
