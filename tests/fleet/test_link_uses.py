"""Links whose uses are limited, on a fleet: a client's uses are counted upstream, for all nodes together, or the link is closed."""

import concurrent.futures
import contextlib
import json
import os
import secrets
import signal
import time
import unittest

from cluster import server
from fleet_case import ALICE, FleetCase
from harness import PATIENCE_SECONDS, outcome, token_id, wait_for
from node import FOLLOWER
from on_postgresql import PolicyCase

LETTER = "alice/letter.txt"
PUBLIC = ("public", "public-docs", "terms.html")
FOLLOW = 20
WINDOW = 600
#: How long a node waits for its follower at most, in seconds; and how late this machine may be.
CLAIM = 1
LATE = 2


@contextlib.contextmanager
def held(cluster, database, statement):
    """Meanwhile a transaction is open, with what the statement has locked or changed; then it commits."""
    holder = cluster.psql(database)
    try:
        holder.stdin.write(f"BEGIN; {statement}; SELECT 'held';\n")
        wait_for(lambda: holder.stdout.readline() == "held\n", what="the lock")
        yield
    finally:
        holder.communicate("COMMIT;\n")


class OnTwoNodes(FleetCase):
    """Machines with a copy, a follower and a mount each."""

    # Of two threads, those who are refused would have both, if they waited there.
    ARGUMENTS = {"nodes": 2, "follow": FOLLOW, "options": f"enforce=lease,lease=1,threads=2,use_window={WINDOW}"}

    def links(self, count, uses):
        """The tokens of new ones, on alice's letter."""
        tokens = [secrets.token_hex(16) for _ in range(count)]
        rows = ", ".join(f"('{token_id(token)}', 'user:alice', '{LETTER}', {uses})" for token in tokens)
        self.sql(f"INSERT INTO grantfs.links (id, principal, path, uses) VALUES {rows}")
        self.await_recall()
        return tokens

    def link(self, uses):
        return self.links(1, uses)[0]

    def counted(self, token):
        """{client: uses}"""
        return {client: int(used) for client, used in
                self.sql(f"SELECT client, used FROM grantfs.link_uses WHERE link = '{token_id(token)}'")}

    def grow_older(self, seconds):
        self.sql(f"UPDATE grantfs.link_uses SET began = began - {seconds}")

    @staticmethod
    def opens(node, token, address=None):
        below = ("by-link", token, "letter.txt")
        return outcome(os.stat, node.site.path("from", address, *below) if address else node.site.path(*below))

    def wait_until_open(self, node, token, address=None):
        node.wait_for(lambda: self.opens(node, token, address) == "OK", "the link to open")

    def wait_until_closed(self, node, token):
        node.wait_for(lambda: self.opens(node, token) == "EACCES", "the link to be closed")

    def remount(self, node, window=WINDOW):
        node.site.terminate()
        node.mount(f"{self.fleet.mount_options},use_window={window}")

    def test_a_use_on_one_node_is_a_use_on_all(self):
        token = self.link(uses=1)
        for node in self.nodes:
            self.wait_until_open(node, token)
        self.assertEqual(self.counted(token), {"": 1})
        self.grow_older(WINDOW)
        for node in self.nodes:
            self.assertEqual(self.opens(node, token), "OK")  # as it knows
            self.remount(node)
            self.assertEqual(self.opens(node, token), "EACCES")
        self.assertEqual(self.counted(token), {"": 1})

    def test_visits_on_both_nodes_in_turn_are_as_many_as_the_link_has(self):
        """Each ends before the next begins, on the other node."""
        for node in self.nodes:
            self.addCleanup(self.remount, node)
            self.remount(node, window=1)
        token = self.link(uses=2)
        for visit, node in enumerate(self.nodes):
            self.wait_until_open(node, token)
            self.assertEqual(self.counted(token), {"": visit + 1})
            ((began,),) = self.sql(f"SELECT began FROM grantfs.link_uses WHERE link = '{token_id(token)}'")
            wait_for(lambda: time.time() > int(began) + 2, what="the window to end")
        for node in self.nodes:
            self.wait_until_closed(node, token)
        self.assertEqual(self.counted(token), {"": 2})

    def test_nodes_that_race_for_the_last_use_make_one_of_it(self):
        tokens = self.links(8, uses=1)
        asked = [(node, token) for token in tokens for node in self.nodes for _ in range(4)]
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            found = list(pool.map(lambda each: self.opens(*each), asked))
        self.assertEqual(set(found), {"OK"})
        for token in tokens:
            self.assertEqual(self.counted(token), {"": 1})

    def test_clients_are_counted_apart(self):
        token = self.link(uses=1)
        for node, address in zip(self.nodes * 2, ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1")):
            self.wait_until_open(node, token, address)
        self.assertEqual(self.counted(token), {"192.0.2.1": 1, "192.0.2.2": 1, "2001:db8::/64": 1})

    def test_a_restart_of_anything_gives_no_use_back_and_takes_none(self):
        token, node = self.link(uses=1), self.nodes[0]
        self.wait_until_open(node, token)
        node.stop(signal.SIGKILL)
        self.fleet.servers[0].restart()
        node.start(f"--follow={FOLLOW}")
        self.remount(node)
        for each in self.nodes:
            self.wait_until_open(each, token)
        self.assertEqual(self.counted(token), {"": 1})

    def assert_open_to_others(self, node):
        self.assertEqual(outcome(os.stat, node.site.path(*PUBLIC)), "OK")
        self.assertEqual(outcome(os.stat, node.site.path("by-session", ALICE, "alice", "letter.txt")), "OK")
        # The kernel may know these by now; this one only the daemon can answer.
        self.assertEqual(outcome(os.stat, node.site.path("by-session", ALICE, "alice", secrets.token_hex(8))), "ENOENT")

    def assert_closed_in_time(self, node, token):
        """Whoever opens the link, or another one, is refused, and nobody who opens something else waits for that."""
        # The kernel asks for one name once at a time.
        tokens = [token, *self.others] * 4
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(len(tokens)) as pool:
            asked = [pool.submit(self.opens, node, each) for each in tokens]
            slowest = 0.0
            while not all(each.done() for each in asked):
                before = time.monotonic()
                self.assert_open_to_others(node)
                slowest = max(slowest, time.monotonic() - before)
            self.assertEqual({each.result() for each in asked}, {"EACCES"})
        self.assertLess(time.monotonic() - began, CLAIM + LATE)
        self.assertLess(slowest, CLAIM / 2)

    def test_without_a_follower_the_link_is_closed_and_nothing_else(self):
        (token, *self.others), node = self.links(5, uses=1), self.nodes[0]
        node.stop(signal.SIGKILL)
        try:
            self.assert_closed_in_time(node, token)
            self.assertIn("the follower does not run", node.site.status(check=False)["last_trouble"]["message"])
            self.assertEqual(self.counted(token), {})
        finally:
            node.start(f"--follow={FOLLOW}")
        self.wait_until_open(node, token)
        self.assertEqual(self.counted(token), {"": 1})

    def test_a_follower_that_does_not_answer_is_not_waited_for(self):
        (token, *self.others), node = self.links(5, uses=1), self.nodes[0]
        node.follower.send_signal(signal.SIGSTOP)
        try:
            self.assert_closed_in_time(node, token)
        finally:
            node.follower.send_signal(signal.SIGCONT)
        self.wait_until_open(node, token)
        self.assertEqual(self.counted(token), {"": 1})

    def test_an_upstream_that_does_not_answer_is_not_waited_for(self):
        """Somebody holds a lock on the row, and the copy is current all the same."""
        (token, *self.others), node = self.links(5, uses=1), self.nodes[0]
        self.sql("INSERT INTO grantfs.link_uses SELECT id, '', 0, 0 FROM grantfs.links")
        with held(self.fleet.servers[0], self.fleet.upstream.database, "SELECT FROM grantfs.link_uses FOR UPDATE"):
            self.assert_closed_in_time(node, token)
            self.assertTrue(node.follow()["current"])
        self.wait_until_open(node, token)
        self.assertEqual(self.counted(token), {"": 1})

    def test_a_node_that_is_cut_off_begins_no_use_and_goes_on_with_those_under_way(self):
        begun, token, *self.others = self.links(6, uses=1)
        cut, connected = self.nodes
        self.wait_until_open(cut, begun)
        cut.machine.drop_packets()
        try:
            self.assert_closed_in_time(cut, token)
            self.assertEqual(self.opens(cut, begun), "OK")
            self.wait_until_open(connected, token)
        finally:
            cut.machine.plug_in()
        self.wait_until_open(cut, token)  # the same visit
        self.assertEqual(self.counted(token), {"": 1})

    def test_what_the_upstream_cannot_count_is_refused_until_it_can(self):
        token, node = self.link(uses=1), self.nodes[0]
        self.sql("ALTER FUNCTION grantfs.claim_use RENAME TO no_claim_use")
        try:
            self.assertEqual(self.opens(node, token), "EACCES")
            self.assertIn("claim_use", node.site.status(check=False)["last_trouble"]["message"])
        finally:
            self.sql("ALTER FUNCTION grantfs.no_claim_use RENAME TO claim_use")
        self.wait_until_open(node, token)

    def test_a_socket_that_was_taken_away_comes_back(self):
        token, node = self.link(uses=1), self.nodes[0]
        os.unlink(f"{node.site.db}.daemons/follower.sock")
        self.wait_until_open(node, token)

    def test_link_ls_says_how_often_and_when(self):
        token = self.link(uses=5)

        def listed():
            (link,) = json.loads(self.fleet.upstream.grantctl("--json", "link", "ls").stdout)["links"]
            return link["used"], link["clients"], link["last_used"]

        self.assertEqual(listed(), (0, 0, None))
        for node, address in zip(self.nodes, ("192.0.2.1", "192.0.2.2")):
            self.wait_until_open(node, token, address)
        used, clients, last = listed()
        self.assertEqual((used, clients), (2, 2))
        self.assertAlmostEqual(last, time.time(), delta=PATIENCE_SECONDS)
        self.assertIn("counted upstream", self.nodes[0].site.grantctl("link", "ls").stderr)


class OfTheFunction(PolicyCase):
    """grantfs.claim_use(), and who may do what."""

    def setUp(self):
        super().setUp()
        self.id = token_id("l" * 32)
        self.sql(f"INSERT INTO grantfs.links (id, principal, path, uses) VALUES ('{self.id}', 'user:owner', 'shared', 2)")
        server().sql(f"CREATE ROLE {FOLLOWER} LOGIN REPLICATION", check=False)  # the server's: there already, maybe
        self.sql(f"GRANT grantfs_follower TO {FOLLOWER}")

    def claim(self, link=None, client="", window=WINDOW, check=True):
        return self.sql(f"SELECT used, age_seconds FROM grantfs.claim_use('{link or self.id}', '{client}', {window})",
                        user=FOLLOWER, check=check)

    def uses(self):
        """How many are left to be had, each window over before the next; then there are none."""
        for uses in range(10):
            if not self.claim():
                return uses
            self.grow_older(WINDOW)
        return None

    def grow_older(self, seconds):
        self.sql(f"UPDATE grantfs.link_uses SET began = began - {seconds}")

    def counted(self):
        return dict(self.sql("SELECT client, used FROM grantfs.link_uses"))

    def test_it_counts_a_window_once_and_no_more_windows_than_there_are(self):
        ((used, age),) = self.claim()
        self.assertEqual((used, int(age) < 5), ("1", True))
        self.grow_older(100)
        ((used, age),) = self.claim()
        self.assertEqual((used, 100 <= int(age) < 105), ("1", True))
        self.grow_older(WINDOW - 100)
        self.assertEqual(self.claim()[0][0], "2")
        self.grow_older(WINDOW)
        self.assertEqual(self.claim(), [])
        self.assertEqual(self.claim(client="192.0.2.1")[0][0], "1")
        self.assertEqual(self.counted(), {"": "2", "192.0.2.1": "1"})
        self.sql("UPDATE grantfs.links SET uses = 3")
        self.assertEqual(self.claim()[0][0], "3")
        self.sql("UPDATE grantfs.links SET uses = 2")
        self.assertEqual(self.claim(), [])  # fewer by now: whoever is inside must go

    def test_a_clock_that_was_set_back_makes_no_use_longer(self):
        self.claim()
        self.grow_older(-10_000)
        self.assertEqual(self.claim()[0][0], "2")
        self.grow_older(-10_000)
        self.assertEqual(self.claim(), [])

    def test_what_is_no_limited_link_has_no_uses(self):
        self.assertEqual(self.claim(link=token_id("nobody's")), [])
        for change in ("uses = NULL", "uses = 1, expires = 1"):
            self.sql(f"UPDATE grantfs.links SET {change}")
            self.assertEqual(self.claim(), [])
        self.assertEqual(self.counted(), {})

    def test_what_makes_no_sense_is_an_error(self):
        for which in ({"client": "x"}, {"client": "1" * 65}, {"client": "1\n"}, {"window": 0}, {"window": 86401}, {"window": "NULL"}):
            self.assertIn("takes an address", self.claim(**which, check=False)[1], which)
        self.assertIn("takes an address", self.sql(f"SELECT * FROM grantfs.claim_use('{self.id}', NULL, 600)", user=FOLLOWER, check=False)[1])
        self.assertEqual(self.counted(), {})

    def test_many_at_once_are_one_use(self):
        for uses in ("1", "2"):
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda _: self.claim()[0][0], range(16)))
            self.assertEqual(set(found), {uses})
            self.grow_older(WINDOW)

    def test_a_claim_that_waits_goes_by_what_it_waited_for(self):
        self.claim()
        self.grow_older(WINDOW)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with held(server(), self.name, "UPDATE grantfs.link_uses SET used = 2"):
                claim = pool.submit(self.claim)
                wait_for(lambda: self.sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
                         what="the claim to wait")
            self.assertEqual(claim.result(), [])

    def test_with_a_link_go_its_uses(self):
        for take in (f"DELETE FROM grantfs.links WHERE id = '{self.id}'", "TRUNCATE grantfs.links"):
            self.assertEqual(self.uses(), 2)
            self.sql(take)
            self.assertEqual(self.counted(), {})
            self.sql(f"INSERT INTO grantfs.links (id, principal, path, uses) VALUES ('{self.id}', 'user:owner', 'shared', 2)")

    def test_a_node_may_claim_and_nobody_may_count_otherwise(self):
        self.claim()
        who = {"follower": FOLLOWER}
        for role in ("admin", "application"):
            who[role] = f"uses_{role}"
            server().sql(f"DROP ROLE IF EXISTS uses_{role}; CREATE ROLE uses_{role} LOGIN IN ROLE grantfs_{role}")
            self.addCleanup(server().sql, f"DROP ROLE uses_{role}")
        statements = {"SELECT link, used, began FROM grantfs.link_uses": {"admin", "application"},
                      "SELECT client FROM grantfs.link_uses": set(),
                      "UPDATE grantfs.link_uses SET used = 0": set(), "DELETE FROM grantfs.link_uses": set(),
                      f"INSERT INTO grantfs.link_uses VALUES ('{self.id}', 'x', 0, 0)": set(),
                      f"SELECT * FROM grantfs.claim_use('{self.id}', '', 600)": {"follower"}}
        for statement, may in statements.items():
            for role, user in who.items():
                _, trouble = self.sql(statement, user=user, check=False)
                self.assertEqual("permission denied" in trouble, role not in may, (statement, role, trouble))


if __name__ == "__main__":
    unittest.main()
