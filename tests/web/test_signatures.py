"""Signed URLs behind a real nginx: the same ones that its own secure_link takes, and ours."""

import base64
import hashlib
import subprocess
import time

from servers import Nginx
from web_test import FILES, WebTest, quoted

SECRET = "s3 cret"
FAR = 4_000_000_000

# The documentation's own example; /s/ is nginx's secure_link on the raw store, /m/ is the mount.
CONFIGURATION = """
location /s/ {
    secure_link $arg_md5,$arg_expires;
    secure_link_md5 "$secure_link_expires$uri$remote_addr %(secret)s";
    if ($secure_link = "") { return 403; }
    if ($secure_link = "0") { return 410; }
    alias %(raw)s/;
}
location ~ "^/m(?<site_uri>/s/.+)$" {
    set $safe_expires 0;
    set $safe_md5 none;
    if ($arg_expires ~ "^([0-9]+)$") { set $safe_expires $1; }
    if ($arg_md5 ~ "^([A-Za-z0-9_-]+)$") { set $safe_md5 $1; }
    if (-f %(mount)s/from/$remote_addr/expired/by-md5/$safe_expires/$safe_md5$site_uri) { return 410; }
    if (-d %(mount)s/from/$remote_addr/by-md5/$safe_expires/$safe_md5$site_uri) { return 403; }
    alias %(mount)s/from/$remote_addr/by-md5/$safe_expires/$safe_md5$site_uri;
}
location ~ "^/signed/(?<token>[A-Za-z0-9_-]+)/(?<rest>.+)$" {
    alias %(mount)s/by-signature/$token/$rest;
}
"""


def openssl_md5(text):
    """As the documentation of ngx_http_secure_link_module has it."""
    command = "openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d ="
    return subprocess.run(["sh", "-c", command], input=text, capture_output=True, check=True).stdout.decode().strip()


def signed(uri, expires=FAR, address="127.0.0.1", secret=SECRET):
    digest = hashlib.md5(f"{expires}{uri}{address} {secret}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class SecureLink(WebTest):
    SERVER = Nginx
    FILES = FILES | {"up/film.mp4": bytes(range(256)) * 400, "up/a b/é +%&.txt": b"odd\n"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        raw = cls.site.root / "raw"  # what nginx's own module serves: a copy that its workers may read
        for path, data in cls.FILES.items():
            if path.startswith("up/"):
                copy = raw / path.removeprefix("up/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(data)
        subprocess.run(["chmod", "-R", "a+rX", raw], check=True)
        cls.server = Nginx(cls.site.root / "nginx-secure-link", cls.site.mountpoint,
                           more=CONFIGURATION % {"secret": SECRET, "raw": raw, "mount": cls.site.mountpoint})
        cls.addClassCleanup(cls.server.stop)

    @staticmethod
    def populate(site):
        for path, data in SecureLink.FILES.items():
            site.write(path, data)
        site.grantctl("key", "create", "--id", "web", "--path", "up")
        site.grantctl("key", "create", "--id", "sl", "--format", "md5", "--uri-prefix", "/s/", "--path", "up", "--secret", "-",
                          input=SECRET)

    def both(self, uri, md5, expires=FAR):
        """The replies of nginx's own module and of the mount, which must agree; one of them."""
        query = f"{quoted(uri)}?md5={md5}&expires={expires}"
        theirs, ours = self.server.get(query), self.server.get("/m" + query)
        self.assertEqual((theirs.status, theirs.status == 200 and theirs.body), (ours.status, ours.status == 200 and ours.body), query)
        return ours

    def test_what_nginx_takes_is_taken(self):
        for name in ("film.mp4", "a b/é +%&.txt"):
            uri = f"/s/{name}"
            md5 = openssl_md5(f"{FAR}{uri}127.0.0.1 {SECRET}".encode())
            self.assertEqual(md5, signed(uri))
            self.assert_served(self.both(uri, md5), self.FILES[f"up/{name}"])
        part = self.server.get(f"/m/s/film.mp4?md5={signed('/s/film.mp4')}&expires={FAR}", headers={"Range": "bytes=100-199"})
        self.assertEqual((part.status, part.body), (206, self.FILES["up/film.mp4"][100:200]))

    def test_what_nginx_refuses_is_refused(self):
        uri, good = "/s/film.mp4", signed("/s/film.mp4")
        for md5 in (signed(uri, secret="other"), signed(uri, address="127.0.0.2"), signed("/s/other"), signed(uri, FAR + 1), good[:-1],
                    good[1:], good + "A", good.swapcase(), "x", "", "../../../../../../etc", good[:10] + "%2f" + good[10:]):
            self.assertEqual(self.both(uri, md5).status, 403, md5)
        for expires in (FAR + 1, "x", "", "../..", "%2e%2e"):
            self.assertEqual(self.both(uri, good, expires).status, 403, expires)
        self.assertEqual(self.server.get("/m/s/film.mp4").status, 403)

    def test_what_has_expired_is_410_for_both(self):
        past = int(time.time()) - 100
        self.assertEqual(self.both("/s/film.mp4", signed("/s/film.mp4", past), past).status, 410)
        self.assertEqual(self.both("/s/film.mp4", signed("/s/film.mp4", past, secret="x"), past).status, 403)

    def test_a_signed_file_that_is_not_there_is_404_for_both(self):
        self.assertEqual(self.both("/s/none", signed("/s/none")).status, 404)

    def test_our_own_signatures(self):
        url = self.site.grantctl("sign", "up/a b/é +%&.txt", "--expires", "1h", "--url-prefix", "/signed").stdout.strip()
        self.assert_served(self.server.get(url), b"odd\n")
        for forged in (url.replace("/signed/", "/signed/A"), url.replace("/signed/", "/signed/.."), url[:-40] + "/film.mp4"):
            self.assertIn(self.server.get(forged).status, (403, 404))
        self.site.grantctl("key", "retire", "web")
        self.assertEqual(self.server.get(url).status, 403)
