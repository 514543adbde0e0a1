"""Acknowledgement: what await_recall() waits for, and what grantctl says of nodes that did not answer."""

import contextlib
import threading
import time
import unittest

from cluster import server
from fake_node import FakeNode
from harness import wait_for
from on_postgresql import PolicyCase

MARGIN_SECONDS = 1


class RecallCase(PolicyCase):
    def node(self, name, follow_seconds=60, registered=True, **kwargs):
        node = FakeNode(server(), self.name, name, **kwargs)
        # Before the database is dropped, for which the slot must be idle, and gone.
        self.addCleanup(self.drop_slot, node.slot)
        self.addCleanup(node.close)
        if registered:
            self.register(name, follow_seconds)
        return node

    def drop_slot(self, slot):
        wait_for(lambda: not self.sql(f"SELECT slot_name FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"), what="the slot to be idle")
        self.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}'")

    def register(self, name, follow_seconds):
        self.sql(f"SELECT grantfs.register_node('{name}', {follow_seconds})")

    def awaited(self, arguments=""):
        """The rows of await_recall(), and how many seconds it took."""
        began = time.monotonic()
        rows = self.sql(f"SELECT node, forgotten, why FROM grantfs.await_recall({arguments})")
        return rows, time.monotonic() - began


class AwaitRecall(RecallCase):
    def test_without_nodes_there_is_nothing_to_wait_for(self):
        self.assertEqual(self.awaited()[0], [])

    def test_a_node_that_acknowledges_has_forgotten(self):
        self.node("web1")
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('a', 'user:a')")
        rows, seconds = self.awaited()
        self.assertEqual(rows, [("web1", "t", "acknowledged")])
        self.assertLess(seconds, 30)

    def test_a_node_is_waited_for_as_long_as_it_ever_said(self):
        """What it was told to be current with the longer bound may be served until that is over."""
        self.register("web1", 3)
        self.register("web1", 1)
        rows, seconds = self.awaited()
        self.assertEqual([(node, forgotten) for node, forgotten, _ in rows], [("web1", "t")])
        self.assertGreaterEqual(seconds, 3 + MARGIN_SECONDS)

    def test_it_waits_for_the_node_and_no_longer(self):
        node = self.node("web1", acknowledges=False)
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('a', 'user:a')")
        ended = []
        waiting = threading.Thread(target=lambda: ended.append(self.awaited()))
        waiting.start()
        time.sleep(1)  # what must not happen cannot be waited for
        self.assertEqual(ended, [])
        node.acknowledges = True
        wait_for(lambda: node.report() or ended, what="await_recall() to return")
        waiting.join()
        self.assertEqual(ended[0][0], [("web1", "t", "acknowledged")])

    def test_a_node_that_is_not_there_has_forgotten_when_its_bound_has_passed(self):
        self.register("gone", 2)
        rows, seconds = self.awaited()
        self.assertEqual([row[:2] for row in rows], [("gone", "t")])
        self.assertIn("no slot", rows[0][2])
        self.assertGreaterEqual(seconds, 2 + MARGIN_SECONDS)

    def test_a_node_that_is_silent_counts_by_its_bound(self):
        self.node("web1", follow_seconds=1, acknowledges=False)
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('a', 'user:a')")
        rows, seconds = self.awaited()
        self.assertEqual([row[:2] for row in rows], [("web1", "t")])
        self.assertNotEqual(rows[0][2], "acknowledged")
        self.assertGreaterEqual(seconds, 1 + MARGIN_SECONDS)

    def test_who_only_calls_itself_a_node_is_none(self):
        self.node("other", registered=False, application="grantfs_web1")
        self.register("web1", 1)
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('a', 'user:a')")
        rows, seconds = self.awaited()
        self.assertEqual([row[0] for row in rows], ["web1"])
        self.assertNotEqual(rows[0][2], "acknowledged")
        self.assertGreaterEqual(seconds, 1 + MARGIN_SECONDS)

    def test_a_larger_bound_counts_from_when_it_is_registered(self):
        self.register("web1", 1)
        ended = []
        waiting = threading.Thread(target=lambda: ended.append(self.awaited()))
        waiting.start()
        time.sleep(0.5)
        self.register("web1", 3)
        waiting.join()
        self.assertGreaterEqual(ended[0][1], 3 + MARGIN_SECONDS)

    def test_a_timeout_says_who_is_missing(self):
        self.register("gone", 60)
        rows, seconds = self.awaited("timeout => '300 ms'")
        self.assertEqual([row[:2] for row in rows], [("gone", "f")])
        self.assertLess(seconds, 30)

    def test_it_is_refused_before_commit_and_where_nodes_cannot_be_seen_to_change(self):
        for begin in ("BEGIN; INSERT INTO grantfs.owners (path, principal) VALUES ('a', 'user:a')",
                      "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE"):
            with self.subTest(begin):
                _, trouble = self.sql(f"{begin}; SELECT * FROM grantfs.await_recall()", check=False)
                self.assertRegex(trouble, "must be called after COMMIT|needs the isolation level read committed")

    def test_who_may_call_it(self):
        self.sql("CREATE ROLE caller LOGIN")
        self.addCleanup(server().sql, "DROP ROLE caller")
        for role, may in (("grantfs_follower", False), ("grantfs_application", True), ("grantfs_admin", True)):
            with self.subTest(role):
                self.sql(f"GRANT {role} TO caller")
                _, trouble = server().sql("SELECT * FROM grantfs.await_recall()", self.name, user="caller", check=False)
                self.assertEqual("permission denied" not in trouble, may, trouble)
                self.sql(f"REVOKE {role} FROM caller")


class Grantctl(RecallCase):
    def test_revoke_returns_when_the_nodes_have_forgotten(self):
        self.node("web1")
        self.node("web2")
        self.grantctl("grant", "user:a", "x")
        done = self.json("revoke", "user:a", "x")
        self.assertEqual(done["recall"], {"acknowledged": 2, "waited_seconds": 0.0})

    def test_a_node_that_does_not_answer_is_named_and_waited_for(self):
        self.node("web1")
        self.register("web2", 1)
        self.grantctl("own", "user:a", "x")
        done = self.grantctl("--json", "drop", "x")
        self.assertIn("the node web2 has not acknowledged it", done.stderr)
        self.assertNotIn("web1", done.stderr)
        self.assertRegex(done.stdout, r'"acknowledged": 1')
        self.assertGreaterEqual(float(done.stdout.split('"waited_seconds":')[1].split("\n")[0].strip(" ,}")), 1 + MARGIN_SECONDS)

    def test_without_a_node_that_is_said(self):
        self.grantctl("grant", "user:a", "x")
        self.assertIn("no node follows this policy", self.grantctl("revoke", "user:a", "x").stderr)

    def test_nodes_are_listed_and_removed(self):
        node = self.node("web1", follow_seconds=1)
        self.register("gone", 1)
        listed = {node["name"]: node for node in self.json("node", "ls")["nodes"]}
        self.assertEqual((listed["web1"]["connected"], listed["web1"]["slot"], listed["web1"]["follow_seconds"]), (True, True, 1))
        self.assertEqual((listed["gone"]["connected"], listed["gone"]["slot"], listed["gone"]["behind_bytes"]), (False, False, None))
        self.assertIn("stop it first", self.grantctl("node", "rm", "web1", status=1).stderr)
        node.close()
        wait_for(lambda: not self.json("node", "ls")["nodes"][1]["connected"], what="the node to be gone")
        began = time.monotonic()
        self.grantctl("node", "rm", "web1")
        self.assertGreaterEqual(time.monotonic() - began, 1 + MARGIN_SECONDS)
        self.grantctl("node", "rm", "gone")
        self.assertEqual(self.json("node", "ls"), {"nodes": []})
        self.assertEqual(self.sql("SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'grantfs%'"), [])
        self.assertIn("no node", self.grantctl("node", "rm", "web1", status=1).stderr)

    def test_a_node_that_comes_back_while_it_is_removed_is_known_still(self):
        self.register("web1", 2)
        said = []
        removing = threading.Thread(target=lambda: said.append(self.grantctl("node", "rm", "web1", status=1).stderr))
        removing.start()
        wait_for(lambda: self.sql("SELECT pid FROM pg_stat_activity WHERE query LIKE '%remove_node%' AND wait_event = 'PgSleep'"),
                 what="the slot to be dropped")
        self.node("web1", follow_seconds=2)
        removing.join(60)
        self.assertIn("stop it first", said[0])
        self.assertEqual([node["name"] for node in self.json("node", "ls")["nodes"]], ["web1"])

    def test_a_server_that_cannot_be_asked_after_the_commit_is_trouble(self):
        self.sql("REVOKE EXECUTE ON FUNCTION grantfs.await_recall FROM grantfs_admin; CREATE ROLE teller LOGIN; GRANT grantfs_admin TO teller")
        with contextlib.ExitStack() as stack:
            stack.callback(server().sql, "DROP ROLE teller")
            uri = server().uri(self.name, user="teller")
            self.grantctl("grant", "user:a", "x", GRANTFS_DB=uri)
            done = self.grantctl("drop", "x", status=3, GRANTFS_DB=uri)
            self.assertIn("the change is committed, but", done.stderr)
        self.assertEqual(self.rows("SELECT count(*) FROM grants"), [(0,)])


if __name__ == "__main__":
    unittest.main()
