"""A policy database of its own for each test, and grantctl to run on it."""

import json
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
GRANTCTL = pathlib.Path(os.environ.get("GRANTFS_BUILD", TOP / "build")).resolve() / "grantctl"

DONE, DENIED, USAGE, TROUBLE = range(4)


class Case(unittest.TestCase):
    """A database of its own."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="grantctl-test-")
        self.addCleanup(holder.cleanup)
        self.top = pathlib.Path(holder.name)
        self.database = self.top / "data" / "policy.db"
        self.environment = {"PATH": os.environ["PATH"], "GRANTFS_DB": self.make_name(), "LC_ALL": "C.UTF-8"}
        self.ok("init")

    def make_name(self):
        """What $GRANTFS_DB is: tests/fleet runs these cases on PostgreSQL, too."""
        return str(self.database)

    def run_grantctl(self, *arguments, input=None):
        return subprocess.run([GRANTCTL, *arguments], input=input, capture_output=True, text=True, timeout=30,
                              errors="surrogateescape", env=self.environment)

    def exits(self, status, *arguments, input=None):
        done = self.run_grantctl(*arguments, input=input)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        if status in (USAGE, TROUBLE):
            self.assertRegex(done.stderr, r"\Agrantctl: ")
        return done

    def ok(self, *arguments, input=None):
        return self.exits(DONE, *arguments, input=input).stdout

    def json(self, *arguments, status=DONE, input=None):
        return json.loads(self.exits(status, "--json", *arguments, input=input).stdout)

    def rules(self, *arguments):
        return [(rule["path"], rule["principal"], rule["right"]) for rule in self.json("ls", *arguments)["rules"]]

    def sql(self, statement, *parameters):
        with sqlite3.connect(self.database) as connection:
            rows = connection.execute(statement, parameters).fetchall()
        connection.close()
        return rows
