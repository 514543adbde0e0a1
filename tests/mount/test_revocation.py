"""Promises 2 and 3: access that is taken away, or runs out, is gone at the very next open."""

import errno
import hashlib
import mmap
import os
import sqlite3
import threading
import time

from fixture import REPORT, TwoUsersTest, names, read
from harness import PATIENCE_SECONDS, decided_anew, outcome, wait_for


class PlainSql(TwoUsersTest):
    """A change by another SQLite writer; enforce=open: it counts from the very next open."""

    def assert_taken_away(self, path, statement, params=(), refusal="ENOENT"):
        for function in (read, os.stat):  # warm, in every cache there is
            for _ in range(3):
                self.assertEqual(outcome(function, path), "OK")
        self.site.sql(statement, params)
        for function in (read, os.stat, os.listdir):
            self.assertEqual(outcome(function, path), refusal)

    def test_a_deleted_ownership_is_refused_at_the_next_open(self):
        """Promise 2."""
        self.assert_taken_away(self.by_session(self.alice_token, "alice/report.txt"), "DELETE FROM owners WHERE path = 'alice'")

    def test_an_ownership_that_passes_to_another_is_refused_at_the_next_open(self):
        """Promise 2: the natural upsert."""
        self.assert_taken_away(self.by_session(self.alice_token, "alice/report.txt"),
                               "INSERT INTO owners (path, principal) VALUES ('alice', 'user:new')"
                               " ON CONFLICT (path) DO UPDATE SET principal = excluded.principal")

    def test_a_deleted_grant_is_refused_at_the_next_open(self):
        """Promise 2: of a uid, and of everybody."""
        self.grant(f"uid:{self.alice}", "bob/secret.txt")
        self.assert_taken_away(self.by_session(self.alice_token, "bob/secret.txt"), "DELETE FROM grants WHERE path LIKE 'bob%'")
        self.assert_taken_away(self.site.path("public", "open/welcome.txt"), "DELETE FROM grants WHERE principal = 'public'")

    def test_a_deleted_membership_is_refused_at_the_next_open(self):
        """Promise 2."""
        self.join(f"uid:{self.alice}", "group:readers")
        self.grant("group:readers", "bob")
        self.assert_taken_away(self.by_session(self.alice_token, "bob/secret.txt"), "DELETE FROM members")

    def test_a_deleted_session_is_refused_at_the_next_open(self):
        """Promise 2: at the door."""
        self.assert_taken_away(self.by_session(self.alice_token, "alice/report.txt"), "DELETE FROM sessions", refusal="EACCES")

    def test_a_session_bound_to_an_address_later_is_refused_at_the_next_open(self):
        """Promise 2: nothing here can tell addresses, so the door stays shut."""
        self.assert_taken_away(self.by_session(self.alice_token, "alice/report.txt"),
                               "UPDATE sessions SET address = '10.0.0.0/8'", refusal="EACCES")

    def test_a_session_that_becomes_anothers_shows_the_others_files_alone(self):
        """Promise 2: warm nodes of the first principal do not answer for the second."""
        path = self.by_session(self.alice_token)
        self.assertEqual(read(path / "alice/report.txt"), REPORT)
        held = os.open(path / "alice", os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, held)
        self.site.sql("UPDATE sessions SET principal = ?", (f"uid:{self.bob}",))
        self.assertEqual(names(path), ["bob", "open"])
        self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=held), "ENOENT")

    def test_a_new_grant_takes_effect_at_once(self):
        """Promise 2: no refusal is remembered."""
        path = self.by_session(self.bob_token, "alice/deep/er/note.txt")
        for _ in range(20):
            self.assertEqual(outcome(read, path), "ENOENT")
            self.site.sql("INSERT INTO grants (principal, path) VALUES (?, 'alice/deep')", (f"uid:{self.bob}",))
            self.assertEqual(outcome(read, path), "OK")
            self.site.sql("DELETE FROM grants WHERE path = 'alice/deep'")

    def test_a_new_session_and_a_new_file_take_effect_at_once(self):
        """Promise 2: neither an unknown token nor a missing name is remembered."""
        token = "t" * 32
        self.assertEqual(outcome(os.stat, self.by_session(token)), "EACCES")
        self.site.sql("INSERT INTO sessions (id, principal) VALUES (?, ?)",
                      (hashlib.sha256(token.encode()).hexdigest(), f"uid:{self.alice}"))
        self.assertEqual(outcome(os.stat, self.by_session(token, "alice/new.txt")), "ENOENT")
        self.site.write("alice/new.txt", b"new")
        self.assertEqual(read(self.by_session(token, "alice/new.txt")), b"new")

    @decided_anew
    def test_what_is_not_committed_does_not_count(self):
        """Promise 2: neither way, until the commit; from then on, both ways."""
        writer = sqlite3.connect(self.site.db, isolation_level=None)
        self.addCleanup(writer.close)
        hers, his = (self.by_session(self.alice_token, path) for path in ("alice/report.txt", "bob/secret.txt"))
        for end, want in (("ROLLBACK", ("OK", "ENOENT")), ("COMMIT", ("ENOENT", "OK"))):
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM owners WHERE path = 'alice'")
            writer.execute("INSERT INTO grants (principal, path) VALUES (?, 'bob')", (f"uid:{self.alice}",))
            self.assertEqual((outcome(read, hers), outcome(read, his)), ("OK", "ENOENT"))
            writer.execute(end)
            self.assertEqual((outcome(read, hers), outcome(read, his)), want)

    @decided_anew
    def test_no_open_that_starts_after_the_commit_succeeds(self):
        """Promise 2: with two processes that open without pause."""
        path = str(self.by_session(self.alice_token, "alice/report.txt"))
        writer = sqlite3.connect(self.site.db, isolation_level=None, timeout=10)
        self.addCleanup(writer.close)
        ends = [self.actor(0) for _ in range(2)]
        for _ in range(10):
            PROGRESS.seek(0)
            PROGRESS.write(bytes(len(ends)))
            for i, actor in enumerate(ends):
                actor.start(successes_until_refused, path, i, PATIENCE_SECONDS)
            wait_for(lambda: all(PROGRESS[:len(ends)]), what="both to have opened the file")
            writer.execute("DELETE FROM owners WHERE path = 'alice'")
            committed = time.monotonic()
            for actor in ends:
                last_start, refusal = actor.finish()
                self.assertLess(last_start, committed, "an open that started later succeeded")
                self.assertEqual(refusal, "ENOENT")
            writer.execute("INSERT INTO owners (path, principal) VALUES ('alice', ?)", (f"uid:{self.alice}",))


# Shared with Actors, which are forked: a byte each, not 0 once it has opened the file.
PROGRESS = mmap.mmap(-1, 16)


def successes_until_refused(path, mine, seconds):
    """Opens in a loop: when the last that succeeded began, and the refusal that ended it.

    A few more opens after the refusal must be refused as well.
    """
    deadline = time.monotonic() + seconds
    last = 0.0
    while time.monotonic() < deadline:
        start = time.monotonic()
        result = outcome(os.open, path, os.O_RDONLY)
        if result != "OK":
            after = {outcome(os.open, path, os.O_RDONLY) for _ in range(20)}
            return last, result if after == {result} else f"then {after}"
        last = start
        PROGRESS[mine] = 1
    return last, "never refused"


class Commands(TwoUsersTest):
    """When a command has returned, no later open succeeds."""

    def setUp(self):
        super().setUp()
        self.path = self.by_session(self.alice_token, "alice/report.txt")
        self.assertEqual(read(self.path), REPORT)

    def test_after_grantctl_revoke(self):
        """Promise 2."""
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.assert_absent(self.path)

    def test_after_grantctl_own_for_another(self):
        """Promise 2."""
        self.site.grantctl("own", f"uid:{self.bob}", "alice")
        self.assert_absent(self.path)
        self.assertEqual(read(self.by_session(self.bob_token, "alice/report.txt")), REPORT)

    def test_after_grantctl_mv(self):
        """Promise 2: access belongs to the path, and goes where the rule goes."""
        self.site.grantctl("mv", "alice", "elsewhere")
        self.assert_absent(self.path)

    def test_after_grantctl_drop(self):
        """Promise 2."""
        self.site.grantctl("drop", "alice")
        self.assert_absent(self.path)

    def test_after_grantctl_forget(self):
        """Promise 2: the sessions go too."""
        self.site.grantctl("forget", f"uid:{self.alice}")
        self.assert_errno(errno.EACCES, os.stat, self.path)

    def test_after_grantctl_session_rm(self):
        """Promise 2: by the token on standard input."""
        self.site.grantctl("session", "rm", "-", input=self.alice_token)
        self.assert_errno(errno.EACCES, os.stat, self.path)
        self.assertEqual(outcome(os.stat, self.by_session(self.bob_token)), "OK")

    def test_after_grantctl_group_rm(self):
        """Promise 2."""
        self.site.grantctl("group", "add", "group:team", f"uid:{self.alice}")
        self.site.grantctl("grant", "group:team", "bob")
        path = self.by_session(self.alice_token, "bob/secret.txt")
        self.assertEqual(outcome(read, path), "OK")
        self.site.grantctl("group", "rm", "group:team", f"uid:{self.alice}")
        self.assert_absent(path)


class Expiry(TwoUsersTest):
    def test_nothing_opens_at_or_after_an_expiry(self):
        """Promise 3: of a session, a grant, a membership and a link of a group chain, to the second."""
        expires = int(time.time()) + 2
        alice, bob = f"uid:{self.alice}", f"uid:{self.bob}"
        for name in ("grant", "member", "chain", "public"):
            self.site.write(f"{name}.txt", b"x")
        session = self.site.sql_session(alice, expires=expires)
        self.grant(bob, "grant.txt", expires)
        self.join(bob, "group:member", expires)
        self.grant("group:member", "member.txt")
        self.join(bob, "group:inner")
        self.join("group:inner", "group:chain", expires)
        self.grant("group:chain", "chain.txt")
        self.grant("public", "public.txt", expires)
        paths = {name: self.by_session(self.bob_token, f"{name}.txt") for name in ("grant", "member", "chain")}
        paths["public"] = self.site.path("public", "public.txt")
        paths["session"] = self.by_session(session, "alice/report.txt")
        last_success = dict.fromkeys(paths, 0)
        while (now := time.time()) < expires + 0.2:
            for name, path in paths.items():
                started = time.time()
                if outcome(os.open, path, os.O_RDONLY) == "OK":
                    last_success[name] = started
        for name, when in last_success.items():
            with self.subTest(name):
                self.assertLess(when, expires, "opened at or after its expiry")
                self.assertGreater(when, expires - 0.5, "was refused long before its expiry")
        self.assertEqual(outcome(os.stat, paths["session"]), "EACCES")
        self.assertEqual(outcome(os.stat, paths["grant"]), "ENOENT")
        self.assertGreater(now, expires)
        self.assertNotIn("grant.txt", names(self.by_session(self.bob_token)))

    def test_an_expired_rule_hides_the_folders_that_led_to_it(self):
        """Promise 3: passage needs a live rule below."""
        self.grant(f"uid:{self.bob}", "alice/deep/er", expires=int(time.time()) - 1)
        self.assert_absent(self.by_session(self.bob_token, "alice"))
        self.assertEqual(names(self.by_session(self.bob_token)), ["bob", "open"])

    def test_an_expired_grant_beside_a_live_one_takes_nothing_away(self):
        """Promise 3: rules add up; there are no deny entries."""
        self.grant(f"uid:{self.alice}", "alice/report.txt", expires=1)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)

    def test_an_extended_expiry_counts_at_once(self):
        """Promise 2: a new grant of time is a new grant."""
        self.grant(f"uid:{self.bob}", "alice", expires=1)
        path = self.by_session(self.bob_token, "alice/report.txt")
        self.assertEqual(outcome(read, path), "ENOENT")
        self.grant(f"uid:{self.bob}", "alice", expires=int(time.time()) + 100)
        self.assertEqual(outcome(read, path), "OK")


class Replacement(TwoUsersTest):
    @decided_anew
    def test_a_replaced_file_is_served_new_at_the_very_next_open(self):
        """Promise 14: size and bytes, though the old one is in the page cache and held open."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        for i in range(50):
            data = b"%d " % i * (1 + i * 37 % 1000)
            with open(path, "rb") as held:
                old = held.read()
                self.site.replace("alice/report.txt", data)
                self.assertEqual(os.stat(path).st_size, len(data))
                self.assertEqual(read(path), data)
                self.assertEqual(os.pread(held.fileno(), 1 << 20, 0), old)

    @decided_anew
    def test_a_file_written_in_place_is_served_new_at_the_next_open(self):
        """Promise 14: the same inode, other bytes and another size."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        for data in (b"A" * 10_000, b"B" * 10_000, b"C" * 3, b"D" * 20_000):
            self.site.write("alice/report.txt", data)
            self.assertEqual(read(path), data)
            self.assertEqual(os.stat(path).st_size, len(data))

    @decided_anew
    def test_a_reader_never_sees_two_files_mixed_nor_an_errno_of_the_race(self):
        """Promise 14: open, fstat and read while the file is replaced without pause."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        contents = [bytes([65 + i]) * (5000 * (i + 1)) for i in range(6)]
        self.site.replace("alice/report.txt", contents[0])
        stop = threading.Event()

        def replace():
            i = 0
            while not stop.is_set():
                i += 1
                self.site.replace("alice/report.txt", contents[i % len(contents)])

        thread = threading.Thread(target=replace)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        deadline = time.monotonic() + 2
        rounds, seen = 0, set()
        while time.monotonic() < deadline:
            fd = os.open(path, os.O_RDONLY)  # any errno here fails the test: the name always exists
            try:
                size = os.fstat(fd).st_size
                data = os.pread(fd, 1 << 20, 0)
                self.assertIn(data, contents)
                self.assertEqual(len(data), size)
                self.assertEqual(os.fstat(fd).st_size, size)
                seen.add(size)
                os.stat(path)
            finally:
                os.close(fd)
            rounds += 1
        self.assertGreater(rounds, 10)
        self.assertGreater(len(seen), 1, "the file was never replaced: nothing was tested")
