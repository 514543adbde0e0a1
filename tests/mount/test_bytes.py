"""Promise 14 for files that change where they are: what is served is what the store has, in every mode.

A program that restores a file, or edits its tags, often keeps its size and sets its old times: only the change time
tells, which the kernel does not compare.
"""

import mmap
import os
import time

from fixture import REPORT, TwoUsersTest, read
from harness import as_user, serve

LEASE_SECONDS = 1
#: How long a change may take to show: a lease, and half a second for a busy machine.
WITHIN_SECONDS = LEASE_SECONDS + 0.5


def overwrite(path, data):
    """As `cp -p` does: into the file that is there, with its size, and with the times that it had."""
    times = os.stat(path)
    with open(path, "r+b") as file:
        assert len(data) == times.st_size
        file.write(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def other(data, i=0):
    """As long, and not the same."""
    return (b"%d" % i).rjust(len(data), b"x")


class InPlace(TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.site.umount()
        self.file = self.site.store / "alice/report.txt"

    def assert_shows(self, want, read_it, what):
        changed = time.monotonic()
        while (now := read_it()) != want:
            self.assertLess(time.monotonic() - changed, WITHIN_SECONDS, f"{what}: {now!r}, not {want!r}")

    def test_new_bytes_are_served_in_every_mode(self):
        """Promise 14: by a session, a link, a uid's own view; again and again; by two names of one file."""
        link = self.site.grantctl("link", "create", "alice/report.txt").stdout.strip()
        os.link(self.file, self.site.store / "alice/second.txt")
        for options in ("enforce=lease", "enforce=open", "enforce=open,passthrough=off", "enforce=open,lease=0"):
            options = f"lease={LEASE_SECONDS}," + options if "lease=0" not in options else options
            with self.subTest(options):
                self.site.mount(options)
                views = [self.by_session(self.alice_token, "alice/report.txt"), self.by_session(self.alice_token, "alice/second.txt"),
                         self.site.path("by-link", link, "report.txt")]
                for round_number in range(3):
                    for view in views:
                        serve(view)
                    as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))
                    want = other(REPORT, round_number)
                    overwrite(self.file, want)
                    for view in views:
                        self.assert_shows(want, lambda: serve(view), view.parts[-4:])
                    self.assertEqual(as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt")), want)
                self.site.umount()

    def test_with_nothing_lent_the_very_next_open_shows_it(self):
        """Promise 14: a hundred changes, each right after the one before was read."""
        self.site.mount("enforce=lease,lease=0")
        view = self.by_session(self.alice_token, "alice/report.txt")
        for i in range(100):
            overwrite(self.file, other(REPORT, i))
            self.assertEqual(serve(view), other(REPORT, i))

    def test_whoever_has_it_open_is_shown_it_too(self):
        """As a server that keeps files open: nginx's open_file_cache does while the inode number is the same."""
        self.site.mount(f"enforce=lease,lease={LEASE_SECONDS}")
        self.need_leases()
        view = self.by_session(self.alice_token, "alice/report.txt")
        fd = os.open(view, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.assertEqual(os.pread(fd, 100, 0), REPORT)
        number = os.fstat(fd).st_ino
        for looked_up in (False, True):
            want = other(REPORT, looked_up)
            overwrite(self.file, want)
            if looked_up:
                self.assert_shows(want, lambda: serve(view), "a new open")
            self.assert_shows(want, lambda: os.pread(fd, 100, 0), "an old one")
        self.assertEqual(os.stat(view).st_ino, number)

    def test_what_a_mapping_wrote_shows(self):
        """The first store into a clean page sets the times."""
        self.site.mount(f"enforce=lease,lease={LEASE_SECONDS}")
        view = self.by_session(self.alice_token, "alice/report.txt")
        serve(view)
        before = os.stat(self.file)
        with open(self.file, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
            mapping[:1] = b"X"
            mapping.flush()
        if os.stat(self.file).st_ctime_ns == before.st_ctime_ns:
            self.skipTest("this store's file system does not say when a mapping wrote")
        os.utime(self.file, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assert_shows(b"X" + REPORT[1:], lambda: serve(view), "a mapping")

    def test_a_file_whose_bytes_stay_is_read_once(self):
        """What has not changed for a while is kept, whichever server reads it; a chmod costs one more read, no more."""
        self.site.mount("enforce=lease,lease=60,server_group=www-data")
        self.need_leases()
        self.grant(f"uid:{self.bob}", "alice")
        time.sleep(3.1)  # a file that changed a moment ago might change unnoticed: it is settled when it is as old as this
        hers, his = (self.by_session(token, "alice/report.txt") for token in (self.alice_token, self.bob_token))
        serve(hers)
        reads = self.site.counters()["upcalls_read"]
        serve(his)
        self.assertEqual(self.site.counters()["upcalls_read"], reads)
        os.chmod(self.file, 0o640)
        self.assertEqual(serve(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
        self.assertLessEqual(self.site.counters()["upcalls_read"], reads + 1)
