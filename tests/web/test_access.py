"""Who gets what, and that it changes at once: the same on every server."""

import time

from servers import COOKIE
from web_test import WebTest, on_every_server

# lighttpd's own listings and redirections would show the token: its configuration has none.
LISTS = {"lighttpd": False, None: True}

# From the end of `grantctl revoke` to the first refusal, in requests that are still served. No
# configuration of ours caches: nothing is lent any more, and every server opens anew.
SERVED_AFTER_REVOKE = {None: 0}

# A change by plain SQL is promised within the lease of a second, whoever serves.
SQL_SECONDS = {None: 1.0}

ACTIVE = ("a.html", "a.htm", "a.HTML", "a.xhtml", "a.svg", "a.svgz", "a.xml", "a.rss", "a.xsl", "a.html.zzz", "a.mht", "page",
          "dir/index.html")
PROGRAMS = ("a.php", "a.phtml", "a.php.txt", "a.shtml", "a.cgi", "a.pl", "a.var")
AROUND_LISTINGS = ("HEADER.html", "README.html", "HEADER", "README")
INERT = ("a.txt", "a.png", "a.jpg", "a.pdf", "a.mp4", "a.mp3")


@on_every_server
class Access(WebTest):
    def test_an_owner_is_served_the_bytes(self):
        self.assert_served(self.get("alice/letter.txt", self.alice), self.FILES["alice/letter.txt"])
        self.assert_served(self.get("bob/secret.txt", self.bob), self.FILES["bob/secret.txt"])

    def test_a_stranger_is_told_that_there_is_nothing(self):
        replies = [self.get(path, self.alice) for path in ("bob/secret.txt", "bob/no-such.txt", "nobody/unowned.txt")]
        self.assertEqual([reply.status for reply in replies], [404, 404, 404])
        self.assertEqual(len({reply.body for reply in replies}), 1)

    def test_without_a_session_it_is_403(self):
        self.assert_refused(self.get("alice/letter.txt"), 403)
        self.assert_refused(self.get("alice/no-such.txt"), 403)

    def test_a_forged_session_is_403(self):
        self.assert_refused(self.get("alice/letter.txt", "a" * 32), 403)

    def test_a_session_is_found_among_other_cookies(self):
        for cookies in (f"theme=dark; {COOKIE}={self.alice}", f"{COOKIE}={self.alice}; theme=dark",
                        f'a="x"; {COOKIE}={self.alice};'):
            with self.subTest(cookies):
                reply = self.get("alice/letter.txt", headers={"Cookie": cookies})
                self.assert_served(reply, self.FILES["alice/letter.txt"])

    def test_a_token_of_the_applications_own_form_is_served(self):
        token = "Token-of_the-Application-1234567890"
        self.site.grantctl("session", "create", "user:alice", "--token", "-", input=token + "\n")
        self.addCleanup(self.site.grantctl, "session", "rm", "-", input=token + "\n")
        self.assert_served(self.get("alice/letter.txt", token), self.FILES["alice/letter.txt"])

    def test_a_group_member_is_served_and_others_are_not(self):
        self.assert_served(self.get("album/cat.svg", self.alice), self.FILES["album/cat.svg"])
        self.assertEqual(self.get("album/cat.svg", self.bob).status, 404)

    def test_public_is_served_to_everybody(self):
        terms = self.FILES["public-files/terms.html"]
        self.assert_served(self.server.get("/public/public-files/terms.html"), terms)
        self.assert_served(self.server.get("/public/public-files/terms.html", token="a" * 32), terms)
        self.assert_served(self.server.get("/public/public-files/terms.html", token=self.bob), terms)
        self.assert_served(self.get("public-files/terms.html", self.bob), terms)
        self.assertEqual(self.server.get("/public/alice/letter.txt", token=self.alice).status, 404)

    def test_a_private_file_is_for_private_caches_that_ask_each_time(self):
        for token, path, wanted in ((self.alice, "alice/letter.txt", "private, no-cache"), (self.alice, "album/cat.svg", "private, no-cache"),
                                    (None, "alice/letter.txt", "no-store")):
            with self.subTest(path=path, token=token is not None):
                headers = self.get(path, token).headers
                self.assertEqual(headers["cache-control"], wanted)
                self.assertEqual(headers["x-content-type-options"], "nosniff")


@on_every_server
class ActiveContent(WebTest):
    """What could run scripts on this site is downloaded; what cannot is shown."""

    @staticmethod
    def populate(site):
        for name in (*ACTIVE, *INERT, *PROGRAMS, *AROUND_LISTINGS):
            site.write(f"alice/kinds/{name}", b"<html><script>alert(1)</script>")
            site.write(f"public-files/kinds/{name}", b"<html><script>alert(1)</script>")

    def test_it_is_an_attachment(self):
        for name in ACTIVE:
            for reply in (self.get(f"alice/kinds/{name}", self.alice), self.server.get(f"/public/public-files/kinds/{name}")):
                with self.subTest(name):
                    self.assertEqual((reply.status, reply.headers.get("content-disposition")), (200, "attachment"), reply)
                    self.assertEqual(reply.headers["x-content-type-options"], "nosniff")

    def test_what_is_inert_is_shown(self):
        for name in INERT:
            for reply in (self.get(f"alice/kinds/{name}", self.alice), self.server.get(f"/public/public-files/kinds/{name}")):
                with self.subTest(name):
                    self.assertEqual((reply.status, reply.headers.get("content-disposition")), (200, None), reply)

    def test_a_picture_that_has_not_changed_is_no_attachment_either(self):
        """A browser merges the headers of a 304 with what it has."""
        first = self.get("alice/kinds/a.png", self.alice)
        again = self.get("alice/kinds/a.png", self.alice, headers={"If-Modified-Since": first.headers["last-modified"]})
        self.assertEqual((again.status, again.headers.get("content-disposition")), (304, None))

    def test_no_name_makes_a_file_a_program(self):
        """Whatever the server's own configuration says of such names."""
        for name in PROGRAMS:
            with self.subTest(name):
                reply = self.get(f"alice/kinds/{name}", self.alice)
                self.assertEqual((reply.status, reply.body), (200, b"<html><script>alert(1)</script>"), reply)

    def test_a_listing_holds_no_page_of_somebodys_making(self):
        reply = self.get("alice/kinds/", self.alice)
        self.assertEqual(reply.status, 200 if self.expected(LISTS) else 403)
        self.assertNotIn(b"alert(1)", reply.body)

    def test_an_index_page_is_not_shown_in_a_folders_place(self):
        reply = self.get("alice/kinds/dir/", self.alice)
        if b"alert(1)" in reply.body:
            self.assertEqual(reply.headers.get("content-disposition"), "attachment")

    def test_a_refusal_is_no_attachment(self):
        self.assertNotIn("content-disposition", self.get("alice/kinds/a.html").headers)


@on_every_server
class Listings(WebTest):
    def test_a_listing_shows_only_ones_own(self):
        top = self.server.get("/private/", token=self.alice)
        self.assertEqual(top.status, 200 if self.expected(LISTS) else 403)
        for name, shown in ((b"alice/", True), (b"album/", True), (b"public-files/", True), (b"bob", False), (b"nobody", False)):
            with self.subTest(name):
                self.assertEqual(name in top.body, shown and self.expected(LISTS), top)
        self.assertNotIn(self.alice.encode(), top.body)
        self.assertNotIn("content-disposition", top.headers)

    def test_anothers_folder_has_no_listing(self):
        self.assertEqual(self.server.get("/private/bob/", token=self.alice).status, 404)

    def test_public_lists_what_is_public(self):
        top = self.server.get("/public/").body
        self.assertEqual(b"public-files/" in top, self.expected(LISTS))
        self.assertNotIn(b"alice", top)

    def test_a_folder_without_its_slash_shows_no_token(self):
        reply = self.get("alice", self.alice)
        self.assertIn(reply.status, (301, 308))
        self.assertNotIn(self.alice, repr(reply.headers) + repr(reply.body))
        if self.expected(LISTS):
            self.assertTrue(reply.headers["location"].endswith("/private/alice/"), reply)

    def test_the_folder_of_sessions_is_out_of_reach(self):
        for path in ("/private/../", "/by-session/", "/private/../../by-session/", "/", "/private/%2e%2e/by-session/"):
            with self.subTest(path):
                reply = self.server.get(path, token=self.alice)
                self.assertIn(reply.status, (400, 404))
                self.assertNotIn(self.alice.encode(), reply.body)


@on_every_server
class Changes(WebTest):
    def test_a_revoked_grant_is_refused_at_the_next_request(self):
        path = f"shared/{self.SERVER.NAME}.txt"
        self.site.write(path, b"the plan")
        self.assertEqual(self.get(path, self.bob).status, 404)
        self.site.grantctl("grant", "user:bob", path)
        self.assert_served(self.get(path, self.bob), b"the plan")
        self.site.grantctl("revoke", "user:bob", path)
        served = 0
        while self.get(path, self.bob).status != 404:
            served += 1
        self.assertLessEqual(served, self.expected(SERVED_AFTER_REVOKE))

    def test_a_grant_deleted_by_plain_sql_is_refused_within_the_lease(self):
        path = f"shared/{self.SERVER.NAME}-sql.txt"
        self.site.write(path, b"the plan")
        self.site.sql("INSERT INTO grants (principal, path, rights) VALUES ('user:bob', ?, 'read')", (path,))
        self.assert_served(self.get(path, self.bob), b"the plan")
        self.site.sql("DELETE FROM grants WHERE path = ?", (path,))
        committed = last_served = time.monotonic()
        while True:
            asked = time.monotonic()
            if self.get(path, self.bob).status == 404:
                break
            last_served = asked
        self.assertLess(last_served - committed, self.expected(SQL_SECONDS))

    def test_a_replaced_file_is_served_new(self):
        path = f"alice/{self.SERVER.NAME}-replaced.txt"
        self.site.write(path, b"before")
        self.assert_served(self.get(path, self.alice), b"before")
        self.site.replace(path, b"after!")
        replaced = time.monotonic()
        # When the lease on the name is over; until then it is the first, whole.
        while (body := self.get(path, self.alice).body) != b"after!":
            self.assertEqual(body, b"before")
            self.assertLess(time.monotonic() - replaced, 5)
        self.assert_served(self.get(path, self.alice), b"after!")

    def test_an_expired_grant_is_404(self):
        folder = f"lent-{self.SERVER.NAME}"
        self.site.write(f"{folder}/book.txt", b"a book")
        self.site.sql("INSERT INTO grants (principal, path, rights, expires) VALUES ('user:bob', ?, 'read', 1577836800)", (folder,))
        self.assertEqual(self.get(f"{folder}/book.txt", self.bob).status, 404)
        self.site.sql("UPDATE grants SET expires = ? WHERE path = ?", (int(time.time()) + 3600, folder))
        self.assert_served(self.get(f"{folder}/book.txt", self.bob), b"a book")

    def test_a_removed_session_is_403(self):
        token = self.site.session("user:alice")
        self.assertEqual(self.get("alice/letter.txt", token).status, 200)
        self.site.grantctl("session", "rm", "-", input=token + "\n")
        self.assert_refused(self.get("alice/letter.txt", token), 403)  # replayed

    def test_an_expired_session_is_403(self):
        token = self.site.sql_session("user:alice", expires=int(time.time()) - 1)
        self.assert_refused(self.get("alice/letter.txt", token), 403)

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
        self.assertEqual(reply.status, 403)
        self.assertIsNotNone(last_served)
        self.assertGreaterEqual(answered, expiry, "refused before its expiry")
