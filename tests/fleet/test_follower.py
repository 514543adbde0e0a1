"""grantfs-follow: the copy is like its upstream, or the node refuses."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

from cluster import server
from follower_case import BOUND, FollowerCase
from harness import GRANTCTL, Site, outcome, wait_for

KILLS = int(os.environ.get("GRANTFS_KILLS", 6))
ROWS = int(os.environ.get("GRANTFS_ROWS", 100_000))


class Copying(FollowerCase):
    def test_a_first_copy_is_made_while_writes_go_on(self):
        self.sql(f"INSERT INTO grantfs.owners (path, principal) SELECT 'many/' || i, 'user:u' || i FROM generate_series(1, {ROWS}) i")
        writer = self.write_for_a_while()
        time.sleep(0.5)
        self.node.start()
        self.node.wait_until_copied()
        time.sleep(1)
        writer.end()
        self.assert_same(self.node)
        self.assertGreater(len(self.node.rows()["owners"]), ROWS)

    def test_every_kind_of_statement_is_applied(self):
        self.node.start()
        self.node.wait_until_copied()
        # Random text is not made shorter than a page, and stored apart: an UPDATE of another column does not send it.
        long_path = "/".join("%032x" % random.getrandbits(128) for _ in range(72))
        secret = "\\x" + os.urandom(64).hex()
        self.sql(f"""
            INSERT INTO grantfs.owners (path, principal) VALUES ('a', 'user:a'), ('b', 'user:b'), ('c\\d', 'user:tab'), ('ü/€', 'user:ü');
            INSERT INTO grantfs.grants (principal, path) VALUES ('public', '{long_path}'), ('uid:7', '.');
            UPDATE grantfs.grants SET expires = 4000000000 WHERE principal = 'public';
            UPDATE grantfs.owners SET path = 'z' WHERE path = 'a';
            UPDATE grantfs.owners SET principal = 'group:g' WHERE path = 'b';
            INSERT INTO grantfs.signing_keys (id, format, path, secret) VALUES ('k', 'hmac-sha256', '.', '{secret}');
            INSERT INTO grantfs.links (id, principal, path, uses, address) VALUES (repeat('a', 64), 'user:a', 'x', 3, '10.0.0.0/8');
            BEGIN; INSERT INTO grantfs.owners (path, principal) VALUES ('no', 'user:no'); ROLLBACK;
            BEGIN; SAVEPOINT s; INSERT INTO grantfs.owners (path, principal) VALUES ('no', 'user:no'); ROLLBACK TO s;
            INSERT INTO grantfs.owners (path, principal) VALUES ('yes', 'user:yes'); COMMIT;
            INSERT INTO grantfs.members (member, parent) SELECT 'user:m' || i, 'group:g' FROM generate_series(1, 1500) i;
            UPDATE grantfs.grants SET id = 1000 WHERE principal = 'uid:7';
            """)
        self.assert_same(self.node)
        self.sql("TRUNCATE grantfs.members; DELETE FROM grantfs.owners WHERE path = 'b'; INSERT INTO grantfs.members (member, parent) VALUES ('user:x', 'group:y')")
        self.assert_same(self.node)
        self.sql("TRUNCATE grantfs.owners, grantfs.grants RESTART IDENTITY CASCADE")
        self.assert_same(self.node)
        self.assertEqual(self.node.said().count("making "), 1, self.node.said())

    def test_large_transactions_in_a_row_are_its_own_changes(self):
        """It comes to be current, and looks whether somebody has changed the copy, while the next one is half applied."""
        self.node.start("--follow=1")  # four questions a second
        self.node.wait_until_copied()
        for n in range(8):
            self.sql(f"INSERT INTO grantfs.owners (path, principal) SELECT 'many/{n}/' || i, 'user:u' || i FROM generate_series(1, 20000) i")
        self.assert_same(self.node)
        self.assertEqual(self.node.said().count(" is a copy of "), 1, self.node.said())

    def test_killed_at_any_moment_it_loses_and_repeats_nothing(self):
        self.sql("INSERT INTO grantfs.owners (path, principal) SELECT 'many/' || i, 'user:u' || i FROM generate_series(1, 20000) i")
        seed = random.randrange(10**6)
        print(f"seed {seed}")
        writer, chance = self.write_for_a_while(seed), random.Random(seed)
        for _ in range(KILLS):
            self.node.start()
            time.sleep(chance.uniform(0, 1.5))
            self.assertIsNone(self.node.follower.poll(), self.node.said())
            self.node.stop(signal.SIGKILL)
        writer.end()
        self.node.start()
        self.assert_same(self.node)
        self.assertLessEqual(self.node.said().count(" is a copy of "), 2, self.node.said())  # but for a kill during the copy it went on

    def test_it_ends_at_sigterm_and_goes_on(self):
        self.node.start()
        wait_for(lambda: "the copy is current" in self.node.said(), what="the copy to be current")
        self.assertEqual(self.node.stop(), 0)
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('later', 'user:l')")
        self.node.start()
        self.assert_same(self.node)
        self.assertEqual(self.node.said().count("making "), 1)

    def test_a_lost_slot_an_older_copy_and_a_foreign_change_make_the_copy_anew(self):
        self.sql("INSERT INTO grantfs.grants (principal, path) VALUES ('public', 'shared')")
        self.node.start()
        self.mount()

        def is_made_anew(because, times):
            wait_for(lambda: because in self.node.said(), 30, what=f"the log to say: {because}")
            self.sql("DELETE FROM grantfs.owners; INSERT INTO grantfs.owners (path, principal) VALUES ('x', 'user:x')")
            self.assert_same(self.node)
            self.assertEqual(self.node.said().count(" is a copy of "), times, self.node.said())
            self.node.wait_until_current()

        self.node.stop()
        self.node.wait_until_idle()
        server().sql(f"SELECT pg_drop_replication_slot('{self.node.slot}')")
        self.sql("DELETE FROM grantfs.grants")
        self.node.start()
        is_made_anew("its replication slot is gone", 2)

        self.node.copy("DELETE FROM owners")
        is_made_anew("somebody else has changed the copy", 3)

        self.node.stop()
        kept = self.site.db.with_name("kept")
        connection = sqlite3.connect(self.site.db)
        connection.execute("VACUUM INTO ?", (str(kept),))
        connection.close()
        self.node.start()
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('newer', 'user:n')")
        self.assert_same(self.node)
        self.node.stop()
        for suffix in ("-wal", "-shm"):
            if os.path.exists(f"{self.site.db}{suffix}"):
                os.unlink(f"{self.site.db}{suffix}")
        shutil.copy(kept, self.site.db)
        self.node.start()
        is_made_anew("which is an older one", 4)

        self.sql("ALTER PUBLICATION grantfs DROP TABLE grantfs.owners; DELETE FROM grantfs.owners; ALTER PUBLICATION grantfs ADD TABLE ONLY grantfs.owners")
        is_made_anew("has changed what it publishes", 5)

        # A copy that the version before has made.
        self.node.stop()
        self.node.copy("ALTER TABLE links DROP COLUMN label")
        self.node.copy("UPDATE meta SET value = 5 WHERE key = 'schema'")
        self.node.start()
        is_made_anew("older than this program's", 6)

    def test_a_copy_is_changed_by_nobody_else(self):
        self.node.start()
        wait_for(lambda: "the copy is current" in self.node.said(), what="the copy to be current")
        backup = self.site.root / "backup.db"
        self.site.grantctl("backup", str(backup))
        for words in (("grant", "public", "shared"), ("own", "user:a", "x"), ("restore", str(backup)), ("prune",)):
            done = self.site.grantctl(*words, check=False)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn("is a copy of postgresql://follower@", done.stderr)
        refused = self.site.mount("", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("follow=SECONDS", refused.stderr)
        # Its backup, restored elsewhere, goes on by itself.
        other = self.site.root / "other"
        os.mkdir(other, 0o700)
        subprocess.run([GRANTCTL, "--db", other / "policy.db", "restore", backup], check=True, capture_output=True)
        subprocess.run([GRANTCTL, "--db", other / "policy.db", "own", "user:a", "x"], check=True, capture_output=True)

    def test_a_database_of_its_own_is_not_overwritten(self):
        self.site.grantctl("own", "user:a", "x")
        self.node.start()
        self.assertEqual(self.node.follower.wait(30), 2)
        self.assertIn("move it", self.node.said())
        self.node.follower = None

    def test_it_waits_for_whoever_has_locked_the_database(self):
        """As the last connection does when it is closed."""
        self.site.grantctl("init")
        other = sqlite3.connect(self.site.db)
        self.addCleanup(other.close)
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.rollback()
        self.node.start()
        wait_for(lambda: self.node.has_ended() or self.node.has_open(self.site.db), what="the follower to open the database")
        other.close()
        self.node.wait_until_copied()


class Serving(FollowerCase):
    def setUp(self):
        super().setUp()
        self.sql("INSERT INTO grantfs.grants (principal, path) VALUES ('public', 'shared')")
        self.node.start()

    def assert_serves(self):
        wait_for(lambda: outcome(os.stat, self.report) == "OK", 30, what=f"the node to serve; {self.node.said()}")

    def test_no_open_begun_after_the_acknowledgement_succeeds(self):
        self.mount("enforce=lease,lease=60")
        latest, ended = 0, False

        def hammer():
            nonlocal latest
            while not ended:
                begun = time.monotonic()
                if outcome(os.stat, self.report) == "OK":
                    latest = begun

        hammering = threading.Thread(target=hammer)
        hammering.start()
        try:
            latencies = []
            for _ in range(20):
                self.assert_serves()
                began = time.monotonic()
                self.sql("DELETE FROM grantfs.grants")
                self.assertEqual(self.await_recall(), "acknowledged")
                acknowledged = time.monotonic()
                latencies.append(acknowledged - began)
                self.assertNotEqual(outcome(os.stat, self.report), "OK")
                time.sleep(0.02)
                self.assertLess(latest, acknowledged)
                self.sql("INSERT INTO grantfs.grants (principal, path) VALUES ('public', 'shared')")
            latencies.sort()
            print(f"acknowledged in {latencies[10] * 1000:.0f} ms (p50, two psql included), {latencies[-1] * 1000:.0f} ms at most")
        finally:
            ended = True
            hammering.join()

    def test_three_nodes_have_forgotten_when_it_returns(self):
        nodes = [self.node, *(self.add_node(f"{self.node.name}_{i}", self.new_site()) for i in (2, 3))]
        for node in nodes[1:]:
            node.start()
        for node in nodes:
            self.mount("enforce=lease,lease=60", node)
        reports = [self.path_of_report(node) for node in nodes]
        latencies = []
        for _ in range(10):
            for report in reports:
                wait_for(lambda report=report: outcome(os.stat, report) == "OK", what="the node to serve")
            began = time.monotonic()
            self.sql("DELETE FROM grantfs.grants")
            rows = self.sql("SELECT forgotten, why FROM grantfs.await_recall()")
            latencies.append(time.monotonic() - began)
            self.assertEqual(rows, [("t", "acknowledged")] * 3)
            for report in reports:
                self.assertNotEqual(outcome(os.stat, report), "OK")
            self.sql("INSERT INTO grantfs.grants (principal, path) VALUES ('public', 'shared')")
        latencies.sort()
        print(f"three nodes: acknowledged in {latencies[5] * 1000:.0f} ms (p50, two psql included)")

    def test_a_partition_refuses_after_the_bound_and_ends_by_itself(self):
        self.mount()
        ((sender,),) = self.node.slots(active=True)
        os.kill(int(sender), signal.SIGSTOP)
        try:
            # As long as nothing is written the copy is current, whoever may be silent.
            self.sql("DELETE FROM grantfs.grants")
            self.assert_refuses(BOUND + 1)
            self.assertIn("refuses everything", self.await_recall())
        finally:
            os.kill(int(sender), signal.SIGCONT)
        self.sql("INSERT INTO grantfs.grants (principal, path) VALUES ('public', 'shared')")
        self.assert_serves()
        self.assert_same(self.node)

    def test_without_its_follower_a_node_refuses(self):
        self.mount()
        self.node.stop(signal.SIGKILL)
        self.assert_refuses(BOUND + 1)
        self.node.start()
        self.assert_serves()

    def test_a_server_that_restarts_or_crashes_is_followed_on(self):
        self.mount()
        server().restart()
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('after', 'user:a')")
        self.assert_serves()
        self.assert_same(self.node)
        server().kill()
        server().start()
        self.assert_serves()
        self.assert_same(self.node)
        self.assertEqual(self.node.said().count("making "), 1, self.node.said())

    def test_an_open_transaction_keeps_nobody_from_being_current(self):
        """What it has written is in the log's end, which the server does not put on the disk for it."""
        self.mount()
        session = server().psql(self.upstream.database)
        self.addCleanup(session.communicate, "ROLLBACK;\n", timeout=30)
        session.stdin.write("BEGIN;\n")
        until = time.monotonic() + 2 * BOUND
        while time.monotonic() < until:
            session.stdin.write("INSERT INTO grantfs.owners (path, principal) VALUES (random(), 'user:a');\n")
            session.stdin.flush()
            self.assertEqual(outcome(os.stat, self.report), "OK", self.node.said())
            time.sleep(0.1)

    def test_what_cannot_be_applied_ends_in_refusal(self):
        self.mount()
        self.sql("ALTER TABLE grantfs.grants ADD COLUMN more text; UPDATE grantfs.grants SET more = 'x'")
        self.assert_refuses(BOUND + 5)
        self.assertIn("other columns", self.node.said())
        self.sql("ALTER TABLE grantfs.grants DROP COLUMN more")
        self.assert_serves()
        # Rows that SQLite's CHECKs refuse.
        self.sql("ALTER TABLE grantfs.owners DROP CONSTRAINT path_is_canonical; INSERT INTO grantfs.owners (path, principal) VALUES ('a//b', 'user:a')")
        self.assert_refuses(BOUND + 5)
        self.assertIn("CHECK constraint failed", self.node.said())
        self.sql("DELETE FROM grantfs.owners")
        self.assert_serves()
        self.assert_same(self.node)
