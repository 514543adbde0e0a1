"""top: what daemons do now, by the difference of two answers."""

import json
import os
import pty
import select
import signal
import subprocess
import time

from fake_daemon import FakeDaemon
from grantctl_case import DONE, GRANTCTL, TROUBLE, USAGE, Case

STATUS = {"ok": True, "version": "9.9", "pid": 7, "store": "/srv/s", "enforce": "lease", "lease_seconds": 1, "started": 1700000000}
PATIENCE_SECONDS = 30


class CountingDaemon(FakeDaemon):
    """Each of its counters is higher by a hundred at each answer."""

    def __init__(self, database, mountpoint="/srv/view", **more):
        self.asked_so_far = 0
        self.more = more
        super().__init__(database, mountpoint)
        self.says = {**STATUS, "mountpoint": mountpoint, "database": str(database)}

    def answer(self, command):
        self.asked_so_far += 1
        counters = dict.fromkeys(("lookups", "opens", "denials", "errors", "upcalls_open", "upcalls_read", "recalls"), 100 * self.asked_so_far)
        times = {"bounds_microseconds": [500, 2500], "counts": [0, self.asked_so_far, 0], "total_microseconds": 5}
        return {**self.says, "counters": {**counters, "nodes": 5, "resident_bytes": 3 << 20}, "recall_times": times, **self.more}


class Top(Case):
    def daemon(self, *arguments, **more):
        daemon = CountingDaemon(self.database, *arguments, **more)
        self.addCleanup(daemon.close)
        return daemon

    def documents(self, *arguments):
        return [json.loads(line) for line in self.ok("--json", "top", "--interval", "0.2", *arguments).splitlines()]

    def test_rates_are_those_between_two_answers(self):
        self.daemon()
        for document in self.documents("--count", "2"):
            (daemon,) = document["daemons"]
            self.assertEqual((daemon["mountpoint"], daemon["state"], daemon["nodes"]), ("/srv/view", "healthy", 5))
            for name in ("lookups", "opens", "denials", "errors", "recalls"):
                self.assertGreater(daemon[f"{name}_per_second"], 0)
                self.assertLessEqual(daemon[f"{name}_per_second"], 500)
            self.assertAlmostEqual(daemon["upcalls_per_second"], 2 * daemon["lookups_per_second"])
            self.assertEqual(daemon["slowest_recall_microseconds"], 2500)

    def test_one_that_was_started_anew_counts_from_zero(self):
        daemon = self.daemon()
        daemon.answer = lambda command: {**CountingDaemon.answer(daemon, command), "pid": daemon.asked_so_far}
        (document,) = self.documents("--count", "1")
        self.assertEqual(document["daemons"][0]["lookups_per_second"], 0)
        self.assertIsNone(document["daemons"][0]["slowest_recall_microseconds"])

    def test_as_a_table(self):
        self.daemon()
        self.daemon("/srv/other", state="trouble", troubles=["the store is away"])
        heading, *lines = self.ok("top", "--interval", "0.2", "--count", "1").splitlines()
        self.assertEqual(heading.split()[:3], ["MOUNT", "STATE", "LOOKUPS/s"])
        self.assertEqual({tuple(line.split()[:2]) for line in lines[:2]}, {("/srv/view", "healthy"), ("/srv/other", "trouble")})
        self.assertEqual(lines[0].split()[-2:], ["3", "MiB"])
        self.assertEqual(lines[2:], ["/srv/other: the store is away"])

    def test_with_no_daemon_it_waits_for_one(self):
        self.assertEqual(self.exits(DONE, "top", "--interval", "0.1", "--count", "1").stdout, "no daemon runs\n")

    def test_on_a_terminal_each_table_takes_the_place_of_the_one_before(self):
        self.daemon()
        ours, its = pty.openpty()
        with subprocess.Popen([GRANTCTL, "top", "--interval", "0.1"], stdout=its, env=self.environment) as process:
            os.close(its)
            seen = b""
            end = time.monotonic() + PATIENCE_SECONDS
            while seen.count(b"\x1b[H\x1b[JMOUNT") < 2 and time.monotonic() < end:
                if select.select([ours], [], [], 1)[0]:
                    seen += os.read(ours, 65536)
            process.send_signal(signal.SIGINT)
        os.close(ours)
        self.assertGreaterEqual(seen.count(b"\x1b[H\x1b[JMOUNT"), 2)
        self.assertEqual(process.returncode, -signal.SIGINT)

    def test_a_pipe_that_nobody_reads_ends_it(self):
        self.daemon()
        ours, its = os.pipe()
        with subprocess.Popen([GRANTCTL, "top", "--interval", "0.1"], stdout=its, stderr=subprocess.PIPE, env=self.environment) as process:
            os.close(its)
            os.read(ours, 1)
            os.close(ours)
            self.assertIn(process.wait(PATIENCE_SECONDS), (-signal.SIGPIPE, TROUBLE))

    def test_numbers_that_make_no_sense(self):
        for words in (("--interval", "0"), ("--interval", "nan"), ("--interval", "-1"), ("--interval", "x"), ("--count", "0"), ("--count", "-1")):
            with self.subTest(words):
                self.exits(USAGE, "top", *words)
