"""Becomes the program that it is given, with the system calls alone that a unit leaves it: SystemCallFilter= and
RestrictAddressFamilies=, done by libseccomp as systemd does it."""

import ctypes
import errno
import os
import socket
import subprocess
import sys

ALLOW = 0x7fff0000
PR_SET_NO_NEW_PRIVS = 38
EQUAL = 4  # SCMP_CMP_EQ
BY_DEFAULT = ("@default",)  #: systemd adds it to every list of what is allowed


class Comparison(ctypes.Structure):
    """scmp_arg_cmp"""
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def refuse(error):
    return 0x00050000 | error


def members(name):
    """The calls of a group, those of the groups in it, too; of a call, itself."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True).stdout
    words = [word for line in text.splitlines()[1:] if not line.strip().startswith("#") for word in line.split()]
    return set().union(*(members(word) for word in words))


def settings(unit, name):
    with open(unit, encoding="utf-8") as file:
        return [line.rstrip("\n").partition("=")[2] for line in file if line.startswith(name + "=")]


def allowed_calls(unit):
    found = set().union(*(members(name) for name in BY_DEFAULT))
    for line in settings(unit, "SystemCallFilter"):
        calls = set().union(*(members(name) for name in line.removeprefix("~").split()))
        found = found - calls if line.startswith("~") else found | calls
    return found


def install(unit):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(refuse(errno.EPERM))))

    def rule(action, call, *comparisons):
        number = library.seccomp_syscall_resolve_name(call.encode())
        array = (Comparison * len(comparisons))(*comparisons)
        return library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(comparisons), array)

    for call in sorted(allowed_calls(unit) - {"socket"}):
        rule(ALLOW, call)
    for family in " ".join(settings(unit, "RestrictAddressFamilies")).split():
        rule(ALLOW, "socket", Comparison(0, EQUAL, getattr(socket, family)))
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if library.seccomp_load(context) != 0:
        raise OSError("seccomp_load")


if __name__ == "__main__":
    install(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
