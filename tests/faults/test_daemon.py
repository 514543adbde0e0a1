"""Promises 1, 2 and 15: whichever call of a daemon fails, nobody gets what is not his, and the daemon goes on."""

import errno
import os
import pathlib
import socket
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "mount"))

from fixture import REPORT, TwoUsersTest, read  # noqa: E402
from harness import SANITIZED, outcome, wait_for  # noqa: E402
from orders import SEED, SHIM, Orders, each_call_fails  # noqa: E402

MOST = 12  #: calls of each kind that fail, unless all do
ENDS_IT = "notify"  #: man 8 grantfs: what cannot be recalled ends the daemon
DEAD = {"ENOTCONN", "ECONNABORTED"}
UNKNOWN = "nobody/unregistered.txt"
REFUSED = {"EACCES", "EIO", "ENOMEM", "EMFILE", "ESTALE"}


class OneCall(TwoUsersTest):
    """One daemon, of which one call after the other fails."""

    OPTIONS = "enforce=lease,lease=1"

    def setUp(self):
        if SANITIZED or not SHIM.exists():
            self.skipTest("the allocator is the sanitizer's")
        super().setUp()
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        self.site.umount()
        self.orders = Orders(self.site.root / "orders")
        self.number = 0
        self.start()

    def start(self):
        self.site.start_foreground(self.OPTIONS, environment=self.orders.environment)

    def recalled(self):
        """Whether the daemon says that the kernel has forgotten what was taken away."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(3)
            try:
                connection.connect(str(self.site.control))
                connection.sendall(b'{"command":"recall"}\n')
                return b'"ok":true' in connection.recv(1 << 16)
            except OSError:
                return False

    def script(self):
        """What a server and an application do, with a file, and a name, that the kernel does not know yet."""
        self.number += 1
        new = f"alice/{self.number % 40}"
        self.site.replace(new, REPORT)
        self.may_be(REPORT, new)
        self.may_be(REPORT, "alice/report.txt")
        self.answers.add(outcome(os.listdir, self.by_session(self.alice_token, "alice")))
        self.must_not_be("bob/secret.txt")
        self.commit("INSERT OR REPLACE INTO grants (principal, path) VALUES (?, ?)")
        self.may_be(b"nobody's\n", UNKNOWN, "ENOENT")
        self.commit("DELETE FROM grants WHERE principal = ? AND path = ?")
        since = time.monotonic()
        if self.recalled():
            self.must_not_be(UNKNOWN)
        return since

    def commit(self, statement):
        self.site.sql(statement, (f"uid:{self.alice}", UNKNOWN))

    def may_be(self, expected, path, *others):
        try:
            self.assertEqual(read(self.by_session(self.alice_token, path)), expected)
        except OSError as error:
            self.answers.add(errno.errorcode[error.errno])
            self.answers -= set(others)

    def must_not_be(self, path):
        self.assertNotEqual(outcome(read, self.by_session(self.alice_token, path)), "OK", path)

    def assert_survives(self, fault, number):
        self.answers = set()
        self.orders.fail(fault, number)
        since = self.script()
        _, failed = self.orders.end()
        if fault[0] == ENDS_IT and failed:
            self.take_over()
            self.answers -= DEAD
        self.assertTrue(self.site.alive(), self.site.log()[-3000:])
        self.assertLessEqual(self.answers - {"OK"}, REFUSED)
        path = self.by_session(self.alice_token, "alice/report.txt")
        wait_for(lambda: outcome(read, path) == "OK", what="service")
        wait_for(lambda: self.recalled() or time.monotonic() > since + 1.2, what="the end of the lease")
        self.must_not_be(UNKNOWN)
        return failed

    def take_over(self):
        self.site.expect_failure()
        self.site.wait_for_exit(self.site.daemon_pid)
        self.start()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.site.daemon_pid}/fd"))

    def test_whichever_call_fails(self):
        self.answers = set()
        for _ in range(40):
            self.script()
        before = self.descriptors()
        each_call_fails(self, MOST)
        self.assertLess(self.descriptors(), before + 20)


class OneCallOfEachOpen(OneCall):
    OPTIONS = "enforce=open,lease=1"
