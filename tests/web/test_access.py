"""Who gets what, and that it changes at once."""

import calendar
import time

from harness import wait_for
from nginx import COOKIE
from web_test import WebTest


class Access(WebTest):
    def test_an_owner_is_served_the_bytes(self):
        self.assert_served(self.get("alice/letter.txt", self.alice), self.FILES["alice/letter.txt"])
        self.assert_served(self.get("bob/secret.txt", self.bob), self.FILES["bob/secret.txt"])

    def test_a_stranger_is_told_that_there_is_nothing(self):
        denied = self.get("bob/secret.txt", self.alice)
        missing = self.get("bob/no-such.txt", self.alice)
        unregistered = self.get("nobody/unowned.txt", self.alice)
        self.assertEqual([denied.status, missing.status, unregistered.status], [404, 404, 404])
        self.assertEqual(denied.body, missing.body)
        self.assertEqual(denied.body, unregistered.body)

    def test_without_a_session_it_is_403(self):
        self.assertEqual(self.get("alice/letter.txt").status, 403)

    def test_a_forged_session_is_403(self):
        self.assertEqual(self.get("alice/letter.txt", "a" * 32).status, 403)

    def test_a_session_is_found_among_other_cookies(self):
        for cookies in (f"theme=dark; {COOKIE}={self.alice}", f"{COOKIE}={self.alice}; theme=dark",
                        f'a="x;y"; {COOKIE}={self.alice};'):
            with self.subTest(cookies):
                reply = self.get("alice/letter.txt", headers={"Cookie": cookies})
                self.assert_served(reply, self.FILES["alice/letter.txt"])

    def test_a_group_member_is_served_and_others_are_not(self):
        self.assert_served(self.get("album/cat.svg", self.alice), self.FILES["album/cat.svg"])
        self.assertEqual(self.get("album/cat.svg", self.bob).status, 404)

    def test_public_is_served_to_everybody(self):
        terms = self.FILES["public-files/terms.html"]
        self.assert_served(self.nginx.get("/public/public-files/terms.html"), terms)
        self.assert_served(self.nginx.get("/public/public-files/terms.html", token="a" * 32), terms)
        self.assert_served(self.get("public-files/terms.html", self.bob), terms)
        self.assertEqual(self.nginx.get("/public/alice/letter.txt", token=self.alice).status, 404)

    def test_a_private_file_is_for_private_caches_that_ask_each_time(self):
        headers = self.get("alice/letter.txt", self.alice).headers
        self.assertEqual(headers["cache-control"], "private, no-cache")
        self.assertEqual(headers["x-content-type-options"], "nosniff")


class Listings(WebTest):
    def test_a_listing_shows_only_ones_own(self):
        top = self.nginx.get("/private/", token=self.alice)
        self.assertEqual(top.status, 200)
        for name, shown in ((b'href="alice/"', True), (b'href="album/"', True), (b'href="public-files/"', True),
                            (b"bob", False), (b"nobody", False)):
            with self.subTest(name):
                self.assertEqual(name in top.body, shown, top)

    def test_anothers_folder_has_no_listing(self):
        self.assertEqual(self.nginx.get("/private/bob/", token=self.alice).status, 404)

    def test_public_lists_what_is_public(self):
        top = self.nginx.get("/public/").body
        self.assertIn(b"public-files/", top)
        self.assertNotIn(b"alice", top)

    def test_the_folder_of_sessions_is_out_of_reach(self):
        for path in ("/private/../", "/by-session/", "/private/../../by-session/"):
            with self.subTest(path):
                reply = self.nginx.get(path, token=self.alice)
                self.assertIn(reply.status, (400, 404))
                self.assertNotIn(self.alice.encode(), reply.body)


class Changes(WebTest):
    def test_a_revoked_grant_is_refused_at_the_next_request(self):
        self.site.write("shared/plan.txt", b"the plan")
        self.assertEqual(self.get("shared/plan.txt", self.bob).status, 404)
        self.site.grantctl("grant", "user:bob", "shared/plan.txt")
        self.assert_served(self.get("shared/plan.txt", self.bob), b"the plan")
        self.site.grantctl("revoke", "user:bob", "shared/plan.txt")
        self.assertEqual(self.get("shared/plan.txt", self.bob).status, 404)

    def test_a_removed_session_is_403(self):
        token = self.site.session("user:alice")
        self.assertEqual(self.get("alice/letter.txt", token).status, 200)
        self.site.grantctl("session", "rm", "-", input=token + "\n")
        self.assertEqual(self.get("alice/letter.txt", token).status, 403)

    def test_an_expired_session_is_403(self):
        token = self.site.sql_session("user:alice", expires=int(time.time()) - 1)
        self.assertEqual(self.get("alice/letter.txt", token).status, 403)

    def test_a_session_ends_at_its_expiry(self):
        expiry = int(time.time()) + 2
        token = self.site.sql_session("user:alice", expires=expiry)
        last_served = None
        while True:
            asked = time.time()
            reply = self.get("alice/letter.txt", token)
            answered = time.time()
            if reply.status != 200:
                break
            last_served = answered
            self.assertLess(asked, expiry, "served after its expiry")
            self.assertLess(answered, expiry + 5)
        self.assertEqual(reply.status, 403)
        self.assertIsNotNone(last_served)
        self.assertGreaterEqual(answered, expiry)

    def test_an_expired_grant_is_404(self):
        self.site.write("lent/book.txt", b"a book")
        past = int(calendar.timegm((2020, 1, 1, 0, 0, 0)))
        insert = "INSERT INTO grants (principal, path, rights, expires) VALUES ('user:bob', 'lent', 'read', ?)"
        self.site.sql(insert, (past,))
        self.assertEqual(self.get("lent/book.txt", self.bob).status, 404)
        self.site.sql("UPDATE grants SET expires = ? WHERE path = 'lent'", (int(time.time()) + 3600,))
        self.assert_served(self.get("lent/book.txt", self.bob), b"a book")

    def test_plain_sql_counts_at_the_very_next_request(self):
        self.site.write("sql/row.txt", b"by SQL")
        for _ in range(20):
            self.assertEqual(self.get("sql/row.txt", self.bob).status, 404)
            self.site.sql("INSERT INTO grants (principal, path, rights) VALUES ('user:bob', 'sql/row.txt', 'read')")
            self.assert_served(self.get("sql/row.txt", self.bob), b"by SQL")
            self.site.sql("DELETE FROM grants WHERE path = 'sql/row.txt'")

    def test_a_replaced_file_is_served_new(self):
        self.site.write("alice/draft.txt", b"first")
        before = self.get("alice/draft.txt", self.alice)
        self.assert_served(before, b"first")
        self.site.replace("alice/draft.txt", b"the second, longer")
        changed = {"If-None-Match": before.headers["etag"]}
        # When the lease on the name is over; until then it is the first, whole.
        wait_for(lambda: self.get("alice/draft.txt", self.alice, headers=changed).status != 304, what="the second to be served")
        self.assert_served(self.get("alice/draft.txt", self.alice, headers=changed), b"the second, longer")
