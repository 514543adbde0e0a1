"""Promise 9: a dead daemon opens nothing, exposes nothing, and is taken over by the next."""

import os

from fixture import REPORT, TwoUsersTest, read
from harness import as_user, decided_anew, mounts, outcome

DEAD = ("ENOTCONN", "ECONNABORTED")  # the second while a connection over io_uring ends


class Death(TwoUsersTest):
    @decided_anew
    def test_nothing_opens_after_sigkill(self):
        """Promise 9: ENOTCONN, on warm paths, through held folders, at the mount point itself."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        self.assertEqual(read(path), REPORT)
        held = os.open(self.by_session(self.alice_token, "alice"), os.O_PATH)
        self.addCleanup(os.close, held)
        self.site.kill()
        for target in (path, self.by_session(self.alice_token), self.site.path("public", "open/welcome.txt"), self.site.path("me"),
                       self.site.mountpoint, self.site.path("missing")):
            for function in (os.stat, os.listdir, read):
                self.assertIn(outcome(function, target), DEAD, target)
        self.assertIn(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=held), DEAD)
        self.assertIn(as_user(self.alice, outcome, os.stat, self.by_uid(self.alice)), DEAD)

    def test_nothing_lies_underneath(self):
        """Promise 9: with the mount taken away, the folder is empty; nothing was written there."""
        self.site.kill()
        self.assertEqual(mounts(self.site.mountpoint), [str(self.site.mountpoint)])
        self.site.umount()
        self.assertEqual(os.listdir(self.site.mountpoint), [])

    @decided_anew
    def test_a_new_daemon_takes_over_and_serves_the_same(self):
        """Promise 9: in the same place, once, with the same decisions and inode numbers."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        number = os.stat(path).st_ino
        for start in (self.site.mount, self.site.mount_background):
            self.site.kill()
            self.assertIn(outcome(os.stat, path), DEAD)
            start()
            self.assertEqual(mounts(self.site.mountpoint), [str(self.site.mountpoint)], "mounted once, not over the dead one")
            self.assertEqual((read(path), os.stat(path).st_ino), (REPORT, number))
            self.assertEqual(outcome(os.stat, self.by_session(self.alice_token, "bob")), "ENOENT")

    def test_taking_over_is_in_the_log(self):
        """In the log that was asked for, as its other lines are."""
        self.site.kill()
        self.site.mount("loglevel=warn")
        self.assertRegex(self.site.log(), rf"(?m)^\S+ grantfs\[\d+\] warning: .*taking over .*{self.site.mountpoint}")

    @decided_anew
    def test_a_dead_mount_in_use_is_taken_over_too(self):
        """Promise 9: processes that sit in it keep nobody from service."""
        server = self.actor(33)
        server.call(os.chdir, self.by_session(self.alice_token, "alice"))
        fd = server.call(os.open, "report.txt", os.O_RDONLY)
        self.site.kill()
        self.site.mount()
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
        self.assertIn(server.outcome(os.stat, "report.txt"), DEAD)
        self.assertIn(server.outcome(os.fstat, fd), DEAD)
        server.call(os.chdir, self.by_session(self.alice_token, "alice"))
        self.assertEqual(server.call(read, "report.txt"), REPORT)

    @decided_anew
    def test_the_control_socket_of_the_dead_is_taken_over(self):
        """Promise 9: `grantctl status` speaks to the one that lives."""
        self.site.kill()
        self.site.mount()
        self.assertEqual(self.site.status()["pid"], self.site.daemon_pid)

    @decided_anew
    def test_what_was_revoked_while_no_daemon_ran_stays_revoked(self):
        """Promise 9: the database is all there is to know."""
        self.site.kill()
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.site.mount()
        self.assert_absent(self.by_session(self.alice_token, "alice"))
        self.assertEqual(outcome(os.stat, self.by_session(self.alice_token)), "OK")

    def test_a_killed_daemon_leaves_the_database_whole(self):
        """Promise 9: others write on; nothing stays locked."""
        self.site.kill()
        self.assertEqual(self.site.sql("PRAGMA integrity_check"), [("ok",)])
        self.site.grantctl("grant", "user:x", "alice")
