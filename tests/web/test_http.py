"""What HTTP itself promises of a file: ranges, validators, types, sizes, names. The same on every server."""

import concurrent.futures
import email.utils
import os
import random
import socket

from servers import ask
from web_test import WebTest, digest, on_every_server, quoted

BIG = random.Random(7).randbytes((1 << 20) + 12345)
GIBIBYTE = 1 << 30
MARKS = {0: b"begin", GIBIBYTE // 2 + 1: b"middle", GIBIBYTE - 3: b"end"}  # in a file of zeros


@on_every_server
class Protocol(WebTest):
    @staticmethod
    def populate(site):
        site.write("alice/big.bin", BIG)
        site.write("alice/empty.bin", b"")
        os.utime(site.store / "alice/big.bin", (1_500_000_000, 1_500_000_000))
        with open(site.write("alice/huge.bin"), "r+b") as huge:
            huge.truncate(GIBIBYTE)
            for offset, mark in MARKS.items():
                os.pwrite(huge.fileno(), mark, offset)

    def ranged(self, ranges, **headers):
        return self.get("alice/big.bin", self.alice, headers={"Range": f"bytes={ranges}", **headers})

    def test_a_file_of_more_than_a_mebibyte_arrives_whole(self):
        self.assert_served(self.get("alice/big.bin", self.alice), BIG)

    def test_an_empty_file_is_served(self):
        self.assert_served(self.get("alice/empty.bin", self.alice), b"")

    def test_a_gibibyte_is_served_and_sought(self):
        head = self.get("alice/huge.bin", self.alice, method="HEAD")
        self.assertEqual((head.status, head.headers["content-length"]), (200, str(GIBIBYTE)))
        for offset, mark in MARKS.items():
            last = offset + len(mark) - 1
            reply = self.get("alice/huge.bin", self.alice, headers={"Range": f"bytes={offset}-{last}"})
            self.assertEqual((reply.status, reply.body), (206, mark))
        with socket.create_connection(("127.0.0.1", self.server.port), 20) as connection:
            response = ask(connection, self.server.port, "/private/alice/huge.bin", token=self.alice)
            self.assertEqual(response.read(1 << 20), MARKS[0] + bytes((1 << 20) - len(MARKS[0])))

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
        reply = self.ranged("0-9,5000-5009,-10")
        self.assertEqual(reply.status, 206)
        boundary = reply.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = [part.partition(b"\r\n\r\n")[2][:-2] for part in reply.body.split(b"--" + boundary)[1:-1]]
        self.assertEqual(parts, [BIG[:10], BIG[5000:5010], BIG[-10:]])

    def test_a_range_beyond_the_end_is_416(self):
        self.assertEqual(self.ranged(f"{len(BIG)}-").status, 416)

    def test_a_range_of_anothers_file_is_refused(self):
        self.assert_refused(self.get("alice/big.bin", self.bob, headers={"Range": "bytes=0-9"}), 404)
        self.assert_refused(self.get("alice/big.bin", headers={"Range": "bytes=0-9"}), 403)

    def test_if_range_with_an_old_validator_sends_the_whole(self):
        self.assert_served(self.ranged("0-9", **{"If-Range": '"old"'}), BIG)

    def test_head_says_what_get_would(self):
        head = self.get("alice/big.bin", self.alice, method="HEAD")
        get = self.get("alice/big.bin", self.alice)
        self.assertEqual((head.status, head.body), (200, b""))
        for name in ("content-length", "etag", "last-modified", "content-type"):
            self.assertEqual(head.headers.get(name), get.headers.get(name), name)
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
        for validator in ({"If-None-Match": etag}, {"If-None-Match": "*"}, {"If-Modified-Since": email.utils.formatdate(usegmt=True)}):
            with self.subTest(validator):
                self.assert_refused(self.get("alice/big.bin", self.bob, headers=validator), 404)
                self.assert_refused(self.get("alice/big.bin", headers=validator), 403)

    def test_if_modified_since(self):
        same = email.utils.formatdate(1_500_000_000, usegmt=True)
        reply = self.get("alice/big.bin", self.alice, headers={"If-Modified-Since": same})
        self.assertEqual(reply.status, 304)
        older = email.utils.formatdate(1_400_000_000, usegmt=True)
        self.assert_served(self.get("alice/big.bin", self.alice, headers={"If-Modified-Since": older}), BIG)

    def test_what_writes_changes_nothing_and_opens_nothing(self):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            with self.subTest(method):
                reply = self.get("alice/letter.txt", self.alice, method=method, headers={"Content-Length": "0"})
                if reply.status not in (403, 405, 501):
                    self.assert_served(reply, self.FILES["alice/letter.txt"])  # as to a GET
                self.assert_refused(self.get("bob/secret.txt", self.alice, method=method, headers={"Content-Length": "0"}),
                                    403, 404, 405, 501)
                self.assertEqual((self.site.store / "alice/letter.txt").read_bytes(), self.FILES["alice/letter.txt"])

    def test_types_follow_the_name(self):
        for path, expected in (("alice/letter.txt", "text/plain"), ("album/cat.svg", "image/svg+xml")):
            with self.subTest(path):
                self.assertEqual(self.get(path, self.alice).headers["content-type"].partition(";")[0], expected)
        terms = self.server.get("/public/public-files/terms.html")
        self.assertEqual(terms.headers["content-type"].partition(";")[0], "text/html")

    def test_many_readers_at_once_each_get_their_own(self):
        wanted = [("alice/big.bin", self.alice, BIG), ("bob/secret.txt", self.bob, self.FILES["bob/secret.txt"]),
                  ("alice/big.bin", self.bob, None), ("bob/secret.txt", self.alice, None)] * 12

        def read(case):
            reply = self.get(*case[:2])
            return (reply.status, digest(reply.body) if reply.status == 200 else None)

        with concurrent.futures.ThreadPoolExecutor(8) as readers:
            answers = list(readers.map(read, wanted))
        self.assertEqual(answers, [(200, digest(data)) if data else (404, None) for _, _, data in wanted])


NAMES = ("with space.txt", "grüße-日本語.txt", "a+b.txt", "100%.txt", "me@home.txt", "a&b=c;d?e#f.txt",
         "quote'\"<>.txt", "back\\slash.txt", "new\nline.txt", "tab\t.txt", "-rf", "...", ".hidden", "%2e%2e", "~",
         "$1%1${x}{y}", "*")
RAW_NAMES = (b"latin-1 \xe9.txt", b"\xff\xfe", b"x" * 255, "日".encode() * 85)
ALL_NAMES = [*(name.encode() for name in NAMES), *RAW_NAMES]


@on_every_server
class Names(WebTest):
    # What a server itself does not take in a URL, wherever the file lies.
    UNTAKEN = {"lighttpd": (b"new\nline.txt", b"tab\t.txt", b"\xff\xfe"), None: ()}

    @staticmethod
    def populate(site):
        for name in ALL_NAMES:
            site.write(b"alice/names/" + name, b"file " + name)
            site.write(b"bob/names/" + name, b"bob's " + name)

    def test_every_name_is_served(self):
        for name in ALL_NAMES:
            with self.subTest(name):
                reply = self.get(b"alice/names/" + name, self.alice)
                if name in self.expected(self.UNTAKEN):
                    self.assert_refused(reply, 400, 403, 404)
                else:
                    self.assert_served(reply, b"file " + name)

    def test_every_name_is_hidden_from_a_stranger(self):
        for name in ALL_NAMES:
            with self.subTest(name):
                self.assert_refused(self.get(b"bob/names/" + name, self.alice), 400, 404)

    def test_a_single_file_with_an_odd_name_can_be_granted(self):
        for name in ("with space.txt", "100%.txt", "grüße-日本語.txt", "-rf"):
            with self.subTest(name):
                path = f"bob/names/{name}"
                self.site.sql("INSERT INTO grants (principal, path, rights) VALUES ('user:alice', ?, 'read')", (path,))
                self.addCleanup(self.site.sql, "DELETE FROM grants WHERE path = ?", (path,))
                self.assert_served(self.get(path, self.alice), b"bob's " + name.encode())

    def test_a_name_too_long_for_any_file_is_refused(self):
        self.assert_refused(self.get(b"alice/names/" + b"x" * 256, self.alice), 403, 404, 500)
        self.assertEqual(quoted(b"x" * 256), "x" * 256)
