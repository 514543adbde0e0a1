"""Promises 3 and 13 with a store that answers nothing for a while: who does not need it goes on, and nobody is let in."""

import os
import pathlib
import shutil
import signal
import subprocess
import threading
import unittest

import syscalls
from fixture import TwoUsersTest, read
from harness import LENDS_BY_DEFAULT, PATIENCE_SECONDS, SANITIZED, mounts, outcome, wait_for, with_io_uring

CALLERS = 40
ANSWERED_BEFORE = 200


class Caller(threading.Thread):
    """One stat(2), which may hang."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.result = None
        self.start()

    def run(self):
        self.result = outcome(os.stat, self.path)


def has_ring(daemon):
    """Whether the daemon's threads for requests over io_uring are there."""
    names = subprocess.run(["ps", "-L", "-o", "comm=", "-p", str(daemon)], capture_output=True, text=True).stdout
    return "fuse-ring" in names


class HungStoreTest(TwoUsersTest):
    """What the store lies on can be stopped, and is a process: bindfs."""

    def setUp(self):
        if LENDS_BY_DEFAULT:
            self.skipTest("each class has a mode of its own: once is enough")
        super().setUp()
        if shutil.which("bindfs") is None:
            self.skipTest("no bindfs here")
        if self.site.libfuse() < (3, 17):
            self.skipTest("this libfuse (3.17 is the first) has the kernel look up one name at a time in a folder")
        self.site.umount()
        for i in range(CALLERS):
            self.site.write(f"alice/cold/{i}", b"%d\n" % i)
        for i in range(ANSWERED_BEFORE):
            self.site.write(f"alice/cold/before-{i}", b"%d\n" % i)
        self.site.write("alice/hot.txt", b"hot\n")

    def bindfs(self, source, target):
        """Its process, in the foreground."""
        process = subprocess.Popen(["bindfs", "-f", source, target])
        self.addCleanup(self.end, process, target)
        wait_for(lambda: os.path.ismount(target), what=f"bindfs at {target}")
        return process

    @staticmethod
    def end(process, target):
        process.send_signal(signal.SIGCONT)
        outcome(syscalls.umount2, target, syscalls.MNT_DETACH)
        process.wait(PATIENCE_SECONDS)

    def hang(self):
        self.below.send_signal(signal.SIGSTOP)
        self.addCleanup(self.below.send_signal, signal.SIGCONT)

    def unmount(self):
        if mounts(self.site.mountpoint):
            self.site.umount()

    def lookups(self):
        return self.site.status(check=False)["counters"]["upcalls_lookup"]

    def callers(self, count=CALLERS):
        """So many that have all reached the daemon, each for a file that it has to look for in the store."""
        before = self.lookups()
        callers = [Caller(self.by_session(self.alice_token, "alice/cold", str(i))) for i in range(count)]
        wait_for(lambda: self.lookups() >= before + count, what="the callers")
        return callers

    def go_on(self, callers):
        self.below.send_signal(signal.SIGCONT)
        for caller in callers:
            caller.join(PATIENCE_SECONDS)
            self.assertFalse(caller.is_alive())

    def assert_eight_wait(self, callers):
        """Who has no thread of the daemon is refused after a while; the others are answered when the store answers."""
        wait_for(lambda: sum(caller.is_alive() for caller in callers) == 8, what="the others to be refused")
        self.assertEqual(outcome(os.stat, callers[0].path.with_name("new")), "EACCES")
        self.go_on(callers)
        self.assertEqual([caller.result for caller in callers].count("OK"), 8)
        self.assertEqual({caller.result for caller in callers}, {"OK", "EACCES"})
        self.assertEqual({outcome(os.stat, caller.path) for caller in callers}, {"OK"})

    def check_what_needs_no_store(self):
        self.assertEqual(outcome(os.stat, self.site.path("by-session", "x" * 43)), "EACCES")
        self.assertEqual(outcome(os.stat, self.by_session(self.bob_token, "alice/hot.txt")), "ENOENT")
        self.assertIn("by-session", os.listdir(self.site.mountpoint))


class DiskTest(HungStoreTest):
    """A file system of the kernel's own, on a disk that hangs."""

    MODE = ""

    def setUp(self):
        super().setUp()
        if not os.access("/dev/loop-control", os.W_OK) or shutil.which("mkfs.ext4") is None:
            self.skipTest("no loop devices here, or no mkfs.ext4")
        disks, seen = self.site.root / "disks", self.site.root / "seen"
        disks.mkdir()
        seen.mkdir()
        image = disks / "image"
        with open(image, "wb") as made:
            made.truncate(64 << 20)
        # An inode fills a block: one that has been read brings no other along.
        subprocess.run(["mkfs.ext4", "-q", "-b", "1024", "-I", "1024", "-d", self.site.store, image], check=True)
        shutil.rmtree(self.site.store)
        self.site.store.mkdir()
        self.below = self.bindfs(disks, seen)
        # Nothing is read ahead: what was not asked for is on the disk alone.
        loop = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", "--read-only", seen / "image"],
                              check=True, capture_output=True, text=True).stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", loop], check=True)
        subprocess.run(["mount", "-o", "ro,noload,inode_readahead_blks=1", loop, self.site.store], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.site.store], check=True)
        self.addCleanup(self.unmount)
        self.begin()
        # All that is in memory of the disk from here on is what is looked at here.
        self.hot = self.by_session(self.alice_token, "alice/hot.txt")
        self.assertEqual(read(self.hot), b"hot\n")
        os.stat(self.hot.parent / "cold")
        self.other = self.site.sql_session(f"uid:{self.alice}")

    def begin(self):
        self.site.mount(self.MODE)

    def answer_many(self):
        """Each place for a request has been used by one that a thread of the daemon looked for in the store."""
        callers = [Caller(self.by_session(self.alice_token, "alice/cold", f"before-{i}")) for i in range(ANSWERED_BEFORE)]
        for caller in callers:
            caller.join(PATIENCE_SECONDS)
        self.assertEqual({caller.result for caller in callers}, {"OK"})

    def test_what_is_in_memory_is_answered_while_many_wait(self):
        self.answer_many()
        self.hang()
        callers = self.callers()
        self.assertEqual(read(self.by_session(self.other, "alice/hot.txt")), b"hot\n")
        self.assertEqual(read(self.hot), b"hot\n")
        self.check_what_needs_no_store()
        self.assert_eight_wait(callers)


class Disk(DiskTest):
    MODE = "enforce=lease,lease=1"

    def test_a_revocation_is_in_force_when_it_returns(self):
        held = os.open(self.hot.parent, os.O_PATH)
        self.addCleanup(os.close, held)
        self.hang()
        callers = self.callers()
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.assertEqual(outcome(os.open, "hot.txt", os.O_RDONLY, dir_fd=held), "ENOENT")
        self.go_on(callers)
        self.assertEqual(outcome(os.stat, self.hot), "ENOENT")

    def test_the_mount_ends_nevertheless(self):
        self.hang()
        callers = self.callers(4)
        self.site.expect_failure()
        daemon = self.site.daemon_pid
        os.kill(daemon, signal.SIGTERM)
        wait_for(lambda: not mounts(self.site.mountpoint), what="the mount to go")
        self.go_on(callers)
        self.site.wait_for_exit(daemon)
        self.assertIn("the store does not answer", self.site.log())


@unittest.skipIf(SANITIZED, "one mode is enough")
class DiskOpening(DiskTest):
    MODE = "enforce=open,lease=1"


class DiskOverIoUring(DiskTest):
    """There each request that waits has one of few places."""

    MODE = "enforce=lease,lease=1,io=uring"

    def begin(self):
        with_io_uring(self)
        super().begin()

    def test_what_is_answered_after_the_ring_has_ended_is_dropped(self):
        self.hang()
        callers = self.callers(4)
        daemon = self.site.daemon_pid
        self.assertTrue(has_ring(daemon))
        os.kill(daemon, signal.SIGTERM)
        wait_for(lambda: not has_ring(daemon), what="the ring to end")
        self.go_on(callers)
        self.site.wait_for_exit(daemon)
        self.assertIn("unmounted", self.site.log())


@unittest.skipIf(SANITIZED, "one mode is enough")
class OtherProcess(HungStoreTest):
    """A file system that asks another process about everything."""

    def setUp(self):
        super().setUp()
        below = self.site.root / "below"
        os.rename(self.site.store, below)
        self.site.store.mkdir()
        self.below = self.bindfs(below, self.site.store)
        self.addCleanup(self.unmount)
        # So that the folders on the way are lent to the end: a caller waits for its own file, not for one of them, with
        # which it would have to go on when the store does.
        self.site.mount("lease=60")
        self.assertEqual(read(self.by_session(self.alice_token, "alice/hot.txt")), b"hot\n")
        os.stat(self.by_session(self.alice_token, "alice/cold"))

    def test_who_does_not_need_it_goes_on(self):
        self.hang()
        callers = self.callers()
        self.check_what_needs_no_store()
        wait_for(lambda: self.site.status(check=False)["state"] == "trouble", what="status to say so")
        self.assertIn("does not answer", self.site.status(check=False)["troubles"][0])
        self.assert_eight_wait(callers)

    def test_status_says_so_though_nobody_asks(self):
        self.hang()
        wait_for(lambda: self.site.status(check=False)["state"] == "trouble", what="status to say so")
        self.below.send_signal(signal.SIGCONT)
        wait_for(lambda: self.site.status(check=False)["state"] == "healthy", what="the store to answer")

    def test_no_command_of_the_administrator_waits_for_it(self):
        """What they say of the store is left out; a path below it is known by its name."""
        hot = self.by_session(self.alice_token, "alice/hot.txt")
        self.hang()
        self.site.grantctl("own", f"uid:{self.bob}", "alice/cold")
        self.site.grantctl("grant", f"uid:{self.bob}", "alice/new")
        self.site.grantctl("check", f"uid:{self.alice}", "alice/hot.txt")
        self.site.grantctl("revoke", f"uid:{self.alice}", self.site.store / "alice")
        self.below.send_signal(signal.SIGCONT)
        self.assertEqual(outcome(read, hot), "ENOENT")

    def test_the_daemon_ends_nevertheless(self):
        self.hang()
        callers = self.callers()
        self.site.expect_failure()
        self.site.terminate()
        for caller in callers:
            caller.join(PATIENCE_SECONDS)
        self.assertLessEqual({caller.result for caller in callers}, {"ENOTCONN", "ECONNABORTED", "EACCES"})


del HungStoreTest, DiskTest
