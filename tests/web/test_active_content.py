"""What an uploaded page may do: on every server, whatever stands behind its name in the URL, it is downloaded or refused."""

import base64
import hashlib
import re
import subprocess

from servers import Apache, Caddy, Nginx, request
from test_links import OnAll
from web_test import quoted

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
MARK = b"<script>alert('active')</script>"
FAR = 4_000_000_000

TYPES = ("html", "htm", "xhtml", "shtml", "svg", "svgz", "xml", "xsl", "rss", "js", "mjs", "css", "swf", "php", "phtml", "mht", "pdf")
# As uploaders name files: by the ending alone, and so that something might look at the wrong part.
PLAIN = tuple(f"page.{kind}" for kind in TYPES)
ODD = tuple(form.format(kind) for kind in ("html", "svg", "php", "shtml", "xml")
            for form in ("page.txt.{}", "page.{}.txt", "page.{}.png", "page.{}.", "page.{} ", "page.{}.zzz", ".{}", "page;.{}")) + (
                "page.HTML", "page.Html", "page.SVG", "page.sVg", "page.XML", "page.PHP", "page", "index.html", "README.html", "HEADER.html")
TAILS = ("", "/", "//", "/.", "/./", "/..", "/x.txt", "/x.png/", "%2f", "%2fx.txt", "%2f.pdf", "%2F.png", "/%2e", "/%2e/.txt", ";x", ";x.txt",
         "?x.txt", "?", "%3f", "%3fx.txt", "%23.txt", "#x.txt", "%00", "%00.txt", "%0a", "%0a.txt", "%20", "%20.txt", ".", ".txt", "%2etxt",
         "\\", "%5c", "%5cx.txt", "%c0%af.txt", "~", "*", "%zz", "%")
FEW = ("", "/", "/x.txt", "%2f.pdf", "%00.txt", ".")

# What a browser shows without running anything in it.
INERT = re.compile(r"(?:text/plain|application/pdf|(?:image|audio|video)/(?!svg))[^/]*$")


class Product(OnAll):
    """Types by tails by views, on every server."""

    OPTIONS = ("--kind", "cookie", "--kind", "link", "--kind", "signature")

    @classmethod
    def options(cls, kind):
        return (*cls.OPTIONS, *(("--kind", "md5") if kind is Nginx else ()))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in {*PLAIN, *ODD}:
            cls.site.write(f"alice/kinds/{name}", b"<html>" + MARK)
        cls.site.grantctl("grant", "public", "alice/kinds")
        cls.alice = cls.site.session("user:alice")
        cls.site.grantctl("key", "create", "--id", "k1", "--path", "alice", "--secret", "-", input=SECRET)
        cls.site.grantctl("key", "create", "--id", "m1", "--format", "md5", "--uri-prefix", "/files/", "--path", "alice/kinds", "--secret", "-",
                          input=SECRET)
        link = cls.site.grantctl("link", "create", "--for", "user:alice", "alice/kinds").stdout.split()[-1]
        signed = cls.site.grantctl("sign", "alice/kinds", "--expires", "1h", "--url-prefix", "/signed/").stdout.strip()
        cls.folders = {"session": "/private/alice/kinds/", "link": f"/link/{link.rpartition('/')[2]}/kinds/", "signature": signed.rstrip("/") + "/",
                       "public": "/public/alice/kinds/"}

    def signed(self, name, tail):
        uri = f"/files/{name}"
        md5 = base64.urlsafe_b64encode(hashlib.md5(f"{FAR}{uri}127.0.0.1 {SECRET}".encode()).digest()).rstrip(b"=").decode()
        path, mark, query = (quoted(uri) + tail).partition("?")
        return f"{path}?{query}{'&' if query else ''}md5={md5}&expires={FAR}" if "#" not in path else path

    def urls(self, server, name, tail):
        for view, folder in self.folders.items():
            yield view, folder + quoted(name) + tail
        if isinstance(server, Nginx):
            yield "md5", self.signed(name, tail)

    def assert_harmless(self, reply, name):
        """Downloaded, or of a type in which nothing runs, or refused: never a page of the site."""
        if reply.status not in (200, 206):
            self.assertIn(reply.status, (301, 308, 400, 403, 404, 405, 500), reply)
            self.assertNotIn(MARK, reply.body)
            return False
        self.assertEqual(reply.headers.get("x-content-type-options"), "nosniff", reply)
        policy = reply.headers.get("content-security-policy", "")
        self.assertTrue(policy.startswith("sandbox") and "allow-scripts" not in policy, reply)
        if MARK in reply.body and reply.headers.get("content-disposition") != "attachment":
            self.assertRegex(reply.headers.get("content-type", ""), INERT, reply)
        return MARK in reply.body

    def test_whatever_stands_behind_its_name_it_is_no_page_of_the_site(self):
        for server in self.servers:
            served = set()
            for names, tails, views in ((PLAIN, TAILS, None), (ODD, FEW, ("session", "md5"))):
                for name in names:
                    for tail in tails:
                        for view, url in self.urls(server, name, tail):
                            if views and view not in views:
                                continue
                            with self.subTest(server=server.NAME, view=view, name=name, tail=tail):
                                if self.assert_harmless(server.get(url, token=self.alice), name):
                                    served.add((view, name))
            for name in PLAIN:  # or else nothing was tested
                self.assertEqual({view for view, it in served if it == name}, {view for view, _ in self.urls(server, name, "")}, (server.NAME, name))


class OfUsers(OnAll):
    """The same where the server has authenticated a user."""

    KINDS = (Nginx, Apache, Caddy)
    assert_harmless = Product.assert_harmless

    @classmethod
    def options(cls, kind):
        users = cls.site.root / f"{kind.NAME}.users"
        hashed = subprocess.run(["htpasswd", "-nbB", "-C", "4", "x", "a"], capture_output=True, text=True, check=True).stdout.strip().partition(":")[2]
        users.write_text({Nginx: "alice:{PLAIN}a\n", Apache: f"alice:{hashed}\n", Caddy: f"alice {hashed}\n"}[kind])
        users.chmod(0o644)
        return ("--kind", "remote-user", "--users", str(users))

    def test_whatever_stands_behind_its_name_it_is_no_page_of_the_site(self):
        for name in PLAIN:
            self.site.write(f"alice/kinds/{name}", b"<html>" + MARK)
        for server in self.servers:
            for name in PLAIN:
                for tail in (FEW if server.NAME != "nginx" else TAILS):  # hashing a password takes Apache and Caddy long
                    with self.subTest(server=server.NAME, name=name, tail=tail):
                        reply = request(server.port, f"/private/alice/kinds/{name}{tail}",
                                        headers={"Authorization": "Basic " + base64.b64encode(b"alice:a").decode()})
                        served = self.assert_harmless(reply, name)
                        self.assertTrue(served or tail != "", reply)


class Inert(OnAll):
    """Where a server goes by the name alone, the type that it sends for such a name is as harmless."""

    NAMES = "txt text log md csv pdf png apng jpg jpeg gif webp avif bmp ico tif tiff heic mp4 m4v webm ogv mov mpg mpeg mp3 m4a aac ogg oga opus flac wav"

    def test_what_is_shown_is_of_a_type_in_which_nothing_runs(self):
        token = self.site.session("user:alice")
        for name in self.NAMES.split():
            for ending in (name, name.upper()):
                self.site.write(f"alice/inert/a.{ending}", b"<html>" + MARK)
                for server in self.servers:
                    with self.subTest(server=server.NAME, name=ending):
                        reply = server.get(f"/private/alice/inert/a.{ending}", token=token)
                        self.assertEqual(reply.status, 200)
                        if "content-disposition" not in reply.headers:
                            self.assertRegex(reply.headers.get("content-type", "application/octet-stream"),
                                             r"(?!.*(?:html|xml|svg|script|shockwave))(?:text|image|audio|video|application)/")
