"""Listings: what is visible, each name once, at a cost that follows what is visible."""

import errno
import os
import subprocess
import threading
import time

import syscalls
from fixture import PolicyTest, TwoUsersTest, names
from harness import outcome


def listed(path, size=32768):
    return sorted(os.fsdecode(name) for _, _, _, name in syscalls.read_directory(path, size) if name not in (b".", b".."))


class Large(PolicyTest):
    def test_a_hundred_thousand_files_of_which_a_user_sees_ten(self):
        """Promise 5: she sees ten, at the cost of ten; who owns the folder sees them all."""
        count = 100_000
        syscalls.mount("tmpfs", self.site.store, "tmpfs", data="mode=0700")  # to make them quickly
        box = self.site.store / "box"
        box.mkdir()
        fd = os.open(box, os.O_RDONLY)
        for i in range(count):
            os.mknod(f"{i:06}", 0o100600, dir_fd=fd)
        os.close(fd)
        hers = [f"{i:06}" for i in range(5_000, count, count // 10)]
        for name in hers:
            self.grant("user:alice", f"box/{name}")
        self.own("user:bob", "box")
        self.site.mount()
        hers_seen = self.by_session(self.site.sql_session("user:alice"), "box")

        started = time.monotonic()
        self.assertEqual(names(hers_seen), hers)
        of_ten = time.monotonic() - started
        started = time.monotonic()
        everything = names(self.by_session(self.site.sql_session("user:bob"), "box"))
        of_all = time.monotonic() - started
        self.assertEqual((len(everything), everything[0], everything[-1]), (count, "000000", f"{count - 1:06}"))
        self.assertEqual(len(set(everything)), count)
        self.assertLess(of_ten * 10, of_all, "ten names cost as much as if all had been looked at")
        for name in ("000000", "004999", f"{count}"):
            self.assertEqual(outcome(os.stat, hers_seen / name), "ENOENT")


class Offsets(TwoUsersTest):
    """Positions in a listing, as readdir(3), seekdir(3) and NFS-like readers use them."""

    def folders(self):
        """One seen in part, one seen as a whole, and the mount's root."""
        expected = []
        for i in range(300):
            name = f"{i:03}-{'n' * (i % 200)}"
            self.site.write(f"part/{name}")
            self.site.write(f"whole/{name}")
            self.site.write(f"part/hidden-{name}")
            if i % 3 == 0:
                self.grant(f"uid:{self.alice}", f"part/{name}")
                expected.append(name)
        self.own(f"uid:{self.alice}", "whole")
        return ((self.by_session(self.alice_token, "part"), expected),
                (self.by_session(self.alice_token, "whole"), sorted(os.listdir(self.site.store / "whole"))),
                (self.site.mountpoint, ["by-link", "by-md5", "by-process", "by-session", "by-signature", "by-uid", "expired", "from", "me", "public"]))

    def test_small_and_large_buffers_give_the_same(self):
        """Promise 5: each name once, whatever is asked for at a time."""
        for path, expected in self.folders():
            for size in (300, 1000, 4096, 1 << 20):
                with self.subTest(path=path.name, size=size):
                    self.assertEqual(listed(path, size), expected)

    def test_a_listing_goes_on_from_any_offset_it_gave(self):
        """seekdir(telldir()) leads to the entry that followed, from both directions."""
        for path, expected in self.folders():
            with self.subTest(path=path.name):
                entries = syscalls.read_directory(path)
                self.assertEqual(len(entries), len(expected) + 2)
                self.assertEqual(sorted(entry[3] for entry in entries)[:2], [b".", b".."])
                fd = os.open(path, os.O_RDONLY)
                self.addCleanup(os.close, fd)
                for i in (0, 1, len(entries) // 2, len(entries) - 2, 2, len(entries) - 1, 0):
                    os.lseek(fd, entries[i][1], os.SEEK_SET)
                    rest = []
                    while batch := syscalls.getdents64(fd, 700):
                        rest += [entry[3] for entry in batch]
                    self.assertEqual(rest, [entry[3] for entry in entries[i + 1:]])
                os.lseek(fd, 0, os.SEEK_SET)
                self.assertEqual(syscalls.getdents64(fd)[0][3], entries[0][3])

    def test_an_offset_that_was_never_given_disturbs_nobody(self):
        """Promise 6: negative ones the kernel refuses; huge ones end the listing."""
        for path, expected in self.folders():
            fd = os.open(path, os.O_RDONLY)
            self.addCleanup(os.close, fd)
            for offset in (12345, 2**31, 2**32 + 1, 2**62, 2**63 - 1):
                if outcome(os.lseek, fd, offset, os.SEEK_SET) == "OK":
                    outcome(syscalls.getdents64, fd)
            self.assertEqual(listed(path), expected)
        self.assert_daemon_lives()

    def test_dot_and_dot_dot_have_the_numbers_of_what_they_are(self):
        """A tree walker checks them."""
        for path, _ in self.folders()[:2]:
            numbers = {name: number for number, _, _, name in syscalls.read_directory(path)}
            self.assertEqual(numbers[b"."], os.stat(path).st_ino)
            self.assertEqual(numbers[b".."], os.stat(path.parent).st_ino)

    def test_tree_walkers_come_through(self):
        """find(1) and du(1) complain of loops and changed inode numbers."""

        self.folders()
        view = self.by_session(self.alice_token)
        for command in (["find", view, "-type", "f", "-printf", "."], ["du", "-s", view], ["ls", "-laR", view], ["grep", "-rq", "x", view / "alice"]):
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.stderr, "", command)
        files = subprocess.run(["find", view, "-type", "f"], capture_output=True, text=True).stdout.splitlines()
        self.assertEqual(len(files), 100 + 300 + 2 + 1)


class Changing(TwoUsersTest):
    def test_what_stays_is_listed_once_while_all_else_comes_and_goes(self):
        """Promise 6: rules and files of others change meanwhile; hers that stay are there in every listing."""
        steady = [f"steady-{i:03}" for i in range(100)]
        for name in steady:
            self.site.write(f"part/{name}")
            self.site.write(f"whole/{name}")
            self.grant(f"uid:{self.alice}", f"part/{name}")
        self.own(f"uid:{self.alice}", "whole")
        stop = threading.Event()

        def churn():
            i = 0
            while not stop.is_set():
                i += 1
                name = f"churn-{i % 50}"
                for folder in ("part", "whole"):
                    path = self.site.write(f"{folder}/{name}")
                    if i % 3 == 0:
                        path.unlink()
                if i % 2:
                    self.site.sql("INSERT OR REPLACE INTO grants (principal, path) VALUES (?, ?)", (f"uid:{self.alice}", f"part/{name}"))
                else:
                    self.site.sql("DELETE FROM grants WHERE path LIKE 'part/churn%'")

        thread = threading.Thread(target=churn)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        deadline, rounds, seen_churn = time.monotonic() + 2, 0, False
        while time.monotonic() < deadline:
            for folder in ("part", "whole"):
                for size in (400, 32768):
                    found = listed(self.by_session(self.alice_token, folder), size)
                    self.assertEqual([name for name in found if name.startswith("steady")], steady)
                    seen_churn = seen_churn or len(found) > len(steady)
            rounds += 1
        self.assertGreater(rounds, 1)
        self.assertTrue(seen_churn, "nothing changed: nothing was tested")

    def test_a_name_appears_and_disappears_with_its_rule_and_with_its_file(self):
        """Promise 2: in the very next listing."""
        view = self.by_session(self.alice_token)
        self.grant(f"uid:{self.alice}", "bob/secret.txt")
        self.assertEqual(names(view / "bob"), ["secret.txt"])
        (self.site.store / "bob/secret.txt").unlink()
        self.assertEqual(names(view / "bob"), [])
        self.site.write("bob/secret.txt", b"x")
        self.assertEqual(names(view / "bob"), ["secret.txt"])
        self.site.sql("DELETE FROM grants WHERE path = 'bob/secret.txt'")
        self.assertEqual(outcome(os.listdir, view / "bob"), "ENOENT")
        self.assertEqual(names(view), ["alice", "open"])


def rest(fd, size=32768):
    """The names from where the handle is, but for the dots; or the errno."""
    found = []
    try:
        while batch := syscalls.getdents64(fd, size):
            found += [os.fsdecode(name) for _, _, _, name in batch]
    except OSError as error:
        return errno.errorcode[error.errno]
    return sorted(name for name in found if name not in (".", ".."))


def again(fd):
    os.lseek(fd, 0, os.SEEK_SET)
    return rest(fd)


class OldHandles(TwoUsersTest):
    """Promise 4: a directory handle lists nothing more than its holder may see now."""

    OPTIONS = "enforce=lease"

    def opened(self, path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, fd)
        return fd

    def test_after_the_loss_it_lists_nothing(self):
        """Folders seen whole and in part, a view's own root, a link's, one of processes' sessions: rewound, or read on."""
        self.grant(f"uid:{self.alice}", "bob/secret.txt")
        for i in range(500):
            self.site.write(f"alice/many/{i:03}-{'n' * 100}")
        link = self.site.grantctl("link", "create", "alice").stdout.strip()
        alice = self.actor(self.alice)
        handles = {path: self.opened(path) for path in (
            self.by_session(self.alice_token, "alice"), self.by_session(self.alice_token, "alice/many"), self.by_session(self.alice_token, "bob"),
            self.by_session(self.alice_token), self.site.path("by-link", link), self.site.path("by-link", link, "alice"))}
        begun = {path: syscalls.getdents64(fd, 400) for path, fd in handles.items()}
        hers = alice.call(os.open, self.by_uid(self.alice, "alice"), os.O_RDONLY)
        self.assertEqual(alice.call(rest, hers), ["deep", "many", "report.txt"])
        self.site.grantctl("drop", "alice")
        self.site.grantctl("revoke", f"uid:{self.alice}", "bob/secret.txt")
        self.site.grantctl("revoke", "public", "open")
        self.own(f"uid:{self.bob}", "alice")
        for folder in ("alice", "alice/many", "bob", ""):
            self.site.write(os.path.join(folder, "written-later"))
        for path, fd in handles.items():
            with self.subTest(path=path):
                self.assertNotEqual(begun[path], [])
                self.assertIn(rest(fd), ("EACCES", "ENOENT", []), "read on")
                self.assertIn(again(fd), ("EACCES", "ENOENT", []), "rewound")
        self.assertEqual(alice.call(again, hers), "ENOENT")

    def test_after_the_session_it_lists_nothing(self):
        fds = [self.opened(self.by_session(self.alice_token, folder)) for folder in ("", "alice")]
        self.site.grantctl("session", "rm", "--for", f"uid:{self.alice}")
        for fd in fds:
            self.assertEqual(rest(fd), "EACCES")
            self.assertEqual(again(fd), "EACCES")

    def test_handed_to_another_user_it_lists_nothing(self):
        """Promise 8: a by-uid view is its user's alone at every step."""
        alice = self.actor(self.alice)
        hers = alice.call(os.open, self.by_uid(self.alice, "alice"), os.O_RDONLY)
        taken = syscalls.taken_from(alice.pid, hers)
        self.addCleanup(os.close, taken)
        self.assertEqual(rest(taken), "EACCES")
        self.assertEqual(alice.call(rest, hers), ["deep", "report.txt"])

    def test_what_is_lost_midway_is_not_listed_and_what_stays_is(self):
        """A folder seen in part, read in small pieces; then one that was seen as a whole."""
        everything = [f"{i:03}-{'n' * 60}" for i in range(300)]
        for folder in ("part", "whole"):
            for name in everything:
                self.site.write(f"{folder}/{name}")
        for name in everything:
            self.grant(f"uid:{self.alice}", f"part/{name}")
        self.own(f"uid:{self.alice}", "whole")
        kept = everything[::3]
        for folder in ("part", "whole"):
            fd = self.opened(self.by_session(self.alice_token, folder))
            before = {os.fsdecode(name) for _, _, _, name in syscalls.getdents64(fd, 1000)} - {".", ".."}
            self.assertTrue(before and len(before) < 100, before)
            if folder == "whole":
                for name in kept:
                    self.grant(f"uid:{self.alice}", f"whole/{name}")
                self.site.grantctl("revoke", f"uid:{self.alice}", "whole")
            else:
                self.site.sql(f"DELETE FROM grants WHERE path LIKE 'part/%' AND path NOT IN ({','.join('?' * len(kept))})", [f"part/{name}" for name in kept])
            self.site.write(f"{folder}/written-later")
            self.assertEqual(rest(fd, 1000), sorted(set(kept) - before), folder)
            self.assertEqual(again(fd), kept, folder)

    def test_rewound_it_lists_what_is_new(self):
        for folder, grant in (("alice", False), ("bob", True)):
            if grant:
                self.grant(f"uid:{self.alice}", "bob/secret.txt")
            fd = self.opened(self.by_session(self.alice_token, folder))
            before = rest(fd)
            self.site.write(f"{folder}/new")
            if grant:
                self.grant(f"uid:{self.alice}", "bob/new")
            self.assertEqual(again(fd), sorted([*before, "new"]))

    def test_it_stays_with_its_path_not_with_the_folder(self):
        """The folder is moved to where another reads it, and another takes its place."""
        fd = self.opened(self.by_session(self.alice_token, "alice/deep"))
        first = syscalls.getdents64(fd, 24)
        self.assertEqual(len(first), 1)
        os.rename(self.site.store / "alice/deep", self.site.store / "bob/deep")
        self.site.write("bob/deep/written-later")
        self.assertIn(rest(fd), ("ENOENT", []))
        self.site.write("alice/deep/hers")
        self.assertIn(rest(fd), ("ENOENT", []))
        self.assertEqual(again(fd), ["hers"])


class OldHandlesThatAreAsked(OldHandles):
    OPTIONS = "enforce=open"
