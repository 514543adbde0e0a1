"""Promise 10: whatever becomes of the database never widens access and never kills the daemon."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time

from fixture import REPORT, SECRET, TwoUsersTest, names, read
from harness import PATIENCE_SECONDS, decided_anew, outcome, wait_for

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.5)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("done", flush=True)
sys.stdin.read()
"""
REFUSALS = {"ENOENT", "EACCES"}


class DatabaseTest(TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.hers = self.by_session(self.alice_token, "alice/report.txt")
        self.his = self.by_session(self.alice_token, "bob/secret.txt")
        self.assertEqual((outcome(read, self.hers), outcome(read, self.his)), ("OK", "ENOENT"))
        self.whole = self.site.root / "whole"
        self.whole.mkdir()
        self.saved = self.whole / "policy.db"
        with contextlib.closing(sqlite3.connect(self.site.db)) as source, contextlib.closing(sqlite3.connect(self.saved)) as copy:
            source.backup(copy)
        self.site.sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def beside(self, suffix):
        return self.site.db.with_name(self.site.db.name + suffix)

    def restore(self):
        """As an operator would: the journals of the broken one away, the whole one renamed into place."""
        new = self.beside(".new")
        shutil.copy(self.saved, new)
        os.chmod(new, 0o600)
        for suffix in ("-wal", "-shm"):
            self.beside(suffix).unlink(missing_ok=True)
        os.rename(new, self.site.db)

    def every_answer(self):
        """What each view says of each file; denied ones must be refused whatever happens."""
        denied = (self.his, self.by_session(self.alice_token, "nobody/unregistered.txt"), self.site.path("public", "bob/secret.txt"),
                  self.by_session("z" * 32, "bob/secret.txt"), self.by_session(self.bob_token, "alice/report.txt"))
        for path in denied:
            for function in (read, os.stat, os.listdir):
                self.assertIn(outcome(function, path), REFUSALS, path)
        with contextlib.suppress(OSError):
            self.assertLessEqual(set(names(self.by_session(self.alice_token))), {"alice", "open"})
        granted = (self.hers, self.by_session(self.bob_token, "bob/secret.txt"), self.site.path("public", "open/welcome.txt"))
        return {outcome(function, path) for path in granted for function in (read, os.stat)}

    def assert_denies(self):
        """Nothing is served, with no errno but those two, and promptly."""
        self.site.end_leases()
        started = time.monotonic()
        self.assertLessEqual(self.every_answer(), REFUSALS)
        self.assertLess(time.monotonic() - started, PATIENCE_SECONDS)
        self.assert_daemon_lives()

    def assert_never_wider(self):
        """What is granted may still be served, or refused; what is denied is refused."""
        self.site.end_leases()
        self.assertLessEqual(self.every_answer(), REFUSALS | {"OK"})
        self.assert_daemon_lives()

    def hold(self, *statements):
        """Another process with the database open, after these statements, until it is let go.

        It may die of what is done to the files under it (SIGBUS, if -shm is truncated): we may not.
        """
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, self.site.db, *statements], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for stream in (holder.stderr, holder.stdout):
            self.addCleanup(stream.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        self.addCleanup(holder.stdin.close)
        return holder, holder.stdout.readline() == b"done\n"

    def let_go(self, holder):
        holder.kill()
        holder.wait()

    def assert_resumes(self):
        wait_for(lambda: self.every_answer() == {"OK"}, timeout=5, what="service to resume by itself")
        self.assertEqual(read(self.hers), REPORT)
        self.assertEqual(read(self.by_session(self.bob_token, "bob/secret.txt")), SECRET)
        self.assert_daemon_lives()


class Broken(DatabaseTest):
    def break_and_mend(self, breaking):
        breaking()
        self.assert_denies()
        self.restore()
        self.assert_resumes()

    def test_deleted(self):
        """Promise 10: the file, and with it all that -wal and -shm could say."""
        def delete():
            for suffix in ("", "-wal", "-shm"):
                self.beside(suffix).unlink(missing_ok=True)
        self.break_and_mend(delete)

    def test_deleted_alone(self):
        """Promise 10: -wal and -shm still lie there."""
        self.break_and_mend(self.site.db.unlink)

    def test_its_directory_moved_away(self):
        """Promise 10: and back."""
        away = self.site.root / "away"
        os.rename(self.site.db.parent, away)
        self.assert_denies()
        os.rename(away, self.site.db.parent)
        self.assert_resumes()

    def test_truncated(self):
        """Promise 10: to nothing, to half a page, to half of it."""
        size = self.site.db.stat().st_size
        for length in (0, 100, 2048, size // 2):
            with self.subTest(length=length):
                # What SQLite has in memory may answer until it looks at the file; no longer than that.
                os.truncate(self.site.db, length)
                self.assert_never_wider()
                self.restore()
                self.assert_resumes()

    def test_overwritten_with_garbage(self):
        """Promise 10: the header, the middle, everything; in place."""
        size = self.site.db.stat().st_size
        for offset, length in ((0, 100), (0, size), (4096, size - 4096), (size // 2, 4096)):
            with self.subTest(offset=offset, length=length):
                with open(self.site.db, "r+b") as file:
                    file.seek(offset)
                    file.write(os.urandom(length))
                self.assert_never_wider()
                self.restore()
                self.assert_resumes()

    def test_replaced_by_garbage(self):
        """Promise 10: by rename, so that nothing in memory may answer."""
        def replace():
            new = self.beside(".new")
            new.write_bytes(os.urandom(100_000))
            os.chmod(new, 0o600)
            os.rename(new, self.site.db)
        self.break_and_mend(replace)

    @decided_anew
    def test_replaced_by_a_directory_a_link_or_a_fifo(self):
        """Promise 10: nor does the daemon wait for a writer."""
        def fifo(path):
            os.mkfifo(path, 0o600)
        for make in (os.mkdir, fifo, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink("nowhere", path)):
            self.site.db.unlink()
            make(self.site.db)
            self.assert_denies()
            if os.path.isdir(self.site.db):
                self.site.db.rmdir()
            self.restore()
            self.assert_resumes()

    def test_a_newer_schema(self):
        """Promise 10: what a newer program means by it is not known here."""
        (version,) = self.site.sql("SELECT value FROM meta WHERE key = 'schema'")[0]
        self.site.sql("UPDATE meta SET value = ? WHERE key = 'schema'", (version + 1,))
        self.assert_denies()
        self.site.sql("UPDATE meta SET value = ? WHERE key = 'schema'", (version,))
        self.assert_resumes()

    def test_a_schema_that_is_no_number_or_missing(self):
        """Promise 10."""
        ((version,),) = self.site.sql("SELECT value FROM meta WHERE key = 'schema'")
        for value in ("one", -1, 0, 2**62, b""):
            with self.subTest(value):
                self.site.sql("UPDATE meta SET value = ? WHERE key = 'schema'", (value,))
                self.assert_denies()
        self.site.sql("DELETE FROM meta WHERE key = 'schema'")
        self.assert_denies()
        self.site.sql("INSERT INTO meta (key, value) VALUES ('schema', ?)", (version,))
        self.assert_resumes()

    def test_a_foreign_application_id(self):
        """Promise 10: a database that is not ours any more."""
        ((own,),) = self.site.sql("PRAGMA application_id")
        self.site.sql("PRAGMA application_id = 42")
        self.assert_denies()
        self.site.sql(f"PRAGMA application_id = {own}")
        self.assert_resumes()

    def test_dropped_and_altered_tables(self):
        """Promise 10: the schema version is right, and the schema is not."""
        for statement in ("DROP TABLE sessions", "DROP TABLE members", "DROP TABLE grants", "ALTER TABLE owners RENAME TO elsewhere",
                          "ALTER TABLE grants RENAME COLUMN expires TO ends", "DROP TABLE meta"):
            with self.subTest(statement):
                self.site.sql(statement)
                self.assert_never_wider()
                self.restore()
                self.assert_resumes()

    def test_writable_by_others(self):
        """Promise 10: who could have written anything into it."""
        os.chmod(self.site.db, 0o602)
        self.assert_denies()
        os.chmod(self.site.db, 0o600)
        self.assert_resumes()

    @decided_anew
    def test_journals_truncated(self):
        """Promise 10: -wal and -shm to nothing and to a part, with commits in them."""
        for suffix, length in (("-wal", 0), ("-wal", 40), ("-wal", 5000), ("-shm", 0), ("-shm", 100), ("-shm", 16384)):
            with self.subTest(suffix=suffix, length=length):
                writer, done = self.hold("INSERT OR REPLACE INTO grants (principal, path) VALUES ('user:x', 'x')")
                self.assertTrue(done)
                self.assertEqual(self.every_answer(), {"OK"})
                self.assertGreater(self.beside(suffix).stat().st_size, length, "nothing to truncate: nothing was tested")
                os.truncate(self.beside(suffix), length)
                self.assert_never_wider()
                self.let_go(writer)
                self.restore()
                self.assert_resumes()

    def test_a_revocation_in_a_truncated_wal_is_not_undone(self):
        """Promise 10: the last commit is lost; the one before it must not answer."""
        self.assertTrue(self.hold("DELETE FROM owners")[1])
        self.site.end_leases()
        self.assertEqual(outcome(read, self.hers), "ENOENT")
        os.truncate(self.beside("-wal"), 0)
        for _ in range(20):
            self.assertIn(outcome(read, self.hers), REFUSALS)
        self.assert_daemon_lives()

    def test_journals_deleted_or_overwritten(self):
        """Promise 10."""
        for suffix in ("-wal", "-shm"):
            for breaking in (os.unlink, lambda path: path.write_bytes(os.urandom(32768))):
                writer, done = self.hold("INSERT OR REPLACE INTO grants (principal, path) VALUES ('user:x', 'x')")
                self.assertTrue(done)
                self.every_answer()
                breaking(self.beside(suffix))
                self.assert_never_wider()
                self.let_go(writer)
                self.restore()
                self.assert_resumes()


    @decided_anew
    def test_a_revocation_after_a_journal_was_deleted_is_not_missed(self):
        """Promise 10: whoever opens the database next makes new journals, of which the old connections know nothing."""
        for suffixes in (("-shm",), ("-wal",), ("-wal", "-shm")):
            with self.subTest(suffixes=suffixes):
                self.assertEqual(outcome(read, self.hers), "OK")
                for suffix in suffixes:
                    self.beside(suffix).unlink()
                writer, committed = self.hold("DELETE FROM owners")
                self.assertTrue(committed or suffixes == ("-shm",))  # SQLite may find it locked then
                for _ in range(20 if committed else 0):
                    self.assertIn(outcome(read, self.hers), REFUSALS)
                self.let_go(writer)
                self.restore()
                self.assert_resumes()


class Replaced(DatabaseTest):
    def other_database(self):
        """One in which alice has nothing and bob still has his."""
        new = self.whole / "other.db"
        shutil.copy(self.saved, new)
        with contextlib.closing(sqlite3.connect(new)) as connection:
            connection.execute("DELETE FROM owners WHERE path = 'alice'")
            connection.execute("DELETE FROM grants")
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.chmod(new, 0o600)
        return new

    def test_the_old_ones_grants_do_not_answer(self):
        """Promise 10: replaced by rename, journals cleared: the very next open is decided by the new one."""
        new = self.other_database()
        for suffix in ("-wal", "-shm"):
            self.beside(suffix).unlink(missing_ok=True)
        os.rename(new, self.site.db)
        self.site.end_leases()
        self.assertEqual(outcome(read, self.hers), "ENOENT")
        self.assertEqual(outcome(read, self.site.path("public", "open/welcome.txt")), "ENOENT")
        wait_for(lambda: outcome(read, self.by_session(self.bob_token, "bob/secret.txt")) == "OK", 5, "the new one to answer")
        self.assertEqual(outcome(read, self.hers), "ENOENT")
        # And it is this one that is followed from now on.
        self.own(f"uid:{self.alice}", "alice")
        self.assertEqual(outcome(read, self.hers), "OK")
        self.assert_daemon_lives()

    @decided_anew
    def test_the_old_ones_journal_does_not_answer_either(self):
        """Promise 10: replaced by rename alone, while the old one's -wal holds every grant."""
        new = self.other_database()
        old, done = self.hold("UPDATE owners SET created = created + 1")
        self.assertTrue(done)
        self.assertEqual(outcome(read, self.hers), "OK")
        self.assertGreater(self.beside("-wal").stat().st_size, 0)
        os.rename(new, self.site.db)
        for _ in range(20):
            self.assertIn(outcome(read, self.hers), REFUSALS)
        # With the old journal gone and one of the new database's own begun, service resumes.
        self.let_go(old)
        for suffix in ("-wal", "-shm"):
            self.beside(suffix).unlink(missing_ok=True)
        self.assertTrue(self.hold("INSERT INTO grants (principal, path) VALUES ('public', 'open')")[1])
        self.assertGreater(self.beside("-wal").stat().st_size, 0)
        wait_for(lambda: outcome(read, self.site.path("public", "open/welcome.txt")) == "OK", 5, "the new one to answer")
        self.assertEqual(outcome(read, self.hers), "ENOENT")
        self.assert_daemon_lives()

    def test_replaced_again_and_again(self):
        """Promise 10: each open is decided by one of them, as a whole, and in the end by the last."""
        reader = self.by_session(self.bob_token, "bob/secret.txt")
        for i in range(30):
            if i % 2:
                self.restore()
            else:
                new = self.other_database()
                for suffix in ("-wal", "-shm"):
                    self.beside(suffix).unlink(missing_ok=True)
                os.rename(new, self.site.db)
                self.site.end_leases()
                self.assertEqual(outcome(read, self.hers), "ENOENT")
            self.assertIn(outcome(read, reader), REFUSALS | {"OK"})
            self.assertIn(outcome(read, self.his), REFUSALS)
        self.restore()
        self.assert_resumes()


class Locked(DatabaseTest):
    def test_by_a_writer_that_takes_its_time(self):
        """Promise 10: BEGIN EXCLUSIVE, with changes not committed: readers go on with the last commit."""
        holder, locked = self.hold("BEGIN EXCLUSIVE", "DELETE FROM owners", f"INSERT INTO grants (principal, path) VALUES ('uid:{self.alice}', '.')")
        self.assertTrue(locked, holder.stderr)
        started = time.monotonic()
        for _ in range(5):
            self.assertEqual(self.every_answer(), {"OK"})
        self.assertLess(time.monotonic() - started, 5)
        self.let_go(holder)
        self.assert_resumes()

    def test_by_a_process_that_wants_it_alone(self):
        """Promise 10: PRAGMA locking_mode=EXCLUSIVE, before and after the daemon has opened it."""
        holder, locked = self.hold("PRAGMA locking_mode = EXCLUSIVE", "UPDATE meta SET value = value WHERE key = 'schema'")
        self.assert_never_wider()
        self.let_go(holder)
        self.assert_resumes()
        del locked

    def test_in_another_journal_mode(self):
        """Promise 10: a rollback journal and an exclusive lock, which shuts readers out: denied, promptly; then resumed."""
        self.site.umount()
        self.site.sql("PRAGMA journal_mode = DELETE")
        started = self.site.mount(check=False)
        if started.returncode == 0:
            holder, locked = self.hold("BEGIN EXCLUSIVE")
            self.assertTrue(locked)
            self.assert_denies()
            self.let_go(holder)
            self.assert_resumes()
        else:
            self.assertIn("policy.db", started.stderr)

    def test_at_the_start(self):
        """Promise 10: a daemon that finds it locked refuses to start, or starts and denies."""
        self.site.umount()
        holder, locked = self.hold("PRAGMA locking_mode = EXCLUSIVE", "UPDATE meta SET value = value WHERE key = 'schema'")
        self.assertTrue(locked)
        started = self.site.mount(check=False)
        if started.returncode == 0:
            self.assert_denies()
            self.let_go(holder)
            self.assert_resumes()
        else:
            self.assertIn("policy.db", started.stderr)
            self.let_go(holder)
            self.site.mount()
            self.assert_resumes()

    def test_a_long_reader_and_a_checkpoint_disturb_nobody(self):
        """Promise 10: nor does a database switched to WAL anew, vacuumed or analysed."""
        holder, locked = self.hold("BEGIN", "SELECT count(*) FROM grants")
        self.assertTrue(locked)
        for statement in ("INSERT INTO grants (principal, path) VALUES ('user:x', 'y')", "PRAGMA wal_checkpoint(PASSIVE)", "ANALYZE"):
            self.site.sql(statement)
            self.assertEqual(self.every_answer(), {"OK"})
        self.let_go(holder)
        with contextlib.closing(sqlite3.connect(self.site.db, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.assert_resumes()


class Hostile(DatabaseTest):
    def test_rows_that_no_constraint_saw_are_not_believed(self):
        """Promise 1: expiries as text or in milliseconds, odd principals and paths, by a writer that ignores CHECK."""
        with contextlib.closing(sqlite3.connect(self.site.db)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for path in ("/bob", "bob/", "./bob", "bob//secret.txt", "nobody/../bob", "bob/.", "..", "", "./."):
                connection.execute("INSERT INTO grants (principal, path) VALUES (?, ?)", (f"uid:{self.alice}", path))
            connection.execute("INSERT INTO members (member, parent) VALUES (?, 'uid:' || ?)", (f"uid:{self.alice}", f"0{self.bob}"))
            connection.commit()
        self.assert_never_wider()
        self.assert_absent(self.his)

    def test_a_principal_that_cannot_be_one_denies(self):
        """Promise 1: a session whose principal is no principal."""
        with contextlib.closing(sqlite3.connect(self.site.db)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("UPDATE sessions SET principal = 'root'")
            connection.commit()
        self.site.end_leases()
        self.assertIn(outcome(read, self.hers), REFUSALS)
        self.assert_daemon_lives()


class Posing(DatabaseTest):
    """What is called as a table of the policy and is none."""

    def pose(self, table, view):
        with contextlib.closing(sqlite3.connect(self.site.db)) as connection:
            connection.executescript(f"ALTER TABLE {table} RENAME TO moved; CREATE VIEW {table} AS {view}")
        self.site.end_leases()

    def test_a_view_grants_nothing(self):
        """Promise 1: also once the daemon starts on it."""
        self.pose("grants", f"SELECT 1 AS id, 'uid:{self.alice}' AS principal, 'bob' AS path, 'read' AS rights, NULL AS expires, 0 AS created")
        self.assert_denies()
        self.assertIn("grants is not the table that grantctl init makes", self.site.log())
        done = self.site.grantctl("ls", check=False)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("grants is not the table", done.stderr)
        self.site.umount()
        self.assertNotEqual(self.site.mount(check=False).returncode, 0)
        self.restore()
        self.site.mount()
        self.assert_resumes()

    def test_a_view_without_end_holds_up_nobody(self):
        """Promise 10: each table, asked for by several at once; and SIGTERM ends the daemon."""
        for table, columns in (("owners", "'bob' AS path, 'user:x' AS principal, x AS created"),
                               ("sessions", "hex(x) AS id, 'user:x' AS principal, NULL AS expires, NULL AS address, x AS created"),
                               ("members", "x AS id, 'user:x' AS member, 'group:x' AS parent, NULL AS expires"),
                               ("meta", "'nothing' AS key, x AS value")):
            with self.subTest(table):
                self.pose(table, f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {columns} FROM c")
                actors = [self.actor(self.alice) for _ in range(3)]
                for actor in actors:
                    actor.start(outcome, read, self.hers)
                self.assertEqual({actor.finish() for actor in actors} - REFUSALS, set())
                done = self.site.grantctl("check", "user:x", "bob", check=False)
                self.assertEqual(done.returncode, 3, done.stdout)
                self.restore()
                self.assert_resumes()
        self.pose("owners", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT 'bob' AS path, 'user:x' AS principal, x AS created FROM c")
        self.assertIn(outcome(read, self.hers), REFUSALS)
        self.assertEqual(self.site.terminate(), 0)
