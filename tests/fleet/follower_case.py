"""What the cases of grantfs-follow start from: a policy in PostgreSQL, a node with its copy, a mount, and the follower."""

import itertools
import os
import time

from cluster import server
from harness import MountTest, outcome, wait_for
from node import TABLES, Node, Upstream, can_follow
from writer import Writer

BOUND = 4
REPORT = "shared/report.txt"
_numbers = itertools.count(1)


class Tables:
    """For a TestCase: the tables on both sides."""

    def assert_same(self, *nodes):
        """Once the copies have caught up, each table has the same rows on both sides."""
        for node in nodes:
            node.wait_until_caught_up()
            upstream, copy = node.upstream.rows(), node.rows()
            for table in TABLES:
                if upstream[table] != copy[table]:
                    only_there, only_here = (sorted(set(a) - set(b), key=repr) for a, b in
                                             ((upstream[table], copy[table]), (copy[table], upstream[table])))
                    self.fail(f"{table} of {node.name}: {len(only_there)} rows are upstream alone, such as {only_there[:5]}, "
                              f"and {len(only_here)} in the copy, such as {only_here[:5]}; the follower: {node.said()}")


class FollowerCase(Tables, MountTest):
    """self.node is a machine whose site is self.site; self.sql() runs SQL upstream."""

    def setUp(self):
        super().setUp()
        if not can_follow():
            self.skipTest("built without PostgreSQL")
        self.number = next(_numbers)
        self.upstream = Upstream(server(), f"site{self.number}")
        self.addCleanup(self.upstream.drop)
        self.sql = self.upstream.sql
        self.node = self.add_node(f"node{self.number}", self.site)
        self.report = self.path_of_report(self.node)

    def add_node(self, name, site):
        """Another machine, but for its kernel: a store, a copy, a follower and a mount of its own."""
        site.write(REPORT, b"report\n")
        node = Node(self.upstream, name, site)
        self.addCleanup(node.remove)
        return node

    def write_for_a_while(self, seed=1):
        """Changes of every kind, until the test is over or the writer is told to end()."""
        writer = Writer(self.upstream, seed)
        writer.start()
        self.addCleanup(writer.end)
        return writer

    @staticmethod
    def path_of_report(node):
        return str(node.site.path("public", *REPORT.split("/")))

    def mount(self, options="enforce=lease,lease=1", node=None):
        (node or self.node).mount(f"{options},follow={BOUND}")

    def await_recall(self):
        """Returns when the node has acknowledged what was committed so far."""
        rows = self.sql("SELECT node, forgotten, why FROM grantfs.await_recall()")
        self.assertEqual([(node, forgotten) for node, forgotten, _ in rows], [(self.node.name, "t")], rows)
        return rows[0][2]

    def assert_refuses(self, within):
        """The node comes to refuse everything, within so many seconds."""
        began = time.monotonic()
        wait_for(lambda: outcome(os.stat, self.report) == "EACCES", within + 10, what="the node to refuse")
        self.assertLess(time.monotonic() - began, within)
