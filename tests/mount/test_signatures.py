"""Signed URLs on the real mount: our own tokens, and those of nginx's secure_link."""

import base64
import errno
import hashlib
import hmac
import json
import os
import stat
import time

from fixture import PolicyTest, names, read
from harness import as_user, outcome, wait_for

FILM = b"film\n"
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
FAR = 4_000_000_000


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(path, expires=FAR, address="-", key="k1", secret=SECRET):
    """A token, as any program can make one."""
    payload = os.fsencode(f"{key} {expires} {address} {path}")
    return base64url(hmac.new(secret.encode(), payload, hashlib.sha256).digest() + payload)


def md5(uri, expires=FAR, address="", secret="s3cret"):
    """As nginx's documentation makes it: openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =."""
    return base64url(hashlib.md5(os.fsencode(f"{expires}{uri}{address} {secret}")).digest())


class Signed(PolicyTest):
    OPTIONS = ""

    def setUp(self):
        super().setUp()
        self.site.write("up/7f/film.mp4", FILM)
        self.site.write("up/7f/sub/note.txt", b"note\n")
        self.site.write("other/secret.txt", b"secret\n")
        self.site.grantctl("key", "create", "--id", "k1", "--path", "up", "--secret", "-", input=SECRET)
        self.site.grantctl("key", "create", "--id", "k2", "--format", "md5", "--uri-prefix", "/files/", "--path", "up",
                           "--expression", "$secure_link_expires$uri $secret", "--secret", "-", input="s3cret")
        self.site.mount(self.OPTIONS)

    def signed(self, name, *parts):
        return self.site.path("by-signature", name, *parts)

    def by_md5(self, *parts, uri="/files/7f/film.mp4", expires=FAR, **kwargs):
        return self.site.path("by-md5", expires, md5(uri, expires, **kwargs), *parts)

    def url(self, uri="/files/7f/film.mp4", **kwargs):
        return self.by_md5(uri[1:], uri=uri, **kwargs)

    def two_prefixes(self):
        """A URL that leads elsewhere once there is another key, for a folder of its own below the first one's prefix."""
        self.site.write("vip/film.mp4", b"very important\n")
        self.site.write("up/vip/film.mp4", FILM)
        return self.url("/files/vip/film.mp4")

    def create_longer(self, secret="s3cret"):
        self.site.grantctl("key", "create", "--id", "k8", "--format", "md5", "--uri-prefix", "/files/vip/", "--path", "vip",
                           "--expression", "$secure_link_expires$uri $secret", "--secret", "-", input=secret)


class OurTokens(Signed):
    def test_a_signature_opens_what_was_signed_and_nothing_beside_it(self):
        """Promise 1: the file below the door, by its own name; a folder with all that is in it."""
        one = token("up/7f/film.mp4")
        self.assertEqual(read(self.signed(one, "film.mp4")), FILM)
        self.assertEqual(names(self.signed(one)), ["film.mp4"])
        for name in ("sub", "note.txt", "up", "7f", "nothing", "film.mp4~"):
            self.assert_absent(self.signed(one, name))
        folder = token("up/7f")
        self.assertEqual(names(self.signed(folder)), ["7f"])
        self.assertEqual(names(self.signed(folder, "7f")), ["film.mp4", "sub"])
        self.assertEqual(read(self.signed(folder, "7f/sub/note.txt")), b"note\n")
        self.assertEqual(read(self.signed(token("up/7f/sub"), "sub/note.txt")), b"note\n")

    def test_what_grantctl_signs_is_what_any_program_signs(self):
        made = json.loads(self.site.grantctl("--json", "sign", "up/7f/film.mp4", "--expires", "1h", "--url-prefix",
                                             "https://example.org/s").stdout)
        one = made["door"].removeprefix("by-signature/")
        self.assertEqual(one, token("up/7f/film.mp4", made["expires"]))
        self.assertEqual(made["url"], f"https://example.org/s/{one}/film.mp4")
        self.assertEqual(read(self.signed(one, "film.mp4")), FILM)
        self.assertEqual(self.site.grantctl("check", "signature:-", "up/7f/film.mp4", input=one).stdout.split(":")[0], "allow")
        made = json.loads(self.site.grantctl("--json", "sign", "up/7f/film.mp4", "--expires", "1h", "--key", "k2").stdout)
        self.assertEqual(read(self.site.path(made["door"], made["rest"])), FILM)

    def test_nothing_forged_passes_the_door(self):
        """Promise 1: EACCES, whatever is wrong with it."""
        good = token("up/7f/film.mp4")
        self.assertEqual(outcome(read, self.signed(good, "film.mp4")), "OK")
        forged = {
            "another key's": token("up/7f/film.mp4", secret=SECRET + "!"),
            "of no key": token("up/7f/film.mp4", key="k3"),
            "of a key for md5": token("up/7f/film.mp4", key="k2", secret="s3cret"),
            "outside the key's path": token("other/secret.txt"),
            "the whole store": token(""),
            "beside the key's path": token("upper"),
            "expired": token("up/7f/film.mp4", 1_000_000_000),
            "with dots": token("up/../other/secret.txt"),
            "a leading zero": token("up/7f/film.mp4", "0" + str(FAR)),
            "bound to an address": token("up/7f/film.mp4", address="192.0.2.1"),
            "padded": good + "=", "extended": good + "A", "twice": good + good,
            "in capitals": good.upper(), "payload alone": good[43:], "": "x",
            "standard base64": good.replace("-", "+").replace("_", "."),
            "another path": good[:-8] + token("up/7f/film.mp5")[-8:],
        }
        forged |= {f"cut to {size}": good[:size] for size in range(1, len(good))}
        forged |= {f"changed at {i}": good[:i] + ("A" if good[i] != "A" else "B") + good[i + 1:] for i in range(len(good))}
        before = self.site.counters()["errors"]
        for what, one in forged.items():
            if one == good:
                continue
            for function, path in ((os.stat, self.signed(one)), (read, self.signed(one, "film.mp4")), (os.listdir, self.signed(one))):
                self.assertEqual(outcome(function, path), "EACCES", what)
        self.assertEqual(self.site.counters()["errors"], before)
        self.assertEqual(outcome(read, self.signed(good, "film.mp4")), "OK")

    def test_the_door_is_neither_listed_nor_without_a_signature(self):
        for uid in (self.stranger, 0):
            self.assertEqual(as_user(uid, outcome, os.listdir, str(self.site.path("by-signature"))), "EACCES")
            self.assertEqual(as_user(uid, outcome, os.listdir, str(self.site.path("by-md5"))), "EACCES")
        self.assertEqual(as_user(self.stranger, read, str(self.signed(token("up/7f/film.mp4"), "film.mp4"))), FILM)

    def test_taking_the_key_away_takes_what_it_signed(self):
        """Promise 2: when the command has returned, nothing opens by it; another key's stays."""
        self.site.grantctl("key", "create", "--id", "k9", "--path", "up", "--secret", "-", input=SECRET)
        mine, others = token("up/7f/film.mp4"), token("up/7f/film.mp4", key="k9")
        urls = [self.url(), self.url("/files/7f/sub/note.txt")]

        def opened(path):
            self.assertEqual(outcome(read, path), "OK")
            self.assertEqual(outcome(os.listdir, path.parent), "OK")

        opened(self.signed(mine, "film.mp4"))
        opened(self.signed(others, "film.mp4"))
        self.site.grantctl("key", "retire", "k1")
        for path in (self.signed(mine), self.signed(mine, "film.mp4")):
            self.assertEqual(outcome(os.stat, path), "EACCES")
        opened(self.signed(others, "film.mp4"))
        for url in urls:
            self.assertEqual(outcome(read, url), "OK")
        self.site.grantctl("key", "rm", "k2")
        for url in urls:
            self.assertEqual(outcome(os.stat, url), "EACCES")
        held = os.open(self.signed(others), os.O_PATH)
        self.addCleanup(os.close, held)
        self.site.grantctl("key", "rm", "k9")
        self.assertEqual(outcome(os.stat, self.signed(others, "film.mp4")), "EACCES")
        self.assertEqual(outcome(os.open, "film.mp4", os.O_RDONLY, dir_fd=held), "EACCES")

    def test_another_writer_may_take_it_away_too(self):
        """Promise 2: another secret, another path, an earlier retirement, by plain SQL."""
        one = self.signed(token("up/7f/film.mp4"), "film.mp4")
        for change, back in (("secret = zeroblob(32)", f"secret = CAST('{SECRET}' AS BLOB)"), ("path = 'up/8'", "path = 'up'"),
                             ("retired = 5", "retired = NULL"), ("format = 'md5:$uri', uri_prefix = '/'", "format = 'hmac-sha256', uri_prefix = NULL"),
                             ("id = 'k7'", "id = 'k1'")):
            self.assertEqual(outcome(read, one), "OK", change)
            self.site.sql(f"UPDATE signing_keys SET {change} WHERE id = 'k1'")
            wait_for(lambda: outcome(read, one) == "EACCES", what=change)
            key = "k7" if "k7" in change else "k1"
            self.site.sql(f"UPDATE signing_keys SET {back} WHERE id = '{key}'")

    def test_it_ends_to_the_second(self):
        """Promise 3: nothing opens at or after the expiry, nor the key's retirement, cached or not."""
        expires = int(time.time()) + 2
        self.site.sql("UPDATE signing_keys SET retired = ? WHERE id = 'k2'", (expires,))
        paths = [self.signed(token("up/7f/film.mp4", expires), "film.mp4"), self.url("/files/7f/sub/note.txt", expires=expires), self.url()]
        late, seen = [], 0
        while time.time() < expires + 0.2:
            for path in paths:
                begun = time.time()
                if outcome(read, path) == "OK":
                    seen += 1
                    if begun >= expires:
                        late.append((path.name, begun - expires))
        self.assertEqual(late, [])
        self.assertGreater(seen, 3)
        self.assertEqual([outcome(read, path) for path in paths], ["EACCES", "EACCES", "EISDIR"])

    def test_what_is_bound_to_an_address_opens_below_it_alone(self):
        one = token("up/7f/film.mp4", address="192.0.2.0/24")
        self.assertEqual(read(self.site.path("from/192.0.2.7/by-signature", one, "film.mp4")), FILM)
        for where in ("by-signature", "from/192.0.3.7/by-signature", "from/2001:db8::1/by-signature"):
            self.assertEqual(outcome(read, self.site.path(where, one, "film.mp4")), "EACCES")
        self.site.grantctl("key", "create", "--id", "k4", "--format", "md5", "--uri-prefix", "/s/", "--path", "up", "--secret", "-", input="secret")
        url = f"{FAR}/{md5('/s/7f/film.mp4', address='192.0.2.7', secret='secret')}/s/7f/film.mp4"
        self.assertEqual(read(self.site.path("from/192.0.2.7/by-md5", url)), FILM)
        for where in ("by-md5", "from/192.0.2.8/by-md5", "from/2001:db8::1/by-md5"):
            self.assertEqual(outcome(read, self.site.path(where, url)), "EISDIR")

    def test_no_token_gets_into_the_log(self):
        """Promise 11: nor a secret."""
        good, bad = token("up/7f/film.mp4"), token("up/7f/film.mp4", key="k3")
        for one in (good, bad):
            outcome(read, self.signed(one, "film.mp4"))
        outcome(read, self.url())
        said = self.site.grantctl("check", "signature:-", "up/7f/film.mp4", input=bad, check=False)
        shown = self.site.grantctl("key", "ls").stdout + self.site.grantctl("--json", "key", "ls").stdout
        self.site.umount()
        for text in (self.site.log(), said.stdout + said.stderr, shown):
            for hidden in (good[:20], bad[:20], SECRET, "s3cret", md5("/files/7f/film.mp4")):
                self.assertNotIn(hidden, text)


class SecureLink(Signed):
    def test_a_url_of_secure_link_opens_its_file(self):
        self.assertEqual(read(self.url()), FILM)
        self.assertEqual(read(self.url("/files/7f/sub/note.txt")), b"note\n")
        self.site.write("up/a b/é+%&.txt", b"odd\n")
        self.assertEqual(read(self.url("/files/a b/é+%&.txt")), b"odd\n")
        self.assertTrue(stat.S_ISREG(os.stat(self.url()).st_mode))

    def test_a_signed_uri_that_is_no_file_is_absent(self):
        for uri in ("/files/7f", "/files/7f/missing", "/files/none/film.mp4"):
            self.assert_absent(self.url(uri))

    def test_nothing_on_the_way_tells_what_exists(self):
        """Promise 5: to stat, readdir, open and a walk, what exists and what does not are the same at every level."""
        def described(path):
            found = os.stat(path)
            return (found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_nlink, found.st_mtime_ns, found.st_atime_ns,
                    found.st_ctime_ns, found.st_blocks, found.st_blksize, outcome(os.listdir, path), os.listdir(path),
                    outcome(os.open, path, os.O_RDONLY), outcome(os.open, path, os.O_RDONLY | os.O_DIRECTORY), outcome(read, path),
                    outcome(os.readlink, path), outcome(os.open, path, os.O_WRONLY), outcome(os.access, path, os.R_OK))

        forged = self.by_md5(uri="/files/8")
        ways = ["", "files", "nothing", "files/7f", "files/none", "files/7f/film.mp4", "files/7f/missing", "files/7f/sub", "files/7f/sub/note.txt",
                "other", "other/secret.txt", "up/7f/film.mp4", "files/../x", "files/7f/film.mp4/deeper", "é", "7f", "by-md5"]
        expected = described(forged)
        self.assertTrue(stat.S_ISDIR(expected[0]))
        self.assertEqual(expected[11], [])
        for way in ways:
            self.assertEqual(described(forged / way), expected, way)
        # On the way of a good one, too: all but the file.
        for way in ("", "files", "files/7f", "files/7f/sub", "files/7f/missing", "files/none/film.mp4", "7f/film.mp4"):
            self.assertEqual(described(self.by_md5(way)), expected, way)

    def test_what_exists_costs_the_upcalls_of_what_does_not(self):
        """Promise 5: by number and kind."""
        def counted(way):
            before = self.site.counters()
            self.assertEqual(outcome(read, self.by_md5("files", way, uri="/files/forged" + way)), "EISDIR")
            after = self.site.counters()
            # A release comes when it likes: who closes does not wait for it.
            return {name: after[name] - before[name] for name in after
                    if name.startswith("upcalls_") and "release" not in name or name in ("denials", "errors")}

        def upcalls(way):
            # The least of three: a lease of the mount's own folders may end in the middle of one.
            counts = [counted(way) for _ in range(3)]
            return {name: min(each[name] for each in counts) for name in counts[0]}

        upcalls("8f/any.mp4")  # what both have in common is known now, if it is lent
        self.assertEqual(upcalls("7f/film.mp4"), upcalls("9e/none.mp4"))
        self.assertEqual(upcalls("7f/film.mp4/x"), upcalls("9e/none.mp4/x"))

    def test_nothing_forged_opens(self):
        good = md5("/files/7f/film.mp4")
        for sum in (md5("/files/7f/film.mp4", secret="secret"), md5("/files/7f/film.mp5"), md5("/files/7f/film.mp4", FAR + 1), good[::-1][:21] + "A"):
            self.assertIn(outcome(read, self.site.path("by-md5", FAR, sum, "files/7f/film.mp4")), ("EISDIR", "EACCES"))
        for sum in (good + "===", good + "A", good[:-1], good[:-1] + "=", "x", good + good, good.replace("-", "+") + "+", "=" + good):
            self.assertEqual(outcome(read, self.site.path("by-md5", FAR, sum, "files/7f/film.mp4")), "EACCES")
        for expires in ("0", "000", "-1", "+1", "1e9", "x", "١", "99999999999999999999", 1_000_000_000):
            self.assertEqual(outcome(read, self.site.path("by-md5", expires, md5("/files/7f/film.mp4", expires), "files/7f/film.mp4")), "EACCES")
        # Another URI of the same file, or the same beneath another prefix.
        for way in ("files/7f/../7f/film.mp4", "up/7f/film.mp4", "7f/film.mp4", "files/7f/film.mp4/", "FILES/7f/film.mp4"):
            path = f"{self.by_md5()}/{way}"
            self.assertIn(outcome(read, path), ("OK",) if way.startswith("files/7f/..") else ("EISDIR", "ENOTDIR"), way)
        self.assertEqual(outcome(read, self.url("/other/secret.txt")), "EISDIR")
        self.assertEqual(outcome(read, self.url("/files/../other/secret.txt")), "EISDIR")

    def test_every_spelling_that_nginx_takes_is_taken_and_ends_with_the_key(self):
        good, uri = md5("/files/7f/film.mp4"), "files/7f/film.mp4"
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(good[-1])
        spelt = [self.site.path("by-md5", FAR, each, uri) for each in
                 (good, good + "=", good + "==", good + "=x", *(good[:-1] + alphabet[last + unused] for unused in range(16)))]
        spelt += [self.site.path("by-md5", expires, md5("/" + uri, expires), uri) for expires in (f"0{FAR}", f"000{FAR}", "0" * 200 + str(FAR))]
        for _ in range(2):  # and lent
            for path in spelt:
                self.assertEqual(outcome(read, path), "OK", path)
        for wrong in (16, 32, 48):  # bits that are used
            other = good[:-1] + alphabet[(last + wrong) % 64]
            self.assertEqual(outcome(read, self.site.path("by-md5", FAR, other, uri)), "EISDIR")
        self.assertEqual(outcome(read, self.site.path("by-md5", f"0{FAR}", good, uri)), "EISDIR")  # zeros are hashed too
        self.site.grantctl("key", "rm", "k2")
        for path in spelt:  # a folder on the way is lent for a while yet, and empty
            self.assertIn(outcome(read, path), ("EACCES", "EISDIR"), path)

    def test_what_has_expired_is_told_from_what_is_forged(self):
        """expired/: an empty file where the signature was right, so that a server can answer 410."""
        past = 1_500_000_000
        uri = "/files/7f/film.mp4"
        good = self.site.path("expired/by-md5", past, md5(uri, past), uri[1:])
        self.assertTrue(stat.S_ISREG(os.stat(good).st_mode))
        self.assertEqual(read(good), b"")
        for path in (self.site.path("expired/by-md5", past, md5(uri, past, secret="x"), uri[1:]), good.parent,
                     self.site.path("expired/by-md5", FAR, md5(uri), uri[1:]), self.site.path("expired/by-md5", past, md5(uri, past), "files/7f/other")):
            self.assertTrue(stat.S_ISDIR(os.stat(path).st_mode), path)
        self.assertEqual(read(self.site.path("expired", token("up/7f/film.mp4", past))), b"")
        for one in (token("up/7f/film.mp4"), token("up/7f/film.mp4", past, key="k3"), token("other/secret.txt", past)):
            self.assert_absent(self.site.path("expired", one))
        self.site.grantctl("key", "rm", "k2")
        wait_for(lambda: stat.S_ISDIR(os.stat(good).st_mode), what="the key to be gone")

    def test_the_longest_prefix_decides_alone(self):
        """Promises 1, 2: with one secret, a URL leads to one place; what changes that is known when the command has returned."""
        url = self.two_prefixes()
        for _ in range(5):  # so that it is in steady use
            self.assertEqual(read(url), FILM)
        self.create_longer()
        for _ in range(5):
            self.assertEqual(read(url), b"very important\n")
        self.assertEqual(read(self.url()), FILM)
        self.site.grantctl("key", "retire", "k8")
        self.assertEqual(outcome(read, url), "EISDIR")
        self.assertTrue(stat.S_ISREG(os.stat(self.site.path("expired/by-md5", FAR, md5("/files/vip/film.mp4"), "files/vip/film.mp4")).st_mode))
        self.site.grantctl("key", "rm", "k8")
        self.assertEqual(read(url), FILM)

    def test_a_key_with_a_longer_prefix_takes_away(self):
        """Promise 2: URLs that were the shorter prefix's, where the new key has another secret."""
        url = self.two_prefixes()
        self.assertEqual(read(url), FILM)
        self.create_longer("another")
        self.assertEqual(outcome(read, url), "EISDIR")
        self.assertEqual(read(self.url()), FILM)

    def test_a_path_longer_than_any_uri_ends(self):
        """Promise 15: whoever goes down for ever meets an end."""
        held = os.open(self.by_md5(), os.O_PATH)
        try:
            for depth in range(40):
                try:
                    deeper = os.open("x" * 200, os.O_PATH, dir_fd=held)
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOENT)
                    break
                os.close(held)
                held = deeper
            self.assertLess(depth, 21)
        finally:
            os.close(held)


class Lent(Signed):
    """What all of the above is not about: tests/run.py runs it with leases too."""

    OPTIONS = "enforce=lease,lease=60"

    def setUp(self):
        super().setUp()
        self.need_leases()

    def test_what_is_lent_is_recalled_with_the_key(self):
        """Promise 2, where the kernel would not have asked for a minute."""
        paths = [self.signed(token("up/7f/film.mp4"), "film.mp4"), self.signed(token("up"), "up/7f/film.mp4"), self.url()]
        for path in paths:
            self.assertEqual(outcome(read, path), "OK")
        for key in ("k1", "k2"):
            self.site.grantctl("key", "retire", key)
        self.assertEqual([outcome(read, path) for path in paths], ["EACCES", "EACCES", "EISDIR"])

    def test_what_is_lent_is_recalled_where_a_uri_leads_elsewhere(self):
        """Promise 2, where the kernel would not have asked for a minute: by our command, and by another writer."""
        url = self.two_prefixes()
        for _ in range(5):  # a file in steady use is lent for longer
            self.assertEqual(read(url), FILM)
        self.create_longer()
        for _ in range(5):
            self.assertEqual(read(url), b"very important\n")
        self.site.grantctl("key", "rm", "k8")
        self.assertEqual(read(url), FILM)
        self.create_longer("another")
        self.assertEqual(outcome(read, url), "EISDIR")
        self.site.grantctl("key", "rm", "k8")
        self.assertEqual(read(url), FILM)
        self.site.sql("UPDATE signing_keys SET path = '.' WHERE id = 'k2'")
        wait_for(lambda: read(url) == b"very important\n", what="the other file")
        self.site.grantctl("key", "rm", "k2")
        self.assertIn(outcome(read, url), ("EACCES", "EISDIR"))  # the way there may be lent yet, an empty folder

    def test_what_is_lent_follows_the_move_of_its_folder(self):
        """Promise 2, where the kernel would not have asked for a minute: keys move and go with their path, in one transaction."""
        url, folder = self.url(), token("up/7f")
        signed = self.signed(folder, "7f/film.mp4")
        self.assertEqual((read(url), read(signed)), (FILM, FILM))
        os.rename(self.site.store / "up", self.site.store / "down")
        self.site.write("up/7f/film.mp4", b"of whoever came next\n")
        self.site.grantctl("mv", "up", "down")
        self.assertEqual(read(url), FILM)
        self.assertEqual(outcome(read, signed), "EACCES")
        self.assertEqual(read(self.signed(token("down/7f"), "7f/film.mp4")), FILM)
        self.site.grantctl("drop", "down/7f", check=False)  # the keys are above it, and count on
        self.assertEqual(read(url), FILM)
        self.site.grantctl("drop", "down")
        self.assertIn(outcome(read, url), ("EACCES", "EISDIR"))  # the way there may be lent yet, an empty folder
        self.assertEqual(outcome(read, self.signed(token("down/7f"), "7f/film.mp4")), "EACCES")

    def test_what_is_lent_ends_to_the_second(self):
        """Promise 3, where the kernel would not have asked for a minute."""
        expires = int(time.time()) + 2
        paths = [self.signed(token("up/7f/film.mp4", expires), "film.mp4"), self.url(expires=expires)]
        while time.time() < expires:
            opened = [outcome(read, path) for path in paths]
            self.assertTrue("EACCES" not in opened or time.time() >= expires, opened)
        self.assertEqual([outcome(read, path) for path in paths], ["EACCES", "EACCES"])

    def test_while_lent_it_opens_without_an_upcall(self):
        urls = [self.url(), self.signed(token("up/7f/film.mp4"), "film.mp4")]
        for url in urls:
            read(url)
            read(url)  # the way to a URI is lent once it has led to a file
        before = self.site.counters()
        for _ in range(20):
            for url in urls:
                self.assertEqual(read(url), FILM)
        after = self.site.counters()
        self.assertEqual({name: after[name] - before[name] for name in after if name.startswith("upcalls_") and after[name] != before[name]}, {})

    def test_what_is_made_up_is_never_lent(self):
        """Promise 15: nobody fills the lists of what is to be recalled with names that he makes up."""
        made_up = self.by_md5("files/7f/film.mp4", uri="/other")
        read(self.url())
        read(self.url())
        for path in (made_up, self.by_md5("files/8f/film.mp4"), self.by_md5("a/b/c")):
            os.stat(path)
            before = self.site.counters()["upcalls_lookup"]
            for _ in range(3):
                os.stat(path)
            self.assertGreaterEqual(self.site.counters()["upcalls_lookup"] - before, 6, path)
        self.site.grantctl("key", "retire", "k2")
        self.assertLessEqual(self.site.counters()["recalled_entries"], 5)

    def test_without_a_key_there_is_no_way_in(self):
        self.assertEqual(outcome(os.stat, self.by_md5("a")), "OK")
        self.site.grantctl("key", "rm", "k2")
        self.assertEqual(outcome(os.stat, self.by_md5("a")), "EACCES")
        self.assertEqual(outcome(os.stat, self.by_md5()), "EACCES")

    def test_views_share_a_file_s_node(self):
        """The bytes are cached once, whoever signed, where none but servers pass the doors."""
        self.site.umount()
        self.site.mount(self.OPTIONS + ",server_group=www-data")
        read(self.url())
        before = self.site.counters()["upcalls_read"]
        read(self.signed(token("up/7f/film.mp4"), "film.mp4"))
        read(self.signed(token("up/7f"), "7f/film.mp4"))
        self.assertEqual(self.site.counters()["upcalls_read"], before)
