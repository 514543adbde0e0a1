"""What the kernel's forgetting costs: many sessions that each know the same files, which it drops all at once, while others open
theirs."""

import os
import tempfile

import harness
from corpus import token_of
from machine import anonymous_bytes, cpu_seconds
from memory import forget, least_of
from opens import Opens
from policy import mount_best
from report import spread

FILES = 500
PROBES = 40


def measure(bench):
    sessions = 200 if bench.given.quick else 800
    tempfile.tempdir = str(bench.corpus.work)
    site = harness.Site()
    try:
        for number in range(FILES):
            site.write(f"shared/{number}", b"x")
        site.write("other", b"x")
        tokens = [token_of(f"forgetting{number}") for number in range(sessions)]
        probes = [token_of(f"probe{number}") for number in range(PROBES)]
        for token in tokens + probes:
            site.sql("INSERT INTO sessions (id, principal) VALUES (?, 'user:forgetting')", (harness.token_id(token),))
        site.sql("INSERT INTO grants (principal, path) VALUES ('user:forgetting', 'shared'), ('user:forgetting', 'other')")
        mount_best(site)
        pid = site.daemon_pid
        for token in probes:
            os.stat(site.path("by-session", token, "other"))
        at_start, nodes_at_start = anonymous_bytes(pid), site.counters()["nodes"]

        bench.say(f"forgetting: {sessions} sessions look at {FILES} files")
        for token in tokens:
            folder = str(site.path("by-session", token, "shared"))
            for number in range(FILES):
                os.stat(f"{folder}/{number}")
        bench.say("forgetting: dropping the kernel's caches")
        with Opens(site, probes, "other") as opens:
            before = cpu_seconds([pid])
            forget(site, nodes_at_start + 100)
            cpu = cpu_seconds([pid]) - before
        after = least_of(lambda: anonymous_bytes(pid))
        return {"names": sessions * FILES, "daemon_cpu_us_a_name": cpu / (sessions * FILES) * 1e6,
                "others_open_ms": spread(opens.milliseconds),
                "kept_megabytes": (after - at_start) / 1e6}
    finally:
        site.close()
