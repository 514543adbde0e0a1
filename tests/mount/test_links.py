"""Links, addresses, users whom servers authenticated, and tokens that have expired.

Promises 1 to 6, 8, 11 and 13 for by-link, by-user, from/<address> and expired.
"""

import concurrent.futures
import grp
import json
import os
import pathlib
import pwd
import resource
import sqlite3
import stat
import time

from fixture import REPORT, SECRET, TwoUsersTest, names, read
from harness import PATIENCE_SECONDS, as_user, outcome, token_id, wait_for

ADDRESS = "192.0.2.7"
ELSEWHERE = "192.0.2.8"


class LinkTest(TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.owner = f"uid:{self.alice}"

    def link(self, path, *options):
        return self.site.grantctl("link", "create", path, *options).stdout.strip()

    def by_link(self, token, *parts):
        return self.site.path("by-link", token, *parts)

    def coming_from(self, address, view, token, *parts):
        return self.site.path("from", address, view, token, *parts)


class Shown(LinkTest):
    def test_a_link_to_a_file_shows_that_file_and_nothing_else(self):
        """Promise 1: no sibling, no parent, whatever its principal may read besides."""
        self.site.write("alice/deep/er/other.txt", b"beside\n")
        door = self.by_link(self.link("alice/deep/er/note.txt"))
        self.assertEqual(names(door), ["note.txt"])
        self.assertEqual(read(door / "note.txt"), b"note\n")
        for name in ("other.txt", "alice", "er", "deep", "missing", "..."):
            self.assert_absent(door / name)
        self.assertEqual(outcome(os.listdir, door / ".."), "EACCES")
        self.assertEqual(stat.S_IMODE(os.stat(door).st_mode), 0o555)
        self.assertEqual(os.stat(door).st_size, 0)

    def test_a_forbidding_mount_does_not_tell_what_lies_beside_it(self):
        self.site.umount()
        self.site.mount("deny=forbid")
        door = self.by_link(self.link("alice/report.txt"))
        self.assertEqual(read(door / "report.txt"), REPORT)
        for name in ("deep", "missing"):
            self.assert_absent(door / name)

    def test_a_link_to_a_folder_shows_it_by_its_name(self):
        door = self.by_link(self.link("alice/deep"))
        self.assertEqual(names(door), ["deep"])
        self.assertEqual(names(door / "deep"), ["er"])
        self.assertEqual(read(door / "deep/er/note.txt"), b"note\n")
        self.assert_absent(door / "report.txt")

    def test_a_link_to_the_whole_store_shows_what_its_principal_sees(self):
        door = self.by_link(self.link(".", "--for", self.owner))
        self.assertEqual(names(door), ["alice", "open"])
        self.assertEqual(read(door / "alice/report.txt"), REPORT)
        self.assert_absent(door / "bob")

    def test_a_link_gives_no_more_than_its_principal_has(self):
        self.grant("user:c", "alice/deep/er/note.txt")
        self.site.write("alice/deep/er/other.txt", b"not c's\n")
        door = self.by_link(self.link("alice/deep", "--for", "user:c"))
        self.assertEqual(names(door / "deep/er"), ["note.txt"])
        self.assert_absent(door / "deep/er/other.txt")

    def test_anyone_with_the_token_passes_and_nobody_lists_the_tokens(self):
        token = self.link("alice/report.txt")
        path = str(self.by_link(token, "report.txt"))
        self.assertEqual(as_user(self.stranger, read, path), REPORT)
        for folder in ("by-link", "from", "expired", f"from/{ADDRESS}", f"from/{ADDRESS}/by-link"):
            self.assertEqual(stat.S_IMODE(os.stat(self.site.path(folder)).st_mode), 0o711, folder)
            self.assertEqual(as_user(self.stranger, outcome, os.listdir, str(self.site.path(folder))), "EACCES")
            self.assertEqual(outcome(os.listdir, self.site.path(folder)), "EACCES", folder)  # root
        self.assertNotIn(token, self.site.log())

    def test_a_token_counts_for_what_it_is_and_no_other(self):
        """Guessed, truncated, extended, of the other kind: EACCES at the door, ENOENT in expired."""
        link = self.link("alice/report.txt")
        for door in (self.by_link(self.alice_token), self.by_session(link), self.by_link(link[:-1]),
                     self.by_link(link + "a"), self.by_link(token_id(link)), self.by_link("x"), self.by_link(link.upper()),
                     self.by_link("y" * 255), self.coming_from(ADDRESS, "by-session", link)):
            for function in (os.stat, os.listdir):
                self.assertEqual(outcome(function, door), "EACCES", door)

    def test_a_link_that_leads_elsewhere_now_does_not_lead_where_it_did(self):
        token = self.link("alice/report.txt")
        self.assertEqual(names(self.by_link(token)), ["report.txt"])
        held = os.open(self.by_link(token), os.O_RDONLY)
        self.addCleanup(os.close, held)
        self.site.sql("UPDATE links SET path = 'alice/deep/er/note.txt'")
        self.site.recall()
        self.assertEqual(names(self.by_link(token)), ["note.txt"])
        self.assertEqual(read(self.by_link(token, "note.txt")), b"note\n")
        self.assert_absent(self.by_link(token, "report.txt"))
        for name in ("report.txt", "deep", "note.txt"):
            self.assertEqual(outcome(os.stat, name, dir_fd=held), "ENOENT")


    def test_a_link_that_leads_to_more_now_does_not_lead_where_it_did(self):
        """Its new path covers the old one, so that all that was lent is still allowed."""
        self.site.write("alice/deep/report.txt", b"another\n")
        token = self.link("alice/deep/report.txt")
        self.assertEqual(read(self.by_link(token, "report.txt")), b"another\n")
        self.site.sql("UPDATE links SET path = 'alice/report.txt'")
        self.site.recall()
        self.assertEqual(read(self.by_link(token, "report.txt")), REPORT)
        self.site.sql("UPDATE links SET path = '.'")
        self.site.recall()
        self.assertEqual(names(self.by_link(token)), ["alice", "open"])
        self.assertEqual(outcome(read, self.by_link(token, "report.txt")), "ENOENT")


class Ends(LinkTest):
    def test_every_way_of_ending_it_is_refused_when_it_returns(self):
        """Promise 2: rm, the owner's right, drop, forget, and an end by another writer."""
        for command in (("link", "rm", None), ("revoke", self.owner, "alice"), ("own", "user:new", "alice"),
                        ("drop", "alice"), ("forget", self.owner)):
            with self.subTest(command):
                self.own(self.owner, "alice")
                token = self.link("alice/deep")
                path = self.by_link(token, "deep/er/note.txt")
                self.assertEqual(read(path), b"note\n")
                self.site.grantctl(*(word or token_id(token) for word in command))
                for function in (read, os.stat):
                    self.assertEqual(outcome(function, path), "EACCES")
                self.assertEqual(outcome(os.listdir, self.by_link(token)), "EACCES")

    def test_revoked_while_it_is_read(self):
        """Promises 2 and 4: what is open stays, and nothing opens any more."""
        token = self.link("alice/report.txt")
        with open(self.by_link(token, "report.txt"), "rb") as held:
            self.assertEqual(held.read(3), REPORT[:3])
            self.site.grantctl("link", "rm", "-", input=token + "\n")
            self.assertEqual(held.read(), REPORT[3:])
            self.assertEqual(outcome(read, self.by_link(token, "report.txt")), "EACCES")

    def test_it_ends_with_its_expiry_and_is_marked_as_expired(self):
        """Promise 3, to the second; expired tells of that alone, and to whoever has the token."""
        end = int(time.time()) + 2
        token, lasting, removed = (self.link("alice/report.txt") for _ in range(3))
        session = self.site.sql_session(self.owner, expires=end)
        self.site.sql("UPDATE links SET expires = ? WHERE id = ?", (end, token_id(token)))
        self.site.grantctl("link", "rm", token_id(removed))
        marker = self.site.path("expired", token)
        path = self.by_link(token, "report.txt")
        first_refusal = None
        self.assert_absent(marker)
        while first_refusal is None:
            began = time.time()
            if outcome(read, path) != "OK":
                first_refusal = time.time()
                break
            self.assertLess(began, end)
        self.assertGreaterEqual(first_refusal, end - 0.1)
        for expired in (marker, self.site.path("expired", session)):
            wait_for(lambda: outcome(os.stat, expired) == "OK")
            self.assertEqual(read(expired), b"")
            self.assertEqual(stat.S_IFREG | 0o444, os.stat(expired).st_mode)
        for other in (lasting, removed, self.alice_token, "nonsense" * 4, token[:-1], token_id(token)):
            self.assert_absent(self.site.path("expired", other))
        self.assertEqual(outcome(os.stat, marker / "x"), "ENOTDIR")

    def test_nothing_else_is_disturbed(self):
        """A recall is precise: another link to the same file stays."""
        gone, kept = (self.link("alice/report.txt") for _ in range(2))
        for token in (gone, kept):
            self.assertEqual(read(self.by_link(token, "report.txt")), REPORT)
        self.site.grantctl("link", "rm", token_id(gone))
        self.assertEqual(outcome(read, self.by_link(gone, "report.txt")), "EACCES")
        self.assertEqual(read(self.by_link(kept, "report.txt")), REPORT)


class MovedLent(LinkTest):
    OPTIONS = "enforce=lease,lease=60"

    def test_whoever_works_below_a_link_that_moved_away_and_back_goes_no_further_once_it_ends(self):
        """Promises 2 and 4: his folder is not the one that the door leads to by now."""
        self.need_leases()
        token = self.link("alice/deep/er")
        folder = os.open(self.by_link(token, "er"), os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        for path in ("alice", "alice/deep/er"):
            self.site.sql("UPDATE links SET path = ?", (path,))
            self.site.recall()
            self.assertEqual(outcome(os.stat, self.by_link(token)), "OK")
        self.assertEqual(read(self.by_link(token, "er/note.txt")), b"note\n")
        for _ in range(2):
            self.assertEqual(outcome(os.stat, "note.txt", dir_fd=folder), "OK")  # lent to who is in there
        self.site.grantctl("revoke", self.owner, "alice")
        self.assertEqual(outcome(os.stat, "note.txt", dir_fd=folder), "ENOENT")


class Addresses(LinkTest):
    def test_what_is_bound_resolves_from_there_and_nowhere_else(self):
        link = self.link("alice/report.txt", "--address", "192.0.2.4/30")
        session = self.site.grantctl("session", "create", self.owner, "--address", ADDRESS).stdout.strip()
        for view, token, rest in (("by-link", link, "report.txt"), ("by-session", session, "alice/report.txt")):
            self.assertEqual(read(self.coming_from(ADDRESS, view, token, rest)), REPORT)
            self.assertEqual(outcome(read, self.site.path(view, token, rest)), "EACCES")
            self.assertEqual(outcome(read, self.coming_from(ELSEWHERE, view, token, rest)), "EACCES")
            self.assertEqual(outcome(read, self.coming_from("::1", view, token, rest)), "EACCES")

    def test_a_slash_64_and_mapped_addresses(self):
        link = self.link("alice/report.txt", "--address", "2001:db8:1:2::/64")
        for address, wanted in (("2001:db8:1:2::1", "OK"), ("2001:db8:1:2:ffff::", "OK"), ("2001:db8:1:3::1", "EACCES")):
            self.assertEqual(outcome(read, self.coming_from(address, "by-link", link, "report.txt")), wanted)
        mapped = self.link("alice/report.txt", "--address", ADDRESS)
        self.assertEqual(read(self.coming_from(f"::ffff:{ADDRESS}", "by-link", mapped, "report.txt")), REPORT)
        self.assertEqual(outcome(read, self.coming_from(f"::ffff:{ELSEWHERE}", "by-link", mapped, "report.txt")), "EACCES")

    def test_one_spelling_of_an_address(self):
        """Anything else than inet_ntop(3) writes is no address: nothing to spoof by."""
        link = self.link("alice/report.txt", "--address", "0.0.0.0/0")
        self.assertEqual(read(self.coming_from(ADDRESS, "by-link", link, "report.txt")), REPORT)
        for spelling in ("192.0.2.07", "192.0.2", "192.0.519", "0xc0.0.2.7", "3221225991", "192.0.2.7 ", " 192.0.2.7",
                         "192.0.2.7:80", "192.0.2.7/32", "[::1]", "::1%lo", "0:0:0:0:0:0:0:1", "::0001", "2001:DB8::1",
                         "::FFFF:192.0.2.7", "::ffff:c000:207", "unix:", "localhost", "192.0.2.7\n", "192.0.2.256", "x" * 255):
            self.assertNotEqual(outcome(os.stat, self.coming_from(spelling, "by-link", link)), "OK", spelling)
            if "/" not in spelling:
                self.assertEqual(outcome(os.stat, self.site.path("from", spelling)), "EACCES", spelling)

    def test_an_address_that_means_nothing_closes(self):
        for address in ("192.0.2.7/33", "192.0.2.0/-1", "any", "192.0.2.7/08"):
            session = self.site.sql_session(self.owner, address=address)
            self.assertEqual(outcome(os.listdir, self.coming_from(ADDRESS, "by-session", session)), "EACCES")

    def test_what_is_bound_to_none_resolves_from_any(self):
        link = self.link("alice/report.txt")
        self.assertEqual(read(self.coming_from(ADDRESS, "by-link", link, "report.txt")), REPORT)
        self.assertEqual(read(self.coming_from("::1", "by-session", self.alice_token, "alice/report.txt")), REPORT)
        for name in ("by-uid", "by-user", "me", "public", "from", "x"):
            self.assert_absent(self.site.path("from", ADDRESS, name))

    def test_revoking_reaches_every_address(self):
        link = self.link("alice/report.txt")
        paths = [self.coming_from(address, "by-link", link, "report.txt") for address in (ADDRESS, ELSEWHERE, "::1")]
        for path in paths:
            self.assertEqual(read(path), REPORT)
        self.site.grantctl("link", "rm", token_id(link))
        for path in paths:
            self.assertEqual(outcome(read, path), "EACCES")

    def test_binding_a_link_later_closes_it_elsewhere(self):
        link = self.link("alice/report.txt")
        self.assertEqual(read(self.by_link(link, "report.txt")), REPORT)
        self.site.sql("UPDATE links SET address = ?", (ADDRESS,))
        self.site.recall()
        self.assertEqual(outcome(read, self.by_link(link, "report.txt")), "EACCES")
        self.assertEqual(read(self.coming_from(ADDRESS, "by-link", link, "report.txt")), REPORT)


class UsesTest(LinkTest):
    WINDOW = 1

    def setUp(self):
        super().setUp()
        self.remount(self.WINDOW)

    @property
    def state(self):
        return pathlib.Path(f"{self.site.db}.state")

    def remount(self, window):
        self.site.umount()
        options = f"{self.OPTIONS}," if self.OPTIONS else ""
        self.site.mount(f"{options}use_window={window}")

    def counts(self):
        connection = sqlite3.connect(self.state)
        try:
            return sorted(connection.execute("SELECT client, used FROM uses").fetchall())
        finally:
            connection.close()


class Windows:
    def test_a_use_is_a_window_and_not_a_request(self):
        """Ranges, previews and listings of one visit count once; then the next begins, then none."""
        self.assertFalse(self.state.exists())
        path = self.by_link(self.link("alice/report.txt", "--uses", "2"), "report.txt")
        began = time.time()
        uses = 0
        while outcome(read, path) == "OK":
            uses += 1
            self.assertLess(time.time() - began, PATIENCE_SECONDS)
        self.assertGreater(uses, 2)
        # The first one ends a second after the whole second in which it began.
        self.assertGreater(time.time() - began, self.WINDOW)
        self.assertEqual(self.counts(), [("", 2)])
        self.assertEqual(stat.S_IMODE(self.state.stat().st_mode), 0o600)

    def test_whoever_is_inside_is_refused_when_the_use_ends(self):
        """A working directory leads past the door, not past the count."""
        token = self.link("alice/deep", "--uses", "1")
        inside = os.open(self.by_link(token, "deep"), os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, inside)
        self.assertEqual(outcome(os.stat, "er/note.txt", dir_fd=inside), "OK")
        wait_for(lambda: outcome(os.stat, "er/note.txt", dir_fd=inside) == "EACCES")
        self.assertEqual(outcome(os.listdir, self.by_link(token, "deep")), "EACCES")


class Uses(Windows, UsesTest):
    def test_link_ls_shows_the_uses_so_far_and_the_last(self):
        self.remount(600)
        token = self.link("alice/report.txt", "--uses", "5")
        self.link("alice/report.txt")

        def used():
            links = json.loads(self.site.grantctl("--json", "link", "ls").stdout)["links"]
            limited, unlimited = sorted(links, key=lambda link: link["id"] != token_id(token))
            self.assertIsNone(unlimited["used"])
            return limited["used"], limited["clients"], limited["last_used"]

        self.assertEqual(used(), (0, 0, None))
        self.assertEqual(read(self.by_link(token, "report.txt")), REPORT)
        times, clients, last = used()
        self.assertEqual((times, clients), (1, 1))
        self.assertAlmostEqual(last, time.time(), delta=PATIENCE_SECONDS)
        self.assertIn(time.strftime("%Y-%m-%dT", time.gmtime(last)), self.site.grantctl("link", "ls").stdout)

    def test_counts_are_kept_across_restarts(self):
        token = self.link("alice/report.txt", "--uses", "1")
        path = self.by_link(token, "report.txt")
        self.assertEqual(read(path), REPORT)
        wait_for(lambda: outcome(read, path) == "EACCES")
        self.remount(self.WINDOW)
        self.assertEqual(outcome(read, path), "EACCES")
        self.site.grantctl("link", "rm", token_id(token))

    def test_a_limit_on_the_size_of_files_closes_the_door_and_ends_nobody(self):
        """Promise 10: RLIMIT_FSIZE, as of a unit's LimitFSIZE=."""
        resource.prlimit(self.site.daemon_pid, resource.RLIMIT_FSIZE, (0, 0))
        self.assertEqual(outcome(read, self.by_link(self.link("alice/report.txt", "--uses", "1"), "report.txt")), "EACCES")
        self.assert_daemon_lives()
        self.assertEqual(read(self.by_link(self.link("alice/report.txt"), "report.txt")), REPORT)

    def test_a_use_under_way_goes_on_after_a_restart(self):
        self.remount(600)
        path = self.by_link(self.link("alice/report.txt", "--uses", "1"), "report.txt")
        self.assertEqual(read(path), REPORT)
        self.remount(600)
        self.assertEqual(read(path), REPORT)

    def test_clients_are_counted_apart_and_parallel_opens_together(self):
        self.remount(600)
        token = self.link("alice/report.txt", "--uses", "1")
        paths = [self.coming_from(address, "by-link", token, "report.txt")
                 for address in (ADDRESS, ELSEWHERE, "2001:db8::1", "2001:db8::2")] + [self.by_link(token, "report.txt")]
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            self.assertEqual(set(pool.map(read, paths * 20)), {REPORT})
        rows = self.counts()
        self.assertEqual(rows, [("", 1), (ADDRESS, 1), (ELSEWHERE, 1), ("2001:db8::/64", 1)])

    def test_it_is_closed_where_it_cannot_be_counted(self):
        """Promise 1: a state database that is damaged, foreign, locked or a symbolic link denies."""
        token = self.link("alice/report.txt", "--uses", "5")
        path = self.by_link(token, "report.txt")
        other = self.link("alice/report.txt")
        target = self.site.root / "target.db"

        def foreign():
            sqlite3.connect(self.state).execute("CREATE TABLE songs (title)").connection.commit()

        for spoil in (lambda: self.state.write_bytes(b"no database" * 100), foreign, lambda: self.state.mkdir(),
                      lambda: self.state.symlink_to(target)):
            spoil()
            self.assertEqual(outcome(read, path), "EACCES")
            self.assertEqual(read(self.by_link(other, "report.txt")), REPORT)
            os.rmdir(self.state) if self.state.is_dir() else self.state.unlink()
        self.assertFalse(target.exists())
        self.assertIn("access is denied", self.site.log())
        self.assertNotIn(token, self.site.log())
        self.assertEqual(read(path), REPORT)

    def test_fewer_uses_take_effect_at_once(self):
        self.remount(600)
        token = self.link("alice/report.txt")
        path = self.by_link(token, "report.txt")
        self.assertEqual(read(path), REPORT)
        self.site.sql("UPDATE links SET uses = 1")
        self.site.recall()
        self.assertEqual(read(path), REPORT)
        self.assertEqual(self.counts(), [("", 1)])


class LentUses(Windows, UsesTest):
    """Nothing is lent beyond the end of a use."""

    OPTIONS = "enforce=lease,lease=60"


class ByUser(LinkTest):
    def setUp(self):
        super().setUp()
        self.account = pwd.getpwnam("www-data")
        self.group = grp.getgrnam("www-data").gr_gid
        self.site.write("alice/hers.txt", b"user alice's\n")
        self.own("user:alice", "alice/hers.txt")

    def serving(self):
        self.site.umount()
        self.site.mount("server_group=www-data,by_user=www-data")

    def by_user(self, name, *parts):
        return str(self.site.path("by-user", name, *parts))

    def test_there_is_none_that_was_not_asked_for(self):
        """Promise 1: the group that may use tokens is not trusted with names."""
        for options in ("", "server_group=www-data", "views=by-session:public"):
            self.site.umount()
            self.site.mount(options)
            server = self.actor(self.account.pw_uid, gid=self.group)
            self.assertEqual(server.outcome(os.stat, str(self.site.path("by-user"))), "ENOENT")
            self.assertEqual(server.outcome(os.stat, self.by_user("alice", "alice/hers.txt")), "ENOENT")
            self.assertNotIn("by-user", names(self.site.mountpoint))

    def test_its_group_may_be_another_than_that_of_tokens(self):
        self.site.umount()
        self.site.mount("server_group=www-data,by_user=daemon")
        trusted = grp.getgrnam("daemon").gr_gid
        server, authenticator = self.actor(self.account.pw_uid, gid=self.group), self.actor(self.stranger, gid=trusted)
        self.assertEqual(server.outcome(read, self.by_user("alice", "alice/hers.txt")), "EACCES")
        self.assertEqual(authenticator.outcome(read, self.by_user("alice", "alice/hers.txt")), "OK")
        self.assertEqual(authenticator.outcome(os.stat, str(self.site.path("by-session", self.alice_token))), "EACCES")
        self.assertEqual(server.outcome(os.stat, str(self.site.path("by-session", self.alice_token))), "OK")

    def test_servers_alone_pass(self):
        self.serving()
        self.assertIn("by-user", names(self.site.mountpoint))
        shown = os.stat(self.site.path("by-user"))
        self.assertEqual((stat.S_IMODE(shown.st_mode), shown.st_uid, shown.st_gid), (0o710, 0, self.group))
        server = self.actor(self.account.pw_uid, gid=self.group)
        stranger = self.actor(self.stranger)
        self.assertEqual(server.call(read, self.by_user("alice", "alice/hers.txt")), b"user alice's\n")
        self.assertEqual(server.call(names, self.by_user("alice")), ["alice", "open"])
        self.assertEqual(server.outcome(os.stat, self.by_user("alice", "alice/report.txt")), "ENOENT")
        self.assertEqual(server.outcome(os.stat, self.by_user("bob", "alice/hers.txt")), "ENOENT")
        self.assertEqual(server.outcome(os.listdir, str(self.site.path("by-user"))), "EACCES")
        for path in (self.by_user("alice", "alice/hers.txt"), self.by_user("alice"), str(self.site.path("from", ADDRESS)),
                     str(self.site.path("by-link", "x" * 32)), str(self.site.path("expired", "x" * 32))):
            self.assertEqual(stranger.outcome(os.stat, path), "EACCES")
        for name in ("a\nb", "a\x7fb", "x" * 255):
            self.assertIn(server.outcome(os.stat, self.by_user(name, "alice/hers.txt")), ("EACCES", "ENOENT"))

    def test_a_name_is_the_applications_and_never_the_machines(self):
        self.serving()
        server = self.actor(self.account.pw_uid, gid=self.group)
        for name in (f"uid:{self.alice}", str(self.alice), "user:alice", "group:g", "public"):
            self.assertEqual(server.outcome(os.stat, self.by_user(name, "alice")), "ENOENT", name)

    def test_losing_a_grant_and_a_group_is_refused_at_once(self):
        self.serving()
        server = self.actor(self.account.pw_uid, gid=self.group)
        self.join("user:alice", "group:g")
        self.grant("group:g", "bob")
        self.assertEqual(server.call(read, self.by_user("alice", "bob/secret.txt")), SECRET)
        self.site.grantctl("group", "rm", "group:g", "user:alice")
        self.assertEqual(server.outcome(read, self.by_user("alice", "bob/secret.txt")), "ENOENT")
        self.site.grantctl("revoke", "user:alice", "alice/hers.txt")
        self.assertEqual(server.outcome(read, self.by_user("alice", "alice/hers.txt")), "ENOENT")


class Json(LinkTest):
    def test_what_create_prints_is_where_it_is(self):
        made = json.loads(self.site.grantctl("--json", "link", "create", "alice/deep", "--url-prefix", "https://x.org/l").stdout)
        self.assertEqual(made["url"], f"https://x.org/l/{made['token']}/deep/")
        self.assertEqual(names(self.by_link(made["token"], "deep")), ["er"])
        checked = self.site.grantctl("check", "link:-", "alice/deep/er", input=made["token"] + "\n")
        self.assertIn("allow: link:", checked.stdout)
