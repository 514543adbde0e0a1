#!/usr/bin/env python3
"""Boots kernels under qemu, runs cases in each, and prints a table of what they give. Called by tools/check kernels.

    main.py [--short] NAME=FOLDER...          a kernel's package unpacked in FOLDER, called NAME in the table
    main.py --nfs NAME=FOLDER...              tests/nfs in it, and no table
    main.py --only SUITE:CASE NAME=FOLDER     one case: --only lease:test_death.Uncovered; may be given again

The last line is "N passed, N failed, N skipped".
"""

import argparse
import collections
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from harness import end_with_parent  # noqa: E402
from kernels import disk  # noqa: E402

#: A boot with everything that runs in it; the short part.
LIMIT_SECONDS, SHORT_LIMIT_SECONDS = 2400, 300
AT_A_TIME = 2  # each of two processors, of which it needs about one


def is_of_nfs(words):
    """Whether it is tests/nfs that runs there, which needs more programs and modules."""
    return words[0].startswith("nfs")


class Boot:
    """A kernel in a machine of its own, which ends with us."""

    def __init__(self, name, folder, words, keep):
        self.name, self.keep = name, keep
        self.limit = SHORT_LIMIT_SECONDS if words == ["short"] else LIMIT_SECONDS
        self.kernel = disk.Kernel(folder)
        self.work = tempfile.TemporaryDirectory(prefix="grantfs-kernel-", dir="/var/tmp")
        work = pathlib.Path(self.work.name)
        self.console, self.results = work / "console", work / "results"
        self.started = time.monotonic()
        print(f"-- {name} ({self.kernel.release}): started", flush=True)
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536", "-nodefaults",
                   "-no-reboot", "-display", "none", "-serial", f"file:{self.console}", "-serial", f"file:{self.results}",
                   "-kernel", self.kernel.image, "-initrd", disk.make_initramfs(self.kernel, work),
                   "-drive", f"file={disk.make_disk(self.kernel, work, TOP / 'build', is_of_nfs(words))},if=virtio,format=raw,cache=unsafe",
                   "-append", f"console=ttyS0 quiet loglevel=3 panic=-1 random.trust_cpu=on grantfs.words={','.join(words)}"]
        self.machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent)

    def is_over(self):
        return self.machine.poll() is not None or self.seconds() > self.limit

    def seconds(self):
        return time.monotonic() - self.started

    def end(self):
        """What its console said, and what guest.py reports; None if it did not."""
        self.machine.kill()
        self.machine.wait()
        said = ["", ""]
        for i, file in enumerate((self.console, self.results)):
            if file.exists():
                said[i] = file.read_text(errors="replace").replace("\r", "")
        if self.keep:
            (self.keep / f"{self.name}.log").write_text(said[0])
        self.work.cleanup()
        return said[0], json.loads(said[1]) if said[1].endswith("\n") else None


def shown(value):
    return {"True": "yes", "False": "no", "None": "?"}.get(str(value), str(value))


def table(columns):
    """Lines: questions down, kernels across."""
    questions = list(dict.fromkeys(question for answers in columns.values() for question in answers))
    rows = [["", *columns], *([question, *(shown(answers.get(question)) for answers in columns.values())] for question in questions)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def late_opens(log):
    """By mode: revocations, opens, and how many came late, as test_soundness.py prints them."""
    said = {}
    for mode, revocations, opens, late in re.findall(r"enforce=(\w+)\S*: (\d+) revocations, (\d+) opens, .* (\d+) late", log):
        before = said.get(mode, (0, 0, 0))
        said[mode] = tuple(a + int(b) for a, b in zip(before, (revocations, opens, late)))
    return {f"late opens, {mode}": f"{late} of {opens} ({revocations} revocations)" for mode, (revocations, opens, late) in said.items()}


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.columns = {}

    def add(self, boot):
        """Prints what a machine came to that is over."""
        seconds = boot.seconds()
        console, report = boot.end()
        if report is None:
            print("\n".join(console.splitlines()[-60:]))
            print(f"FAIL: {boot.name}: no report after {seconds:.0f} s (above: the end of what its console said)", flush=True)
            self.failed += 1
            return
        broken = 0
        for suite, counts in report["suites"].items():
            for case, trace in counts["failed"].items():
                print(f"FAIL: {boot.name}, {suite}: {case}\n{trace}", flush=True)
            for reason, cases in collections.Counter(counts["skipped"].values()).items():
                print(f"skipped: {boot.name}, {suite}: {cases} cases: {reason}")
            broken += len(counts["failed"])
            self.passed += counts["passed"]
            self.skipped += len(counts["skipped"])
        if "failed" in report["answers"]:
            broken += 1
            print(f"FAIL: {boot.name}: questions.py: {report['answers']['failed']}")
            report["answers"] = {}
        self.failed += broken
        self.columns[boot.name] = {"Linux": report["linux"]} | report["answers"] | late_opens(console)
        print(f"-- {boot.name}: {'failed' if broken else 'passed'} in {seconds:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", dest="only", action="store_const", const=["short"], default=["all"])
    parser.add_argument("--nfs", dest="only", action="store_const", const=["nfs"], help="tests/nfs instead")
    parser.add_argument("--only", action="extend", nargs=1, metavar="SUITE:CASE")
    parser.add_argument("--keep", metavar="FOLDER", type=pathlib.Path, help="leave what each kernel's console said there")
    parser.add_argument("kernels", nargs="+", metavar="NAME=FOLDER")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    words = arguments.only[1:] if len(arguments.only) > 1 else arguments.only  # after the default
    waiting = [word.split("=", 1) for word in arguments.kernels]
    totals, running = Totals(), []
    try:
        while waiting or running:
            while waiting and len(running) < AT_A_TIME:
                running.append(Boot(*waiting.pop(0), words, arguments.keep))
            for boot in [boot for boot in running if boot.is_over()]:
                running.remove(boot)
                totals.add(boot)
            time.sleep(0.1)
    finally:
        for boot in running:
            boot.end()
    # In the order in which they were named.
    columns = {word.split("=")[0]: totals.columns[word.split("=")[0]] for word in arguments.kernels if word.split("=")[0] in totals.columns}
    if columns:
        print("\n" + "\n".join(table(columns)) + "\n")
    print(f"{totals.passed} passed, {totals.failed} failed" + (f", {totals.skipped} skipped" if totals.skipped else ""))
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
