"""What a node costs the daemon, whether it gives the memory back once the kernel forgets, and how often a file's
bytes are in memory when many sessions read it."""

import os
import subprocess
import tempfile
import time

import harness
from corpus import token_of
from machine import anonymous_bytes
from policy import mount_best

FOLDERS = 1000
SESSIONS = 10
CHUNK = 1 << 20
SETTLE_SECONDS = 60


def measure(bench):
    names = 100 if bench.given.quick else 1000
    tempfile.tempdir = str(bench.corpus.work)
    site = harness.Site()
    try:
        bench.say(f"memory: making {FOLDERS * names:,} files")
        for folder in range(FOLDERS):
            path = os.path.join(site.store, f"{folder:03}")
            os.mkdir(path)
            for number in range(names):
                os.close(os.open(f"{path}/{number:04}", os.O_CREAT | os.O_WRONLY, 0o600))
        token = token_of("memory")
        site.sql("INSERT INTO sessions (id, principal) VALUES (?, 'user:memory')", (harness.token_id(token),))
        site.sql("INSERT INTO grants (principal, path) VALUES ('user:memory', '.')")
        mount_best(site)
        pid = site.daemon_pid
        bench.running.descriptors.watch("memory", pid)
        # What every mount allocates once, for its first requests, is not a node's.
        for number in range(100):
            os.stat(site.path("by-session", token, f"000/{number:04}"))
        forget(site, 200)
        at_start, nodes_at_start = anonymous_bytes(pid), site.counters()["nodes"]

        bench.say("memory: looking at each")
        view = str(site.path("by-session", token))
        started = time.monotonic()
        for folder in range(FOLDERS):
            for number in range(names):
                os.stat(f"{view}/{folder:03}/{number:04}")
        seconds = time.monotonic() - started
        at_most, nodes = anonymous_bytes(pid), site.counters()["nodes"]

        bench.say("memory: dropping the kernel's caches")
        nodes_left = forget(site, nodes_at_start + 1000)
        after = least_of(lambda: anonymous_bytes(pid))
        return {"page_cache_per_byte": page_cache_per_byte(site, (64 if bench.given.quick else 1024) * CHUNK), "nodes": nodes - nodes_at_start, "bytes_per_node": (at_most - at_start) / (nodes - nodes_at_start),
                "heap_start_megabytes": at_start / 1e6, "heap_full_megabytes": at_most / 1e6,
                "heap_after_megabytes": after / 1e6, "kept_megabytes": (after - at_start) / 1e6,
                "nodes_after": nodes_left, "stats_per_second": FOLDERS * names / seconds}
    finally:
        site.close()


def page_cache_per_byte(site, size):
    """By how much the page cache grows, for each byte of a file that ten sessions read: 1 for the mount's, whoever
    reads it, and up to 1 for the store's own."""
    path = os.path.join(site.store, "large")
    with open(path, "wb") as file:
        for _ in range(size // CHUNK):
            file.write(os.urandom(4096) * (CHUNK // 4096))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = cached_bytes()
    for number in range(SESSIONS):
        token = token_of(f"memory{number}")
        site.sql("INSERT INTO sessions (id, principal) VALUES (?, 'user:memory')", (harness.token_id(token),))
        with open(site.path("by-session", token, "large"), "rb", buffering=0) as file:
            while file.read(CHUNK):
                pass
    return (cached_bytes() - before) / size


def cached_bytes():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Cached:"))


def forget(site, few):
    """Drops dentries and inodes until the daemon has few nodes, or nothing changes any more. Returns how many are left."""
    deadline = time.monotonic() + SETTLE_SECONDS
    subprocess.run(["sync"], check=True)
    while True:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("2")
        left = site.counters()["nodes"]
        if left <= few or time.monotonic() > deadline:
            return left
        time.sleep(0.5)


def least_of(value, seconds=5):
    """Memory is given back when an allocator comes round to it: the least within some seconds."""
    least = value()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.2)
        least = min(least, value())
    return least
