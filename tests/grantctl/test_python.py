"""The package grantfs for Python, python/, beside what grantctl says of its rows, and makes itself."""

import datetime
import hashlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from grantctl_case import DENIED, DONE, TOP, USAGE, Case
from harness import module_of_debian

PACKAGE = TOP / "python"
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
LATER = 1_896_091_200  # 2030-01-31T12:00:00Z
sys.path.insert(0, str(PACKAGE))

import grantfs  # noqa: E402
from grantfs import values  # noqa: E402

NETWORKS = ("192.0.2.1", "192.0.2.9/24", "0.0.0.0/0", "2001:DB8::1", "2001:db8:0:0::/64", "::/0", "::ffff:192.0.2.1", "::ffff:192.0.2.9/120",
            "::ffff:0:0/96", "::1.2.3.4", "192.0.2.1/32", "2001:db8::1/128", "::/1")
NO_NETWORKS = ("", "-", "x", "192.0.2", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/024", "192.0.2.1/-1", "192.0.2.0/255.255.255.0", "192.0.2.01",
               "::1/129", "fe80::1%lo", "[::1]", " 192.0.2.1", "192.0.2.1\n", "192.0.2.1/24/24", "192.0.2.1/ 24", "192.0.2.1/\u0662", "::1\0")


class Package(Case):
    """With a policy in SQLite; tests/fleet runs these with one in PostgreSQL."""

    def setUp(self):
        super().setUp()
        self.policy = self.policy_at(self.environment["GRANTFS_DB"])

    def policy_at(self, where):
        if where.startswith("postgresql:"):
            if module_of_debian("psycopg") is None:
                self.skipTest("python3-psycopg is not installed")
        return grantfs.Policy(where)

    def change(self, name, *arguments, **options):
        with self.policy.transaction() as rules:
            return getattr(rules, name)(*arguments, **options)

    def check(self, identity, path, token=None, address=None):
        """Whether grantctl lets it in."""
        source = () if address is None else ("--from", address)
        done = self.run_grantctl("check", identity, path, *source, input=token)
        self.assertIn(done.returncode, (DONE, DENIED), done.stderr)
        return done.returncode == DONE

    def owners(self):
        return self.sql("SELECT path, principal FROM owners ORDER BY path")

    def grants(self):
        return self.sql("SELECT principal, path, rights, expires FROM grants ORDER BY principal, path")

    # Rules.

    def test_an_owner_reads_until_another_owns(self):
        self.change("own", "user:a", "up")
        self.assertTrue(self.check("user:a", "up/x"))
        self.assertFalse(self.check("user:b", "up/x"))
        self.change("own", "user:b", "up")
        self.assertFalse(self.check("user:a", "up/x"))
        self.assertTrue(self.check("user:b", "up/x"))
        self.assertEqual((self.change("owner", "up"), self.change("owner", "up/x")), ("user:b", None))
        self.assertTrue(self.change("revoke", "user:b", "up"))
        self.assertFalse(self.change("revoke", "user:b", "up"))
        self.assertFalse(self.check("user:b", "up/x"))

    def test_what_is_owned_is_listed(self):
        for path in ("b", "a", "c/d"):
            self.change("own", "user:a", path)
        self.change("own", "user:b", "e")
        self.assertCountEqual(self.change("owned_by", "user:a"), ["a", "b", "c/d"])

    def test_who_owns_it_already_loses_nothing(self):
        self.change("own", "user:a", "up")
        before = self.sql("SELECT value FROM meta WHERE key = 'revision'"), self.owners()
        self.change("own", "user:a", "up")
        self.assertEqual((self.sql("SELECT value FROM meta WHERE key = 'revision'"), self.owners()), before)

    def test_a_grant_counts_until_it_expires_or_is_revoked(self):
        self.change("grant", "user:a", "up", expires=datetime.timedelta(hours=1))
        self.assertTrue(self.check("user:a", "up/x"))
        self.change("grant", "user:a", "up", expires=int(time.time()))
        self.assertFalse(self.check("user:a", "up/x"))
        self.change("grant", "user:a", "up")
        self.assertEqual(self.grants(), [("user:a", "up", "read", None)])
        self.assertTrue(self.check("user:a", "up/x"))
        self.assertTrue(self.change("revoke", "user:a", "up"))
        self.assertFalse(self.check("user:a", "up/x"))

    def test_a_group_lets_its_members_in(self):
        self.change("grant", "group:all", ".")
        self.change("add_member", "group:all", "group:staff")
        self.change("add_member", "group:staff", "user:a", expires=datetime.timedelta(minutes=1))
        self.assertTrue(self.check("user:a", "x"))
        self.change("add_member", "group:staff", "user:a", expires=1)
        self.assertFalse(self.check("user:a", "x"))
        self.assertTrue(self.change("remove_member", "group:staff", "user:a"))
        self.assertFalse(self.change("remove_member", "group:staff", "user:a"))
        for parent, member in (("group:staff", "group:staff"), ("user:a", "user:b"), ("staff", "user:a")):
            with self.subTest(parent), self.assertRaises(ValueError):
                self.change("add_member", parent, member)

    def test_rows_are_those_of_grantctl(self):
        until = datetime.datetime(2030, 1, 31, 14, 0, 0, 999_999, datetime.timezone(datetime.timedelta(hours=2)))
        self.change("own", "user:a", "up/é b")
        self.change("grant", "gid:5", ".", expires=until)
        self.change("add_member", "group:g", "public", expires=LATER)
        ours = self.owners(), self.grants(), self.sql("SELECT member, parent, expires FROM members")
        for whom in ("user:a", "gid:5", "group:g"):
            self.ok("forget", whom)
        self.ok("own", "user:a", "up/é b")
        self.ok("grant", "gid:5", ".", "--expires", "2030-01-31T12:00:00Z")
        self.ok("group", "add", "g", "public", "--expires", "2030-01-31T12:00:00Z")
        self.assertEqual((self.owners(), self.grants(), self.sql("SELECT member, parent, expires FROM members")), ours)

    def test_a_path_that_goes_takes_all_below_along(self):
        below = {"a/b", "a/b/c", "a/ü", "a/~", "a/!"}
        paths = ("a", *below, "a-", "a.b", "a0", "aa", "ü", "b")
        for path in paths:
            self.change("own", "user:a", path)
            self.change("grant", "user:b", path)
            self.change("create_link", "user:a", path)
            self.ok("key", "create", "--path", path, "--secret", "-", input=SECRET)
        self.change("drop", "a")
        for table in ("owners", "grants", "links", "signing_keys"):
            self.assertEqual({path for (path,) in self.sql(f"SELECT path FROM {table}")}, set(paths) - below - {"a"})
        self.assertRaises(ValueError, self.change, "drop", ".")

    def test_who_is_forgotten_is_in_no_row(self):
        for whom in ("user:a", "user:b", "group:a"):
            self.change("own", whom, whom.replace(":", "/"))
            self.change("grant", whom, "shared")
            self.change("create_session", whom, None)
            self.change("create_link", whom, "shared")
            self.change("add_member", "group:a" if whom != "group:a" else "group:b", whom)
        self.change("forget", "user:a")
        self.change("forget", "group:a")
        self.assertEqual(self.owners(), [("user/b", "user:b")])
        for table in ("grants", "sessions", "links"):
            self.assertEqual(self.sql(f"SELECT principal FROM {table}"), [("user:b",)])
        self.assertEqual(self.sql("SELECT * FROM members"), [])

    def test_what_has_expired_is_pruned(self):
        for expires in (1, int(time.time()), LATER, None):
            self.change("grant", "user:a", f"up/{expires}", expires=expires)
            self.change("create_session", "user:a", expires)
            self.change("create_link", "user:a", "up", expires=expires)
            self.change("add_member", "group:g", f"user:{expires}", expires=expires)
        self.assertEqual(self.change("prune"), 8)
        for table in ("grants", "sessions", "links", "members"):
            self.assertCountEqual(self.sql(f"SELECT expires FROM {table}"), [(LATER,), (None,)])
        self.assertIn("nothing", self.ok("prune"))

    # Sessions and links.

    def test_a_session_opens_what_its_principal_may_read(self):
        self.change("own", "user:a", "up")
        token = self.change("create_session", "user:a", datetime.timedelta(hours=8))
        self.assertRegex(token, r"\A[A-Za-z0-9_-]{43}\Z")
        self.assertTrue(self.check("session:-", "up/x", token))
        self.assertFalse(self.check("session:-", "down", token))
        (listed,) = self.json("session", "ls")["sessions"]
        self.assertEqual((listed["id"], listed["principal"], listed["address"]), (grantfs.token_id(token), "user:a", None))
        self.assertAlmostEqual(listed["expires"], time.time() + 8 * 3600, delta=60)
        self.assertFalse(self.change("end_session", token))  # its id ends it
        self.assertTrue(self.change("end_session", grantfs.token_id(token)))
        self.assertFalse(self.check("session:-", "up/x", token))

    def test_a_session_ends_at_its_expiry_and_with_all_of_its_principal(self):
        self.change("own", "user:a", "up")
        for expires, holds in ((int(time.time()), False), (LATER, True), (None, True)):
            token = self.change("create_session", "user:a", expires)
            self.assertEqual(self.check("session:-", "up/x", token), holds)
        other = self.change("create_session", "user:b", None)
        self.assertEqual(self.change("end_sessions_of", "user:a"), 3)
        self.assertFalse(self.check("session:-", "up/x", token))
        self.assertEqual(self.sql("SELECT id FROM sessions"), [(hashlib.sha256(other.encode()).hexdigest(),)])

    def test_a_session_is_bound_to_an_address(self):
        self.change("own", "user:a", "up")
        token = self.change("create_session", "user:a", None, address="192.0.2.9/24")
        for address, holds in (("192.0.2.1", True), ("198.51.100.1", False), (None, False)):
            self.assertEqual(self.check("session:-", "up/x", token, address), holds)

    def test_a_link_opens_its_path_by_the_right_of_its_principal(self):
        self.change("own", "user:a", "up")
        token = self.change("create_link", "user:a", "up/x", expires=datetime.timedelta(days=7), most_uses=3, label="for b")
        self.assertTrue(self.check("link:-", "up/x", token))
        self.assertFalse(self.check("link:-", "up/y", token))
        (listed,) = self.json("link", "ls")["links"]
        self.assertEqual((listed["id"], listed["principal"], listed["path"], listed["uses"], listed["label"]),
                         (grantfs.token_id(token), "user:a", "up/x", 3, "for b"))
        for label in ("", "x" * 201, "a\nb"):
            with self.assertRaises(ValueError):
                self.change("create_link", "user:a", "up/x", label=label)
        self.change("revoke", "user:a", "up")
        self.assertFalse(self.check("link:-", "up/x", token))
        self.change("own", "user:a", "up")
        self.assertTrue(self.change("end_link", grantfs.token_id(token)))
        self.assertFalse(self.change("end_link", grantfs.token_id(token)))
        self.assertFalse(self.check("link:-", "up/x", token))

    def test_addresses_are_spelt_as_grantctl_spells_them(self):
        self.change("own", "user:a", "up")
        for text in NETWORKS:
            with self.subTest(text):
                theirs = self.json("session", "create", "user:a", "--address", text)["address"]
                self.change("create_link", "user:a", "up", address=text)
                self.assertEqual(self.sql("SELECT address FROM links"), [(theirs,)])
                self.sql("DELETE FROM links")
        for text in NO_NETWORKS:
            with self.subTest(text):
                with self.assertRaises(ValueError):
                    self.change("create_session", "user:b", None, address=text)
                if "\0" not in text:
                    self.exits(USAGE, "session", "create", "user:b", "--address", text)
        self.assertEqual(self.json("session", "ls", "--for", "user:b")["sessions"], [])

    # Signed URLs.

    def test_a_signature_is_that_of_grantctl(self):
        self.ok("key", "create", "--id", "k1", "--path", "up", "--secret", "-", input=SECRET)
        key = self.change("key", "k1")
        self.assertNotIn(SECRET, repr(key))
        for address in (None, "2001:DB8::9/64", "192.0.2.1"):
            bound = () if address is None else ("--address", address)
            token = key.sign("up/a b/é.txt", LATER, address)
            self.assertEqual(token, self.ok("sign", "up/a b/é.txt", "--expires", "2030-01-31T12:00:00Z", *bound).strip())
            self.assertEqual(self.check("signature:-", "up/a b/é.txt", token, "192.0.2.1"), address != "2001:DB8::9/64")
        self.assertFalse(self.check("signature:-", "up/a b/é.txt", key.sign("up/a b/é.txt", int(time.time()))))
        for path in ("down", "upper", ".", "up/../down", "up/" + "x" * 250):
            with self.subTest(path), self.assertRaises(ValueError):
                key.sign(path, LATER)

    def test_the_newest_key_that_covers_a_path_signs(self):
        for name, path in (("k1", "."), ("k2", "up"), ("k3", "up/x"), ("m1", "up")):
            md5 = ("--format", "md5", "--uri-prefix", "/s/") if name == "m1" else ()
            self.ok("key", "create", "--id", name, "--path", path, "--secret", "-", *md5, input=SECRET)
            self.sql(f"UPDATE signing_keys SET created = {name[1]} WHERE id = '{name}'")
        self.assertEqual([self.change("key_for", path).id for path in ("down", "up", "up/x", "up/x/y", "up/xx")], ["k1", "k2", "k3", "k3", "k2"])
        self.ok("key", "retire", "k2")
        self.ok("key", "retire", "k3", "--at", "2030-01-31")
        self.assertEqual([self.change("key_for", path).id for path in ("up", "up/x")], ["k1", "k3"])
        self.ok("key", "rm", "k1")
        for ask in (lambda: self.change("key", "k1"), lambda: self.change("key", "k2"), lambda: self.change("key_for", "up")):
            self.assertRaises(LookupError, ask)

    def test_an_md5_is_that_of_grantctl(self):
        keys = {"m1": ("/s/", None), "m2": ("/t", "$secure_link_expires$uri $secret"), "m3": ("/", "é${secret}-$arg_until-${uri}."),
                "m4": ("/f/", "$secret $folder $arg_e")}
        for name, (prefix, expression) in keys.items():
            options = () if expression is None else ("--expression", expression)
            self.ok("key", "create", "--id", name, "--format", "md5", "--uri-prefix", prefix, "--path", "up", "--secret", "-", *options, input="s3cret")
        for name, uri, path, address in (("m1", "/s/a b/é", "up/a b/é", "192.0.2.1"), ("m1", "/s/a", "up/a", "2001:db8::1"), ("m2", "/t/a", "up/a", None),
                                         ("m3", "/a/b", "up/a/b", None), ("m4", "/f/a", "up/a", None), ("m4", "/f", "up", None),
                                         ("m4", "/f" + "/x" * 15, "up" + "/x" * 15, None)):
            with self.subTest(name=name, uri=uri):
                bound = () if address is None else ("--address", address)
                theirs = self.json("sign", path, "--key", name, "--expires", "2030-01-31T12:00:00Z", *bound)
                until, md5 = self.change("key", name).sign(uri, LATER, address)
                self.assertEqual(f"by-md5/{until}/{md5}", theirs["door"])
        for name, uri, address in (("m1", "/s/a", None), ("m1", "/s/a", "192.0.2.0/24"), ("m2", "/t/a", "192.0.2.1"), ("m2", "/t", None), ("m2", "/t/", None),
                                   ("m2", "/ta", None), ("m2", "/t/../a", None), ("m2", "t/a", None), ("m3", "/", None), ("m4", "/f/", None),
                                   ("m4", "/f" + "/x" * 16, None), ("m4", "/", None)):
            with self.subTest(name=name, uri=uri, address=address), self.assertRaises(ValueError):
                self.change("key", name).sign(uri, LATER, address)
        for expression in ("$uri$secret$secure_link_expires$other", "$uri$secret$", "$uri$secret${secure_link_expires"):
            with self.subTest(expression), self.assertRaises(ValueError):
                grantfs.Md5Key("m", ".", "/", expression, b"s").sign("/a", LATER)

    # Transactions.

    def test_a_transaction_is_all_or_nothing(self):
        class Changed(Exception):
            pass

        with self.assertRaises(Changed), self.policy.transaction() as rules:
            rules.own("user:a", "up")
            rules.create_session("user:a", None)
            raise Changed
        with self.assertRaises(ValueError), self.policy.transaction() as rules:
            rules.own("user:a", "up")
            rules.grant("user", "up")
        self.assertEqual((self.owners(), self.sql("SELECT * FROM sessions")), ([], []))

    def test_who_reads_changes_nothing(self):
        self.change("own", "user:a", "up")
        with self.policy.reading() as rules:
            self.assertEqual(rules.owner("up"), "user:a")
            with self.assertRaisesRegex(Exception, "read-?only"):
                rules.own("user:b", "up")
        self.assertEqual(self.owners(), [("up", "user:a")])

    def test_a_time_is_one(self):
        now = datetime.datetime.now()  # of no time zone
        for when in (now, -1, values.LAST_MOMENT + 1, int(time.time() * 1000), "2030-01-31", 1.5, True, datetime.timedelta(days=-40_000)):
            with self.subTest(when), self.assertRaises(ValueError):
                self.change("grant", "user:a", "up", expires=when)
        for uses in (0, -1, values.MOST_USES + 1):
            with self.subTest(uses), self.assertRaises(ValueError):
                self.change("create_link", "user:a", "up", most_uses=uses)
        self.assertEqual((self.grants(), self.sql("SELECT * FROM links")), ([], []))

    def test_what_another_schema_has_is_left_alone(self):
        for schema in (5, 7):
            self.sql(f"UPDATE meta SET value = '{schema}' WHERE key = 'schema'")
            self.sql("UPDATE meta SET value = CAST(value AS INTEGER) WHERE key = 'schema'")
            with self.assertRaisesRegex(grantfs.PolicyError, "init" if schema == 5 else "newer"):
                self.change("own", "user:a", "up")
        self.assertEqual(self.owners(), [])


class File(Case):
    """What there is in SQLite alone."""

    def setUp(self):
        super().setUp()
        self.policy = grantfs.Policy(self.database)

    def test_a_principal_or_a_path_is_what_the_tables_take(self):
        names = ("a", "é", "a b", "A:b", "a" * 255, "é" * 127, "a" * 256, "é" * 128, "", "/", "a/b", "a\n", "\x7f", "\0", "a\0", "\x1f", "\x80", "*", "[")
        numbers = ("0", "1", "01", "", "-1", "+1", " 1", "1 ", "4294967294", "4294967295", "42949672940", "1\n", "1\0", "\u0661", "x")
        principals = [f"{kind}:{name}" for kind in ("user", "group") for name in names] + [f"{kind}:{number}" for kind in ("uid", "gid") for number in numbers]
        principals += ["public", "public:", "Public", "", "user", "user:", "other:a", "xuser:a", "user:a/", " user:a", "public\n", "public\0"]
        paths = (".", "", "a", "a/b", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", "./a", "a/.", "a/./b", "...", ".a", "a..b", "a\n", "\0", "a\0b",
                 "x" * 4095, "x" * 4096, "é" * 2047, "é" * 2048, " ", "-")
        pairs = [(one, "up") for one in principals] + [("user:a", path) for path in paths]
        taken = 0
        for one, path in pairs:
            with self.subTest(principal=one, path=path[:20]):
                self.assertEqual(self.is_taken(one, path), self.is_taken_by_sql(one, path))
                taken += self.is_taken(one, path)
        self.assertGreater(taken, 20)
        self.assertGreater(len(pairs) - taken, 40)

    def is_taken(self, one, path):
        try:
            with self.policy.transaction() as rules:
                rules.own(one, path)
            return True
        except ValueError:
            return False

    def is_taken_by_sql(self, one, path):
        try:
            self.sql("INSERT OR REPLACE INTO owners (path, principal) VALUES (?, ?)", path, one)
            return True
        except sqlite3.IntegrityError:
            return False

    def test_a_name_that_is_not_utf_8_is_its_bytes(self):
        path = os.fsdecode(b"up/\xff\xfe.txt")
        with self.policy.transaction() as rules:
            rules.own("user:a", path)
            rules.grant("user:b", path)
            rules.own("user:c", pathlib.PurePath(path, "below"))
            self.assertEqual((rules.owner(path), rules.owned_by("user:a")), ("user:a", [path]))
        self.assertEqual(self.run_grantctl("check", "user:b", path).returncode, DONE)
        self.ok("key", "create", "--id", "k1", "--secret", "-", input=SECRET)
        with self.policy.transaction() as rules:
            self.assertEqual(rules.key("k1").sign(path, LATER), self.ok("sign", path, "--expires", "2030-01-31T12:00:00Z").strip())
            rules.drop(path)
        self.assertEqual(self.sql("SELECT * FROM owners"), [])

    def test_no_token_is_in_the_database(self):
        with self.policy.transaction() as rules:
            tokens = [rules.create_session("user:a", None), rules.create_link("user:a", "up")]
        held = b"".join(path.read_bytes() for path in self.database.parent.iterdir())
        for token in tokens:
            self.assertIn(grantfs.token_id(token).encode(), held)
            self.assertNotIn(token.encode(), held)

    def test_another_writer_is_waited_for_that_long(self):
        impatient = grantfs.Policy(self.database, patience_seconds=0.01)
        began = time.monotonic()
        with self.policy.transaction() as rules:
            rules.own("user:a", "up")
            with self.assertRaisesRegex(sqlite3.OperationalError, "locked"), impatient.transaction():
                self.fail("two writers")
            with impatient.reading() as others:
                self.assertIsNone(others.owner("up"))
        self.assertLess(time.monotonic() - began, 5)

    def test_a_policy_of_ones_own_transaction(self):
        connection = sqlite3.connect(self.database)
        self.addCleanup(connection.close)
        connection.execute("CREATE TABLE uploads (path TEXT)")
        with connection:
            connection.execute("INSERT INTO uploads VALUES ('up')")
            grantfs.Rules(connection).own("user:a", "up")
        with self.assertRaises(ZeroDivisionError), connection:
            grantfs.Rules(connection).drop("up")
            raise ZeroDivisionError
        self.assertEqual(self.sql("SELECT path, principal FROM owners"), [("up", "user:a")])

    def test_only_a_policy_is_changed(self):
        missing, other, copy = self.top / "missing.db", self.top / "other.db", self.database
        sqlite3.connect(other).executescript("CREATE TABLE owners (path TEXT, principal TEXT); CREATE TABLE meta (key TEXT, value ANY);").connection.close()
        self.assertRaises(sqlite3.OperationalError, grantfs.Policy(missing).transaction().__enter__)
        self.assertFalse(missing.exists())
        with self.assertRaisesRegex(grantfs.PolicyError, "grantctl init"), grantfs.Policy(other).transaction():
            self.fail("this is none")
        self.sql("INSERT INTO meta (key, value) VALUES ('copy_upstream', 'postgresql:///site')")
        with self.assertRaisesRegex(grantfs.PolicyError, "postgresql:///site"), grantfs.Policy(copy).transaction():
            self.fail("this is a copy")
        with grantfs.Policy(copy).reading() as rules:
            self.assertIsNone(rules.owner("up"))

    def test_there_is_no_node_to_wait_for(self):
        self.assertRaisesRegex(grantfs.PolicyError, "PostgreSQL", self.policy.await_recall)


class Distribution(unittest.TestCase):
    def test_pip_installs_it(self):
        python = "/usr/bin/python3"
        found = "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, ('pip', 'setuptools', 'wheel'))))"
        if subprocess.run([python, "-c", found], capture_output=True).returncode != 0:
            self.skipTest("python3-pip, python3-setuptools or python3-wheel is not installed")
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "source"), pathlib.Path(folder, "target")
            shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
            done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-compile", "--target", target, source],
                                  capture_output=True, text=True, timeout=120, env={"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            installed = {str(path.relative_to(target)) for path in target.glob("grantfs/*")}
            self.assertEqual(installed, {str(path.relative_to(PACKAGE)) for path in PACKAGE.glob("grantfs/*") if path.is_file()})
            (metadata,) = target.glob("grantfs-*/METADATA")
            version = re.search(r"\bversion: '([^']+)'", (TOP / "meson.build").read_text())[1]
            self.assertIn(f"\nVersion: {version}\n", metadata.read_text())

    def test_its_types_are_right(self):
        if not shutil.which("mypy", path="/usr/bin"):
            self.skipTest("mypy is not installed")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["/usr/bin/mypy", "--strict", "--python-version", "3.9", "--ignore-missing-imports", "--cache-dir", folder, PACKAGE / "grantfs"],
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_what_its_readme_shows_runs(self):
        text = (PACKAGE / "README.md").read_text()
        blocks = ["".join(line[4:] or "\n" for line in block.splitlines(keepends=True)) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)]
        program = "\n".join(block for block in blocks if "rules" in block or "policy" in block)
        self.assertIn("key_for", program)
        with tempfile.TemporaryDirectory() as folder:
            database = f"{folder}/policy/policy.db"
            case = Case()
            case.environment = {"PATH": os.environ["PATH"], "GRANTFS_DB": database, "LC_ALL": "C.UTF-8"}
            case.ok("init")
            case.ok("key", "create", "--path", "uploads", "--secret", "-", input=SECRET)
            case.ok("key", "create", "--id", "m1", "--format", "md5", "--uri-prefix", "/s/", "--secret", "-", input=SECRET)
            program = program.replace("/var/lib/grantfs/site/policy.db", database)
            program = re.sub(r"^policy\.await_recall.*\n", "", program, flags=re.MULTILINE)  # tests/fleet
            until = re.sub(r"^(until, md5 = .*)$", r"with policy.transaction() as rules:\n    \1", program, flags=re.MULTILINE)
            done = subprocess.run([sys.executable, "-B", "-c", until], capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE)})
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
