"""Links, signed URLs, sessions bound to an address, and users whom the server authenticated: the same on every server that has them."""

import base64
import hashlib
import hmac
import os
import subprocess
import time
import unittest

import harness
from servers import SERVERS, Apache, Nginx, request
from web_test import FILES, make_site

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"

# lighttpd cannot tell its rewriting where a client is, nor look whether a file is there.
KNOWS_ADDRESSES = {"lighttpd": False, None: True}
SAYS_GONE = {"lighttpd": 403, None: 410}


class OnAll(unittest.TestCase):
    OPTIONS = ()
    KINDS = SERVERS

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("mounts a file system: run it as root")
        cls.site = make_site()
        cls.addClassCleanup(cls.site.close)
        cls.site.write("alice/page.html", b"<script>")
        cls.site.write("alice/album/a b?.png", b"a picture")
        cls.servers = []
        for kind in cls.KINDS:
            cls.servers.append(kind(cls.site.root / kind.NAME, cls.site.mountpoint, options=cls.options(kind)))
            cls.addClassCleanup(cls.servers[-1].stop)

    @classmethod
    def options(cls, kind):
        return cls.OPTIONS

    def expected(self, of, server):
        return of.get(server.NAME, of[None])

    def assert_refused(self, reply, *statuses):
        self.assertIn(reply.status, statuses, reply)
        for data in (*FILES.values(), b"a picture", b"<script>"):
            self.assertNotIn(data, reply.body)


class Links(OnAll):
    OPTIONS = ("--kind", "cookie", "--kind", "link")

    def link(self, *words):
        return self.site.grantctl("link", "create", "--for", "user:alice", *words).stdout.split()[-1].rpartition("/")[2]

    def test_whoever_has_the_link_is_served_that_file_alone(self):
        token = self.link("alice/letter.txt")
        for server in self.servers:
            with self.subTest(server.NAME):
                reply = server.get(f"/link/{token}/letter.txt")
                self.assertEqual((reply.status, reply.body), (200, FILES["alice/letter.txt"]))
                self.assertEqual(reply.headers["cache-control"], "private, no-cache")
                self.assertEqual(reply.headers["referrer-policy"], "no-referrer")
                self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
                ranged = server.get(f"/link/{token}/letter.txt", headers={"Range": "bytes=5-7"})
                self.assertEqual((ranged.status, ranged.body), (206, b"Bob"))
                for path in ("page.html", "alice/letter.txt", "../alice/page.html"):
                    self.assert_refused(server.get(f"/link/{token}/{path}"), 400, 403, 404)

    def test_a_folders_link_shows_what_is_in_it(self):
        token = self.link("alice/album")
        page = self.link("alice/page.html")
        for server in self.servers:
            with self.subTest(server.NAME):
                reply = server.get(f"/link/{token}/album/a%20b%3f.png")
                self.assertEqual((reply.status, reply.body, reply.headers.get("content-disposition")), (200, b"a picture", None))
                active = server.get(f"/link/{page}/page.html")
                self.assertEqual((active.status, active.headers.get("content-disposition")), (200, "attachment"))

    def test_what_is_no_link_is_refused(self):
        token = self.link("alice/letter.txt")
        session = self.site.session("user:alice")
        for server in self.servers:
            with self.subTest(server.NAME):
                for wrong in ("a" * 32, token[:-1], token + "a", token.upper(), session, "", "..", "%2e%2e", "_none", token + "%00",
                              "..%2fby-session/" + session + "/alice", "%2e%2e/%2e%2e/by-session/" + session + "/alice", token + "%2f..%2f.."):
                    with self.subTest(wrong):
                        self.assert_refused(server.get(f"/link/{wrong}/letter.txt"), 400, 403, 404, 500)
                self.assert_refused(server.get(f"/link../by-session/{session}/alice/letter.txt"), 400, 404)
                self.assert_refused(server.get("/link/"), 403, 404)
                self.assert_refused(server.get(f"/private/{token}/letter.txt"), 403)
                self.assert_refused(server.get("/private/alice/letter.txt", token=token), 403)  # a link is no session

    def test_a_link_taken_back_is_403_at_the_next_request(self):
        for server in self.servers:
            with self.subTest(server.NAME):
                token = self.link("alice/letter.txt")
                self.assertEqual(server.get(f"/link/{token}/letter.txt").status, 200)
                self.site.grantctl("link", "rm", "-", input=token + "\n")
                self.assert_refused(server.get(f"/link/{token}/letter.txt"), 403)

    def test_an_expired_link_is_gone(self):
        token = self.link("alice/letter.txt", "--expires", "90s")
        self.site.sql("UPDATE links SET expires = ? WHERE id = ?", (int(time.time()) - 5, harness.token_id(token)))
        self.site.recall()
        for server in self.servers:
            with self.subTest(server.NAME):
                self.assert_refused(server.get(f"/link/{token}/letter.txt"), self.expected(SAYS_GONE, server))

    def test_a_link_bound_to_an_address_works_from_there_alone(self):
        here, elsewhere = (self.link("alice/letter.txt", "--address", address) for address in (HERE, ELSEWHERE))
        for server in self.servers:
            with self.subTest(server.NAME):
                reply = server.get(f"/link/{here}/letter.txt")
                if self.expected(KNOWS_ADDRESSES, server):
                    self.assertEqual((reply.status, reply.body), (200, FILES["alice/letter.txt"]))
                else:
                    self.assert_refused(reply, 403)
                for headers in ({}, {"X-Forwarded-For": ELSEWHERE}, {"X-Real-IP": ELSEWHERE}, {"Forwarded": f"for={ELSEWHERE}"}):
                    self.assert_refused(server.get(f"/link/{elsewhere}/letter.txt", headers=headers), 403)
                self.assert_refused(server.get(f"/link/..%2f{ELSEWHERE}%2fby-link%2f{elsewhere}/letter.txt"), 400, 403, 404)

    def test_sessions_are_served_beside_links(self):
        alice = self.site.session("user:alice")
        for server in self.servers:
            with self.subTest(server.NAME):
                reply = server.get("/private/alice/letter.txt", token=alice)
                self.assertEqual((reply.status, reply.body), (200, FILES["alice/letter.txt"]))


class Signatures(OnAll):
    OPTIONS = ("--kind", "signature", "--signed", "/s/")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.grantctl("key", "create", "--id", "k1", "--path", "alice", "--secret", "-", input=SECRET)

    def sign(self, path, *words):
        return self.site.grantctl("sign", path, "--url-prefix", "/s/", *words).stdout.strip()

    def test_what_was_signed_is_served_and_nothing_beside_it(self):
        url = self.sign("alice/letter.txt", "--expires", "1h")
        folder = self.sign("alice/album", "--expires", "1h")
        for server in self.servers:
            with self.subTest(server.NAME):
                reply = server.get(url)
                self.assertEqual((reply.status, reply.body), (200, FILES["alice/letter.txt"]))
                self.assertEqual(reply.headers["referrer-policy"], "no-referrer")
                self.assertEqual(server.get(url, headers={"Range": "bytes=5-7"}).body, b"Bob")
                self.assertEqual(server.get(folder.rstrip("/") + "/a%20b%3f.png").body, b"a picture")
                for path in ("page.html", "../alice/page.html", "..%2f..%2fetc/passwd"):
                    self.assert_refused(server.get(url.rpartition("/")[0] + "/" + path), 400, 403, 404)

    def test_what_is_forged_cut_stretched_or_expired_is_refused(self):
        url = self.sign("alice/letter.txt", "--expires", "1h")
        prefix, token, name = url.rsplit("/", 2)
        flipped = ("B" if token[0] == "A" else "A") + token[1:]
        for server in self.servers:
            with self.subTest(server.NAME):
                for wrong in (flipped, token[:-4], token + "AAAA", token[4:], "A" * len(token), "A" * 255, token.swapcase()):
                    self.assert_refused(server.get(f"{prefix}/{wrong}/{name}"), 403, 404)
                self.assert_refused(server.get(f"{prefix}/{self.expired('alice/letter.txt')}/letter.txt"), self.expected(SAYS_GONE, server))
                self.assert_refused(server.get(f"{prefix}/{self.expired('alice/letter.txt', b'x' * 36)}/letter.txt"), 403)

    @staticmethod
    def expired(path, secret=SECRET.encode()):
        """As any program can make one."""
        payload = f"k1 1000000000 - {path}".encode()
        return base64.urlsafe_b64encode(hmac.new(secret, payload, hashlib.sha256).digest() + payload).rstrip(b"=").decode()

    def test_it_is_bound_to_its_address(self):
        for server in self.servers:
            with self.subTest(server.NAME):
                reply = server.get(self.sign("alice/letter.txt", "--expires", "1h", "--address", HERE))
                self.assertEqual(reply.status, 200 if self.expected(KNOWS_ADDRESSES, server) else 403)
                elsewhere = self.sign("alice/letter.txt", "--expires", "1h", "--address", ELSEWHERE)
                self.assert_refused(server.get(elsewhere, headers={"X-Forwarded-For": ELSEWHERE}), 403)

    def test_a_retired_key_opens_nothing_at_the_next_request(self):
        self.site.grantctl("key", "create", "--id", "k2", "--path", "alice", "--secret", "-", input=SECRET[::-1])
        url = self.sign("alice/letter.txt", "--expires", "1h", "--key", "k2")
        for server in self.servers:
            self.assertEqual(server.get(url).status, 200, server.NAME)
        self.site.grantctl("key", "rm", "k2")
        for server in self.servers:
            with self.subTest(server.NAME):
                self.assert_refused(server.get(url), 403)


class SecureLinks(OnAll):
    """URLs that were made for nginx's secure_link go on working."""

    OPTIONS = ("--kind", "md5", "--secure-link", "/protected/")
    KINDS = (Nginx,)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.grantctl("key", "create", "--id", "m1", "--format", "md5", "--uri-prefix", "/protected/", "--path", "alice",
                          "--expression", "$secure_link_expires$uri$remote_addr $secret", "--secret", "-", input=SECRET)

    def url(self, uri, expires=4_000_000_000, address=HERE, secret=SECRET):
        made = hashlib.md5(f"{expires}{uri}{address} {secret}".encode()).digest()
        return f"{uri}?md5={base64.urlsafe_b64encode(made).rstrip(b'=').decode()}&expires={expires}"

    def test_a_signed_url_is_served(self):
        (server,) = self.servers
        reply = server.get(self.url("/protected/letter.txt"))
        self.assertEqual((reply.status, reply.body), (200, FILES["alice/letter.txt"]))
        reply = server.get(self.url("/protected/letter.txt"), headers={"Range": "bytes=5-7"})
        self.assertEqual((reply.status, reply.body), (206, b"Bob"))
        self.assertEqual(server.get(self.url("/protected/page.html")).headers["content-disposition"], "attachment")

    def test_all_else_is_403_and_an_expired_one_410(self):
        (server,) = self.servers
        good = self.url("/protected/letter.txt")
        query = good.partition("?")[2]
        for wrong in ("/protected/letter.txt", f"/protected/page.html?{query}", f"/protected/?{query}", f"/protected/album?{query}",
                      f"/protected/letter.txt/?{query}", f"/protected/none?{query}", good.replace("md5=", "md5=x"), good[:-1],
                      good.replace("expires=4", "expires=5"), self.url("/protected/letter.txt", address=ELSEWHERE),
                      self.url("/protected/letter.txt", secret="wrong"), self.url("/protected/album"), self.url("/protected/none"),
                      f"/protected/letter.txt?md5=../..&expires={SECRET}", "/protected/letter.txt?md5=..%2f..%2f&expires=..",
                      self.url("/protected/letter.txt", expires=1_000_000_000, secret="wrong")):
            with self.subTest(wrong):
                self.assert_refused(server.get(wrong), 403)
        self.assert_refused(server.get(f"/protected/../by-session/?{query}"), 404)
        self.assert_refused(server.get(self.url("/protected/letter.txt", expires=1_000_000_000)), 410)
        self.assert_refused(server.get(self.url("/protected/letter.txt", expires=1_000_000_000, address=ELSEWHERE)), 403)
        self.site.grantctl("key", "create", "--id", "m2", "--format", "md5", "--uri-prefix", "/protected/", "--path", "alice",
                           "--expression", "$secure_link_expires$uri $secret", "--secret", "-", input="another secret")
        unbound = {"address": "", "secret": "another secret"}
        self.assertEqual(server.get(self.url("/protected/letter.txt", **unbound)).status, 200)
        self.assert_refused(server.get(self.url("/protected/letter.txt", expires=1_000_000_000, **unbound)), 410)


class KeyLogs(OnAll):
    OPTIONS = ("--kind", "link", "--kind", "signature")
    link = Links.link

    def test_no_token_of_a_link_is_in_any_log(self):
        token, folder, ended = self.link("alice/letter.txt"), self.link("alice/album"), self.link("alice/letter.txt", "--expires", "90s")
        self.site.sql("UPDATE links SET expires = 1 WHERE id = ?", (harness.token_id(ended),))
        self.site.recall()
        self.site.grantctl("key", "create", "--id", "k1", "--secret", "-", input=SECRET)
        signed = self.site.grantctl("sign", "alice/letter.txt", "--expires", "1h").stdout.strip()
        tokens = (token, folder, ended, "f" * 32, signed, Signatures.expired("alice/letter.txt"))
        for server in self.servers:
            for each in tokens:
                # What is no HTTP (%00, for one) is answered before the server knows whose URL it is, and logged as it came.
                for path in ("letter.txt", "album/", "album", "", "x" * 300, "letter.txt/x", "none", "album/none"):
                    server.get(f"/link/{each}/{path}")
                server.get(f"/link/{each}")
                server.get(f"/signed/{each}/letter.txt")
                server.get(f"/link/{each}/letter.txt", headers={"Range": "bytes=99999-"})
            server.get("/public/public-files/terms.html")
        self.site.kill()
        for server in self.servers:
            harness.wait_for(lambda server=server: server.get(f"/link/{token}/letter.txt").status != 200, what="the dead daemon to show")
            server.stop()
            logs = server.logs() + self.site.log().encode(errors="surrogateescape")
            with self.subTest(server.NAME):
                for each in tokens:
                    self.assertNotIn(each.encode(), logs)


class Addresses(OnAll):
    """Sessions that are bound to the client's address."""

    OPTIONS = ("--by-address",)
    KINDS = tuple(kind for kind in SERVERS if kind.NAME != "lighttpd")

    def test_a_session_counts_from_its_address_alone(self):
        tokens = {address: self.site.sql_session("user:alice", address=address) for address in (HERE, ELSEWHERE, "127.0.0.0/8", None)}
        for server in self.servers:
            with self.subTest(server.NAME):
                for address, token in tokens.items():
                    for headers in ({}, {"X-Forwarded-For": ELSEWHERE}):
                        with self.subTest(address=address, headers=headers):
                            reply = server.get("/private/alice/letter.txt", token=token, headers=headers)
                            if address == ELSEWHERE:
                                self.assert_refused(reply, 403)
                            else:
                                self.assertEqual((reply.status, reply.body), (200, FILES["alice/letter.txt"]))


class RemoteUsers(OnAll):
    KINDS = tuple(kind for kind in SERVERS if kind.NAME != "lighttpd")
    PASSWORDS = {"alice": "a", "bob": "b", "first.last@example.org": "c", "..": "d", "../by-user/alice": "e", "": "f", ".": "g"}

    @classmethod
    def options(cls, kind):
        users = cls.site.root / f"{kind.NAME}.users"
        lines = []
        for name, password in cls.PASSWORDS.items():
            if kind is Nginx:
                lines.append(f"{name}:{{PLAIN}}{password}")
            elif name:
                # The cheapest bcrypt there is, in seconds.
                hashed = subprocess.run(["htpasswd", "-nbB", "-C", "4", "x", password], capture_output=True, text=True, check=True)
                hashed = hashed.stdout.strip().partition(":")[2]
                lines.append(f"{name}:{hashed}" if kind is Apache else f'"{name}" {hashed}')
        users.write_text("\n".join(lines) + "\n")
        users.chmod(0o644)
        return ("--kind", "remote-user", "--users", str(users))

    def get(self, server, path, name, password=None):
        password = self.PASSWORDS.get(name, "") if password is None else password
        credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
        return request(server.port, f"/private/{path}", headers={"Authorization": f"Basic {credentials}"})

    def test_a_user_is_served_what_is_his(self):
        self.site.grantctl("grant", "user:first.last@example.org", "alice/page.html")
        for server in self.servers:
            with self.subTest(server.NAME):
                reply = self.get(server, "alice/letter.txt", "alice")
                self.assertEqual((reply.status, reply.body), (200, FILES["alice/letter.txt"]))
                self.assertEqual(reply.headers["cache-control"], "private, no-cache")
                self.assertEqual(self.get(server, "bob/secret.txt", "bob").body, FILES["bob/secret.txt"])
                self.assertEqual(self.get(server, "alice/page.html", "first.last@example.org").body, b"<script>")
                self.assert_refused(self.get(server, "bob/secret.txt", "alice"), 404)

    def test_without_a_password_it_is_401(self):
        for server in self.servers:
            with self.subTest(server.NAME):
                self.assert_refused(server.get("/private/alice/letter.txt"), 401)
                self.assert_refused(self.get(server, "alice/letter.txt", "alice", "wrong"), 401)
                self.assert_refused(self.get(server, "alice/letter.txt", "nobody"), 401)
                self.assert_refused(server.get("/private/alice/letter.txt", headers={"Remote-User": "alice", "X-Remote-User": "alice"}), 401)

    def test_a_name_that_leads_elsewhere_is_refused(self):
        for server in self.servers:
            with self.subTest(server.NAME):
                for name in ("..", "../by-user/alice", ".", ""):
                    for path in ("alice/letter.txt", "by-user/alice/alice/letter.txt", "alice/alice/letter.txt", "public/"):
                        self.assert_refused(self.get(server, path, name), 401, 403)
