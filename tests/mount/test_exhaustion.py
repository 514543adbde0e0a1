"""Promise 15: descriptors. What one client holds open keeps nobody else from being answered."""

import os
import resource
import threading

from fixture import REPORT, TwoUsersTest, names, read
from harness import outcome, wait_for

DESCRIPTORS = 256  # of the daemon, at the most: hard limit, which it cannot raise
HELD = 1000
FILES = 3000


def hold(paths, flags):
    """Opens them all, in the process that an Actor is, which keeps them; how many it got, and why others failed."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(paths) + 500, len(paths) + 500))
    _held.clear()
    refused = set()
    for path in paths:
        try:
            _held.append(os.open(path, flags))
        except OSError as error:
            refused.add(error.errno)
    return len(_held), refused


def read_held(size):
    """What the held files hold."""
    return [os.pread(fd, size, 0) for fd in _held]


_held = []


class Exhaustion(TwoUsersTest):
    """Both ways to enforce, with and without passthrough."""

    WAYS = ("enforce=lease,lease=60", "enforce=open,lease=60", "enforce=open,lease=0,passthrough=off")

    def setUp(self):
        super().setUp()
        self.site.umount()

    def daemon_descriptors(self):
        return len(os.listdir(f"/proc/{self.site.daemon_pid}/fd"))

    def holding_actor(self):
        hog = self.actor(33)
        self.addCleanup(hog.close)
        return hog

    def make_files(self, count):
        for i in range(count):
            self.site.write(f"alice/many/{i}", b"%d" % i)
        return [str(self.by_session(self.alice_token, f"alice/many/{i}")) for i in range(count)]

    def assert_others_are_answered(self):
        for _ in range(3):
            self.assertEqual(read(self.by_session(self.bob_token, "bob/secret.txt")), b"bob's secret\n")
            self.assertEqual(names(self.by_session(self.bob_token, "bob")), ["secret.txt"])
            self.assertEqual(self.actor(self.alice).call(read, self.by_uid(self.alice, "alice/report.txt")), REPORT)
            self.assertEqual(outcome(read, self.by_session(self.bob_token, "alice/report.txt")), "ENOENT")
        self.site.status()  # the control socket too

    def test_a_client_that_holds_a_thousand_files_is_alone_with_it(self):
        """With 256 descriptors for the daemon."""
        paths = self.make_files(HELD)
        for options in self.WAYS:
            with self.subTest(options):
                self.site.mount(options, descriptors=DESCRIPTORS)
                hog = self.holding_actor()
                got, refused = hog.call(hold, paths, os.O_RDONLY)
                self.assert_others_are_answered()
                self.assertEqual((got, refused), (HELD, set()))
                self.assertEqual(hog.call(read_held, 10), [b"%d" % i for i in range(HELD)])
                hog.close()
                self.site.umount()

    def test_a_client_that_holds_a_thousand_folders_is_alone_with_it(self):
        """With 256 descriptors for the daemon; one folder many times, and many folders."""
        for i in range(HELD // 2):
            (self.site.store / f"alice/folders/{i}").mkdir(parents=True)
        paths = [str(self.by_session(self.alice_token, "alice/folders"))] * (HELD // 2)
        paths += [f"{paths[0]}/{i}" for i in range(HELD // 2)]
        for options in self.WAYS:
            with self.subTest(options):
                self.site.mount(options, descriptors=DESCRIPTORS)
                hog = self.holding_actor()
                got, refused = hog.call(hold, paths, os.O_RDONLY | os.O_DIRECTORY)
                self.assert_others_are_answered()
                self.assertEqual((got, refused), (HELD, set()))
                hog.close()
                self.site.umount()

    def test_three_thousand_open_files_cost_the_daemon_less_than_a_thousand_descriptors(self):
        paths = self.make_files(FILES)
        for options in self.WAYS:
            with self.subTest(options):
                self.site.mount(options)
                hog = self.holding_actor()
                self.assertEqual(hog.call(hold, paths, os.O_RDONLY), (FILES, set()))
                self.assertEqual(hog.call(read_held, 10), [b"%d" % i for i in range(FILES)])
                self.assertLess(self.daemon_descriptors(), 1000)
                hog.close()
                self.site.umount()

    def test_descriptors_are_given_back_when_a_client_that_held_many_has_gone(self):
        paths = self.make_files(HELD)
        self.site.mount("enforce=open,lease=0")
        read(paths[0])
        before = self.daemon_descriptors()
        hog = self.holding_actor()
        self.assertEqual(hog.call(hold, paths, os.O_RDONLY), (HELD, set()))
        hog.close()
        wait_for(lambda: self.site.counters()["open_files"] == 0, what="the releases")
        wait_for(lambda: self.daemon_descriptors() <= before + 700, what="descriptors to be given back")


def open_many_times(path, times, wrong):
    for _ in range(times):
        if outcome(read, path) != "OK":
            wrong.append(path)


class OneDescriptorShort(TwoUsersTest):
    def test_passthrough_goes_on_after_an_open_that_had_no_descriptor(self):
        """Promise 15: that open is answered by the daemon, those after it pass through."""
        self.site.umount()
        self.site.mount("enforce=open,lease=60,threads=1")
        if not self.site.status()["passthrough"]:
            self.skipTest("this kernel or libfuse has no passthrough")
        for i in range(8):
            self.site.write(f"alice/{i}", REPORT)
            os.stat(self.by_session(self.alice_token, f"alice/{i}"))
        pid = self.site.daemon_pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        answers = set()
        try:
            for more in range(1, 8):  # so many are free: enough to look at the file, not to hand it on, for one of them
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (free_descriptor(pid, more), before[1]))
                answers.add(outcome(read, self.by_session(self.alice_token, f"alice/{more}")))
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        self.assertIn("OK", answers)
        self.assertTrue(self.site.status()["passthrough"])
        for i in range(8):
            with open(self.by_session(self.alice_token, f"alice/{i}"), "rb") as file:
                self.assertEqual(read(self.by_session(self.alice_token, f"alice/{i}")), REPORT)
                self.assertEqual(file.read(), REPORT)


def free_descriptor(pid, how_many):
    """The limit under which a process has so many descriptors left."""
    used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    limit = 0
    while how_many >= 0:
        how_many -= limit not in used
        limit += 1
    return limit - 1


class ManyThreads(TwoUsersTest):
    def test_readers_that_all_come_at_once_are_all_answered(self):
        """Promise 15: sixty threads of one client, and another who is answered meanwhile."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        wrong = []
        threads = [threading.Thread(target=open_many_times, args=(path, 20, wrong)) for _ in range(60)]
        for thread in threads:
            thread.start()
        try:
            self.assertEqual(read(self.by_session(self.bob_token, "bob/secret.txt")), b"bob's secret\n")
        finally:
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])
