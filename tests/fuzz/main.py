#!/usr/bin/env python3
"""Runs the fuzzers in build-fuzz, each for so many seconds; ends with the line "N passed, N failed".

What an input has found stays in build-fuzz/found. The inputs that reach something new stay in build-fuzz/corpus, and the
next run begins with them and with those of tests/fuzz/corpus.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
HERE = TOP / "tests/fuzz"
BUILD = TOP / "build-fuzz"
ENDS_LATE = 60  #: seconds that a fuzzer may take beyond its time: for the inputs that there are
LONGEST_INPUT = 4096

sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/fleet")]


def main():
    targets = sorted(path.name for path in (HERE / "corpus").iterdir())
    parser = argparse.ArgumentParser(prog="tools/check fuzz")
    parser.add_argument("--seconds", type=int, default=20, metavar="N", help="for each target (20)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=" ".join(targets))
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(targets):
        parser.error(f"no target {min(unknown)}; there are: {' '.join(targets)}")
    chosen = arguments.targets or targets
    with postgresql() as where, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        environment = {**os.environ, **where, "UBSAN_OPTIONS": "print_stacktrace=1"}
        passed = list(pool.map(lambda target: run(target, arguments.seconds, environment), chosen))
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if all(passed) else 1


@contextlib.contextmanager
def postgresql():
    """A server to compare CHECKs with, where one is installed: what the fuzzers' environment says of it."""
    from cluster import Cluster

    try:
        cluster = Cluster()
    except unittest.SkipTest as why:
        print(f"PostgreSQL's CHECKs are not compared: {why}")
        yield {}
        return
    try:
        yield {"GRANTFS_FUZZ_POSTGRESQL": cluster.create_database("fuzz")}
    finally:
        cluster.close()


def run(target, seconds, environment):
    """Whether no input was found; says what was done."""
    grown, found = BUILD / "corpus" / target, BUILD / "found"
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    command = [BUILD / f"tests/fuzz/fuzz_{target}", f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", "-timeout=10",
               f"-dict={HERE}/dictionaries/{target}.dict", f"-artifact_prefix={found}/{target}-", grown, HERE / "corpus" / target]
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds + ENDS_LATE, check=False)
        said, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        said, status = (late.stdout or b"").decode(errors="replace") + "\nit did not end", None
    last = re.findall(r"(?m)^#(\d+)\s+DONE\s+cov: (\d+)", said)
    if status == 0 and last:
        print(f"{target}: {int(last[-1][0]):,} inputs, {int(last[-1][1]):,} edges", flush=True)
        return True
    print(f"FAIL: {target}\n{said[-6000:]}\nRepeat it with the input: {command[0]} {found}/{target}-…", flush=True)
    return False


if __name__ == "__main__":
    sys.exit(main())
