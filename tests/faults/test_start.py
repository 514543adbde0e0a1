"""Whichever call of a daemon that starts fails: it serves, or it says why not and leaves nothing behind."""

import errno
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "mount"))

from fixture import REPORT, TwoUsersTest, read  # noqa: E402
from harness import SANITIZED, mounts, outcome, wait_for  # noqa: E402
from orders import FAULTS, SEED, SHIM, Orders, chosen, name_of  # noqa: E402

MOST = 2  #: calls of each kind that fail, unless all do
REFUSES = (1, 2, 127)  #: the last by ld.so(8), which has no memory for the program


class OneCall(TwoUsersTest):
    def setUp(self):
        if SANITIZED or not SHIM.exists():
            self.skipTest("the allocator is the sanitizer's")
        super().setUp()

    def test_whichever_call_fails(self):
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        self.site.umount()
        orders = Orders(self.site.root / "orders")
        for fault in FAULTS:
            orders.count(fault)
            self.site.start_foreground("enforce=lease", environment=orders.environment)
            count, _ = orders.end()
            self.site.umount()
            for number in chosen(count, MOST):
                with self.subTest(fault=name_of(fault), number=number):
                    self.assert_serves_or_says_why(orders, fault, number)

    def test_without_an_eventfd_it_does_not_start(self):
        """What a thread of it is woken by: without, it would not end when it is unmounted."""
        self.site.umount()
        orders = Orders(self.site.root / "orders")
        fault = ("eventfd", errno.EMFILE)
        orders.count(fault)
        self.site.start_foreground("enforce=lease", environment=orders.environment)
        count, _ = orders.end()
        self.site.umount()
        for number in range(1, count + 1):
            with self.subTest(number):
                self.assert_serves_or_says_why(orders, fault, number)

    def assert_serves_or_says_why(self, orders, fault, number):
        self.site.expect_failure()
        orders.fail(fault, number)
        done = self.site.start_foreground("enforce=lease", check=False, environment=orders.environment)
        orders.end()
        if done.returncode == 0:
            self.assert_serves()
        else:
            self.assertIn(done.returncode, REFUSES, done.stderr)
            self.assertNotIn("terminate called", done.stderr)
            self.assertRegex(done.stderr, r"\S")
        self.assertEqual(mounts(self.site.mountpoint), [])
        self.assertEqual(os.listdir(self.site.db.with_name("policy.db.daemons")), [])

    def assert_serves(self):
        """Soon: it may have found the store away when it looked."""
        try:
            report, secret = (self.by_session(self.alice_token, path) for path in ("alice/report.txt", "bob/secret.txt"))
            self.assertNotEqual(outcome(read, secret), "OK")
            wait_for(lambda: outcome(read, report) == "OK", what="service")
            self.assertEqual(read(report), REPORT)
            self.assertNotEqual(outcome(read, secret), "OK")
        finally:
            self.site.umount()
