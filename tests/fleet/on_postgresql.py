"""Policies in PostgreSQL, a database of its own for each test, on one server for each process."""

import json
import os
import re
import subprocess
import unittest

from cluster import server
from harness import GRANTCTL

_made = 0


def new_database(test):
    """The name of an empty database, dropped after the test."""
    global _made
    _made += 1
    name = f"policy{_made}"
    server().create_database(name)
    test.addCleanup(server().drop_database, name)
    return name


def literal(value):
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def query(database, statement, *parameters):
    """Rows as Python's sqlite3 gives them: numbers are numbers. ? stands for a parameter."""
    pieces = statement.split("?")
    statement = "".join(piece + (literal(parameters[i]) if i < len(parameters) else "") for i, piece in enumerate(pieces))
    statement = f"SET search_path = grantfs; {statement}"
    if not re.match(r"SET search_path = grantfs; SELECT ", statement):
        server().sql(statement, database)
        return []
    selected = statement.removeprefix("SET search_path = grantfs; ")
    ((rows,),) = server().sql(f"SET search_path = grantfs; SELECT json_agg(to_json(found)) FROM ({selected}) AS found", database)
    return [tuple(row.values()) for row in json.loads(rows or "[]")]


class PolicyCase(unittest.TestCase):
    """A policy in PostgreSQL, made by init, and grantctl to run on it."""

    def setUp(self):
        self.name = new_database(self)
        self.uri = server().uri(self.name)
        self.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "GRANTFS_DB": self.uri}
        self.grantctl("init")

    def grantctl(self, *arguments, status=0, input=None, **environment):
        done = subprocess.run([GRANTCTL, *map(str, arguments)], input=input, capture_output=True, text=True, timeout=60,
                              env=self.environment | environment)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        return done

    def json(self, *arguments, **kwargs):
        return json.loads(self.grantctl("--json", *arguments, **kwargs).stdout)

    def sql(self, statement, **kwargs):
        return server().sql(statement, self.name, **kwargs)

    def rows(self, statement, *parameters):
        return query(self.name, statement, *parameters)
