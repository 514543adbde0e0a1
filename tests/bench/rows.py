"""What is compared, as data. Every row is an nginx of its own with the same settings; see webserver.py for what differs."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str             # on the command line, in JSON
    label: str            # in the table and the chart
    kind: str             # what stands behind nginx: a method of backends.py and a location of webserver.py
    does: str             # what happens to one request, said exactly
    options: str = ""     # of the mount
    expects: dict = dataclasses.field(default_factory=dict)  # what `grantctl status` must say, where it says it
    uring: bool = False   # needs /sys/module/fuse/parameters/enable_uring
    quick: bool = True    # part of --quick
    follows: bool = False  # its database is a copy of one in PostgreSQL
    audits: bool = False  # keeps a record of accesses, and is there with --only audit alone, or named
    custom: bool = False  # named on the command line

    @property
    def is_grantfs(self):
        return self.kind == "grantfs"

    @property
    def has_policy(self):
        """Whether a policy database decides about each session and each path."""
        return self.kind in ("grantfs", "auth_grantfs")

    @property
    def keeps_files(self):
        """Whether files come into a memory of its own, which a hot set must be in before it is one."""
        return self.is_grantfs or self.kind in ("bindfs", "passthrough_hp")


OLD_KERNEL = ("pages copied through /dev/fuse, as a kernel without io_uring and passthrough has it "
              "(nothing in these runs uses epochs)")

AGAIN = "raw_again"

ROWS = (
    Row("raw", "nginx, raw directory", "raw",
        "no check; the cookie goes through the same pattern, and alias holds a variable, as with grantfs"),
    Row("secure_link", "secure_link", "secure_link",
        "nginx hashes each URL (md5, expiry, secret) and compares; URLs signed beforehand"),
    Row("auth_request", "auth_request, local nginx", "auth_request",
        "a subrequest over a kept connection to another port of the same nginx, which only looks at the cookie's form"),
    Row("auth_grantfs", "auth_request, libgrantfs", "auth_grantfs",
        "a subrequest over a kept connection to a session check in C++, which has libgrantfs decide by SQLite"),
    Row("auth_django", "auth_request, Django", "auth_django",
        "a subrequest to Django: session, user and ownership looked up (3 queries, SQLite)"),
    Row("xaccel", "X-Accel-Redirect, Django", "xaccel",
        "Django looks up session, user and ownership, answers X-Accel-Redirect, nginx sends the file"),
    Row("stream", "Django streams", "stream",
        "the same look-ups, and Django sends the file (FileResponse, gunicorn's sendfile) through nginx"),
    Row("bindfs", "bindfs", "bindfs", "nginx on a bindfs mount of the store (-r, --multithreaded); no check"),
    Row("passthrough_hp", "passthrough_hp", "passthrough_hp",
        "nginx on libfuse's example of that name, /dev/fuse, kernel passthrough; no check"),
    Row("passthrough_hp_uring", "passthrough_hp, io_uring", "passthrough_hp", "the same over io_uring; no check",
        options="io_uring", uring=True, quick=False),
    # As far from raw, in a round, as the rows that matter most.
    Row(AGAIN, "raw directory once more", "raw",
        "the same once more: how far two equal things differ in this run; hot only"),
    Row("lease", "grantfs lease", "grantfs", "decided by SQLite at lookup, lent to the kernel for 1 s",
        options="enforce=lease,lease=1,io=auto,passthrough=auto", expects={"enforce": "lease"}, uring=True),
    Row("lease_dev", "grantfs lease, /dev/fuse", "grantfs", "the same over /dev/fuse",
        options="enforce=lease,lease=1,io=dev,passthrough=auto", expects={"enforce": "lease", "transport": "dev"},
        quick=False),
    Row("follow", "grantfs lease, a node", "grantfs", "the same as lease by a copy of a policy in PostgreSQL, kept by grantfs-follow",
        options="enforce=lease,lease=1,io=auto,passthrough=auto,follow=10", expects={"enforce": "lease"}, uring=True, quick=False,
        follows=True),
    Row("open", "grantfs open", "grantfs", "decided by SQLite at every open; io_uring, kernel passthrough",
        options="enforce=open,lease=1,io=uring,passthrough=on",
        expects={"enforce": "open", "transport": "uring", "passthrough": True}, uring=True),
    Row("lease_audit", "grantfs lease, with a record", "grantfs", "the same as lease, and each lookup of a file is recorded (audit=)",
        options="enforce=lease,lease=1,io=auto,passthrough=auto", expects={"enforce": "lease"}, uring=True, quick=False, audits=True),
    Row("open_audit", "grantfs open, with a record", "grantfs", "the same as open, and each open is recorded (audit=)",
        options="enforce=open,lease=1,io=uring,passthrough=on",
        expects={"enforce": "open", "transport": "uring", "passthrough": True}, uring=True, quick=False, audits=True),
    Row("open_dev", "grantfs open, /dev/fuse", "grantfs", "the same over /dev/fuse",
        options="enforce=open,lease=1,io=dev,passthrough=on",
        expects={"enforce": "open", "transport": "dev", "passthrough": True}),
    Row("open_old", "grantfs open, older kernel", "grantfs", "decided at every open; " + OLD_KERNEL,
        options="enforce=open,lease=1,io=dev,passthrough=off",
        expects={"enforce": "open", "transport": "dev", "passthrough": False}),
)


def custom(text):
    """NAME=MOUNT,OPTIONS of the command line: one more way to mount grantfs."""
    name, separator, options = text.partition("=")
    if not separator or not name.isidentifier():
        raise ValueError(f"{text!r}: write NAME=MOUNT,OPTIONS")
    return Row(name, f"grantfs {name}", "grantfs", f"grantfs mounted with {options or 'its defaults'}", options=options,
               uring=True, custom=True)


#: What `--only audit` compares, hot and cold.
AUDIT_ROWS = ("lease", "lease_audit", "open", "open_audit")
AUDIT_PARTS = ("hot", "cold")

SIZES = {"1k": 1 << 10, "4k": 4 << 10, "64k": 64 << 10, "1m": 1 << 20, "256m": 256 << 20}
SIZE_NAMES = {"1k": "1 KiB", "4k": "4 KiB", "64k": "64 KiB", "1m": "1 MiB", "256m": "256 MiB"}
