"""Promises 2, 3 and 8 against file handles: whoever has CAP_DAC_READ_SEARCH opens by one without walking a path.

Where the kernel refuses handles (Linux 6.9, libfuse 3.17), none opens anything. Elsewhere an open by handle asks nobody with
leases, and leads to a file for as long as the kernel has it in memory for somebody else: grantfs(8) says so.
"""

import contextlib
import errno
import grp
import os
import subprocess
import time
import unittest

import syscalls
from fixture import REPORT, names, read
from harness import BUILD, SANITIZED, end_with_parent, outcome, serve, token_id, wait_for
from test_lease import LeaseTest

#: For name_to_handle_at(2), of Linux 6.5: a handle that is only to be compared. It names the inode all the same.
AT_HANDLE_FID = 0x200
SHIM = BUILD / "tests/mount/lookup_of_dot.so"

#: As root of a user namespace of its own: opens by a handle, and says how that went.
IN_A_NAMESPACE = """
import os, sys
sys.path[:0] = [{mount!r}, {tests!r}]
import syscalls
from harness import outcome
folder = os.open({mountpoint!r}, os.O_RDONLY)
print(outcome(syscalls.open_by_handle_at, folder, syscalls.file_handle({kind}, {data!r})))
"""


def take_handle(path):
    """The type and the bytes of a handle of a file that the caller sees."""
    try:
        handle = syscalls.name_to_handle_at(path)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        handle = syscalls.name_to_handle_at(path, AT_HANDLE_FID)
    return handle.handle_type, bytes(handle.handle[:handle.handle_bytes])


def open_by_handle(mountpoint, kind, data, flags=os.O_RDONLY):
    """A descriptor."""
    mount_fd = os.open(mountpoint, os.O_RDONLY)
    try:
        return syscalls.open_by_handle_at(mount_fd, syscalls.file_handle(kind, data), flags)
    finally:
        os.close(mount_fd)


def read_by_handle(mountpoint, kind, data):
    fd = open_by_handle(mountpoint, kind, data)
    try:
        return os.read(fd, 1 << 20)
    finally:
        os.close(fd)


class FileHandles(LeaseTest):
    """Root has a handle of alice's file, taken through a session while it was allowed."""

    def setUp(self):
        super().setUp()
        self.refused = self.site.status()["handles_refused"]
        self.path = self.by_session(self.alice_token, "alice/report.txt")

    def take(self, path):
        with self.subTest("a handle that may be opened by"):
            self.assertEqual(outcome(syscalls.name_to_handle_at, path), "EOPNOTSUPP" if self.refused else "OK")
        try:
            return take_handle(path)
        except OSError as error:
            self.skipTest(f"this kernel gives no handle of any kind: {error}")

    def opened(self, handle):
        """What an open by the handle comes to; and nothing was asked meanwhile but attributes."""
        said = []
        asked = self.upcalls_of(lambda: said.append(outcome(read_by_handle, self.site.mountpoint, *handle)))
        # What there is besides is of the descriptor of the mount.
        self.assertEqual(set(asked) - {"getattr", "read", "opendir", "releasedir"}, set(), "a LOOKUP of . or an OPEN")
        return said[0]

    def assert_leads_nowhere(self, handle):
        self.assertIn(self.opened(handle), ("EOPNOTSUPP", "ESTALE"))

    def assert_opens_unless_refused(self, handle):
        """It does while the file is in the kernel's memory: the limit that is documented."""
        if self.refused:
            self.assert_leads_nowhere(handle)
        else:
            self.assertEqual(self.opened(handle), "OK")

    def test_a_handle_leads_nowhere_once_access_has_been_taken_away(self):
        """Promise 2: by the session, the rule, and a link; revoking forgets the file, and the handle finds nothing."""
        link = self.site.grantctl("link", "create", "alice").stdout.strip()
        for take_away, path in (("DELETE FROM sessions", self.path), ("DELETE FROM owners WHERE path = 'alice'", None),
                                ("DELETE FROM links", self.site.path("by-link", link, "alice/report.txt"))):
            with self.subTest(take_away):
                self.own(f"uid:{self.alice}", "alice")
                path = path or self.by_session(self.site.sql_session(f"uid:{self.alice}"), "alice/report.txt")
                serve(path)
                handle = self.take(path)
                self.assert_opens_unless_refused(handle)
                self.site.sql(take_away)
                self.recalled()
                self.assert_leads_nowhere(handle)
                self.assertNotEqual(outcome(read, path), "OK")
                self.assert_leads_nowhere(handle)

    def test_a_handle_leads_nowhere_after_an_expiry(self):
        """Promise 3."""
        path = self.by_session(self.site.sql_session(f"uid:{self.alice}", expires=int(time.time()) + 2), "alice/report.txt")
        serve(path)
        handle = self.take(path)
        wait_for(lambda: outcome(read, path) != "OK", what="the session to expire")
        self.assert_leads_nowhere(handle)

    def test_a_file_that_is_held_opens_by_handle_as_it_does_through_proc(self):
        """Promise 4: for as long as the holder holds it, and no longer."""
        handle = self.take(self.path)
        with contextlib.closing(open(self.path, "rb")) as held:
            self.site.sql("DELETE FROM sessions")
            self.recalled()
            self.assertEqual(outcome(os.open, f"/proc/self/fd/{held.fileno()}", os.O_RDONLY), "OK")
            self.assert_opens_unless_refused(handle)
        self.assert_leads_nowhere(handle)

    def test_a_file_that_another_session_has_in_memory_opens_by_handle(self):
        """What remains (grantfs(8)): servers' views share a file, and with it what a handle leads to."""
        self.site.umount()
        self.site.mount(self.OPTIONS + ",server_group=www-data")
        server = self.actor(33, gid=grp.getgrnam("www-data").gr_gid)
        other = self.by_session(self.site.sql_session(f"uid:{self.alice}"), "alice/report.txt")
        self.recalled()
        for path in (self.path, other):
            self.assertEqual(server.call(serve, str(path)), REPORT)
        handle = server.call(take_handle, str(self.path)) if not self.refused else self.take(other)
        self.site.sql("DELETE FROM sessions WHERE id = ?", (token_id(self.alice_token),))
        self.recalled()
        self.assert_opens_unless_refused(handle)
        self.site.sql("DELETE FROM sessions")
        self.recalled()
        self.assert_leads_nowhere(handle)

    def test_below_a_folder_opened_by_handle_names_are_decided(self):
        """Promise 2: in a folder that is held, whatever it was held by, every name is a lookup."""
        folder = self.path.parent
        handle = self.take(folder)
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, held)
        self.site.sql("DELETE FROM sessions")
        self.recalled()
        if self.refused:
            self.assertIn(outcome(open_by_handle, self.site.mountpoint, *handle, os.O_PATH), ("EOPNOTSUPP", "ESTALE"))
            return
        again = open_by_handle(self.site.mountpoint, *handle, os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, again)
        self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=again), "EACCES")
        self.assertEqual(outcome(names, f"/proc/self/fd/{again}"), "EACCES")

    def test_no_handle_outlives_the_daemon(self):
        """Promise 9: the next daemon's files have other numbers."""
        handle = self.take(self.path)
        self.site.umount()
        self.site.mount(self.OPTIONS)
        self.assertEqual(serve(self.path), REPORT)
        self.assert_leads_nowhere(handle)

    def test_only_who_may_read_everything_opens_by_handle(self):
        """Promise 8: without CAP_DAC_READ_SEARCH, and with it in a user namespace of one's own, none does."""
        self.assertEqual(serve(self.path), REPORT)
        handle = self.take(self.path)
        user = self.actor(self.stranger)
        self.assertEqual(user.outcome(open_by_handle, self.site.mountpoint, *handle), "EPERM")
        here = os.path.dirname(os.path.abspath(__file__))
        program = IN_A_NAMESPACE.format(mount=here, tests=os.path.dirname(here), mountpoint=str(self.site.mountpoint),
                                        kind=handle[0], data=handle[1])
        done = subprocess.run(["setpriv", f"--reuid={self.stranger}", f"--regid={self.stranger}", "--clear-groups",
                               "unshare", "-Urm", "/usr/bin/python3", "-B", "-c", program],
                              capture_output=True, text=True, preexec_fn=end_with_parent)
        if done.returncode != 0:
            self.skipTest(f"no user namespaces for users: {done.stderr}")
        self.assertIn(done.stdout.strip(), ("EPERM", "ENOTDIR", "EOPNOTSUPP", "ESTALE"))

    def test_what_cannot_be_refused_is_said(self):
        self.assertRegex(self.site.grantctl("status").stdout,
                         r"(?m)^handles +refused$" if self.refused else r"(?m)^handles +not refused by this kernel$")
        self.assertIn("refuses" if self.refused else "cannot refuse", self.site.log())


class LookupOfDot(LeaseTest):
    """By lookup_of_dot.cc, since the kernel sends none unless the daemon says that it wants them."""

    def test_it_is_refused_wherever_it_comes(self):
        """Promise 8: at the root, at every door, in a view and in a file. Whatever a name of one dot would mean there."""
        if SANITIZED or not SHIM.exists():
            self.skipTest("nothing can be preloaded before a sanitizer")
        self.site.umount()
        self.site.start_foreground(self.OPTIONS + ",by_user=root", environment={"LD_PRELOAD": str(SHIM)})
        self.grant("user:.", "alice")
        view = self.by_session(self.alice_token)
        for folder in (self.site.mountpoint, self.site.path("by-user"), self.site.path("by-session"), self.site.path("by-link"),
                       self.site.path("by-signature"), self.site.path("expired"), self.site.path("public"), self.site.path("from"),
                       view, view / "alice"):
            self.assertEqual(outcome(os.stat, folder / "lookup-of-dot"), "ESTALE", folder)
            self.assertNotEqual(outcome(os.stat, folder / "lookup-of-dots"), "ESTALE", folder)
        self.assertEqual(serve(view / "alice/report.txt"), REPORT)


if __name__ == "__main__":
    unittest.main()
