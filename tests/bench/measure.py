"""The order of things: rows up, bytes checked, interleaved rounds, then what is measured by itself."""

import dataclasses
import http.client

import disturbed
import files
import forgetting
import losses
import memory
import nodes
import policy
import recall
from backends import Unavailable
from load import Load, Wrong
from report import summary
from rows import AGAIN

# Only these have a cold case of interest: what is decided anew for each session. Raw is what they are held against.
COLD_PEERS = ("raw", "secure_link", "auth_request", "auth_grantfs")
LEAD_IN_SECONDS = 2
# A set is hot once a second passes in which the daemon is asked for so many names at most: a tenth of the files that
# were asked for, and the folders above them, which are lent for a fraction of a second however steadily they are used.
ASKED_SHARE = .1
ASKED_FOLDERS = 20
LONGEST_LEAD_IN_SECONDS = 10


def lends(server):
    """Whether files come into steady use; by each open, they do not."""
    return server.site is not None and server.site.says.get("enforce") == "lease"


class Bench:
    def __init__(self, given, corpus, running, results, say):
        self.given, self.corpus, self.running, self.results, self.say = given, corpus, running, results, say
        self.load = Load(corpus)
        self.servers = []
        self.never_steady = set()

    def run(self):
        parts = self.given.parts
        if {"hot", "cold", "one", "recall", "files"} & set(parts):
            self._start()
        small = [size for size in self.given.sizes if size != "256m"]
        if "hot" in parts:
            self._rounds("hot", self.given.sizes, self.servers)
        if "cold" in parts:
            self._rounds("cold", small, [server for server in self.servers if self._in_cold(server.row)])
        if "one" in parts:
            self._rounds("one", [size for size in small if size in ("1k", "64k")],
                         [server for server in self.servers if server.row.name != AGAIN])
        if "recall" in parts:
            self._apart("disturbed", disturbed.measure)
            self._apart("recall", recall.measure)
        if "files" in parts:
            self._apart("files", files.measure)
        if "policy" in parts:
            self._apart("policy", policy.measure)
        if "memory" in parts:
            self._apart("memory", memory.measure)
        if "forgetting" in parts:
            self._apart("forgetting", forgetting.measure)
        if "losses" in parts:
            self._apart("losses", losses.measure)
        if "fleet" in parts:
            self._apart("fleet", nodes.measure)

    def _in_cold(self, row):
        if self.given.quick:
            return row.name in ("raw", "lease", "open") or row.custom
        return row.is_grantfs or row.name in COLD_PEERS

    def _start(self):
        for row in self.given.rows:
            try:
                server = self.running.start(row)
                if server.site:
                    self.results["rows"][row.name]["status"] = {
                        key: value for key, value in server.site.says.items() if key in (
                            "version", "enforce", "transport", "passthrough", "epochs", "lease_seconds", "libfuse")}
                for size in self.given.sizes:
                    self.load.verify(server, size)
            except Unavailable as reason:
                self.results["unavailable"][row.name] = str(reason)
                self.say(f"{row.label}: not available: {reason}")
            except (Wrong, OSError, RuntimeError, AssertionError, http.client.HTTPException) as reason:
                self._fail(row, reason)
            else:
                self.servers.append(server)

    def _fail(self, row, reason):
        """Answered wrongly before it was measured at all: every cell of the row says so."""
        self.say(f"{row.label}: FAILED: {reason}")
        for size in self.given.sizes:
            self._cell("hot", size, row.name).update(error=str(reason))

    def _cell(self, workload, size, name):
        return self.results["cells"].setdefault(workload, {}).setdefault(size, {}).setdefault(name, {})

    def _rounds(self, workload, sizes, servers):
        """Round by round over the sizes, and within each over the rows, so that what the machine does
        besides falls on all of them alike. In the first, which is not counted, files come into memory."""
        given, samples, broken = self.given, {}, set()
        for number in range(-1 if workload == "hot" else 0, given.rounds):
            for size in sizes:
                self.say(f"{workload}, {size}: " + (f"round {number + 1} of {given.rounds}" if number >= 0 else "warming"))
                # Begins with another row each time: the first after a change of size has a colder machine.
                first = number % len(servers)
                for server in servers[first:] + servers[:first]:
                    key = size, server.row.name
                    if key in broken or (number < 0 and given.quick and not self._is_warmed(server)):
                        continue
                    try:
                        if workload == "hot" and number >= 0:
                            self.lead_in(server, size, number + 2)
                        sample = self.load.run(server, size, workload, given.seconds, number + 2)
                    except (Wrong, AssertionError) as reason:
                        broken.add(key)
                        self._cell(workload, *key).update(error=str(reason))
                        self.say(f"{server.row.label}, {size}: FAILED: {reason}")
                        continue
                    if number >= 0:
                        samples.setdefault(key, []).append(dataclasses.asdict(sample))
        for server in servers:
            for size in sizes:
                key = size, server.row.name
                if key not in broken:
                    self._cell(workload, *key).update(rounds=samples[key], summary=summary(samples[key]))

    @staticmethod
    def _is_warmed(server):
        """Whether a quick run warms it: not what has a lead-in even then."""
        return server.row.keeps_files and not lends(server)

    def lead_in(self, server, size, seed):
        """Makes the set hot. What nobody else keeps in memory may have left it since the last round: some machines
        take back what was not used for a minute. And files in steady use are no more so after half a minute."""
        if lends(server):
            self._until_steady(server, size, seed)
        elif server.row.keeps_files and not self.given.quick:
            self.load.run(server, size, "hot", LEAD_IN_SECONDS, seed)

    def _until_steady(self, server, size, seed):
        """Load until the daemon is hardly asked for names any more. Where it always is, as with lease=0 or on a kernel
        without epochs, only the first time takes so long."""
        key = server.row.name, size
        for second in range(LEAD_IN_SECONDS if key in self.never_steady else LONGEST_LEAD_IN_SECONDS):
            before = server.site.counters()["upcalls_lookup"]
            # Not the same requests each time, or most of a set of large files would be asked for by none.
            sample = self.load.run(server, size, "hot", 1, seed + 100 * (second + 1))
            asked = server.site.counters()["upcalls_lookup"] - before
            few = ASKED_SHARE * min(len(self.corpus.files[size]), sample.requests_per_second) + ASKED_FOLDERS
            if asked <= few and second + 1 >= LEAD_IN_SECONDS:
                return
        self.never_steady.add(key)

    def _apart(self, section, measure):
        """One failure costs its section, never what was measured before."""
        self.say(section)
        try:
            self.results[section] = measure(self)
        except Exception as error:  # noqa: BLE001 - told here, and the run ends with status 1
            self.results[section] = {"error": f"{type(error).__name__}: {error}"}
            self.say(f"{section}: FAILED: {error}")
