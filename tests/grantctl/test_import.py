"""import: from CSV and from an application's table, all rows or none; export, which import reads back."""

import csv
import io
import json
import os
import pty
import random
import sqlite3
import stat
import subprocess
import unittest

from grantctl_case import DONE, GRANTCTL, TROUBLE, USAGE, Case
from fake_daemon import FakeDaemon
from harness import killed_at_each

UPLOADS = ("--table", "uploads", "--principal-column", "user_id", "--path-column", "file_path",
           "--principal-prefix", "user:", "--strip-prefix", "/srv/uploads/")


class ImportCase(Case):
    def write(self, content, name="policy.csv"):
        path = self.top / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def imports(self, content, *options, status=DONE):
        return self.exits(status, "--json", "import", str(self.write(content)), *options)

    def policy(self):
        """Everything that decides."""
        return (self.sql("SELECT path, principal FROM owners ORDER BY 1"),
                self.sql("SELECT principal, path, rights, expires FROM grants ORDER BY 1, 2"),
                self.sql("SELECT member, parent, expires FROM members ORDER BY 1, 2"))

    def application(self, rows, name="app.db", types="id INTEGER PRIMARY KEY, user_id INTEGER, file_path TEXT"):
        path = self.top / name
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"CREATE TABLE uploads ({types})")
        connection.executemany("INSERT INTO uploads (user_id, file_path) VALUES (?, ?)", rows)
        connection.commit()
        connection.close()
        return path


class Csv(ImportCase):
    def test_every_kind_of_row(self):
        done = self.imports("kind,principal,path,group,rights,expires\n"
                            "own,user:1,a,,,\n"
                            "grant,group:staff,a/b,,read,2030-01-31T12:00:00Z\n"
                            "grant,public,.,,write,1893456000\n"
                            "grant,uid:7,old,,,1\n"
                            "member,user:2,,group:staff,,\n")
        counts = json.loads(done.stdout)
        self.assertEqual([counts[table]["added"] for table in ("owners", "grants", "members")], [1, 3, 1])
        self.assertIsNone(counts["recall"])
        self.assertEqual(self.policy(),
                         ([("a", "user:1")],
                          [("group:staff", "a/b", "read", 1896091200), ("public", ".", "write", 1893456000),
                           ("uid:7", "old", "read", 1)],
                          [("user:2", "group:staff", None)]))

    def test_values_are_bytes_and_may_be_quoted(self):
        content = b'\xef\xbb\xbfprincipal,"path"\r\nuser:1," a, ""b""\nc "\r\n\r\nuser:1,caf\xe9 \r\nuser:1,"x"'
        self.imports(content)
        paths = self.sql("SELECT CAST(path AS BLOB) FROM owners ORDER BY 1")
        self.assertEqual(paths, [(b' a, "b"\nc ',), (b"caf\xe9 ",), (b"x",)])

    def test_standard_input(self):
        self.ok("import", "-", input="principal,path\nuser:1,a\n")
        self.assertEqual(self.rules(), [("a", "user:1", "own")])
        self.assertRegex(self.exits(USAGE, "import", "-", input="principal,path\nx,a\n").stderr, "standard input line 2: 'x'")

    def test_the_kind_of_every_row_may_be_said_once(self):
        self.imports("principal,path,expires\nuser:1,a,\n", "--kind", "grant")
        self.imports("principal,group\nuser:1,group:g\n", "--kind", "member")
        self.assertEqual(self.policy(), ([], [("user:1", "a", "read", None)], [("user:1", "group:g", None)]))

    def test_named_columns_count_and_no_others(self):
        self.imports("id,name,expires,owner\n7,x/y,soon,alice\n", "--principal-column", "owner", "--path-column", "name",
                     "--principal-prefix", "user:")
        self.assertEqual(self.policy()[0], [("x/y", "user:alice")])

    BAD = (
        ("", r"line 1 is missing"),
        ("principal,path\nuser:1\n", r"policy.csv line 2 has 1 values, and the header names 2"),
        ("principal,path\nuser:1,a,b\n", r"line 2 has 3 values.*double quotes"),
        ("principal,path\n\n\nuser:1,a\"b\n", r"line 4 has a double quote inside of 'a'"),
        ("principal,path\nuser:1,\"a\"b\n", r"line 2 has something behind the double quotes of 'a'"),
        ("principal,path\nuser:1,a\nuser:1,\"b\nc\nd", r"line 3 begins a value in double quotes that never ends"),
        ("principal,path\nuser:1,a\rb\n", r"line 2 has a carriage return"),
        ("kind,id,path,format,secret\nkey,k1,a,hmac-sha256,0123\"4\n", r"line 2 has a double quote inside of the secret"),
        ("kind,id,path,format,secret\nkey,k1,a,hmac-sha256,\"0123\"4\n", r"line 2 has something behind the double quotes of the secret;"),
        ("principal,path\nuser:1,\"" + "x" * 70000, r"line 2 has a value longer than any path"),
        ("principal,pathh\nuser:1,a\n", r"column 'pathh' is none of kind, principal, path.*--path-column"),
        ("principal,path,expiry\nuser:1,a,1\n", r"column 'expiry' is none of"),
        ("principal,principal,path\n", r"two columns are called 'principal'"),
        ("path\na\n", r"no column principal"),
        ("principal\nuser:1\n", r"no column path"),
        ("principal,path\nuser:1,a\nalice,b\n", r"line 3: 'alice' is not a principal.*--principal-prefix"),
        ("principal,path\nuser:1/2,b\n", r"line 2: 'user:1/2' is not a principal"),
        ("principal,path\n,b\n", r"line 2: there is no principal; leave the row out"),
        ("principal,path\nuser:1,\n", r"line 2: there is no path \('\.' is the whole store\)"),
        ("principal,path\nuser:1,/srv/a\n", r"line 2: '/srv/a' .* begins with '/'.*--strip-prefix"),
        ("principal,path\nuser:1,a/../b\n", r"line 2: 'a/\.\./b' .* component '\.\.'"),
        ("principal,path\nuser:1,a//b\n", r"line 2: 'a//b' .* empty component"),
        ("principal,path\nuser:1,a/\n", r"line 2: 'a/' .* ends with '/'"),
        (b"principal,path\nuser:1,a\0b\n", r"line 2: 'a\\x00b' .* zero byte"),
        ("principal,path\nuser:1," + "x/" * 3000 + "x\n", r"line 2: .* longer than 4095 bytes"),
        ("kind,principal,path\nowner,user:1,a\n", r"line 2: kind 'owner': write own, grant, member, link or key"),
        ("kind,principal,path\n,user:1,a\n", r"line 2: there is no kind"),
        ("kind,principal,path,rights\nown,user:1,a,read\n", r"line 2: rights 'read': only a grant"),
        ("kind,principal,path,rights\ngrant,user:1,a,admin\n", r"line 2: rights 'admin': write read, write or own"),
        ("kind,principal,path,group\nmember,user:1,a,group:g\n", r"line 2: path 'a': a membership has none"),
        ("kind,principal,path,group\nmember,user:1,,user:2\n", r"line 2: group 'user:2': write group:NAME"),
        ("kind,principal,path,group\nown,user:1,a,group:g\n", r"line 2: group 'group:g': only a membership"),
        ("principal,path,expires\nuser:1,a,2030-01-31T12:00:00Z\n", r"line 2: expires .*never ends; import it as a grant"),
        *((f"kind,principal,path,expires\ngrant,user:1,a,{when}\n", rf"line 2: expires '{when}': write Unix seconds")
          for when in ("1893456000000", "-1", "1.5", "2030-01-31", "2030-01-31T12:00:00", "7d", "never")),
        ("kind,principal,path\nown,user:1,a\nown,user:1,a\nown,user:2,a\n",
         r"policy.csv line 4: by .*policy.csv line 2, 'a' has another owner; leave one"),
        ("kind,principal,path,expires\ngrant,user:1,a,\ngrant,user:1,a,5\n", r"line 3: by .*policy.csv line 2, the grant to"),
        ("kind,principal,group,expires\nmember,user:1,group:g,\nmember,user:1,group:g,5\n", r"line 3: by .*policy.csv line 2"),
    )

    def test_bad_input_is_named_and_nothing_is_imported(self):
        self.ok("own", "user:9", "kept")
        before = self.policy()
        for content, message in self.BAD:
            with self.subTest(message):
                done = self.imports(content, status=USAGE)
                self.assertRegex(done.stderr, message)
                self.assertRegex(done.stderr, r"\(nothing was imported\)\n\Z")
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertEqual(self.policy(), before)

    def test_bad_commands(self):
        good = "principal,path\nuser:1,a\n"
        for options, message in ((["--kind", "owner"], "write own, grant, member, link or key"), (["--kind", "member"], "no column group"),
                                 (["--path-column", "p"], "no column is called 'p'; there are: principal, path"),
                                 (["--strip-prefix", "/srv"], r"path 'a' does not lie below '/srv/'"),
                                 (["--table", "x", "--query", "y"], "use one")):
            with self.subTest(options):
                self.assertRegex(self.imports(good, *options, status=USAGE).stderr, message)
        self.assertRegex(self.imports("kind,principal,path\n", "--kind", "own", status=USAGE).stderr, "leave out --kind")
        self.exits(USAGE, "import")
        self.assertRegex(self.exits(TROUBLE, "import", str(self.top / "none.csv")).stderr, "cannot open")
        self.assertRegex(self.exits(TROUBLE, "import", str(self.top)).stderr, "cannot read on: Is a directory")
        self.assertEqual(self.policy(), ([], [], []))


class Tables(ImportCase):
    def test_uploads_as_it_stands(self):
        self.application([(1042, "/srv/uploads/7f3a/film.mp4"), (7, "/srv/uploads/a b,c")])
        counts = self.json("import", str(self.top / "app.db"), *UPLOADS)
        self.assertEqual(counts["owners"], {"added": 2, "changed": 0, "removed": 0, "unchanged": 0})
        self.assertEqual(self.policy()[0], [("7f3a/film.mp4", "user:1042"), ("a b,c", "user:7")])

    def test_a_query_of_another_shape(self):
        self.application([(1, "x"), (2, "y")])
        self.ok("import", str(self.top / "app.db"), "--query",
                "SELECT 'grant' AS kind, 'user:' || user_id AS principal, file_path AS path, 99 AS expires FROM uploads"
                " UNION ALL SELECT 'own', 'user:5', 'z', NULL")
        self.assertEqual(self.policy()[:2], ([("z", "user:5")],
                                             [("user:1", "x", "read", 99), ("user:2", "y", "read", 99)]))

    def test_bad_tables_are_named_and_nothing_is_imported(self):
        for rows, message in (([(1, "/srv/uploads/a"), (None, "/srv/uploads/b")], "app.db row 2: there is no principal"),
                              ([(1, None)], "row 1: there is no path"),
                              ([(1, "/srv/uploads/")], r"row 1: path '/srv/uploads/' is the whole store"),
                              ([(1, "/srv/uploadsx/a")], "row 1: path '/srv/uploadsx/a' does not lie below '/srv/uploads/'"),
                              ([(1, "/srv/uploads/../etc")], r"row 1: .*component '\.\.'"),
                              ([(1.5, "/srv/uploads/a")], "row 1: column 'user_id' is a floating-point number.*CAST"),
                              ([(1, b"/srv/uploads/a")], "row 1: column 'file_path' is a BLOB"),
                              ([(1, "/srv/uploads/a"), (2, "/srv/uploads/a")], "row 2: by .*app.db row 1, 'a' has another")):
            with self.subTest(message):
                path = self.application(rows)
                done = self.exits(USAGE, "import", str(path), *UPLOADS)
                self.assertRegex(done.stderr, message)
                self.assertEqual(self.policy()[0], [])
                path.unlink()

    def test_what_does_not_read_is_refused(self):
        path = str(self.application([(1, "a")]))
        for query, message in (("DELETE FROM uploads", "must be a SELECT"),
                               ("UPDATE uploads SET user_id = 2 RETURNING user_id AS principal, file_path AS path", "must be a SELECT"),
                               ("SELECT 1; DELETE FROM uploads", "several"), ("", None), (" ", "none or several"),
                               ("ATTACH 'x.db' AS x", "must be a SELECT"), ("SELECT", "incomplete input|syntax error"),
                               ("SELECT principal, path FROM nowhere", "no such table: nowhere"),
                               ('SELECT "user" AS principal, file_path AS path FROM uploads', "no such column")):
            with self.subTest(query):
                done = self.exits(USAGE, "import", path, "--query", query)
                if message:
                    self.assertRegex(done.stderr, message)
        self.assertRegex(self.exits(USAGE, "import", path).stderr, "SQLite database; say with --table or --query")
        # A name that is none must not become a text in every row.
        self.assertRegex(self.exits(USAGE, "import", path, "--table", "uploads", "--principal-column", "user_idd",
                                    "--path-column", "file_path", "--principal-prefix", "user:").stderr, "no such column")
        self.exits(TROUBLE, "import", str(self.write("not a database, but longer than its header" * 9)), "--table", "x")
        self.exits(TROUBLE, "import", str(self.top / "none.db"), "--table", "x")
        self.assertFalse((self.top / "none.db").exists())
        self.assertEqual(sqlite3.connect(path).execute("SELECT user_id FROM uploads").fetchall(), [(1,)])


class Again(ImportCase):
    CONTENT = ("kind,principal,path,group,rights,expires\nown,user:1,a,,,\ngrant,user:2,a,,read,9999999999\n"
               "member,user:2,,group:g,,\n")

    def test_a_second_time_nothing_changes(self):
        self.imports(self.CONTENT)
        before = self.policy(), self.sql("SELECT value FROM meta WHERE key = 'revision'"), self.sql("SELECT * FROM changes")
        for options in ([], ["--replace"]):
            counts = json.loads(self.imports(self.CONTENT, *options).stdout)
            for table in ("owners", "grants", "members"):
                self.assertEqual(counts[table], {"added": 0, "changed": 0, "removed": 0, "unchanged": 1})
        self.assertEqual((self.policy(), self.sql("SELECT value FROM meta WHERE key = 'revision'"),
                          self.sql("SELECT * FROM changes")), before)

    def test_a_row_takes_the_place_of_what_there_was(self):
        self.imports(self.CONTENT)
        counts = json.loads(self.imports(self.CONTENT.replace("own,user:1", "own,user:3").replace("9999999999", "5")).stdout)
        self.assertEqual((counts["owners"]["changed"], counts["grants"]["changed"], counts["members"]["changed"]), (1, 1, 0))
        self.assertEqual(self.policy()[0], [("a", "user:3")])
        self.assertEqual(self.policy()[1], [("user:2", "a", "read", 5)])

    def test_replace_deletes_what_is_not_there_of_the_kind_imported(self):
        self.imports(self.CONTENT)
        self.ok("own", "user:1", "b")
        counts = json.loads(self.imports("principal,path\nuser:1,a\n", "--replace").stdout)
        self.assertEqual(counts["owners"], {"added": 0, "changed": 0, "removed": 1, "unchanged": 1})
        self.assertEqual([len(table) for table in self.policy()], [1, 1, 1])  # grants and members stay
        counts = json.loads(self.imports("principal,path\n", "--kind", "grant", "--replace").stdout)
        self.assertEqual((counts["owners"]["removed"], counts["grants"]["removed"]), (0, 1))

    def test_replace_by_a_whole_policy_deletes_everything_else(self):
        self.imports(self.CONTENT)
        self.imports("kind,principal,path\nown,user:5,c\n", "--replace")
        self.assertEqual(self.policy(), ([("c", "user:5")], [], []))

    def test_sessions_stay(self):
        self.ok("session", "create", "user:1")
        self.imports("kind,principal,path\n", "--replace")
        self.assertEqual(self.sql("SELECT count(*) FROM sessions"), [(1,)])


class Recalled(ImportCase):
    def setUp(self):
        super().setUp()
        self.daemon = FakeDaemon(self.database)
        self.daemon.may_answer.set()
        self.addCleanup(self.daemon.close)

    def test_what_is_taken_away_is_recalled_and_nothing_else(self):
        for content, options, requests in (("principal,path\nuser:1,a\nuser:1,b\n", [], []),
                                           ("principal,path\nuser:1,a\n", ["--replace"], ["recall"]),
                                           ("principal,path\nuser:1,a\n", ["--replace"], []),
                                           ("principal,path\nuser:2,a\n", [], ["recall"]),
                                           ("principal,path,expires\nuser:2,a,9999999999\n", ["--kind", "grant"], []),
                                           ("principal,path,expires\nuser:2,a,5\n", ["--kind", "grant"], ["recall"])):
            with self.subTest(content=content, options=options):
                self.daemon.requests.clear()
                done = json.loads(self.imports(content, *options).stdout)
                self.assertEqual(self.daemon.requests, requests)
                self.assertEqual(done["recall"], {"acknowledged": 1, "waited_seconds": 0.0} if requests else None)


class AllOrNothing(ImportCase):
    ROWS = 30_000

    def test_killed_at_any_moment_it_has_done_all_or_nothing(self):
        self.ok("own", "user:0", "old")
        content = "principal,path\n" + "".join(f"user:1,d/{i}\n" for i in range(self.ROWS))
        path = str(self.write(content))
        seen = []
        for _ in killed_at_each((5, 40, 90, 150, 220), [GRANTCTL, "import", path, "--replace"], env=self.environment):
            self.assertEqual(self.sql("PRAGMA quick_check"), [("ok",)])
            owners = self.sql("SELECT count(*), sum(path = 'old') FROM owners")[0]
            self.assertIn(owners, [(1, 1), (self.ROWS, 0)])
            seen.append(owners)
        self.assertIn((1, 1), seen)  # killed before it was done at least once

    def test_a_locked_database_is_left_as_it_was(self):
        holder = sqlite3.connect(self.database, isolation_level=None)
        self.addCleanup(holder.close)
        holder.execute("BEGIN IMMEDIATE")
        done = self.exits(TROUBLE, "import", "-", input="principal,path\nuser:1,a\n")
        self.assertRegex(done.stderr, r"locked \(nothing was imported\)")

    def test_a_full_disk_leaves_nothing_behind(self):
        limit = "ulimit -f 64; exec \"$0\" \"$@\""  # KiB: SQLite's own files cannot grow
        path = self.write("principal,path\n" + "".join(f"user:1,{i:0200d}\n" for i in range(5000)))
        done = subprocess.run(["sh", "-c", "trap '' XFSZ; " + limit, GRANTCTL, "import", path], env=self.environment,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, TROUBLE, done.stderr)
        self.assertEqual(self.sql("SELECT count(*) FROM owners"), [(0,)])


class Terminal(ImportCase):
    def test_progress_is_for_a_terminal_alone(self):
        path = str(self.write("principal,path\n" + "".join(f"user:1,{i}\n" for i in range(25_000))))
        self.assertEqual(self.exits(DONE, "import", path).stderr, "")
        primary, secondary = pty.openpty()
        with open(primary, "rb", buffering=0) as terminal:
            done = subprocess.run([GRANTCTL, "import", path], env=self.environment, stdout=subprocess.PIPE, stderr=secondary,
                                  text=True)
            os.close(secondary)
            shown = terminal.read(4096).decode()
        self.assertEqual(done.returncode, DONE)
        self.assertIn("20000 rows read", shown)
        self.assertTrue(shown.endswith("\r\x1b[K"), shown)


class Export(ImportCase):
    def random_policy(self, seed):
        random.seed(seed)
        names = [bytes(random.choice(b"ab,\"\n\r '\xff\xc3\xa9.%") for _ in range(random.randint(1, 6))) for _ in range(40)]
        paths = [b"/".join(random.sample(names, random.randint(1, 4))) for _ in range(60)] + [b"."]
        paths = [path for path in paths if not {b".", b".."} & set(path.split(b"/"))]
        text = "CAST(? AS TEXT)"
        connection = sqlite3.connect(self.database)
        for path in paths:
            who = random.choice(["user:1", "user:a,\"b\"", "group:g h", "uid:7", "public"])
            if random.random() < 0.6:
                connection.execute(f"INSERT OR IGNORE INTO owners (path, principal) VALUES ({text}, ?)", (path, who))
            if random.random() < 0.6:
                connection.execute(f"INSERT OR IGNORE INTO grants (path, principal, rights, expires) VALUES ({text}, ?, ?, ?)",
                                   (path, who, random.choice(["read", "write", "own"]), random.choice([None, 5, 99999999999])))
            connection.execute("INSERT OR IGNORE INTO members (member, parent, expires) VALUES (?, 'group:x', ?)",
                               (who, random.choice([None, 7])))
        connection.commit()
        connection.close()

    def policy(self):
        return [self.sql(f"SELECT {columns} FROM {table} ORDER BY 1, 2") for table, columns in
                (("owners", "CAST(path AS BLOB), principal"), ("grants", "CAST(path AS BLOB), principal, rights, expires"),
                 ("members", "member, parent, expires"))]

    def test_import_reads_back_what_export_wrote(self):
        for seed in range(3):
            with self.subTest(seed=seed):
                self.random_policy(seed)
                before = self.policy()
                file = str(self.top / "out.csv")
                self.ok("export", file)
                self.imports("kind,principal,path\n", "--replace")
                self.assertEqual(self.policy(), [[], [], []])
                self.ok("import", file)
                self.assertEqual(self.policy(), before)
                self.ok("import", file, "--replace")
                self.assertEqual(self.policy(), before)

    def test_nothing_of_a_session_is_exported(self):
        token = self.ok("session", "create", "user:1").strip()
        self.ok("own", "user:1", "a")
        out = self.ok("export", "-")
        self.assertEqual(list(csv.reader(io.StringIO(out))),
                         [["kind", "principal", "path", "group", "rights", "expires", "id", "address", "uses", "format", "uri_prefix", "secret",
                           "retired", "created", "label"], ["own", "user:1", "a", *[""] * 12]])
        for (secret,) in self.sql("SELECT id FROM sessions") + [(token,)]:
            self.assertNotIn(secret, out)

    def test_the_file_is_private_and_whole_or_as_it_was(self):
        self.ok("own", "user:1", "a")
        file = self.top / "out.csv"
        self.assertEqual(self.json("export", str(file)), {"file": str(file), "rows": 1})
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        before = file.read_text()
        connection = sqlite3.connect(self.database)
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("INSERT INTO owners (path, principal) VALUES ('z/../y', 'user:1')")
        connection.commit()
        connection.close()
        self.exits(TROUBLE, "export", str(file))
        self.assertEqual(file.read_text(), before)
        self.assertEqual(sorted(path.name for path in self.top.iterdir()), ["data", "out.csv"])

    def test_what_cannot_be_written_is_said(self):
        self.assertIn("cannot write", self.exits(TROUBLE, "export", str(self.top / "none" / "x.csv")).stderr)
        self.exits(USAGE, "export", str(self.top))
        self.exits(USAGE, "--json", "export", "-")
        with open("/dev/full", "w") as full:
            done = subprocess.run([GRANTCTL, "export", "-"], env=self.environment, stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, "cannot write" in done.stderr), (TROUBLE, True))


if __name__ == "__main__":
    unittest.main()
