"""A policy database of its own for each case, and questions that grantctl answers as the mount would.

    GRANTCTL=/path/to/grantctl SECRET_KEY=test manage.py test
"""

import contextlib
import os
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from unittest import mock

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.test import TransactionTestCase, override_settings

from gallery.models import Picture
from grantfs_files import owed, policy

GRANTCTL = os.environ.get("GRANTCTL", "grantctl")
COOKIE = "__Host-files"
PASSWORD = "correct horse"
User = get_user_model()


class PolicyCase(TransactionTestCase):
    """Transactions are real here: much is about what happens when they end."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="grantfs-django-")
        self.addCleanup(folder.cleanup)
        self.store = Path(folder.name, "store")
        self.store.mkdir(mode=0o700)
        self.database = Path(folder.name, "policy", "policy.db")
        overrides = override_settings(GRANTFS={"DATABASE": str(self.database), "STORE": str(self.store)},
                                      PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
        overrides.enable()
        self.addCleanup(overrides.disable)
        self.grantctl("init")
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
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def policy_gone(self):
        """Another directory is where it was, with nothing in it."""
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
        """Another writer has it, and has no end."""
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with mock.patch.object(policy, "PATIENCE_SECONDS", 0.02):
                yield

    @staticmethod
    def retry():
        """The next request tries again, without waiting."""
        return mock.patch.object(owed, "RETRY_SECONDS", 0)

    def upload(self, owner, name="cat.png", data=b"the bytes"):
        return Picture.objects.create(owner=owner, title=name, file=ContentFile(data, name=name))

    def login(self, user, client=None):
        """The token that a browser has after logging in."""
        client = client or self.client
        reply = client.post("/login/", {"username": user.username, "password": PASSWORD}, secure=True)
        self.assertEqual(reply.status_code, 302)
        return client.cookies[COOKIE].value

    def principal(self, user):
        return f"user:{user.pk}"


assert settings.SECRET_KEY  # the settings ask for it in the environment
