"""Where the policy is in PostgreSQL: one transaction changes it and Django's tables, whoever else changes them meanwhile."""

import contextlib
import threading
import unittest
from unittest import mock

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.db import connection, transaction

from gallery.models import Picture
from grantfs_files import policy, sessions, users
from grantfs_files.models import Owed

from .case import ON_POSTGRESQL, PASSWORD, PolicyCase

PATIENCE_SECONDS = 20
TABLES = ("owners", "grants", "members", "sessions", "links")


@unittest.skipUnless(ON_POSTGRESQL, "the policy is in SQLite")
class OneTransaction(PolicyCase):
    def setUp(self):
        super().setUp()
        self.family = Group.objects.create(name="family")
        self.picture = self.upload(self.alice)
        self.name = self.picture.file.name

    def whole_policy(self):
        return {table: sorted(self.rows(f"SELECT {table}::text FROM {table}")) for table in TABLES}

    def everything(self):
        """A change of each kind."""
        self.upload(self.bob)
        self.picture.file.share_with(self.bob)
        self.picture.file.create_link()
        self.family.user_set.add(self.alice, self.bob)
        self.login(self.alice)
        self.bob.set_password("battery staple")
        self.bob.is_staff = True
        self.bob.save()
        self.picture.owner = self.bob
        self.picture.save()
        self.client.post("/logout/", secure=True)
        self.family.user_set.clear()
        Picture.objects.all().delete()
        self.alice.delete()

    def test_what_is_rolled_back_changes_nothing(self):
        before = self.whole_policy()
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            self.everything()
            self.assertNotEqual(self.whole_policy(), before)
            raise ZeroDivisionError
        self.assertEqual(self.whole_policy(), before)
        self.assertTrue((self.store / self.name).exists())

    def test_nothing_is_owed(self):
        with mock.patch("grantfs_files.owed.owe", side_effect=AssertionError("owed")):
            self.everything()
            with transaction.atomic():
                self.alice.pk = None
                self.alice.save()
                self.login(self.alice)
        self.assertFalse(Owed.objects.exists())

    def test_a_share_counts_with_what_comes_before_it(self):
        with transaction.atomic():
            self.picture.file.share_with(self.bob)
            self.assertFalse(self.may_read(self.principal(self.bob), self.name))
        self.assertTrue(self.may_read(self.principal(self.bob), self.name))

    def test_another_isolation_level_is_told(self):
        self.rows("SET default_transaction_isolation = 'repeatable read'")
        try:
            (message,) = [message for message in run_checks(include_deployment_checks=True) if message.id == "grantfs_files.E004"]
        finally:
            self.rows("RESET default_transaction_isolation")
        self.assertIn("read committed", message.msg)


@unittest.skipUnless(ON_POSTGRESQL, "the policy is in SQLite")
class AtTheSameTime(PolicyCase):
    """Two transactions, of which the second waits for the first."""

    def setUp(self):
        super().setUp()
        self.picture = self.upload(self.alice)
        self.name = self.picture.file.name

    def meanwhile(self, function, *arguments):
        """In a transaction of another thread's, which comes to wait for ours. Returns what to call behind our commit."""
        failed, pid = [], []

        def run():
            with contextlib.closing(connection):
                try:
                    with transaction.atomic():
                        pid.append(self.rows("SELECT pg_backend_pid()")[0][0])
                        function(*arguments)
                except Exception as error:  # told by the test
                    failed.append(error)

        def end():
            thread.join(PATIENCE_SECONDS)
            self.assertEqual((thread.is_alive(), failed), (False, []))

        thread = threading.Thread(target=run)
        thread.start()
        for _ in range(PATIENCE_SECONDS * 100):
            if failed or not thread.is_alive() or (pid and self.rows("SELECT 1 FROM pg_locks WHERE pid = ? AND NOT granted", pid[0])):
                break
            thread.join(0.01)
        self.assertEqual((thread.is_alive(), failed), (True, []), "it did not wait")
        return end

    def session(self):
        """A login whose token was not issued."""
        token = self.login(self.alice)
        self.rows("DELETE FROM sessions")
        return token, Session.objects.get().session_key

    def change_password(self):
        self.alice.set_password("battery staple")
        self.alice.save()

    def test_a_login_does_not_outlive_the_password_that_is_being_changed(self):
        token, key = self.session()
        with transaction.atomic():
            self.change_password()
            end = self.meanwhile(sessions.settle_session, key, "default")
        end()
        self.assertFalse(self.token_opens(token, self.name))

    def test_a_password_that_is_changed_ends_the_login_that_is_being_made(self):
        token, key = self.session()
        with transaction.atomic():
            sessions.settle_session(key, "default")
            end = self.meanwhile(self.change_password)
        end()
        self.assertFalse(self.token_opens(token, self.name))

    def test_nor_another_secret_key(self):
        token, key = self.session()
        with transaction.atomic():
            sessions.settle_session(key, "default")
            end = self.meanwhile(policy.write, lambda rules: rules.adopt_secret_key("another"))
        end()
        self.assertFalse(self.token_opens(token, self.name))

    def test_logins_do_not_wait_for_one_another(self):
        keys = []
        for user in (self.alice, self.bob):
            self.client.post("/login/", {"username": user.username, "password": PASSWORD}, secure=True)
            keys.append(self.client.session.session_key)
            self.client.cookies.clear()
        with transaction.atomic():
            sessions.settle_session(keys[0], "default")
            done = []

            def settle():
                with contextlib.closing(connection):
                    sessions.settle_session(keys[1], "default")
                    done.append(True)

            thread = threading.Thread(target=settle)
            thread.start()
            thread.join(PATIENCE_SECONDS)
            self.assertEqual(done, [True])

    def test_who_is_deactivated_joins_no_group(self):
        family = Group.objects.create(name="family")
        with transaction.atomic():
            self.bob.is_active = False
            self.bob.save()
            end = self.meanwhile(users.settle_user, self.bob.pk, "default")
        end()
        with transaction.atomic():
            family.user_set.add(self.alice)
            self.alice.is_active = False
            end = self.meanwhile(self.alice.save)
        end()
        self.assertEqual(self.rows("SELECT member FROM members"), [])

    def test_of_two_rows_with_one_file_that_go_nothing_is_left(self):
        first = Picture.objects.create(owner=self.alice, title="", file="old/shared.png")
        second = Picture.objects.create(owner=self.bob, title="", file="old/shared.png")
        with transaction.atomic():
            first.delete()
            end = self.meanwhile(second.delete)
        end()
        self.assertEqual(self.rows("SELECT principal FROM owners WHERE path = 'old/shared.png'"), [])
        self.assertEqual(self.rows("SELECT principal FROM grants"), [])

    def test_a_share_that_is_being_given_goes_with_the_file(self):
        with transaction.atomic():
            self.picture.file.share_with(self.bob)
            end = self.meanwhile(Picture.objects.all().delete)
        end()
        self.assertEqual(self.rows("SELECT path FROM grants"), [])
