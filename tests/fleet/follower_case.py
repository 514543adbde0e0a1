"""What the cases of grantfs-follow start from: a policy in PostgreSQL, a node with its copy, a mount, and the follower."""

import contextlib
import itertools
import os
import pathlib
import signal
import sqlite3
import subprocess
import time
import unittest

from cluster import server
from harness import GRANTCTL, MountTest, Timeout, end_with_parent, outcome, wait_for

FOLLOW = pathlib.Path(GRANTCTL).with_name("grantfs-follow")
TABLES = {"owners": "path, principal, created", "grants": "id, principal, path, rights, expires, created",
          "members": "id, member, parent, expires", "sessions": "id, principal, expires, address, created",
          "links": "id, principal, path, expires, address, uses, created",
          "signing_keys": "id, format, uri_prefix, path, secret, created, retired"}
BOUND = 4
_numbers = itertools.count(1)


class FollowerCase(MountTest):
    """self.site is the node: its database is the copy. self.sql() runs SQL upstream."""

    def setUp(self):
        super().setUp()
        if not FOLLOW.exists() or "PostgreSQL" not in subprocess.run([GRANTCTL, "--help"], capture_output=True, text=True).stdout:
            self.skipTest("built without PostgreSQL")
        self.number = next(_numbers)
        self.database = f"site{self.number}"
        self.node = f"node{self.number}"
        self.slot = f"grantfs_{self.node}"
        self.follower = None
        self.log_file = self.site.root / "follower.log"
        self.upstream = server().create_database(self.database)
        self.addCleanup(self.drop)
        subprocess.run([GRANTCTL, "--db", self.upstream, "init"], check=True, capture_output=True)
        # A role is the server's, and is there already behind the first case.
        server().sql("CREATE ROLE follower LOGIN REPLICATION", check=False)
        self.sql("GRANT grantfs_follower TO follower")
        self.site.write("shared/report.txt", b"report\n")
        self.report = str(self.site.path("public", "shared", "report.txt"))

    def drop(self):
        self.stop_follower()
        with contextlib.suppress(Timeout, AssertionError):
            wait_for(lambda: not self.slots(active=True), what="the slot to be idle")
        server().sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{self.slot}'", check=False)
        server().drop_database(self.database)

    def slots(self, active=False):
        return server().sql(f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{self.slot}'"
                            + (" AND active" if active else ""))

    def sql(self, text, check=True):
        return server().sql(text, database=self.database, check=check)

    # The follower.

    def start_follower(self, *arguments):
        self.follower = self.launch(self.site, self.node, *arguments)

    def launch(self, site, node, *arguments):
        with open(site.root / "follower.log", "ab") as log:
            return subprocess.Popen(
                [str(FOLLOW), server().uri(self.database, user="follower"), "--db", str(site.db), "--node", node, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent)

    def stop_follower(self, number=signal.SIGTERM):
        if self.follower is None:
            return None
        self.follower.send_signal(number)
        code = self.follower.wait(30)
        self.follower = None
        return code

    def said(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def mount(self, options="enforce=lease,lease=1"):
        wait_for(lambda: self.mark("copy_lsn"), what="the first copy")
        self.site.mount(f"{options},follow={BOUND}")
        self.wait_until_current()

    def follow(self):
        return self.site.status(check=False)["follow"]

    def is_current(self):
        return self.follow()["current"]

    def wait_until_current(self):
        try:
            wait_for(self.is_current, what="the copy to be current")
        except Timeout as late:
            raise Timeout(f"{late}; the follower: {self.said()}") from None

    def await_recall(self):
        """Returns when the node has acknowledged what was committed so far."""
        rows = self.sql("SELECT node, forgotten, why FROM grantfs.await_recall()")
        self.assertEqual([(node, forgotten) for node, forgotten, _ in rows], [(self.node, "t")], rows)
        return rows[0][2]

    # Both sides.

    def copy(self, text, parameters=()):
        connection = sqlite3.connect(self.site.db, timeout=30)
        try:
            with connection:
                return connection.execute(text, parameters).fetchall()
        finally:
            connection.close()

    def mark(self, key):
        with contextlib.suppress(sqlite3.OperationalError):
            rows = self.copy("SELECT value FROM meta WHERE key = ?", (key,))
            return rows[0][0] if rows else None
        return None

    def rows_upstream(self):
        return {table: sorted((tuple(value for value in row) for row in self.sql(f"SELECT {columns} FROM grantfs.{table}")), key=repr)
                for table, columns in TABLES.items()}

    def rows_of_copy(self):
        def shown(value):
            return None if value is None else "\\x" + value.hex() if isinstance(value, bytes) else str(value)
        return {table: sorted((tuple(map(shown, row)) for row in self.copy(f"SELECT {columns} FROM {table}")), key=repr)
                for table, columns in TABLES.items()}

    def assert_same(self):
        """Once the copy has caught up, each table has the same rows on both sides."""
        def is_there():
            upstream = server().sql("SELECT pg_current_wal_insert_lsn()")[0][0]
            return self.sql(f"SELECT 1 FROM pg_stat_replication s JOIN pg_replication_slots r ON r.active_pid = s.pid"
                            f" WHERE r.slot_name = '{self.slot}' AND s.replay_lsn >= '{upstream}'")
        try:
            wait_for(is_there, 60, what="the copy to catch up")
        except Timeout as late:
            raise Timeout(f"{late}; the follower: {self.said()}") from None
        self.maxDiff = None
        upstream, copy = self.rows_upstream(), self.rows_of_copy()
        for table in TABLES:
            self.assertEqual(upstream[table][:50] if upstream[table] != copy[table] else [], copy[table][:50] if upstream[table] != copy[table] else [], table)

    def assert_refuses(self, within):
        """The node comes to refuse everything, within so many seconds."""
        began = time.monotonic()
        wait_for(lambda: outcome(os.stat, self.report) == "EACCES", within + 10, what="the node to refuse")
        self.assertLess(time.monotonic() - began, within)
