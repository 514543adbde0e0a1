"""Whichever call of a follower fails: the copy never says more than was committed, and has everything in the end."""

import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fleet"))

from follower_case import BOUND, FollowerCase  # noqa: E402
from harness import SANITIZED, outcome, wait_for  # noqa: E402
from orders import SEED, SHIM, Orders, each_call_fails  # noqa: E402

MOST = 2  #: calls of each kind that fail, unless all do
ENDED = 1  #: man 8 grantfs-follow: whatever it cannot mend ends it, and its unit starts it again
GIVE = "INSERT INTO grantfs.grants (principal, path) VALUES ('public', 'shared')"
TAKE = "DELETE FROM grantfs.grants WHERE path = 'shared'"


class OneCall(FollowerCase):
    def setUp(self):
        if SANITIZED or not SHIM.exists():
            self.skipTest("the allocator is the sanitizer's")
        super().setUp()
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        self.orders = Orders(self.site.root / "orders")
        self.node.environment = os.environ | self.orders.environment
        self.node.start(f"--follow={BOUND}")
        self.mount()

    def script(self):
        """A grant, and its end, which await_recall() says that the node has forgotten."""
        self.sql(GIVE)
        self.sql(TAKE)
        rows = self.sql("SELECT forgotten FROM grantfs.await_recall()")
        self.assertEqual(rows, [("t",)])
        self.assertNotEqual(outcome(os.stat, self.report), "OK")

    def assert_survives(self, fault, number):
        self.orders.fail(fault, number)
        self.script()
        _, failed = self.orders.end()
        if self.node.has_ended():
            self.assertEqual(self.node.stop(), ENDED, self.node.said()[-2000:])
            self.node.start(f"--follow={BOUND}")
        self.assert_same(self.node)
        self.sql(GIVE)
        wait_for(lambda: outcome(os.stat, self.report) == "OK", what="service")
        self.sql(TAKE)
        return failed

    def test_whichever_call_fails(self):
        each_call_fails(self, MOST)
