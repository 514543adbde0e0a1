"""Signing keys and signatures, by grantctl."""

import base64
import hashlib
import hmac
import subprocess

from fake_daemon import FakeDaemon
from grantctl_case import DENIED, DONE, GRANTCTL, TROUBLE, USAGE, Case

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Keys(Case):
    def key(self, *options, secret=SECRET):
        return self.ok("key", "create", *options, "--secret", "-", input=secret).strip()

    def test_a_secret_is_printed_once_when_made(self):
        made = self.ok("key", "create", "--path", "up")
        self.assertRegex(made, r"\A[a-z2-7]{8} [a-z2-7]{52}\n\Z")
        key, secret = made.split()
        document = self.json("key", "create", "--id", "K2")
        self.assertEqual((document["id"], len(document["secret"]), document["format"]), ("K2", 52, "signature"))
        self.assertNotEqual(document["secret"], secret)
        for shown in (self.ok("key", "ls"), self.ok("--json", "key", "ls"), self.ok("ls")):
            self.assertNotIn(secret, shown)
        keys = self.json("key", "ls")["keys"]
        self.assertCountEqual([(row["id"], row["path"], row["retired"]) for row in keys], [(key, "up", None), ("K2", ".", None)])
        self.assertEqual(keys, sorted(keys, key=lambda row: (row["created"], row["id"])))

    def test_a_secret_is_never_an_argument(self):
        done = self.exits(USAGE, "key", "create", "--secret", SECRET)
        self.assertNotIn(SECRET, done.stderr)
        self.assertEqual(self.json("key", "ls")["keys"], [])

    def test_what_a_key_must_be(self):
        self.exits(USAGE, "key", "create", "--secret", "-", input="too short")
        self.exits(USAGE, "key", "create", "--secret", "-", input="x" * 1025)
        self.exits(USAGE, "key", "create", "--secret", "-", input="")
        self.exits(USAGE, "key", "create", "--id", "no_good")
        self.exits(USAGE, "key", "create", "--format", "sha1")
        self.exits(USAGE, "key", "create", "--uri-prefix", "/s/")
        self.exits(USAGE, "key", "create", "--expression", "$uri")
        self.exits(USAGE, "key", "create", "--format", "md5")
        self.exits(USAGE, "key", "create", "--format", "md5", "--uri-prefix", "s/")
        for unsafe in ("$uri $secret", "$secure_link_expires $secret", "$secure_link_expires$uri", "$secure_link_expires$uri$arg_x $secret"):
            self.exits(USAGE, "key", "create", "--format", "md5", "--uri-prefix", "/s/", "--expression", unsafe)
        long = self.exits(USAGE, "key", "create", "--format", "md5", "--uri-prefix", "/" + "x" * 4096, input="secret").stderr
        self.assertIn("4096 bytes at most", long)
        long = self.exits(USAGE, "key", "create", "--format", "md5", "--uri-prefix", "/s/", "--expression",
                          "$secure_link_expires$uri $secret" + " " * 4096, input="secret").stderr
        self.assertIn("longer than 4092 bytes", long)
        self.assertEqual(self.json("key", "ls")["keys"], [])
        self.key("--id", "k1")
        self.assertIn("key rm k1", self.exits(DENIED, "key", "create", "--id", "k1").stderr)

    def test_sign_makes_what_any_language_makes(self):
        self.key("--id", "k1", "--path", "up")
        for address, claimed in (((), "-"), (("--address", "2001:DB8::/64"), "2001:db8::/64")):
            made = self.json("sign", "up/a b/é.txt", "--expires", "2030-01-31T12:00:00Z", *address)
            payload = f"k1 1896091200 {claimed} up/a b/é.txt".encode()
            self.assertEqual(made["door"], "by-signature/" + base64url(hmac.new(SECRET.encode(), payload, hashlib.sha256).digest() + payload))
        self.assertEqual(self.ok("sign", "up/a b/é.txt", "--expires", "2030-01-31T12:00:00Z", "--url-prefix", "https://x.example/s").strip(),
                         f"https://x.example/s/{self.ok('sign', 'up/a b/é.txt', '--expires', '2030-01-31T12:00:00Z').strip()}/%C3%A9.txt")

    def test_sign_makes_what_nginx_documents(self):
        self.key("--id", "m1", "--format", "md5", "--uri-prefix", "/s/", "--path", "up", secret="secret")
        url = self.ok("sign", "up/link", "--key", "m1", "--address", "127.0.0.1", "--expires", "2038-01-19T03:14:07Z", "--url-prefix", "https://x/m/")
        self.assertEqual(url, "https://x/m/2147483647/_e4Nc3iduzkWRm01TBBNYw/s/link\n")
        self.exits(USAGE, "sign", "up/link", "--key", "m1", "--expires", "1h")
        self.exits(USAGE, "sign", "up", "--key", "m1", "--expires", "1h", "--address", "127.0.0.1")

    def md5_key(self, key, prefix, path, secret="secret"):
        return self.exits(DONE, "key", "create", "--id", key, "--format", "md5", "--uri-prefix", prefix, "--path", path,
                          "--expression", "$secure_link_expires$uri $secret", "--secret", "-", input=secret).stderr

    def test_the_key_with_the_longest_uri_prefix_signs_alone(self):
        self.md5_key("m1", "/s/", "up")
        self.assertEqual(self.md5_key("m2", "/s/up", "up"), "grantctl: note: URIs below '/s/up' are this key's alone from now on; "
                         "what m1 signed there opens no more, unless this key would have signed it\n")
        self.assertEqual(self.md5_key("m3", "/s/upper", "u"), self.md5_key("m4", "/s/", "up", "other") +
                         "grantctl: note: URIs below '/s/upper' are this key's alone from now on; what m1 signed there opens no more, "
                         "unless this key would have signed it\n")
        refused = self.exits(DENIED, "sign", "up/up/a", "--key", "m1", "--expires", "1h").stderr
        self.assertIn("'/s/up/a' lies below '/s/up', the longer URI prefix of the key m2", refused)
        self.ok("sign", "up/up", "--key", "m1", "--expires", "1h")
        self.ok("sign", "up/a", "--key", "m2", "--expires", "1h")

    def test_one_url_cannot_lead_to_two_places(self):
        self.md5_key("m1", "/s/", "up")
        create = ("key", "create", "--id", "m2", "--format", "md5", "--expression", "$secure_link_expires$uri $secret", "--secret", "-")
        refused = self.exits(DENIED, *create, "--uri-prefix", "/s", "--path", "down", input="secret").stderr
        self.assertIn("the key m1 has this secret and this URI prefix already, and leads to 'up'", refused)
        self.assertEqual([key["id"] for key in self.json("key", "ls")["keys"]], ["m1"])
        self.ok(*create, "--uri-prefix", "/s", "--path", "down", input="another")
        self.md5_key("m3", "/s", "up")

    def test_what_cannot_be_signed(self):
        self.assertIn("key create", self.exits(DENIED, "sign", "up/a", "--expires", "1h").stderr)
        self.key("--id", "k1", "--path", "up")
        self.exits(DENIED, "sign", "other", "--expires", "1h")
        self.exits(DENIED, "sign", "other", "--expires", "1h", "--key", "k1")
        self.exits(DENIED, "sign", "up/a", "--expires", "1h", "--key", "k2")
        self.exits(USAGE, "sign", "up/a")
        self.exits(USAGE, "sign", "up/a", "--expires", "2001-01-31T12:00:00Z")
        self.exits(USAGE, "sign", "up/a", "--expires", "1h", "--address", "localhost")
        self.assertIn("a folder above it", self.exits(USAGE, "sign", "up/" + "x" * 200, "--expires", "1h").stderr)
        self.ok("key", "retire", "k1")
        self.exits(DENIED, "sign", "up/a", "--expires", "1h")
        self.exits(DENIED, "sign", "up/a", "--expires", "1h", "--key", "k1")

    def test_keys_rotate(self):
        """The newest that lasts is chosen; what a retired one signed ends with it."""
        self.key("--id", "old", "--path", "up")
        old = self.json("sign", "up/a", "--expires", "1h")
        self.assertEqual(old["key"], "old")
        self.key("--id", "renewed", "--path", "up")
        self.assertEqual(self.json("sign", "up/a", "--expires", "1h")["key"], "renewed")
        self.ok("key", "retire", "renewed", "--at", "10m")
        self.assertEqual(self.json("sign", "up/a", "--expires", "1h")["key"], "old")
        note = self.exits(DONE, "sign", "up/a", "--expires", "1h", "--key", "renewed").stderr
        self.assertIn("renewed retires at", note)
        self.exits(DONE, "check", "signature:-", "up/a", input=old["door"].split("/")[1])
        self.ok("key", "retire", "old")
        self.assertIn("was retired", self.exits(DENIED, "check", "signature:-", "up/a", input=old["door"].split("/")[1]).stdout)
        self.assertEqual(self.json("key", "rm", "old")["signing_keys"], 1)
        self.exits(DENIED, "key", "rm", "old")
        self.exits(DENIED, "key", "retire", "old")

    def test_check_says_why(self):
        self.key("--id", "k1", "--path", "up")
        token = self.ok("sign", "up/a", "--expires", "1h").strip()
        self.assertIn("by a signature of the key k1", self.exits(DONE, "check", "signature:-", "up/a/b", input=token).stdout)
        self.assertIn("for 'up/a' alone", self.exits(DENIED, "check", "signature:-", "up/b", input=token).stdout)
        bound = self.ok("sign", "up/a", "--expires", "1h", "--address", "192.0.2.7").strip()
        self.assertIn("bound to the address 192.0.2.7", self.exits(DENIED, "check", "signature:-", "up/a", input=bound).stdout)
        self.exits(DONE, "check", "signature:-", "up/a", "--from", "192.0.2.7", input=bound)
        forged = self.exits(DENIED, "check", "signature:-", "up/a", input=("B" if token[0] == "A" else "A") + token[1:])
        self.assertIn("no key made this signature", forged.stdout)
        for bad in (token[:-1], token + "=", "x"):
            done = self.exits(USAGE, "check", "signature:-", "up/a", input=bad)
            self.assertNotIn(token[:16], done.stdout + done.stderr)
        self.assertNotIn(token[:16], self.exits(USAGE, "check", "signature:" + token, "up/a").stderr)
        self.assertEqual(self.json("check", "signature:-", "up/a", input=token)["signature"]["key"], "k1")

    def paths(self):
        return {key["id"]: key["path"] for key in self.json("key", "ls")["keys"]}

    def test_keys_follow_their_path(self):
        """mv names all that names the path: access belongs to the path."""
        self.key("--id", "on", "--path", "up")
        self.key("--id", "below", "--path", "up/a")
        self.key("--id", "beside", "--path", "upper")
        self.key("--id", "above")
        self.md5_key("m1", "/s/", "up/a")
        self.ok("own", "user:1", "up")
        self.ok("link", "create", "up/a")
        signed = self.ok("sign", "up/a/f", "--key", "below", "--expires", "1h").strip()
        before = self.json("sign", "up/a/f", "--key", "m1", "--expires", "2030-01-31T12:00:00Z")
        counts = self.json("mv", "up", "down")
        self.assertEqual((counts["owners"], counts["links"], counts["signing_keys"]), (1, 1, 3))
        self.assertEqual(self.paths(), {"on": "down", "below": "down/a", "beside": "upper", "above": ".", "m1": "down/a"})
        # A URI keeps its place in the site and leads to the new one in the store; a signature names the old path, and ends.
        after = self.json("sign", "down/a/f", "--key", "m1", "--expires", "2030-01-31T12:00:00Z")
        self.assertEqual((after["door"], after["rest"]), (before["door"], before["rest"]))
        self.assertIn("no key made this signature", self.exits(DENIED, "check", "signature:-", "up/a/f", input=signed).stdout)
        self.exits(DENIED, "check", "signature:-", "down/a/f", input=signed)
        self.exits(DENIED, "mv", "none", "down2")
        self.assertIn("'upper' has rules, links or signing keys", self.exits(DENIED, "mv", "down", "upper").stderr)

    def test_a_move_is_whole_or_not_at_all(self):
        """What cannot follow holds back what has: keys come last."""
        self.ok("own", "user:1", "up")
        self.ok("grant", "user:2", "up/a")
        self.ok("link", "create", "up/a")
        long = "up/" + "/".join(["x" * 200] * 11)
        self.key("--id", "k1", "--path", long)
        before = self.rules(), self.json("link", "ls"), self.paths()
        self.assertIn("would become a path of", self.exits(USAGE, "mv", "up", "/".join(["y" * 200] * 11)).stderr)
        self.assertEqual((self.rules(), self.json("link", "ls"), self.paths()), before)

    def test_drop_takes_the_keys_and_links_of_the_path_and_no_others(self):
        for key, path in (("on", "up"), ("below", "up/a"), ("beside", "upper"), ("above", ".")):
            self.key("--id", key, "--path", path)
        self.ok("own", "user:1", ".")
        for path in ("up", "up/a", "upper", "."):
            self.ok("link", "create", path)
        signed = self.ok("sign", "up/a", "--key", "above", "--expires", "1h").strip()
        counts = self.json("drop", "up")
        self.assertEqual((counts["links"], counts["signing_keys"]), (2, 2))
        self.assertEqual(self.paths(), {"beside": "upper", "above": "."})
        self.assertEqual(sorted(link["path"] for link in self.json("link", "ls")["links"]), [".", "upper"])
        # As the manual says: what a key above signed counts on, for whatever comes to that path.
        self.exits(DONE, "check", "signature:-", "up/a", input=signed)

    def test_what_moves_or_drops_keys_alone_is_recalled(self):
        daemon = FakeDaemon(self.database)
        daemon.may_answer.set()
        self.addCleanup(daemon.close)
        self.key("--id", "k1", "--path", "up")
        self.assertEqual(daemon.requests, [])
        for words in (("mv", "up", "down"), ("drop", "down")):
            daemon.requests.clear()
            self.assertEqual(self.json(*words)["recall"], {"acknowledged": 1, "waited_seconds": 0.0})
            self.assertEqual(daemon.requests, ["recall"])
        daemon.requests.clear()
        self.md5_key("m1", "/s/", "up")
        self.assertEqual(daemon.requests, ["recall"])

    def test_what_cannot_be_delivered_is_not_kept(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([GRANTCTL, "key", "create"], stdout=full, stderr=subprocess.PIPE, text=True, env=self.environment)
        self.assertEqual(done.returncode, TROUBLE)
        self.assertEqual(self.json("key", "ls")["keys"], [])
