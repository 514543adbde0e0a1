"""What tests/faults/faults.cc is told: which call of a program fails, and how."""

import ctypes
import errno
import mmap
import os
import random

from harness import BUILD

SHIM = BUILD / "tests/faults/faults.so"
SEED = int(os.environ.get("GRANTFS_SEED", random.randrange(2**32)))
EVERY = bool(os.environ.get("GRANTFS_EVERY_FAULT"))
SHORT = 0  #: in the place of an errno: fewer bytes than there are

#: The kinds of calls, and how one fails.
FAULTS = [("malloc", errno.ENOMEM), ("openat2", errno.EIO), ("openat2", errno.EMFILE), ("statx", errno.EIO), ("handle", errno.ENOMEM),
          ("open", errno.EMFILE), ("pread", errno.EIO), ("pread", SHORT), ("write", errno.ENOSPC), ("write", errno.EIO), ("write", SHORT),
          ("fsync", errno.EIO), ("truncate", errno.EIO), ("lock", errno.EAGAIN), ("lock", errno.EIO), ("mmap", errno.ENOMEM),
          ("clone", errno.EAGAIN), ("eventfd", errno.EMFILE), ("ioctl", errno.EIO), ("notify", errno.ENOMEM)]


def name_of(fault):
    kind, error = fault
    return f"{kind}: {errno.errorcode.get(error, 'short')}"


def chosen(count, most):
    """The numbers of the calls that are to fail, of so many: all, or every k-th, so that they are `most`."""
    step = 1 if EVERY else -(-count // most) or 1
    return range(1 + SEED % step, count + 1, step)


class _Layout(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_char * 16), *((name, ctypes.c_uint32) for name in ("error", "first", "many", "count", "failed"))]


class Orders:
    """The file by which a program is told; `environment` has it read that."""

    def __init__(self, path):
        path.write_bytes(bytes(ctypes.sizeof(_Layout)))
        with open(path, "r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), ctypes.sizeof(_Layout))
        self._layout = _Layout.from_buffer(self._mapped)
        self.environment = {"LD_PRELOAD": str(SHIM), "GRANTFS_FAULT_ORDERS": str(path)}

    def fail(self, fault, first, many=1):
        """From now on the call of that number fails, and so many in all."""
        self.end()
        self._layout.error, self._layout.first, self._layout.many = fault[1], first, many
        self._layout.count = self._layout.failed = 0
        self._layout.kind = fault[0].encode()

    def count(self, fault):
        """From now on calls are counted, and none fails."""
        self.fail(fault, 0)

    def end(self):
        """No call fails any more; how many there were, and how many failed."""
        self._layout.kind = b""
        return self._layout.count, self._layout.failed


def each_call_fails(case, most):
    """Has calls of each kind fail that the case's script() makes, one at a time, `most` of a kind: case.assert_survives(fault, number)
    says how many did."""
    for fault in FAULTS:
        case.orders.count(fault)
        case.script()
        count, _ = case.orders.end()
        failed = 0
        for number in chosen(count, most):
            with case.subTest(fault=name_of(fault), number=number):
                failed += case.assert_survives(fault, number)
        print(f"{name_of(fault)}: {failed} of {count}", flush=True)
