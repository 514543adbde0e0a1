"""What an attacker may send: every answer is a refusal, and no log learns a token."""

from harness import wait_for
from nginx import COOKIE
from web_test import WebTest

PASSWD = b"root:x:0:0"


class Attacks(WebTest):
    def assert_refused(self, reply, *statuses):
        self.assertIn(reply.status, statuses or (400, 403, 404), reply)
        self.assertNotIn(PASSWD, reply.body)
        for data in self.FILES.values():
            self.assertNotIn(data, reply.body)

    def test_a_cookie_that_is_no_token_is_403(self):
        alice = self.alice
        for cookie in ("../../../../etc", "../../../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc", "%00", f"{alice}%00",
                       f"{alice}/../{alice}", f"{alice}/", f"{alice}a", alice[:-1], alice.upper(), alice * 2, "", " ", ".",
                       "..", "a" * 4000, "_anon", f'"{alice}"', f"{alice} x", f"{alice},{alice}", "\xff" * 32,
                       f"{alice}\t../", "$t", "${grantfs_token}"):
            for path in ("alice/letter.txt", "passwd", "etc/passwd", ""):
                with self.subTest(cookie=cookie, path=path):
                    self.assert_refused(self.get(path, cookie), 403)

    def test_without_a_cookie_the_path_does_not_become_the_token(self):
        for path in (f"{self.alice}/alice/letter.txt", f"/{self.alice}/alice/letter.txt",
                     f"../{self.alice}/alice/letter.txt"):
            with self.subTest(path):
                self.assert_refused(self.get(path), 403, 404)

    def test_of_duplicated_cookies_the_first_counts(self):
        first_alice = f"{COOKIE}={self.alice}; {COOKIE}={self.bob}"
        self.assert_served(self.get("alice/letter.txt", headers={"Cookie": first_alice}), self.FILES["alice/letter.txt"])
        self.assert_refused(self.get("bob/secret.txt", headers={"Cookie": first_alice}), 404)
        for first in ("bad", "", "../../etc", self.alice + "x", f"{self.alice}x; a=b"):
            with self.subTest(first):
                cookies = f"{COOKIE}={first}; {COOKIE}={self.alice}"
                self.assert_refused(self.get("alice/letter.txt", headers={"Cookie": cookies}), 403)

    def test_of_two_cookie_headers_the_first_counts(self):
        both = [("Cookie", f"{COOKIE}=bad"), ("Cookie", f"{COOKIE}={self.alice}")]
        self.assert_refused(self.get("alice/letter.txt", headers=both), 403)
        other = [("Cookie", "theme=dark"), ("Cookie", f"{COOKIE}={self.alice}")]
        self.assert_served(self.get("alice/letter.txt", headers=other), self.FILES["alice/letter.txt"])

    def test_a_cookie_of_a_similar_name_is_none(self):
        for name in ("files", f"x{COOKIE}", f"{COOKIE}x", COOKIE.lower(), f"a={COOKIE}", f"{COOKIE}={COOKIE}"):
            with self.subTest(name):
                cookies = {"Cookie": f"{name}={self.alice}"}
                self.assert_refused(self.get("alice/letter.txt", headers=cookies), 403)

    def test_a_path_does_not_climb_out(self):
        for path in ("/private../", "/private../etc/passwd", "/private/../../etc/passwd", "/private/..%2f..%2fetc/passwd",
                     "/private/%2e%2e/%2e%2e/etc/passwd", "/private/alice/../../../../../../etc/passwd",
                     "/private/..%2f" + self.bob + "/bob/secret.txt", "/private/alice/..%2f..%2f" + self.bob + "/bob/secret.txt",
                     "/private/%00/../etc/passwd", "/private/alice%00/letter.txt", "/private/..%5c..%5cetc/passwd",
                     "/public../", "/public../by-session/" + self.bob + "/bob/secret.txt",
                     "/public/..%2fby-session/" + self.bob + "/bob/secret.txt", "/public/../by-uid/0/alice/letter.txt",
                     "/private/alice/..%252f..%252f..%252fetc/passwd", "/privat", "/private", "//private/..//etc/passwd"):
            with self.subTest(path):
                self.assert_refused(self.nginx.get(path, token=self.alice), 400, 404)

    def test_the_views_cannot_be_addressed(self):
        for path in (f"/by-session/{self.alice}/alice/letter.txt", "/by-uid/0/alice/letter.txt", "/me/alice/letter.txt"):
            with self.subTest(path):
                self.assert_refused(self.nginx.get(path, token=self.alice), 404)

    def test_what_is_no_regular_file_is_not_there(self):
        (self.site.store / "alice/passwd").symlink_to("/etc/passwd")
        (self.site.store / "alice/out").symlink_to("/etc")
        for path in ("alice/passwd", "alice/out/passwd", "alice/out/"):
            with self.subTest(path):
                self.assert_refused(self.get(path, self.alice), 404)


class Logs(WebTest):
    def test_no_token_is_in_any_log(self):
        ended = self.site.sql_session("user:alice", expires=1)
        forged = "f" * 32
        tokens = (self.alice, self.bob, ended, forged)
        for token in tokens:
            for path in ("alice/letter.txt", "alice/no-such.txt", "bob/", "alice", "", "x" * 300, "alice/letter.txt/x"):
                self.get(path, token)
            self.get("alice/letter.txt", token, headers={"Range": "bytes=9999999-"})
        self.site.kill()
        for path in ("alice/letter.txt", "alice/", "alice/new.txt"):
            # What was lent goes on until the lease is over.
            wait_for(lambda path=path: self.get(path, self.alice).status == 500, what="the dead daemon to show")
        self.nginx.stop()

        logs = self.nginx.logs() + self.site.log().encode(errors="surrogateescape")
        self.assertIn(b"GET /private/alice/letter.txt", logs)
        for token in tokens:
            self.assertNotIn(token.encode(), logs)
