"""Three machines that follow a policy in PostgreSQL: how soon all refuse what a commit takes away, how fast rows get there, and what
a node costs the server. Their namespaces are those of tests/fleet; the processors are this machine's."""

import json
import mmap
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import harness
import backends  # noqa: F401: knows where fleet is
from corpus import token_of
from fleet import Fleet
from machine import dies_with_us
from recalls import opens
from report import spread

NODES = 3
PATIENCE_SECONDS = 30
IDLE_SECONDS = 20
TAKE = "DELETE FROM grantfs.grants WHERE principal = 'user:victim'"
GIVE = "INSERT INTO grantfs.grants (principal, path) VALUES ('user:victim', 'report')"


def measure(bench):
    quick = bench.given.quick
    tempfile.tempdir = str(bench.corpus.work)
    # As a server is run: a commit is on the disk.
    fleet = Fleet(nodes=NODES, follow=10, options="enforce=lease,lease=60", fsync="on")
    try:
        with Session(fleet.upstream) as session:
            found = {"nodes": NODES, "revoked": revoked(bench, fleet, session, 100 if quick else 1000)}
            bench.say("fleet: an idle node")
            found["idle_node"] = idle(fleet, 5 if quick else IDLE_SECONDS)
            bench.say("fleet: commits")
            found["steady"] = commits(fleet, session, 1000 if quick else 10_000)
            bench.say("fleet: rows of one transaction")
            found["one_transaction"] = rows_at_once(fleet, session, 20_000 if quick else 200_000)
            bench.say("fleet: rows of other tables")
            found["other_tables"] = other_tables(fleet, session, 20_000 if quick else 200_000)
            bench.say("fleet: a first copy")
            found["first_copy"] = first_copy(fleet, session, 50_000 if quick else 1_000_000)
        return found
    finally:
        fleet.close()


class Session:
    """A connection that stays, so that nobody waits for a program to start."""

    def __init__(self, upstream):
        self.psql = upstream.cluster.psql(upstream.database)

    def run(self, sql):
        """The lines that it answers with."""
        self.psql.stdin.write(f"{sql};\n\\echo done\n")
        self.psql.stdin.flush()
        lines = []
        while (line := self.psql.stdout.readline()) != "done\n":
            if not line or "ERROR" in line:
                raise RuntimeError(f"{sql}: {line}")
            lines.append(line.rstrip("\n"))
        return lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.psql.communicate(timeout=PATIENCE_SECONDS)


def revoked(bench, fleet, session, times):
    """From the end of COMMIT until await_recall() has returned, and until an open is refused on every node. Loaded: on each node
    a process opens the path all the time."""
    token = token_of("victim")
    fleet.write("report", b"x")
    session.run(f"INSERT INTO grantfs.sessions (id, principal) VALUES ('{harness.token_id(token)}', 'user:victim')")
    paths = [str(node.site.path("by-session", token, "report")) for node in fleet.nodes]
    found = {}
    for load in ("idle", "loaded"):
        bench.say(f"fleet: revocations, {load}")
        found[load] = attempt(bench, session, paths, times, load == "loaded")
    return found


def attempt(bench, session, paths, times, loaded):
    shared_file = bench.corpus.work / "window"
    shared_file.write_bytes(bytes(8))
    with open(shared_file, "r+b") as file:
        window = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
    readers = [subprocess.Popen([sys.executable, "-B", pathlib.Path(__file__).with_name("reader.py"), path, shared_file],
                                stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_us) for path in paths if loaded]
    taken, late = {"commit_ms": [], "refused_ms": [], "acknowledged_ms": []}, 0
    try:
        for number in range(times):
            session.run(GIVE)
            until(lambda: all(map(opens, paths)), "a new grant has no effect")
            began = time.monotonic()
            session.run(TAKE)
            committed = time.monotonic()
            # What the one waits for must not be measured with the other: in turn.
            if number % 2:
                until(lambda: not any(map(opens, paths)), "a revocation has no effect")
                taken["refused_ms"].append((time.monotonic() - committed) * 1e3)
            rows = session.run("SELECT node, forgotten, why FROM grantfs.await_recall()")
            acknowledged = time.monotonic()
            if [row.split("|")[1:] for row in rows] != [["t", "acknowledged"]] * NODES:
                raise RuntimeError(f"not acknowledged: {rows}")
            if not number % 2:
                taken["acknowledged_ms"].append((acknowledged - committed) * 1e3)
            taken["commit_ms"].append((committed - began) * 1e3)
            window[0] += 1
            late += sum(map(opens, paths))
            if loaded:
                time.sleep(0.001)  # the readers' turn in the window that must stay shut
            window[0] += 1
    finally:
        window[0] = -1
        for reader in readers:
            late += json.loads(reader.communicate(timeout=PATIENCE_SECONDS)[0])["late"]
    return {name: spread(values) for name, values in taken.items()} | {"late_opens": late}


def until(predicate, otherwise):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not predicate():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)


def server_pids(fleet):
    """The walsender and the other connection of each node."""
    return [int(pid) for (pid,) in fleet.sql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'grantfs_%'")]


def sender_pids(fleet):
    return [int(pid) for (pid,) in fleet.sql("SELECT pid FROM pg_stat_replication WHERE application_name LIKE 'grantfs_%'")]


def processor_us(pids):
    """Microseconds that these processes have had of a processor."""
    return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e3


def idle(fleet, seconds):
    """What the server spends on a node while nothing is written, and the memory that a walsender has to itself."""
    for node in fleet.nodes:
        node.wait_until_caught_up()
    pids = server_pids(fleet)
    before, written = processor_us(pids), position(fleet)
    time.sleep(seconds)
    private = [int(re.search(r"^Private_Dirty: +(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])
               for pid in pids]
    return {"server_us_a_second": (processor_us(pids) - before) / seconds / NODES, "wal_bytes_a_second": (position(fleet) - written) / seconds,
            "server_private_kilobytes": sum(private) / NODES}


def position(fleet):
    return int(fleet.sql("SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])


def commits(fleet, session, count):
    """Commits of one row each, by one client that does not wait for the disk: how long the nodes take for them, what a walsender
    does for one, and what one leaves in the log."""
    session.run("SET synchronous_commit = off")
    senders, everything = sender_pids(fleet), server_pids(fleet)
    followers = [node.follower.pid for node in fleet.nodes]
    before = {name: processor_us(pids) for name, pids in (("senders", senders), ("server", everything), ("followers", followers))}
    written = position(fleet)
    began = time.monotonic()
    session.run(";\n".join(f"INSERT INTO grantfs.owners (path, principal) VALUES ('steady/{number}', 'user:steady')" for number in range(count)))
    committed = time.monotonic()
    session.run("SET synchronous_commit = on; SELECT count(*) FROM grantfs.await_recall()")
    applied = time.monotonic()
    used = {name: (processor_us(pids) - before[name]) / count / NODES
            for name, pids in (("senders", senders), ("server", everything), ("followers", followers))}
    return {"commits": count, "committed_a_second": count / (committed - began), "applied_by_all_a_second": count / (applied - began),
            "walsender_us_a_commit": used["senders"], "server_us_a_commit_and_node": used["server"],
            "follower_us_a_commit": used["followers"], "wal_bytes_a_commit": (position(fleet) - written) / count}


def rows_at_once(fleet, session, count):
    written, senders = position(fleet), sender_pids(fleet)
    before = processor_us(senders)
    session.run(f"INSERT INTO grantfs.owners (path, principal) SELECT 'at-once/' || i, 'user:' || i % 1000 FROM generate_series(1, {count}) AS i")
    committed = time.monotonic()
    session.run("SELECT count(*) FROM grantfs.await_recall(timeout => '1 hour')")
    for node in fleet.nodes:
        node.wait_until_caught_up()
    return {"rows": count, "applied_by_all_rows_a_second": count / (time.monotonic() - committed),
            "walsender_us_a_row": (processor_us(senders) - before) / count / NODES, "wal_bytes_a_row": (position(fleet) - written) / count}


def other_tables(fleet, session, count):
    """Rows that are none of the policy's, which each walsender reads and leaves out."""
    session.run("CREATE TABLE public.other (id bigint, words text)")
    written, senders = position(fleet), sender_pids(fleet)
    before = processor_us(senders)
    session.run(f"INSERT INTO public.other SELECT i, repeat('x', 100) FROM generate_series(1, {count}) AS i")
    for node in fleet.nodes:
        node.wait_until_caught_up()
    used, megabytes = (processor_us(senders) - before) / NODES, (position(fleet) - written) / 1e6
    return {"rows": count, "walsender_us_a_row": used / count, "walsender_ms_a_megabyte_of_wal": used / 1e3 / megabytes}


def first_copy(fleet, session, count):
    """Another node, while the others have little to do."""
    there = int(session.run("SELECT count(*) FROM grantfs.owners")[0])
    session.run(f"INSERT INTO grantfs.owners (path, principal) SELECT 'copied/' || i, 'user:' || i % 1000 FROM generate_series(1, {count - there}) AS i")
    for node in fleet.nodes:
        node.wait_until_caught_up(PATIENCE_SECONDS * 10)
    began = time.monotonic()
    node = fleet.add_node("web4")
    node.wait_until_copied()
    seconds = time.monotonic() - began
    return {"rows": count, "seconds": seconds, "rows_a_second": count / seconds}
