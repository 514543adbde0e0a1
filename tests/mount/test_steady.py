"""Promises 2, 3, 9, 13 and 14 for files in steady use, which are lent for longer than a lease.

They go by their folders' leases: facts of fs/fuse/dir.c (fuse_permission()) that everything here rests on are
tested here, with the daemon stopped or killed.
"""

import contextlib
import mmap
import os
import sqlite3
import time

import syscalls
from fixture import REPORT
from harness import outcome, serve, wait_for
from test_bytes import overwrite
from test_lease import LeaseTest

LEASE_SECONDS = 1
OPTIONS = f"enforce=lease,lease={LEASE_SECONDS}"


class Steady(LeaseTest):
    OPTIONS = OPTIONS

    def setUp(self):
        super().setUp()
        if not self.site.has_epochs():
            self.skipTest("nothing is lent for longer than a lease without epochs (Linux 6.16, libfuse 3.18)")
        self.path = self.by_session(self.alice_token, "alice/report.txt")

    def make_steady(self, *paths):
        """Serves them, as servers do, until they are in steady use: for three seconds, if they are as new as that."""
        def served():
            for path in paths:
                serve(path)
            return self.counted("steady_files") >= len(paths)

        wait_for(served, what=f"{len(paths)} files to be in steady use")

    def held(self, path):
        """A descriptor of the folder that a path is in, by which its names can be walked to."""
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        return folder


class Upcalls(Steady):
    def test_files_in_steady_use_are_asked_for_by_their_folders(self):
        """Promise 13: a hundred files of one folder, served for three leases."""
        paths = []
        for i in range(100):
            self.site.write(f"alice/many/{i}", b"%d" % i)
            paths.append(self.by_session(self.alice_token, f"alice/many/{i}"))
        self.make_steady(*paths)
        before, began = self.upcalls(), time.monotonic()
        rounds = 0
        while time.monotonic() - began < 3 * LEASE_SECONDS:
            for path in paths:
                serve(path)
            rounds += 1
        after = self.upcalls()
        asked = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        renewals = (time.monotonic() - began) / (0.4 * LEASE_SECONDS) + 2
        self.assertGreater(rounds, 3)
        # by-session and, each time anew, the door and two folders.
        self.assertLessEqual(asked.pop("lookup"), 4 * renewals)
        self.assertLessEqual(asked.pop("getattr", 0), renewals)  # of the mount's root
        self.assertLess(asked.pop("read", 0), 10)  # of pages that the kernel dropped; without leases, one a serve
        self.assertEqual(asked, {})
        self.assertEqual(self.counted("recalls_of_everything"), 0)

    def test_a_file_asked_for_once_in_a_while_is_lent_as_everything_else(self):
        serve(self.path)
        self.site.replace("alice/report.txt", b"new\n")
        changed = time.monotonic()
        wait_for(lambda: serve(self.path) == b"new\n", what="the new file to show")
        self.assertLess(time.monotonic() - changed, LEASE_SECONDS + 0.5)


class Taken(Steady):
    def test_access_that_is_taken_away_is_refused_when_it_returns(self):
        """Promise 2: by the path, and by whoever is in the folder."""
        self.make_steady(self.path)
        folder = self.held(self.path)
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.assertEqual(outcome(serve, self.path), "ENOENT")
        self.assertEqual(outcome(os.stat, "report.txt", dir_fd=folder), "ENOENT")

    def test_what_is_lent_for_longer_is_recalled_when_its_folders_are_not_lent_any_more(self):
        """Promise 2: its rule is that of a folder that nobody has asked for since."""
        self.make_steady(self.path)
        folder = self.held(self.path)
        quiet = time.monotonic() + 12 * LEASE_SECONDS  # longer than an ordinary entry counts as lent
        wait_for(lambda: time.monotonic() > quiet, timeout=20, what="the folders' leases to be long over")
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        self.assertEqual(outcome(os.stat, "report.txt", dir_fd=folder), "ENOENT")

    def test_what_would_expire_meanwhile_is_not_lent_for_longer(self):
        """Promise 3: opens without pause, of what has been in steady use."""
        self.make_steady(self.path)
        expires = int(time.time()) + 3
        token = self.site.sql_session(f"uid:{self.alice}", expires)
        path = self.by_session(token, "alice/report.txt")
        while (started := time.time()) < expires + 0.3:
            result = outcome(serve, path)
            if started >= expires:
                self.assertEqual(result, "EACCES")


class Stopped(Steady):
    """Promise 3: with the daemon stopped, the lease time bounds everything, and so it does when it goes on."""

    def committed(self, statement):
        """By another writer, which asks no daemon for a recall: ours could not answer."""
        with contextlib.closing(sqlite3.connect(self.site.db)) as database, database:
            database.execute(statement)

    def refused_after_a_stop(self, take, *function):
        actor = self.actor(33)
        with self.site.stopped():
            time.sleep(1.2 * LEASE_SECONDS)  # the lease itself: what is waited for is that nothing happens
            actor.start(outcome, *function)
            self.committed(take)
            time.sleep(0.1)  # a request that is answered from the cache would be answered by now
        return actor.finish()

    def test_a_path_is_refused(self):
        self.make_steady(self.path)
        self.assertEqual(self.refused_after_a_stop("DELETE FROM sessions", serve, self.path), "EACCES")

    def test_a_file_whose_folder_is_still_there_is_refused(self):
        """Its own grant goes, while another one keeps the folder visible: nothing on the way is refused."""
        self.grant(f"uid:{self.alice}", "bob/secret.txt")
        self.site.write("bob/other.txt", b"other\n")
        self.grant(f"uid:{self.alice}", "bob/other.txt")
        path = self.by_session(self.alice_token, "bob/secret.txt")
        self.make_steady(path)
        taken = self.refused_after_a_stop("DELETE FROM grants WHERE path = 'bob/secret.txt'", serve, path)
        self.assertEqual(taken, "ENOENT")
        self.assertEqual(outcome(serve, self.by_session(self.alice_token, "bob/other.txt")), "OK")

    def test_who_is_in_the_folder_is_refused(self):
        self.make_steady(self.path)
        inherited = str(self.by_session(self.alice_token, "alice"))
        actor = self.actor(33)
        actor.call(os.chdir, inherited)
        with self.site.stopped():
            time.sleep(1.2 * LEASE_SECONDS)
            actor.start(outcome, serve, "report.txt")
            self.committed("DELETE FROM owners")
            time.sleep(0.1)
        self.assertEqual(actor.finish(), "ENOENT")
        actor.call(os.chdir, "/")

    def test_nothing_opens_once_a_killed_daemon_s_leases_are_over(self):
        """Promise 9."""
        self.make_steady(self.path)
        folder = self.held(self.path)
        self.site.kill()
        over = time.monotonic() + LEASE_SECONDS
        while time.monotonic() < over + 0.5:
            begun = time.monotonic()
            results = {outcome(serve, self.path), outcome(os.stat, "report.txt", dir_fd=folder)}
            if begun > over:
                self.assertEqual(results, {"ENOTCONN"})


class Changed(Steady):
    """Promise 14: within a lease, with half a second for a busy machine."""

    WITHIN_SECONDS = LEASE_SECONDS + 0.5

    def shows(self, want, what):
        changed = time.monotonic()
        while (now := outcome(serve, self.path) if isinstance(want, str) else serve(self.path)) != want:
            self.assertLess(time.monotonic() - changed, self.WITHIN_SECONDS, f"{what}: {now!r}")

    def test_what_changes_in_the_store_shows(self):
        self.make_steady(self.path)
        for change, want in ((lambda: self.site.replace("alice/report.txt", b"another\n"), b"another\n"),
                             (lambda: self.site.write("alice/report.txt", b"longer than it was before\n"), b"longer than it was before\n"),
                             (lambda: self.site.write("alice/report.txt", b"short\n"), b"short\n"),
                             (lambda: overwrite(self.site.store / "alice/report.txt", b"other\n"), b"other\n"),
                             (lambda: os.unlink(self.site.store / "alice/report.txt"), "ENOENT"),
                             (lambda: self.site.write("alice/report.txt", REPORT), REPORT)):
            change()
            self.shows(want, want)
            if want != "ENOENT":
                self.make_steady(self.path)

    def test_a_folder_that_changed_its_name_shows(self):
        self.make_steady(self.path)
        os.rename(self.site.store / "alice", self.site.store / "elsewhere")
        self.shows("ENOENT", "renamed")

    def test_what_inotify_does_not_tell_shows(self):
        """Why the store is asked: a watch on the folder, for all that changes, misses these."""
        self.site.write("alice/deep/report.txt", REPORT)
        self.path = self.by_session(self.alice_token, "alice/deep/report.txt")
        file, second = self.site.store / "alice/deep/report.txt", self.site.store / "second.txt"
        os.link(file, second)
        with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapping:
            changes = {"by a name in another folder": (lambda: second.write_bytes(b"another\n"), b"another\n"),
                       "by a mapping": (lambda: mapping.__setitem__(slice(0, 8), b"a third\n"), b"a third\n"),
                       "of a folder above": (lambda: os.rename(self.site.store / "alice", self.site.store / "elsewhere"), "ENOENT")}
            for how, (change, want) in changes.items():
                self.make_steady(self.path)
                watch = syscalls.inotify_init()
                self.addCleanup(os.close, watch)
                syscalls.inotify_add_watch(watch, file.parent, syscalls.IN_CHANGES)
                change()
                self.shows(want, how)
                self.assertEqual(syscalls.inotify_events(watch), [], how)

    def test_whoever_has_it_open_sees_it_grow(self):
        fd = os.open(self.path, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.make_steady(self.path)
        self.assertEqual(os.read(fd, 100), REPORT)
        with open(self.site.store / "alice/report.txt", "ab") as file:
            file.write(b"more\n")
        grown = time.monotonic()
        while os.read(fd, 100) != b"more\n":
            self.assertLess(time.monotonic() - grown, self.WITHIN_SECONDS)

    def test_another_session_s_lookup_does_not_shorten_what_is_known(self):
        """A node's attributes are lent once for all sessions."""
        self.grant("user:other", "alice")
        token = self.site.sql_session("user:other")
        names = [f"alice/many/{i}" for i in range(20)]
        for name in names:
            self.site.write(name)
        hers = [self.by_session(self.alice_token, name) for name in names]
        self.make_steady(*hers)
        for name in names:
            serve(self.by_session(token, name))
        over = time.monotonic() + 1.5 * LEASE_SECONDS
        asked = self.counted("upcalls_getattr")
        while time.monotonic() < over:
            for path in hers:
                serve(path)
        self.assertLess(self.counted("upcalls_getattr") - asked, 10)  # of folders
