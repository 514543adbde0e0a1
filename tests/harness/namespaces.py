"""Namespaces: what is mounted in this one, and commands that run in others."""

import os

#: A command with mounts, network and processes of its own: what it writes to a tmpfs of its own is seen by nobody
#: else, its ports are nobody else's, and all that it starts ends with it.
APART = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]

#: A command that sees neither the machine's /run, network, nor processes.
CONTAINER = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "sh", "-euc", 'mount -t tmpfs tmpfs /run; exec "$@"', "sh"]


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
