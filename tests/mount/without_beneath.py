"""Becomes the program that it is given, for which the kernel has no MOVE_MOUNT_BENEATH, as before Linux 6.5 (seccomp(2))."""

import ctypes
import errno
import os
import struct
import sys

MOVE_MOUNT = 429  #: move_mount(2), on every architecture
MOVE_MOUNT_BENEATH = 0x200
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_IF_EQUAL, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x45, 0x06  # of BPF
NUMBER, FLAGS = 0, 16 + 4 * 8  # in struct seccomp_data; the lower half of the fifth argument, little-endian
ALLOW, ERROR = 0x7fff0000, 0x00050000

FILTER = [(LOAD, 0, 0, NUMBER), (JUMP_IF_EQUAL, 0, 3, MOVE_MOUNT), (LOAD, 0, 0, FLAGS),
          (JUMP_IF_SET, 0, 1, MOVE_MOUNT_BENEATH), (RETURN, 0, 0, ERROR | errno.EINVAL), (RETURN, 0, 0, ALLOW)]


def install():
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in FILTER))
    program = struct.pack("=HxxxxxxQ", len(FILTER), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    install()
    os.execv(sys.argv[1], sys.argv[1:])
