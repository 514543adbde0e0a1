"""A policy in PostgreSQL and the machines that follow it, with what is the same on both sides."""

import contextlib
import csv
import glob
import io
import os
import pathlib
import signal
import sqlite3
import subprocess

from harness import GRANTCTL, Timeout, end_with_parent, refused_calls, wait_for

FOLLOW = pathlib.Path(GRANTCTL).with_name("grantfs-follow")
TABLES = {"owners": "path, principal, created", "grants": "id, principal, path, rights, expires, created",
          "members": "id, member, parent, expires", "sessions": "id, principal, expires, address, created",
          "links": "id, principal, path, expires, address, uses, created, label",
          "signing_keys": "id, format, uri_prefix, path, secret, created, retired"}
FOLLOWER = "follower"  # the role of all of them


def can_follow():
    """Whether the programs were built with PostgreSQL."""
    return FOLLOW.exists() and "PostgreSQL" in subprocess.run([GRANTCTL, "--help"], capture_output=True, text=True).stdout


class Upstream:
    """A policy in a database of its own: made by grantctl, gone after drop()."""

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        cluster.create_database(database)
        self.grantctl("init")
        # A role is the server's, and is there already behind the first policy.
        cluster.sql(f"CREATE ROLE {FOLLOWER} LOGIN REPLICATION", check=False)
        self.sql(f"GRANT grantfs_follower TO {FOLLOWER}")

    @property
    def uri(self):
        return self.cluster.uri(self.database)

    def grantctl(self, *words, check=True):
        return subprocess.run([GRANTCTL, "--db", self.uri, *words], check=check, capture_output=True, text=True)

    def sql(self, text, check=True):
        return self.cluster.sql(text, database=self.database, check=check)

    def end(self):
        """How far its log reaches."""
        return self.sql("SELECT pg_current_wal_insert_lsn()")[0][0]

    def fill_from(self, database):
        """Puts in the rows of a policy in SQLite."""
        connection = sqlite3.connect(database)
        for table, columns in TABLES.items():
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(connection.execute(f"SELECT {columns} FROM {table}"))
            self.sql(f"COPY grantfs.{table} ({columns}) FROM STDIN (FORMAT csv);\n{text.getvalue()}\\.\n")
        connection.close()

    def rows(self):
        """All of every table, as psql shows it."""
        return {table: sorted(self.sql(f"SELECT {columns} FROM grantfs.{table}"), key=repr) for table, columns in TABLES.items()}

    def drop(self):
        self.cluster.drop_database(self.database)


class Node:
    """A machine that follows: its name, its site, whose database is the copy, and its follower.

    `uri` and `environment` are how the follower finds its upstream, where that is not by the server's socket.
    """

    def __init__(self, upstream, name, site, uri=None, environment=None):
        self.upstream, self.name, self.site = upstream, name, site
        self.uri = uri or upstream.cluster.uri(upstream.database, user=FOLLOWER)
        self.environment = environment
        self.slot = f"grantfs_{name}"
        self.follower = None
        self.log_file = site.root / "follower.log"

    # The follower.

    def start(self, *arguments):
        with open(self.log_file, "ab") as log:
            self.follower = subprocess.Popen(
                [*self.site.enter, str(FOLLOW), self.uri, "--db", str(self.site.db), "--node", self.name, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, preexec_fn=end_with_parent)

    def stop(self, number=signal.SIGTERM):
        """Its exit status; None if none ran."""
        if self.follower is None:
            return None
        self.follower.send_signal(number)
        code = self.follower.wait(30)
        self.follower = None
        return code

    def has_ended(self):
        return self.follower.poll() is not None

    def has_open(self, file):
        with contextlib.suppress(FileNotFoundError):
            return any(os.path.exists(fd) and os.path.samefile(fd, file) for fd in glob.glob(f"/proc/{self.follower.pid}/fd/*"))
        return False

    def said(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def slots(self, active=False):
        return self.upstream.sql(f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{self.slot}'"
                                 + (" AND active" if active else ""))

    def remove(self):
        """Ends the follower and drops its slot. Raises, after that, if it made a system call that it had given up."""
        self.stop()
        with contextlib.suppress(Timeout, AssertionError):
            self.wait_until_idle()
        self.upstream.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{self.slot}'",
                          check=False)
        if found := refused_calls(self.said()):
            raise AssertionError(found)

    # What is waited for.

    def wait_for(self, predicate, what, seconds=30):
        try:
            return wait_for(predicate, seconds, f"{what} ({self.name})")
        except Timeout as late:
            raise Timeout(f"{late}; the follower: {self.said()}") from None

    def wait_until_copied(self):
        self.wait_for(lambda: self.mark("copy_lsn"), "the first copy", 60)

    def wait_until_current(self):
        self.wait_for(lambda: self.follow()["current"], "the copy to be current")

    def wait_until_idle(self):
        self.wait_for(lambda: not self.slots(active=True), "the slot to be idle")

    def wait_until_caught_up(self, seconds=60):
        """Until all that is committed by now is applied, and recalled."""
        end = self.upstream.end()
        self.wait_for(lambda: self.upstream.sql(
            f"SELECT 1 FROM pg_stat_replication s JOIN pg_replication_slots r ON r.active_pid = s.pid"
            f" WHERE r.slot_name = '{self.slot}' AND s.replay_lsn >= '{end}'"), "the copy to catch up", seconds)

    # The daemon, and the copy that it decides by.

    def mount(self, options):
        self.wait_until_copied()
        self.site.mount(options)
        self.wait_until_current()

    def follow(self):
        return self.site.status(check=False)["follow"]

    def copy(self, text, parameters=()):
        # Not made: that is for the follower.
        connection = sqlite3.connect(f"file:{self.site.db}?mode=rw", timeout=30, uri=True)
        try:
            with connection:
                return connection.execute(text, parameters).fetchall()
        finally:
            connection.close()

    def mark(self, key):
        with contextlib.suppress(sqlite3.OperationalError):
            rows = self.copy("SELECT value FROM meta WHERE key = ?", (key,))
            return rows[0][0] if rows else None
        return None

    def rows(self):
        """As Upstream.rows() has them."""
        def shown(value):
            return None if value is None else "\\x" + value.hex() if isinstance(value, bytes) else str(value)
        return {table: sorted((tuple(map(shown, row)) for row in self.copy(f"SELECT {columns} FROM {table}")), key=repr)
                for table, columns in TABLES.items()}
