"""The policy in PostgreSQL, in the database of Django's own tables: GRANTFS["DATABASE"] is that one's name in DATABASES.

Then one transaction changes both, or neither: nothing follows a commit, and nothing is owed. Others change Django's rows at
the same time, so what reads them and then writes the policy claims what it is about: whoever claims the same waits until that
transaction has ended, and then reads what it left (which the isolation level read committed, Django's default, shows).
"""

import functools
import itertools
import re

from django.conf import settings
from django.db import connections

from . import conf

TABLES = re.compile(r"\b(FROM|INTO|JOIN) (owners|grants|members|sessions|links|meta)\b")
PARAMETER = re.compile(r"\?(\d*)")
SECRET_KEYS = "grantfs_files_secretkey"  # models.SecretKey


def alias():
    """The name of that database in DATABASES; None: the policy is an SQLite database of its own."""
    name = conf.get("DATABASE")
    return name if name in settings.DATABASES else None


def is_in(using):
    """Whether a transaction of that database is one of the policy's, too."""
    return alias() == using


@functools.lru_cache
def translated(statement):
    """The policy's SQL, in the schema grantfs and with parameters as psycopg2 has them."""
    numbers = itertools.count(1)
    statement = TABLES.sub(r"\1 grantfs.\2", statement).replace("unixepoch()", "grantfs.unixepoch()")
    return PARAMETER.sub(lambda found: f"%({found[1] or next(numbers)})s", statement)


class Connection:
    """What policy.Rules need of a connection, on Django's own of this thread."""

    def __init__(self, using):
        self._connection = connections[using]

    def execute(self, statement, values=()):
        cursor = self._connection.cursor()
        cursor.execute(translated(statement), {str(number): value for number, value in enumerate(values, 1)})
        return cursor

    def claim(self, what, shared=False):
        """Until the transaction ends. Those who share it do not wait for one another."""
        self.execute(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(hashtextextended(?, 0))", (f"grantfs_files {what}",))

    def isolation(self):
        return self.execute("SHOW transaction_isolation").fetchone()[0]
