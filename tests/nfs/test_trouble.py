"""Promises 3 and 13 with a store on NFS that is gone, is another one, or does not answer: nobody is let in, and others go on."""

import os
import signal
import threading

from harness import PATIENCE_SECONDS, mounts, outcome, wait_for
from nfs import EXPORT, run
from nfs_case import BELIEVES, SOON_SECONDS, NfsTest

REFUSED = ("EACCES", "ENOENT", "ESTALE", "EIO")


class Gone(NfsTest):
    MODE = "enforce=lease,lease=1"

    def setUp(self):
        super().setUp()
        self.mount_store()
        self.site.mount(self.MODE)
        self.assertEqual(self.read(), b"old\n")

    def test_a_file_that_is_deleted_while_it_is_read(self):
        """The reader goes on or is refused, and reads no other bytes."""
        self.write("open/long", b"a" * (4 << 20))
        self.assertEqual(len(self.read("open/long")), 4 << 20)
        with open(self.public("open/long"), "rb", buffering=0) as reader:
            self.assertEqual(reader.read(1), b"a")
            os.unlink(self.other / "open/long")
            for name in ("p", "q", "r"):
                self.write(f"secret/{name}", b"s" * (4 << 20))
            self.assert_soon("ENOENT", "open/long", before=(b"a" * (4 << 20), "ESTALE"))
            try:
                self.assertEqual(set(reader.read()), {ord("a")})
            except OSError as error:
                self.assertIn(outcome(os.fstat, reader.fileno()), (*REFUSED, "OK"), error)

    def test_an_export_that_is_withdrawn_and_made_again(self):
        self.site.expect_failure()  # the client may still be recovering, and the daemon waiting for it, at the end
        self.server.withdraw()
        self.assert_refused()
        self.server.export()
        self.assert_soon(b"old\n", before=REFUSED)
        self.assert_daemon_lives()

    def test_a_server_that_starts_anew(self):
        self.server.answer(0)
        self.server.answer()
        self.assert_soon(b"old\n")

    def refused(self):
        seen = self.read()
        if seen != b"old\n":
            self.assertIn(seen, REFUSED)
        return seen != b"old\n"

    def assert_refused(self):
        wait_for(self.refused, timeout=SOON_SECONDS, what="everything to be refused")
        self.assertIn(self.read(), REFUSED)


class GoneAtEachOpen(Gone):
    MODE = "enforce=open,lease=0"


class AnotherFileSystem(NfsTest):
    """At the same export with the same fsid=, so that the handle of its root is the same."""

    def test_what_was_there_is_refused_and_what_is_there_is_served(self):
        self.web.mount("", self.site.store, BELIEVES)
        path = f"{self.folder.name}/open/x"
        self.grant("public", f"{self.folder.name}/open")
        self.site.mount("enforce=lease,lease=1")
        self.assertEqual(self.read(path), b"old\n")
        self.server.answer(0)
        self.server.withdraw()
        run("umount", EXPORT)
        self.server.make_anew()
        (EXPORT / path).parent.mkdir(parents=True)
        self.server.export()
        self.server.answer()
        self.assert_soon("ENOENT", path, before=(b"old\n", *REFUSED))
        (EXPORT / path).write_bytes(b"another's\n")
        self.assert_soon(b"another's\n", path, before=REFUSED)


class Caller(threading.Thread):
    """One stat(2), which may hang."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.result = path, None
        self.start()

    def run(self):
        self.result = outcome(os.stat, self.path)


class Hung(NfsTest):
    """The cable is cut. `hard`, as NFS is mounted by default, waits for ever."""

    CALLERS = 20
    # The folders on the way are lent to the end: a caller waits for its own file, not for one of them.
    MODE = "enforce=lease,lease=60"

    def setUp(self):
        super().setUp()
        self.write("alice/hot.txt", b"hot\n")
        for i in range(self.CALLERS):
            self.write(f"alice/cold/{i}", b"%d\n" % i)
        self.own("user:alice", "alice")
        self.token = self.site.sql_session("user:alice")
        self.bob = self.site.sql_session("user:bob")
        self.mount_store(BELIEVES)
        self.site.mount(self.MODE)
        self.assertEqual(outcome(os.stat, self.by_session(self.token, "alice/hot.txt")), "OK")
        self.assertEqual(outcome(os.stat, self.by_session(self.token, "alice/cold")), "OK")

    def callers(self):
        callers = [Caller(self.by_session(self.token, "alice/cold", str(i))) for i in range(self.CALLERS)]
        self.addCleanup(self.go_on, callers)
        return callers

    def go_on(self, callers):
        self.web.join()
        for caller in callers:
            caller.join(PATIENCE_SECONDS)
            self.assertFalse(caller.is_alive())

    def test_who_does_not_need_it_goes_on(self):
        self.web.cut()
        callers = self.callers()
        self.assertEqual(outcome(os.stat, self.by_session("x" * 43)), "EACCES")
        self.assertEqual(outcome(os.stat, self.by_session(self.bob, "alice/hot.txt")), "ENOENT")
        self.site.grantctl("check", "user:alice", "alice/hot.txt")
        self.site.grantctl("grant", "user:carol", "alice/cold")
        self.site.grantctl("revoke", "user:carol", "alice/cold")
        wait_for(lambda: self.site.status(check=False)["state"] == "trouble", what="status to say so")
        self.assertIn("does not answer", self.site.status(check=False)["troubles"][0])
        wait_for(lambda: sum(caller.is_alive() for caller in callers) <= 8, what="those without a thread to be refused")
        self.assertLessEqual({caller.result for caller in callers}, {None, "EACCES"})
        self.go_on(callers)
        wait_for(lambda: self.site.status(check=False)["state"] == "healthy", what="the server to answer")
        wait_for(lambda: outcome(os.stat, callers[0].path) == "OK", what="what is there to be served")

    def test_sigterm_ends_the_mount(self):
        self.web.cut()
        callers = self.callers()
        self.site.expect_failure()
        daemon = self.site.daemon_pid
        os.kill(daemon, signal.SIGTERM)
        wait_for(lambda: not mounts(self.site.mountpoint), what="the mount to go")
        self.go_on(callers)
        self.site.wait_for_exit(daemon)
