"""What a decision costs as the policy grows, and a listing as the folder does."""

import json
import os
import sqlite3
import statistics
import subprocess
import tempfile
import time

import harness
from corpus import token_of
from machine import dies_with_us

PROGRAM = harness.BUILD / "tests" / "bench" / "policy_cost"
GRANTS = (10_000, 1_000_000, 10_000_000)
EACH = 100  # grants of one user, in a folder of their own
VISIBLE = 10
CROWD = 100_000
REPETITIONS = 5
PROBES = 200_000  # of names that are not to be seen, a quarter for each reason why


def measure(bench):
    work = bench.corpus.work / "policies"
    work.mkdir(mode=0o700)
    words = []
    for grants in GRANTS[:2] if bench.given.quick else GRANTS:
        bench.say(f"policy: {grants:,} grants")
        words += ["decide", f"decide_{grants}", str(make(work / str(grants), grants)), str(grants // EACH), str(EACH)]
    database = work / "10000" / "policy.db"
    add_folders(database)
    for among in (VISIBLE, CROWD):
        words += ["list", f"list_{among}", str(database), f"among{among}"]
    bench.say("policy: measuring")
    done = subprocess.run(
        [PROGRAM, "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}", "--benchmark_min_time=0.3",
         "--benchmark_report_aggregates_only=true", *words], capture_output=True, text=True, preexec_fn=dies_with_us)
    if done.returncode:
        raise RuntimeError(f"policy_cost: {done.stderr.strip()}")
    medians = {}
    for entry in json.loads(done.stdout)["benchmarks"]:
        if entry.get("error_occurred"):
            raise RuntimeError(f"policy_cost: {entry['name']}: {entry['error_message']}")
        if entry["aggregate_name"] == "median":
            medians[entry["run_name"]] = entry["real_time"] / 1e3
    compare_classes(bench, work)
    return {
        "decide_us": {str(grants): medians[f"decide_{grants}/allowed"] for grants in GRANTS
                      if f"decide_{grants}/allowed" in medians},
        "decide_denied_us": {str(grants): medians[f"decide_{grants}/denied"] for grants in GRANTS
                             if f"decide_{grants}/denied" in medians},
        "list_10_policy_us": {str(among): medians[f"list_{among}"] for among in (VISIBLE, CROWD)},
        "list_10_mount_us": on_a_mount(bench),
    }


def compare_classes(bench, work):
    """Prints what a name costs that is missing, another's, granted to another, or in another's folder: it must not differ."""
    database = make(work / "classes", EACH)
    connection, finish = bulk(database)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
    connection.execute(f"INSERT INTO owners (path, principal) {numbers} SELECT printf('p/%08d/f', i), 'user:00000001' FROM n WHERE i % 4 = 1", (PROBES,))
    connection.execute(f"INSERT INTO grants (path, principal) {numbers} SELECT printf('p/%08d/f', i), 'user:00000001' FROM n WHERE i % 4 = 2", (PROBES,))
    connection.execute(f"INSERT INTO owners (path, principal) {numbers} SELECT printf('p/%08d', i), 'user:00000001' FROM n WHERE i % 4 = 3", (PROBES,))
    finish()
    done = subprocess.run([PROGRAM, "classes", str(database), str(PROBES)], capture_output=True, text=True, preexec_fn=dies_with_us)
    if done.returncode:
        raise RuntimeError(f"policy_cost: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        bench.say(f"policy: {line}")


def bulk(database):
    """A connection for loading much at once: no journal, no triggers, no index but the unique one, until finish()."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    later = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE tbl_name IN ('grants', 'sessions')"
                               " AND type IN ('index', 'trigger') AND sql IS NOT NULL").fetchall()
    for kind, name, _ in later:
        connection.execute(f"DROP {kind} {name}")
    connection.execute("BEGIN")

    def finish():
        for _, _, sql in later:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()

    return connection, finish


def make(folder, grants):
    """A database of so many grants, EACH to a user who also has a session. Returns its path."""
    folder.mkdir(mode=0o700)
    database = folder / "policy.db"
    subprocess.run([harness.GRANTCTL, "--db", database, "init"], check=True, capture_output=True)
    connection, finish = bulk(database)
    # In the order of the unique index, which is then written once through and not here and there.
    connection.execute(
        "INSERT INTO grants (principal, path)"
        " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
        f" SELECT printf('user:%08d', i / {EACH}), printf('u%08d/%05d', i / {EACH}, i % {EACH}) FROM n", (grants,))
    connection.execute(
        "INSERT INTO sessions (id, principal)"
        " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
        " SELECT printf('%064x', i), printf('user:%08d', i) FROM n", (grants // EACH,))
    finish()
    return database


def add_folders(database):
    """amongN: N names that have grants, ten of them user 0's."""
    connection, finish = bulk(database)
    for among in (VISIBLE, CROWD):
        connection.execute(
            "INSERT INTO grants (principal, path)"
            " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)"
            f" SELECT iif(i % (?1 / {VISIBLE}) = 0, 'user:00000000', 'user:other'), printf('among%d/%06d', ?1, i) FROM n",
            (among,))
    finish()


def on_a_mount(bench):
    """The same two folders through the mount, the files on disk: microseconds for a listing of names alone."""
    tempfile.tempdir = str(bench.corpus.work)
    site = harness.Site()
    try:
        for among in (VISIBLE, CROWD):
            folder = site.store / f"among{among}"
            folder.mkdir()
            for number in range(among):
                (folder / f"{number:06}").touch()
        add_folders(site.db)
        token = token_of("lister")
        site.sql("INSERT INTO sessions (id, principal) VALUES (?, 'user:00000000')", (harness.token_id(token),))
        mount_best(site)
        taken = {among: [] for among in (VISIBLE, CROWD)}
        for _ in range(100 if bench.given.quick else 500):
            for among, times in taken.items():
                start = time.perf_counter()
                names = os.listdir(site.path("by-session", token, f"among{among}"))
                times.append((time.perf_counter() - start) * 1e6)
                if len(names) != VISIBLE:
                    raise RuntimeError(f"{len(names)} names where {VISIBLE} are visible")
        return {str(among): statistics.median(times) for among, times in taken.items()}
    finally:
        site.close()


def mount_best(site):
    """As most would mount it, with views that share what is cached of a file; where this build has no leases, as it mounts
    by itself."""
    if site.mount("enforce=lease,server_group=www-data", check=False).returncode:
        site.mount("server_group=www-data")
