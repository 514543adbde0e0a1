"""Many at once: the same decisions, no errno of a race, and nothing kept that the kernel has forgotten."""

import contextlib
import os
import random
import signal
import threading
import time

from fixture import REPORT, TwoUsersTest, names, read
from harness import outcome, wait_for


def hammer(seed, seconds, view, granted, denied, flickering):
    """Random calls on random names; returns (how many, the answers that must not be)."""
    chance = random.Random(seed)
    deadline = time.monotonic() + seconds
    count, wrong = 0, set()
    while time.monotonic() < deadline:
        function = chance.choice((read, os.stat, os.listdir, open_nonblocking, open_path))
        which = chance.choice(("granted", "denied", "flickering"))
        path = os.path.join(view, chance.choice({"granted": granted, "denied": denied, "flickering": flickering}[which]))
        result = outcome(function, path)
        fine = {"granted": {"OK"}, "denied": {"ENOENT"}, "flickering": {"OK", "ENOENT"}}[which]
        if function is os.listdir and "OK" in fine:
            fine = (fine - {"OK"}) | {"ENOTDIR"}
        if result not in fine:
            wrong.add((which, function.__name__, result))
        count += 1
    return count, wrong


def open_nonblocking(path):
    os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK))


def open_path(path):
    fd = os.open(path, os.O_PATH)
    try:
        os.fstat(fd)
    finally:
        os.close(fd)


class Concurrency(TwoUsersTest):
    def test_decisions_stay_right_while_rules_and_files_change(self):
        """Promises 1, 2 and 14: six processes, two views; grants come and go, files are renamed and replaced."""
        for i in range(20):
            self.site.write(f"alice/steady-{i}", b"x" * 100)
            self.site.write(f"bob/hidden-{i}", b"y" * 100)
            self.site.write(f"flicker/{i}", b"z" * 100)
        granted = [f"alice/steady-{i}" for i in range(20)]
        denied = [f"bob/hidden-{i}" for i in range(20)] + ["missing", "alice/missing", "nobody/unregistered.txt"]
        flickering = [f"flicker/{i}" for i in range(20)]
        seconds = 2.5
        runs = []
        for seed in range(6):
            by_uid = seed % 2 == 0
            actor = self.actor(self.alice if by_uid else 33)
            actor.start(hammer, seed, seconds, str(self.by_uid(self.alice) if by_uid else self.by_session(self.alice_token)), granted, denied, flickering)
            runs.append(actor)
        deadline, changes = time.monotonic() + seconds, 0
        chance = random.Random(1)
        while time.monotonic() < deadline:
            i = chance.randrange(20)
            change = chance.randrange(4)
            if change == 0:
                self.grant(f"uid:{self.alice}", f"flicker/{i}")
            elif change == 1:
                self.site.sql("DELETE FROM grants WHERE path = ?", (f"flicker/{i}",))
            elif change == 2:
                self.site.replace(f"flicker/{i}", b"z" * chance.randrange(1000))
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self.site.store / f"flicker/{i}", self.site.store / f"flicker/{(i + 1) % 20}")
            changes += 1
        for actor in runs:
            count, wrong = actor.finish()
            self.assertEqual(wrong, set())
            self.assertGreater(count, 20)
        self.assertGreater(changes, 5)
        self.assert_daemon_lives()

    def test_one_thread_decides_the_same(self):
        """Promise 13: threads=1."""
        self.site.umount()
        self.site.mount("threads=1")
        actors = [self.actor(self.alice) for _ in range(3)]
        for i, actor in enumerate(actors):
            actor.start(hammer, i, 1.0, str(self.by_uid(self.alice)), ["alice/report.txt"], ["bob/secret.txt", "missing"], ["alice/report.txt"])
        for actor in actors:
            count, wrong = actor.finish()
            self.assertEqual(wrong, set())
            self.assertGreater(count, 10)

    def test_a_folder_in_use_may_be_renamed_under_its_readers(self):
        """Promise 6: a name of the view comes and goes as a whole."""
        for i in range(10):
            self.site.write(f"alice/here/{i}", b"x")
        there, elsewhere = self.site.store / "alice/here", self.site.store / "alice/elsewhere"
        view = str(self.by_session(self.alice_token, "alice"))
        actors = [self.actor(33) for _ in range(3)]
        for seed, actor in enumerate(actors):
            actor.start(hammer, seed, 1.5, view, ["report.txt"], ["missing"], [f"here/{i}" for i in range(10)])
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            os.rename(there, elsewhere)
            os.rename(elsewhere, there)
        for actor in actors:
            self.assertEqual(actor.finish()[1], set())

    def test_one_readers_many_threads_see_one_file(self):
        """Promise 14: a shared node, opened and closed by eight threads, gives everyone every byte."""
        data = os.urandom(300_000)
        self.site.write("alice/big", data)
        path = self.by_session(self.alice_token, "alice/big")
        wrong = []

        def work():
            for _ in range(20):
                if read(path) != data:
                    wrong.append(path)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Forgetting(TwoUsersTest):
    DROPS_KERNEL_CACHES = True

    def drop_caches(self):
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("2\n")

    def test_what_the_kernel_forgets_the_daemon_forgets(self):
        """Promise 15: six hundred nodes, in several views, looked up many times over: back to where it began."""
        for i in range(10):
            for j in range(30):
                self.site.write(f"alice/many/{i}/{j}")
        for actor, view in ((self.actor(self.alice), self.by_uid(self.alice, "alice")), (self.actor(33), self.by_session(self.alice_token, "alice"))):
            for _ in range(2):
                self.assertEqual(actor.call(count_files, str(view)), 302)
        self.assertGreater(self.site.counters()["nodes"], 600, "nothing is remembered: nothing was tested")

        def forgotten():
            self.drop_caches()
            return self.site.counters()["nodes"] <= 1

        wait_for(forgotten, what=f"every node to be forgotten: {self.site.counters()}")
        self.assertEqual(self.site.counters()["open_files"], 0)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)

    def test_refused_lookups_are_not_remembered(self):
        """Promise 15: guessing names or tokens makes nothing grow."""
        before = self.site.counters()["nodes"]
        view = self.by_session(self.alice_token)
        for i in range(500):
            outcome(os.stat, view / f"missing-{i}")
            outcome(os.stat, self.by_session(f"{i:032}"))
            outcome(os.stat, self.site.path("by-uid", i + 1))
        self.assertLess(self.site.counters()["nodes"] - before, 10)

    def test_interrupted_and_killed_callers_leave_nothing(self):
        """Promise 15: processes that die in the middle of a call."""
        for _ in range(20):
            actor = self.actor(33)
            actor.start(count_files, str(self.by_session(self.alice_token)))
            os.kill(actor.pid, signal.SIGKILL)
            actor.close()
        wait_for(lambda: self.site.counters()["open_files"] == 0, what="handles of the dead to be released")

        def forgotten():
            self.drop_caches()
            return self.site.counters()["nodes"] <= 1

        wait_for(forgotten, what="every node to be forgotten")
        self.assertEqual(names(self.by_session(self.alice_token, "alice")), ["deep", "report.txt"])


def count_files(path):
    """Stats, opens and closes everything below."""
    count = 0
    for folder, _, files in os.walk(path):
        for name in files:
            os.stat(os.path.join(folder, name))
            os.close(os.open(os.path.join(folder, name), os.O_RDONLY))
            count += 1
    return count
