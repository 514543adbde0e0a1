"""Promise 9: a dead daemon opens nothing, exposes nothing, and is taken over by the next."""

import os
import pathlib
import subprocess
import sys
import tempfile

import syscalls
from fixture import REPORT, TwoUsersTest, read
from harness import as_user, decided_anew, mounts, mounts_beneath, outcome

DEAD = ("ENOTCONN", "ECONNABORTED")  # the second while a connection over io_uring ends

UNDER_WAY = ("EIO",)  #: what requests come to that a daemon had taken up when it was killed


def what_shows(path, until):
    """What opening and looking at a path came to, without pause until that file exists: outcomes and how many."""
    counts = {}
    while not os.path.exists(until):
        for function in (read, os.stat):
            result = outcome(function, path)
            counts[result] = counts.get(result, 0) + 1
    return counts


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


class Uncovered(TwoUsersTest):
    """Promise 9: the directory underneath never shows, as an empty folder in which everything is missing."""

    def shown_during(self, action):
        """What www-data saw of a public file while `action` ran."""
        end = self.site.root / f"end{len(os.listdir(self.site.root))}"
        watcher = self.actor(33)
        path = self.site.path("public", "open/welcome.txt")
        watcher.start(what_shows, str(path), str(end))
        try:
            action()
            self.assertEqual(outcome(read, path), "OK")
        finally:
            end.touch()
        return watcher.finish()

    def need_mounts_beneath(self):
        if not mounts_beneath():
            self.skipTest("before Linux 6.5 the directory shows for a moment")

    def die_and_come_back(self):
        for _ in range(10):
            self.site.kill()
            self.site.mount()

    def test_while_a_dead_mount_is_taken_over(self):
        self.need_mounts_beneath()
        shown = self.shown_during(self.die_and_come_back)
        self.assertLessEqual(set(shown), {"OK", *DEAD, *UNDER_WAY})
        self.assertGreater(shown["OK"], 0)

    def test_while_a_dead_mount_that_is_shared_is_taken_over(self):
        """As under systemd, which has every mount be shared."""
        self.need_mounts_beneath()
        self.site.umount()
        syscalls.mount(self.site.root, self.site.root, flags=syscalls.MS_BIND)
        self.addCleanup(outcome, syscalls.umount2, self.site.root, syscalls.MNT_DETACH)
        self.addCleanup(self.site.umount)
        syscalls.mount("none", self.site.root, flags=syscalls.MS_SHARED)
        self.site.mount()
        self.assertLessEqual(set(self.shown_during(self.die_and_come_back)), {"OK", *DEAD, *UNDER_WAY})

    def take_over_without_beneath(self):
        self.site.kill()
        self.site.start_foreground(wrapper=[sys.executable, str(pathlib.Path(__file__).with_name("without_beneath.py"))])

    def test_while_a_dead_mount_is_taken_over_by_a_kernel_without_mounts_beneath(self):
        """Before Linux 6.5 the directory shows for a moment: of mode 000, it refuses, and does not say that files are missing."""
        self.site.umount()
        self.site.mountpoint.chmod(0)
        self.site.mount()
        shown = self.shown_during(lambda: [self.take_over_without_beneath() for _ in range(20)])
        self.assertLessEqual(set(shown), {"OK", "EACCES", *DEAD, *UNDER_WAY})
        self.assertGreater(shown["OK"], 0)
        self.assertIn("EACCES", shown, "it was mounted beneath")
        self.assertEqual(mounts(self.site.mountpoint), [str(self.site.mountpoint)])

    def test_while_it_is_restarted(self):
        """A mount point of mode 000 refuses, and does not say that files are missing."""
        def restart():
            for _ in range(5):
                self.site.terminate()
                self.site.mount()

        self.site.umount()
        self.site.mountpoint.chmod(0)
        before = self.site.log()
        self.site.mount()
        self.assertLessEqual(set(self.shown_during(restart)), {"OK", "EACCES", *DEAD, *UNDER_WAY})
        self.assertNotIn("chmod 000", self.site.log().removeprefix(before))

    def test_a_mount_point_that_others_may_pass_is_warned_of(self):
        self.site.umount()
        self.site.mountpoint.chmod(0o755)
        self.site.mount()
        self.assertIn(f"umount {self.site.mountpoint}; chmod 000 {self.site.mountpoint}", self.site.log())

    def test_what_lies_beneath_a_dead_mount_is_not_uncovered(self):
        """The next daemon refuses to hide it, and the dead mount stays."""
        self.site.kill()
        inside = f"umount -l {self.site.mountpoint} && touch {self.site.mountpoint}/file"
        subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", inside], check=True)
        refused = self.site.mount(check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("is not empty", refused.stderr)
        self.assertIn(outcome(os.statvfs, self.site.mountpoint), DEAD)
        syscalls.umount2(self.site.mountpoint, syscalls.MNT_DETACH)
        os.unlink(self.site.mountpoint / "file")


class Aborted(TwoUsersTest):
    def abort(self):
        """As an administrator does who wants rid of a mount that hangs."""
        minor = os.stat(self.site.mountpoint).st_dev & 0xff | os.stat(self.site.mountpoint).st_dev >> 12 & ~0xff
        pid = self.site.daemon_pid
        self.site.expect_failure()
        control = tempfile.mkdtemp(dir=self.site.root)
        syscalls.mount("fusectl", control, "fusectl")
        self.addCleanup(outcome, syscalls.umount2, control, syscalls.MNT_DETACH)
        with open(f"{control}/{minor}/abort", "w", encoding="ascii") as file:
            file.write("1")
        return self.site.wait_for_exit(pid)

    def test_it_is_said_and_the_next_daemon_takes_over(self):
        """Promise 9: it is a failure, so that who watches over the daemon starts it again."""
        for again in range(2):
            with self.subTest(again):
                self.assertEqual(self.abort(), 1)
                self.assertIn("somebody ended the connection", self.site.log())
                self.assertNotIn("' is unmounted", self.site.log())
                self.assertIn(outcome(os.statvfs, self.site.mountpoint), DEAD)
                self.site.mount()
                self.assertEqual(outcome(read, self.site.path("public", "open/welcome.txt")), "OK")

    def test_a_forced_umount_is_an_umount(self):
        """umount -f ends the connection first."""
        pid = self.site.daemon_pid
        subprocess.run(["umount", "-f", self.site.mountpoint], check=True)
        self.assertEqual(self.site.wait_for_exit(pid), 0)
        self.assertIn("' is unmounted", self.site.log())
        self.assertEqual(mounts(self.site.mountpoint), [])

    def test_what_was_mounted_over_it_stays(self):
        """It takes away its own mount, or none."""
        syscalls.mount("tmpfs", self.site.mountpoint, "tmpfs")
        self.addCleanup(outcome, syscalls.umount2, self.site.mountpoint, syscalls.MNT_DETACH)
        (self.site.mountpoint / "another's").touch()
        self.site.terminate()
        self.assertEqual(os.listdir(self.site.mountpoint), ["another's"])
        syscalls.umount2(self.site.mountpoint)
        self.assertIn(outcome(os.statvfs, self.site.mountpoint), DEAD)
        syscalls.umount2(self.site.mountpoint, syscalls.MNT_DETACH)
