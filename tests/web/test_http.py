"""What HTTP itself promises of a file: ranges, validators, types, sizes, names."""

import email.utils
import os
import random

from web_test import WebTest, digest, quoted

BIG = random.Random(7).randbytes((1 << 20) + 12345)


class Protocol(WebTest):
    @classmethod
    def populate(cls):
        cls.site.write("alice/big.bin", BIG)
        cls.site.write("alice/empty.bin", b"")
        os.utime(cls.site.store / "alice/big.bin", (1_500_000_000, 1_500_000_000))

    def ranged(self, ranges, **headers):
        return self.get("alice/big.bin", self.alice, headers={"Range": f"bytes={ranges}", **headers})

    def test_a_file_of_more_than_a_mebibyte_arrives_whole(self):
        self.assert_served(self.get("alice/big.bin", self.alice), BIG)

    def test_an_empty_file_is_served(self):
        self.assert_served(self.get("alice/empty.bin", self.alice), b"")

    def test_a_single_range(self):
        for first, last in ((0, 0), (100, 199), (4095, 4096), (1 << 20, len(BIG) - 1), (0, len(BIG) - 1)):
            with self.subTest(first=first, last=last):
                reply = self.ranged(f"{first}-{last}")
                self.assertEqual(reply.status, 206)
                self.assertEqual(reply.headers["content-range"], f"bytes {first}-{last}/{len(BIG)}")
                self.assertEqual(digest(reply.body), digest(BIG[first:last + 1]))

    def test_a_suffix_range_and_an_open_one(self):
        self.assertEqual(digest(self.ranged("-500").body), digest(BIG[-500:]))
        self.assertEqual(digest(self.ranged("1000000-").body), digest(BIG[1000000:]))

    def test_several_ranges(self):
        reply = self.ranged("0-9,50-59,-10")
        self.assertEqual(reply.status, 206)
        boundary = reply.headers["content-type"].partition("boundary=")[2].encode()
        parts = [part.partition(b"\r\n\r\n")[2][:-2] for part in reply.body.split(b"--" + boundary)[1:-1]]
        self.assertEqual(parts, [BIG[:10], BIG[50:60], BIG[-10:]])

    def test_a_range_beyond_the_end_is_416(self):
        self.assertEqual(self.ranged(f"{len(BIG)}-").status, 416)

    def test_a_range_of_anothers_file_is_404(self):
        self.assertEqual(self.get("alice/big.bin", self.bob, headers={"Range": "bytes=0-9"}).status, 404)

    def test_if_range_with_an_old_validator_sends_the_whole(self):
        self.assert_served(self.ranged("0-9", **{"If-Range": '"old"'}), BIG)

    def test_head_says_what_get_would(self):
        head = self.get("alice/big.bin", self.alice, method="HEAD")
        get = self.get("alice/big.bin", self.alice)
        self.assertEqual((head.status, head.body), (200, b""))
        for name in ("content-length", "etag", "last-modified", "content-type"):
            self.assertEqual(head.headers[name], get.headers[name], name)
        self.assertEqual(head.headers["content-length"], str(len(BIG)))

    def test_the_stores_own_time_is_the_last_modified(self):
        reply = self.get("alice/big.bin", self.alice, method="HEAD")
        self.assertEqual(reply.headers["last-modified"], email.utils.formatdate(1_500_000_000, usegmt=True))

    def test_a_matching_etag_is_304_and_another_is_200(self):
        etag = self.get("alice/big.bin", self.alice, method="HEAD").headers["etag"]
        unchanged = self.get("alice/big.bin", self.alice, headers={"If-None-Match": etag})
        self.assertEqual((unchanged.status, unchanged.body), (304, b""))
        self.assert_served(self.get("alice/big.bin", self.alice, headers={"If-None-Match": '"other"'}), BIG)

    def test_a_matching_etag_opens_nothing_to_a_stranger(self):
        etag = self.get("alice/big.bin", self.alice, method="HEAD").headers["etag"]
        self.assertEqual(self.get("alice/big.bin", self.bob, headers={"If-None-Match": etag}).status, 404)
        self.assertEqual(self.get("alice/big.bin", headers={"If-None-Match": etag}).status, 403)

    def test_if_modified_since(self):
        same = email.utils.formatdate(1_500_000_000, usegmt=True)
        reply = self.get("alice/big.bin", self.alice, headers={"If-Modified-Since": same})
        self.assertEqual(reply.status, 304)
        older = email.utils.formatdate(1_400_000_000, usegmt=True)
        self.assert_served(self.get("alice/big.bin", self.alice, headers={"If-Modified-Since": older}), BIG)

    def test_what_writes_is_refused(self):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            with self.subTest(method):
                reply = self.get("alice/letter.txt", self.alice, method=method, headers={"Content-Length": "0"})
                self.assertEqual(reply.status, 405)

    def test_types_follow_the_name(self):
        for name, expected in (("letter.txt", "text/plain"), ("big.bin", "application/octet-stream")):
            with self.subTest(name):
                self.assertEqual(self.get(f"alice/{name}", self.alice).headers["content-type"], expected)
        self.assertEqual(self.get("album/cat.svg", self.alice).headers["content-type"], "image/svg+xml")
        self.assertEqual(self.nginx.get("/public/public-files/terms.html").headers["content-type"], "text/html")

    def test_a_folder_without_its_slash_redirects_to_itself(self):
        reply = self.get("alice", self.alice)
        self.assertEqual((reply.status, reply.headers["location"]), (301, "/private/alice/"))


class Names(WebTest):
    NAMES = ("with space.txt", "grüße-日本語.txt", "a+b.txt", "100%.txt", "me@home.txt", "a&b=c;d?e#f.txt",
             "quote'\"<>.txt", "back\\slash.txt", "new\nline.txt", "tab\t.txt", "-rf", "...", ".hidden", "%2e%2e", "~")
    RAW_NAMES = (b"latin-1 \xe9.txt", b"\xff\xfe", b"x" * 255, "日".encode() * 85)

    @classmethod
    def populate(cls):
        for name in cls.all_names():
            cls.site.write(b"alice/names/" + name, b"file " + name)
            cls.site.write(b"bob/names/" + name, b"bob's " + name)

    @classmethod
    def all_names(cls):
        return [name.encode() for name in cls.NAMES] + list(cls.RAW_NAMES)

    def test_every_name_is_served(self):
        for name in self.all_names():
            with self.subTest(name):
                self.assert_served(self.get(b"alice/names/" + name, self.alice), b"file " + name)

    def test_every_name_is_hidden_from_a_stranger(self):
        for name in self.all_names():
            with self.subTest(name):
                self.assertEqual(self.get(b"bob/names/" + name, self.alice).status, 404)

    def test_every_name_is_listed(self):
        listing = self.nginx.get("/private/alice/names/", token=self.alice)
        self.assertEqual(listing.status, 200)
        rows = listing.body.count(b"<a href=") - 1  # without "../"
        hidden = sum(name.startswith(b".") for name in self.all_names())
        self.assertEqual(rows, len(self.all_names()) - hidden)  # nginx lists no dot names

    def test_a_single_file_with_an_odd_name_can_be_granted(self):
        for name in ("with space.txt", "100%.txt", "grüße-日本語.txt", "new\nline.txt", "-rf"):
            with self.subTest(name):
                path = f"bob/names/{name}"
                self.site.sql("INSERT INTO grants (principal, path, rights) VALUES ('user:alice', ?, 'read')", (path,))
                self.addCleanup(self.site.sql, "DELETE FROM grants WHERE path = ?", (path,))
                self.assert_served(self.get(path, self.alice), b"bob's " + name.encode())

    def test_a_name_too_long_for_any_file_is_404(self):
        self.assertEqual(self.get(b"alice/names/" + b"x" * 256, self.alice).status, 404)
        self.assertEqual(quoted(b"x" * 256), "x" * 256)
