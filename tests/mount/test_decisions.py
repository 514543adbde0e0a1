"""Promise 1: nothing without an affirmative decision of the policy."""

import errno
import hashlib
import mmap
import os
import pwd
import stat
import time

from fixture import REPORT, SECRET, WELCOME, PolicyTest, TwoUsersTest, names, read
from harness import as_user, decided_anew, outcome, token_id


class Owners(TwoUsersTest):
    def test_an_owner_reads_through_its_uid_and_its_session(self):
        """Promise 1: ownership of a folder is a decision for everything below it."""
        self.assertEqual(as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt")), REPORT)
        self.assertEqual(as_user(self.alice, read, self.site.path("me", "alice/report.txt")), REPORT)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/deep/er/note.txt")), b"note\n")

    def test_what_is_anothers_or_nobodys_does_not_exist(self):
        """Promise 1: neither in by-uid nor in by-session nor in public."""
        for view in (self.by_session(self.alice_token), self.site.path("public")):
            for path in ("bob", "bob/secret.txt", "nobody", "nobody/unregistered.txt", "missing"):
                with self.subTest(path):
                    self.assert_absent(view / path)
        alice = self.actor(self.alice)
        for path in ("bob", "bob/secret.txt", "nobody", "nobody/unregistered.txt", "missing"):
            self.assertEqual(alice.outcome(os.stat, self.by_uid(self.alice, path)), "ENOENT")
        self.assert_absent(self.site.path("public", "alice"))

    def test_what_is_public_is_in_every_view(self):
        """Promise 1: `public` is part of every identity."""
        self.assertEqual(read(self.site.path("public", "open/welcome.txt")), WELCOME)
        self.assertEqual(read(self.by_session(self.bob_token, "open/welcome.txt")), WELCOME)
        for uid in (self.alice, self.stranger):
            self.assertEqual(as_user(uid, read, self.site.path("me", "open/welcome.txt")), WELCOME)
        self.assertEqual(names(self.site.path("public")), ["open"])

    def test_a_stranger_has_a_view_with_what_is_public(self):
        """Promise 1: a uid that no rule names is an identity all the same."""
        self.assertEqual(as_user(self.stranger, names, self.site.path("me")), ["open"])

    def test_a_folder_that_leads_to_a_grant_shows_just_that(self):
        """Promise 1: passage is not access."""
        self.site.write("project/plan/draft.txt", b"draft")
        self.site.write("project/plan/final.txt", b"final")
        self.site.write("project/budget.txt", b"1000")
        self.grant(f"uid:{self.bob}", "project/plan/draft.txt")
        view = self.by_session(self.bob_token)
        self.assertEqual(names(view), ["bob", "open", "project"])
        self.assertEqual(names(view / "project"), ["plan"])
        self.assertEqual(names(view / "project/plan"), ["draft.txt"])
        self.assertEqual(read(view / "project/plan/draft.txt"), b"draft")
        self.assert_absent(view / "project/plan/final.txt")
        self.assert_absent(view / "project/budget.txt")

    def test_a_rule_on_a_name_that_is_not_in_the_store_shows_nothing(self):
        """Promise 1: a decision makes nothing exist."""
        self.grant(f"uid:{self.bob}", "ghost/file.txt")
        self.grant(f"uid:{self.bob}", "alice/report.txt/below")
        view = self.by_session(self.bob_token)
        self.assertEqual(names(view), ["alice", "bob", "open"])
        self.assert_absent(view / "ghost")
        # A file is no folder that leads to something, whatever a rule says of names below it.
        self.assert_absent(view / "alice/report.txt")
        self.assertEqual(names(view / "alice"), [])

    def test_a_grant_covers_neither_sisters_nor_prefixes(self):
        """Promise 1: `docs` covers `docs/…`, and none of the names that begin so."""
        for path in ("docs/in.txt", "docs2/x", "docs-private/x", "docs.txt", "docs!/x", "doc", "Docs/x", "docs0/x"):
            self.site.write(path, b"x")
        self.grant(f"uid:{self.bob}", "docs")
        view = self.by_session(self.bob_token)
        self.assertEqual(names(view), ["bob", "docs", "open"])
        for path in ("docs2/x", "docs-private/x", "docs.txt", "docs!/x", "doc", "Docs", "Docs/x", "docs0", "docs "):
            self.assert_absent(view / path)

    def test_names_are_no_patterns(self):
        """Promise 1: %, _, *, ? and [ stand for themselves."""
        for path in ("ax/f", "a_/f", "a%/f", "a*/f", "a?/f", "a[x]/f"):
            self.site.write(path, b"f")
        for path in ("a_", "a%", "a*", "a?", "a[x]"):
            self.grant(f"uid:{self.bob}", path)
        view = self.by_session(self.bob_token)
        self.assertEqual(names(view), sorted(["a_", "a%", "a*", "a?", "a[x]", "bob", "open"]))
        self.assert_absent(view / "ax/f")

    def test_a_grant_on_the_whole_store_shows_the_whole_store(self):
        """Promise 1: the empty path is the store."""
        self.grant(f"uid:{self.stranger}", ".")
        stranger = self.actor(self.stranger)
        self.assertEqual(stranger.call(names, self.site.path("me")), ["alice", "bob", "nobody", "open"])
        self.assertEqual(stranger.call(read, self.site.path("me", "bob/secret.txt")), SECRET)

    def test_dot_dot_leads_out_of_a_folder_but_not_past_a_decision(self):
        """Promise 1: what `..` leads to is looked up and decided like anything else."""
        view = self.by_session(self.alice_token)
        self.assertEqual(read(view / "alice/deep/../report.txt"), REPORT)
        self.assertEqual(outcome(os.stat, view / "alice/../bob/secret.txt"), "ENOENT")
        self.assertEqual(outcome(os.listdir, view / "alice/../.."), "EACCES")


class Groups(TwoUsersTest):
    def test_members_of_nested_groups_are_let_in_and_cycles_end(self):
        """Promise 1: membership is transitive; a cycle is harmless."""
        self.site.write("team/plan.txt", b"plan")
        self.join(f"uid:{self.bob}", "group:inner")
        self.join("group:inner", "group:outer")
        self.join("group:outer", "group:inner")
        self.grant("group:outer", "team")
        self.assertEqual(read(self.by_session(self.bob_token, "team/plan.txt")), b"plan")
        self.assert_absent(self.by_session(self.alice_token, "team/plan.txt"))

    def test_an_expired_membership_in_a_chain_breaks_it(self):
        """Promise 1: every link of the chain must be live."""
        self.site.write("team/plan.txt", b"plan")
        self.join(f"uid:{self.bob}", "group:inner")
        self.join("group:inner", "group:outer", expires=1)
        self.grant("group:outer", "team")
        self.assert_absent(self.by_session(self.bob_token, "team/plan.txt"))

    def test_system_groups_are_those_of_the_database_not_of_the_process(self):
        """Promise 1: gid:N follows the system's group database; a process's groups prove nothing."""
        account = pwd.getpwnam("www-data")
        self.site.write("www/page.txt", b"page")
        self.grant(f"gid:{account.pw_gid}", "www")
        self.assertEqual(as_user(account.pw_uid, read, self.site.path("me", "www/page.txt"), groups=()), b"page")
        self.assertEqual(as_user(self.stranger, outcome, os.stat, self.site.path("me", "www/page.txt"),
                                 gid=account.pw_gid, groups=[account.pw_gid]), "ENOENT")


class Doors(TwoUsersTest):
    def test_only_a_live_session_passes(self):
        """Promise 1: unknown, expired, address-bound, malformed, and the id instead of the token: EACCES."""
        now = int(time.time())
        alice = f"uid:{self.alice}"
        refused = {
            "unknown": "a" * 32,
            "expired": self.site.sql_session(alice, expires=now - 1),
            "expires now": self.site.sql_session(alice, expires=now),
            "expired in 1970": self.site.sql_session(alice, expires=0),
            "bound to an address": self.site.sql_session(alice, address="127.0.0.1"),
            "its id": token_id(self.alice_token),
            "upper case": self.alice_token.upper() if self.alice_token.upper() != self.alice_token else "A" * 32,
            "a part of it": self.alice_token[:-1],
            "more than it": self.alice_token + "a",
            "with a newline": self.alice_token + "\n",
            "with a space": self.alice_token + " ",
            "255 bytes": "a" * 255,
            "not UTF-8": os.fsdecode(b"\xff\xfe"),
            "an SQL pattern": "%",
            "a quote": "' OR '1'='1",
            "listed elsewhere": "public",
        }
        for what, token in refused.items():
            with self.subTest(what):
                for path in (self.by_session(token), self.by_session(token, "alice/report.txt")):
                    for function in (os.stat, os.listdir, read):
                        self.assertEqual(outcome(function, path), "EACCES")
        later = self.site.sql_session(alice, expires=now + 1000)
        self.assertEqual(read(self.by_session(later, "alice/report.txt")), REPORT)

    def test_a_session_whose_principal_owns_nothing_has_an_empty_view(self):
        """Promise 1: it passes the door; that alone shows what is public."""
        token = self.site.sql_session("user:newcomer")
        self.assertEqual(names(self.by_session(token)), ["open"])

    def test_only_a_canonical_uid_has_a_door(self):
        """Promise 1: 007 is nobody, and so is what does not fit a uid."""
        alice = self.actor(self.alice)
        for name in (f"0{self.alice}", f"+{self.alice}", f"-{self.alice}", f" {self.alice}", f"{self.alice} ", "-1", "007", "00",
                     "4294967295", str(2**32 + self.alice), str(2**64 + self.alice), "alice", "0x10", f"{self.alice}.0",
                     f"{self.alice}\n", "me", "١"):
            with self.subTest(name):
                self.assertEqual(alice.outcome(os.stat, self.site.path("by-uid", name)), "ENOENT")
        self.assertEqual(alice.outcome(os.stat, self.by_uid(self.alice)), "OK")

    def test_me_is_whoever_asks(self):
        """Promise 1: resolved for each caller."""
        me = self.site.path("me")
        self.assertTrue(stat.S_ISLNK(os.lstat(me).st_mode))
        for uid in (self.alice, self.bob, self.alice, 0):
            self.assertEqual(as_user(uid, os.readlink, me), f"by-uid/{uid}")

    def test_the_root_shows_its_views_and_their_modes(self):
        """Promise 1: by-uid and by-session may be passed, not listed, watched or searched."""
        self.assertEqual(names(self.site.mountpoint), ["by-link", "by-md5", "by-process", "by-session", "by-signature", "by-uid", "expired", "from", "me", "public"])
        modes = {view: stat.S_IMODE(os.stat(self.site.path(view)).st_mode) for view in ("", "by-uid", "by-session", "public")}
        self.assertEqual(modes, {"": 0o555, "by-uid": 0o711, "by-session": 0o711, "public": 0o555})
        for uid in (0, self.alice):
            for view in ("by-uid", "by-process", "by-session", "by-link", "by-signature", "by-md5", "from", "expired"):
                self.assertEqual(as_user(uid, outcome, os.listdir, self.site.path(view)), "EACCES")

    def test_there_is_no_view_that_was_not_asked_for(self):
        """Promise 1: by-user is there with by_user= alone; of the others those that views= names."""
        self.assert_absent(self.site.path("by-user"))
        self.site.umount()
        self.site.mount("views=by-session:from:public")
        self.assertEqual(names(self.site.mountpoint), ["by-session", "from", "public"])
        for path in ("me", "by-uid", "by-process", "by-link", "by-signature", "by-md5", "expired", "by-user", f"by-uid/{self.alice}",
                     "from/192.0.2.1/by-link", "from/192.0.2.1/expired", "from/192.0.2.1/by-md5"):
            self.assert_absent(self.site.path(path))
        for path in ("by-session", self.by_session(self.alice_token), "from/192.0.2.1/by-session", "public"):
            self.assertEqual(outcome(os.stat, self.site.path(path)), "OK")


class ServerGroup(TwoUsersTest):
    OPTIONS = "server_group=www-data"

    def test_only_the_servers_group_passes_by_session(self):
        """Promise 1: mode bits 0710 root:GROUP; a token alone is not enough."""
        account = pwd.getpwnam("www-data")
        shown = os.stat(self.site.path("by-session"))
        self.assertEqual((stat.S_IMODE(shown.st_mode), shown.st_uid, shown.st_gid), (0o710, 0, account.pw_gid))
        path = self.by_session(self.alice_token, "alice/report.txt")
        self.assertEqual(as_user(account.pw_uid, read, path, gid=account.pw_gid), REPORT)
        self.assertEqual(as_user(self.stranger, read, path, gid=self.stranger, groups=[account.pw_gid]), REPORT)
        for uid in (self.stranger, self.alice):
            self.assertEqual(as_user(uid, outcome, read, path), "EACCES")
        self.assertEqual(as_user(account.pw_uid, outcome, os.listdir, self.site.path("by-session"), gid=account.pw_gid), "EACCES")


class Forbid(TwoUsersTest):
    OPTIONS = "deny=forbid"

    def test_forbidden_and_missing_differ_by_choice(self):
        """Promise 5: deny=forbid says EACCES for what the store has, and shows no more than that."""
        view = self.by_session(self.alice_token)
        for path in ("bob", "nobody/unregistered.txt"):
            self.assertEqual(outcome(os.stat, view / path), "EACCES")
        self.assertEqual(outcome(os.stat, view / "missing"), "ENOENT")
        self.assertEqual(names(view), ["alice", "open"])
        self.assertEqual(read(view / "alice/report.txt"), REPORT)

    def test_what_cannot_exist_in_a_view_is_not_forbidden_either(self):
        """Promise 7: a link or a FIFO is missing under deny=forbid too."""
        (self.site.store / "link").symlink_to("/etc/passwd")
        os.mkfifo(self.site.store / "fifo")
        for name in ("link", "fifo"):
            self.assertEqual(outcome(os.stat, self.by_session(self.alice_token, name)), "ENOENT")


class Attributes(TwoUsersTest):
    def test_a_file_shows_its_size_and_time_and_nothing_else_of_the_stores(self):
        """Promise 1: mode, links, owner and access time are the view's own."""
        path = self.site.store / "alice/report.txt"
        os.chmod(path, 0o4755)
        os.chown(path, 12345, 12345)
        os.utime(path, ns=(10**9, 1234567890123456789))
        os.link(path, self.site.store / "alice/second-name.txt")
        real = os.stat(path)
        for shown, owner in ((as_user(self.alice, os.stat, self.by_uid(self.alice, "alice/report.txt")), self.alice),
                             (os.stat(self.by_session(self.alice_token, "alice/report.txt")), 0)):
            self.assertEqual(shown.st_mode, stat.S_IFREG | 0o444)
            self.assertEqual((shown.st_nlink, shown.st_uid), (1, owner))
            self.assertEqual((shown.st_size, shown.st_mtime_ns), (real.st_size, real.st_mtime_ns))
            self.assertEqual((shown.st_atime_ns, shown.st_ctime_ns), (real.st_mtime_ns, real.st_mtime_ns))
            self.assertNotEqual(shown.st_ino, real.st_ino)

    def test_a_folder_is_0555_with_one_link(self):
        """Promise 1: the number of subfolders shows in no link count."""
        shown = os.stat(self.by_session(self.alice_token, "alice"))
        self.assertEqual((shown.st_mode, shown.st_nlink, shown.st_uid), (stat.S_IFDIR | 0o555, 1, 0))
        door = as_user(self.alice, os.stat, self.by_uid(self.alice))
        self.assertEqual((door.st_mode, door.st_uid), (stat.S_IFDIR | 0o500, self.alice))

    def test_inode_numbers_survive_a_restart_and_agree_with_listings(self):
        """Promise 1: keyed numbers, not the store's, the same in readdir and stat."""
        def numbers():
            found = {}
            view = self.by_session(self.alice_token)
            for folder, _, _ in os.walk(view):
                with os.scandir(folder) as entries:
                    for entry in entries:
                        path = os.path.relpath(entry.path, view)
                        found[path] = entry.inode()
                        self.assertEqual(entry.inode(), os.stat(entry.path).st_ino, path)
            return found

        before = numbers()
        self.assertEqual(len(before), 7)
        self.assertEqual(len(set(before.values())), 7, "two names, one number")
        self.assertFalse(set(before.values()) & {os.stat(self.site.store / path).st_ino for path in before})
        self.site.umount()
        self.site.mount()
        self.assertEqual(numbers(), before)

    @decided_anew
    def test_a_replaced_file_has_another_inode_number(self):
        """Promise 14: a server that remembers by number sees that it is another file."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        seen = {os.stat(path).st_ino}
        for i in range(20):
            self.site.replace("alice/report.txt", b"%d" % i)
            number = os.stat(path).st_ino
            self.assertNotIn(number, seen)
            seen.add(number)

    def test_there_are_no_extended_attributes(self):
        """Promise 1: none are shown, and none can be asked for."""
        os.setxattr(self.site.store / "alice/report.txt", "user.secret", b"x")
        path = self.by_session(self.alice_token, "alice/report.txt")
        try:
            self.assertEqual(os.listxattr(path), [])
        except OSError as error:
            self.assertEqual(error.errno, errno.EOPNOTSUPP)
        for name in ("user.secret", "security.capability", "system.posix_acl_access", "trusted.x"):
            self.assertIn(outcome(os.getxattr, path, name), ("ENODATA", "EOPNOTSUPP"))

    def test_statfs_says_nothing(self):
        """Promise 1: neither free space nor the number of files."""
        for path in (self.site.mountpoint, self.by_session(self.alice_token, "alice")):
            said = os.statvfs(path)
            self.assertEqual((said.f_blocks, said.f_bfree, said.f_files, said.f_ffree), (0, 0, 0, 0))

    def test_the_mount_is_ro_nosuid_nodev_noexec(self):
        """Promise 7: a program in the store does not run from the mount, set-uid least of all."""
        flags = os.statvfs(self.site.mountpoint).f_flag
        for name in ("ST_RDONLY", "ST_NOSUID", "ST_NODEV", "ST_NOEXEC"):
            self.assertTrue(flags & getattr(os, name), name)
        program = self.site.write("alice/id", b"#!/bin/sh\nid\n")
        os.chmod(program, 0o6755)
        path = self.by_session(self.alice_token, "alice/id")
        self.assertEqual(outcome(os.execv, path, [str(path)]), "EACCES")
        self.assertFalse(os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID | 0o111))


class Bytes(PolicyTest):
    def test_every_byte_of_a_large_file_arrives(self):
        """Promise 14: by read, pread at odd offsets, mmap and sendfile, to the last byte and not beyond."""
        data = hashlib.shake_256(b"seed").digest(3 * 1024 * 1024 + 137)
        self.site.write("big.bin", data)
        self.grant("public", "big.bin")
        self.site.mount()
        path = self.site.path("public", "big.bin")
        self.assertEqual(read(path), data)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping:
            self.assertEqual(mapping[:], data)
            for offset in (0, 1, 4095, 4096, 131071, 131073, len(data) - 1):
                self.assertEqual(os.pread(file.fileno(), 5000, offset), data[offset:offset + 5000])
            self.assertEqual(os.pread(file.fileno(), 100, len(data)), b"")
            self.assertEqual(os.pread(file.fileno(), 100, len(data) + 10**9), b"")
            copy = os.memfd_create("copy")
            self.addCleanup(os.close, copy)
            sent = 0
            while sent < len(data):
                count = os.sendfile(copy, file.fileno(), sent, len(data) - sent)
                self.assertGreater(count, 0)
                sent += count
            self.assertEqual(os.pread(copy, len(data) + 1, 0), data)
        direct = os.open(path, os.O_RDONLY | os.O_DIRECT)
        self.addCleanup(os.close, direct)
        with mmap.mmap(-1, 8192) as aligned:  # as O_DIRECT wants it where the kernel reads the store itself
            self.assertEqual(os.preadv(direct, [aligned], 4096), 8192)
            self.assertEqual(aligned[:], data[4096:12288])
