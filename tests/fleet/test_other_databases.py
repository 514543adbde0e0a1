"""docs/other-databases.md, run by the letter: the tables of a MariaDB, and of a PostgreSQL, are copied into a policy."""

import os
import pathlib
import re
import sqlite3
import subprocess
import tempfile
import unittest

from cluster import programs, server
from harness import GRANTCTL, REPOSITORY, end_process
from mariadb import MariaDb, can_start

PAGE = (REPOSITORY / "docs/other-databases.md").read_text()
TABLES = """
CREATE TABLE uploads (user_id integer NOT NULL, path varchar(1000));
CREATE TABLE team_members (team_id integer NOT NULL, user_id integer NOT NULL);
"""
PATHS = ["alice/report.txt", 'a "quoted", one', "o'clock;--", "日本/😀.png", "back\\slash", " spaces "]
NO_PATHS = [None, "", "/", ".", "./", "/.", "..", "docs/", "/docs", "docs//two.pdf", "docs/.", "a/../b", "../b"]


def block(heading):
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]
    return "".join(re.sub(r"^    ", "", line) for line in re.findall(r"^(?:    .*\n)", section, re.MULTILINE))


class Copying:
    """Cases of each database: self.script copies, with self.environment; self.fill() runs SQL in the application's database."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="grantfs-copying.")
        self.addCleanup(folder.cleanup)
        self.db = pathlib.Path(folder.name) / "policy/policy.db"
        subprocess.run([GRANTCTL, "--db", self.db, "init"], check=True, capture_output=True)
        self.start()
        self.environment.update(GRANTFS_DB=str(self.db), TMPDIR=folder.name, PATH=f"{GRANTCTL.parent}:{self.environment['PATH']}")
        self.fill(TABLES)
        for number, path in enumerate(PATHS):
            self.fill(f"INSERT INTO uploads VALUES ({number}, {self.literal(path)})")
        self.fill("INSERT INTO team_members VALUES (7, 0), (7, 1)")

    def copy(self):
        done = subprocess.run(["bash", "-c", self.script], env=self.environment, capture_output=True, text=True, timeout=60)
        self.assertEqual([name for name in os.listdir(self.db.parent.parent) if name != "policy"], [], "nothing is left behind")
        return done

    def rows(self, text):
        connection = sqlite3.connect(self.db)
        try:
            return connection.execute(text).fetchall()
        finally:
            connection.close()

    def owners(self):
        return self.rows("SELECT path, principal FROM owners ORDER BY principal")

    def test_the_policy_becomes_like_the_tables(self):
        done = self.copy()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.owners(), [(path, f"user:{number}") for number, path in enumerate(PATHS)])
        self.assertEqual(self.rows("SELECT member, parent FROM members ORDER BY member"),
                         [("user:0", "group:7"), ("user:1", "group:7")])

    def test_a_run_that_would_take_away_too_much_is_refused(self):
        self.copy()
        before = self.owners()
        self.fill("DELETE FROM uploads")
        done = self.copy()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("6 of 8 rows would be deleted", done.stderr)
        self.assertEqual(self.owners(), before)

    def test_a_row_that_cannot_be_is_refused_and_nothing_changes(self):
        self.copy()
        before = self.owners()
        for path in NO_PATHS:
            with self.subTest(path=path):
                self.fill(f"INSERT INTO uploads VALUES (9, {'NULL' if path is None else self.literal(path)})")
                done = self.copy()
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("nothing was imported", done.stderr)
                self.assertEqual(self.owners(), before)
                self.fill("DELETE FROM uploads WHERE user_id = 9")


@unittest.skipUnless(can_start(), "MariaDB is not installed")
class OfMariaDb(Copying, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.maria = MariaDb()
        cls.addClassCleanup(cls.maria.close)

    def start(self):
        self.script = block("A copy of MySQL's or MariaDB's tables")
        self.environment = self.maria.environment
        self.maria.sql("DROP DATABASE IF EXISTS site; CREATE DATABASE site CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", database="")

    def fill(self, text):
        self.maria.sql(text)

    @staticmethod
    def literal(text):
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

    def test_a_server_that_ends_changes_nothing(self):
        self.copy()
        before = self.owners()
        mine = MariaDb()
        self.addCleanup(mine.close)
        end_process(mine.process, 30)
        self.environment["HOME"] = str(mine.folder)
        self.assertNotEqual(self.copy().returncode, 0)
        self.assertEqual(self.owners(), before)


@unittest.skipUnless(programs(), "PostgreSQL is not installed")
class OfPostgresql(Copying, unittest.TestCase):
    def start(self):
        whole = block("A copy of MySQL's or MariaDB's tables")
        command = re.search(r"^mariadb .*?^SQL\n", whole, re.MULTILINE | re.DOTALL)[0]
        self.script = whole.replace(command, block("A copy of PostgreSQL's tables, without a slot"))
        cluster = server()
        self.addCleanup(cluster.drop_database, "site")
        cluster.create_database("site")
        self.environment = {**os.environ, "PGHOST": str(cluster.folder), "PGPORT": str(cluster.port), "PGUSER": "postgres",
                            "PATH": f"{cluster.bin}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}

    def fill(self, text):
        server().sql(text, database="site")

    @staticmethod
    def literal(text):
        return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    unittest.main()
