"""Becomes the program that it is given, for which the kernel has less than it has (seccomp(2)): without_beneath.py [--openat2] PROGRAM...

No MOVE_MOUNT_BENEATH, as before Linux 6.5; or no openat2(2), as in a service of systemd with RestrictSUIDSGID=.
"""

import ctypes
import errno
import os
import struct
import sys

MOVE_MOUNT, OPENAT2 = 429, 437  #: on every architecture
MOVE_MOUNT_BENEATH = 0x200
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_IF_EQUAL, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x45, 0x06  # of BPF
NUMBER, FLAGS = 0, 16 + 4 * 8  # in struct seccomp_data; the lower half of the fifth argument, little-endian
ALLOW, ERROR = 0x7fff0000, 0x00050000

WITHOUT_BENEATH = [(LOAD, 0, 0, NUMBER), (JUMP_IF_EQUAL, 0, 3, MOVE_MOUNT), (LOAD, 0, 0, FLAGS),
                   (JUMP_IF_SET, 0, 1, MOVE_MOUNT_BENEATH), (RETURN, 0, 0, ERROR | errno.EINVAL), (RETURN, 0, 0, ALLOW)]
WITHOUT_OPENAT2 = [(LOAD, 0, 0, NUMBER), (JUMP_IF_EQUAL, 0, 1, OPENAT2), (RETURN, 0, 0, ERROR | errno.ENOSYS), (RETURN, 0, 0, ALLOW)]


def install(steps):
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in steps))
    program = struct.pack("=HxxxxxxQ", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    without_openat2 = sys.argv[1] == "--openat2"
    program = sys.argv[2 if without_openat2 else 1:]
    install(WITHOUT_OPENAT2 if without_openat2 else WITHOUT_BENEATH)
    os.execv(program[0], program)
