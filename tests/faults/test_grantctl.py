"""Whichever call of grantctl fails: what it was to do is done, or nothing is, and its exit status says which."""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from harness import GRANTCTL, SANITIZED
from orders import FAULTS, SEED, SHIM, Orders, chosen, name_of

MOST = 3  #: calls of each kind that fail, unless all do
DONE, TROUBLE = 0, 3
WAITS = "waits"
TABLES = ("owners", "grants", "members", "sessions", "links", "signing_keys")
ROWS = "principal,path\n" + "".join(f"user:{i % 7},folder/{i}\n" for i in range(300))


class OneCall(unittest.TestCase):
    def setUp(self):
        if SANITIZED or not SHIM.exists():
            self.skipTest("the allocator is the sanitizer's")
        holder = tempfile.TemporaryDirectory(prefix="grantfs-faults.")
        self.addCleanup(holder.cleanup)
        self.top = pathlib.Path(holder.name)
        self.original, self.data = self.top / "original", self.top / "data"
        self.original.mkdir(mode=0o700)
        self.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        for command in (["init"], ["own", "user:a", "a/deep"], ["grant", "user:a", "a"], ["grant", "group:staff", "a/b"], ["own", "user:b", "b"]):
            subprocess.run([GRANTCTL, "--db", self.original / "policy.db", *command], env=self.environment, check=True, capture_output=True)
        self.orders = Orders(self.top / "orders")
        self.input = self.top / "rows.csv"
        self.input.write_text(ROWS)

    def run_once(self, command):
        """On a copy of the original: the exit status, or WAITS, and what it said."""
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.original, self.data)
        with open(self.input) as rows, subprocess.Popen(
                [GRANTCTL, "--db", self.data / "policy.db", *command], stdin=rows, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True, errors="surrogateescape", env=self.environment | self.orders.environment) as process:
            said = ""
            for line in process.stderr:
                said += line
                if "waiting" in line:  # for a daemon that may be there, until leases have run out
                    process.kill()
                    return WAITS, said
            return process.wait(), said

    def rows(self):
        connection = sqlite3.connect(self.data / "policy.db")
        try:
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            # When a row was made is another moment in each run.
            columns = {table: [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})") if name not in ("created", "id")]
                       for table in TABLES}
            return {table: sorted(map(repr, connection.execute(f"SELECT {', '.join(columns[table])} FROM {table}"))) for table in TABLES}
        finally:
            connection.close()

    def assert_all_or_nothing(self, command, fault, number, before, after):
        self.orders.fail(fault, number)
        status, said = self.run_once(command)
        self.orders.end()
        self.assertIn(status, (DONE, WAITS, TROUBLE), said)
        rows = self.rows()
        if status == TROUBLE:
            self.assertIn(rows, (before, after), "half of it was done")
            self.assertRegex(said, r"\Agrantctl: ")
        else:
            self.assertEqual(rows, after, "it was not done")

    def assert_all_survived(self, command):
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        self.run_once(["--version"])
        before = self.rows()
        for fault in FAULTS:
            self.orders.count(fault)
            status, said = self.run_once(command)
            count, _ = self.orders.end()
            self.assertEqual(status, DONE, said)
            after = self.rows()
            self.assertNotEqual(before, after)
            for number in chosen(count, MOST):
                with self.subTest(fault=name_of(fault), number=number):
                    self.assert_all_or_nothing(command, fault, number, before, after)

    def test_own(self):
        self.assert_all_survived(["own", "user:new", "new"])

    def test_grant(self):
        self.assert_all_survived(["grant", "user:c", "b", "--expires", "2100-01-01T00:00:00Z"])

    def test_revoke(self):
        self.assert_all_survived(["revoke", "user:a", "a"])

    def test_group(self):
        self.assert_all_survived(["group", "add", "staff", "user:b"])

    def test_move(self):
        self.assert_all_survived(["mv", "a", "moved"])

    def test_import(self):
        self.assert_all_survived(["import", "-"])


if __name__ == "__main__":
    unittest.main()
