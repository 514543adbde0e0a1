"""All the SQL that this application runs on grantfs' policy database: see grantfs-schema(5).

    with policy.writing() as rules:
        rules.set_owner("uploads/…", "user:42")

One transaction each, committed at the end of the block; in PostgreSQL a part of the transaction
around it, if there is one. Nothing is cached, so that threads and forked workers need not care.
"""

import contextlib
import pathlib
import re
import sqlite3

from django.db import IntegrityError, ProgrammingError, transaction
from django.utils.crypto import salted_hmac

from . import conf, postgresql

APPLICATION_ID = 0x47724653
OLDEST_SCHEMA = 3
OLDEST_SQLITE = (3, 38)  # STRICT tables, unixepoch()
PATIENCE_SECONDS = 5  # for another writer
SECRET_KEYS = "django_secret_key"  # a table of ours in an SQLite policy

ENDED = {
    "sessions": "a session of {principal}",
    "links": "a link of {principal} to {path!r}",
    "grants": "what {principal} was granted: {path!r}",
    "owners": "what {principal} owned: {path!r}",
    "members": "{member} in {parent}",
}

REFUSED = (sqlite3.IntegrityError, IntegrityError)  # by a CHECK of the policy's
USERS = "group:users"
STAFF = "group:staff"
SUPERUSERS = "group:superusers"


class PolicyError(Exception):
    """The policy database cannot be used; the message says which and what to do."""


def key_fingerprint():
    """Tells one SECRET_KEY from another, and nothing else of it."""
    return salted_hmac("grantfs_files.secret_key", "", algorithm="sha256").hexdigest()


@contextlib.contextmanager
def _trouble():
    """SQLite's errors as PolicyError; but what a CHECK refuses is a mistake of the caller's, and stays."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as error:
        path = conf.get("DATABASE")
        raise PolicyError(f"cannot use the policy database {path}: {error}; it must be there (`grantctl --db {path} init` makes it), "
                          "in a directory that this process's group may write, and no other writer may hold it for long") from error


def _connect(mode, patience):
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise PolicyError(f"this Python's SQLite is {sqlite3.sqlite_version}, and a policy database needs {OLDEST_SQLITE[0]}.{OLDEST_SQLITE[1]}"
                          " or newer: upgrade the library (libsqlite3), or Python where it brings its own")
    path = pathlib.Path(conf.get("DATABASE"))
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None,
                                 timeout=PATIENCE_SECONDS if patience is None else patience)
    connection.text_factory = lambda text: text.decode(errors="replace")  # what is not UTF-8 is no name of Django's
    try:
        (found,) = connection.execute("PRAGMA application_id").fetchone()
        if found != APPLICATION_ID:
            raise PolicyError(f"{path} is not a policy database of grantfs; name the one that `grantctl init` made")
    except BaseException:
        connection.close()
        raise
    return connection


class _Sqlite:
    """What Rules need of a connection, on an SQLite database that has no other writer now, if this one writes."""

    def __init__(self, connection):
        self.execute = connection.execute

    def claim(self, what, shared=False):
        pass

    def isolation(self):
        return None


@contextlib.contextmanager
def _in_postgresql(using):
    """What is not there, or not ours to change, as PolicyError; other errors are Django's own."""
    try:
        yield
    except ProgrammingError as error:
        raise PolicyError(f"cannot use the policy in the database {using!r}: {str(error).splitlines()[0]}; it must be there (`grantctl --db"
                          " postgresql://… init` makes it), and this role a member of grantfs_application") from error


@contextlib.contextmanager
def reading():
    """Rules to ask. Raises PolicyError."""
    using = postgresql.alias()
    if using is not None:
        with _in_postgresql(using), transaction.atomic(using):
            yield Rules(postgresql.Connection(using))
        return
    with _trouble(), contextlib.closing(_connect("ro", None)) as connection:
        yield Rules(_Sqlite(connection))


@contextlib.contextmanager
def writing(patience=None):
    """Rules to change, all of it or nothing, while no other writer can. Waits so many seconds for another. Raises PolicyError.

    In PostgreSQL others can, but for what is claimed.
    """
    using = postgresql.alias()
    if using is not None:
        with _in_postgresql(using), transaction.atomic(using):
            yield Rules(postgresql.Connection(using))
        return
    with _trouble(), contextlib.closing(_connect("rw", patience)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Rules(_Sqlite(connection))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


@contextlib.contextmanager
def attempt():
    """What a CHECK may refuse, in a block of writing(): the rest of that goes on."""
    using = postgresql.alias()
    with contextlib.nullcontext() if using is None else transaction.atomic(using):
        yield


def write(change):
    """One change, a function of Rules, in a transaction of its own."""
    with writing() as rules:
        change(rules)


class Rules:
    """The policy within one transaction. Principals are "user:42"; paths are relative to the store; times Unix seconds."""

    def __init__(self, connection):
        self._connection = connection
        self._keys = SECRET_KEYS if isinstance(connection, _Sqlite) else postgresql.SECRET_KEYS
        self.ended = []  # what was deleted here, in words
        self.given = []  # who was let in here because a second row has a file, in words

    def _run(self, statement, *values):
        return self._connection.execute(statement, values)

    def _end(self, table, where, *values):
        """Deletes those rows."""
        found = self._run(f"DELETE FROM {table} WHERE {where} RETURNING *", *values)
        names = [column[0] for column in found.description]
        self.ended += [ENDED[table].format(**dict(zip(names, row))) for row in found.fetchall()]

    def _column(self, statement, *values):
        return [value for (value,) in self._run(statement, *values)]

    def claim(self, what, shared=False):
        """Nobody else claims the same until the transaction has ended. For who reads Django's rows and then writes by them."""
        self._connection.claim(what, shared)

    def schema(self):
        return int(self._column("SELECT value FROM meta WHERE key = 'schema'")[0])

    def check_schema(self):
        found = self.schema()
        if found < OLDEST_SCHEMA:
            path = conf.get("DATABASE")
            raise PolicyError(f"{path} has schema {found}, older than {OLDEST_SCHEMA}: run `grantctl --db {path} init`")

    def check_isolation(self):
        if self._connection.isolation() not in (None, "read committed"):
            raise PolicyError("the policy is in PostgreSQL, where Django's isolation level must be read committed, as it is by default:"
                              " another one goes on seeing rows that others have changed")

    # Sessions. `identifier` is the SHA-256 of the token, in hexadecimal.

    def set_session(self, identifier, principal, expires):
        self._run("INSERT INTO sessions (id, principal, expires) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
                  " SET principal = excluded.principal, expires = excluded.expires", identifier, principal, expires)

    def has_session(self, identifier):
        return bool(self._column("SELECT 1 FROM sessions WHERE id = ?", identifier))

    def sessions_of_users(self):
        return set(self._column("SELECT id FROM sessions WHERE substr(principal, 1, 5) = 'user:'"))

    def end_session(self, identifier):
        self._end("sessions", "id = ?", identifier)

    def end_sessions_of(self, principal):
        self._end("sessions", "principal = ?", principal)

    def adopt_secret_key(self, fingerprint):
        """Ends every user's session that was issued with another key. A table of our own remembers the key's fingerprint."""
        self.claim("secret key")
        known = self.secret_key()
        if known == fingerprint:
            return
        if known is not None:
            self._end("sessions", "substr(principal, 1, 5) = 'user:'")
        if self._keys == SECRET_KEYS:
            self._run(f"CREATE TABLE IF NOT EXISTS {SECRET_KEYS} (fingerprint TEXT NOT NULL) STRICT")
        self._run(f"DELETE FROM {self._keys}")
        self._run(f"INSERT INTO {self._keys} (fingerprint) VALUES (?)", fingerprint)

    def secret_key(self):
        """The fingerprint of the key that sessions are issued with; None before the first."""
        if self._keys == SECRET_KEYS and not self._column("SELECT 1 FROM sqlite_schema WHERE name = ?", SECRET_KEYS):
            return None
        return next(iter(self._column(f"SELECT fingerprint FROM {self._keys}")), None)

    # Files.

    def owner(self, path):
        return next(iter(self._column("SELECT principal FROM owners WHERE path = ?", path)), None)

    def set_owner(self, path, principal):
        """None: nobody."""
        if principal is None:
            self.remove_owner(path)
        elif self.owner(path) != principal:
            self.remove_owner(path)
            self._run("INSERT INTO owners (path, principal) VALUES (?, ?)", path, principal)

    def set_owners(self, path, principals):
        """The first owns it; the others, whose the same file is by other rows, are granted it."""
        self.set_owner(path, next(iter(principals), None))
        for principal in principals[1:]:
            if not self._column("SELECT 1 FROM grants WHERE principal = ? AND path = ? AND expires IS NULL", principal, path):
                self.grant(principal, path, None)
                self.given.append(f"{principal} may read {path!r}, which {principals[0]} owns: both have a row with that file")

    def otherwise_owned(self, owners):
        """Those paths of a dictionary of set_owners()' arguments at which it would change something."""
        owned = dict(self._run("SELECT path, principal FROM owners"))
        several = {path for path, principals in owners.items() if len(principals) > 1}
        granted = set(self._run("SELECT principal, path FROM grants WHERE expires IS NULL")) if several else set()
        return [path for path, principals in owners.items()
                if owned.get(path) != next(iter(principals), None)
                or path in several and any((principal, path) not in granted for principal in principals[1:])]

    def take_from_owner(self, path, principal):
        """What set_owners() gave this one of them."""
        self.remove_owner(path)
        if principal is not None:
            self.revoke(principal, path)

    def remove_owner(self, path):
        self._end("owners", "path = ?", path)

    def drop(self, path):
        """Every rule on the path and on all below it."""
        for table in ("owners", "grants", "links"):
            self._end(table, "path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0')", path)

    def paths(self):
        """All that have a rule."""
        return set(self._column("SELECT path FROM owners UNION SELECT path FROM grants UNION SELECT path FROM links"))

    # Sharing.

    def grant(self, principal, path, expires):
        self._run("INSERT INTO grants (principal, path, expires) VALUES (?, ?, ?) ON CONFLICT (principal, path)"
                  " DO UPDATE SET expires = excluded.expires", principal, path, expires)

    def revoke(self, principal, path):
        self._end("grants", "principal = ? AND path = ?", principal, path)

    def grants_on(self, path):
        """(principal, expires) of each that holds now."""
        return self._run("SELECT principal, expires FROM grants WHERE path = ? AND (expires IS NULL OR expires > unixepoch())"
                         " ORDER BY principal", path).fetchall()

    def granted_to(self, principals):
        """Paths that these principals, taken by themselves, may read now."""
        marks = ", ".join("?" * len(principals))
        return self._column(f"SELECT DISTINCT path FROM grants WHERE principal IN ({marks})"
                            " AND (expires IS NULL OR expires > unixepoch())", *principals)

    # Links. `identifier` is the SHA-256 of the token, in hexadecimal.

    def add_link(self, identifier, principal, path, expires, uses, address):
        self._run("INSERT INTO links (id, principal, path, expires, uses, address) VALUES (?, ?, ?, ?, ?, ?)",
                  identifier, principal, path, expires, uses, address)

    def remove_link(self, identifier, path):
        self._end("links", "id = ? AND path = ?", identifier, path)

    def remove_links_of(self, principal):
        self._end("links", "principal = ?", principal)

    def links_to(self, path):
        """(identifier, expires) of each that holds now."""
        return self._run("SELECT id, expires FROM links WHERE path = ? AND (expires IS NULL OR expires > unixepoch())"
                         " ORDER BY created, id", path).fetchall()

    # Users and groups.

    def principals(self):
        """All that are named anywhere."""
        return set(self._column("SELECT principal FROM owners UNION SELECT principal FROM grants UNION SELECT principal FROM sessions"
                                " UNION SELECT principal FROM links UNION SELECT member FROM members UNION SELECT parent FROM members"))

    def set_memberships(self, member, groups):
        """Of the groups that mirror Django's (group:NUMBER, users, staff, superusers) the member is in these and no other."""
        groups = set(groups)
        mirrored = {parent for parent in self._column("SELECT parent FROM members WHERE member = ?", member)
                    if parent in (USERS, STAFF, SUPERUSERS) or re.fullmatch(r"group:[0-9]+", parent)}
        for parent in mirrored - groups:
            self.leave(member, parent)
        for parent in groups - mirrored:
            self._run("INSERT INTO members (member, parent) VALUES (?, ?)", member, parent)

    def mirrored_memberships(self):
        """Of each member, the groups that set_memberships() is about."""
        found = {}
        for member, parent in self._run("SELECT member, parent FROM members"):
            if parent in (USERS, STAFF, SUPERUSERS) or re.fullmatch(r"group:[0-9]+", parent):
                found.setdefault(member, set()).add(parent)
        return found

    def bearers(self):
        """Who has a session or a link."""
        return set(self._column("SELECT principal FROM sessions UNION SELECT principal FROM links"))

    def leave(self, member, parent):
        self._end("members", "member = ? AND parent = ?", member, parent)

    def forget(self, principal):
        """All that names the principal."""
        for table in ("owners", "grants", "sessions", "links"):
            self._end(table, "principal = ?", principal)
        self._end("members", "member = ?1 OR parent = ?1", principal)
