"""What else webconf writes: other places, a login page, active content shown, the public alone."""

import os
import unittest

from servers import SERVERS, request
from web_test import FILES, make_site

LOGIN = b'<meta http-equiv=refresh content=0;url=/login/>'


@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class Options(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = make_site()
        cls.addClassCleanup(cls.site.close)
        cls.alice = cls.site.session("user:alice")

    def servers(self, *options):
        """All of them, each with these options of webconf."""
        started = []
        for kind in SERVERS:
            started.append(kind(self.site.root / f"{kind.NAME}-{self.id()}", self.site.mountpoint, options=options))
            self.addCleanup(started[-1].stop)
        return started

    def test_every_name_can_be_another(self):
        options = ("--location", "/media/private.d/", "--public", "/media/open/", "--cookie", "__Host-media_2")
        for server in self.servers(*options):
            cookie = {"Cookie": f"__Host-media_2={self.alice}"}
            letter = request(server.port, "/media/private.d/alice/letter.txt", headers=cookie)
            self.assertEqual((letter.status, letter.body), (200, FILES["alice/letter.txt"]))
            terms = request(server.port, "/media/open/public-files/terms.html")
            self.assertEqual((terms.status, terms.body), (200, FILES["public-files/terms.html"]))
            self.assertEqual(server.get("/media/private.d/alice/letter.txt", token=self.alice).status, 403)
            for path in ("/private/alice/letter.txt", "/media/privateXd/alice/letter.txt", "/public/public-files/terms.html",
                         "/media/private.d../alice/letter.txt", "/media/"):
                self.assertEqual(request(server.port, path, headers=cookie).status, 404, path)

    def test_a_refused_visitor_is_led_to_the_login_page(self):
        for server in self.servers("--login", "/login/"):
            if server.NAME == "lighttpd":
                # It has its pages in files, in a place that is not ours: the configuration says how they are made.
                self.assertIn(LOGIN, (server.folder / server.SITE).read_bytes())
                continue
            for token in (None, "a" * 32):
                refused = server.get("/private/alice/letter.txt", token=token)
                self.assertEqual(refused.status, 403)
                self.assertIn(LOGIN, refused.body)
                self.assertTrue(refused.headers["content-type"].startswith("text/html"), refused)
                self.assertNotIn("content-disposition", refused.headers)
            missing = server.get("/private/alice/none.txt", token=self.alice)
            self.assertEqual(missing.status, 404)
            self.assertNotIn(LOGIN, missing.body)

    def test_active_content_is_shown_if_asked_for(self):
        for server in self.servers("--inline-active"):
            for path in ("/private/album/cat.svg", "/public/public-files/terms.html"):
                reply = server.get(path, token=self.alice)
                self.assertEqual((reply.status, reply.headers.get("content-disposition")), (200, None), path)
                self.assertEqual(reply.headers["x-content-type-options"], "nosniff")

    def test_the_public_alone_needs_no_cookie_and_knows_none(self):
        for server in self.servers("--kind", "public"):
            terms = server.get("/public/public-files/terms.html")
            self.assertEqual((terms.status, terms.headers.get("content-disposition")), (200, "attachment"))
            for path in ("/public/alice/letter.txt", "/private/alice/letter.txt", "/private/",
                         f"/public/..%2fby-session/{self.alice}/alice/letter.txt"):
                reply = server.get(path, token=self.alice)
                self.assertIn(reply.status, (400, 404), path)
                self.assertNotIn(FILES["alice/letter.txt"], reply.body)
