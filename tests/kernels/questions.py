"""What a kernel gives a mount, by trying it: each answer is a line of the table."""

import contextlib
import ctypes
import os
import tempfile
import unittest

from harness import Site, with_io_uring

OPENS = 200

# From linux/mount.h and asm/unistd_64.h; the C library may be older.
SYS_OPEN_TREE, SYS_MOVE_MOUNT = 428, 429
OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_BENEATH = 0x200
AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)


def serve(path):
    """open, fstat, read, close: one request of a web server."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def upcalls(site):
    return sum(value for name, value in site.counters().items() if name.startswith("upcalls_"))


def mounted(site, options):
    """The status and the log of a daemon that was mounted so, and what so many opens of one file asked it after the first."""
    site.mount(options)
    path = site.path("public", "folder", "file")
    serve(path)
    before = upcalls(site)
    for _ in range(OPENS):
        serve(path)
    asked = upcalls(site) - before
    status, log = site.status(), site.log()
    site.umount()
    return status, log, asked


def has_io_uring(site):
    case = unittest.FunctionTestCase(lambda: None)
    try:
        with_io_uring(case)
        return mounted(site, "enforce=lease,io=uring")[0]["transport"] == "io_uring"
    except unittest.SkipTest:
        return False
    finally:
        case.doCleanups()


def mounts_beneath():
    """Whether a mount can be put beneath another, by which a dead one is taken over without the folder showing."""
    with tempfile.TemporaryDirectory() as top:
        folder = os.fsencode(top)
        above = libc.syscall(SYS_OPEN_TREE, AT_FDCWD, b"/run", OPEN_TREE_CLONE)
        below = libc.syscall(SYS_OPEN_TREE, AT_FDCWD, b"/run", OPEN_TREE_CLONE)
        try:
            if libc.syscall(SYS_MOVE_MOUNT, above, b"", AT_FDCWD, folder, MOVE_MOUNT_F_EMPTY_PATH) != 0:
                raise OSError(ctypes.get_errno(), "move_mount")
            done = libc.syscall(SYS_MOVE_MOUNT, below, b"", AT_FDCWD, folder, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH)
        finally:
            os.close(above)
            os.close(below)
            while libc.umount2(folder, 2) == 0:
                pass
        return done == 0


def answers():
    with contextlib.closing(Site()) as site:
        site.write("folder/file", b"bytes")
        site.grantctl("grant", "public", "folder")
        lease, log, asked = mounted(site, "enforce=lease,lease=60")
        opened, _, asked_open = mounted(site, "enforce=open,lease=60")
        return {
            "enforce=lease": lease["enforce"] == "lease",
            "file handles refused": lease["handles_refused"],
            "stacking refused": lease["stacking_refused"],
            "epochs": "no epochs" not in log,
            "io_uring": has_io_uring(site),
            "passthrough": opened["passthrough"],
            "mounts beneath a dead one": mounts_beneath(),
            f"requests for {OPENS} opens, lease": asked,
            f"requests for {OPENS} opens, open": asked_open,
        }
