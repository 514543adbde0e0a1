#!/usr/bin/env python3
"""Runs the suites and ends with the line "N passed, N failed".

Every suite is a process of its own, with a time limit and its temporary files under one folder.
Whatever a suite leaves behind there (a mount, a process) is ended here and counts as a failure.
Three suites run at a time, since each waits for most of its time, each under a runner of its own, and what they print comes in one piece.
"""

import argparse
import collections
import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES = {"docs": 120, "unit": 300, "nobody": 300, "grantctl": 300, "mount": 900, "lease": 900, "web": 400, "fleet": 900, "faults": 300}  # seconds at most
BESIDE = {"lint": 3000}  # only if named; it is none of the three at a time, and gets what they leave of the processors
NOBODY = 65534  # who runs "nobody": the unit tests once more, as whoever builds a package does
FOLDERS = {"lease": "mount"}  # the same cases once more, as a mount is by default
WITH_LEASES = {"GRANTFS_TEST_OPTIONS": "enforce=lease"}
OPTIONS = {"lease": WITH_LEASES, "web": WITH_LEASES}
SET_THEIR_OWN = {"test_held_back", "test_lease", "test_steady", "test_model", "test_soundness", "test_exhaustion"}  # how names are lent
SANITIZED = {"address": ("unit", "mount"), "thread": ("unit", "mount", "lease")}  # mount has the cases of leases too
SLOWER = 5  # how many times longer a sanitized suite may take
PR_SET_CHILD_SUBREAPER = 36
NOWHERE = "/nonexistent"  #: the home of users that have none: what runs as one must not find it

Counts = collections.namedtuple("Counts", "passed failed skipped")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--counts", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action=argparse.BooleanOptionalAction, default=True,
                        help="the build that is not sanitized, too (the default)")
    parser.add_argument("--sanitized", metavar="NAME=BUILD_DIR", action="append", default=[])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=" ".join(["all", *SUITES, *BESIDE]))
    arguments = parser.parse_args()
    for suite in arguments.suites:
        if suite not in ("all", *SUITES, *BESIDE):
            parser.error(f"no suite {suite}; there are: {' '.join(['all', *SUITES])}")
    # Also where whoever began us ignores them, as a shell does in the background: a program that we begin would ignore them
    # too, and could not be told otherwise.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if arguments.one:
        return run_python_suite(arguments.suites[0], arguments.one)

    if os.path.lexists(NOWHERE):
        sys.exit(f"{NOWHERE} exists on this machine, and the tests need a path that does not: remove it")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)

    named = set(arguments.suites or ["all"])
    chosen = [suite for suite in (*SUITES, *BESIDE) if suite in named or ("all" in named and suite in SUITES)]
    runs = [Run(suite) for suite in chosen] if arguments.plain else []
    for sanitized in arguments.sanitized:
        name, build = sanitized.split("=", 1)
        runs += [Run(suite, name, build) for suite in chosen if suite in SANITIZED[name]]

    counts = runs[0]() if len(runs) == 1 else three_at_a_time(runs)
    if arguments.counts:
        with open(arguments.counts, "w") as file:
            json.dump(counts, file)
    else:
        print(said(counts))
    return 1 if counts.failed or not counts.passed else 0


def three_at_a_time(runs):
    """The longest first, so that no processor is idle at the end."""
    waiting = sorted(runs, key=lambda run: run.limit, reverse=True)
    totals, started = Counts(0, 0, 0), []
    with tempfile.TemporaryDirectory(prefix="grantfs-run.") as folder:
        try:
            while waiting or started:
                while run := next((run for run in waiting if room_for(run, [item[0] for item in started])), None):
                    waiting.remove(run)
                    print(f"-- {run.name}: started", flush=True)
                    started.append((run, *run.begin(folder)))
                ended = next((item for item in started if item[1].poll() is not None), None)
                if ended is None:
                    time.sleep(0.05)
                    continue
                started.remove(ended)
                run, process, output, result = ended
                counts = told(process, output, result)
                print(f"-- {run.name}: {said(counts)}", flush=True)
                totals = Counts(*map(sum, zip(totals, counts)))
        finally:
            for _, process, _, _ in started:
                process.send_signal(signal.SIGINT)  # it cleans up
            for _, process, _, _ in started:
                process.wait()
    return totals


def room_for(run, started):
    """Whether it may start beside those."""
    return run.suite in BESIDE or len([one for one in started if one.suite not in BESIDE]) < 3


def told(process, output, result):
    """Prints what a runner said; what it counted."""
    with open(output, errors="replace") as file:
        print(file.read(), end="", flush=True)
    try:
        with open(result) as file:
            return Counts(*json.load(file))
    except (OSError, ValueError):
        print(f"FAIL: the runner ended with status {process.returncode}", flush=True)
        return Counts(0, 1, 0)


def said(counts):
    skipped = f", {counts.skipped} skipped" if counts.skipped else ""
    return f"{counts.passed} passed, {counts.failed} failed{skipped}"


class Run:
    """One suite against one build."""

    def __init__(self, suite, sanitizer=None, build="build"):
        self.suite = suite
        self.sanitizer = sanitizer
        self.build = os.path.join(TOP, build)
        self.name = f"{suite} ({sanitizer})" if sanitizer else suite
        self.limit = {**SUITES, **BESIDE}[suite] * (SLOWER if sanitizer else 1)

    def begin(self, folder):
        """Runs it by a runner of its own: the process, and where its output and its counts go."""
        output, result = (os.path.join(folder, self.name + suffix) for suffix in (".out", ".json"))
        which = ["--no-plain", "--sanitized", f"{self.sanitizer}={self.build}"] if self.sanitizer else []
        with open(output, "w") as file:
            process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), "--counts", result, *which, self.suite],
                                       stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        return process, output, result

    def __call__(self):
        # Daemons that the suite lost become our children, so that they can be found and ended.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.root = tempfile.mkdtemp(prefix="grantfs-check.")
        os.chmod(self.root, 0o711)  # other users pass through
        try:
            self.reports = os.path.join(self.root, "reports")
            os.mkdir(self.reports)
            os.chmod(self.reports, 0o1777)
            counts = self.supervise()
            troubles = self.left_behind() + self.sanitizer_reports()
            for trouble in troubles:
                print(f"FAIL: {self.name}: {trouble}", flush=True)
            return counts._replace(failed=counts.failed + len(troubles))
        finally:
            clear_mounts(self.root)
            end_children()
            clear_mounts(self.root)
            shutil.rmtree(self.root, ignore_errors=True)

    def supervise(self):
        result = os.path.join(self.root, "result.json")
        started = time.monotonic()
        try:
            process = subprocess.Popen(self.command(result), cwd=TOP, env=self.environment(), stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        except OSError as error:
            print(f"FAIL: {self.name}: {error}", flush=True)
            return Counts(0, 1, 0)
        trouble = None
        try:
            status = process.wait(self.limit)
            if status < 0:
                trouble = f"killed by {signal.Signals(-status).name}"
        except subprocess.TimeoutExpired:
            trouble = f"not done after {self.limit} s"
        finally:
            if process.poll() is None:
                end_group(process)
        try:
            with open(result) as file:
                counts = read_counts(json.load(file))
        except (OSError, ValueError):
            counts = Counts(0, 0, 0)
            trouble = trouble or f"crashed with status {process.returncode}"
        if not trouble and process.returncode and not counts.failed:
            trouble = f"ended with status {process.returncode}"
        if not trouble and not counts.passed + counts.failed:
            trouble = "ran no test"
        if trouble:
            print(f"FAIL: {self.name}: {trouble} ({time.monotonic() - started:.0f} s)", flush=True)
            counts = counts._replace(failed=counts.failed + 1)
        return counts

    def command(self, result):
        if self.suite in ("unit", "nobody"):
            program = os.path.join(self.build, "tests/unit/unit_tests")
            words = self.as_nobody(program, result) if self.suite == "nobody" and os.geteuid() == 0 else [program]
            words += ["--gtest_brief=1", f"--gtest_output=json:{result}"]
        elif self.suite == "lint":
            words = ["nice", "-n", "19", sys.executable, "-B", os.path.join(TOP, "tools/lib/lint.py"), "--counts", result]
        else:
            words = [sys.executable, "-B", os.path.abspath(__file__), "--one", result, self.suite]
        if self.sanitizer == "thread":
            words = ["setarch", platform.machine(), "-R", *words]  # its shadow does not fit every random layout
        return words

    def as_nobody(self, program, result):
        """The command, for a copy where nobody gets at it, wherever the checkout is."""
        copy = shutil.copy(program, self.root)
        os.chmod(self.root, 0o1777)  # of the temporary files too
        with open(result, "w") as file:
            os.fchmod(file.fileno(), 0o666)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", copy]

    def environment(self):
        log = f"log_path={self.reports}/report:halt_on_error=1"
        supp = os.path.join(TOP, "tests", "tsan.supp")
        thread = f":suppressions={supp}" if os.path.exists(supp) else ""
        return {
            **os.environ,
            **OPTIONS.get(self.suite, {}),
            **({"GRANTFS_SANITIZER_LOG": self.reports} if self.sanitizer else {}),
            **({"GRANTFS_PACKAGED_LIBFUSE": "1"} if self.sanitizer == "address" else {}),
            "GRANTFS_BUILD": self.build,
            "TMPDIR": self.root,
            "LC_ALL": "C.UTF-8",
            "ASAN_OPTIONS": f"{log}:detect_leaks=1:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": f"{log}:print_stacktrace=1",
            "TSAN_OPTIONS": f"{log}:second_deadlock_stack=1{thread}",
        }

    def left_behind(self):
        """What the suite should have cleaned: ended here, and told."""
        troubles = [f"left a mount on {place}" for place in clear_mounts(self.root)]
        if os.path.lexists(NOWHERE):
            troubles.append(f"{NOWHERE} was made")
        deadline = time.monotonic() + 10
        while children() and time.monotonic() < deadline:
            reap(0.02)
        return troubles + [f"left a process: {words}" for words in end_children()]

    def sanitizer_reports(self):
        troubles = []
        for name in sorted(os.listdir(self.reports)):
            with open(os.path.join(self.reports, name), errors="replace") as file:
                print(file.read(), flush=True)
            troubles.append(f"a sanitizer reported (above, {name})")
        return troubles


def read_counts(result):
    if "testsuites" not in result:
        return Counts(*(result[field] for field in Counts._fields))
    passed = failed = skipped = 0
    for suite in result["testsuites"]:
        for case in suite["testsuite"]:
            if case.get("failures"):
                failed += 1
            elif case["result"] == "SKIPPED" or case["status"] == "NOTRUN":
                skipped += 1
            else:
                passed += 1
    return Counts(passed, failed, skipped)


def end_group(process):
    """Asks the suite to clean up after itself, as Ctrl-C does; then insists."""
    for number, seconds in ((signal.SIGINT, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
            return
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(word) for word in file.read().split()]


def reap(seconds):
    """Waits up to that long, and collects what has ended."""
    time.sleep(seconds)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_children():
    """Kills every process that descends from ours; returns their command names."""
    ended = []
    while pids := children():
        for pid in pids:
            try:
                with open(f"/proc/{pid}/comm") as file:
                    name = file.read().strip()
                with open(f"/proc/{pid}/stat") as file:
                    if file.read().rpartition(")")[2].split()[0] == "Z":
                        continue
                os.kill(pid, signal.SIGKILL)
                ended.append(f"{name} ({pid})")
            except (OSError, IndexError):
                pass
        reap(0.02)
    return ended


def clear_mounts(root):
    """Unmounts everything beneath root; returns where something was mounted."""
    places = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            place = line.split(" ")[4].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
            if place.startswith(root + "/"):
                places.append(place)
    for place in reversed(places):
        subprocess.run(["umount", "-l", "--", place], check=False)
    return places


class Result(unittest.TextTestResult):
    """Counts cases, not assertions: a case that fails in three subtests is one failed case."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.passed = 0
        self.broken = set()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.passed += 1

    def addError(self, test, err):
        super().addError(test, err)
        self.broken.add(test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.broken.add(test.id())

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.broken.add(test.id())

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.broken.add(test.id())


def modules_of(tests):
    if isinstance(tests, unittest.TestCase):
        return {type(tests).__module__}
    return set().union(*map(modules_of, tests))


def run_python_suite(suite, result_path):
    folder = os.path.join(TOP, "tests", FOLDERS.get(suite, suite))
    sys.path.insert(0, os.path.join(TOP, "tests"))
    tests = unittest.defaultTestLoader.discover(folder, pattern="test_*.py", top_level_dir=folder)
    if suite in FOLDERS:
        tests = unittest.TestSuite(module for module in tests if not modules_of(module) & SET_THEIR_OWN)
    runner = unittest.TextTestRunner(sys.stdout, resultclass=Result)
    result = runner.run(tests)
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    with open(result_path, "w") as file:
        json.dump({"passed": result.passed, "failed": len(result.broken), "skipped": len(result.skipped)}, file)
    return 0 if not result.broken else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
