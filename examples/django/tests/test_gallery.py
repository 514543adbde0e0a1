"""The pages: who may share what, and what they show."""

from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile

from gallery.models import Picture

from .case import PolicyCase


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

    def test_the_gallery_shows_what_is_ones_own_or_shared(self):
        self.upload(self.alice, "secret.png")
        self.picture.file.share_with(self.bob)
        self.login(self.bob)
        page = self.client.get("/", secure=True).content.decode()
        self.assertIn(self.picture.file.url, page)
        self.assertNotIn("secret.png", page)
