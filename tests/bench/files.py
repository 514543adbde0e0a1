"""The same files without a web server: open+fstat+read+close and stat, by two threads; and one large file read through."""

import json
import subprocess

import harness
from machine import dies_with_us
from report import summary

PROGRAM = harness.BUILD / "tests" / "bench" / "file_cost"
ROUNDS = 3


def measure(bench):
    folders = {"raw": bench.corpus.store}
    for server in bench.servers:
        if server.site:
            folders[server.row.name] = server.site.path("by-session", bench.corpus.hot_token)
        elif server.row.kind in ("bindfs", "passthrough_hp"):
            folders[server.row.name] = bench.corpus.work / f"mount-{server.row.name}"
    found = {name: {} for name in folders}
    for size in (size for size in bench.given.sizes if size in ("1k", "64k", "256m")):
        rounds = {name: [] for name in folders}
        for _ in range(ROUNDS):
            for name, folder in folders.items():
                rounds[name].append(run([folder / size / file for file in bench.corpus.files[size]]))
        for name, values in rounds.items():
            found[name][size] = {field: value["median"] for field, value in summary(values).items()}
    return found


def run(paths):
    done = subprocess.run([PROGRAM, "1", "2"], input="\n".join(map(str, paths)), capture_output=True, text=True,
                          timeout=120, preexec_fn=dies_with_us)
    if done.returncode:
        raise RuntimeError(f"file_cost: {done.stderr.strip()}")
    return json.loads(done.stdout)
