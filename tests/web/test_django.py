"""examples/django in a real browser: log in, upload, look, seek, share, and lose it again.

With GRANTFS_SCREENSHOTS=FOLDER the pictures of the screen are kept there.
"""

import base64
import datetime
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import browser
import harness
import webm
from browser import Browser
from django_site import DJANGO, PYTHON, DjangoSite, password
from harness import wait_for
from servers import exchange, exchange_tls
from test_key_logs import malformed

FILM_SECONDS = 40
PRIVATE = re.compile(r"/private/|/shared/")

PICTURE = """
const canvas = Object.assign(document.createElement("canvas"), {width: 640, height: 400}), pen = canvas.getContext("2d");
const sky = pen.createLinearGradient(0, 0, 0, 300);
sky.addColorStop(0, "#27408b"); sky.addColorStop(1, arguments[0]);
pen.fillStyle = sky; pen.fillRect(0, 0, 640, 400);
pen.fillStyle = "#fff4c8"; pen.beginPath(); pen.arc(arguments[1], arguments[2], 46, 0, 7); pen.fill();
for (const [x, top, colour] of [[80, 150, "#4a4e73"], [330, 190, "#3b3f63"], [560, 165, "#33375a"]]) {
    pen.fillStyle = colour; pen.beginPath(); pen.moveTo(x - 280, 400); pen.lineTo(x, top); pen.lineTo(x + 280, 400); pen.fill();
}
return canvas.toDataURL("image/jpeg", 0.85);
"""


class Unit(unittest.TestCase):
    def test_the_applications_own_tests_pass(self):
        # In memory: every commit to the policy waits for the disk.
        folder = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()
        environment = {**os.environ, "GRANTCTL": str(harness.GRANTCTL), "SECRET_KEY": "for this test only", "TMPDIR": folder,
                       "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([PYTHON, "manage.py", "test"], cwd=DJANGO, env=environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"Ran (?:[6-9]\d|\d{3}) tests")

    def test_no_migration_is_missing(self):
        done = subprocess.run([PYTHON, "-B", "manage.py", "makemigrations", "--check", "--dry-run"], cwd=DJANGO, capture_output=True,
                              text=True, env={**os.environ, "SECRET_KEY": "for this test only", "SITE_DATA": "/nonexistent"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def token_in(link):
    return link.split("/shared/")[1][:32]


@unittest.skipIf(browser.MISSING, browser.MISSING)
@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class InABrowser(unittest.TestCase):
    """Two browsers: one's own, and somebody else's with a fresh profile."""

    @classmethod
    def setUpClass(cls):
        cls.site = DjangoSite()
        cls.addClassCleanup(cls.site.close)
        folder = tempfile.TemporaryDirectory(prefix="uploads-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.screens = pathlib.Path(os.environ.get("GRANTFS_SCREENSHOTS", folder.name))
        cls.mine, cls.other = (cls.new_browser() for _ in range(2))
        cls.mine.open("data:text/html,<p>drawing</p>")
        (cls.folder / "film.webm").write_bytes(webm.film(cls.mine, FILM_SECONDS))
        for name, *look in (("Dämmerung am See.jpg", "#f7b267", 470, 215), ("morning.jpg", "#f4a3b4", 190, 130)):
            (cls.folder / name).write_bytes(base64.b64decode(cls.mine.run(PICTURE, *look).partition(",")[2]))

    @classmethod
    def new_browser(cls):
        new = Browser()
        cls.addClassCleanup(new.close)
        return new

    def setUp(self):
        self.asked_before = len(self.site.nginx_log())
        for who in (self.mine, self.other):
            who.driver.get(self.site.url + "/login/")
            who.driver.delete_all_cookies()

    # What people do.

    def login(self, who, name, secret=None):
        who.open(self.site.url + "/login/")
        who.fill(username=name, password=secret or password(name))
        who.submit("#login")
        self.assertIn(name, who.find("header").text)

    def upload(self, title, file):
        """In my browser; leaves it at the gallery. Returns the file's address."""
        self.mine.open(self.site.url + "/")
        self.mine.fill(title=title, file=str(self.folder / file))
        self.mine.submit("#upload")
        return self.mine.find(f"figure:first-child :is(img, video)").get_attribute("src")

    def open_picture(self, title):
        """The page with its shares and links."""
        self.mine.open(self.site.url + "/")
        self.mine.submit(f"figure:first-child figcaption a")
        self.assertEqual(self.mine.driver.title, title)

    def make_link(self):
        """On the picture's page."""
        self.mine.find("form:has(#link) [name=hours]").send_keys("for a day")
        self.mine.submit("#link")
        return self.mine.find(".link").text

    def show_all(self, who):
        """Waits until every picture is there, or has failed."""
        wait_for(lambda: who.run("return [...document.images].every(one => one.complete)"), what="the pictures")
        return who.run("return [...document.images].map(one => one.naturalWidth)")

    def assert_ends(self, who, address, status):
        """A change by plain SQL counts within the lease at the latest."""
        wait_for(lambda: who.fetch(address)[0] == status, 5, what=f"{status} for {address}")

    # And what comes of it.

    def test_alice_sees_her_picture_and_seeks_in_her_film(self):
        self.login(self.mine, "alice")
        self.upload("Morning", "morning.jpg")
        picture = self.upload("Dusk", "Dämmerung am See.jpg")
        self.upload("A film", "film.webm")
        self.assertEqual(self.show_all(self.mine), [640, 640])
        self.assertIn("D%C3%A4mmerung%20am%20See.jpg", picture)
        film = self.mine.run("""return new Promise(done => {
            const film = document.querySelector("video");
            film.onerror = () => done({error: film.error && film.error.message});
            film.onseeked = () => done({time: film.currentTime, duration: film.duration, width: film.videoWidth});
            film.currentTime = 33;
        })""")
        self.assertEqual(film, {"time": 33, "duration": FILM_SECONDS, "width": 320})
        ranges = [asked for path, status, asked in self.site.nginx_log()[self.asked_before:] if "film.webm" in path and status == 206]
        self.assertTrue(any(int(re.match(r"bytes=(\d+)-", asked)[1]) > 1_000_000 for asked in ranges), ranges)
        self.mine.run("document.querySelector('video').play()")
        wait_for(lambda: self.mine.run("return document.querySelector('video').currentTime > 33.5"), what="the film to play")
        self.mine.run("document.querySelector('video').pause()")
        self.mine.screenshot(self.screens / "gallery.png")

    def test_nobody_else_sees_it(self):
        self.login(self.mine, "anna")
        address = self.upload("Dusk", "Dämmerung am See.jpg")
        self.assertEqual(self.other.fetch(address)[0], 403)
        self.login(self.other, "bob")
        self.assertEqual(self.other.fetch(address)[0], 404)
        self.assertEqual(self.other.open(address), 404)
        self.other.screenshot(self.screens / "refused.png")

    def test_logged_out_it_is_over(self):
        self.login(self.mine, "anna")
        address = self.upload("Dusk", "Dämmerung am See.jpg")
        cookie = self.mine.driver.get_cookie("__Host-files")
        self.assertTrue(cookie["secure"] and cookie["httpOnly"])
        self.assertEqual(self.mine.fetch(address)[0], 200)
        self.mine.submit("#logout")
        self.assertIsNone(self.mine.driver.get_cookie("__Host-files"))
        self.assert_ends(self.mine, address, 403)
        self.mine.driver.add_cookie(cookie)  # kept by a thief
        self.assertEqual(self.mine.fetch(address)[0], 403)

    def test_a_link_opens_in_a_fresh_profile_until_it_is_revoked(self):
        self.login(self.mine, "anna")
        self.upload("Dusk", "Dämmerung am See.jpg")
        self.open_picture("Dusk")
        link = self.make_link()
        tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        self.assertIn(f"until {tomorrow:%Y-%m-%d}", self.mine.find("li:has(.unlink)").text)
        self.mine.screenshot(self.screens / "link.png")
        self.assertEqual(self.other.open(link), 200)
        self.assertEqual(self.show_all(self.other), [640])
        self.assertEqual(self.other.open(link.replace("/shared/", "//%73hared/")), 200)
        self.mine.submit(".unlink")
        self.other.open(self.site.url + "/login/")
        self.assert_ends(self.other, link, 403)
        self.assertEqual(self.other.open(link), 403)
        self.assertNotIn(token_in(link), self.site.logs().decode())

    def test_a_link_that_has_expired_says_so(self):
        self.login(self.mine, "anna")
        self.upload("Dusk", "Dämmerung am See.jpg")
        self.open_picture("Dusk")
        link = self.make_link()
        self.assertEqual(self.other.fetch(link)[0], 200)
        self.site.site.sql("UPDATE links SET expires = unixepoch() - 1 WHERE id = ?", (harness.token_id(token_in(link)),))
        self.assert_ends(self.other, link, 410)
        self.assertNotIn(token_in(link), self.site.logs().decode())

    def test_a_link_bound_to_a_network_opens_from_there_alone(self):
        self.login(self.mine, "anna")
        self.upload("Dusk", "Dämmerung am See.jpg")
        self.open_picture("Dusk")
        link = self.make_link()
        for network, status in (("127.0.0.0/8", 200), ("192.0.2.0/24", 403)):
            self.site.site.sql("UPDATE links SET address = ? WHERE id = ?", (network, harness.token_id(token_in(link))))
            self.assert_ends(self.other, link, status)

    def test_a_family_sees_what_is_shared_with_it(self):
        self.login(self.mine, "anna")
        address = self.upload("Morning", "morning.jpg")
        self.login(self.other, "carol")
        self.assertEqual(self.other.fetch(address)[0], 404)
        self.open_picture("Morning")
        self.mine.fill(who="family")
        self.mine.submit("#share")
        self.assertIn("family", self.mine.find("li").text)
        self.mine.screenshot(self.screens / "share.png")
        self.other.open(self.site.url + "/")
        self.assertEqual(self.show_all(self.other), [640])
        self.assertIn("by anna", self.other.find("figure").text)
        self.mine.submit(".unshare")
        self.assert_ends(self.other, address, 404)

    def test_what_could_run_in_the_site_is_downloaded(self):
        self.login(self.mine, "anna")
        for name, data, disposition in (
                ("page.html", b"<script>alert(1)</script>", "attachment"),
                ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "attachment"),
                ("unknown", b"<script>alert(1)</script>", "attachment"), ("notes.txt", b"hello", None)):
            (self.folder / name).write_bytes(data)
            self.mine.open(self.site.url + "/")
            self.mine.fill(title=name, file=str(self.folder / name))
            self.mine.submit("#upload")
            address = self.mine.find("figure:first-child a").get_attribute("href")
            with self.subTest(name):
                self.assertEqual(self.mine.headers(address, "content-disposition", "x-content-type-options"),
                                 [200, disposition, "nosniff"])
                self.mine.submit("figure:first-child figcaption a")
                link = self.make_link()
                self.assertEqual(self.mine.headers(link, "content-disposition", "x-content-type-options", "referrer-policy"),
                                 [200, disposition, "nosniff", "no-referrer"])

    def test_the_log_says_which_file_and_from_where_and_no_token(self):
        self.login(self.mine, "anna")
        address = self.upload("Dusk", "Dämmerung am See.jpg")
        self.open_picture("Dusk")
        link = self.make_link()
        before = len(self.site.nginx_lines())
        for asked in (address, link):
            self.assertEqual(self.other.fetch(asked)[0], 403 if asked == address else 200)
        # As nginx writes a decoded name.
        name = r"D\xC3\xA4mmerung am See.jpg"
        path, linked = f"{address.removeprefix(self.site.url).rpartition('/')[0]}/{name}", f"/shared/-/{name}"
        for line, asked, status in zip(self.site.nginx_lines()[before:], (path, linked), (403, 200), strict=True):
            self.assertRegex(line, rf'^127\.0\.0\.1 \[\d{{4}}-\d\d-\d\dT\S+\] "GET {re.escape(asked)}" {status} \d+ "-"$')

    def test_no_request_that_nginx_cannot_take_leaves_a_token_in_a_log(self):
        self.login(self.mine, "anna")
        self.upload("Dusk", "Dämmerung am See.jpg")
        self.open_picture("Dusk")
        link = self.make_link()
        url, port = link.removeprefix(self.site.url), int(self.site.url.rpartition(":")[2])
        token = url.split("/")[2]
        for bytes_of in malformed(url):
            if "Connection: close" in bytes_of:
                exchange_tls(port, bytes_of.encode("latin-1"))
            exchange(port, bytes_of.encode("latin-1"))  # plain, to a port of TLS
        self.assertEqual(self.other.fetch(link)[0], 200)
        lines = b"".join((self.site.folder / "nginx" / name).read_bytes() for name in ("site.log", "error.log")).splitlines()
        self.assertEqual([line for line in lines if token.encode() in line.lower()][:3], [])

    def test_a_host_that_was_made_up_reaches_no_page(self):
        self.login(self.mine, "anna")
        self.upload("Dusk", "Dämmerung am See.jpg")
        self.open_picture("Dusk")
        host = self.site.url.removeprefix("https://")
        port = int(host.rpartition(":")[2])
        for request_for, status in ((f"GET / HTTP/1.1\r\nHost: {host}", (200, 302)), (f"GET https://{host}/ HTTP/1.1\r\nHost: evil.example", (200, 302)),
                                    ("GET / HTTP/1.1\r\nHost: evil.example", (400,))):
            answer = exchange_tls(port, f"{request_for}\r\nConnection: close\r\n\r\n".encode())
            with self.subTest(request_for):
                self.assertIn(int(answer.split()[1]), status)
                self.assertNotIn(b"evil.example", answer)

    def test_a_deleted_picture_is_gone_for_everybody(self):
        self.login(self.mine, "anna")
        address = self.upload("Dusk", "Dämmerung am See.jpg")
        self.open_picture("Dusk")
        self.mine.submit("#delete")
        self.assert_ends(self.mine, address, 404)

    def test_a_changed_password_ends_the_other_browser(self):
        self.login(self.mine, "ben")
        address = self.upload("Dusk", "morning.jpg")
        self.login(self.other, "ben")
        self.assertEqual(self.other.fetch(address)[0], 200)
        self.mine.open(self.site.url + "/password/")
        self.mine.fill(old_password=password("ben"), new_password1="battery staple 7", new_password2="battery staple 7")
        self.mine.submit("#password")
        self.assert_ends(self.other, address, 403)
        self.assertEqual(self.mine.fetch(address)[0], 200)

        self.site.manage("shell", "-c", "from django.contrib.auth.models import User\n"
                         "ben = User.objects.get(username='ben'); ben.is_active = False; ben.save()")
        self.assert_ends(self.mine, address, 403)

    def test_while_the_policy_is_away_pages_go_on_and_files_are_refused(self):
        self.login(self.mine, "anna")
        address = self.upload("Dusk", "Dämmerung am See.jpg")
        self.assertEqual(self.mine.fetch(address)[0], 200)
        with self.site.policy_away():
            self.assert_ends(self.mine, address, 403)
            self.assertEqual(self.mine.open(self.site.url + "/"), 200)
            self.assertIn("just now", self.mine.find("main").text)
            self.login(self.other, "anna")
        self.assert_ends(self.mine, address, 200)
        self.comes_back(self.other, address, 200)

    def test_while_the_policy_is_closed_to_django_a_logout_is_owed(self):
        self.login(self.mine, "anna")
        address = self.upload("Dusk", "Dämmerung am See.jpg")
        cookie = self.mine.driver.get_cookie("__Host-files")
        with self.site.policy_closed():
            self.mine.submit("#logout")
            self.assertEqual(self.mine.driver.title, "Gallery")
        self.mine.driver.add_cookie(cookie)  # kept by a thief
        self.comes_back(self.mine, address, 403)

    def comes_back(self, who, address, status):
        """With the pages that somebody looks at."""
        wait_for(lambda: self.other.open(self.site.url + "/password/") and who.fetch(address)[0] == status, 15,
                 what=f"{status} for {address}")

    def tearDown(self):
        """In every case: the files came from nginx, not one from Django, and no token was logged."""
        tokens = [cookie["value"].encode() for who in (self.mine, self.other) for cookie in [who.driver.get_cookie("__Host-files")] if cookie]
        asked = [path for path, _, _ in self.site.nginx_log()[self.asked_before:] if PRIVATE.search(path)]
        self.assertTrue(asked)
        self.assertEqual([path for path in self.site.django_log() if PRIVATE.match(path)], [])
        logs = self.site.logs()
        for token in tokens:
            self.assertNotIn(token, logs)


if __name__ == "__main__":
    unittest.main()
