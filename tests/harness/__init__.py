"""A private store, its database and a real mount, for tests that run as root.

    site = Site()                       # or, in a MountTest, self.site
    self.addCleanup(site.close)
    site.write("alice/report.pdf", b"%PDF")
    site.grantctl("own", "user:alice", "alice")
    token = site.session("user:alice")
    site.mount()
    site.path("by-session", token, "alice/report.pdf").read_bytes()

The programs are $GRANTFS_BUILD/grantfs (default: build/ at the top), which may be a sanitizer's, and build/grantctl.
Everything lies in one temporary folder per site, is reachable by other uids through the mount
alone, and is gone after close(), which also runs when the interpreter ends.

What it holds, by module: programs, waiting, actors, debian, killing, namespaces, machine, site, case. Test modules import from here.
"""

from .actors import Actor, as_user, become, end_with_parent, outcome, serve
from .case import MountTest
from .debian import module_of_debian
from .killing import end_process, killed_at_each, runs
from .machine import has_io_uring, hold_machine, unused_ids, when_over, with_io_uring
from .namespaces import APART, CONTAINER, mounts, mounts_beneath
from .programs import BUILD, GRANTCTL, GRANTFS, MOUNT_HELPER, PATIENCE_SECONDS, REPOSITORY, SANITIZED
from .site import DEFAULT_OPTIONS, LENDS_BY_DEFAULT, Site, close_all_sites, decided_anew, refused_calls, token_id
from .waiting import Timeout, wait_for

__all__ = [
    "APART", "Actor", "BUILD", "CONTAINER", "DEFAULT_OPTIONS", "GRANTCTL", "GRANTFS", "LENDS_BY_DEFAULT", "MOUNT_HELPER",
    "MountTest", "PATIENCE_SECONDS", "REPOSITORY", "SANITIZED", "Site", "Timeout", "as_user", "become", "close_all_sites",
    "decided_anew", "end_process", "end_with_parent", "has_io_uring", "hold_machine", "killed_at_each", "module_of_debian", "mounts",
    "mounts_beneath", "outcome", "refused_calls", "runs", "token_id", "unused_ids", "wait_for", "when_over", "with_io_uring",
]
