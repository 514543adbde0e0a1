"""Hours of everything at once: tools/check soak.

A random application changes rules, sessions, links and files; after each change three mounts are asked, and must answer as the model of
tests/mount/test_model.py does. Meanwhile visitors fetch files from a real nginx, and may never get bytes that were in none. Now and
then a daemon is ended, killed or stopped, the kernel's caches are dropped, or the database is exported, imported or pruned.

For two thirds of the time no daemon is ended: its memory, its descriptors and the time of a question must not grow in the last third of
that time against the first. The seed is printed; GRANTFS_SEED repeats the application's changes.
"""

import argparse
import os
import pathlib
import random
import signal
import statistics
import sys
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/mount"), str(TOP / "tests/web")]

import test_model  # noqa: E402
from harness import has_io_uring  # noqa: E402
from servers import Nginx  # noqa: E402

CALM = 2 / 3  #: the share of the time in which no daemon is ended
VISITORS = 4
SAMPLE_EVERY_SECONDS = 5
EVENT_EVERY_STEPS = 25
STORE_CHANGE_EVERY_STEPS = 20
LATER, SLOWER, MORE_DESCRIPTORS, MORE_BYTES = 5, 3, 8, 8 << 20  # what is not growth: noise, pools that fill, a cache that warms
SOME_MILLISECONDS = 20


class Visitors:
    """Threads that fetch files from nginx. What they get must have been the bytes of some file, once."""

    def __init__(self, port_of, chance, known):
        self.port_of, self.known, self.ended = port_of, known, False
        self.answers, self.wrong = {}, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.visit, args=(random.Random(chance.random()),)) for _ in range(VISITORS)]
        for thread in self.threads:
            thread.start()

    def visit(self, chance):
        while not self.ended:
            token, path = chance.choice(test_model.TOKENS), chance.choice(test_model.PATHS[1:])
            try:
                reply = self.port_of().get(f"/private/{path}", token=token)
            except OSError:
                continue  # it is started anew
            with self.lock:
                self.answers[reply.status] = self.answers.get(reply.status, 0) + 1
                if reply.status not in (200, 301, 403, 404, 500, 503) or (reply.status == 200 and reply.body not in self.known):
                    self.wrong.append(f"{path}: {reply}")
            time.sleep(chance.random() / 50)

    def end(self):
        self.ended = True
        for thread in self.threads:
            thread.join()


class Soak(test_model.ModelTest):
    test_every_way_to_mount_gives_the_answers_of_the_rules = None
    hours = 0.0

    def setUp(self):
        self.known = set()  # the bytes of every file there ever was
        super().setUp()

    def write(self, path):
        super().write(path)
        self.known.add(self.model.files[path])

    # What happens besides.

    def mount(self, site):
        site.mount(site.options)

    def end_it(self, site):
        site.umount()
        self.mount(site)

    def kill_it(self, site):
        site.kill()
        self.mount(site)

    def stop_it(self, site):
        os.kill(site.daemon_pid, signal.SIGSTOP)
        time.sleep(self.chance.random())
        os.kill(site.daemon_pid, signal.SIGCONT)

    def drop_caches(self, _):
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("2")

    def export_and_import(self, _):
        policy = self.site.root / "policy.csv"
        policy.unlink(missing_ok=True)
        self.site.grantctl("export", str(policy))
        self.site.grantctl("import", "--replace", str(policy))

    def prune(self, _):
        self.site.grantctl("prune")
        now = int(time.time()) - 1  # what has ended by then is gone for certain, and what the model has of it counts for nothing
        for rows in (self.model.grants, self.model.members):
            for key in [key for key, expires in rows.items() if expires is not None and expires <= now]:
                del rows[key]

    def event(self, calm):
        happens = [self.stop_it, self.drop_caches, self.export_and_import, self.prune]
        happens = self.chance.choice(happens if calm else [*happens, self.end_it, self.kill_it, self.end_it, self.kill_it])
        self.trace.append((happens.__name__,))
        happens(self.chance.choice(self.sites))

    # What must not grow.

    def sample(self):
        for site in self.sites:
            counters = site.counters()
            self.samples[site].append((time.monotonic(), counters["resident_bytes"], len(os.listdir(f"/proc/{site.daemon_pid}/fd")),
                                       self.slowest.pop(site, 0)))

    def assert_no_growth(self):
        for site in self.sites:
            samples = self.samples[site][LATER:]
            third = len(samples) // 3
            if not third:
                continue
            early, late = samples[:third], samples[-third:]
            memory, descriptors, slow = ([statistics.median(sample[what] for sample in part) for part in (early, late)] for what in (1, 2, 3))
            print(f"{site.options}: memory {memory[0] / 1e6:.1f} -> {memory[1] / 1e6:.1f} MB, descriptors {descriptors[0]:.0f} -> "
                  f"{descriptors[1]:.0f}, slowest answer {slow[0] * 1e3:.1f} -> {slow[1] * 1e3:.1f} ms", flush=True)
            self.assertLess(memory[1], memory[0] + MORE_BYTES, f"{site.options}: memory grows")
            self.assertLess(descriptors[1], descriptors[0] + MORE_DESCRIPTORS, f"{site.options}: descriptors grow")
            self.assertLess(slow[1], max(slow[0] * SLOWER, SOME_MILLISECONDS / 1e3), f"{site.options}: answers take longer")

    def answers_to(self, site, probe):
        began = time.monotonic()
        answered = super().answers_to(site, probe)
        self.slowest[site] = max(self.slowest.get(site, 0), time.monotonic() - began)
        return answered

    # The whole.

    def step(self, number, calm):
        probes = [*(self.any_probe() for _ in range(test_model.PROBES)), *self.allowed_probe()]
        self.check(self.sites, probes)
        if number % STORE_CHANGE_EVERY_STEPS == 0:
            now = int(time.time())
            before = {probe: self.model.answer(*probe, now) for probe in probes}
            self.change_store()
            over = time.monotonic() + test_model.LEASE_SECONDS
            for site in self.sites:
                self.check_within_a_lease(site, probes, before)
            time.sleep(max(0, over - time.monotonic()))
        elif number % EVENT_EVERY_STEPS == 0:
            self.event(calm)
        else:
            self.change_policy()
            for site in self.sites:
                site.recall()
        if number % STORE_CHANGE_EVERY_STEPS:
            self.check(self.sites, probes)

    def runTest(self):
        uring = has_io_uring(self)
        self.sites = []
        for options in ("enforce=lease,lease=1,server_group=www-data", "enforce=open,lease=1", "enforce=open,lease=0"):
            site = self.site if not self.sites else self.new_site(of=self.site)
            site.options = f"{options},io={'uring' if uring and len(self.sites) < 2 else 'dev'}"
            site.mount(site.options)
            self.sites.append(site)
        self.samples, self.slowest = {site: [] for site in self.sites}, {}
        nginx = Nginx(self.site.root / "nginx", self.site.mountpoint, options=("--kind", "cookie"))
        self.addCleanup(nginx.stop)
        visitors = Visitors(lambda: nginx, self.chance, self.known)
        self.addCleanup(visitors.end)
        began = time.monotonic()
        end, calm_until = began + self.hours * 3600, began + self.hours * 3600 * CALM
        next_sample, was_calm, steps = began, True, 0
        while time.monotonic() < end:
            calm = time.monotonic() < calm_until
            if was_calm and not calm:
                self.assert_no_growth()
            was_calm = calm
            if calm and time.monotonic() >= next_sample:
                self.sample()
                next_sample = time.monotonic() + SAMPLE_EVERY_SECONDS
            steps += 1
            self.step(steps, calm)
            self.assertEqual(visitors.wrong, [], self.said(self.site, "a visitor"))
        visitors.end()
        print(f"{steps} steps, {len(self.trace)} changes; visitors were answered {dict(sorted(visitors.answers.items()))}", flush=True)
        self.assertGreater(visitors.answers.get(200, 0), 0, "no visitor got anything")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=8, help="default: 8")
    Soak.hours = parser.parse_args().hours
    result = unittest.TextTestRunner(stream=sys.stdout).run(Soak())
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
