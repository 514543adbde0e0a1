"""Load by wrk, and a look at the bytes before any of it."""

import dataclasses
import http.client
import json
import pathlib
import random
import subprocess

from backends import cookies
from machine import dies_with_us

SCRIPT = pathlib.Path(__file__).with_name("wrk.lua")
LARGE = 64 << 20  # from here on a request outlasts a round: few connections, judged by bytes
THREADS = 2


class Wrong(Exception):
    """A row that answers wrongly: its speed means nothing."""


@dataclasses.dataclass
class Sample:
    """One round of one row."""

    requests_per_second: float
    megabytes_per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float   # processor time of nginx for one request
    daemon_us: float   # of the file system daemon, or of Django's workers

    def as_dict(self):
        return dataclasses.asdict(self)


class Load:
    def __init__(self, corpus):
        self.corpus = corpus
        self._paths = {}

    def paths(self, server, size, workload):
        """A file of what wrk asks for, made once for all rows that have the same URLs."""
        key = (server.row.kind == "secure_link", size, workload)
        if key not in self._paths:
            urls = self.corpus.urls(size)
            if workload == "one":
                urls = urls[:1]
            self._paths[key] = self.corpus.paths_file("-".join(map(str, key)), server.urls(urls))
        return self._paths[key]

    def run(self, server, size, workload, seconds, seed):
        corpus = self.corpus
        tokens = corpus.tokens_file if workload == "cold" else corpus.hot_tokens_file
        file_bytes = (corpus.store / size / corpus.files[size][0]).stat().st_size
        connections = 4 if file_bytes >= LARGE else 64
        before = server.cpu()
        process = subprocess.Popen(
            ["wrk", "-t", str(THREADS), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "60s",
             "-s", str(SCRIPT), f"http://127.0.0.1:{server.nginx.port}", "--",
             str(self.paths(server, size, workload)), str(tokens), server.django_key, str(seed)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=dies_with_us)
        try:
            out, trouble = process.communicate(timeout=seconds + 90)
        except subprocess.TimeoutExpired:
            raise Wrong("wrk did not end") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        after = server.cpu()
        try:
            said = json.loads(out.strip().splitlines()[-1])
        except (ValueError, IndexError):
            raise Wrong(f"wrk said {trouble.strip() or out.strip()!r}") from None
        if said["not_2xx"] or said["socket_errors"] or (said["timeouts"] and file_bytes < LARGE):
            raise Wrong(f"{said['not_2xx']} answers were not 2xx, {said['socket_errors']} connections broke, "
                        f"{said['timeouts']} timed out; nginx: {server.nginx.said()[-300:]}")
        elapsed = said["microseconds"] / 1e6
        # Of a large file what came, not what was finished, and the work for it by the file.
        requests = said["bytes"] / file_bytes if file_bytes >= LARGE else said["requests"]
        if not requests:
            raise Wrong("no answer in the whole round")
        return Sample(requests / elapsed, said["bytes"] / elapsed / 1e6, said["p50_us"] / 1e3, said["p99_us"] / 1e3,
                      (after[0] - before[0]) / requests * 1e6, (after[1] - before[1]) / requests * 1e6)

    def verify(self, server, size):
        """The right bytes to whom they belong and, of a row that checks anything, none to anybody else."""
        names = self.corpus.files[size]
        for name in {names[0], names[-1], random.choice(names)}:
            (url,) = server.urls([f"/f/{size}/{name}"])
            status, body = fetch(server, url, self.corpus.hot_token, server.django_key)
            if status != 200 or body != (self.corpus.store / size / name).read_bytes():
                raise Wrong(f"{url}: status {status}, {len(body)} bytes, not the file; {server.nginx.said()[-300:]}")
        if server.row.kind in ("bindfs", "passthrough_hp", "raw"):
            return
        url = f"/f/{size}/{names[0]}"
        status, _ = fetch(server, url, "a" * 32 if server.row.has_policy else "none", "0" * 32)
        if status != 403:
            raise Wrong(f"a stranger got status {status}")
        if server.row.has_policy:
            hot, another = self.corpus.hot_token, self.corpus.strangers_token
            for url, token in ((url, another), ("/f/private/00000", hot), (f"/f/{size}/%2e%2e/private/00000", hot)):
                status, _ = fetch(server, url, token, "0" * 32)
                if status not in (403, 404):
                    raise Wrong(f"{url}: a session without a grant on it got status {status}")


def fetch(server, url, token, django_key):
    connection = http.client.HTTPConnection("127.0.0.1", server.nginx.port, timeout=60)
    try:
        connection.request("GET", url, headers={"Cookie": cookies(token, django_key)})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()
