"""Where a policy is, connections to it, and waiting until what was taken away is forgotten."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
from typing import Any, Iterator, List, NamedTuple, Optional, Union

from .rules import Rules

_APPLICATION_ID = 0x47724653
_SCHEMA = 6
_OLDEST_SQLITE = (3, 38)  # STRICT tables, unixepoch()


class PolicyError(Exception):
    """There is no policy there that this package may change; the message says what to do."""


class Forgotten(NamedTuple):
    """What await_recall() says of one node."""

    node: str
    forgotten: bool  #: False: it may still serve what was taken away
    why: str


class Policy:
    """A policy database that `grantctl init` made: a file, or a database of PostgreSQL by its URI, for which psycopg is needed.

    Each block has a connection of its own, so that threads and forked processes may share this. Raises PolicyError if it is no policy, and
    the errors of sqlite3 or psycopg.
    """

    def __init__(self, where: Union[str, os.PathLike[str]], patience_seconds: float = 5) -> None:
        """`patience_seconds` is how long a statement waits for another writer."""
        self._where = os.fspath(where)
        self._patience_seconds = patience_seconds
        self._on_postgresql = self._where.startswith(("postgresql://", "postgres://"))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Rules]:
        """All of the block's changes are committed at its end; none, if it raises."""
        with self._connection() as connection:
            if not self._on_postgresql:
                connection.execute("BEGIN IMMEDIATE")
            yield Rules(connection)
            connection.commit()  # after an exception, closing rolls back

    @contextlib.contextmanager
    def reading(self) -> Iterator[Rules]:
        """For questions, which wait for no writer: a change is an error of sqlite3 or psycopg. A copy may be read, too."""
        with self._connection(read_only=True) as connection:
            yield Rules(connection)

    def await_recall(self, timeout_seconds: Optional[float] = None) -> List[Forgotten]:
        """await_recall() by a connection of its own."""
        if not self._on_postgresql:
            raise PolicyError("only a policy in PostgreSQL has nodes to wait for; what a commit in SQLite takes away is recalled "
                              "within the mount's lease, and `grantctl` waits for that")
        with self._connection() as connection:
            return await_recall(connection, timeout_seconds)

    @contextlib.contextmanager
    def _connection(self, read_only: bool = False) -> Iterator[Any]:
        connection = self._on_the_server(read_only) if self._on_postgresql else self._on_the_file(read_only)
        with contextlib.closing(connection):
            yield connection

    def _on_the_file(self, read_only: bool) -> sqlite3.Connection:
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise PolicyError(f"this Python's SQLite is {sqlite3.sqlite_version}, and a policy needs 3.38 or newer")
        uri = f"{pathlib.Path(self._where).absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"  # never makes one that is missing
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=self._patience_seconds)
        try:
            connection.text_factory = os.fsdecode
            if connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
                raise PolicyError(f"{self._where} is not a policy database: name the one that `grantctl init` made")
            meta = dict(connection.execute("SELECT key, value FROM main.meta WHERE key IN ('schema', 'copy_upstream')"))
            self._check_schema(meta.get("schema"))
            if "copy_upstream" in meta and not read_only:
                raise PolicyError(f"{self._where} is a copy of {meta['copy_upstream']}: change the policy there")
        except BaseException:
            connection.close()
            raise
        return connection

    def _on_the_server(self, read_only: bool) -> Any:
        import psycopg

        connection = psycopg.connect(self._where)
        try:
            # Whatever the server's defaults are: await_recall() needs this level.
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            connection.read_only = read_only
            connection.execute(f"SET lock_timeout = {max(1, int(self._patience_seconds * 1000))}")
            ((found,),) = connection.execute("SELECT to_regclass('grantfs.meta') IS NOT NULL").fetchall()
            if not found:
                raise PolicyError("there is no schema grantfs in this database, or this role may not use it: `grantctl init` makes "
                                  "it, and the role must be a member of grantfs_application")
            ((schema,),) = connection.execute("SELECT value FROM grantfs.meta WHERE key = 'schema'").fetchall()
            self._check_schema(int(schema))
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _check_schema(found: object) -> None:
        if found != _SCHEMA:
            advice = "`grantctl init` brings it up to date" if isinstance(found, int) and found < _SCHEMA else "install a newer one"
            raise PolicyError(f"the policy has schema {found}, and this package is for {_SCHEMA}: {advice}")


def await_recall(connection: Any, timeout_seconds: Optional[float] = None) -> List[Forgotten]:
    """Returns when every node has forgotten what was taken away by now, or refuses everything: a row for each.

    After the timeout, the rows of the others have `forgotten` False. The connection is one to PostgreSQL, after COMMIT, in a
    transaction that has changed nothing, at the isolation level read committed.
    """
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT node, forgotten, why FROM grantfs.await_recall(timeout => %s * interval '1 second')",
                       [None if timeout_seconds is None else float(timeout_seconds)])
        return [Forgotten(*row) for row in cursor.fetchall()]
    finally:
        cursor.close()
