"""Promise 15, of memory: allocations that fail, on whichever thread, deny and end nothing. What cannot start says why."""

import contextlib
import itertools
import json
import mmap
import os
import pathlib
import socket
import sqlite3
import struct
import time
import unittest

from fixture import REPORT, TwoUsersTest, read
from harness import BUILD, LENDS_BY_DEFAULT, SANITIZED, mounts, outcome, wait_for

SHIM = BUILD / "tests/mount/short_of_memory.so"
HANDLERS = b"*"  #: all threads that have no name of ours
REFUSED = ("EACCES", "ENOMEM")  #: the second from libfuse, or the C library


@unittest.skipIf(LENDS_BY_DEFAULT, "it lends anyway")
class ShortOfMemory(TwoUsersTest):
    """By short_of_memory.cc."""

    OPTIONS = "enforce=lease,lease=1"
    SECONDS = 1

    def setUp(self):
        if SANITIZED or not SHIM.exists():
            self.skipTest("the allocator is the sanitizer's")
        super().setUp()
        self.site.umount()
        orders = self.site.root / "orders"
        orders.write_bytes(bytes(24))
        with open(orders, "r+b") as file:
            self.orders = mmap.mmap(file.fileno(), 24)
        self.addCleanup(self.orders.close)
        self.environment = {"LD_PRELOAD": str(SHIM), "SHORT_OF_MEMORY": str(orders)}

    def have_fail(self, thread, every):
        self.orders[:20] = struct.pack("=16sI", thread, every)

    def failed(self):
        return struct.unpack("=I", self.orders[20:24])[0]

    def threads(self):
        tasks = f"/proc/{self.site.daemon_pid}/task"
        return {pathlib.Path(tasks, task, "comm").read_bytes().rstrip(b"\n") for task in os.listdir(tasks)}

    def ask(self, line):
        """One request to the control socket, whatever comes of it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.site.control))
                connection.sendall(line + b"\n")
                return connection.recv(1 << 20)
            except OSError:
                return b""

    def work(self, number):
        """Something for every thread to do. What was opened, by whom it must not be, too."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        self.outcomes.add(outcome(read, path))
        self.outcomes.add(outcome(os.listdir, self.by_session(self.alice_token, "alice")))
        self.outcomes.add(outcome(read, self.by_session(self.alice_token, f"alice/{number % 40}")))
        self.forbidden.add(outcome(read, self.by_session(self.alice_token, "bob/secret.txt")))
        if number % 10 == 0:
            self.site.replace(f"alice/{number % 40}", os.urandom(300_000))
            os.posix_fadvise(self.big, 0, 0, os.POSIX_FADV_DONTNEED)
            self.outcomes.add(outcome(read, self.by_session(self.alice_token, "alice/big")))
        if number % 10 == 5:
            self.commit(f"a{number}")

    def commit(self, path):
        """A gain and a loss, with nobody told."""
        with contextlib.closing(sqlite3.connect(self.site.db, timeout=10)) as database:
            for statement in "INSERT INTO grants (principal, path) VALUES ('uid:9', ?)", "DELETE FROM grants WHERE path = ?":
                with database:
                    database.execute(statement, (path,))

    def assert_survives(self, thread, every):
        before = self.failed()
        self.outcomes, self.forbidden = set(), set()
        end = time.monotonic() + self.SECONDS
        self.have_fail(thread, every)
        for number in itertools.count():
            self.work(number)
            if thread == b"grantfs control":
                self.ask(b'{"command":"status"}')
                self.ask(b'{"command":"bind","token":"' + b"0123456789abcdef" * 2 + b'"}')
            if thread == b"grantfs uses":
                self.outcomes.add(outcome(read, self.site.path("from", f"10.0.{number // 250}.{number % 250}", "by-link", self.link, "report.txt")))
            if thread == b"grantfs watch":
                self.site.replace("alice/report.txt", REPORT)
            elif number % 50 == 49:
                self.disturb(before if thread == b"grantfs follow" else None)
            if time.monotonic() > end and (self.failed() > before or time.monotonic() > end + 10):
                break
            self.assertTrue(self.site.alive(), self.site.log()[-2000:])
        self.have_fail(b"", 0)
        self.assertTrue(self.site.alive(), self.site.log()[-2000:])
        self.assertGreater(self.failed(), before, "no allocation failed: nothing is tested")
        self.assertLessEqual(self.outcomes, {"OK", *REFUSED})
        self.assertNotIn("OK", self.forbidden)
        wait_for(lambda: outcome(read, self.by_session(self.alice_token, "alice/report.txt")) == "OK", what="service")
        wait_for(lambda: b'"ok":true' in self.ask(b'{"command":"recall"}'), what="an answer")

    def disturb(self, failed=None):
        """The store moves, until more than so many allocations have failed, and the record is taken away."""
        away = self.site.root / "away"
        os.rename(self.site.store, away)
        for record in self.site.db.with_name("policy.db.daemons").glob("*.json"):
            record.unlink()
        if failed is not None:
            wait_for(lambda: self.failed() > failed, what="a look at the store")
        os.rename(away, self.site.store)

    def assert_all_survived(self, thread, often=(3,)):
        for i in range(40):
            self.site.write(f"alice/{i}", REPORT)
        self.big = os.open(self.site.write("alice/big", os.urandom(3_000_000)), os.O_RDONLY)
        self.addCleanup(os.close, self.big)
        for every in often:
            with self.subTest(every=every):
                self.site.start_foreground(self.OPTIONS, environment=self.environment)
                self.warm_up()
                self.assertIn(thread, {*self.threads(), HANDLERS})
                self.assert_survives(thread, every)
                self.site.umount()

    def warm_up(self):
        """The thread that watches the store has something to do then."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        wait_for(lambda: outcome(read, path) == "OK" and (self.site.counters()["steady_files"] > 0 or not self.site.has_epochs()),
                 what="steady use")

    def test_the_control_threads(self):
        self.assert_all_survived(b"grantfs control")

    def test_the_recalling_thread(self):
        self.assert_all_survived(b"grantfs recall")
        self.assertRegex(self.site.log(), r"(?m)^\S+ grantfs\[\d+\] error: everything was recalled")

    def test_the_thread_that_watches_the_store(self):
        self.site.mount(self.OPTIONS)
        self.site.umount()
        if not self.site.has_epochs():
            self.skipTest("it has nothing to do without epochs (Linux 6.16, libfuse 3.18)")
        self.assert_all_survived(b"grantfs watch", often=(1,))

    def test_the_thread_that_follows_the_store(self):
        self.assert_all_survived(b"grantfs follow", often=(1,))

    def test_the_thread_that_keeps_the_record(self):
        self.assert_all_survived(b"grantfs record", often=(1,))

    def test_the_thread_that_writes_the_record_of_accesses(self):
        """Each line of it is whole."""
        record = self.site.root / "audit/record.jsonl"
        record.parent.mkdir(mode=0o700)
        self.OPTIONS = f"{type(self).OPTIONS},audit={record}"
        self.assert_all_survived(b"grantfs audit", often=(1, 3))
        events = [json.loads(line)["event"] for line in record.read_bytes().splitlines()]
        self.assertLessEqual({"lease", "gap"}, set(events))

    def test_the_threads_that_read(self):
        self.assert_all_survived(b"grantfs store")

    def test_the_thread_that_has_uses_counted(self):
        self.site.mount(self.OPTIONS)
        self.link = self.site.grantctl("link", "create", "alice/report.txt", "--uses", "1").stdout.strip()
        self.site.umount()
        self.assert_all_survived(b"grantfs uses", often=(1, 3))

    def test_the_threads_that_answer_requests(self):
        self.assert_all_survived(HANDLERS, often=(1, 3))


@unittest.skipIf(LENDS_BY_DEFAULT, "once is enough")
class Limited(TwoUsersTest):
    """By setrlimit(2), as ulimit and systemd do."""

    def setUp(self):
        if SANITIZED:
            self.skipTest("a sanitizer needs terabytes")
        super().setUp()
        self.site.umount()

    def test_with_too_little_memory_it_says_so_and_ends_by_itself(self):
        """Whatever the limit: it serves, or it says why not."""
        served = []
        for kib in (*range(28_000, 180_000, 6_000), 240_000, 480_000):
            with self.subTest(kib=kib):
                self.site.expect_failure()
                done = self.site.start_foreground(check=False, wrapper=["prlimit", f"--as={kib * 1024}"])
                self.assertIn(done.returncode, (0, 1, 127), done.stderr)
                self.assertNotIn("terminate called", done.stderr)
                if done.returncode == 0:
                    served.append(kib)
                    self.site.umount()
                elif done.returncode == 1:
                    self.assertRegex(done.stderr, "memory|Cannot allocate", done.stderr)
                    self.assertNotIn("somebody ended the connection", done.stderr)
                self.assertEqual(mounts(self.site.mountpoint), [])
        self.assertTrue(served)


if __name__ == "__main__":
    unittest.main()
