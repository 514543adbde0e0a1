"""by-md5 beside nginx's own secure_link: thousands of URLs, the same answers; and folders that are signed as one."""

import base64
import hashlib
import os
import random
import time

from servers import Nginx, free_port, request
from test_links import OnAll

SECRET = "s3cret"
FAR = 4_000_000_000
FILMS = {"film/index.m3u8": b"#EXTM3U\n720p/list.m3u8\n", "film/720p/list.m3u8": b"#EXTM3U\nseg1.ts\n", "film/720p/seg1.ts": b"segment one",
         "other/index.m3u8": b"another film", "film2/index.m3u8": b"yet another"}

# A site of its own, with the raw files.
RAW = """
}
server {
    listen 127.0.0.1:%(port)d;
    location /files/ {
        root %(raw)s;
        secure_link $arg_st,$arg_e;
        secure_link_md5 "$arg_e$uri %(secret)s";
        if ($secure_link = "") { return 403; }
        if ($secure_link = "0") { return 410; }
    }
"""


def md5_of(text):
    return base64.urlsafe_b64encode(hashlib.md5(text.encode()).digest()).rstrip(b"=").decode()


class BesideSecureLink(OnAll):
    """The URLs have other arguments than nginx's documentation: ?st=...&e=..."""

    OPTIONS = ("--kind", "md5", "--arg-md5", "st", "--arg-expires", "e", "--kind", "md5-folder")
    KINDS = (Nginx,)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for server in cls.servers:
            server.stop()
        raw, cls.raw_port = cls.site.root / "raw", free_port()
        for name in ("a.txt", "b.txt"):
            cls.site.write(f"up/{name}", name.encode() * 10)
            (raw / "files").mkdir(parents=True, exist_ok=True)
            (raw / "files" / name).write_bytes(name.encode() * 10)
        os.system(f"chmod -R a+rX {raw}")
        for name, data in FILMS.items():
            cls.site.write(f"films/{name}", data)
        cls.site.grantctl("key", "create", "--id", "m1", "--format", "md5", "--uri-prefix", "/files/", "--path", "up",
                          "--expression", "$arg_e$uri $secret", "--secret", "-", input=SECRET)
        cls.site.grantctl("key", "create", "--id", "f1", "--format", "md5", "--uri-prefix", "/films/", "--path", "films",
                          "--expression", "$secure_link_expires$folder $secret", "--secret", "-", input=SECRET)
        cls.server = Nginx(cls.site.root / "nginx-beside", cls.site.mountpoint, options=cls.OPTIONS, more=RAW % {"raw": raw, "secret": SECRET, "port": cls.raw_port})
        cls.addClassCleanup(cls.server.stop)

    def random_url(self, random, now):
        uri = random.choice(("/files/a.txt", "/files/a.txt", "/files/b.txt", "/files/none.txt"))
        expires = random.choice((str(FAR), str(FAR), "0" * random.randrange(1, 30) + str(FAR), str(now - 1000), "0" + str(now - 1000), "0", "00", "",
                                 "-1", "1", "x", f"{FAR}x", f" {FAR}", f"+{FAR}", "%34000000000", "99999999999", f"{FAR}.0"))
        md5 = md5_of(f"{random.choice((expires, expires, expires, str(FAR), expires.lstrip('0')))}{uri} {random.choice((SECRET, SECRET, SECRET, 'wrong'))}")
        change = random.randrange(12)
        if change == 0:
            md5 = md5[:-1] + random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/.=%")
        elif change == 1:
            md5 += random.choice(("=", "==", "===", "=A", "=AA", "A", "AA", "%3D", "%3D%3D", ",", ",1", "=,", " ", "="))
        elif change == 2:
            md5 = md5.replace("-", "+").replace("_", "/")
        elif change == 3:
            at = random.randrange(len(md5))
            md5 = md5[:at] + random.choice("A=-_%/") + md5[at + random.randrange(2):]
        arguments = [f"st={md5}", f"e={expires}"]
        if random.randrange(10) == 0:
            arguments.pop(random.randrange(2))
        elif random.randrange(10) == 0:
            arguments.insert(random.randrange(3), random.choice(("st=x", f"e={FAR}", "e=1", "ST=x", "x=y", "", "st", "e")))
        if random.randrange(3) == 0:
            random.shuffle(arguments)
        return f"{uri}?{'&'.join(arguments)}"

    def test_thousands_of_urls_are_answered_as_by_nginx(self):
        seed = int(os.environ.get("GRANTFS_SEED", random.randrange(1 << 32)))
        chance, seen = random.Random(seed), {}
        for _ in range(int(os.environ.get("GRANTFS_URLS", 3000))):
            url = self.random_url(chance, int(time.time()))
            theirs, ours = request(self.raw_port, url), self.server.get(url)
            # What webconf writes says 403 where a signed file is not there.
            wanted = 403 if theirs.status == 404 else theirs.status
            self.assertEqual((ours.status, ours.body if ours.status == 200 else b""), (wanted, theirs.body if wanted == 200 else b""),
                             f"{url} (GRANTFS_SEED={seed})")
            seen[theirs.status] = seen.get(theirs.status, 0) + 1
        self.assertEqual(set(seen) - {400}, {200, 403, 404, 410})
        self.assertGreater(seen[200], 100)

    def test_what_differs_is_what_the_manual_says(self):
        for url, theirs, ours in ((f"/files/a.txt?st={md5_of(f'100000000000/files/a.txt {SECRET}')}&e=100000000000", 200, 403),
                                  (f"/files/none.txt?st={md5_of(f'{FAR}/files/none.txt {SECRET}')}&e={FAR}", 404, 403)):
            self.assertEqual((request(self.raw_port, url).status, self.server.get(url).status), (theirs, ours), url)

    def stream(self, folder, path, expires=FAR, secret=SECRET):
        return self.server.get(f"/stream/{expires}/{md5_of(f'{expires}{folder} {secret}')}/{path}")

    def test_one_signature_is_for_a_film_and_all_its_segments(self):
        for name in ("film/index.m3u8", "film/720p/list.m3u8", "film/720p/seg1.ts"):
            reply = self.stream("/films/film", f"films/{name}")
            self.assertEqual((reply.status, reply.body), (200, FILMS[name]), name)
            self.assertEqual(self.stream("/films", f"films/{name}").body, FILMS[name])
            self.assertEqual(self.stream("/films/film", f"films/{name}", expires=f"00{FAR}").body, FILMS[name])
        self.assertEqual(self.stream("/films/film/720p", "films/film/720p/seg1.ts").body, b"segment one")
        url = self.site.grantctl("sign", "films/film", "--key", "f1", "--expires", "1h", "--url-prefix", "/stream/").stdout.strip()
        self.assertEqual(self.server.get(url + "720p/seg1.ts").body, b"segment one")

    def test_and_for_nothing_else(self):
        for folder, path in (("/films/film", "films/other/index.m3u8"), ("/films/film", "films/film2/index.m3u8"), ("/films/film", "films/film"),
                             ("/films/film", "films/film/"), ("/films/film", "films/film/720p"), ("/films/film", "films/film/none.ts"),
                             ("/films/film/", "films/film/index.m3u8"), ("/films/fil", "films/film/index.m3u8"), ("", "films/film/index.m3u8"),
                             ("/films/film/index.m3u8", "films/film/index.m3u8"), ("/films/film/720p", "films/film/index.m3u8"),
                             ("/files", "files/a.txt"), ("/films/film", "films/film/../other/index.m3u8"), ("/films/film", "films/film/%2e%2e/other/index.m3u8")):
            with self.subTest(folder=folder, path=path):
                self.assertEqual(self.stream(folder, path).status, 403)
        past = int(time.time()) - 100
        for name in ("film/index.m3u8", "film/720p/seg1.ts"):
            self.assertEqual(self.stream("/films/film", f"films/{name}", expires=past).status, 410)
            self.assertEqual(self.stream("/films/film", f"films/{name}", expires=past, secret="x").status, 403)
            self.assertEqual(self.stream("/films/film", f"films/{name}", secret="x").status, 403)
        # A signature of one folder is none of a URI, and the other way round.
        self.assertEqual(self.server.get(f"/files/a.txt?st={md5_of(f'{FAR}/files {SECRET}')}&e={FAR}").status, 403)

    def test_it_ends_with_its_key_at_once(self):
        self.site.grantctl("key", "create", "--id", "f2", "--format", "md5", "--uri-prefix", "/films/", "--path", "films",
                           "--expression", "$secure_link_expires$folder $secret", "--secret", "-", input="second")
        self.assertEqual(self.stream("/films/film", "films/film/720p/seg1.ts", secret="second").status, 200)
        self.site.grantctl("key", "rm", "f2")
        self.assertEqual(self.stream("/films/film", "films/film/720p/seg1.ts", secret="second").status, 403)
