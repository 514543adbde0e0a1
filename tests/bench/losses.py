"""How long taking access away takes to be acknowledged where many have something lent: by how many sessions live, and by how many
of them it concerns."""

import os
import tempfile
import time

import harness
from corpus import token_of
from opens import Opens
from recalls import connect, recall
from report import spread

LIVE = (10, 1_000, 10_000)
PROBES = 40


def measure(bench):
    """{live sessions: {what is lost: milliseconds from the commit to the acknowledgement; what others' opens take}}."""
    quick = bench.given.quick
    tempfile.tempdir = str(bench.corpus.work)
    found = {}
    for live in LIVE[:2] if quick else LIVE:
        bench.say(f"losses: {live:,} live sessions")
        site = harness.Site()
        try:
            found[str(live)] = Losses(site, live).measure(10 if quick else 100)
        finally:
            site.close()
    return found


class Losses:
    """As many users as sessions. Each has a grant on a file of his own; all are in one group, which has a grant on a folder."""

    def __init__(self, site, live):
        self.site = site
        self.tokens = [token_of(f"losses{number}") for number in range(live)]
        self.probes = [token_of(f"probe{number}") for number in range(PROBES)]
        site.write("all/file", b"x")
        site.write("other", b"x")
        for number in range(live):
            site.write(self.own(number), b"x")
        site.sql("INSERT INTO grants (principal, path) VALUES ('group:all', 'all'), ('user:probe', 'other')")
        self.connection = connect(site.db)
        self.execute("BEGIN")
        for number, token in enumerate(self.tokens):
            self.execute("INSERT INTO sessions (id, principal) VALUES (?, ?)", harness.token_id(token), f"user:{number}")
            self.execute("INSERT INTO members (member, parent) VALUES (?, 'group:all')", f"user:{number}")
            self.execute("INSERT INTO grants (principal, path) VALUES (?, ?)", f"user:{number}", self.own(number))
        for token in self.probes:
            self.execute("INSERT INTO sessions (id, principal) VALUES (?, 'user:probe')", harness.token_id(token))
        self.execute("COMMIT")
        # The longest lease: what was lent while all were looking is still lent when something is taken away.
        site.mount("enforce=lease,server_group=www-data,lease=60")

    def execute(self, statement, *values):
        self.connection.execute(statement, values)

    def own(self, number):
        return f"own/{number}"

    def look(self, number):
        """One user looks at his own file and at the file of all."""
        for path in (self.own(number), "all/file"):
            os.stat(self.site.path("by-session", self.tokens[number], path))

    def all_look(self):
        for number in range(len(self.tokens)):
            self.look(number)

    def lose(self, statement, *values):
        self.execute(statement, *values)
        committed = time.monotonic()
        recall(str(self.site.control))
        return (time.monotonic() - committed) * 1e3

    def measure(self, times):
        times = min(times, len(self.tokens))
        self.all_look()
        found = {}
        kinds = {
            "own_grant_ms": (lambda at: ("DELETE FROM grants WHERE principal = ?", f"user:{at}"),
                             lambda at: ("INSERT INTO grants (principal, path) VALUES (?, ?)", f"user:{at}", self.own(at))),
            "membership_ms": (lambda at: ("DELETE FROM members WHERE member = ?", f"user:{at}"),
                              lambda at: ("INSERT INTO members (member, parent) VALUES (?, 'group:all')", f"user:{at}")),
            "session_ms": (lambda at: ("DELETE FROM sessions WHERE id = ?", harness.token_id(self.tokens[at])),
                           lambda at: ("INSERT INTO sessions (id, principal) VALUES (?, ?)",
                                       harness.token_id(self.tokens[at]), f"user:{at}")),
        }
        with Opens(self.site, self.probes, "other") as opens:
            for name, (loss, gain) in kinds.items():
                milliseconds = []
                for at in range(times):
                    milliseconds.append(self.lose(*loss(at)))
                    self.execute(*gain(at))
                    self.look(at)
                found[name] = spread(milliseconds)
        found["others_open_ms"] = spread(opens.milliseconds)
        milliseconds = []
        with Opens(self.site, self.probes, "other") as opens:
            for _ in range(min(times, 5)):
                milliseconds.append(self.lose("DELETE FROM grants WHERE principal = 'group:all'"))
                self.execute("INSERT INTO grants (principal, path) VALUES ('group:all', 'all')")
                self.all_look()
        found["path_of_all_ms"] = spread(milliseconds)
        found["others_open_meanwhile_ms"] = spread(opens.milliseconds)
        self.connection.close()
        return found
