"""Promises 4, 7, 13 and 14 with a store whose file handles do not last: bindfs, mergerfs and the like (FUSE)."""

import os
import shutil
import subprocess

import syscalls
from fixture import REPORT, TwoUsersTest, names, read
from harness import outcome, serve
from test_bytes import other, overwrite

FILES = 300  # more than the daemon keeps open in case they are asked for again


class StackedStore:
    """The store is such a file system's view of a directory beside it."""

    def command(self, below, store):
        raise NotImplementedError

    def setUp(self):
        super().setUp()
        self.site.umount()
        self.below = self.site.root / "below"
        os.rename(self.site.store, self.below)
        self.site.store.mkdir()
        command = self.command(self.below, self.site.store)
        if shutil.which(command[0]) is None:
            self.skipTest(f"no {command[0]} here")
        subprocess.run(command, check=True, capture_output=True)
        self.addCleanup(outcome, syscalls.umount2, self.site.store, syscalls.MNT_DETACH)
        self.addCleanup(self.site.umount)
        self.site.mount("enforce=lease,lease=1")

    def test_it_is_said(self):
        """In the log, and in status, as JSON and for people."""
        status = self.site.status()
        self.assertEqual((status["enforce"], status["enforce_because"]), ("open", "the store is on FUSE, whose file handles do not last"))
        self.assertIn("enforce=lease is not to be had: the store is on FUSE", self.site.log())
        self.assertRegex(self.site.grantctl("status").stdout, r"(?m)^enforce +open \(the store is on FUSE, .*\)$")

    def test_what_is_held_open_is_read_to_the_end(self):
        """Promise 4: though the store's kernel has forgotten the files, and one was deleted, one replaced."""
        for i in range(FILES):
            self.site.write(f"alice/many/{i}", b"content %d\n" % i)
        view = self.by_session(self.alice_token, "alice/many")
        held = [os.open(view / str(i), os.O_RDONLY) for i in range(FILES)]
        for fd in held:
            self.addCleanup(os.close, fd)
        os.unlink(self.site.store / "alice/many/0")
        self.site.replace("alice/many/1", b"another\n")
        syscalls.drop_dentries_and_inodes()
        self.assertEqual([os.pread(fd, 100, 0) for fd in held], [b"content %d\n" % i for i in range(FILES)])
        self.assertEqual([outcome(serve, view / "0"), serve(view / "1")], ["ENOENT", b"another\n"])

    def test_a_file_stays_the_same_when_it_was_forgotten(self):
        """Its inode number too, by which servers know a file that they keep open."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        before = os.stat(path)
        syscalls.drop_dentries_and_inodes()
        after = os.stat(path)
        self.assertEqual((after.st_ino, after.st_size, after.st_mtime_ns), (before.st_ino, before.st_size, before.st_mtime_ns))

    def test_what_changes_shows_at_the_next_open(self):
        """Promise 14: changed through the store, in place, by renaming; while another has it open."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        with open(path, "rb"):
            for i in range(3):
                overwrite(self.site.store / "alice/report.txt", other(REPORT, i))
                self.assertEqual(serve(path), other(REPORT, i))
                self.site.replace("alice/report.txt", other(REPORT, i + 10))
                self.assertEqual(serve(path), other(REPORT, i + 10))

    def test_listings_and_refusals_are_as_elsewhere(self):
        """Promises 1, 7 and 13."""
        hers = self.by_session(self.alice_token, "alice")
        (self.site.store / "alice/link").symlink_to("report.txt")
        self.assertEqual(names(hers), ["deep", "report.txt"])
        self.assertEqual(read(hers / "report.txt"), REPORT)
        for path in ("bob/secret.txt", "alice/link", "nobody/unregistered.txt"):
            self.assertEqual(outcome(serve, self.by_session(self.alice_token, path)), "ENOENT")
        fd = os.open(hers / "report.txt", os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.site.sql("DELETE FROM sessions")
        self.assertEqual(outcome(serve, hers / "report.txt"), "EACCES")
        self.assertEqual(os.pread(fd, 100, 0), REPORT)


class Bindfs(StackedStore, TwoUsersTest):
    def command(self, below, store):
        return ["bindfs", "-o", "allow_other", below, store]


class Mergerfs(StackedStore, TwoUsersTest):
    """Two branches; the store's files are in the first."""

    def command(self, below, store):
        second = self.site.root / "second"
        second.mkdir()
        return ["mergerfs", "-o", "allow_other,use_ino,category.create=ff", f"{below}:{second}", store]
