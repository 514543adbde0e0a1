"""What an attacker may send: every answer is a refusal, and no log learns a token. The same on every server."""

import os
import unittest

from harness import wait_for
from servers import COOKIE, SERVERS
from web_test import FILES, WebTest, make_site, on_every_server


# Caddy finds a name with a NUL byte in it too bad for a 404.
REFUSALS = {"caddy": (400, 403, 404, 500), None: (400, 403, 404)}


@on_every_server
class Attacks(WebTest):
    def test_a_cookie_that_is_no_token_is_403(self):
        alice = self.alice
        for cookie in ("../../../../etc", "../../../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc", "%00", f"{alice}%00",
                       f"{alice}/../{alice}", f"{alice}/", f"{alice}a", alice[:-1], alice.upper(), alice * 2, "", " ", ".",
                       "..", "a" * 4000, "_anon", f'"{alice}"', f"{alice} x", f"{alice},{alice}", "\xff" * 32,
                       f"{alice}\t../", "$t", "${grantfs_token}", "%c0%ae%c0%ae%c0%af", "\xc0\xae\xc0\xae\xc0\xaf", "%{env:X}", "{re.token.0}"):
            for path in ("alice/letter.txt", "passwd", "etc/passwd", ""):
                with self.subTest(cookie=cookie, path=path):
                    self.assert_refused(self.get(path, cookie), 403, 400)

    def test_a_query_names_nobody(self):
        for query in (f"{COOKIE}={self.alice}", f"t={self.alice}", f"token={self.alice}", "../../etc/passwd", "x=%00", "%2e%2e%2f"):
            with self.subTest(query):
                self.assert_refused(self.server.get(f"/private/alice/letter.txt?{query}"), 403, 404, 400)
                self.assert_refused(self.server.get(f"/private/bob/secret.txt?{query}", token=self.alice), 404, 400)

    def test_without_a_cookie_the_path_does_not_become_the_token(self):
        for path in (f"{self.alice}/alice/letter.txt", f"/{self.alice}/alice/letter.txt",
                     f"../{self.alice}/alice/letter.txt"):
            with self.subTest(path):
                self.assert_refused(self.get(path), 403, 404)

    def test_of_duplicated_cookies_the_first_counts_or_none(self):
        first_alice = f"{COOKIE}={self.alice}; {COOKIE}={self.bob}"
        reply = self.get("alice/letter.txt", headers={"Cookie": first_alice})
        if reply.status != 403:
            self.assert_served(reply, self.FILES["alice/letter.txt"])
        self.assert_refused(self.get("bob/secret.txt", headers={"Cookie": first_alice}), 403, 404)
        for first in ("bad", "", "../../etc", self.alice + "x", f"{self.alice}x; a=b", "bad value", "\xff"):
            with self.subTest(first):
                cookies = f"{COOKIE}={first}; {COOKIE}={self.alice}"
                self.assert_refused(self.get("alice/letter.txt", headers={"Cookie": cookies}), 403)

    def test_of_two_cookie_headers_the_first_counts_or_none(self):
        both = [("Cookie", f"{COOKIE}=bad"), ("Cookie", f"{COOKIE}={self.alice}")]
        self.assert_refused(self.get("alice/letter.txt", headers=both), 403, 400)
        other = [("Cookie", "theme=dark"), ("Cookie", f"{COOKIE}={self.alice}")]
        self.assertIn(self.get("alice/letter.txt", headers=other).status, (200, 400, 403))
        self.assert_refused(self.get("bob/secret.txt", headers=other), 400, 403, 404)

    def test_a_cookie_of_a_similar_name_is_none(self):
        for name in ("files", f"x{COOKIE}", f"{COOKIE}x", COOKIE.lower(), f"a={COOKIE}", f"{COOKIE}={COOKIE}"):
            with self.subTest(name):
                cookies = {"Cookie": f"{name}={self.alice}"}
                self.assert_refused(self.get("alice/letter.txt", headers=cookies), 403)

    def test_a_path_does_not_climb_out(self):
        bob = f"{self.bob}/bob/secret.txt"
        for path in ("/private../", "/private../etc/passwd", "/private/../../etc/passwd", "/private/..%2f..%2fetc/passwd",
                     "/private/%2e%2e/%2e%2e/etc/passwd", "/private/alice/../../../../../../etc/passwd",
                     "/private/..%2f" + bob, "/private/alice/..%2f..%2f" + bob, "/private/%2e%2e/" + bob, "/private/../" + bob,
                     "/private/.%2e/" + bob, "/private/%2e%2e%2f" + bob, "/private/..%5c" + bob, "/private/..;/" + bob,
                     "/private/%00/../etc/passwd", "/private/alice%00/letter.txt", "/private/alice/letter.txt%00", "/private/..%5c..%5cetc/passwd",
                     "/public../", "/public../by-session/" + bob, "/public/..%2fby-session/" + bob,
                     "/public/../by-uid/0/alice/letter.txt", "/private/alice/..%252f..%252f..%252fetc/passwd",
                     "/private/%252e%252e/" + bob, "/private/%c0%ae%c0%ae/" + bob, "/private/%c0%ae%c0%ae%c0%af" + bob,
                     "/private/%e0%80%ae%e0%80%ae/" + bob, "/private/..%c0%af" + bob, "/private/..%ef%bc%8f" + bob,
                     "/privat", "/private", "//private/..//etc/passwd", "/private//../" + bob, "/private/./../" + bob,
                     "/private/%3f/../../" + bob, "/private/%23/..%2f..%2f" + bob,
                     "/PRIVATE/../by-session/" + bob, "http://x/private/../" + bob, "/private/*/../../" + bob):
            with self.subTest(path):
                self.assert_refused(self.server.get(path, token=self.alice), *self.expected(REFUSALS))

    def test_what_the_path_means_is_what_is_decided(self):
        for path in ("/private//alice/letter.txt", "/private/./alice/letter.txt", "/private/bob/../alice/letter.txt",
                     "/private/alice%2fletter.txt", "//private/alice/letter.txt"):
            with self.subTest(path):
                reply = self.server.get(path, token=self.alice)
                if reply.status == 200:
                    self.assertEqual(reply.body, self.FILES["alice/letter.txt"])
                self.assert_refused(self.server.get(path, token=self.bob), 301, 308, 400, 403, 404)

    def test_the_views_cannot_be_addressed(self):
        for path in (f"/by-session/{self.alice}/alice/letter.txt", "/by-uid/0/alice/letter.txt", "/me/alice/letter.txt",
                     f"//by-session/{self.alice}/alice/letter.txt", f"/%62y-session/{self.alice}/alice/letter.txt"):
            with self.subTest(path):
                self.assert_refused(self.server.get(path, token=self.alice), 404)

    def test_what_is_no_regular_file_is_not_there(self):
        for name, target in (("passwd", "/etc/passwd"), ("out", "/etc")):
            if not (self.site.store / "alice" / name).is_symlink():
                (self.site.store / "alice" / name).symlink_to(target)
        for path in ("alice/passwd", "alice/out/passwd", "alice/out/"):
            with self.subTest(path):
                self.assert_refused(self.get(path, self.alice), 404)


@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class Logs(unittest.TestCase):
    def test_no_token_is_in_any_log(self):
        site = make_site()
        self.addCleanup(site.close)
        alice, ended, forged = site.session("user:alice"), site.sql_session("user:alice", expires=1), "f" * 32
        servers = [kind(site.root / kind.NAME, site.mountpoint) for kind in SERVERS]
        for server in servers:
            self.addCleanup(server.stop)
            for token in (alice, ended, forged):
                for path in ("alice/letter.txt", "alice/no-such.txt", "bob/", "alice", "alice/", "", "x" * 300, "alice/letter.txt/x",
                             "album/cat.svg", "%00", "..%2f"):
                    server.get(f"/private/{path}", token=token)
                server.get("/private/alice/letter.txt", token=token, headers={"Range": "bytes=9999999-"})
        (site.store / "alice/letter.txt").write_bytes(b"short")  # read errors, if any, are logged too
        for server in servers:
            server.get("/private/alice/letter.txt", token=alice)
        site.kill()
        for server in servers:
            for path in ("alice/letter.txt", "alice/", "alice/new.txt"):
                # What was lent goes on until the lease is over.
                wait_for(lambda server=server, path=path: server.get(f"/private/{path}", token=alice).status not in (200, 206, 404),
                         what=f"the dead daemon to show with {server.NAME}")
        for server in servers:
            server.stop()
            logs = server.logs() + site.log().encode(errors="surrogateescape")
            with self.subTest(server.NAME):
                self.assertIn(b"/private/alice/letter.txt", logs)
                self.assertIn(b"404", logs)
                for token in (alice, ended, forged):
                    self.assertNotIn(token.encode(), logs)
        self.assertNotIn(FILES["bob/secret.txt"], logs)
