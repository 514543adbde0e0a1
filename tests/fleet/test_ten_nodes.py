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
        median = self.assert_forgotten_each_time([(TAKE, GIVE)] * ROUNDS, openers)
        openers.close()
        print(f"ten nodes: acknowledged in {median * 1000:.0f} ms (p50, two psql included)")
        writer = Writer(self.fleet.upstream, seed=10)
        self.addCleanup(writer.end)
        writer.start()
        time.sleep(2)
        writer.end()
        self.assert_same(*self.nodes)


if __name__ == "__main__":
    unittest.main()
