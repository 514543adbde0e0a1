"""The pages: who may share what, and what they show."""

import datetime

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from gallery import views
from gallery.models import Picture
from grantfs_files import policy

from .case import PASSWORD, PolicyCase, User


class Pages(PolicyCase):
    def setUp(self):
        super().setUp()
        self.picture = self.upload(self.alice)

    def post(self, action, **fields):
        return self.client.post(f"/pictures/{self.picture.pk}/{action}/", fields, secure=True)

    def test_nobody_shares_or_deletes_what_is_anothers(self):
        self.login(self.bob)
        for action, fields in (("share", {"who": "bob"}), ("unshare", {"principal": "user:1"}), ("link", {}), ("unlink", {}), ("delete", {})):
            self.assertEqual(self.post(action, **fields).status_code, 404, action)
        self.assertEqual(self.client.get(f"/pictures/{self.picture.pk}/", secure=True).status_code, 404)
        self.assertEqual(self.rows("SELECT id FROM grants") + self.rows("SELECT id FROM links"), [])
        self.assertTrue(Picture.objects.exists())

    def test_without_a_login_every_page_leads_to_it(self):
        for path in ("/", f"/pictures/{self.picture.pk}/", "/password/"):
            self.assertIn("/login/", self.client.get(path, secure=True)["Location"])
        self.assertIn("/login/", self.post("share", who="bob")["Location"])

    def test_an_upload_is_ones_own_whatever_the_form_says(self):
        self.login(self.bob)
        self.client.post("/", {"title": "mine", "owner": self.alice.pk, "file": SimpleUploadedFile("x.png", b"x")}, secure=True)
        self.assertEqual(Picture.objects.get(title="mine").owner, self.bob)

    def test_one_shares_with_users_and_with_ones_own_groups(self):
        family, press = (Group.objects.create(name=name) for name in ("family", "press"))
        self.alice.groups.add(family)
        self.login(self.alice)
        for who in ("bob", "family", "press", "nobody"):
            self.post("share", who=who, hours="1")
        self.assertEqual([row[:1] for row in self.picture.file.shares()], [(f"group:{family.pk}",), (self.principal(self.bob),)])
        page = self.client.get(f"/pictures/{self.picture.pk}/", secure=True).content.decode()
        self.assertIn("family", page)
        self.assertIn("There is no user nobody", page)
        self.assertNotIn(f"group:{press.pk}", page)

    def test_ends_are_told_in_utc_wherever_the_site_is(self):
        end = datetime.datetime(2099, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)
        self.picture.file.share_with(self.bob, end)
        self.picture.file.create_link(end)
        self.login(self.alice)
        with override_settings(TIME_ZONE="America/Chicago"):
            page = self.client.get(f"/pictures/{self.picture.pk}/", secure=True).content.decode()
        self.assertEqual(page.count("until 2099-01-02 03:04 UTC"), 2)

    def test_the_gallery_shows_what_is_ones_own_or_shared(self):
        self.upload(self.alice, "secret.png")
        self.picture.file.share_with(self.bob)
        self.login(self.bob)
        page = self.client.get("/", secure=True).content.decode()
        self.assertIn(self.picture.file.url, page)
        self.assertNotIn("secret.png", page)

    def test_what_changes_something_is_posted_with_a_token_of_the_sites_own(self):
        self.login(self.alice)
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = self.client.cookies
        changes = [f"/pictures/{self.picture.pk}/{action}/" for action in ("delete", "share", "unshare", "link", "unlink")] + ["/logout/"]
        for path in (*changes, "/", "/password/", "/login/"):
            self.assertEqual(strict.post(path, secure=True).status_code, 403, path)
        for path in changes:
            self.assertEqual(strict.get(path, secure=True).status_code, 405, path)
        self.assertTrue(Picture.objects.exists() and Session.objects.exists())
        self.assertTrue(all(name.startswith("__Host-") for name in strict.cookies), strict.cookies.keys())

    def test_a_login_leads_to_pages_of_this_site_alone(self):
        for target, leads_to in (("/password/", "/password/"), ("https://evil.example/", "/"), ("//evil.example/", "/"),
                                 ("/\\evil.example/", "/"), ("javascript:alert(1)", "/"), ("http://testserver/", "/")):
            reply = Client().post("/login/", {"username": "alice", "password": PASSWORD, "next": target}, secure=True)
            self.assertEqual((reply.status_code, reply["Location"]), (302, leads_to), target)

    def test_pages_are_kept_nowhere_and_tell_no_other_site(self):
        self.login(self.alice)
        for path in ("/", f"/pictures/{self.picture.pk}/"):
            reply = self.client.get(path, secure=True)
            self.assertIn("no-store", reply["Cache-Control"])
            self.assertEqual((reply["Referrer-Policy"], reply["X-Frame-Options"], reply["X-Content-Type-Options"]),
                             ("same-origin", "DENY", "nosniff"))

    def test_a_links_token_is_shown_once_and_stored_nowhere(self):
        self.login(self.alice)
        self.post("link", hours="1")
        stored = str([session.get_decoded() for session in Session.objects.all()])
        self.assertNotIn("/shared/", stored)
        path = f"/pictures/{self.picture.pk}/"
        self.assertIn("/shared/", self.client.get(path, secure=True).content.decode())
        self.assertNotIn("/shared/", self.client.get(path, secure=True).content.decode())
        for _ in range(90):  # more than a cookie holds
            self.post("link", hours="1")
        stored = str([session.get_decoded() for session in Session.objects.all()])
        self.assertNotIn("/shared/", stored)

    def test_nobody_ends_links_and_shares_of_another_file(self):
        other = self.upload(self.bob)
        other.file.share_with(self.alice)
        other.file.create_link()
        ((identifier, _),) = other.file.links()
        self.login(self.alice)
        self.post("unlink", link=identifier)
        self.post("unshare", principal=self.principal(self.alice))
        self.assertEqual((len(other.file.links()), len(other.file.shares())), (1, 1))

    def test_a_weak_password_is_refused(self):
        self.login(self.alice)
        reply = self.client.post("/password/", {"old_password": PASSWORD, "new_password1": "alice", "new_password2": "alice"}, secure=True)
        self.assertEqual(reply.status_code, 200)
        self.alice.refresh_from_db()
        self.assertTrue(self.alice.check_password(PASSWORD))

    def test_more_shares_and_pictures_cost_no_more_queries(self):
        self.login(self.alice)
        self.upload(self.bob).file.share_with(self.alice)
        self.picture.file.share_with(self.bob)
        self.picture.file.share_with(Group.objects.create(name="family"))
        paths = ("/", f"/pictures/{self.picture.pk}/")
        few = [self.queries(path) for path in paths]
        for number in range(5):
            another = User.objects.create_user(f"another {number}")
            self.picture.file.share_with(another)
            self.picture.file.share_with(Group.objects.create(name=f"group {number}"))
            self.upload(another).file.share_with(self.alice)
        self.assertEqual([self.queries(path) for path in paths], few)
        self.assertIn("another 4", self.client.get("/", secure=True).content.decode())
        self.assertIn("group 4", self.client.get(paths[1], secure=True).content.decode())

    def test_pictures_that_are_not_shared_are_not_read(self):
        for _ in range(3):
            self.upload(self.bob)
        shared = self.upload(self.bob, "shared.png")
        shared.file.share_with(self.alice)
        with CaptureQueriesContext(connection) as queries:
            self.assertEqual(views.shared_with(self.alice), [shared])
        with connection.cursor() as cursor:
            (asked,) = [query["sql"] for query in queries if "gallery_picture" in query["sql"]]
            cursor.execute(asked)
            self.assertEqual(len(cursor.fetchall()), 1)

    def test_thousands_of_shares_take_no_page_down(self):
        first, last = (self.upload(self.bob, name) for name in ("first.png", "last.png"))
        for picture in (first, last):
            picture.file.share_with(self.alice)
        with policy.writing() as rules:
            for number in range(3000):
                rules.grant(self.principal(self.alice), f"uploads/{number}", None)
        self.assertEqual(views.shared_with(self.alice), [last, first])

    def queries(self, path):
        with CaptureQueriesContext(connection) as queries:
            self.assertEqual(self.client.get(path, secure=True).status_code, 200)
        return len(queries)
