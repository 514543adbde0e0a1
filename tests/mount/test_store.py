"""Promise 7: nothing outside the store, and nothing but regular files and directories."""

import os
import socket
import stat
import subprocess
import threading
import time

import syscalls
from fixture import TwoUsersTest, names, read
from harness import Site, decided_anew, outcome

FOREIGN = b"FOREIGN: outside the store\n"
OWN = b"own: a file of the store\n"


class Kinds(TwoUsersTest):
    """The folder alice is readable as a whole, so that what is missing there is missing for its kind."""

    def setUp(self):
        super().setUp()
        self.outside = self.site.root / "outside"
        (self.outside / "folder").mkdir(parents=True)
        (self.outside / "secret.txt").write_bytes(FOREIGN)
        (self.outside / "folder/secret.txt").write_bytes(FOREIGN)
        self.hers = self.site.store / "alice"
        self.view = self.by_session(self.alice_token, "alice")

    def assert_not_there(self, *paths):
        listed = names(self.view)
        self.assertIn("report.txt", listed)
        for path in paths:
            with self.subTest(path):
                self.assert_absent(self.view / path)
                self.assertNotIn(path.split("/")[0], listed)

    def test_symbolic_links_do_not_exist(self):
        """Promise 7: wherever they lead: out, to a file beside, up, to /proc, nowhere, in a circle."""
        links = {"absolute": self.outside / "secret.txt", "relative": "../../outside/secret.txt", "folder": self.outside / "folder",
                 "beside": "report.txt", "up": "..", "proc": "/proc/self/root/etc/passwd", "dangling": "nowhere", "circle": "circle",
                 "root": "/", "dot": "."}
        for name, target in links.items():
            (self.hers / name).symlink_to(target)
        self.assert_not_there(*links, "folder/secret.txt", "up/bob/secret.txt", "root/etc/passwd", "dot/report.txt")

    def test_a_link_above_a_granted_file_leads_nowhere(self):
        """Promise 7: no component may be a link; a rule on a path through one opens nothing."""
        (self.site.store / "way").symlink_to(self.outside)
        (self.site.store / "home").symlink_to("alice")
        for path in ("way/secret.txt", "way/folder", "home/report.txt", "way", "home"):
            self.grant("public", path)
            self.assert_absent(self.site.path("public", path))
        self.assertEqual(names(self.site.path("public")), ["open"])

    def test_fifos_sockets_and_devices_do_not_exist(self):
        """Promise 7: nor are they opened, which would block or do things."""
        os.mkfifo(self.hers / "fifo")
        for name, mode, device in (("null", stat.S_IFCHR, os.makedev(1, 3)), ("zero", stat.S_IFCHR, os.makedev(1, 5)),
                                   ("tty", stat.S_IFCHR, os.makedev(5, 0)), ("loop", stat.S_IFBLK, os.makedev(7, 200))):
            os.mknod(self.hers / name, mode | 0o666, device)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(os.fspath(self.hers / "socket"))
        started = time.monotonic()
        self.assert_not_there("fifo", "null", "zero", "tty", "loop", "socket")
        self.assertLess(time.monotonic() - started, 5)

    def test_a_fifo_with_a_writer_is_not_read(self):
        """Promise 7: what is written into it stays in it."""
        os.mkfifo(self.hers / "fifo")
        writer = os.open(self.hers / "fifo", os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, writer)
        os.write(writer, FOREIGN)
        self.assert_not_there("fifo")
        self.assertEqual(os.read(writer, 100), FOREIGN)

    @decided_anew
    def test_other_mounts_inside_the_store_do_not_exist(self):
        """Promise 7: a bind mount of a folder, of a single file, of the store's own, and a tmpfs; made before and after."""
        for name in ("bound", "own", "tmpfs"):
            (self.hers / name).mkdir()
        (self.hers / "file").touch()
        self.assertIn("bound", names(self.view))
        self.assertEqual(read(self.view / "file"), b"")
        for source, name in ((self.outside, "bound"), (self.site.store / "bob", "own"), (self.outside / "secret.txt", "file")):
            syscalls.mount(source, self.hers / name, flags=syscalls.MS_BIND)
            self.addCleanup(outcome, syscalls.umount2, self.hers / name, syscalls.MNT_DETACH)
        syscalls.mount("tmpfs", self.hers / "tmpfs", "tmpfs")
        self.addCleanup(outcome, syscalls.umount2, self.hers / "tmpfs", syscalls.MNT_DETACH)
        (self.hers / "tmpfs/secret.txt").write_bytes(FOREIGN)
        self.assert_not_there("bound", "own", "tmpfs", "file", "bound/secret.txt", "own/secret.txt", "tmpfs/secret.txt")
        self.site.umount()
        self.site.mount()
        self.assert_not_there("bound", "own", "tmpfs", "file", "bound/secret.txt", "own/secret.txt", "tmpfs/secret.txt")
        syscalls.umount2(self.hers / "bound")
        self.assertEqual(names(self.view / "bound"), [])

    @decided_anew
    def test_a_hard_link_is_a_file_by_the_name_it_has(self):
        """Promise 7: access belongs to the path: another name of the same file is decided by itself."""
        os.link(self.site.store / "bob/secret.txt", self.hers / "copy.txt")
        self.assertEqual(read(self.view / "copy.txt"), b"bob's secret\n")
        self.assertEqual(os.stat(self.view / "copy.txt").st_nlink, 1)
        self.assert_absent(self.by_session(self.alice_token, "bob/secret.txt"))
        os.unlink(self.hers / "copy.txt")
        self.assert_absent(self.view / "copy.txt")

    def test_a_mount_over_the_store_does_not_replace_it(self):
        """Promise 7: pinned, the store is the directory that was there when the daemon started."""
        self.site.umount()
        self.site.mount("store=pinned")
        (self.outside / "alice").mkdir()
        (self.outside / "alice/report.txt").write_bytes(FOREIGN)
        (self.outside / "alice/foreign.txt").write_bytes(FOREIGN)
        syscalls.mount(self.outside, self.site.store, flags=syscalls.MS_BIND)
        self.addCleanup(outcome, syscalls.umount2, self.site.store, syscalls.MNT_DETACH)
        self.assertNotEqual(read(self.view / "report.txt"), FOREIGN)
        self.assert_absent(self.view / "foreign.txt")

    def test_a_store_that_is_renamed_and_replaced_does_not_lead_elsewhere(self):
        """Promise 7: pinned, neither does another directory of its name."""
        self.site.umount()
        self.site.mount("store=pinned")
        os.rename(self.site.store, self.site.root / "moved")
        os.rename(self.outside, self.site.store)
        (self.site.store / "alice").mkdir()
        (self.site.store / "alice/foreign.txt").write_bytes(FOREIGN)
        self.assertEqual(outcome(read, self.view / "report.txt"), "OK")
        self.assert_absent(self.view / "foreign.txt")

    def test_dot_dot_does_not_leave_the_mount_by_the_store(self):
        """Promise 7: `..` of a view is the mount's, never the store's."""
        mount = os.stat(self.site.mountpoint)
        for path in ("../../../", "deep/../../../../"):
            found = os.stat(self.view / path)
            self.assertEqual((found.st_dev, found.st_ino), (mount.st_dev, mount.st_ino))
        self.assertEqual(outcome(os.stat, self.view / "../../../outside"), "ENOENT")

    def test_a_proc_or_sys_store_serves_no_magic_link(self):
        """Promise 7: whatever the store is: here /proc, whose links lead out of it."""
        site = Site()
        self.addCleanup(site.close)
        site.store = "/proc"
        site.sql("INSERT INTO grants (principal, path) VALUES ('public', '.')")
        if site.mount(check=False).returncode != 0:
            return  # refused: as good
        for path in ("self", "1/root", "1/cwd", "1/exe", "1/root/etc/passwd", "thread-self", "mounts"):
            self.assertEqual(outcome(os.stat, site.path("public", path)), "ENOENT", path)


@decided_anew
class Swaps(TwoUsersTest):
    """A name that is exchanged for another, without pause, while it is opened."""

    SECONDS = 1.5

    def swap_during_opens(self, name, make_other, path=None):
        """What opens of `path` gave while `name` in alice/ was exchanged with what make_other() made there."""
        here = self.site.store / "alice"
        target, other = here / name, here / ".other"
        make_other(other)
        view = self.by_session(self.alice_token, "alice")
        path = view / (path or name)
        stop, swaps = threading.Event(), [0]

        def swap():
            while not stop.is_set():
                syscalls.exchange(target, other)
                swaps[0] += 1

        thread = threading.Thread(target=swap)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        contents, errnos, count = set(), set(), 0
        deadline = time.monotonic() + self.SECONDS
        slowest = 0.0
        while time.monotonic() < deadline:
            started = time.monotonic()
            try:
                contents.add(read(path))
                found = os.stat(path)
                self.assertTrue(stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
            except OSError as error:
                errnos.add(error.errno)
            names(view)
            slowest = max(slowest, time.monotonic() - started)
            count += 1
        stop.set()
        thread.join()
        self.assertGreater(count, 10)
        self.assertGreater(swaps[0], 10)
        self.assertLess(slowest, 1.0, "something hung")
        return contents, {os.strerror(number) for number in errnos}

    def setUp(self):
        super().setUp()
        self.secret = self.site.root / "secret.txt"
        self.secret.write_bytes(FOREIGN)
        self.site.write("alice/target", OWN)
        self.missing = {os.strerror(2)}

    def test_with_a_link_to_a_secret(self):
        """Promise 7: not one foreign byte."""
        contents, errors = self.swap_during_opens("target", lambda other: other.symlink_to(self.secret))
        self.assertEqual((contents, errors), ({OWN}, self.missing))

    def test_with_a_fifo(self):
        """Promise 7: not one open that waits for a writer."""
        contents, errors = self.swap_during_opens("target", os.mkfifo)
        self.assertEqual((contents, errors), ({OWN}, self.missing))

    def test_with_a_device(self):
        """Promise 7: not one byte of /dev/zero."""
        contents, errors = self.swap_during_opens("target", lambda other: os.mknod(other, stat.S_IFCHR | 0o666, os.makedev(1, 5)))
        self.assertEqual((contents, errors), ({OWN}, self.missing))

    def test_with_a_folder(self):
        """Promise 7: what was a file at lookup and is a folder at open, and the reverse."""
        contents, errors = self.swap_during_opens("target", os.mkdir)
        self.assertEqual(contents, {OWN})
        self.assertLessEqual(errors, self.missing | {os.strerror(21)})

    def test_of_a_folder_in_the_path_with_a_link_to_another(self):
        """Promise 7: the swapped name is in the middle of the path."""
        self.site.write("alice/dir/file", OWN)
        outside = self.site.root / "outside"
        outside.mkdir()
        (outside / "file").write_bytes(FOREIGN)
        contents, errors = self.swap_during_opens("dir", lambda other: other.symlink_to(outside), "dir/file")
        self.assertEqual((contents, errors), ({OWN}, self.missing))

    def test_of_a_granted_folder_with_anothers(self):
        """Promise 1: a file is served by the path it has when it is opened."""
        contents, errors = self.swap_during_opens("target", lambda other: other.write_bytes(b"the other\n"))
        self.assertLessEqual(contents, {OWN, b"the other\n"})
        self.assertEqual(errors, set(), "the name always existed")


class Hostile(TwoUsersTest):
    def test_a_folder_moved_out_of_the_store_is_not_followed(self):
        """Promise 7: though it is held open and being listed."""
        fd = os.open(self.by_session(self.alice_token, "alice/deep"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        os.rename(self.site.store / "alice/deep", self.site.root / "outside")
        (self.site.root / "outside/er/note.txt").write_bytes(FOREIGN)
        self.assertEqual(outcome(os.stat, "er/note.txt", dir_fd=fd), "ENOENT")
        self.assertEqual(outcome(os.open, "er", os.O_RDONLY, dir_fd=fd), "ENOENT")

    def test_files_the_application_closed_to_everybody_are_served(self):
        """Promise 1: the policy decides, not the store's mode bits."""
        path = self.site.write("alice/report.txt", OWN)
        os.chmod(path, 0)
        os.chown(path, 54321, 54321)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), OWN)

    def test_a_lease_of_the_application_does_not_hang_the_mount(self):
        """Promise 15: a write lease on a store file delays its own readers at most, nobody else."""
        holder = subprocess.Popen(["python3", "-c", "import fcntl, os, sys, signal\n"
                                   "signal.signal(signal.SIGIO, signal.SIG_IGN)\n"
                                   "fd = os.open(sys.argv[1], os.O_RDWR)\n"
                                   "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n"
                                   "print('held', flush=True)\nsignal.pause()",
                                   self.site.store / "alice/report.txt"], stdout=subprocess.PIPE)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        if holder.stdout.readline() != b"held\n":
            self.skipTest("no write lease to be had here")
        reader = self.actor(33)
        reader.start(outcome, read, self.by_session(self.alice_token, "alice/report.txt"))
        started = time.monotonic()
        self.assertEqual(outcome(read, self.by_session(self.bob_token, "bob/secret.txt")), "OK")
        self.assertEqual(outcome(os.stat, self.by_session(self.alice_token, "alice/report.txt")), "OK")
        self.assertLess(time.monotonic() - started, 2)
        holder.kill()
        self.assertEqual(reader.finish(), "OK")
