"""What the cases of whole fleets start from: machines of their own, one store, and somebody who opens files all the time."""

import os
import time
import unittest

from fleet import Fleet
from follower_case import Tables
from harness import outcome, token_id
from node import can_follow
from openers import Openers

BOUND = 3
#: await_recall() waits so much longer than a node's bound, in seconds.
MARGIN = 1
#: How late somebody here may be, in seconds: the machine has other work, and psql is a process.
LATE = 1.5
FILES = {"alice/letter.txt": b"from alice\n", "bob/secret.txt": b"bob's own\n", "team/plan.txt": b"the team's\n",
         "public-docs/terms.html": b"<h1>terms</h1>\n", "unclaimed/found.txt": b"in no table\n"}
ALICE, BOB = "a" * 32, "b" * 32
TEAM_FILE = "team/plan.txt"


class FleetCase(Tables, unittest.TestCase):
    """self.fleet, as ARGUMENTS say, is of all cases of a class unless FOR_EACH_CASE. Each begins with the rules of tools/demo."""

    ARGUMENTS = {"nodes": 3, "follow": BOUND}
    FOR_EACH_CASE = False

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("makes namespaces and mounts: run it as root")
        if not can_follow():
            raise unittest.SkipTest("built without PostgreSQL")
        if not cls.FOR_EACH_CASE:
            cls.make_fleet(cls.addClassCleanup)

    @classmethod
    def make_fleet(cls, add_cleanup):
        cls.fleet = Fleet(**cls.ARGUMENTS)
        add_cleanup(cls.fleet.close)
        for path, data in FILES.items():
            cls.fleet.write(path, data)

    def setUp(self):
        if self.FOR_EACH_CASE:
            self.make_fleet(self.addCleanup)
        self.nodes, self.sql = self.fleet.nodes, self.fleet.sql
        self.sql(f"""
            TRUNCATE grantfs.owners, grantfs.grants, grantfs.members, grantfs.sessions, grantfs.links, grantfs.signing_keys;
            INSERT INTO grantfs.owners (path, principal) VALUES ('alice', 'user:alice'), ('bob', 'user:bob');
            INSERT INTO grantfs.members (member, parent) VALUES ('user:alice', 'group:team');
            INSERT INTO grantfs.grants (principal, path) VALUES ('group:team', 'team'), ('public', 'public-docs');
            INSERT INTO grantfs.sessions (id, principal) VALUES ('{token_id(ALICE)}', 'user:alice'), ('{token_id(BOB)}', 'user:bob');
            """)
        self.await_recall()

    def await_recall(self):
        """{node: why}, once each has forgotten what was taken away; and when that was."""
        rows = self.sql("SELECT node, forgotten, why FROM grantfs.await_recall()")
        returned = time.monotonic()
        self.assertEqual({forgotten for _, forgotten, _ in rows}, {"t"}, rows)
        return {node: why for node, _, why in rows}, returned

    def open_on_each(self, *parts):
        """Openers of one path of the mount, on each node."""
        openers = Openers([node.site.path(*parts) for node in self.nodes])
        self.addCleanup(openers.close)
        openers.wait_until_open()
        return openers

    def assert_forgotten_each_time(self, ways, openers):
        """Takes away and gives back what the openers open, each way of (statement that takes, statement that gives). The median
        of the seconds until each node had acknowledged."""
        took = []
        for take, give in ways:
            began = time.monotonic()
            self.sql(take)
            answers, returned = self.await_recall()
            took.append(returned - began)
            self.assertEqual(answers, {node.name: "acknowledged" for node in self.nodes})
            self.assert_none_began_after(returned, openers)
            self.sql(give)
            openers.wait_until_open()
        return sorted(took)[len(took) // 2]

    def assert_none_began_after(self, moment, openers):
        openers.wait_for_tries()
        for index, node in enumerate(self.nodes):
            self.assertLess(openers.latest(index), moment, f"{node.name} opened it {openers.latest(index) - moment} s later")

    def assert_refuses_everything(self, node):
        for parts in (("by-session", ALICE, "alice", "letter.txt"), ("by-session", BOB), ("by-session", ALICE, "nothing"), ("public",),
                      ("public", "public-docs", "terms.html"), ("by-link", "c" * 32)):
            for function in (os.stat, os.listdir):
                self.assertEqual(outcome(function, node.site.path(*parts)), "EACCES", (node.name, parts, function))
