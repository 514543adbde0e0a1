"""Uploads, deletions and names."""

import contextlib
import os
import sqlite3
import stat
from unittest import mock

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import transaction

from gallery.models import Picture
from grantfs_files import policy, storage
from grantfs_files.fields import PrivateFileField

from .case import ON_POSTGRESQL, PolicyCase, User, of_sqlite


class Uploads(PolicyCase):
    def test_an_upload_is_its_owners_alone(self):
        name = self.upload(self.alice).file.name
        self.assertTrue(self.may_read("user:%d" % self.alice.pk, name))
        self.assertFalse(self.may_read("user:%d" % self.bob.pk, name))
        self.assertFalse(self.may_read("public", name))

    def test_it_lies_in_a_random_folder_of_its_own(self):
        first, second = (self.upload(self.alice).file.name for _ in range(2))
        self.assertRegex(first, r"^uploads/own-[0-9a-f]{32}/cat\.png$")
        self.assertNotEqual(first, second)
        self.assertEqual(self.rows("SELECT path FROM owners WHERE path = ?", os.path.dirname(first)), [(os.path.dirname(first),)])

    def test_what_is_derived_from_it_is_its_owners_too(self):
        folder = self.upload(self.alice).file.rule_path
        self.assertTrue(self.may_read(self.principal(self.alice), f"{folder}/thumbnail.webp"))

    def test_nobody_else_on_the_machine_may_read_the_store(self):
        path = self.upload(self.alice).file.path
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        for folder in (os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
            self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)

    def test_its_address_needs_no_view(self):
        picture = self.upload(self.alice, "über uns 100%.png")
        self.assertEqual(picture.file.url, f"/private/{picture.file.rule_path}/%C3%BCber%20uns%20100%25.png")

    def test_an_upload_that_is_rolled_back_gives_nothing(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            name = self.upload(self.alice).file.name
            self.assertFalse(self.may_read(self.principal(self.alice), name))
            raise ZeroDivisionError
        self.assertEqual(self.rows("SELECT path FROM owners"), [])

    def test_an_upload_while_the_policy_is_locked_is_nobodys_until_it_is_not(self):
        with self.policy_locked(), self.assertLogs("grantfs_files", "ERROR"):
            self.upload(self.alice)
        self.assertEqual(self.rows("SELECT path FROM owners"), [])
        call_command("grantfs_sync", stdout=mock.Mock())
        self.assertTrue(self.may_read(self.principal(self.alice), Picture.objects.get().file.name))

    def test_another_owner_has_it_instead(self):
        picture = self.upload(self.alice)
        picture.owner = self.bob
        with transaction.atomic():
            picture.save()
            self.assertEqual(self.may_read(self.principal(self.alice), picture.file.name), ON_POSTGRESQL, "before the commit")
        self.assertFalse(self.may_read(self.principal(self.alice), picture.file.name))
        self.assertTrue(self.may_read(self.principal(self.bob), picture.file.name))

    def test_another_owner_while_the_policy_is_locked_changes_nothing(self):
        picture = self.upload(self.alice)
        picture.owner = self.bob
        with self.policy_locked(), self.assertRaisesRegex(Exception, "locked"):
            picture.save()
        self.assertEqual(Picture.objects.get().owner, self.alice)


class Deletions(PolicyCase):
    def setUp(self):
        super().setUp()
        self.picture = self.upload(self.alice)
        self.name, self.path = self.picture.file.name, self.picture.file.path
        self.picture.file.share_with(self.bob)
        self.picture.file.create_link()

    def assert_gone(self):
        self.assertFalse(os.path.exists(os.path.dirname(self.path)))
        for table in ("owners", "grants", "links"):
            self.assertEqual(self.rows(f"SELECT path FROM {table}"), [], table)

    def test_a_deleted_file_leaves_no_rule_and_no_bytes(self):
        self.picture.delete()
        self.assert_gone()

    def test_so_does_one_deleted_by_a_query(self):
        Picture.objects.all().delete()
        self.assert_gone()

    def test_so_does_one_whose_owner_is_deleted(self):
        self.alice.delete()
        self.assert_gone()

    def test_the_rules_go_before_the_commit_and_the_bytes_after(self):
        with transaction.atomic():
            self.picture.delete()
            self.assertEqual(self.may_read(self.principal(self.bob), self.name), ON_POSTGRESQL)  # it commits with the row
            self.assertTrue(os.path.exists(self.path))
        self.assert_gone()

    def test_a_deletion_that_is_rolled_back_keeps_the_bytes_and_denies_until_synced(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            Picture.objects.all().delete()
            raise ZeroDivisionError
        self.assertTrue(os.path.exists(self.path))
        self.assertEqual(self.may_read(self.principal(self.alice), self.name), ON_POSTGRESQL)  # what is rolled back never was
        call_command("grantfs_sync", stdout=mock.Mock())
        self.assertTrue(self.may_read(self.principal(self.alice), self.name))

    def test_while_the_policy_is_locked_nothing_is_deleted(self):
        with self.policy_locked(), self.assertRaisesRegex(Exception, "locked"):
            Picture.objects.all().delete()
        self.assertTrue(Picture.objects.exists())
        self.assertTrue(os.path.exists(self.path))

    def test_a_name_used_again_inherits_nothing(self):
        self.picture.delete()
        again = self.upload(self.alice).file.name
        self.assertEqual(os.path.basename(again), os.path.basename(self.name))
        self.assertFalse(self.may_read(self.principal(self.bob), again))

    def test_another_file_in_its_place_inherits_nothing(self):
        self.picture.file = ContentFile(b"other bytes", name="cat.png")
        self.picture.save()
        self.assertFalse(self.may_read(self.principal(self.bob), self.picture.file.name))
        self.assertTrue(self.may_read(self.principal(self.alice), self.picture.file.name))
        self.assertFalse(os.path.exists(self.path))
        self.assertEqual(self.rows("SELECT path FROM links"), [])

    def test_so_does_another_row_in_its_place(self):
        Picture(pk=self.picture.pk, owner=self.bob, title="other", added=self.picture.added,
                file=ContentFile(b"other bytes", name="cat.png")).save()
        self.assertFalse(self.may_read(self.principal(self.alice), self.name))
        self.assertFalse(os.path.exists(self.path))

    def test_while_the_policy_is_locked_nothing_is_replaced(self):
        self.picture.file = ContentFile(b"other bytes", name="cat.png")
        with self.policy_locked(), self.assertRaisesRegex(Exception, "locked"):
            self.picture.save()
        self.assertEqual(Picture.objects.get().file.name, self.name)

    def test_a_row_that_names_the_same_file_keeps_it(self):
        copy = Picture.objects.get()
        copy.pk, copy._state.adding = None, True
        copy.save()
        self.picture.delete()
        self.assertTrue(os.path.exists(self.path))
        self.assertTrue(self.may_read(self.principal(self.alice), self.name))

    def test_saving_other_columns_leaves_the_shares(self):
        self.picture.title = "another"
        self.picture.save()
        Picture.objects.get().save(update_fields=["title"])
        self.assertTrue(self.may_read(self.principal(self.bob), self.name))


class Legacy(PolicyCase):
    def test_files_from_before_get_their_owner_by_sync(self):
        (self.store / "2019").mkdir()
        (self.store / "2019/old.png").write_bytes(b"old")
        Picture.objects.bulk_create([Picture(owner=self.alice, title="old", file="2019/old.png")])
        self.assertFalse(self.may_read(self.principal(self.alice), "2019/old.png"))
        call_command("grantfs_sync", stdout=mock.Mock())
        self.assertTrue(self.may_read(self.principal(self.alice), "2019/old.png"))
        self.assertFalse(self.may_read(self.principal(self.alice), "2019/other.png"))
        Picture.objects.get().delete()
        self.assertFalse((self.store / "2019/old.png").exists())
        self.assertTrue((self.store / "2019").exists())


class Names(PolicyCase):
    def test_names_stay_as_people_wrote_them_where_they_can(self):
        kept = storage.PrivateStorage().get_valid_name
        for given, stored in (("über uns.png", "über uns.png"), ("u\u0308.png", "ü.png"), ("100%+@.png", "100%+@.png"),
                              ("a\nb\x1b[2J.png", "a b [2J.png"), ("\u202egnp.exe", "gnp.exe"), ("..", "file"), ("", "file"),
                              (" .hidden. ", "hidden"), ("a/b\\c.png", "a_b_c.png")):
            with self.subTest(given):
                self.assertEqual(kept(given), stored)

    def test_a_long_name_keeps_its_end(self):
        for letter in "xü€":
            name = storage.PrivateStorage().get_valid_name(letter * 300 + ".jpeg")
            self.assertLessEqual(len(name.encode()), storage.NAME_BYTES)
            self.assertTrue(name.endswith(letter + ".jpeg"), name)
            self.assertTrue(self.upload(self.alice, letter * 300 + ".jpeg").file.name.endswith(".jpeg"))

    def test_no_name_leads_out_of_the_store(self):
        for name in ("../../etc/cron.d/x", "/etc/passwd", "..\\..\\x", "a/../../x"):
            with self.subTest(name):
                try:
                    stored = self.upload(self.alice, name).file
                except SuspiciousFileOperation:
                    continue
                self.assertTrue(os.path.realpath(stored.path).startswith(os.path.realpath(self.store) + "/"))
                self.assertRegex(stored.name, r"^uploads/own-[0-9a-f]{32}/[^/]+$")


    def test_no_folder_leads_out_of_the_store(self):
        """Not even one that a site makes of what people enter."""
        for folder in ("../../etc", "/etc", "uploads/../..", lambda row, name: f"{row.title}/{name}"):
            field = PrivateFileField(owner="owner", upload_to=folder)
            with self.subTest(str(folder)):
                try:
                    name = field.generate_filename(Picture(title="../.."), "x")
                    path = field.storage.path(name)
                except SuspiciousFileOperation:
                    continue
                self.assertTrue(os.path.realpath(path).startswith(os.path.realpath(self.store) + "/"), path)


class Owners(PolicyCase):
    @of_sqlite
    def test_a_rule_by_hand_on_a_name_that_is_not_utf_8_is_no_hindrance(self):
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("INSERT INTO grants (principal, path) VALUES (?, CAST(? AS TEXT))", (self.principal(self.bob), b"\xff"))
        self.login(self.bob)
        self.assertEqual(self.client.get("/", secure=True).status_code, 200)
        self.assertNotIn("just now", self.client.get("/", secure=True).content.decode())
        self.bob.delete()
        self.assertEqual(self.rows("SELECT id FROM grants"), [])

    def test_a_deleted_user_owns_nothing_even_without_a_row(self):
        with policy.writing() as rules:
            rules.set_owner("by-hand", self.principal(self.bob))
        self.bob.delete()
        self.assertEqual(self.rows("SELECT path FROM owners"), [])
        self.assertFalse(User.objects.filter(username="bob").exists())
