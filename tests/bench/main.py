"""The whole benchmark; run it by tools/bench, which installs and builds what it needs."""

import argparse
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import chart
import floors
import report
import rows as rows_module
from rows import ROWS, SIZES

PARTS = ("hot", "cold", "one", "recall", "files", "policy", "memory", "forgetting", "losses", "fleet")
QUICK_PARTS = ("hot", "cold")
BUSY = 0.5  # load average from which on a run is only for trying out


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/bench", description="Measures grantfs beside its peers, in interleaved rounds of one run. Root only.",
        epilog="Rows: " + " ".join(row.name for row in ROWS) + ". Exit status 1 if a row answered wrongly or a measured "
               "floor was missed; what cannot run here is said to be not available.")
    parser.add_argument("--quick", action="store_true", help="the main table, in under 3 minutes: hot up to 1 MiB, and cold")
    parser.add_argument("--only", action="append", choices=(*PARTS, "audit"), metavar="PART",
                        help=f"one of: {' '.join(PARTS)}; repeatable; or audit: what a record of accesses costs, of 1 KiB, hot and cold")
    parser.add_argument("--rows", metavar="NAME,...", help="these rows; raw, twice, is always among them")
    parser.add_argument("--mount", action="append", default=[], metavar="NAME=OPTIONS", help="one more row: grantfs so mounted")
    parser.add_argument("--sizes", metavar="SIZE,...", help=f"of {' '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds over all rows (quick: 2, else 5)")
    parser.add_argument("--seconds", type=int, metavar="N", help="of load in each round of a row (quick: 1, else 3)")
    parser.add_argument("--work", metavar="FOLDER", default="/var/tmp", help="where the files lie; not a tmpfs (default %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write all results there")
    parser.add_argument("--svg", metavar="FILE", help="draw the chart there")
    given = parser.parse_args()
    quick = given.quick
    given.rounds = given.rounds or (2 if quick else 5)
    given.seconds = given.seconds or (1 if quick else 3)
    audits = given.only == ["audit"]
    if "audit" in (given.only or ()) and not audits:
        parser.error("--only audit goes with no other part")
    if audits:
        given.only, given.sizes = rows_module.AUDIT_PARTS, given.sizes or "1k"
    given.parts = given.only or (QUICK_PARTS if quick else PARTS)
    chosen = (given.sizes or ("1k,64k,1m" if quick else ",".join(SIZES))).split(",")
    if unknown := [size for size in chosen if size not in SIZES]:
        parser.error(f"no size {unknown[0]}; there are: {' '.join(SIZES)}")
    given.sizes = {size: SIZES[size] for size in SIZES if size in chosen}
    try:
        extra = [rows_module.custom(text) for text in given.mount]
    except ValueError as error:
        parser.error(str(error))
    default = rows_module.AUDIT_ROWS if audits else [row.name for row in ROWS if (row.quick or not quick) and not row.audits]
    names = given.rows.split(",") if given.rows else default
    if unknown := [name for name in names if name not in [row.name for row in ROWS]]:
        parser.error(f"no row {unknown[0]}; there are: {' '.join(row.name for row in ROWS)}")
    given.rows = [row for row in ROWS if row.name in (*names, "raw", rows_module.AGAIN)] + extra
    return given


def say(text):
    print(f"bench: {text}", flush=True)


def main():
    given = arguments()
    if os.geteuid() != 0:
        sys.exit("bench: run this as root: it mounts file systems")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda which, _: sys.exit(128 + which))

    import machine
    import backends
    from corpus import Corpus
    from measure import Bench

    work = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-bench.", dir=given.work))
    custody = machine.Custody(work, uring=any(row.uring for row in given.rows))  # before any thread starts
    work.chmod(0o711)
    descriptors = machine.DescriptorWatch()
    running, troubles = None, []
    try:
        started = time.monotonic()
        results = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": subprocess.run(["git", "-C", backends.TOP, "describe", "--always", "--dirty"], capture_output=True,
                                     text=True).stdout.strip(),
            "machine": machine.describe(work),
            "rows": {row.name: {"label": row.label, "does": row.does, "options": row.options} for row in given.rows},
            "unavailable": {}, "cells": {},
        }
        if results["machine"]["load_before"] > BUSY:
            say(f"the load average is {results['machine']['load_before']:.1f}: the machine has other work, and these are no results")
        say(f"writing the files, in {work} ({results['machine']['work_folder_filesystem']})")
        corpus = Corpus(work, given.sizes, given.quick)
        os.sync()  # or their way to the disk would burden the first round
        results["settings"] = {"rounds": given.rounds, "seconds": given.seconds, "quick": given.quick,
                               "files": {size: len(names) for size, names in corpus.files.items()},
                               "nginx_workers": 2, "connections": 64, "connections_256m": 4, "wrk_threads": 2}
        running = backends.Servers(work, corpus, descriptors)
        bench = Bench(given, corpus, running, results, say)
        bench.run()
        results["descriptors"] = dict(descriptors.most)
        results["floors"] = floors.judge(results)
        results["took_seconds"] = round(time.monotonic() - started)
    finally:
        # A second Ctrl-C must not cut this short.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        descriptors.stop()
        try:
            if running:
                troubles = running.close()
        finally:
            custody.release()

    labels = {name: row["label"] for name, row in results["rows"].items()}
    print()
    print(report.everything(results, labels))
    print(f"\n{results['took_seconds']} s; {results['machine']['model']}, {results['machine']['processors']} processors, "
          f"kernel {results['machine']['kernel']}")
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(results, indent=1) + "\n")
    if given.svg:
        pathlib.Path(given.svg).write_text(chart.chart(results, labels))
    for trouble in troubles:
        say(f"FAILED: {trouble}")
    wrong = bool(troubles) or any("error" in cell for sizes in results["cells"].values() for cells in sizes.values() for cell in cells.values())
    wrong = wrong or any("error" in (results.get(section) or {}) for section in PARTS + ("disturbed",))
    return 1 if wrong or any(floor["passed"] is False for floor in results["floors"]) else 0


if __name__ == "__main__":
    sys.exit(main())
