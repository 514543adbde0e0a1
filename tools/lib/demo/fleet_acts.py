"""The demo of several machines: two that serve one store, by a policy in PostgreSQL on a third."""

import signal
import textwrap
import time
import unittest

import places  # noqa: F401: where the rest is
from real_files import gather
from show import Show, quoted
from table import Table
from trouble import Trouble

from cluster import programs
from fleet import Fleet
from node import can_follow

BOUND = 5  # seconds
UPSTREAM = "postgresql://db1/site"


def run_fleet():
    if not can_follow() or programs() is None:
        raise Trouble("this needs grantfs built with libpq, and PostgreSQL's server (apt-get install libpq-dev postgresql)")
    fleet = None
    try:
        fleet = Fleet(nodes=2, follow=BOUND, nginx=True)
        table = Table()
        acts = FleetActs(fleet, table)
        acts.set_up()
        acts.show_answers()
        acts.show_revocation()
        acts.show_cut()
        print()
        if table.failed:
            print(f"{table.failed} of {table.rows} answers are NOT as they should be: see FAIL above.")
        else:
            print(f"All {table.rows} answers are as they should be.")
        return 1 if table.failed else 0
    except (AssertionError, unittest.SkipTest) as error:
        raise Trouble(error) from None
    finally:
        # A second Ctrl-C does not interrupt the cleaning.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if fleet is not None:
            fleet.close()


class FleetActs:
    def __init__(self, fleet, table):
        self.fleet, self.nodes, self.table = fleet, fleet.nodes, table
        self.show = Show(fleet, table)

    def grantctl(self, *words):
        """Says the command, and runs it; how many seconds it took."""
        print(f"\n  $ grantctl --db {UPSTREAM} {' '.join(map(str, words))}", flush=True)
        began = time.monotonic()
        done = self.fleet.upstream.grantctl(*words, check=False)
        if done.returncode:
            raise Trouble(done.stderr.strip())
        return time.monotonic() - began

    def ask(self, node, who, path, why, status, body=None):
        url = f"/private/{quoted(path)}" if who != "nobody" else f"/public/{quoted(path)}"
        reply = node.get(url, self.tokens.get(who))
        self.show.judge(f"{who}@{node.name}"[-10:] if who != "nobody" else node.name, f"GET {url}", reply, why, status, body)

    def set_up(self):
        count = gather(self.fleet.store)
        admin = self.fleet.upstream.grantctl
        for words in (("own", "user:alice", "alice"), ("own", "user:bob", "bob"), ("grant", "public", "public-docs")):
            admin(*words)
        self.tokens = {who: admin("session", "create", f"user:{who}", "--expires", "8h").stdout.split()[-1] for who in ("alice", "bob")}
        for node in self.nodes:
            node.wait_until_caught_up()
        web1, web2 = (node.machine for node in self.nodes)
        print(textwrap.dedent(f"""
            Three machines, but for their kernel: each has a network, an address and mounts of its own.

              db1   {self.fleet.servers[0].machine.address}   PostgreSQL, which has the policy
              web1  {web1.address}   grantfs-follow keeps a copy of it, grantfs decides by that, nginx serves
              web2  {web2.address}   the same; both have the store, with {count} files of this machine

            The mounts have follow={BOUND}: a machine that cannot be sure to know what was committed longer than {BOUND} seconds
            ago refuses everything."""))
        self.letter, self.public = self.show.pick("alice/documents"), self.show.pick("public-docs")

    def show_answers(self):
        self.table.head("Both answer alike")
        for node in self.nodes:
            self.ask(node, "alice", self.letter, "she owns alice/", 200, self.show.original(self.letter))
            self.ask(node, "bob", self.letter, "not his: as if it did not exist", 404)
            self.ask(node, "nobody", self.public, "granted to everyone", 200, self.show.original(self.public))

    def show_revocation(self):
        self.table.head("A revocation that both have forgotten when it returns")
        self.grantctl("grant", "user:bob", self.letter)
        for node in self.nodes:
            node.wait_until_caught_up()
            self.ask(node, "bob", self.letter, "he was granted it", 200, self.show.original(self.letter))
        seconds = self.grantctl("revoke", "user:bob", self.letter)
        for node in self.nodes:
            self.ask(node, "bob", self.letter, f"revoked: it returned after {seconds * 1000:.0f} ms", 404)

    def show_cut(self):
        web1, web2 = self.nodes
        self.table.head("A machine that is cut off")
        self.grantctl("grant", "user:bob", self.letter)
        for node in self.nodes:
            node.wait_until_caught_up()
            self.ask(node, "bob", self.letter, "he was granted it again", 200, self.show.original(self.letter))
        print("\n  the cable of web2 is pulled", flush=True)
        web2.machine.unplug()
        cut = time.monotonic()
        self.ask(web2, "bob", self.letter, "it serves what it knows", 200, self.show.original(self.letter))
        seconds = self.grantctl("revoke", "user:bob", self.letter)
        self.ask(web1, "bob", self.letter, f"revoked: it returned after {seconds:.1f} s, when web2 refuses", 404)
        why = f"{time.monotonic() - cut:.1f} s after the cut it refuses everybody"
        for who, path in (("bob", self.letter), ("alice", self.letter), ("nobody", self.public)):
            self.ask(web2, who, path, why, 403)
        print("\n  the cable is plugged in again", flush=True)
        plugged = time.monotonic()
        web2.machine.plug_in()
        web2.wait_until_current()
        why = f"current again by itself, after {time.monotonic() - plugged:.1f} s"
        self.ask(web2, "alice", self.letter, why, 200, self.show.original(self.letter))
        self.ask(web2, "bob", self.letter, "and it knows what was revoked meanwhile", 404)
