"""Promises 2, 3, 4, 13 and 14 with leases: what the kernel is lent, and how it is taken back."""

import grp
import os
import time

from fixture import REPORT, TwoUsersTest, read
from harness import outcome, serve, token_id, wait_for

#: What a web server does with one file.
UPCALLS = ("lookup", "getattr", "readlink", "open", "read", "release", "opendir", "readdir", "releasedir")


class LeaseTest(TwoUsersTest):
    #: Long enough that no lease ends by itself within a case.
    OPTIONS = "enforce=lease,lease=60"

    def setUp(self):
        super().setUp()
        self.need_leases()

    def upcalls(self):
        counters = self.site.counters()
        return {name: counters[f"upcalls_{name}"] for name in UPCALLS}

    def upcalls_of(self, action):
        """What the kernel asked while `action()` ran, without what it did not ask."""
        before = self.upcalls()
        action()
        after = self.upcalls()
        return {name: after[name] - before[name] for name in UPCALLS if after[name] != before[name]}

    def recalled(self):
        """Has what was committed recalled, as grantctl does."""
        self.site.recall()

    def counted(self, name):
        return self.site.counters()[name]


class Upcalls(LeaseTest):
    def test_a_hot_request_costs_none(self):
        """Promise 13: by-session and public, ten requests after the first."""
        for path in (self.by_session(self.alice_token, "alice/deep/er/note.txt"), self.site.path("public", "open/welcome.txt")):
            serve(path)
            self.assertEqual(self.upcalls_of(lambda: [serve(path) for _ in range(10)]), {})

    def test_a_hot_request_by_link_and_by_user_costs_none(self):
        """Promise 13: a link, from an address too; a user whom a server authenticated."""
        self.site.umount()
        self.site.mount(self.OPTIONS + ",server_group=www-data,by_user=www-data")
        link = self.site.grantctl("link", "create", "alice/deep").stdout.strip()
        bound = self.site.grantctl("link", "create", "alice/deep", "--address", "192.0.2.0/24").stdout.strip()
        self.grant("user:a", "alice/deep")
        self.recalled()  # while a commit is looked at, nothing is lent
        server = self.actor(33, gid=grp.getgrnam("www-data").gr_gid)
        inodes = set()
        for path in (self.site.path("by-link", link, "deep/er/note.txt"), self.site.path("by-user/a/alice/deep/er/note.txt"),
                     self.site.path("from/192.0.2.1/by-link", bound, "deep/er/note.txt")):
            self.assertEqual(server.call(serve, str(path)), b"note\n")
            self.assertEqual(self.upcalls_of(lambda: [server.call(serve, str(path)) for _ in range(10)]), {}, path)
            inodes.add(server.call(os.stat, str(path)).st_ino)
        self.assertEqual(len(inodes), 1, "they share the file's node, and its bytes")

    def test_a_link_with_uses_asks_at_its_door_alone(self):
        link = self.site.grantctl("link", "create", "alice/deep", "--uses", "1").stdout.strip()
        path = self.site.path("by-link", link, "deep/er/note.txt")
        self.recalled()
        serve(path)
        hot = self.upcalls_of(lambda: [serve(path) for _ in range(10)])
        self.assertEqual(hot.pop("lookup"), 10)
        self.assertLessEqual(set(hot), {"getattr"})

    def test_a_cold_request_costs_one_lookup_for_each_new_component(self):
        """No GETATTR, no OPEN; one READ for the bytes, if nobody has read them."""
        serve(self.site.path("public", "open/welcome.txt"))  # the mount's own folders, and the first OPEN
        warm = self.by_session(self.alice_token, "alice/report.txt")
        self.assertEqual(self.upcalls_of(lambda: serve(warm)), {"lookup": 4, "read": 1})
        self.assertEqual(self.upcalls_of(lambda: serve(self.by_session(self.alice_token, "alice/deep/er/note.txt"))),
                         {"lookup": 3, "read": 1})

    def test_bytes_are_cached_once_for_all_sessions(self):
        """A second session that reads the same file asks for its name, not for its bytes, where none but servers have both."""
        self.site.umount()
        self.site.mount(self.OPTIONS + ",server_group=www-data")
        self.grant(f"uid:{self.bob}", "alice")
        self.recalled()
        serve(self.by_session(self.alice_token, "alice/report.txt"))
        serve(self.by_session(self.bob_token, "bob/secret.txt"))
        again = self.upcalls_of(lambda: serve(self.by_session(self.bob_token, "alice/report.txt")))
        self.assertEqual(again, {"lookup": 2})
        self.assertEqual(os.stat(self.by_session(self.alice_token, "alice/report.txt")).st_ino,
                         os.stat(self.by_session(self.bob_token, "alice/report.txt")).st_ino)

    def test_without_a_servers_group_each_session_reads_for_itself(self):
        """Promise 5: whether the bytes were read before would tell of another."""
        self.grant(f"uid:{self.bob}", "alice")
        self.recalled()
        serve(self.by_session(self.alice_token, "alice/report.txt"))
        serve(self.by_session(self.bob_token, "bob/secret.txt"))
        self.assertEqual(self.upcalls_of(lambda: serve(self.by_session(self.bob_token, "alice/report.txt"))), {"lookup": 2, "read": 1})
        self.assertEqual(self.upcalls_of(lambda: serve(self.by_session(self.bob_token, "alice/report.txt"))), {})

    def test_a_users_own_view_is_asked_for_at_every_step(self):
        """Promise 8: root must not walk on through what the kernel remembers of another's view."""
        alice = self.actor(self.alice)
        path = self.by_uid(self.alice, "alice/report.txt")
        self.assertEqual(alice.call(read, path), REPORT)
        self.assertEqual(self.upcalls_of(lambda: alice.call(serve, path))["lookup"], 3)
        self.assertEqual(outcome(serve, path), "EACCES")  # root


class Recall(LeaseTest):
    def test_every_way_of_taking_away_is_refused_when_it_returns(self):
        """Promise 2: revoke, own, drop, forget, mv, session rm, group rm; each with a warm path."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        user = f"uid:{self.alice}"

        def with_a_session():
            self.site.sql("INSERT OR REPLACE INTO sessions (id, principal) VALUES (?, ?)", (token_id(self.alice_token), user))

        for command, refusal, restore in (
                (("revoke", user, "alice"), "ENOENT", lambda: self.own(user, "alice")),
                (("own", "user:new", "alice"), "ENOENT", lambda: self.own(user, "alice")),
                (("drop", "alice"), "ENOENT", lambda: self.own(user, "alice")),
                (("mv", "alice", "alice2"), "ENOENT", lambda: self.site.grantctl("mv", "alice2", "alice")),
                (("session", "rm", token_id(self.alice_token)), "EACCES", with_a_session),
                (("session", "rm", "--for", user), "EACCES", with_a_session),
                (("forget", user), "EACCES", lambda: (with_a_session(), self.own(user, "alice")))):
            with self.subTest(command):
                self.assertEqual(serve(path), REPORT)
                self.assertEqual(serve(path), REPORT)
                self.site.grantctl(*command)
                for function in (serve, os.stat, os.listdir):
                    self.assertEqual(outcome(function, path), refusal)
                restore()
                self.assertEqual(serve(path), REPORT)

    def test_a_membership_that_ends_takes_what_came_by_it_and_nothing_else(self):
        """Promise 2: nested groups; the member's own files stay cached."""
        self.join(f"uid:{self.alice}", "group:inner")
        self.join("group:inner", "group:outer")
        self.grant("group:outer", "bob")
        self.recalled()
        by_group = self.by_session(self.alice_token, "bob/secret.txt")
        own = self.by_session(self.alice_token, "alice/report.txt")
        serve(by_group), serve(own)
        self.site.grantctl("group", "rm", "group:outer", "group:inner")
        self.assertEqual(outcome(serve, by_group), "ENOENT")
        self.assertEqual(self.upcalls_of(lambda: serve(own)), {})

    def test_others_leases_and_page_caches_stay(self):
        """Recall is precise: of two who hold the same file warm, one is asked again."""
        self.grant(f"uid:{self.bob}", "alice/report.txt")
        self.recalled()
        hers, his = (self.by_session(token, "alice/report.txt") for token in (self.alice_token, self.bob_token))
        elsewhere = self.by_session(self.bob_token, "bob/secret.txt")
        for path in (hers, his, elsewhere):
            serve(path)
        self.site.grantctl("revoke", f"uid:{self.bob}", "alice/report.txt")
        self.assertEqual(self.upcalls_of(lambda: serve(hers)), {})
        # Of the folder that lost an entry the kernel asks the attributes (fuse_dir_changed() in fs/fuse/dir.c); Linux 7.2 does not.
        self.assertIn(self.upcalls_of(lambda: serve(elsewhere)), ({"getattr": 1}, {}))
        self.assertEqual(outcome(serve, his), "ENOENT")

    def test_granting_and_extending_recall_nothing(self):
        """Nor does a change that concerns nothing that is lent."""
        serve(self.by_session(self.alice_token, "alice/report.txt"))
        self.recalled()
        before = self.counted("recalls"), self.counted("recalls_of_everything")
        self.site.grantctl("grant", f"uid:{self.bob}", "alice", "--expires", "1h")
        self.site.grantctl("grant", f"uid:{self.bob}", "alice", "--expires", "2h")
        self.site.grantctl("grant", f"uid:{self.bob}", "nobody")
        self.site.grantctl("revoke", f"uid:{self.bob}", "nobody")
        self.recalled()
        self.assertEqual((self.counted("recalls"), self.counted("recalls_of_everything")), before)

    def test_another_rule_that_still_lets_in_keeps_the_lease(self):
        """And what it rests on then is recalled in its turn."""
        self.grant(f"uid:{self.alice}", "alice/deep")
        self.recalled()  # while a commit is looked at, nothing is lent
        path = self.by_session(self.alice_token, "alice/deep/er/note.txt")
        serve(path)
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice/deep")
        self.assertEqual(self.upcalls_of(lambda: serve(path)), {})
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.assertEqual(outcome(serve, path), "ENOENT")

    def test_a_lease_that_came_to_rest_on_a_rule_above_ends_with_that(self):
        """The rule it was lent by goes first, while another of the same view stays below."""
        self.grant(f"uid:{self.alice}", "bob/secret.txt")
        path = self.by_session(self.alice_token, "bob")
        serve(path / "secret.txt")
        self.grant(f"uid:{self.alice}", "bob")
        self.site.write("bob/more.txt", b"more")
        serve(path / "more.txt")
        self.site.grantctl("revoke", f"uid:{self.alice}", "bob")
        self.assertEqual(outcome(serve, path / "more.txt"), "ENOENT")
        self.assertEqual(outcome(serve, path / "secret.txt"), "OK")

    def test_whoever_works_in_a_folder_goes_no_further(self):
        """Promise 4: of a working directory obtained before, itself, but not the names below it."""
        folder = os.open(self.by_session(self.alice_token, "alice"), os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        held = os.open("report.txt", os.O_RDONLY, dir_fd=folder)
        self.addCleanup(os.close, held)
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=folder), "ENOENT")
        self.assertEqual(outcome(os.open, "deep", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder), "ENOENT")
        self.assertEqual(os.pread(held, 100, 0), REPORT)

    def test_what_is_held_open_stays_readable_after_its_name_has_gone(self):
        """Promise 4: and reads its own file, by handle, though another has its name and nothing is cached."""
        big = os.urandom(1 << 20)
        self.site.write("alice/big", big)
        fd = os.open(self.by_session(self.alice_token, "alice/big"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.site.replace("alice/big", b"x" * (1 << 20))
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.assertEqual(os.pread(fd, 1 << 20, 0), big)


class PlainSql(LeaseTest):
    def assert_recalled_soon(self, path, statement, params=(), refusal="ENOENT"):
        self.assertEqual(outcome(serve, path), "OK")
        self.site.sql(statement, params)
        committed = time.monotonic()
        wait_for(lambda: outcome(serve, path) == refusal, what=f"{statement} to take effect")
        return time.monotonic() - committed

    def test_every_statement_that_takes_away_is_noticed(self):
        """Promise 2: delete, update of every column, replace, in every table."""
        alice, path = f"uid:{self.alice}", self.by_session(self.alice_token, "bob/secret.txt")
        session = (token_id(self.alice_token),)
        for give, take, refusal in (
                ("INSERT INTO grants (principal, path) VALUES (:a, 'bob')", "DELETE FROM grants WHERE path = 'bob'", "ENOENT"),
                ("INSERT INTO grants (principal, path) VALUES (:a, 'bob')", "UPDATE grants SET path = 'bob2' WHERE path = 'bob'", "ENOENT"),
                ("INSERT INTO grants (principal, path) VALUES (:a, 'bob')", "UPDATE grants SET principal = 'user:x' WHERE path = 'bob'", "ENOENT"),
                ("INSERT INTO grants (principal, path) VALUES (:a, 'bob')", "UPDATE grants SET expires = 1 WHERE path = 'bob'", "ENOENT"),
                ("INSERT INTO grants (principal, path) VALUES (:a, 'bob')",
                 "INSERT OR REPLACE INTO grants (principal, path, expires) VALUES (:a, 'bob', 1)", "ENOENT"),
                ("INSERT OR REPLACE INTO owners (path, principal) VALUES ('bob', :a)",
                 "INSERT OR REPLACE INTO owners (path, principal) VALUES ('bob', 'user:x')", "ENOENT"),
                ("INSERT INTO members VALUES (1, :a, 'group:g', NULL)", "DELETE FROM members", "ENOENT"),
                ("INSERT INTO members VALUES (1, :a, 'group:g', NULL)", "UPDATE members SET expires = 1", "ENOENT"),
                ("INSERT INTO members VALUES (1, :a, 'group:g', NULL)", "INSERT OR REPLACE INTO members VALUES (1, 'user:y', 'group:g', NULL)", "ENOENT"),
                ("INSERT INTO grants (principal, path) VALUES (:a, 'bob')", f"UPDATE sessions SET expires = 1 WHERE id = '{session[0]}'", "EACCES"),
                ("SELECT 1", f"UPDATE sessions SET address = '10.0.0.0/8' WHERE id = '{session[0]}'", "EACCES"),
                ("SELECT 1", f"DELETE FROM sessions WHERE id = '{session[0]}'", "EACCES")):
            with self.subTest(take):
                for table in ("grants", "members"):
                    self.site.sql(f"DELETE FROM {table}")
                self.grant("group:g", "bob")
                self.site.sql("INSERT OR REPLACE INTO sessions (id, principal) VALUES (?, ?)", (*session, alice))
                if "grants" in give or "owners" in give or give == "SELECT 1":
                    self.site.sql("DELETE FROM grants")
                if give == "SELECT 1":
                    give = "INSERT INTO grants (principal, path) VALUES (:a, 'bob')"
                self.site.sql(give, {"a": alice} if ":a" in give else ())
                self.assert_recalled_soon(path, take, {"a": alice} if ":a" in take else (), refusal)
                self.own(f"uid:{self.bob}", "bob")

    def test_a_dropped_trigger_recalls_everything(self):
        """What the feed cannot explain: the commit itself, and every one after it."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        serve(path)
        for (trigger,) in self.site.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            self.site.sql(f"DROP TRIGGER {trigger}")
        self.recalled()
        self.assert_recalled_soon(path, "DELETE FROM owners WHERE path = 'alice'")

    def test_a_database_replaced_by_an_older_one_recalls_everything(self):
        """Restored from a backup in which the grant was not there yet."""
        self.site.sql(f"VACUUM INTO '{self.site.root}/backup.db'")
        os.chmod(self.site.root / "backup.db", 0o600)
        self.grant(f"uid:{self.alice}", "bob")
        path = self.by_session(self.alice_token, "bob/secret.txt")
        serve(path)
        for suffix in ("-wal", "-shm"):
            if os.path.exists(f"{self.site.db}{suffix}"):
                os.unlink(f"{self.site.db}{suffix}")
        os.rename(self.site.root / "backup.db", self.site.db)
        wait_for(lambda: outcome(serve, path) == "ENOENT", what="the restored database to count")


class Expiry(LeaseTest):
    def assert_closed_from(self, path, expires, refusal):
        """No open that starts at or after the expiry succeeds; before it, they do."""
        opened = 0
        while True:
            started = time.time()
            result = outcome(serve, path)
            if started >= expires:
                self.assertEqual(result, refusal, f"{started - expires:.6f} s after the expiry")
                if started > expires + 0.3:
                    break
            elif result == "OK":
                opened += 1
        self.assertGreater(opened, 100)

    def test_a_session_closes_on_the_second(self):
        """Promise 3: with a lease of a minute, by opens without pause."""
        expires = int(time.time()) + 2
        token = self.site.sql_session(f"uid:{self.alice}", expires)
        self.assert_closed_from(self.by_session(token, "alice/report.txt"), expires, "EACCES")

    def test_a_grant_and_a_membership_close_on_the_second(self):
        """Promise 3: both at once, each by its own path."""
        expires = int(time.time()) + 2
        self.grant(f"uid:{self.alice}", "bob", expires)
        self.assert_closed_from(self.by_session(self.alice_token, "bob/secret.txt"), expires, "ENOENT")
        expires = int(time.time()) + 2
        self.join(f"uid:{self.alice}", "group:g", expires)
        self.grant("group:g", "nobody")
        self.assert_closed_from(self.by_session(self.alice_token, "nobody/unregistered.txt"), expires, "ENOENT")


class ShortLease(LeaseTest):
    OPTIONS = "enforce=lease,lease=1"

    def test_what_changes_in_the_store_shows_when_the_lease_is_over(self):
        """Promise 14: replaced, grown, truncated and removed."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        for change, want in ((lambda: self.site.replace("alice/report.txt", b"another\n"), b"another\n"),
                             (lambda: self.site.write("alice/report.txt", b"longer than it was before\n"), b"longer than it was before\n"),
                             (lambda: self.site.write("alice/report.txt", b"short\n"), b"short\n")):
            before = serve(path)
            changed = time.monotonic()
            change()
            while (now := serve(path)) != want:
                # Between fstat and read a file written in place may change, as on the disk itself.
                self.assertIn(now, (before, want, want[:len(before)]))
                self.assertLess(time.monotonic() - changed, 3)
        os.unlink(self.site.store / "alice/report.txt")
        wait_for(lambda: outcome(serve, path) == "ENOENT", what="the removed file to go")

    def test_a_stopped_daemon_is_bounded_by_the_lease(self):
        """Promise 3: SIGSTOP; nothing is answered from the cache once the lease is over."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        serve(path)
        actor = self.actor(33)
        with self.site.stopped():
            time.sleep(1.2)  # the lease itself: what is waited for is that nothing happens
            actor.start(outcome, serve, path)
            self.site.sql("DELETE FROM sessions")
        self.assertEqual(actor.finish(), "EACCES")


class Deleted(TwoUsersTest):
    def test_what_is_open_is_read_though_it_was_deleted_before_its_first_byte_was(self):
        """Promise 4: in every way of enforcing and reading."""
        for options in ("enforce=lease", "enforce=open", "enforce=open,passthrough=off"):
            with self.subTest(options):
                self.site.umount()
                self.site.write("alice/gone", b"still here\n")
                self.site.mount(options)
                fd = os.open(self.by_session(self.alice_token, "alice/gone"), os.O_RDONLY)
                os.unlink(self.site.store / "alice/gone")
                self.assertEqual(os.read(fd, 100), b"still here\n")
                os.close(fd)


class Open(TwoUsersTest):
    """enforce=open: names are lent as with leases, and every open is asked for besides."""

    OPTIONS = "enforce=open,lease=60"
    upcalls, upcalls_of = LeaseTest.upcalls, LeaseTest.upcalls_of

    def test_a_hot_request_costs_an_open_and_its_release(self):
        path = self.by_session(self.alice_token, "alice/report.txt")
        serve(path)
        if not self.site.status()["passthrough"]:
            self.skipTest("without passthrough files are read through the daemon")
        before = self.upcalls()
        for _ in range(10):
            serve(path)
        wait_for(lambda: self.upcalls()["release"] == before["release"] + 10, what="the releases")
        after = self.upcalls()
        self.assertEqual({name: after[name] - before[name] for name in UPCALLS if after[name] != before[name]},
                         {"open": 10, "release": 10})

    def test_plain_sql_counts_at_the_very_next_open(self):
        """Promise 2: with the names warm in the kernel's cache."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        for _ in range(50):
            self.assertEqual(serve(path), REPORT)
            self.site.sql("DELETE FROM owners WHERE path = 'alice'")
            self.assertEqual(outcome(serve, path), "ENOENT")
            self.own(f"uid:{self.alice}", "alice")

    def test_a_replaced_or_changed_file_is_new_at_the_very_next_open(self):
        """Promise 14: size and bytes, though the kernel has the name and the attributes cached."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        for i in range(1, 50):
            data = bytes([i]) * (i * 100)
            (self.site.replace if i % 2 else self.site.write)("alice/report.txt", data)
            self.assertEqual(serve(path), data)
