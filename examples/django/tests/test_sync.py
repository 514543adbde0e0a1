"""manage.py grantfs_sync: what no signal told of."""

import io
from unittest import mock

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import Picture
from grantfs_files import policy, sessions
from grantfs_files.models import Owed

from .case import PolicyCase, User, of_sqlite


class Sync(PolicyCase):
    def setUp(self):
        super().setUp()
        self.picture = self.upload(self.alice)
        self.name = self.picture.file.name

    def sync(self):
        """The lines it prints; run again, it finds nothing to do."""
        first, second = (io.StringIO() for _ in range(2))
        call_command("grantfs_sync", stdout=first)
        before = self.rows("SELECT value FROM meta WHERE key = 'revision'")
        call_command("grantfs_sync", stdout=second)
        self.assertRegex(second.getvalue(), r"^\d+ files, \d+ users and \d+ logins are as Django's database says; 0 ended\n$")
        self.assertEqual(self.rows("SELECT value FROM meta WHERE key = 'revision'"), before)
        *ended, last = first.getvalue().splitlines()
        self.assertTrue(last.endswith(f"{len(ended)} ended"), last)
        return ended

    def sql(self, statement, *values):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)

    def users(self):
        return User.objects.filter(pk=self.alice.pk)

    def statements(self):
        """How many SQL statements a sync takes, of Django's database and of the policy's."""
        traced, connect = [], policy._connect

        def traced_connect(*arguments):
            opened = connect(*arguments)
            opened.set_trace_callback(traced.append)
            return opened

        with CaptureQueriesContext(connection) as asked, mock.patch.object(policy, "_connect", traced_connect):
            call_command("grantfs_sync", stdout=io.StringIO())
        return len(asked), len(traced)

    def test_what_has_not_changed_costs_no_statement_of_its_own(self):
        self.sync()
        before = self.statements()
        User.objects.bulk_create(User(username=f"user{number}") for number in range(30))
        users = User.objects.filter(username__startswith="user")
        Picture.objects.bulk_create(Picture(owner=user, title="", file=f"old/{number}/{user.username}.png")
                                    for number in range(5) for user in users)
        self.sync()
        self.assertEqual(self.statements(), before)

    def test_files_are_recorded_in_one_transaction(self):
        Picture.objects.bulk_create(Picture(owner=self.bob, title="", file=f"old/{number}.png") for number in range(1200))
        with mock.patch.object(policy, "writing", wraps=policy.writing) as writing:
            call_command("grantfs_sync", stdout=io.StringIO())
            with_files = writing.call_count
            call_command("grantfs_sync", stdout=io.StringIO())
        self.assertEqual(with_files, writing.call_count - with_files + 1)
        self.assertEqual(self.rows("SELECT count(*) FROM owners WHERE principal = ?", self.principal(self.bob)), [(1200,)])

    def test_the_owner_of_a_second_row_with_the_file_is_granted_it(self):
        picture = Picture.objects.create(owner=self.alice, title="", file="old/shared.png")
        Picture.objects.bulk_create([Picture(owner=self.bob, title="", file="old/shared.png")])
        said = io.StringIO()
        call_command("grantfs_sync", stdout=said)
        alice, bob = self.principal(self.alice), self.principal(self.bob)
        self.assertIn(f"granted: {bob} may read 'old/shared.png', which {alice} owns: both have a row with that file\n", said.getvalue())
        self.assertEqual(self.rows("SELECT principal FROM owners WHERE path = 'old/shared.png'"), [(alice,)])
        self.assertTrue(self.may_read(alice, "old/shared.png") and self.may_read(bob, "old/shared.png"))
        self.assertEqual(self.sync(), [])
        picture.delete()
        self.assertFalse(self.may_read(alice, "old/shared.png"))
        self.assertTrue(self.may_read(bob, "old/shared.png"))

    def test_both_owners_of_a_file_see_it_at_once(self):
        Picture.objects.create(owner=self.alice, title="", file="old/shared.png")
        second = Picture.objects.create(owner=self.bob, title="", file="old/shared.png")
        alice, bob = self.principal(self.alice), self.principal(self.bob)
        self.assertTrue(self.may_read(alice, "old/shared.png") and self.may_read(bob, "old/shared.png"))
        second.owner = User.objects.create_user("carol")
        second.save()
        self.assertFalse(self.may_read(bob, "old/shared.png"))
        self.assertTrue(self.may_read(alice, "old/shared.png") and self.may_read(self.principal(second.owner), "old/shared.png"))

    def test_a_name_that_is_no_path_in_the_store_keeps_nobody_else_from_his_file(self):
        Picture.objects.bulk_create(Picture(owner=self.bob, title="", file=name) for name in ("../x", "/etc/passwd", "old/1.png"))
        said = io.StringIO()
        with self.assertRaisesRegex(CommandError, "2 files have names"):
            call_command("grantfs_sync", stdout=io.StringIO(), stderr=said)
        self.assertIn("'../x'", said.getvalue())
        self.assertTrue(self.may_read(self.principal(self.bob), "old/1.png"))

    def test_where_all_is_well_it_ends_nothing(self):
        self.picture.file.share_with(self.bob)
        self.picture.file.create_link()
        self.login(self.alice)
        self.bob.groups.add(Group.objects.create(name="family"))
        self.assertEqual(self.sync(), [])
        self.assertTrue(self.may_read(self.principal(self.bob), self.name))

    def test_a_row_without_a_file_owns_nothing(self):
        """Least of all the whole store, which is "." to the policy."""
        for name in ("", "."):
            with self.subTest(name=name):
                Picture.objects.filter(pk=self.picture.pk).update(file=name)
                call_command("grantfs_sync", stdout=io.StringIO())
                blank = Picture.objects.get(pk=self.picture.pk)
                blank.save()
                self.assertEqual(self.rows("SELECT path FROM owners WHERE path IN ('', '.')"), [])
                for give in (lambda: blank.file.share_with(self.bob), blank.file.create_link):
                    self.assertRaises(ValueError, give)
                self.assertEqual(self.rows("SELECT path FROM grants UNION SELECT path FROM links"), [])

    def test_a_password_updated_in_bulk_ends_sessions(self):
        token, other = self.login(self.alice), self.login(self.bob, Client())
        self.picture.file.share_with(self.bob)
        link = self.picture.file.create_link().split("/")[2]
        self.users().update(password="!")
        self.assertEqual(self.sync(), [f"ended: a session of user:{self.alice.pk}"])
        self.assertFalse(self.token_opens(token, self.name))
        self.assertTrue(self.token_opens(other, self.name))
        self.assertTrue(self.may_read("link:-", self.name, link))

    def test_deactivation_in_bulk_ends_sessions_links_and_memberships(self):
        self.login(self.alice)
        self.picture.file.share_with(self.bob)
        link = self.picture.file.create_link().split("/")[2]
        self.users().update(is_active=False)
        who = f"user:{self.alice.pk}"
        self.assertEqual(self.sync(), [f"ended: {who} in group:users", f"ended: a session of {who}",
                                       f"ended: a link of {who} to {self.name!r}"])
        self.assertFalse(self.may_read("link:-", self.name, link))
        self.assertTrue(self.may_read(self.principal(self.bob), self.name))  # as after save(): it is not the user that was shared with

    def test_a_user_deleted_by_sql_leaves_nothing(self):
        mine = self.upload(self.bob)
        mine.file.share_with(self.alice)
        mine.file.create_link()
        self.login(self.alice)
        who = self.principal(self.alice)
        self.picture.file.share_with(self.bob)
        self.picture.file.create_link()
        with policy.writing() as rules:
            rules.set_owner("by-hand", who)
        for table in ("gallery_picture", "auth_user"):
            self.sql(f"DELETE FROM {table} WHERE {'owner_id' if table != 'auth_user' else 'id'} = %s", self.alice.pk)
        ended = self.sync()
        self.assertIn(f"ended: what {who} owned: 'by-hand'", ended)
        self.assertIn(f"ended: what {who} was granted: {mine.file.rule_path!r}", ended)
        for table, column in (("owners", "principal"), ("grants", "principal"), ("links", "principal"), ("sessions", "principal"),
                              ("members", "member")):
            self.assertEqual(self.rows(f"SELECT * FROM {table} WHERE {column} = ?", who), [], table)
        self.assertFalse(self.may_read(self.principal(self.bob), self.name))
        self.assertTrue(self.may_read(self.principal(self.bob), mine.file.name))
        self.assertEqual(len(mine.file.links()), 1)

    def test_a_row_deleted_by_sql_leaves_the_bytes_and_no_rule(self):
        self.picture.file.share_with(self.bob)
        self.sql("DELETE FROM gallery_picture")
        self.assertEqual(len(self.sync()), 2)
        self.assertFalse(self.may_read(self.principal(self.alice), self.name))
        self.assertFalse(self.may_read(self.principal(self.bob), self.name))
        self.assertTrue((self.store / self.name).exists())

    def test_a_group_deleted_by_sql_leaves_nothing(self):
        family = Group.objects.create(name="family")
        self.bob.groups.add(family)
        self.picture.file.share_with(family)
        self.sql("DELETE FROM auth_user_groups")
        self.sql("DELETE FROM auth_group")
        self.assertEqual(self.sync(), [f"ended: user:{self.bob.pk} in group:{family.pk}",
                                       f"ended: what group:{family.pk} was granted: {self.picture.file.rule_path!r}"])
        self.assertFalse(self.may_read(self.principal(self.bob), self.name))

    def test_an_owner_changed_in_bulk_is_the_owner(self):
        Picture.objects.update(owner=self.bob)
        self.assertEqual(self.sync(), [f"ended: what user:{self.alice.pk} owned: {self.picture.file.rule_path!r}"])
        self.assertFalse(self.may_read(self.principal(self.alice), self.name))
        self.assertTrue(self.may_read(self.principal(self.bob), self.name))

    def test_rights_taken_in_bulk_are_taken(self):
        self.bob.is_superuser = True
        self.bob.save()
        User.objects.update(is_superuser=False)
        self.assertEqual(self.sync(), [f"ended: user:{self.bob.pk} in group:superusers"])

    def test_what_was_made_by_hand_stays(self):
        self.grantctl("grant", "group:press", "uploads")
        self.grantctl("grant", "user:editor", "uploads")
        self.grantctl("group", "add", "group:press", "user:007")
        self.grantctl("grant", "public", "avatars")
        self.grantctl("grant", "user:99999999999999999999", self.picture.file.rule_path)
        self.grantctl("session", "create", "uid:1")
        self.assertEqual(self.sync(), [])
        self.assertEqual(len(self.rows("SELECT id FROM grants") + self.rows("SELECT id FROM sessions")), 5)
        self.login(self.alice)
        self.assertEqual(self.client.get(f"/pictures/{self.picture.pk}/", secure=True).status_code, 200)

    def test_logins_that_the_policy_lacks_are_let_in(self):
        token = self.login(self.alice)
        with policy.writing() as rules:
            rules.end_session(sessions.token_id(token))
        self.assertEqual(self.sync(), [])
        self.assertTrue(self.token_opens(token, self.name))

    def test_it_pays_what_is_owed(self):
        token = self.login(self.alice)
        with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"):
            Session.objects.all().delete()
        self.sync()
        self.assertFalse(self.token_opens(token, self.name))
        self.assertFalse(Owed.objects.exists())

    @of_sqlite
    def test_an_older_sqlite_is_named(self):
        with mock.patch.object(policy.sqlite3, "sqlite_version_info", (3, 34, 1)), mock.patch.object(policy.sqlite3, "sqlite_version", "3.34.1"), \
                self.assertRaisesRegex(CommandError, "SQLite is 3.34.1, .* needs 3.38 or newer"):
            call_command("grantfs_sync", stdout=io.StringIO())

    def test_without_the_policy_it_says_what_to_do(self):
        with self.policy_gone(), self.assertRaisesRegex(CommandError, "grantctl --db .* init"):
            call_command("grantfs_sync", stdout=io.StringIO())
