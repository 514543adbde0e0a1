"""Ten machines at once."""

import time
import unittest

from fleet_case import ALICE, FleetCase
from writer import Writer

TAKE = "DELETE FROM grantfs.members"
GIVE = "INSERT INTO grantfs.members (member, parent) VALUES ('user:alice', 'group:team')"
ROUNDS = 5


class TenNodes(FleetCase):
    ARGUMENTS = {"nodes": 10, "follow": 5}

    def test_all_have_forgotten_and_hold_the_same(self):
        openers = self.open_on_each("by-session", ALICE, "team", "plan.txt")
        took = []
        for _ in range(ROUNDS):
            began = time.monotonic()
            self.sql(TAKE)
            answers, returned = self.await_recall()
            took.append(returned - began)
            self.assertEqual(answers, {node.name: "acknowledged" for node in self.nodes})
            self.assert_none_began_after(returned, openers)
            self.sql(GIVE)
            openers.wait_until_open()
        openers.close()
        took.sort()
        print(f"ten nodes: acknowledged in {took[ROUNDS // 2] * 1000:.0f} ms (p50, two psql included)")
        writer = Writer(self.fleet.upstream, seed=10)
        self.addCleanup(writer.end)
        writer.start()
        time.sleep(2)
        writer.end()
        self.assert_same(*self.nodes)


if __name__ == "__main__":
    unittest.main()
