"""All the SQL that changes a policy: see grantfs-schema(5)."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any, List, Optional, Tuple, Union

from .signing import Md5Key, SigningKey
from .values import StorePath, When, covers, expiry, group, label_of, moment, network, new_token, principal, store_path, token_id, uses

_MD5 = "md5:"


class Rules:
    """The policy, by a connection of yours, within a transaction of yours: nothing is committed here.

    The connection is sqlite3's to a policy database, or any to PostgreSQL that takes %s for a parameter (psycopg, psycopg2, Django's).
    Principals are texts such as "user:42"; paths are relative to the store. A method raises ValueError for what grantfs would not take.
    As thread-safe as the connection.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._on_sqlite = isinstance(connection, sqlite3.Connection)

    # Owners and grants: a rule on a path covers all below it.

    def own(self, owner: str, path: StorePath) -> None:
        """Makes the principal the owner, in the place of any other."""
        if self.owner(path) != principal(owner):
            self._run("INSERT INTO {schema}.owners (path, principal) VALUES ({path}, {}) ON CONFLICT (path) DO UPDATE"
                      " SET principal = excluded.principal, created = excluded.created", _Path(path), owner)

    def owner(self, path: StorePath) -> Optional[str]:
        """Who owns exactly this path."""
        found = self._rows("SELECT principal FROM {schema}.owners WHERE path = {path}", _Path(path))
        return found[0][0] if found else None

    def owned_by(self, owner: str) -> List[str]:
        """Paths, oldest first."""
        found = self._rows("SELECT path FROM {schema}.owners WHERE principal = {} ORDER BY created, path", principal(owner))
        return [path for (path,) in found]

    def grant(self, reader: str, path: StorePath, expires: Optional[When] = None) -> None:
        """Lets the principal read. A second grant on the same path replaces the expiry."""
        self._run("INSERT INTO {schema}.grants (principal, path, expires) VALUES ({}, {path}, {})"
                  " ON CONFLICT (principal, path) DO UPDATE SET expires = excluded.expires",
                  principal(reader), _Path(path), expiry(expires))

    def revoke(self, reader: str, path: StorePath) -> bool:
        """Takes the grant and the ownership away that the principal has on exactly this path; whether it had one."""
        gone = [self._run(f"DELETE FROM {{schema}}.{table} WHERE principal = {{}} AND path = {{path}}", principal(reader), _Path(path))
                for table in ("owners", "grants")]
        return any(gone)

    def drop(self, path: StorePath) -> None:
        """Deletes every rule, link and signing key on the path and below, before the file or folder goes: the next one there would
        inherit them. ValueError for the whole store."""
        if store_path(path) == ".":
            raise ValueError("this would drop every rule: name the folders one by one")
        for table in ("owners", "grants", "links", "signing_keys"):
            self._run(f"DELETE FROM {{schema}}.{table} WHERE path = {{path}} OR (path >= {{path}} AND path < {{path}})",
                      _Path(path), _Path(path, "/"), _Path(path, "0"))  # "0" is next after "/"

    # Groups of the application.

    def add_member(self, parent: str, member: str, expires: Optional[When] = None) -> None:
        if principal(member) == group(parent):
            raise ValueError(f"{parent!r} cannot be a member of itself")
        self._run("INSERT INTO {schema}.members (member, parent, expires) VALUES ({}, {}, {})"
                  " ON CONFLICT (member, parent) DO UPDATE SET expires = excluded.expires", member, parent, expiry(expires))

    def remove_member(self, parent: str, member: str) -> bool:
        return self._run("DELETE FROM {schema}.members WHERE member = {} AND parent = {}", principal(member), group(parent)) > 0

    # Sessions and links. The policy holds the SHA-256 of a token, its id: token_id().

    def create_session(self, holder: str, expires: Optional[When], address: Optional[str] = None) -> str:
        """The token, for a cookie. `address`: an address or network, from which alone it opens anything."""
        token = new_token()
        self._run("INSERT INTO {schema}.sessions (id, principal, expires, address) VALUES ({}, {}, {}, {})",
                  token_id(token), principal(holder), expiry(expires), network(address))
        return token

    def end_session(self, session_id: str) -> bool:
        """Whether there was one of that id."""
        return self._run("DELETE FROM {schema}.sessions WHERE id = {}", session_id) > 0

    def end_sessions_of(self, holder: str) -> int:
        """How many there were."""
        return self._run("DELETE FROM {schema}.sessions WHERE principal = {}", principal(holder))

    def create_link(self, sharer: str, path: StorePath, expires: Optional[When] = None, address: Optional[str] = None,
                    most_uses: Optional[int] = None, label: Optional[str] = None) -> str:
        """The token, for a URL. The link rests on the principal's own right to the path. `most_uses` is for each client. `label`: what
        the link is for, as `grantctl link ls` shows it."""
        token = new_token()
        self._run("INSERT INTO {schema}.links (id, principal, path, expires, address, uses, label) VALUES ({}, {}, {path}, {}, {}, {}, {})",
                  token_id(token), principal(sharer), _Path(path), expiry(expires), network(address), uses(most_uses), label_of(label))
        return token

    def end_link(self, link_id: str) -> bool:
        """Whether there was one of that id."""
        return self._run("DELETE FROM {schema}.links WHERE id = {}", link_id) > 0

    # Signing keys, which `grantctl key create` makes.

    def key(self, key_id: str) -> Union[SigningKey, Md5Key]:
        """LookupError if there is none, or it is retired."""
        for found in self._keys():
            if found.id == key_id:
                return found
        raise LookupError(f"there is no signing key {key_id!r}, or it is retired")

    def key_for(self, path: StorePath) -> SigningKey:
        """The newest for by-signature that covers the path, as `grantctl sign` takes it. LookupError if there is none."""
        for found in self._keys():
            if isinstance(found, SigningKey) and covers(found.path, store_path(path)):
                return found
        raise LookupError(f"no signing key covers {path!r}: make one by `grantctl key create`")

    def _keys(self) -> List[Union[SigningKey, Md5Key]]:
        """Newest first."""
        found = self._rows("SELECT id, format, uri_prefix, path, secret FROM {schema}.signing_keys"
                           " WHERE retired IS NULL OR retired > {} ORDER BY created DESC, id", int(time.time()))
        return [Md5Key(name, path, prefix, form[len(_MD5):], bytes(secret)) if form.startswith(_MD5) else SigningKey(name, path, bytes(secret))
                for name, form, prefix, path, secret in found]

    # Cleaning.

    def forget(self, whom: str) -> None:
        """Deletes every row that names the principal."""
        for table, column in (("owners", "principal"), ("grants", "principal"), ("sessions", "principal"), ("links", "principal"),
                              ("members", "member"), ("members", "parent")):
            self._run(f"DELETE FROM {{schema}}.{table} WHERE {column} = {{}}", principal(whom))

    def prune(self) -> int:
        """Deletes what has expired, which has no effect any more; how many rows."""
        now = moment(int(time.time()))
        return sum(self._run(f"DELETE FROM {{schema}}.{table} WHERE expires <= {{}}", now)
                   for table in ("grants", "members", "sessions", "links"))

    # Statements: {schema} is where the tables are, {} a parameter, {path} one that is a path.

    def _run(self, statement: str, *values: Any) -> int:
        """How many rows it has changed."""
        cursor = self._execute(statement, values)
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def _rows(self, statement: str, *values: Any) -> List[Tuple[Any, ...]]:
        cursor = self._execute(statement, values)
        try:
            return list(cursor.fetchall())
        finally:
            cursor.close()

    def _execute(self, statement: str, values: Tuple[Any, ...]) -> Any:
        if self._on_sqlite:
            # Bound as bytes, since a path need not be UTF-8.
            statement = statement.replace("{schema}", "main").replace("{path}", "CAST(? AS TEXT)").replace("{}", "?")
            bound = [os.fsencode(value.text) if isinstance(value, _Path) else value for value in values]
        else:
            statement = statement.replace("{schema}", "grantfs").replace("{path}", "%s").replace("{}", "%s")
            bound = [value.text if isinstance(value, _Path) else value for value in values]
        cursor = self._connection.cursor()
        cursor.execute(statement, bound)
        return cursor


class _Path:
    """A path as a parameter; with an ending, a bound of those below it."""

    def __init__(self, path: StorePath, ending: str = "") -> None:
        self.text = store_path(path) + ending
