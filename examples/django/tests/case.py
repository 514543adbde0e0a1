"""A policy database of its own for each case, and questions that grantctl answers as the mount would.

    GRANTCTL=/path/to/grantctl SECRET_KEY=test manage.py test

With SITE_POSTGRESQL=NAME, PGHOST and so on, Django's database and the policy are one in PostgreSQL.
"""

import contextlib
import os
import sqlite3
import subprocess
import tempfile
import unittest
import urllib.parse
from pathlib import Path
from unittest import mock

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.db import connection
from django.test import TransactionTestCase, override_settings

from gallery.models import Picture
from grantfs_files import owed, policy, postgresql

GRANTCTL = os.environ.get("GRANTCTL", "grantctl")
COOKIE = "__Host-files"
PASSWORD = "correct horse"
User = get_user_model()
ON_POSTGRESQL = connection.vendor == "postgresql"
of_sqlite = unittest.skipIf(ON_POSTGRESQL, "the policy is in PostgreSQL")
of_two_databases = unittest.skipIf(ON_POSTGRESQL, "the policy and Django's tables are in one database, in PostgreSQL, and change together")


class PolicyCase(TransactionTestCase):
    """Transactions are real here: much is about what happens when they end."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="grantfs-django-")
        self.addCleanup(folder.cleanup)
        self.store = Path(folder.name, "store")
        self.store.mkdir(mode=0o700)
        self.database = Path(folder.name, "policy", "policy.db")
        if ON_POSTGRESQL:
            self.database = f"postgresql:///{urllib.parse.quote(connection.settings_dict['NAME'])}"
        self.settings_of_grantfs = {"DATABASE": "default" if ON_POSTGRESQL else str(self.database), "STORE": str(self.store)}
        overrides = override_settings(GRANTFS=self.settings_of_grantfs,
                                      PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
        overrides.enable()
        self.addCleanup(overrides.disable)
        self.grantctl("init")
        if ON_POSTGRESQL:
            self.rows("TRUNCATE grantfs.owners, grantfs.grants, grantfs.members, grantfs.sessions, grantfs.links")
        owed.contact.forget()
        self.alice, self.bob = (User.objects.create_user(name, password=PASSWORD) for name in ("alice", "bob"))

    def grantctl(self, *words, input=None):
        return subprocess.run([GRANTCTL, "--db", self.database, *words], input=input, capture_output=True, text=True, timeout=30)

    def may_read(self, who, path, token=None):
        """Whether the policy lets a principal, or the bearer of a session's token, read the path."""
        done = self.grantctl("check", who, path, input=token)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode == 0

    def token_opens(self, token, path):
        return token is not None and self.may_read("session:-", path, token)

    def rows(self, statement, *values):
        if ON_POSTGRESQL:
            found = postgresql.Connection("default").execute(statement, values)
            return found.fetchall() if found.description else []
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(statement, values).fetchall()

    def all_of_the_policy(self):
        """As bytes."""
        if ON_POSTGRESQL:
            tables = ("owners", "grants", "members", "sessions", "links", "signing_keys")
            return repr([self.rows(f"SELECT {table}::text FROM grantfs.{table}") for table in tables]).encode()
        return b"".join(path.read_bytes() for path in (self.database, self.database.with_suffix(".db-wal")) if path.exists())

    @contextlib.contextmanager
    def policy_gone(self):
        """Another directory is where it was, with nothing in it; or no schema of that name is there."""
        if ON_POSTGRESQL:
            self.rows("ALTER SCHEMA grantfs RENAME TO away")
            try:
                yield
            finally:
                self.rows("ALTER SCHEMA away RENAME TO grantfs")
            return
        folder = self.database.parent
        folder.rename(folder.with_name("away"))
        folder.mkdir()
        try:
            yield
        finally:
            folder.rmdir()
            folder.with_name("away").rename(folder)

    @contextlib.contextmanager
    def policy_locked(self):
        """Another writer has it, and has no end. In PostgreSQL no writer has all of it."""
        if ON_POSTGRESQL:
            self.skipTest("nobody locks a policy in PostgreSQL")
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with mock.patch.object(policy, "PATIENCE_SECONDS", 0.02):
                yield

    @staticmethod
    def retry():
        """The next request tries again, without waiting."""
        return mock.patch.object(owed, "RETRY_SECONDS", 0)

    def upload(self, owner, name="cat.png", data=b"the bytes"):
        return Picture.objects.create(owner=owner, title=name[:100], file=ContentFile(data, name=name))

    def login(self, user, client=None):
        """The token that a browser has after logging in."""
        client = client or self.client
        reply = client.post("/login/", {"username": user.username, "password": PASSWORD}, secure=True)
        self.assertEqual(reply.status_code, 302)
        return client.cookies[COOKIE].value

    def principal(self, user):
        return f"user:{user.pk}"


assert settings.SECRET_KEY  # the settings ask for it in the environment
