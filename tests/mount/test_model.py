"""Promise 13: lease and open, over io_uring and /dev/fuse, decide the same, and as a naive model of the rules does.

One random trace of changes is run against three mounts of one store and one database. The seed is printed;
GRANTFS_SEED repeats the trace.
"""

import errno
import itertools
import os
import random
import sqlite3
import time

from fixture import read
from harness import PATIENCE_SECONDS, SANITIZED, MountTest, has_io_uring, token_id

STEPS = 60 if SANITIZED else 120
STORE_CHANGES_EVERY = 20  # each costs a lease of a second
PROBES = 16
LEASE_SECONDS = 1.1  # timeouts are rounded up to the kernel's clock ticks
LEASE_IS_OVER_SECONDS = PATIENCE_SECONDS if SANITIZED else 4

USERS = ("user:a", "user:b")
GROUPS = ("group:g", "group:h")
PRINCIPALS = (*USERS, *GROUPS, "public")
NAMES = ("d", "e", "f")
TOKENS = tuple(letter * 32 for letter in "xyz")
LINKS = tuple(letter * 32 for letter in "lm")
LINKED = ("", "d", "e", "f", "d/d", "d/e", "d/f", "e/d", "e/f")  # below folders that there always are


def paths(depth):
    below = [f"{path}/{name}" for path in paths(depth - 1) if path for name in NAMES] if depth > 1 else list(NAMES)
    return (paths(depth - 1) if depth > 1 else [""]) + [path for path in below if path.count("/") == depth - 1]


PATHS = paths(3)


def covers(rule, path):
    return rule in ("", path) or path.startswith(rule + "/")


class Model:
    """The rules and the store, and what they come to, by going through all of them."""

    def __init__(self):
        self.owners = {}    # path: principal
        self.grants = {}    # (principal, path): expires
        self.members = {}   # (member, parent): expires
        self.sessions = {}  # token: (principal, expires)
        self.links = {}     # token: (principal, path, expires)
        self.files = {}     # path: bytes
        self.folders = {""}

    def counts_as(self, principal, now):
        who = {principal, "public"}
        while more := {parent for (member, parent), expires in self.members.items()
                       if member in who and lives(expires, now)} - who:
            who |= more
        return who

    def reads(self, who, path, now):
        return (any(owner in who and covers(rule, path) for rule, owner in self.owners.items())
                or any(principal in who and lives(expires, now) and covers(rule, path)
                       for (principal, rule), expires in self.grants.items()))

    def passes(self, who, path, now):
        """Something below may be read, by the rules."""
        return (any(owner in who and covers(path, rule) for rule, owner in self.owners.items())
                or any(principal in who and lives(expires, now) and covers(path, rule)
                       for (principal, rule), expires in self.grants.items()))

    def sees(self, who, path, now):
        if path in self.files:
            return self.reads(who, path, now)
        return path in self.folders and (self.reads(who, path, now) or self.passes(who, path, now))

    def answer(self, view, path, question, now):
        """What `question` must give: a value, or the name of an errno."""
        shared = ""
        if view == "public":
            who = self.counts_as("public", now)
        elif view in LINKS:
            principal, shared, expires = self.links.get(view, (None, "", 0))
            who = self.counts_as(principal, now)
            if not lives(expires, now) or not (self.reads(who, shared, now) or self.passes(who, shared, now)):
                return "EACCES"
        else:
            principal, expires = self.sessions.get(view, (None, 0))
            if not lives(expires, now):
                return "EACCES"
            who = self.counts_as(principal, now)
        at = os.path.dirname(shared)
        for name in path.split("/") if path else ():
            if at in self.files:
                return "ENOTDIR"
            at = f"{at}/{name}" if at else name
            if not (covers(shared, at) and self.sees(who, at, now)):
                return "ENOENT"
        if at in self.files:
            data = self.files[at]
            return {"read": data, "stat": ("file", len(data)), "list": "ENOTDIR"}[question]
        if question == "list":
            return tuple(sorted(child[len(at) + 1 if at else 0:] for child in (*self.files, *self.folders)
                                if child and os.path.dirname(child) == at and covers(shared, child)
                                and self.sees(who, child, now)))
        return {"read": "EISDIR", "stat": ("folder", 0)}[question]


def lives(expires, now):
    return expires is None or expires > now


def ask(site, view, path, question):
    full = os.path.join(site.mountpoint, *(("public",) if view == "public" else ("by-link" if view in LINKS else "by-session", view)), path)
    try:
        if question == "read":
            return read(full)
        if question == "list":
            return tuple(sorted(os.listdir(full)))
        status = os.stat(full)
        return ("file", status.st_size) if status.st_mode & 0o170000 == 0o100000 else ("folder", 0)
    except OSError as error:
        return errno.errorcode[error.errno]


class ModelTest(MountTest):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("GRANTFS_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"{self.id()}: seed {self.seed} (repeat with GRANTFS_SEED={self.seed})", flush=True)
        self.chance = random.Random(self.seed)
        self.model = Model()
        self.trace = []
        self.database = sqlite3.connect(self.site.db, timeout=PATIENCE_SECONDS, isolation_level=None)
        self.addCleanup(self.database.close)
        self.database.execute("PRAGMA synchronous = OFF")
        for path in ("d", "e", "d/d", "d/e", "e/d", "e/d/f"):
            self.make_folder(path)
        for path in ("f", "d/f", "d/d/f", "d/d/e", "d/e/f", "e/f", "e/d/f/x", "e/d/e"):
            self.write(path)

    # Changes of the policy; each returns nothing and is true of the database and the model when done.

    def execute(self, statement, *values):
        self.trace.append((statement, *values))
        self.database.execute(statement, values)

    def grantctl(self, *words):
        self.trace.append(words)
        self.site.grantctl(*words)

    def expiry(self):
        return self.chance.choice((None,) * 6 + (int(time.time()) + self.chance.choice((1, 2, 3600)), 1))

    def change_policy(self):
        pick = self.chance.choice
        principal, path, token = pick(PRINCIPALS), pick(PATHS[:13]), pick(TOKENS)
        # More is given than is taken, or soon nothing would be left to take.
        pick((self.grant, self.grant, self.grant, self.grant, self.revoke, self.own, self.own, self.disown, self.join, self.leave,
              self.open_session, self.open_session, self.open_session, self.end_session, self.make_link, self.make_link,
              self.end_link))(principal, path, token)

    def grant(self, principal, path, _):
        if self.chance.random() < 0.2:
            self.grantctl("grant", principal, path or ".")
            self.model.grants[principal, path] = None
            return
        expires = self.expiry()
        self.execute("INSERT OR REPLACE INTO grants (principal, path, expires) VALUES (?, ?, ?)", principal, path or ".", expires)
        self.model.grants[principal, path] = expires

    def revoke(self, *_):
        if not self.model.grants:
            return
        principal, path = self.chance.choice(sorted(self.model.grants))
        self.execute("DELETE FROM grants WHERE principal = ? AND path = ?", principal, path or ".")
        del self.model.grants[principal, path]

    def own(self, principal, path, _):
        if not path:
            return
        self.execute("INSERT OR REPLACE INTO owners (path, principal) VALUES (?, ?)", path, principal)
        self.model.owners[path] = principal

    def disown(self, *_):
        if not self.model.owners:
            return
        path = self.chance.choice(sorted(self.model.owners))
        self.execute("DELETE FROM owners WHERE path = ?", path)
        del self.model.owners[path]

    def join(self, principal, *_):
        group = self.chance.choice(GROUPS)
        if principal in (group, "public"):
            return
        expires = self.expiry()
        self.execute("DELETE FROM members WHERE member = ? AND parent = ?", principal, group)
        self.execute("INSERT INTO members (member, parent, expires) VALUES (?, ?, ?)", principal, group, expires)
        self.model.members[principal, group] = expires

    def leave(self, *_):
        if not self.model.members:
            return
        member, group = self.chance.choice(sorted(self.model.members))
        if self.chance.random() < 0.3:
            self.grantctl("group", "rm", group, member)
        else:
            self.execute("DELETE FROM members WHERE member = ? AND parent = ?", member, group)
        del self.model.members[member, group]

    def open_session(self, _, __, token):
        principal, expires = self.chance.choice(USERS), self.expiry()
        self.execute("INSERT OR REPLACE INTO sessions (id, principal, expires) VALUES (?, ?, ?)", token_id(token), principal, expires)
        self.model.sessions[token] = principal, expires

    def end_session(self, _, __, token):
        if self.chance.random() < 0.3 and token in self.model.sessions:
            self.grantctl("session", "rm", token_id(token))
        else:
            self.execute("DELETE FROM sessions WHERE id = ?", token_id(token))
        self.model.sessions.pop(token, None)

    def make_link(self, *_):
        token, path, principal, expires = *map(self.chance.choice, (LINKS, LINKED, USERS)), self.expiry()
        self.execute("INSERT OR REPLACE INTO links (id, principal, path, expires) VALUES (?, ?, ?, ?)", token_id(token),
                     principal, path or ".", expires)
        self.model.links[token] = principal, path, expires

    def end_link(self, *_):
        token = self.chance.choice(LINKS)
        if self.chance.random() < 0.3 and token in self.model.links:
            self.grantctl("link", "rm", token_id(token))
        else:
            self.execute("DELETE FROM links WHERE id = ?", token_id(token))
        self.model.links.pop(token, None)

    # Changes of the store.

    def make_folder(self, path):
        (self.site.store / path).mkdir()
        self.model.folders.add(path)

    def write(self, path):
        data = os.urandom(4) * self.chance.randrange(1, 3000)
        self.site.replace(path, data)
        self.model.files[path] = data

    def change_store(self):
        files = sorted(self.model.files)
        path = self.chance.choice(files) if files else None
        kind = self.chance.choice(("create", "replace", "replace", "remove", "rename", "move a folder"))
        self.trace.append((kind, path))
        if kind == "create" or not path:
            parent = self.chance.choice(sorted(self.model.folders))
            new = f"{parent}/{self.chance.choice(NAMES)}" if parent else self.chance.choice(NAMES)
            if new not in self.model.folders:
                self.write(new)
        elif kind == "replace":
            self.write(path)
        elif kind == "remove":
            os.unlink(self.site.store / path)
            del self.model.files[path]
        elif kind == "rename":
            new = os.path.join(os.path.dirname(path), self.chance.choice(NAMES))
            if new not in self.model.folders and new != path:
                os.rename(self.site.store / path, self.site.store / new)
                self.model.files[new] = self.model.files.pop(path)
        else:
            self.swap_folders("d", "e")

    def swap_folders(self, a, b):
        if not {a, b} <= self.model.folders:
            return
        aside = self.site.store / "aside"
        os.rename(self.site.store / a, aside)
        os.rename(self.site.store / b, self.site.store / a)
        os.rename(aside, self.site.store / b)

        def swapped(path):
            first, slash, rest = path.partition("/")
            return {a: b, b: a}.get(first, first) + slash + rest

        self.model.files = {swapped(path): data for path, data in self.model.files.items()}
        self.model.folders = {swapped(path) for path in self.model.folders}

    # Questions.

    def any_probe(self):
        view = self.chance.choice((*TOKENS, *TOKENS, *LINKS, "public"))
        path = self.chance.choice((*PATHS, "", "d/f", "d/d/f", "missing"))
        if view in self.model.links and self.chance.random() < 0.8:
            path = os.path.basename(self.model.links[view][1]) + self.chance.choice(("", "", "/f", "/d", "/e/f"))
        return view, path.removeprefix("/"), self.chance.choice(("read", "stat", "list"))

    def allowed_probe(self):
        """A probe that is allowed now, if a few hundred tries find one: random policies allow little."""
        now = int(time.time())
        probes = (self.any_probe() for _ in range(300))
        return [*itertools.islice((probe for probe in probes if not isinstance(self.model.answer(*probe, now), str)), 1)]

    def answers_to(self, site, probe):
        """What the mount says, and what the model says at the moments before and after."""
        begun = int(time.time())
        got = ask(site, *probe)
        return got, [self.model.answer(*probe, now) for now in range(begun, int(time.time()) + 1)]

    def said(self, site, probe):
        last = "\n  ".join(map(str, self.trace[-12:]))
        return f"seed {self.seed}, step {len(self.trace)}, {site.options}, {probe}; after\n  {last}"

    def check(self, sites, probes):
        for probe in probes:
            for site in sites:
                got, wanted = self.answers_to(site, probe)
                if got not in wanted:
                    self.assertEqual(got, wanted[0], self.said(site, probe))

    def check_within_a_lease(self, site, probes, before):
        """Until the lease is over, what was true before the store changed may be answered, or ENOENT, where something
        else has taken the place of what the kernel still believes in; nothing else."""
        deadline = time.monotonic() + LEASE_IS_OVER_SECONDS
        left = list(probes)
        while left:
            late = []
            for probe in left:
                got, wanted = self.answers_to(site, probe)
                if got in wanted:
                    continue
                if got not in (before[probe], "ENOENT") or time.monotonic() > deadline:
                    self.assertEqual(got, wanted[0], self.said(site, probe))
                late.append(probe)
            left = late
            if left:
                time.sleep(0.02)

    def test_every_way_to_mount_gives_the_answers_of_the_rules(self):
        """Promises 2, 3, 13 and 14: random changes, and what three mounts then say."""
        transports = ("dev", "uring") if has_io_uring(self) else ("dev",)
        sites = []
        for options in ("enforce=lease,lease=1", "enforce=open,lease=1", "enforce=open,lease=0"):
            site = self.site if not sites else self.new_site(of=self.site)
            site.options = f"{options},io={self.chance.choice(transports)}"
            site.mount(site.options)
            sites.append(site)
        print("mounted:", *(site.options for site in sites), sep="\n  ", flush=True)
        positive = 0
        for step in range(STEPS):
            if step % STORE_CHANGES_EVERY == STORE_CHANGES_EVERY - 1:
                probes = {self.any_probe() for _ in range(PROBES * 2)}
                self.check(sites, probes)
                now = int(time.time())
                before = {probe: self.model.answer(*probe, now) for probe in probes}
                self.change_store()
                over = time.monotonic() + LEASE_SECONDS
                self.check(sites[2:], probes)
                for site in sites[:2]:
                    self.check_within_a_lease(site, probes, before)
                # What was not among the probes is new by then too: the lease itself is waited for.
                time.sleep(max(0, over - time.monotonic()))
            else:
                # Warm, so that there is something to take back.
                probes = [*(self.any_probe() for _ in range(PROBES)), *self.allowed_probe()]
                self.check(sites, probes)
                self.change_policy()
                for site in sites:
                    site.recall()
                self.check(sites, probes)
            now = int(time.time())
            positive += sum(not isinstance(self.model.answer(*probe, now), str) for probe in probes)
        self.assertGreater(positive, STEPS // 4, "hardly anything was ever allowed: nothing was tested")
