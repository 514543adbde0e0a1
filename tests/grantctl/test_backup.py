"""export and import of what tokens and secrets rest on: links and signing keys."""

import os
import pty
import sqlite3
import stat
import subprocess
import unittest

from grantctl_case import DONE, GRANTCTL, USAGE, Case

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
END = "\\.\n"  # a stream that replaces says that it is complete
HEADER = "kind,principal,path,group,rights,expires,id,address,uses,format,uri_prefix,secret,retired,created,label\n"


class Backup(Case):
    def setUp(self):
        super().setUp()
        self.file = str(self.top / "backup.csv")

    def rows(self):
        """Everything that export is to bring back, with the times of links and keys."""
        return [self.sql("SELECT path, principal FROM owners ORDER BY 1"), self.sql("SELECT principal, path, rights, expires FROM grants ORDER BY 1, 2"),
                self.sql("SELECT * FROM links ORDER BY id"), self.sql("SELECT * FROM signing_keys ORDER BY id")]

    def populate(self):
        self.ok("own", "user:1", "up")
        self.ok("grant", "user:2", "up/a", "--expires", "7d")
        self.link = self.ok("link", "create", "up/a", "--uses", "3", "--address", "192.0.2.0/24", "--expires", "7d").strip()
        self.ok("key", "create", "--id", "k1", "--path", "up", "--secret", "-", input=SECRET)
        self.signature = self.ok("sign", "up/a", "--expires", "1h").strip()
        self.ok("key", "retire", "k1", "--at", "2d")
        self.ok("key", "create", "--id", "m1", "--format", "md5", "--uri-prefix", "/s/", "--path", "up", "--expression",
                '$secure_link_expires$uri,"$secret"', "--secret", "-", input="s3cret")
        with sqlite3.connect(self.database) as connection:  # any bytes are a secret, and any name a path
            connection.execute("INSERT INTO signing_keys (id, format, path, secret, created) VALUES ('k0', 'hmac-sha256', CAST(x'c3a92c220a' AS TEXT), ?, 7)",
                               (bytes(range(64)),))
            connection.execute("INSERT INTO links (id, principal, path, created) VALUES (?, 'public', '.', 5)", ("0" * 64,))
        connection.close()

    def renew(self):
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(f"{self.database}{suffix}"):
                os.unlink(f"{self.database}{suffix}")
        self.ok("init")

    def test_a_backup_brings_everything_back(self):
        self.populate()
        before = self.rows()
        self.ok("export", self.file)
        with open(self.file, "rb") as file:
            exported = file.read()
        self.renew()
        counts = self.json("import", self.file)
        self.assertEqual([counts[table]["added"] for table in ("owners", "grants", "members", "links", "signing_keys")], [1, 1, 0, 2, 3])
        self.assertEqual(self.rows(), before)
        again = str(self.top / "again.csv")
        self.ok("export", again)
        with open(again, "rb") as file:
            self.assertEqual(file.read(), exported)
        # What was given out before works after.
        self.exits(DONE, "check", "link:-", "up/a", "--from", "192.0.2.7", input=self.link)
        self.exits(DONE, "check", "signature:-", "up/a", input=self.signature)
        for options in ([], ["--replace"]):
            counts = self.json("import", self.file, *options)
            self.assertEqual({name: {"added": 0, "changed": 0, "removed": 0, "unchanged": counts[name]["unchanged"]} for name in
                              ("owners", "grants", "members", "links", "signing_keys")}, {name: counts[name] for name in counts if name != "recall"})
            self.assertIsNone(counts["recall"])
        self.assertEqual(self.rows(), before)

    def test_what_has_changed_since_is_as_it_was(self):
        self.populate()
        before = self.rows()
        self.ok("export", self.file)
        self.sql("UPDATE links SET uses = 9, path = 'x', expires = NULL, address = NULL")
        self.sql("UPDATE signing_keys SET secret = zeroblob(40), retired = 5, path = 'y'")
        self.ok("key", "create", "--id", "new")
        self.sql("INSERT INTO links (id, principal, path) VALUES (?, 'public', 'z')", "1" * 64)
        counts = self.json("import", self.file)
        self.assertEqual([counts["links"][what] for what in ("added", "changed", "removed")], [0, 2, 0])
        self.assertEqual([counts["signing_keys"][what] for what in ("added", "changed", "removed")], [0, 3, 0])
        counts = self.json("import", self.file, "--replace")
        self.assertEqual((counts["links"]["removed"], counts["signing_keys"]["removed"]), (1, 1))
        self.assertEqual(self.rows(), before)

    def test_replace_keeps_links_and_keys_where_the_file_has_none(self):
        """An application's own table knows no links: synchronising with it must not end them all."""
        self.populate()
        before = self.rows()
        for content in ("kind,principal,path\nown,user:5,c\n", HEADER + "own,user:5,c,,,,,,,,,,,,\n"):
            counts = self.json("import", "-", "--replace", input=content + END)
            self.assertEqual(self.rows()[2:], before[2:])
            self.assertEqual((counts["links"]["removed"], counts["signing_keys"]["removed"]), (0, 0))
        self.assertEqual(self.rows()[:2], [[("c", "user:5")], []])
        self.ok("import", "-", "--replace", input=f"kind,id,principal,path\nlink,{'2' * 64},user:1,q\n{END}")
        self.assertEqual([row[0] for row in self.rows()[2]], ["2" * 64])
        self.assertEqual(self.rows()[3], before[3])
        self.ok("import", "-", "--replace", "--kind", "link", input="id,principal,path\n" + END)
        self.assertEqual((self.rows()[2], self.rows()[3]), ([], before[3]))

    def test_what_is_wrong_is_named_with_its_line_and_nothing_is_imported(self):
        good = {"kind": "link", "id": "a" * 64, "principal": "user:1", "path": "p"}
        key = {"kind": "key", "id": "k", "path": "p", "format": "hmac-sha256", "secret": "61" * 32}
        md5 = {**key, "format": "md5:$secure_link_expires$uri$secret", "uri_prefix": "/s/", "secret": "61"}
        columns = HEADER.strip().split(",")
        for row, why in (({**good, "id": "A" * 64}, "id 'AAAA"), ({**good, "id": ""}, "there is no id"), ({**good, "principal": ""}, "there is no principal"),
                         ({**good, "uses": "0"}, "uses '0': write 1 to 1000000000"), ({**good, "uses": "x"}, "uses 'x'"),
                         ({**good, "address": "localhost"}, "address 'localhost'"), ({**good, "secret": "61"}, "only a signing key has"),
                         ({**good, "rights": "read"}, "only a grant has"), ({**good, "created": "soon"}, "created 'soon'"),
                         ({**key, "principal": "user:1"}, "a signing key has none"), ({**key, "secret": "61" * 31}, "needs 32 to 1024"),
                         ({**key, "secret": "6"}, "hexadecimal"), ({**key, "secret": "6G" * 32}, "hexadecimal"), ({**key, "format": "sha1"}, "format 'sha1'"),
                         ({**key, "id": "k_1"}, "id 'k_1'"), ({**key, "expires": "5"}, "only"), ({**key, "uses": "5"}, "only a link has"),
                         ({**md5, "uri_prefix": ""}, "there is no uri_prefix"), ({**md5, "uri_prefix": "s"}, "uri_prefix: 's'"),
                         ({**md5, "format": "md5:$uri"}, "lacks $secret"), ({**key, "retired": "-5"}, "retired '-5'"),
                         ({"kind": "own", "principal": "user:1", "path": "p", "id": "x"}, "only a link or a signing key has")):
            with self.subTest(row):
                content = HEADER + "own,user:9,fine,,,,,,,,,,,,\n" + ",".join(row.get(column, "") for column in columns) + "\n"
                said = self.exits(USAGE, "import", "-", input=content).stderr
                self.assertIn("standard input line 3: ", said)
                self.assertIn(why, said)
                self.assertNotIn("61" * 31, said)
                self.assertEqual(self.rows(), [[], [], [], []])
        twice = HEADER + 2 * (",".join(good.get(column, "") for column in columns) + "\n")
        self.assertIn("line 3: by standard input line 2", self.exits(USAGE, "import", "-", input=twice).stderr)

    def test_a_secret_is_shown_to_no_terminal_and_left_in_no_open_file(self):
        self.populate()
        primary, secondary = pty.openpty()
        done = subprocess.run([GRANTCTL, "export", "-"], env=self.environment, stdout=secondary, stderr=subprocess.PIPE, text=True)
        os.close(secondary)
        os.close(primary)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("secrets of signing keys", done.stderr)
        path = self.top / "out.csv"
        for mode, status in ((0o644, USAGE), (0o660, USAGE), (0o600, DONE)):
            path.touch()
            path.chmod(mode)
            with open(path, "w") as out:
                done = subprocess.run([GRANTCTL, "export", "-"], env=self.environment, stdout=out, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, status, (oct(mode), done.stderr))
            self.assertEqual(path.stat().st_size > 0, status == DONE)
        self.ok("export", self.file)
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
        self.assertIn(SECRET.encode().hex(), self.ok("export", "-"))
        without = self.ok("export", "-", "--without-keys")
        self.assertNotIn(SECRET.encode().hex(), without)
        self.assertIn("link,", without)
        path.chmod(0o644)
        with open(path, "w") as out:
            self.assertEqual(subprocess.run([GRANTCTL, "export", "-", "--without-keys"], env=self.environment, stdout=out).returncode, DONE)


if __name__ == "__main__":
    unittest.main()
