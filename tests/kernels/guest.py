"""Runs in a kernel under test, started by init: cases of tests/mount, and what the kernel gives (questions.py).

    guest.py short              the short part
    guest.py all                everything
    guest.py nfs                tests/nfs
    guest.py SUITE:NAME...      cases by name, of the suite lease, own, open, or nfs

What they came to is a line of JSON to descriptor 3.
"""

import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)

#: Modules of tests/mount that hold a promise, most of them by a lease, some by both ways of enforcing; those of OWN say themselves
#: how names are lent. tests/README.md says which promise is whose.
LEASE = ("test_decisions", "test_revocation", "test_indistinguishable", "test_store", "test_root", "test_death", "test_database",
         "test_bytes")
OPEN = ("test_revocation", "test_root", "test_death", "test_bytes")
OWN = ("test_file_handles", "test_held_back", "test_lease", "test_stacking", "test_soundness", "test_steady")
#: The part that is always the same.
SHORT_LEASE = ("test_root",)
SHORT_OWN = ("test_file_handles", "test_lease.Recall", "test_stacking.Stacking", "test_soundness.Soundness.test_leases_over_dev_fuse")

#: All of tests/nfs.
NFS = ("test_changes", "test_serving", "test_trouble")

#: GRANTFS_TEST_OPTIONS.
OPTIONS = {"lease": "enforce=lease", "own": None, "open": "enforce=open,lease=0", "nfs": None}

REVOCATIONS, SHORT_REVOCATIONS = 60, 20  # of each mode of test_soundness


class Result(unittest.TextTestResult):
    """Counts cases; keeps what failed."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.passed = 0
        self.broken = {}

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addError(self, test, err):
        super().addError(test, err)
        self.broken[test.id()] = self.errors[-1][1]

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.broken[test.id()] = self.failures[-1][1]

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.broken[test.id()] = "".join(text for case, text in self.errors + self.failures if case is subtest)


def run_cases(modules):
    """In a process of its own, since the harness reads once how to mount: prints, and returns what it came to."""
    sys.path[:0] = [os.path.join(TESTS, "nfs"), os.path.join(TESTS, "mount"), TESTS]
    tests = unittest.defaultTestLoader.loadTestsFromNames(modules)
    result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Result).run(tests)
    return {"passed": result.passed, "failed": result.broken,
            "skipped": {test.id(): reason for test, reason in result.skipped}}


def in_a_process(*words, options=None):
    """What this program returns, run anew with the words; it says so itself, or has died."""
    read_end, write_end = os.pipe()
    environment = {**os.environ, "GRANTFS_PATIENCE_SECONDS": "90", "TMPDIR": "/tmp",
                   **({"GRANTFS_TEST_OPTIONS": options} if options else {})}
    process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), "--report", str(write_end), *words],
                               pass_fds=[write_end], env=environment, stdin=subprocess.DEVNULL)
    os.close(write_end)
    with open(read_end) as pipe:
        said = pipe.read()
    process.wait()
    return json.loads(said) if said else {"passed": 0, "failed": {words[0]: f"ended with status {process.returncode}"}, "skipped": {}}


def chosen(words):
    """The names of each suite."""
    if words == ["short"]:
        return {"lease": SHORT_LEASE, "own": SHORT_OWN}
    if words == ["all"]:
        return {"lease": LEASE, "own": OWN, "open": OPEN}
    if words == ["nfs"]:
        return {"nfs": NFS}
    return {suite: [word.split(":")[1] for word in words if word.split(":")[0] == suite] for suite in OPTIONS}


def main():
    words = sys.argv[1:]
    if words[:1] == ["--report"]:
        if words[2] == "questions":
            sys.path[:0] = [HERE, TESTS]
            import questions
            report = questions.answers()
        else:
            report = run_cases(words[3:])
        with open(int(words[1]), "w") as pipe:
            json.dump(report, pipe)
        return
    os.environ["GRANTFS_REVOCATIONS"] = str(SHORT_REVOCATIONS if words == ["short"] else REVOCATIONS)
    suites = {suite: in_a_process("cases", *names, options=OPTIONS[suite]) for suite, names in chosen(words).items() if names}
    answers = {} if "nfs" in suites else in_a_process("questions")
    with open(3, "w") as port:
        # "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)"
        version = os.uname().version.rpartition("Debian ")[2].partition(" ")[0]
        port.write(json.dumps({"linux": version, "suites": suites, "answers": answers}) + "\n")


if __name__ == "__main__":
    main()
