"""What a kernel gives a mount, by trying it: each answer is a line of the table."""

import contextlib
import unittest

from harness import Site, mounts_beneath, serve, with_io_uring

OPENS = 200


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


def answers():
    with contextlib.closing(Site()) as site:
        site.write("folder/file", b"bytes")
        site.grantctl("grant", "public", "folder")
        lease, log, asked = mounted(site, "enforce=lease,lease=60")
        opened, _, asked_open = mounted(site, "enforce=open,lease=60")
        return {
            "enforce=lease": lease["enforce"] == "lease",
            "handles refused": lease["handles_refused"],
            "stacking refused": lease["stacking_refused"],
            "epochs": "no epochs" not in log,
            "io_uring": has_io_uring(site),
            "passthrough": opened["passthrough"],
            "mounts beneath a dead one": mounts_beneath(),
            f"requests for {OPENS} opens, lease": asked,
            f"requests for {OPENS} opens, open": asked_open,
        }
