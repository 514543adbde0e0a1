"""Promise 8: root gets nothing by being root."""

import contextlib
import os

import syscalls
from fixture import REPORT, TwoUsersTest, names, read
from harness import decided_anew, outcome
from test_isolation import probe_all


class Root(TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.owner = self.actor(self.alice)
        self.hers = self.by_uid(self.alice, "alice/report.txt")
        self.assertEqual(self.owner.call(read, self.hers), REPORT)

    def test_root_is_refused_at_every_door_cold_and_warm(self):
        """Promise 8: straight after the owner, who is inside, and through a descriptor of by-uid."""
        self.owner.call(os.chdir, self.by_uid(self.alice, "alice"))
        views = os.open(self.site.path("by-uid"), os.O_PATH)
        self.addCleanup(os.close, views)
        for _ in range(10):
            self.owner.call(read, self.hers)
            for path in (self.by_uid(self.alice), self.by_uid(self.alice, "alice"), self.hers, self.by_uid(self.stranger)):
                self.assertEqual(probe_all(path), {"EACCES"}, path)
            self.assertEqual(outcome(os.stat, f"{self.alice}/alice/report.txt", dir_fd=views), "EACCES")

    def test_roots_own_view_is_a_view_like_any_other(self):
        """Promise 8: me leads root to by-uid/0, where it sees what uid 0 was granted: nothing."""
        self.assertEqual(os.readlink(self.site.path("me")), "by-uid/0")
        self.assertEqual(names(self.site.path("me")), ["open"])
        self.assert_absent(self.site.path("me", "alice"))

    def test_root_in_the_owners_working_directory_may_look_up_nothing(self):
        """Promise 8: /proc/PID/cwd leads past the door; each name below asks who calls."""
        self.owner.call(os.chdir, self.by_uid(self.alice, "alice"))
        inside = f"/proc/{self.owner.pid}/cwd"
        for name in ("report.txt", "deep", "deep/er/note.txt", "missing"):
            for _ in range(3):
                self.assertEqual(self.owner.outcome(os.stat, name), "ENOENT" if name == "missing" else "OK")
                self.assertEqual(outcome(os.stat, f"{inside}/{name}"), "EACCES")
                self.assertEqual(outcome(os.open, f"{inside}/{name}", os.O_RDONLY), "EACCES")
                self.assertEqual(outcome(os.open, f"{inside}/{name}", os.O_PATH), "EACCES")
        self.assertEqual(outcome(os.listdir, inside), "EACCES")
        held = os.open(inside, os.O_PATH)
        self.addCleanup(os.close, held)
        self.assertEqual(outcome(os.stat, "report.txt", dir_fd=held), "EACCES")
        self.assertEqual(outcome(os.stat, "../open", dir_fd=held), "EACCES")

    @decided_anew
    def test_root_cannot_open_again_what_the_owner_has_open(self):
        """Promise 8: /proc/PID/fd/N is an open by root."""
        fd = self.owner.call(os.open, self.hers, os.O_RDONLY)
        folder = self.owner.call(os.open, self.by_uid(self.alice, "alice"), os.O_RDONLY)
        for held in (fd, folder):
            self.assertEqual(outcome(os.open, f"/proc/{self.owner.pid}/fd/{held}", os.O_RDONLY), "EACCES")
        self.assertEqual(self.owner.outcome(os.open, f"/proc/self/fd/{fd}", os.O_RDONLY), "OK")

    def test_root_cannot_list_or_search_what_holds_the_views(self):
        """Promise 8: neither whose views there are nor which tokens."""
        for view in ("by-uid", "by-session"):
            self.assertEqual(outcome(os.listdir, self.site.path(view)), "EACCES")
        self.assertEqual(outcome(os.stat, self.by_session("a" * 32)), "EACCES")

    def test_file_handles_lead_root_past_no_door(self):
        """Promise 8: no handle is given; nor does one made by hand open anything.

        Where the kernel cannot refuse them, one that its owner gave away is decided as an open like any other; with
        leases, it opens while the kernel has the file in memory (NOTES in grantfs(8)).
        """
        status = self.site.status()
        with contextlib.suppress(OSError):
            handle = self.owner.call(handle_bytes, self.hers)
            self.assertFalse(status["handles_refused"])
            self.assertEqual(outcome(reopen, self.site.mountpoint, *handle), "EACCES" if status["enforce"] == "open" else "OK")
        files = []
        for kind, length in ((0x81, 12), (0x82, 24)):  # as the kernel's FUSE writes them: node, generation
            for node in range(1, 64):
                data = node.to_bytes(8, "little")[4:] + node.to_bytes(8, "little")[:4]
                for generation in (0, 1):
                    handle = (kind, (data + generation.to_bytes(4, "little")).ljust(length, b"\0"))
                    if outcome(reopen, self.site.mountpoint, *handle, os.O_RDONLY) == "OK":
                        files.append(node)
        self.assertEqual(set(files) - {1}, set(), "these nodes came by handle")


def handle_bytes(path):
    handle = syscalls.name_to_handle_at(path)
    return handle.handle_type, bytes(handle.handle[:handle.handle_bytes])


def reopen(mountpoint, kind, data, flags=os.O_RDONLY):
    mount_fd = os.open(mountpoint, os.O_RDONLY)
    try:
        os.close(syscalls.open_by_handle_at(mount_fd, syscalls.file_handle(kind, data), flags))
    finally:
        os.close(mount_fd)
