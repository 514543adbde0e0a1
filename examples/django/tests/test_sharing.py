"""Shares with users and groups, and links."""

import datetime
import hashlib
import re
import time

from django.contrib.auth.models import Group
from django.db import transaction

from grantfs_files import policy

from .case import ON_POSTGRESQL, PolicyCase, User


class Shares(PolicyCase):
    def setUp(self):
        super().setUp()
        self.file = self.upload(self.alice).file

    def bob_may(self):
        return self.may_read(self.principal(self.bob), self.file.name)

    def test_a_share_lets_in_until_it_is_taken_back(self):
        self.file.share_with(self.bob)
        self.assertTrue(self.bob_may())
        self.file.unshare(self.bob)
        self.assertFalse(self.bob_may())
        self.assertTrue(self.may_read(self.principal(self.alice), self.file.name))

    def test_a_share_expires(self):
        self.file.share_with(self.bob, datetime.timedelta(hours=1))
        ((principal, expires),) = self.file.shares()
        self.assertEqual(principal, self.principal(self.bob))
        self.assertAlmostEqual(expires, time.time() + 3600, delta=60)
        self.file.share_with(self.bob, datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
        self.assertFalse(self.bob_may())
        self.assertEqual(self.file.shares(), [])

    def test_a_time_without_a_zone_is_refused(self):
        with self.assertRaisesRegex(ValueError, "time zone"):
            self.file.share_with(self.bob, datetime.datetime(2020, 1, 1))

    def test_somebody_not_saved_yet_is_refused(self):
        with self.assertRaisesRegex(ValueError, "not saved"):
            self.file.share_with(User(username="carol"))
            self.fail("shared")

    def test_a_share_that_is_rolled_back_gives_nothing(self):
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            self.file.share_with(self.bob)
            raise ZeroDivisionError
        self.assertFalse(self.bob_may())

    def test_taken_back_in_the_transaction_that_gave_it_is_taken_back(self):
        with transaction.atomic():
            self.file.share_with(self.bob)
            self.file.unshare(self.bob)
        self.assertFalse(self.bob_may())


class Links(PolicyCase):
    def setUp(self):
        super().setUp()
        self.file = self.upload(self.alice).file

    def test_a_link_is_kept_as_a_hash_and_taken_back(self):
        address = self.file.create_link(datetime.timedelta(days=1))
        token, name = re.fullmatch(r"/shared/([a-z0-9]{32})/(.+)", address).groups()
        self.assertEqual(name, "cat.png")
        ((identifier, _),) = self.file.links()
        self.assertEqual(identifier, hashlib.sha256(token.encode()).hexdigest())
        self.assertEqual(self.rows("SELECT principal, path FROM links"), [(self.principal(self.alice), self.file.name)])
        self.assertNotIn(token.encode(), self.all_of_the_policy())
        self.file.remove_link(identifier)
        self.assertEqual(self.file.links(), [])

    def test_a_link_opens_its_file_while_its_creator_may(self):
        token = self.file.create_link().split("/")[2]
        self.assertTrue(self.may_read("link:-", self.file.name, token))
        self.assertFalse(self.may_read("link:-", self.upload(self.alice).file.name, token))
        with policy.writing() as rules:
            rules.remove_owner(self.file.rule_path)
        self.assertFalse(self.may_read("link:-", self.file.name, token))

    def test_a_link_can_be_for_one_use(self):
        self.file.create_link(uses=1)
        self.assertEqual(self.rows("SELECT uses FROM links"), [(1,)])

    def test_a_link_can_be_bound_to_an_address(self):
        for given, kept in (("192.0.2.7", "192.0.2.7/32"), ("192.0.2.7/24", "192.0.2.0/24"), ("2001:DB8::1/64", "2001:db8::/64")):
            self.file.create_link(address=given)
            self.assertEqual(self.rows("SELECT address FROM links"), [(kept,)])
            self.grantctl("link", "rm", self.file.links()[0][0])
        with self.assertRaises(ValueError):
            self.file.create_link(address="example.org")

    def test_what_would_be_no_link_is_refused_by_name(self):
        for mistake, named in (({"uses": 0}, "uses"), ({"uses": "1"}, "uses"), ({"expires": 3600}, "3600"),
                               ({"address": "example.org"}, "example.org")):
            with self.subTest(mistake), self.assertRaisesRegex(ValueError, named):
                self.file.create_link(**mistake)
        self.file.instance.owner = None
        with self.assertRaisesRegex(ValueError, "nobody"):
            self.file.create_link()
        self.assertEqual(self.rows("SELECT id FROM links"), [])

    def test_the_link_of_another_file_stays(self):
        self.file.create_link()
        ((identifier, _),) = self.file.links()
        self.upload(self.alice).file.remove_link(identifier)
        self.assertEqual(len(self.file.links()), 1)


class Groups(PolicyCase):
    def setUp(self):
        super().setUp()
        self.family = Group.objects.create(name="family")
        self.file = self.upload(self.alice).file

    def bob_may(self):
        return self.may_read(self.principal(self.bob), self.file.name)

    def test_a_member_may_what_the_group_may(self):
        self.file.share_with(self.family)
        self.assertFalse(self.bob_may())
        for join, leave in ((lambda: self.bob.groups.add(self.family), lambda: self.bob.groups.remove(self.family)),
                            (lambda: self.family.user_set.add(self.bob), lambda: self.family.user_set.remove(self.bob)),
                            (lambda: self.bob.groups.set([self.family]), self.bob.groups.clear),
                            (lambda: self.bob.groups.add(self.family), self.family.user_set.clear)):
            join()
            self.assertTrue(self.bob_may())
            leave()
            self.assertFalse(self.bob_may())

    def test_who_leaves_loses_before_the_commit_and_who_joins_gains_after_it(self):
        self.file.share_with(self.family)
        with transaction.atomic():
            self.bob.groups.add(self.family)
            self.assertFalse(self.bob_may())
        self.assertTrue(self.bob_may())
        with transaction.atomic():
            self.bob.groups.remove(self.family)
            self.assertEqual(self.bob_may(), ON_POSTGRESQL)  # it commits with the row
        self.assertFalse(self.bob_may())

    def test_a_deleted_group_leaves_nothing(self):
        self.file.share_with(self.family)
        self.bob.groups.add(self.family)
        self.family.delete()
        self.assertFalse(self.bob_may())
        self.assertEqual(self.rows("SELECT * FROM members WHERE parent <> 'group:users'") + self.rows("SELECT * FROM grants"), [])

    def test_who_is_deactivated_is_in_no_group(self):
        self.file.share_with(self.family)
        self.bob.groups.add(self.family)
        self.bob.is_active = False
        self.bob.save()
        self.assertFalse(self.bob_may())
        self.bob.is_active = True
        self.bob.save()
        self.assertTrue(self.bob_may())

    def test_a_group_made_by_hand_stays(self):
        self.grantctl("group", "add", "group:press", self.principal(self.bob))
        self.bob.groups.add(self.family)
        self.bob.groups.clear()
        self.assertEqual(self.rows("SELECT parent FROM members WHERE member = ? ORDER BY parent", self.principal(self.bob)),
                         [("group:press",), ("group:users",)])

    def test_superusers_see_everything_if_so_granted(self):
        self.bob.is_superuser = True
        self.bob.save()
        self.assertFalse(self.bob_may())
        self.grantctl("grant", "group:superusers", ".")
        self.assertTrue(self.bob_may())
        self.bob.is_superuser = False
        with transaction.atomic():
            self.bob.save()
            self.assertEqual(self.bob_may(), ON_POSTGRESQL)
        self.assertFalse(self.bob_may())

    def test_whoever_may_log_in_sees_a_folder_if_so_granted(self):
        self.grantctl("grant", "group:users", "uploads")
        self.assertTrue(self.bob_may())
        self.assertFalse(self.may_read("public", self.file.name))
        self.bob.is_active = False
        self.bob.save()
        self.assertFalse(self.bob_may())

    def test_staff_see_a_folder_if_so_granted(self):
        self.grantctl("grant", "group:staff", "uploads")
        self.assertFalse(self.bob_may())
        self.bob.is_staff = True
        self.bob.save()
        self.assertTrue(self.bob_may())
