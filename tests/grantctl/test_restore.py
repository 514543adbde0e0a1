"""backup and restore; and a database beside the -wal of another, which SQLite would mix into it."""

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import unittest

from fake_daemon import FakeDaemon
from grantctl_case import DENIED, DONE, TROUBLE, USAGE, Case
from test_whole_store import SCHEMA_4


class Restore(Case):
    def setUp(self):
        super().setUp()
        self.backup = self.top / "backup.db"
        self.ok("own", "user:a", "kept")
        self.ok("session", "create", "user:a")

    def beside(self):
        return sorted(path.name for path in self.database.parent.iterdir() if path.is_file())

    @contextlib.contextmanager
    def somebody_has_it_open(self):
        connection = sqlite3.connect(self.database)
        connection.execute("SELECT count(*) FROM owners").fetchall()
        try:
            yield connection
        finally:
            connection.close()

    def test_there_and_back(self):
        self.ok("backup", self.backup)
        self.assertEqual(stat.S_IMODE(self.backup.stat().st_mode), 0o600)
        self.assertEqual(sorted(path.name for path in self.top.iterdir()), ["backup.db", "data"])
        self.ok("own", "user:b", "later")
        self.ok("drop", "kept")
        os.chown(self.database, 0, 4242)
        self.database.chmod(0o640)
        before = self.database.stat()
        document = self.json("restore", self.backup)
        self.assertEqual((document["rows"]["owners"], document["rows"]["sessions"], document["migrations"]), (1, 1, 0))
        self.assertEqual(self.rules(), [("kept", "user:a", "own")])
        after = self.database.stat()
        self.assertEqual((before.st_ino, before.st_uid, before.st_gid, before.st_mode),
                         (after.st_ino, after.st_uid, after.st_gid, after.st_mode))
        self.assertEqual(self.sql("PRAGMA journal_mode"), [("wal",)])

    def test_while_others_read_and_write(self):
        self.ok("backup", self.backup)
        with self.somebody_has_it_open() as other:
            other.execute("BEGIN")
            self.assertEqual(other.execute("SELECT path FROM owners").fetchall(), [("kept",)])
            self.ok("own", "user:b", "later")
            self.ok("backup", self.top / "second.db")
            daemon = FakeDaemon(self.database)
            daemon.may_answer.set()
            self.addCleanup(daemon.close)
            self.ok("restore", self.backup)
            self.assertEqual(daemon.requests, ["recall"])
            other.rollback()
            self.assertEqual(other.execute("SELECT path FROM owners").fetchall(), [("kept",)])
        self.ok("restore", self.top / "second.db")
        self.assertEqual(len(self.rules()), 2)

    def test_a_writer_is_waited_for(self):
        self.ok("backup", self.backup)
        with self.somebody_has_it_open() as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            timer = threading.Timer(0.3, lambda: None)
            timer.start()
            done = []
            thread = threading.Thread(target=lambda: done.append(self.run_grantctl("restore", self.backup)))
            thread.start()
            timer.join()
            self.assertEqual(done, [])
            other.execute("ROLLBACK")
            thread.join()
        self.assertEqual(done[0].returncode, DONE, done[0].stderr)

    def test_a_database_that_is_gone_is_made_again(self):
        self.ok("backup", self.backup)
        shutil.rmtree(self.database.parent)
        self.ok("restore", self.backup)
        self.assertEqual(self.rules(), [("kept", "user:a", "own")])
        self.assertEqual(stat.S_IMODE(self.database.parent.stat().st_mode) & 0o777, 0o770)

    def test_another_page_size(self):
        self.ok("backup", self.backup)
        with contextlib.closing(sqlite3.connect(self.backup, isolation_level=None)) as connection:
            connection.execute("PRAGMA page_size = 1024")
            connection.execute("VACUUM")
        self.ok("drop", "kept")
        self.ok("restore", self.backup)
        self.assertEqual(self.rules(), [("kept", "user:a", "own")])

    def test_a_plain_copy_with_its_wal(self):
        with self.somebody_has_it_open():
            self.ok("own", "user:b", "in-the-wal")
            for suffix in ("", "-wal"):
                shutil.copy(f"{self.database}{suffix}", f"{self.backup}{suffix}")
        self.ok("drop", "in-the-wal")
        self.ok("restore", self.backup)
        self.assertEqual(len(self.rules()), 2)

    def test_an_older_schema_is_brought_up(self):
        subprocess.run(["sqlite3", self.backup], input=SCHEMA_4.read_bytes(), check=True)
        before = self.backup.read_bytes()
        self.ok("restore", self.backup)
        self.assertEqual(self.exits(DONE, "check", "user:2", "a").stderr, "")
        self.exits(DENIED, "check", "user:a", "kept")
        self.assertEqual(self.backup.read_bytes(), before)

    def test_whole_stores_of_an_older_schema_are_named(self):
        """A blank path was one then; init names them too."""
        subprocess.run(["sqlite3", self.backup], input=SCHEMA_4.read_bytes(), check=True)
        said = self.exits(DONE, "restore", self.backup).stderr
        for line in ("user:1 owns the whole store", "grantctl revoke 'user:3' .", f"grantctl link rm {7:064d}", "grantctl key rm k1"):
            self.assertIn(line, said)
        self.assertEqual(len(self.json("restore", self.backup)["whole_store"]), 4)
        self.ok("backup", self.top / "current.db")
        again = self.exits(DONE, "--json", "restore", self.top / "current.db")
        self.assertNotIn("whole store", again.stderr)
        self.assertNotIn("whole_store", again.stdout)

    def test_a_newer_schema_is_refused(self):
        self.ok("backup", self.backup)
        with contextlib.closing(sqlite3.connect(self.backup)) as connection:
            with connection:
                connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema'")
        said = self.exits(TROUBLE, "restore", self.backup).stderr
        self.assertIn("newer", said)
        self.assertEqual(len(self.rules()), 1)

    def test_what_is_no_backup_changes_nothing(self):
        self.ok("backup", self.backup)
        foreign = self.top / "foreign.db"
        with contextlib.closing(sqlite3.connect(foreign)) as connection:
            connection.execute("CREATE TABLE owners (x)")
        damaged = self.top / "damaged.db"
        damaged.write_bytes(self.backup.read_bytes()[:8192] + os.urandom(self.backup.stat().st_size - 8192))
        text = self.top / "text"
        text.write_text("no database at all " * 100)
        (self.top / "empty").touch()
        for name, status in (("foreign.db", TROUBLE), ("damaged.db", TROUBLE), ("text", TROUBLE), ("empty", TROUBLE),
                             ("none", DENIED), ("data", USAGE)):
            with self.subTest(name):
                self.assertIn(name, self.exits(status, "restore", self.top / name).stderr)
                self.assertEqual(self.rules(), [("kept", "user:a", "own")])
        self.exits(USAGE, "restore", self.database)
        self.exits(USAGE, "backup", self.database)
        self.exits(USAGE, "backup", self.top)
        self.assertEqual(sorted(path.name for path in self.top.iterdir()),
                         ["backup.db", "damaged.db", "data", "empty", "foreign.db", "text"])

    def test_nothing_is_restored_over_what_is_no_policy(self):
        self.ok("backup", self.backup)
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA application_id = 7")
        self.assertIn("not a grantfs policy", self.exits(TROUBLE, "restore", self.backup).stderr)

    def test_records_of_daemons_are_left_alone(self):
        self.ok("backup", self.backup)
        daemon = FakeDaemon(self.database)
        daemon.may_answer.set()
        self.addCleanup(daemon.close)
        self.ok("restore", self.backup)
        self.assertTrue(daemon.record.exists() and daemon.path.exists())


class ForeignJournal(Case):
    """By hand, as the manual says not to."""

    def killed(self):
        """Leaves a row in the -wal alone, as a writer does that is killed."""
        self.ok("own", "user:a", "before")
        script = ("import os, sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1])\n"
                  "connection.execute(\"INSERT INTO owners (path, principal) VALUES ('revoked', 'user:a')\")\n"
                  "connection.commit()\nos._exit(0)")
        subprocess.run([sys.executable, "-c", script, self.database], check=True)
        self.assertTrue(os.path.getsize(f"{self.database}-wal"))

    def assert_refused(self):
        for words in (("ls",), ("own", "user:b", "x"), ("check", "user:a", "before"), ("backup", self.top / "b")):
            done = self.exits(TROUBLE, *words)
            self.assertIn("policy.db-wal was left by another database", done.stderr, words)
        with open(self.database, "rb") as file:
            self.assertNotIn(b"revoked", file.read())
        for suffix in ("-wal", "-shm"):
            if os.path.exists(f"{self.database}{suffix}"):
                os.unlink(f"{self.database}{suffix}")
        self.assertEqual(self.rules(), [("before", "user:a", "own")])

    def test_its_own_is_replayed(self):
        self.killed()
        self.assertEqual(len(self.rules()), 2)

    def test_a_copy_put_in_its_place(self):
        """By cp to a new file, and a rename: it is younger than the -wal."""
        self.ok("own", "user:a", "before")
        shutil.copy(self.database, self.top / "older.db")
        self.killed()
        shutil.copy(self.top / "older.db", self.database.with_name("new"))
        os.rename(self.database.with_name("new"), self.database)
        self.database.chmod(0o660)
        self.assert_refused()

    def test_an_older_file_put_in_its_place(self):
        """By mv alone: it is older than the -wal, but not the file that it says it is."""
        self.ok("own", "user:a", "before")
        shutil.copy(self.database, self.database.with_name("older"))
        self.killed()
        os.rename(self.database.with_name("older"), self.database)
        self.assert_refused()

    def test_what_else_is_done_to_a_database_is_no_matter(self):
        """chmod, chgrp and a rename there and back, with a -wal of its own."""
        self.killed()
        self.database.chmod(0o640)
        os.chown(self.database, 0, 4242)
        os.rename(self.database, self.database.with_name("x"))
        os.rename(self.database.with_name("x"), self.database)
        self.assertEqual(len(self.rules()), 2)

    def test_one_that_was_restored_by_hand_properly_is_no_matter(self):
        """The -wal away first; then others write, and it is chmoded."""
        self.ok("own", "user:a", "before")
        shutil.copy(self.database, self.top / "older.db")
        os.unlink(self.database)
        shutil.copy(self.top / "older.db", self.database)
        self.database.chmod(0o660)
        self.killed()
        self.assertEqual(len(self.rules()), 2)


if __name__ == "__main__":
    unittest.main()
