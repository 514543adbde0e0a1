"""Promise 2 against writers who pass the feed's triggers by, and what innocent ones cost.

The feed believes a commit that raises the revision. A writer whose connection has triggers off
(SQLITE_DBCONFIG_ENABLE_TRIGGER) takes something away unseen, and the next change of anybody's explains it.
"""

import ctypes
import os
import threading
import time

from fixture import REPORT
from harness import outcome, serve, wait_for
from test_signatures import FAR, md5
from test_steady import LEASE_SECONDS, Steady

_SQLITE_DBCONFIG_ENABLE_TRIGGER = 1003

sqlite = ctypes.CDLL("libsqlite3.so.0")


class Writer:
    """A connection of SQLite's own, which may have its triggers off."""

    def __init__(self, path):
        self._handle = ctypes.c_void_p()
        self._must(sqlite.sqlite3_open(os.fsencode(path), ctypes.byref(self._handle)))
        sqlite.sqlite3_busy_timeout(self._handle, 10_000)

    def _must(self, result):
        if result:
            raise AssertionError(f"SQLite says {result}")

    def triggers(self, on):
        self._must(sqlite.sqlite3_db_config(self._handle, _SQLITE_DBCONFIG_ENABLE_TRIGGER, ctypes.c_int(on), None))

    def run(self, sql):
        self._must(sqlite.sqlite3_exec(self._handle, sql.encode(), None, None, None))

    def run_past_the_triggers(self, sql):
        self.triggers(False)
        self.run(sql)
        self.triggers(True)

    def close(self):
        sqlite.sqlite3_close(self._handle)


class SilentTest(Steady):
    WITHIN_SECONDS = LEASE_SECONDS + 0.1

    def setUp(self):
        super().setUp()
        self.writer = Writer(self.site.db)
        self.addCleanup(self.writer.close)
        self.innocent = 0

    def innocent_change(self):
        """One that the feed explains, and that takes nothing away."""
        self.innocent += 1
        self.writer.run(f"INSERT INTO grants (principal, path) VALUES ('user:zoe', 'z{self.innocent}')")

    def refused_within_a_lease(self, path, take):
        """By path, and by whoever is in the folder; what begins later than a lease after the commit is refused."""
        folder = self.held(path)
        file = os.open(path, os.O_PATH)  # and so the kernel keeps its name, whatever is refused above it
        self.addCleanup(os.close, file)
        committed = time.monotonic()
        take()
        while (begun := time.monotonic()) < committed + self.WITHIN_SECONDS + 0.5:
            by_path, by_folder = outcome(serve, path), outcome(os.stat, path.name, dir_fd=folder)
            if begun > committed + self.WITHIN_SECONDS:
                self.assertNotIn("OK", (by_path, by_folder), f"{begun - committed:.2f} s after the commit")
        return by_path

    def in_one_transaction(self, take):
        self.writer.run("BEGIN")
        self.writer.run_past_the_triggers(take)
        self.innocent_change()
        self.writer.run("COMMIT")

    def in_two(self, take):
        self.writer.run_past_the_triggers(take)
        self.innocent_change()


class Silent(SilentTest):
    def test_a_file_in_steady_use_hidden_by_an_innocent_change(self):
        self.site.sql("DELETE FROM owners WHERE path = 'alice'")
        self.own(f"uid:{self.alice}", "alice/deep")  # the folder is there for her, whatever she loses
        for commit in (self.in_one_transaction, self.in_two):
            for take, refusal in (("DELETE FROM owners WHERE path = 'alice/report.txt'", "ENOENT"), ("DELETE FROM sessions", "EACCES")):
                with self.subTest(f"{commit.__name__}: {take}"):
                    self.own(f"uid:{self.alice}", "alice/report.txt")
                    self.make_steady(self.path)
                    self.assertEqual(self.refused_within_a_lease(self.path, lambda: commit(take)), refusal)
                    self.alice_token = self.site.sql_session(f"uid:{self.alice}")
                    self.path = self.by_session(self.alice_token, "alice/report.txt")

    def test_a_file_looked_up_once_hidden_by_an_innocent_change(self):
        serve(self.path)
        take = "DELETE FROM owners WHERE path = 'alice'"
        self.assertEqual(self.refused_within_a_lease(self.path, lambda: self.in_one_transaction(take)), "ENOENT")

    def test_unhidden_it_counts_before_grantctl_is_answered(self):
        for steady in (False, True):
            with self.subTest(steady=steady):
                self.make_steady(self.path) if steady else serve(self.path)
                folder = self.held(self.path)
                self.writer.run_past_the_triggers("DELETE FROM owners WHERE path = 'alice'")
                self.recalled()
                self.assertEqual(outcome(serve, self.path), "ENOENT")
                self.assertEqual(outcome(os.stat, "report.txt", dir_fd=folder), "ENOENT")
                self.own(f"uid:{self.alice}", "alice")
        self.assertEqual(self.counted("recalls_of_everything"), 0)

    def test_a_key_that_leads_its_urls_elsewhere(self):
        """by-md5: the URL is good still, but what was lent is another file than what is allowed."""
        self.site.write("bob/report.txt", b"bob's report\n")
        self.site.grantctl("key", "create", "--id", "k2", "--format", "md5", "--uri-prefix", "/files/", "--path", "alice",
                           "--expression", "$secure_link_expires$uri $secret", "--secret", "-", input="s3cret")
        path = self.site.path("by-md5", FAR, md5("/files/report.txt"), "files/report.txt")
        self.assertEqual(serve(path), REPORT)
        self.recalled()
        recalled = self.counted("recalled_entries")
        self.writer.run("CREATE TABLE mine (x)")
        self.recalled()
        self.assertEqual(self.counted("recalled_entries"), recalled)
        self.writer.run_past_the_triggers("UPDATE signing_keys SET path = 'bob'")
        self.recalled()
        self.assertEqual(serve(path), b"bob's report\n")


class Innocent(SilentTest):
    """A busy writer of tables of his own, in the policy's database."""

    def busy(self):
        """Commits a hundred times a second until the test is over."""
        self.writer.run("CREATE TABLE mine (x)")
        writer = Writer(self.site.db)
        writer.run("PRAGMA synchronous = OFF")
        over, count = threading.Event(), [0]

        def write():
            while not over.wait(0.01):
                writer.run("INSERT INTO mine VALUES (1)")
                count[0] += 1

        thread = threading.Thread(target=write)
        thread.start()

        def end():
            over.set()
            thread.join()
            writer.close()

        self.addCleanup(end)
        wait_for(lambda: count[0] > 0, what="his first commit")
        return count

    def test_he_costs_nobody_his_cached_bytes(self):
        paths = [self.site.path("public", "open/welcome.txt"), self.path]
        for i in range(50):
            self.site.write(f"alice/many/{i}", b"%d" % i)
            paths.append(self.by_session(self.alice_token, f"alice/many/{i}"))
        self.make_steady(*paths)
        commits = self.busy()
        before, first, began = self.site.counters(), commits[0], time.monotonic()
        while time.monotonic() - began < 3 * LEASE_SECONDS:
            for path in paths:
                serve(path)
        after = self.site.counters()
        asked = {name: after[name] - before[name] for name in after}
        self.assertGreater(commits[0] - first, 20)
        self.assertGreater(asked["redecisions_foreign_commit"], 5)
        self.assertEqual((asked["recalled_entries"], asked["recalls_of_everything"]), (0, 0))
        self.assertLess(asked["upcalls_read"], 10)  # of pages that the kernel dropped by itself
        renewals = (time.monotonic() - began) / (0.4 * LEASE_SECONDS) + 2
        self.assertLessEqual(asked["upcalls_lookup"], 8 * renewals)

    def test_beside_him_access_is_taken_away_as_ever(self):
        self.busy()
        for _ in range(20):
            serve(self.path)
            self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
            self.assertEqual(outcome(serve, self.path), "ENOENT")
            self.own(f"uid:{self.alice}", "alice")
        self.assertEqual(self.counted("recalls_of_everything"), 0)

    def test_beside_him_a_silent_one_is_found(self):
        self.make_steady(self.path)
        self.busy()
        self.assertEqual(self.refused_within_a_lease(self.path, lambda: self.in_one_transaction("DELETE FROM sessions")), "EACCES")
