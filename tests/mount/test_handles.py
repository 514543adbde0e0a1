"""Promise 4: what is already held stays usable; everything by name is decided afresh."""

import errno
import mmap
import os
import time

import syscalls
from fixture import REPORT, TwoUsersTest, names, read
from harness import decided_anew, outcome, wait_for

AWAY = "DELETE FROM owners WHERE path = 'alice'"


class Held(TwoUsersTest):
    """Held by a uid through its own view, and by a server through a session's, then revoked."""

    def views(self):
        """Two processes that hold things, and what each sees as the view: names relative to it."""
        return ((self.actor(self.alice), self.by_uid(self.alice)), (self.actor(33), self.by_session(self.alice_token)))

    def test_an_open_file_is_read_to_its_end_after_revocation(self):
        """Promise 4: read, pread, lseek, fstat, mmap and sendfile on a handle obtained before."""
        size = 300_000
        self.site.write("alice/report.txt", b"r" * size)
        for actor, view in self.views():
            with self.subTest(view=view.parent.name):
                fd = actor.call(os.open, view / "alice/report.txt", os.O_RDONLY)
                self.assertEqual(actor.call(os.read, fd, 10), b"r" * 10)
                self.site.sql(AWAY)
                self.assertEqual(actor.outcome(os.open, view / "alice/report.txt", os.O_RDONLY), "ENOENT")
                self.assertEqual(actor.call(os.fstat, fd).st_size, size)
                self.assertEqual(len(actor.call(os.pread, fd, size, 0)), size)
                self.assertEqual(actor.call(os.lseek, fd, 0, os.SEEK_END), size)
                self.assertEqual(actor.call(mapped, fd), b"r" * size)
                self.own(f"uid:{self.alice}", "alice")

    @decided_anew
    def test_a_handle_cannot_be_opened_again_through_proc(self):
        """Promise 2: /proc/self/fd/N is an open, and is decided (no lookup comes with it)."""
        for actor, view in self.views():
            with self.subTest(view=view.parent.name):
                fd = actor.call(os.open, view / "alice/report.txt", os.O_RDONLY)
                path_fd = actor.call(os.open, view / "alice/report.txt", os.O_PATH)
                folder = actor.call(os.open, view / "alice", os.O_PATH)
                for held in (fd, path_fd, folder):
                    self.assertEqual(actor.outcome(os.open, f"/proc/self/fd/{held}", os.O_RDONLY), "OK")
                self.site.sql(AWAY)
                for held in (fd, path_fd, folder):
                    self.assertEqual(actor.outcome(os.open, f"/proc/self/fd/{held}", os.O_RDONLY), "ENOENT")
                self.own(f"uid:{self.alice}", "alice")

    def test_an_o_path_descriptor_still_says_what_it_is(self):
        """Promise 4."""
        for actor, view in self.views():
            fd = actor.call(os.open, view / "alice/report.txt", os.O_PATH)
            self.site.sql(AWAY)
            self.assertEqual(actor.call(os.fstat, fd).st_size, len(REPORT))
            self.own(f"uid:{self.alice}", "alice")

    @decided_anew
    def test_an_o_path_descriptor_outlives_the_name(self):
        """Promise 4: the file has been replaced, or deleted, since."""
        for change in (lambda: self.site.replace("alice/report.txt", b"new"), (self.site.store / "alice/report.txt").unlink):
            self.site.write("alice/report.txt", REPORT)
            fd = os.open(self.by_session(self.alice_token, "alice/report.txt"), os.O_PATH)
            self.addCleanup(os.close, fd)
            self.assertEqual(os.fstat(fd).st_size, len(REPORT))
            change()
            self.assertEqual(os.fstat(fd).st_size, len(REPORT))
            self.assertIn(outcome(os.open, f"/proc/self/fd/{fd}", os.O_RDONLY), ("ENOENT", "ESTALE"))

    def test_a_working_directory_stays_but_names_below_it_are_decided(self):
        """Promise 4: `.` answers; every name from there is a lookup, and is refused."""
        for actor, view in self.views():
            with self.subTest(view=view.parent.name):
                actor.call(os.chdir, view / "alice")
                self.assertEqual(actor.call(read, "report.txt"), REPORT)
                self.site.sql(AWAY)
                self.assertEqual(actor.outcome(os.stat, "."), "OK")
                for name in ("report.txt", "deep", "deep/er/note.txt", "missing"):
                    self.assertEqual(actor.outcome(os.stat, name), "ENOENT")
                    self.assertEqual(actor.outcome(os.open, name, os.O_RDONLY), "ENOENT")
                self.assertEqual(actor.outcome(os.listdir, "."), "ENOENT")
                self.own(f"uid:{self.alice}", "alice")
                self.assertEqual(actor.call(read, "report.txt"), REPORT)

    def test_names_below_a_held_folder_end_with_the_session(self):
        """Promise 2: by cwd, by descriptor and by an old relative path: EACCES, as at the door."""
        view = self.by_session(self.alice_token)
        server = self.actor(33)
        server.call(os.chdir, view / "alice")
        folder = server.call(os.open, view / "alice/deep", os.O_RDONLY)
        self.assertEqual(server.call(syscalls.getdents64, folder)[0][3] != b"", True)
        self.site.sql("DELETE FROM sessions")
        self.assertEqual(server.outcome(os.stat, "."), "OK")
        for function, args, options in ((os.stat, ("report.txt",), {}), (read, ("report.txt",), {}), (os.listdir, (".",), {}),
                                        (os.stat, ("missing",), {}), (os.stat, ("er",), {"dir_fd": folder}),
                                        (os.open, (".", os.O_RDONLY), {"dir_fd": folder})):
            self.assertEqual(server.outcome(function, *args, **options), "EACCES", (function, args))

    def test_names_below_a_held_folder_end_with_the_expiry(self):
        """Promise 3: the same when nobody wrote anything."""
        expires = int(time.time()) + 2
        token = self.site.sql_session(f"uid:{self.alice}", expires=expires)
        folder = os.open(self.by_session(token, "alice"), os.O_PATH)
        self.addCleanup(os.close, folder)
        self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=folder), "OK")
        time.sleep(max(0.0, expires - time.time()))
        self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=folder), "EACCES")

    def test_a_bind_mount_stays_but_names_below_it_are_decided(self):
        """Promise 4."""
        target = self.site.root / "bound"
        target.mkdir()
        syscalls.mount(self.by_session(self.alice_token, "alice"), target, flags=syscalls.MS_BIND)
        self.addCleanup(outcome, syscalls.umount2, target, syscalls.MNT_DETACH)
        self.assertEqual(read(target / "report.txt"), REPORT)
        self.site.sql(AWAY)
        self.assertEqual(outcome(os.stat, target), "OK")
        self.assertEqual(outcome(read, target / "report.txt"), "ENOENT")
        self.own(f"uid:{self.alice}", "alice")
        self.assertEqual(read(target / "report.txt"), REPORT)
        self.site.sql("DELETE FROM sessions")
        self.assertEqual(outcome(read, target / "report.txt"), "EACCES")

    @decided_anew
    def test_a_handle_on_a_deleted_file_reads_it_still(self):
        """Promise 4: size and bytes of the file that was opened, not of its successor."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        with open(path, "rb") as held, open(path, "rb") as other:
            (self.site.store / "alice/report.txt").unlink()
            self.assert_absent(path)
            self.assertEqual((held.read(), os.fstat(held.fileno()).st_size), (REPORT, len(REPORT)))
            self.site.write("alice/report.txt", b"a successor, and longer than the first one was")
            self.assertEqual((other.read(), os.fstat(other.fileno()).st_size), (REPORT, len(REPORT)))
            self.assertEqual(read(path)[:11], b"a successor")

    def test_a_handle_reads_its_own_file_after_the_names_were_swapped(self):
        """Promise 4: another's file moved to the name does not come through the handle."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        with open(path, "rb") as held:
            syscalls.exchange(self.site.store / "alice/report.txt", self.site.store / "bob/secret.txt")
            self.assertEqual((held.read(), os.fstat(held.fileno()).st_size), (REPORT, len(REPORT)))

    @decided_anew
    def test_a_held_folder_is_its_path_not_the_directory_that_moved(self):
        """Promise 2: access belongs to the path: what is swapped in is decided and found by name."""
        folder = os.open(self.by_session(self.alice_token, "alice/deep"), os.O_PATH)
        self.addCleanup(os.close, folder)
        self.assertEqual(outcome(os.stat, "er/note.txt", dir_fd=folder), "OK")
        os.rename(self.site.store / "alice/deep", self.site.store / "bob/deep")
        self.assertEqual(outcome(os.stat, "er/note.txt", dir_fd=folder), "ENOENT")
        self.assertEqual(outcome(os.listdir, f"/proc/self/fd/{folder}"), "ENOENT")

    def test_a_listing_under_way_ends_without_new_access(self):
        """Promise 4: a directory handle may be read on; what it names is decided when opened."""
        fd = os.open(self.by_session(self.alice_token, "alice"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.site.sql("DELETE FROM sessions")
        self.assertIn(outcome(syscalls.getdents64, fd), ("OK", "EACCES"))
        self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=fd), "EACCES")
        self.assert_errno(errno.EACCES, os.listdir, f"/proc/self/fd/{fd}")

    @decided_anew
    def test_handles_survive_the_death_of_what_they_came_by(self):
        """Promise 4: two hundred handles, closed in any order, leave none behind."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        held = [os.open(path, os.O_RDONLY) for _ in range(200)]
        try:
            self.assertEqual(self.site.counters()["open_files"], 200)
            self.site.sql(AWAY)
            self.assertEqual({os.pread(fd, 100, 0) for fd in held}, {REPORT})
        finally:
            for fd in held[::2] + held[1::2]:
                os.close(fd)
        wait_for(lambda: self.site.counters()["open_files"] == 0, what="every handle to be released")
        self.assertEqual(names(self.site.mountpoint)[0], "by-link")


def mapped(fd):
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapping:
        return mapping[:]
