"""grantctl link, and what else knows of links and addresses."""

import hashlib
import time

from grantctl_case import DENIED, USAGE, Case

URL = "https://example.org/l/"


class Links(Case):
    def setUp(self):
        super().setUp()
        self.ok("own", "user:a", "docs")

    def rows(self):
        return self.sql("SELECT id, principal, path, expires, address, uses FROM links ORDER BY path")

    def link(self, *arguments):
        return self.ok("link", "create", *arguments).strip()

    def test_a_token_is_printed_once_and_its_hash_is_kept(self):
        token = self.link("docs/a.txt")
        self.assertRegex(token, r"\A[a-z2-7]{32}\Z")
        self.assertEqual(self.rows(), [(hashlib.sha256(token.encode()).hexdigest(), "user:a", "docs/a.txt", None, None, None)])
        for path in self.database.parent.iterdir():
            self.assertNotIn(token.encode(), path.read_bytes())

    def test_terms(self):
        made = self.json("link", "create", "docs", "--expires", "7d", "--address", "192.0.2.9/24", "--uses", "3",
                         "--url-prefix", URL)
        self.assertEqual(made["address"], "192.0.2.0/24")
        self.assertEqual(made["uses"], 3)
        self.assertAlmostEqual(made["expires"], time.time() + 7 * 86400, delta=60)
        self.assertEqual(made["url"], f"{URL}{made['token']}/docs")
        (listed,) = self.json("link", "ls")["links"]
        self.assertEqual({name: made[name] for name in listed}, listed)
        self.assertEqual(self.json("link", "ls", "--for", "user:b"), {"links": []})
        self.assertIn("192.0.2.0/24", self.ok("link", "ls"))

    def test_a_name_is_encoded_in_the_url(self):
        self.assertRegex(self.link("docs/50% größe+#?.txt", "--url-prefix", URL[:-1]),
                         r"\Ahttps://example.org/l/[a-z2-7]{32}/50%25%20gr%C3%B6%C3%9Fe%2B%23%3F.txt\Z")

    def test_the_right_is_its_principals(self):
        self.assertIn("--for", self.exits(DENIED, "link", "create", "nobodys").stderr)
        self.assertIn("user:b", self.exits(DENIED, "link", "create", "docs", "--for", "user:b").stderr)
        self.ok("grant", "user:b", "docs/x")
        self.link("docs/x", "--for", "user:b")
        self.assertEqual([row[1] for row in self.rows()], ["user:b"])

    def test_bad_terms_are_usage_errors(self):
        for options in (["--uses", "0"], ["--uses", "-1"], ["--uses", "x"], ["--uses", "1000000001"], ["--address", "all"],
                        ["--address", "192.0.2.0/33"], ["--expires", "1"], ["--for", "x" * 20], ["--token", "-"]):
            self.exits(USAGE, "link", "create", "docs", *options)
        self.assertEqual(self.rows(), [])

    def test_rm_by_id_by_its_beginning_and_by_token(self):
        tokens = [self.link(f"docs/{i}") for i in range(3)]
        ids = [hashlib.sha256(token.encode()).hexdigest() for token in tokens]
        self.assertEqual(self.json("link", "rm", ids[0])["links"], 1)
        self.ok("link", "rm", ids[1][:16])
        self.ok("link", "rm", "-", input=tokens[2] + "\n")
        self.assertEqual(self.rows(), [])
        self.exits(DENIED, "link", "rm", ids[0])
        refused = self.exits(USAGE, "link", "rm", tokens[0])
        self.assertNotIn(tokens[0], refused.stderr)

    def test_check_says_why(self):
        token = self.link("docs/a", "--address", "192.0.2.0/24") + "\n"
        self.assertIn("no such link", self.exits(DENIED, "check", "link:-", "docs/a", input="x" * 32 + "\n").stdout)
        self.assertIn("192.0.2.0/24", self.exits(DENIED, "check", "link:-", "docs/a", input=token).stdout)
        here = ("--from", "192.0.2.1")
        self.assertIn("owner", self.ok("check", "link:-", "docs/a", *here, input=token))
        self.assertIn("the link is on", self.exits(DENIED, "check", "link:-", "docs/b", *here, input=token).stdout)
        checked = self.json("check", "link:-", "docs/a", *here, input=token)
        self.assertEqual((checked["verdict"], checked["link"]["path"]), ("allow", "docs/a"))
        self.ok("revoke", "user:a", "docs")
        self.assertIn("itself may not read", self.exits(DENIED, "check", "link:-", "docs", *here, input=token).stdout)
        self.assertEqual(self.sql("SELECT count(*) FROM links"), [(1,)])
        self.exits(USAGE, "check", "link:" + token.strip(), "docs/a")
        self.exits(USAGE, "check", "link:-", "docs/a", "--from", "::0001", input=token)

    def test_links_move_are_dropped_forgotten_and_pruned(self):
        self.link("docs/a")
        self.assertEqual(self.json("mv", "docs", "papers")["links"], 1)
        self.assertEqual([row[2] for row in self.rows()], ["papers/a"])
        self.ok("own", "user:a", "docs2")
        self.exits(DENIED, "mv", "docs2", "papers/a")  # a link leads there: what comes would be shared
        self.assertEqual(self.json("drop", "papers/a")["links"], 1)
        self.link("papers/a")
        self.assertEqual(self.json("forget", "user:a")["links"], 1)
        self.ok("own", "user:a", "docs")
        self.link("docs/a", "--expires", "1h")
        self.sql("UPDATE links SET expires = 5")
        self.assertEqual(self.json("prune")["links"], 1)

    def test_a_session_bound_to_an_address(self):
        made = self.json("session", "create", "user:a", "--address", "2001:DB8::5/64")
        self.assertEqual(made["address"], "2001:db8::/64")
        self.assertEqual(self.sql("SELECT address FROM sessions"), [("2001:db8::/64",)])
        token = made["token"] + "\n"
        self.exits(DENIED, "check", "session:-", "docs", input=token)
        self.ok("check", "session:-", "docs", "--from", "2001:db8::9", input=token)
        self.exits(USAGE, "session", "create", "user:a", "--address", "nonsense")
