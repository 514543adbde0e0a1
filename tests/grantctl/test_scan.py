"""scan: what the store has that nobody may read, and what the policy names that the store does not have."""

import os
import random

from grantctl_case import DENIED, DONE, TROUBLE, USAGE, Case


class Scan(Case):
    def setUp(self):
        super().setUp()
        self.store = self.top / "store"
        self.store.mkdir()

    def put(self, *paths):
        for path in paths:
            file = os.path.join(os.fsencode(self.store), os.fsencode(path))
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "w"):
                pass

    def scan(self, status=DENIED):
        document = self.json("scan", str(self.store), status=status)
        return [row["path"] for row in document["unclaimed"]], [row["path"] for row in document["missing"]]

    def test_a_policy_that_fits_the_store(self):
        self.put("a/1", "a/b/2", "c")
        self.ok("own", "user:1", "a")
        self.ok("grant", "user:1", "c")
        self.assertEqual(self.scan(DONE), ([], []))
        done = self.exits(DONE, "scan", str(self.store))
        self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_files_without_a_rule_and_rules_without_a_file(self):
        self.put("a/1", "a/2", "a-b", "b/c/d", "e")
        self.ok("own", "user:1", "a/1", "gone/file")
        self.ok("grant", "group:g", "b/c/x")
        self.ok("grant", "user:2", "b/c/x")
        self.assertEqual(self.scan(), (["a/2", "a-b", "b/c/d", "e"], ["gone/file", "b/c/x", "b/c/x"]))
        done = self.exits(DENIED, "scan", str(self.store))
        self.assertEqual(done.stdout.splitlines()[-3:], ["missing    gone/file  (owned by user:1)",
                                                         "missing    b/c/x  (granted to group:g)",
                                                         "missing    b/c/x  (granted to user:2)"])
        self.assertIn("unclaimed  a-b\n", done.stdout)
        self.assertRegex(done.stderr, "nobody may read: 4; rules that name no file: 3")

    def test_a_rule_on_the_whole_store_covers_everything(self):
        self.put("a/1", "b")
        self.ok("grant", "public", ".")
        self.assertEqual(self.scan(DONE), ([], []))

    def test_an_expired_grant_lets_nobody_in(self):
        self.put("a")
        self.sql("INSERT INTO grants (principal, path, expires) VALUES ('user:1', 'a', 5)")
        self.assertEqual(self.scan(), (["a"], []))

    def test_what_is_in_no_view_is_no_file(self):
        self.put("real/x")
        (self.store / "link").symlink_to("real")
        os.mkfifo(self.store / "fifo")
        self.ok("own", "user:1", "real", "link/x", "link", "fifo")
        self.assertEqual(self.scan(), ([], ["fifo", "link", "link/x"]))

    def test_names_are_bytes(self):
        self.put(b"caf\xe9", "a\nb")
        document = self.json("scan", str(self.store), status=DENIED)
        self.assertEqual([bytes.fromhex(row.get("path_hex", "")) for row in document["unclaimed"]], [b"", b"caf\xe9"])
        self.assertIn("unclaimed  a\\x0ab\n", self.exits(DENIED, "scan", str(self.store)).stdout)

    def test_it_says_what_a_plain_comparison_says(self):
        random.seed(11)
        for _ in range(5):
            names = ["a", "a-", "a.b", "a0", "b"]
            files = sorted({"/".join(random.choices(names, k=random.randint(1, 4))) for _ in range(40)})
            files = [file for file in files if not any(other.startswith(file + "/") for other in files)]
            self.put(*files)
            rules = {"/".join(random.choices(names, k=random.randint(1, 4))) for _ in range(8)}
            self.ok("own", "user:1", *rules)
            there = {path.relative_to(self.store).as_posix() for path in self.store.rglob("*")}
            unclaimed, missing = self.scan()
            self.assertEqual(sorted(unclaimed), [file for file in files
                                                 if not any((file + "/").startswith(rule + "/") for rule in rules)])
            self.assertEqual(missing, sorted(rules - there))
            self.ok("forget", "user:1")
            for path in sorted(self.store.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()

    def test_no_store(self):
        self.exits(USAGE, "scan", str(self.top / "none"))
        self.exits(USAGE, "scan")
        self.exits(TROUBLE, "--db", str(self.top / "none.db"), "scan", str(self.store))
