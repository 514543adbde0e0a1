"""What follows a commit, when some of it fails."""

import contextlib
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import transaction

from gallery.models import Picture
from grantfs_files import files, owed, policy, sessions
from grantfs_files.models import Owed

from .case import PolicyCase, of_two_databases


@of_two_databases
class AfterACommit(PolicyCase):
    def setUp(self):
        super().setUp()
        self.picture = self.upload(self.alice)
        self.name = self.picture.file.name
        self.others = []  # hooks of other applications that were run

    def may(self, user, name=None):
        return self.may_read(self.principal(user), name or self.name)

    @contextlib.contextmanager
    def locked_from_the_commit_on(self):
        """In hooks that are registered after `lock()` was called, within the block."""
        with contextlib.ExitStack() as later, self.assertLogs("grantfs_files", "ERROR") as logs:
            yield lambda: transaction.on_commit(lambda: later.enter_context(self.policy_locked())), logs

    def next_page(self):
        with self.retry(), self.assertLogs("grantfs_files", "WARNING"):
            owed.contact._due = 0.0
            self.client.get("/login/", secure=True)

    def test_no_later_hook_is_lost_and_what_failed_follows(self):
        with self.locked_from_the_commit_on() as (lock, logs), transaction.atomic():
            lock()
            names = [self.upload(self.alice).file.name for _ in range(2)]
            self.bob.is_staff = True
            self.bob.save()
            transaction.on_commit(lambda: self.others.append(1))
        self.assertEqual((len(self.others), len(logs.records)), (1, 1))
        self.assertEqual([self.may(self.alice, name) for name in names], [False, False])
        self.next_page()
        self.assertEqual([self.may(self.alice, name) for name in names], [True, True])
        self.assertIn((self.principal(self.bob), policy.STAFF), self.rows("SELECT member, parent FROM members"))

    def test_one_that_fails_for_another_reason_is_reported_and_loses_none(self):
        second = self.upload(self.alice)
        settle = files.settle_file

        def failing(label, field, name, using):
            if name == self.name:
                raise RuntimeError("the disk is on fire")
            settle(label, field, name, using)

        with mock.patch.object(files, "settle_file", failing), self.assertLogs("grantfs_files.order", "ERROR") as logs:
            with transaction.atomic():
                Picture.objects.order_by("pk").delete()
                transaction.on_commit(lambda: self.others.append(1))
        self.assertIn("the disk is on fire", logs.output[0])
        self.assertEqual(len(self.others), 1)
        self.assertFalse((self.store / second.file.name).exists())

    def test_what_cannot_be_paid_is_reported_without_the_sessions_key(self):
        self.login(self.alice)
        key = self.client.session.session_key
        owed.owe(sessions.settle_session, key, "default")
        with mock.patch.dict(owed.debts, settle_session=mock.Mock(side_effect=RuntimeError)), \
                self.assertLogs("grantfs_files", "ERROR") as logs, self.assertRaisesRegex(CommandError, "1 changes are still owed"):
            call_command("grantfs_sync", stdout=mock.Mock())
        self.assertIn("settle_session", logs.output[0])
        self.assertNotIn(key, logs.output[0])
        self.assertEqual(Owed.objects.count(), 1)

    def test_what_was_taken_back_in_the_transaction_that_gave_it_ends_all_the_same(self):
        with self.locked_from_the_commit_on() as (lock, _), transaction.atomic():
            self.picture.file.share_with(self.bob)
            lock()
            self.picture.file.unshare(self.bob)
        self.next_page()
        self.assertFalse(self.may(self.bob))

    def test_so_does_a_link(self):
        with self.locked_from_the_commit_on() as (lock, _), transaction.atomic():
            token = self.picture.file.create_link().split("/")[2]
            lock()
            self.picture.file.remove_link(sessions.token_id(token))
        self.assertTrue(self.may_read("link:-", self.name, token))
        self.next_page()
        self.assertFalse(self.may_read("link:-", self.name, token))

    def test_a_session_of_the_old_password_ends_all_the_same(self):
        token = sessions.token("of another process")
        with self.locked_from_the_commit_on() as (lock, _), transaction.atomic():
            lock()
            self.alice.set_password("battery staple")
            self.alice.save()
            with policy.writing() as rules:
                rules.set_session(sessions.token_id(token), self.principal(self.alice), None)
        self.assertTrue(self.token_opens(token, self.name))
        self.next_page()
        self.assertFalse(self.token_opens(token, self.name))

    def test_a_user_deleted_meanwhile_leaves_nothing(self):
        principal = self.principal(self.bob)
        with self.locked_from_the_commit_on() as (lock, _), transaction.atomic():
            self.picture.file.share_with(self.bob)
            lock()
            self.bob.delete()
        self.assertEqual(len(self.rows("SELECT id FROM grants")), 1)
        self.next_page()
        self.assertEqual(self.rows("SELECT id FROM grants WHERE principal = ?", principal), [])

    def test_a_share_that_could_not_be_given_is_reported_and_not_given_later(self):
        with self.locked_from_the_commit_on() as (lock, logs), transaction.atomic():
            lock()
            self.picture.file.share_with(self.bob)
            transaction.on_commit(lambda: self.others.append(1))
        self.assertIn("locked", logs.output[0])
        self.assertEqual((len(self.others), Owed.objects.count()), (1, 0))
        with self.policy_locked(), self.assertRaisesRegex(policy.PolicyError, "locked"):
            self.picture.file.share_with(self.bob)  # without a transaction, whoever asks is told
