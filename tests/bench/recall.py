"""How long a revocation takes to be acknowledged, or without asking for that, to be in force; and opens that were late."""

import hashlib
import json
import mmap
import subprocess
import sys
import time
from pathlib import Path

from corpus import token_of
from machine import dies_with_us
from recalls import connect, opens, recall
from report import spread

READERS = 3
WAYS = ("control", "grantctl", "sql")
PATIENCE_SECONDS = 15


def measure(bench):
    """{row: {idle|loaded: {control|grantctl|sql: …}}}; loaded: three processes open the path all the time."""
    quick = bench.given.quick
    found = {}
    for server in bench.servers:
        if not server.site or server.row.name not in ("lease", "open") and not server.row.custom:
            continue
        victim = Victim(server.site, bench.corpus)
        found[server.row.name] = {
            load: {way: attempt(victim, way, readers, (50 if way == "grantctl" else 200) if quick else
                                (200 if way == "grantctl" else 2000), bench.corpus.work)
                   for way in WAYS}
            for load, readers in (("idle", 0), ("loaded", READERS))}
        victim.close()
    if not found:
        raise RuntimeError("no row of grantfs runs")
    return found


class Victim:
    """One user with a grant on one file, and a session."""

    def __init__(self, site, corpus):
        size = next(iter(corpus.files))
        self.site, self.user, self.store_path = site, "user:victim", f"{size}/{corpus.files[size][0]}"
        token = token_of("victim")
        self.path = str(site.path("by-session", token, self.store_path))
        self.connection = connect(site.db)
        self.connection.execute("INSERT OR REPLACE INTO sessions (id, principal) VALUES (?, ?)",
                                (hashlib.sha256(token.encode()).hexdigest(), self.user))

    def grant(self):
        self.connection.execute("INSERT INTO grants (principal, path) VALUES (?, ?)", (self.user, self.store_path))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not opens(self.path):
            if time.monotonic() > deadline:
                raise RuntimeError("a new grant has no effect")

    def delete(self):
        self.connection.execute("DELETE FROM grants WHERE principal = ? AND path = ?", (self.user, self.store_path))

    def revoke(self, way):
        """Milliseconds by name; returns when the way says that it is done."""
        start = time.monotonic()
        if way == "grantctl":
            self.site.grantctl("revoke", self.user, self.store_path)
            return {"whole_command_ms": (time.monotonic() - start) * 1e3}
        self.delete()
        committed = time.monotonic()
        if way == "control":
            recall(str(self.site.control))
            done = time.monotonic()
            return {"commit_ms": (committed - start) * 1e3, "ack_ms": (done - committed) * 1e3}
        while opens(self.path):
            if time.monotonic() - committed > PATIENCE_SECONDS:
                raise RuntimeError("a revocation by plain SQL has no effect")
        return {"refused_ms": (time.monotonic() - committed) * 1e3}

    def close(self):
        self.connection.close()


def attempt(victim, way, readers, times, work):
    """The spread of each time measured, and late opens; {"error": …} where the daemon cannot do it."""
    shared_file = work / "window"
    shared_file.write_bytes(bytes(8))
    with open(shared_file, "r+b") as file:
        window = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
    processes = [subprocess.Popen([sys.executable, "-B", Path(__file__).with_name("reader.py"), victim.path, shared_file],
                                  stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_us) for _ in range(readers)]
    taken, late, trouble = {}, 0, None
    try:
        for _ in range(times):
            victim.grant()
            for name, milliseconds in victim.revoke(way).items():
                taken.setdefault(name, []).append(milliseconds)
            window[0] += 1
            late += opens(victim.path)
            if readers:
                time.sleep(0.001)  # the readers' turn in the window that must stay shut
            window[0] += 1
    except (RuntimeError, AssertionError, OSError) as error:
        trouble = str(error)
        victim.delete()
    finally:
        window[0] = -1
        for process in processes:
            said = json.loads(process.communicate(timeout=PATIENCE_SECONDS)[0])
            late += said["late"]
    if trouble:
        return {"error": trouble}
    return {name: spread(values) for name, values in taken.items()} | {"late_opens": late}
