"""Namespaces: what is mounted in this one, and commands that run in others."""

import ctypes
import os
import tempfile

_libc = ctypes.CDLL(None, use_errno=True)

# From linux/mount.h and asm/unistd.h; the C library may be older.
_OPEN_TREE, _MOVE_MOUNT = 428, 429
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOVE_MOUNT_BENEATH = 0x200
_AT_FDCWD = -100
_MNT_DETACH = 2

#: A command with mounts, network and processes of its own: what it writes to a tmpfs of its own is seen by nobody
#: else, its ports are nobody else's, and all that it starts ends with it.
APART = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]

#: A command that sees neither the machine's /run, network, nor processes.
CONTAINER = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--mount-proc", "sh", "-euc", 'mount -t tmpfs tmpfs /run; exec "$@"', "sh"]


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


def mounts_beneath():
    """Whether the kernel puts a mount beneath another (Linux 6.5), by which a dead one is taken over with no folder showing."""
    with tempfile.TemporaryDirectory() as folder:
        place = os.fsencode(folder)
        above, below = (_libc.syscall(_OPEN_TREE, _AT_FDCWD, b"/run", _OPEN_TREE_CLONE) for _ in range(2))
        try:
            if _libc.syscall(_MOVE_MOUNT, above, b"", _AT_FDCWD, place, _MOVE_MOUNT_F_EMPTY_PATH) != 0:
                raise OSError(ctypes.get_errno(), "move_mount")
            return _libc.syscall(_MOVE_MOUNT, below, b"", _AT_FDCWD, place, _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_BENEATH) == 0
        finally:
            os.close(above)
            os.close(below)
            while _libc.umount2(place, _MNT_DETACH) == 0:
                pass
