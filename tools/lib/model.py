#!/usr/bin/env python3
"""What tools/check model runs: spin over docs/model/lease.pml, in one scene after the other, each exhaustively.

Each is a case: as the code is, no error may be found; with something taken out, an error must be found. The last line is
"N passed, N failed".
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
MODEL = TOP / "docs/model/lease.pml"
MOST_MEGABYTES = 1900
DEEPEST = 3_000_000  # steps of one run, of which the longest take tens of thousands

#: `switches`: the scene, and what is taken out. `promise`: the one that must be found broken; none: no error may be found.
Case = collections.namedtuple("Case", "name switches promise")

#: The model as the code is.
HOLDS = [Case(name, switches.split(), None) for name, switches in (
    ("revoked", "REVOKES"),
    ("revoked-with-its-folder", "REVOKES OTHERS FOLDER_GOES"),
    ("revoked-in-steady-use", "REVOKES STEADY_USE FOLDER_GOES"),
    ("revoked-by-epoch", "REVOKES STEADY_USE EVERYTHING"),
    ("revoked-and-killed", "REVOKES KILLS FOLDER_GOES"),
    ("killed", "KILLS STEADY_USE"),
    ("committed-on-an-idle-machine", "COMMITS STEADY_USE PUNCTUAL STOPS"),
    ("passed-by", "PASSES_BY STEADY_USE OTHERS"),
    ("passed-by-and-stopped", "PASSES_BY STEADY_USE EVERYTHING PUNCTUAL STOPS"),
    ("two-requests-at-a-time", "COMMITS STEADY_USE PUNCTUAL TWO_REQUESTS"),
    ("steady-use-begins", "PASSES_BY BEGINS"),
    ("expires", "EXPIRES STEADY_USE FOLDER_GOES"),
    ("expires-sooner", "SHORTENS STEADY_USE FOLDER_IS_LESS"),
    ("revoked-and-held-back", "REVOKES HELD_BACK"),
    ("passed-by-and-held-back", "PASSES_BY PUNCTUAL STOPS HELD_BACK"),
    ("passed-by-over-a-ring", "PASSES_BY PUNCTUAL STOPS HELD_BACK RING"),
    ("expires-and-held-back", "EXPIRES STEADY_USE FOLDER_GOES HELD_BACK"),
)]

#: What was mended, with the mend taken out: these three are the holes of which the code has had each.
HOLES = [Case(name, switches.split(), 2) for name, switches in (
    ("hole-of-stacked-file-systems", "REVOKES OTHERS CAN_BE_STACKED_ON"),
    ("hole-of-silent-writers", "PASSES_BY STEADY_USE OTHERS TRUSTS_WHAT_IS_EXPLAINED"),
    ("hole-of-a-getattr-across-a-stop", "PASSES_BY STEADY_USE PUNCTUAL STOPS ATTRIBUTES_COUNT_FROM_THE_REPLY"),
)]

#: Other things that the code does for safety, each taken out.
NEEDED = [Case(name, switches.split(), promise) for name, switches, promise in (
    ("needs-marks", "REVOKES LENDS_WHATEVER_THE_MARK", 2),
    ("needs-marks-before-collecting", "REVOKES RECALL_BEGINS_LATE", 2),
    ("needs-to-wait-for-lookups", "REVOKES WAITS_FOR_NO_LOOKUP", 2),
    ("needs-to-forget-all-below", "REVOKES FOLDER_GOES FORGETS_THE_HIGHEST_ALONE", 2),
    ("needs-to-wait-for-killed-daemons", "REVOKES KILLS FOLDER_GOES WAITS_FOR_NO_KILLED_DAEMON", 2),
    ("needs-to-lend-up-to-the-expiry-alone", "EXPIRES STEADY_USE FOLDER_GOES LENDS_BEYOND_THE_EXPIRY", 3),
    ("needs-a-folder-s-lease-to-be-short", "KILLS STEADY_USE FOLDER_SHARE=3", 9),
    ("needs-the-time-before-the-node", "PASSES_BY BEGINS FINDS_BEFORE_THE_TIME", 2),
    ("needs-late-replies-to-be-forgotten", "REVOKES HELD_BACK LATE_REPLIES_STAY", 2),
    ("needs-that-after-a-stop", "PASSES_BY PUNCTUAL STOPS HELD_BACK LATE_REPLIES_STAY", 2),
    ("needs-to-begin-afresh-after-a-stop", "PASSES_BY PUNCTUAL STOPS HELD_BACK RING GOES_ON_AS_BEFORE", 2),
    ("needs-vouching", "PASSES_BY STEADY_USE VOUCHES_FOR_ALL", 2),
    ("needs-the-review-before-it-has-kept-up", "PASSES_BY STEADY_USE KEEPS_UP_BEFORE_THE_REVIEW", 2),
    ("needs-the-epoch-before-reviews-end", "PASSES_BY STEADY_USE EVERYTHING PUNCTUAL STOPS ENDS_REVIEWS_BEFORE_THE_EPOCH", 2),
    ("needs-steady-use-to-begin-in-time", "PASSES_BY STEADY_USE PUNCTUAL STOPS LENDS_LONGER_HOWEVER_LATE", 2),
    ("needs-both-shares-to-be-a-lease", "PASSES_BY STEADY_USE CHECKED_SHARE=2", 2),
)]

#: What the model assumes of the code and the machine, each not assumed: see "What does not hold" in docs/model/README.md.
ASSUMED = [Case(name, switches.split(), promise) for name, switches, promise in (
    ("assumes-nobody-opens-in-the-moment", "REVOKES HELD_BACK COUNTS_EVERY_MOMENT", 2),
)]

CASES = HOLDS + HOLES + NEEDED + ASSUMED


class Broken(Exception):
    """The checker did not come to an end."""


def run(words, folder):
    done = subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def defines(case):
    return [f"-D{switch}" for switch in case.switches]


def check(case, folder, shortest=False):
    """What the checker says. `shortest`: it looks for the shortest counterexample, which takes more memory."""
    said = run(["spin", "-a", *defines(case), MODEL], folder)
    if not (folder / "pan.c").exists():
        raise Broken(said)
    how = ["-DBFS"] if shortest else ["-DCOLLAPSE"]
    said = run(["gcc", "-O2", "-w", "-DSAFETY", f"-DMEMLIM={MOST_MEGABYTES}", *how, "-o", "pan", "pan.c"], folder)
    if not (folder / "pan").exists():
        raise Broken(said)
    said = run(["./pan", f"-m{DEEPEST}", "-w22", "-n"], folder)
    # With less than that, a run is not exhaustive, whatever it did not find.
    if not re.search(r"errors: \d", said) or re.search(r"max search depth too small|out of memory|reached -DMEMLIM", said):
        raise Broken(said)
    return said


def found_in(said):
    """The promise that was broken; 0: another error; none: no error."""
    broken = re.search(r"assertion violated \(promise!=(\d)\)", said)
    return int(broken[1]) if broken else None if "errors: 0" in said else 0


def judge(case, said):
    """(passed, what to print)"""
    found = found_in(said)
    states = f"{int(re.search(r'([0-9]+) states, stored', said)[1]):,} states"
    what = {None: f"no error in all of {states}", 0: f"an error that is no promise's: {said}"}.get(found, f"promise {found} is broken (after {states})")
    return found == case.promise, what


def trace(case):
    """Prints the shortest counterexample, step by step, and how everything stands at its end."""
    with tempfile.TemporaryDirectory(prefix="grantfs-model-") as folder:
        folder = pathlib.Path(folder)
        if found_in(check(case, folder, shortest=True)) is None:
            print(f"{case.name}: there is none")
            return 0
        said = run(["spin", "-t", "-p", "-k", next(folder.glob("*.trail")), *defines(case), MODEL], folder)
    names, source, last = {}, MODEL.read_text().splitlines(), None
    for line in said.splitlines():
        step = re.match(r"\s*\d+:\s+proc\s+(\d+) \((\S+?):\d+\) \S*?:(\d+) \(state \d+\)\s+\[(.*)\]$", line)
        if not step:
            if re.match(r"\t\t\w", line) or "assert" in line:
                print(line.strip())
            continue
        number, who, at, does = step.groups()
        names.setdefault(who, number)
        if who == ":init:" or does in ("(1)", "else") or (who == "Clock" and "since" not in does):
            continue
        told = "a tick" if who == "Clock" else does
        print(f"{'' if who == last else who:12} {at:>4}  {told}")
        last = who
    print(f"(the numbers are lines of {MODEL.relative_to(TOP)}, which has {len(source)})")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="tools/check model", description=__doc__.split("\n\n")[0])
    parser.add_argument("--trace", action="store_true", help="print the shortest counterexample of each case named")
    parser.add_argument("cases", metavar="CASE", nargs="*", help="only these: " + " ".join(case.name for case in CASES))
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - {case.name for case in CASES}
    if unknown:
        parser.error(f"no case {' '.join(sorted(unknown))}")
    chosen = [case for case in CASES if not arguments.cases or case.name in arguments.cases]
    if arguments.trace:
        return max(trace(case) for case in chosen)
    passed = 0
    for case in chosen:
        with tempfile.TemporaryDirectory(prefix="grantfs-model-") as folder:
            try:
                good, what = judge(case, check(case, pathlib.Path(folder)))
            except Broken as broken:
                good, what = False, f"the checker did not come to an end: {broken}"
        passed += good
        print(f"{'ok' if good else 'FAIL'}: {case.name} ({' '.join(case.switches)}): {what}", flush=True)
    print(f"{passed} passed, {len(chosen) - passed} failed")
    return 0 if passed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
