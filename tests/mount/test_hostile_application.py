"""Promise 17: an application that owns the database of a source may do with it, and beside it, what it likes.

It is denied what it breaks; it ends no daemon, holds none up for longer than a query may take, and has none write to a file
that is not its own.
"""

import contextlib
import os
import sqlite3
import time

from fixture import read
from harness import PATIENCE_SECONDS, as_user, outcome, wait_for
from test_own_tables import ALICES_KEY, PREFIX, OwnTablesTest

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT -i AS user_id, i || '' AS file_path FROM n"
GIANT = "SELECT 7 AS user_id, hex(zeroblob(450000000)) AS file_path"
SLOW = "SELECT 7 AS user_id, file_path FROM (SELECT replace(hex(zeroblob(30000)), '0', 'ab') AS file_path) WHERE instr(file_path, 'abb') > 9"
JOURNALS = ("-journal", "-wal", "-shm")
MOST_MEMORY_KIB = 300_000 * (3 if "ASAN_OPTIONS" in os.environ else 1)  # the sanitizer keeps what was freed for a while


def exclusive_lock(path):
    connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_SECONDS)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("DELETE FROM uploads WHERE user_id = 0")
    return connection


class HostileApplication(OwnTablesTest):
    JOURNAL = "DELETE"

    def setUp(self):
        super().setUp()
        os.chown(self.app, self.stranger, self.stranger)
        os.chown(self.database, self.stranger, self.stranger)

    def beside(self, suffix):
        return self.database.with_name(self.database.name + suffix)

    def as_owner(self, function, *arguments):
        return as_user(self.stranger, function, *arguments)

    def assert_harmless(self, what):
        """Denied or served, soon, by a daemon that lives and has not swallowed the machine's memory."""
        for path in (self.hers, self.his):
            started = time.monotonic()
            self.assertIn(outcome(read, path), {"OK", "EACCES", "ENOENT"}, what)
            self.assertLess(time.monotonic() - started, PATIENCE_SECONDS, what)
        self.assert_daemon_lives()
        with open(f"/proc/{self.site.daemon_pid}/status") as lines:
            peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        self.assertLess(peak, MOST_MEMORY_KIB, what)

    def resumes(self):
        wait_for(lambda: outcome(read, self.hers) == "OK", what="service to resume")

    def put_there(self, suffix, make):
        """Has something of its owner's in the place of a journal, and a daemon that opens the database anew."""
        place = self.beside(suffix)
        with contextlib.suppress(FileNotFoundError):
            self.as_owner(os.unlink, place)
        self.as_owner(make, place)
        self.configure()
        started = self.site.mount(f"source={self.config}", check=False)
        if started.returncode == 0:
            self.assert_harmless((suffix, make))
        (os.rmdir if place.is_dir() and not place.is_symlink() else os.unlink)(place)
        if started.returncode == 0:
            self.resumes()
            self.site.umount()

    def test_a_fifo_or_a_folder_in_the_place_of_a_journal(self):
        for suffix in JOURNALS:
            for make in (os.mkfifo, os.mkdir):
                with self.subTest(suffix=suffix, make=make.__name__):
                    self.put_there(suffix, make)

    def test_a_link_in_the_place_of_a_journal_leads_to_nobodys_file(self):
        theirs = self.site.root / "theirs"
        theirs.write_bytes(b"x" * 100_000)
        for suffix in JOURNALS:
            with self.subTest(suffix=suffix):
                os.symlink(theirs, self.beside(suffix))
                self.mount(check=False)
                if self.site.alive():
                    self.assert_harmless(suffix)
                    self.site.umount()
                self.beside(suffix).unlink(missing_ok=True)
                self.assertEqual(theirs.read_bytes(), b"x" * 100_000)

    def test_a_second_name_of_a_file_of_roots_is_not_written_to(self):
        theirs = self.app / "roots"  # as where fs.protected_hardlinks is off
        theirs.write_bytes(b"x" * 100_000)
        os.link(theirs, self.beside("-shm"))
        with contextlib.closing(sqlite3.connect(self.beside(".other"))) as other:
            other.execute("PRAGMA journal_mode = WAL")
        with open(self.database, "r+b") as file:  # marked as a WAL's (https://sqlite.org/fileformat.html, 1.3.3)
            file.seek(18)
            file.write(b"\x02\x02")
        self.mount(check=False)
        if self.site.alive():
            self.assert_harmless("-shm")
        self.assertEqual(theirs.read_bytes(), b"x" * 100_000)

    def test_views_without_end_of_giants_and_of_slow_functions(self):
        self.mount()
        self.assertEqual(outcome(read, self.hers), "OK")
        for view in (ENDLESS, GIANT, SLOW):
            with self.subTest(view):
                self.change("ALTER TABLE uploads RENAME TO kept", f"CREATE VIEW uploads AS {view}")
                self.assert_harmless(view)
                self.change("DROP VIEW uploads", "ALTER TABLE kept RENAME TO uploads")
                self.resumes()

    def test_a_view_that_reads_no_table_ends_when_it_is_dropped(self):
        """SQLite does not look whether the schema has changed for a statement that reads nothing."""
        self.mount()
        self.assertEqual(outcome(read, self.by_session(ALICES_KEY, "8/picture")), "ENOENT")
        for _ in range(2):
            self.change("ALTER TABLE uploads RENAME TO kept",
                        f"CREATE VIEW uploads AS SELECT '7' AS user_id, '{PREFIX}8/picture' AS file_path")
            wait_for(lambda: outcome(read, self.by_session(ALICES_KEY, "8/picture")) == "OK", what="the view to count")
            self.change("DROP VIEW uploads", "ALTER TABLE kept RENAME TO uploads")
            self.site.end_leases()
            self.assertEqual(outcome(read, self.by_session(ALICES_KEY, "8/picture")), "ENOENT")
            self.resumes()

    def test_a_lock_that_is_held_for_ever(self):
        self.mount()
        holder = exclusive_lock(self.database)
        self.assert_harmless("a lock")
        holder.close()
        self.resumes()

    def test_truncated_while_it_is_read(self):
        self.mount()
        whole = self.database.read_bytes()
        for length in (0, 100, 4096, len(whole) - 1):
            with self.subTest(length=length):
                self.as_owner(os.truncate, self.database, length)
                self.assert_harmless(length)
                self.database.write_bytes(whole)
                if length == len(whole) - 1:
                    # No error: the last byte of a row was zero. SQLite may have that page in memory until a commit, for the
                    # change counter of the file is what it was.
                    self.change("UPDATE uploads SET user_id = user_id")
                self.resumes()

    def test_a_large_value_in_a_column_that_is_read(self):
        self.change(f"INSERT INTO uploads (user_id, file_path) VALUES (7, '{PREFIX}' || hex(zeroblob(20000000)))")
        self.mount()
        self.assert_harmless("a path of 40 MB")
