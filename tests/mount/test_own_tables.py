"""An application's own SQLite database as a policy source: its uploads table, unchanged, decides."""

import contextlib
import errno
import json
import os
import pathlib
import re
import sqlite3
import time

from fixture import PolicyTest, names, read
from harness import PATIENCE_SECONDS, outcome, wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
ALICES, BOBS = b"alice's picture\n", b"bob's picture\n"
ALICES_KEY, BOBS_KEY = "a" * 32, "b" * 32
PREFIX = "/srv/uploads/"
SCHEMA = """
    CREATE TABLE uploads (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, file_path TEXT NOT NULL);
    CREATE INDEX uploads_by_user ON uploads (user_id, file_path);
    CREATE TABLE logins (key TEXT PRIMARY KEY, user_id INTEGER, expires INTEGER);
"""
WHO = "SELECT user_id, expires FROM logins WHERE key = :token"
ALLOW = "SELECT 1 FROM uploads WHERE user_id = :principal AND file_path = :path"
LIST = "SELECT file_path FROM uploads WHERE user_id = :principal AND file_path >= :begin AND file_path < :end"
NEVER = 99999999999


class OwnTablesTest(PolicyTest):
    JOURNAL = "WAL"

    def setUp(self):
        super().setUp()
        self.app = self.site.root / "app"
        self.app.mkdir(mode=0o755)
        self.database, self.config = self.app / "app.db", self.app / "source.json"
        self.make(self.database)
        self.site.write("7/a/picture", ALICES)
        self.site.write("7/b c", ALICES)
        self.site.write("8/picture", BOBS)
        self.hers = self.by_session(ALICES_KEY, "7/a/picture")
        self.his = self.by_session(BOBS_KEY, "8/picture")

    def make(self, path, users=(7, 8)):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode={self.JOURNAL}")
            connection.executescript(SCHEMA)
            rows = [(7, "7/a/picture"), (7, "7/b c"), (8, "8/picture")]
            connection.executemany("INSERT INTO uploads (user_id, file_path) VALUES (?, ?)",
                                   [(user, PREFIX + name) for user, name in rows if user in users])
            connection.executemany("INSERT INTO logins VALUES (?, ?, ?)", [(ALICES_KEY, 7, NEVER), (BOBS_KEY, 8, None)])
            connection.commit()

    def change(self, *statements):
        """As the application would, in a transaction of its own."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=PATIENCE_SECONDS)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def configure(self, **members):
        said = {"database": "app.db", "who": WHO, "allow": ALLOW, "list": LIST, "path_prefix": PREFIX} | members
        self.config.write_text(json.dumps({name: value for name, value in said.items() if value is not None}))

    def mount(self, check=True, **members):
        self.configure(**members)
        return self.site.mount(f"source={self.config}", check=check)

    def becomes(self, expected, path, function=read):
        wait_for(lambda: outcome(function, path) == expected, what=f"{path} to be {expected}")

    def turns_denied(self):
        for path in (self.hers, self.his):
            wait_for(lambda path=path: outcome(read, path) in {"ENOENT", "EACCES"}, what=f"{path} to be denied")
        self.assert_denied()

    def assert_denied(self, *paths):
        for path in paths or (self.hers, self.his):
            for function in (read, os.stat, os.listdir):
                self.assertIn(outcome(function, path), {"ENOENT", "EACCES"}, path)
        self.assert_daemon_lives()


class Uploads(OwnTablesTest):
    def test_each_sees_his_own_and_nothing_else(self):
        self.mount()
        self.assertEqual((read(self.hers), read(self.his)), (ALICES, BOBS))
        self.assert_denied(self.by_session(ALICES_KEY, "8/picture"), self.by_session(BOBS_KEY, "7/a/picture"),
                           self.by_session("c" * 32, "7/a/picture"), self.site.path("public", "7/a/picture"))
        self.assertEqual(names(self.by_session(ALICES_KEY)), ["7"])
        self.assertEqual(names(self.by_session(ALICES_KEY, "7")), ["a", "b c"])
        self.assertEqual(names(self.by_session(BOBS_KEY)), ["8"])

    def test_the_policy_database_counts_besides(self):
        self.own("user:8", "7/b c")
        token = self.site.sql_session("user:7")
        self.mount()
        self.assertEqual(read(self.by_session(BOBS_KEY, "7/b c")), ALICES)
        self.assertEqual(read(self.by_session(token, "7/a/picture")), ALICES)
        self.site.grantctl("revoke", "user:8", "7/b c")
        self.assert_errno(errno.ENOENT, read, self.by_session(BOBS_KEY, "7/b c"))

    def test_a_commit_of_the_application_counts_at_once(self):
        self.mount()
        self.assertEqual(read(self.hers), ALICES)
        self.change("DELETE FROM uploads WHERE user_id = 7 AND file_path LIKE '%picture'")
        self.becomes("ENOENT", self.hers)
        self.assertEqual(names(self.by_session(ALICES_KEY, "7")), ["b c"])
        self.change(f"INSERT INTO uploads (user_id, file_path) VALUES (8, '{PREFIX}7/a/picture')")
        self.assertEqual(read(self.by_session(BOBS_KEY, "7/a/picture")), ALICES)
        self.change("DELETE FROM logins WHERE user_id = 8")
        self.becomes("EACCES", self.his)

    def test_what_is_lent_is_recalled_in_time(self):
        """Promise 2, of another SQLite writer: within the lease in any case, here far sooner than 60 s."""
        self.configure()
        self.site.mount(f"source={self.config},enforce=lease,lease=60")
        for _ in range(3):
            read(self.hers)
        self.change("DELETE FROM uploads")
        wait_for(lambda: outcome(read, self.hers) == "ENOENT", timeout=5, what="the recall")

    def test_an_end_is_kept_to_the_second(self):
        """Promise 3: whichever it belongs to."""
        rule = ALLOW.replace("SELECT 1", "SELECT 1, ends")
        self.change("ALTER TABLE uploads ADD COLUMN ends INTEGER")
        self.mount(allow=rule, list=LIST.replace("file_path FROM", "file_path, ends FROM"))
        self.assertEqual((read(self.hers), read(self.his)), (ALICES, BOBS))
        end = int(time.time()) + 2
        self.change(f"UPDATE uploads SET ends = {end} WHERE user_id = 7", f"UPDATE logins SET expires = {end} WHERE user_id = 8")
        while time.time() < end - 0.5:
            if (outcome(read, self.hers), outcome(read, self.his)) != ("OK", "OK"):
                self.assertGreaterEqual(time.time(), end - 0.5)
            time.sleep(0.02)
        wait_for(lambda: time.time() >= end)
        self.assertEqual((outcome(read, self.hers), outcome(read, self.his)), ("ENOENT", "EACCES"))
        self.assertEqual(names(self.by_session(ALICES_KEY)), [])

    def test_integers_in_a_column_without_a_type_are_no_texts(self):
        """They deny, in each kind of column that has no affinity; a cast of the column finds them, and its index is enough."""
        for declared, strict in (("", ""), ("BLOB", ""), ("ANY", "STRICT")):
            with self.subTest(declared=declared, strict=strict):
                self.change("DROP TABLE uploads", f"CREATE TABLE uploads (user_id {declared}, file_path TEXT) {strict}",
                            f"INSERT INTO uploads VALUES (7, '{PREFIX}7/a/picture')")
                self.mount()
                self.assert_denied(self.hers)
                self.site.umount()
                self.change("CREATE INDEX by_cast ON uploads (CAST(user_id AS TEXT), file_path)")
                before = len(self.site.log())
                self.mount(allow=ALLOW.replace("user_id", "CAST(user_id AS TEXT)"), list=LIST.replace("user_id", "CAST(user_id AS TEXT)"))
                self.assertEqual(read(self.hers), ALICES)
                self.assertNotIn("index", self.site.log()[before:])
                self.site.umount()
        self.change("DROP TABLE uploads", SCHEMA.split(";")[0], f"INSERT INTO uploads (user_id, file_path) VALUES (7, '{PREFIX}7/a/picture')")
        self.mount()
        self.assertEqual(read(self.hers), ALICES)

    def test_machine_users_and_the_public_are_asked_about_if_the_queries_say_so(self):
        self.change("ALTER TABLE uploads ADD COLUMN shown TEXT", f"UPDATE uploads SET shown = 'uid:{self.alice}' WHERE user_id = 7",
                    "UPDATE uploads SET shown = 'public' WHERE user_id = 8")
        rules = {"allow": ALLOW.replace("user_id", "shown"), "list": LIST.replace("user_id", "shown")}
        self.mount(principal_prefix="", who=None, **rules)
        actor = self.actor(self.alice)
        self.assertEqual(actor.call(read, self.by_uid(self.alice, "7/a/picture")), ALICES)
        self.assertEqual(actor.call(names, self.by_uid(self.alice)), ["7", "8"])
        self.assertEqual(read(self.site.path("public", "8/picture")), BOBS)
        self.assert_denied(self.site.path("public", "7/a/picture"), self.hers)

    def test_a_machine_user_of_the_same_number_is_somebody_else(self):
        """uid:7 and group:7 are not the application's user 7."""
        token = self.site.sql_session("uid:7")
        grouped = self.site.sql_session("group:7")
        self.mount()
        self.assert_denied(self.by_session(token, "7/a/picture"), self.by_session(grouped, "7/a/picture"))

    def test_another_spelling_of_a_number_is_somebody_else(self):
        """To a column of numbers 07, 7.0 and +7 are 7: a user who could choose such a name would be user 7."""
        tokens = [self.site.sql_session(f"user:{name}") for name in ("07", "7.0", "+7", "7e0", " 7", "0x7")]
        self.mount()
        self.assert_denied(*(self.by_session(token, "7/a/picture") for token in tokens))

    def test_a_folder_in_the_table_covers_what_is_below_but_never_the_whole_store(self):
        self.change(f"INSERT INTO uploads (user_id, file_path) VALUES (8, '{PREFIX}7'), (8, '{PREFIX}'), (8, ''), (8, '{PREFIX}.'),"
                    f" (8, '{PREFIX[:-1]}')")
        self.site.write("nobodys", b"x")
        self.mount()
        self.assertEqual(read(self.by_session(BOBS_KEY, "7/a/picture")), ALICES)
        self.assertEqual(names(self.by_session(BOBS_KEY)), ["7", "8"])
        self.assert_denied(self.by_session(BOBS_KEY, "nobodys"))

    def test_paths_that_are_none_lead_nowhere(self):
        rows = ", ".join(f"(7, '{path}')" for path in (
            "/etc/passwd", PREFIX + "../../etc/passwd", PREFIX + "7/../8/picture", PREFIX + "/8/picture", PREFIX + "8//picture",
            PREFIX + "8/picture/", PREFIX + "./8/picture", "8/picture", "/srv/uploadsx/8/picture"))
        self.change(f"INSERT INTO uploads (user_id, file_path) VALUES {rows}")
        self.mount()
        self.assertEqual(names(self.by_session(ALICES_KEY)), ["7"])
        self.assertEqual(names(self.by_session(ALICES_KEY, "7")), ["a", "b c"])
        self.assert_denied(self.by_session(ALICES_KEY, "8/picture"))

    def test_a_short_token_is_never_asked_about(self):
        """Else a sloppy query would take 1 for the number of a row."""
        self.mount(who="SELECT user_id FROM logins WHERE rowid = :token OR key = :token")
        self.assert_denied(self.by_session("1", "7/a/picture"), self.by_session("0000000000000001x!", "7/a/picture"))
        self.assertEqual(read(self.hers), ALICES)

    def test_check_explains_through_it(self):
        self.mount()
        done = self.site.grantctl("check", "user:7", "7/a/picture")
        self.assertIn("by the application's word for user:7 on '7/a/picture'", done.stdout)
        done = self.site.grantctl("check", "session:-", "8/picture", input=ALICES_KEY + "\n", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("(user:7)", done.stdout)
        self.assertNotIn(ALICES_KEY, done.stdout + done.stderr)
        document = json.loads(self.site.grantctl("--json", "check", "session:-", "7/a/picture", input=ALICES_KEY).stdout)
        self.assertEqual((document["verdict"], document["rule"]["source"], document["session"]["expires"]), ("allow", True, NEVER))
        self.assertEqual(self.site.status()["source"], str(self.config))
        self.site.umount()
        self.assertEqual(self.site.grantctl("check", "user:7", "7/a/picture", check=False).returncode, 1)
        self.site.grantctl("check", "user:7", "7/a/picture", "--source", str(self.config))

    def test_no_token_is_logged(self):
        """Promise 11."""
        self.configure()
        self.site.mount(f"source={self.config},loglevel=debug")
        read(self.hers)
        self.change("DROP TABLE logins")
        self.turns_denied()
        self.assertNotIn(ALICES_KEY, self.site.log())


class Example(OwnTablesTest):
    def test_the_example_as_it_stands(self):
        text = (TOP / "examples/source/uploads.json").read_text()
        self.config.write_text(text.replace("/srv/app/app.db", "app.db"))
        self.site.mount(f"source={self.config}")
        self.assertEqual((read(self.hers), read(self.his)), (ALICES, BOBS))
        self.assertEqual(names(self.by_session(ALICES_KEY, "7")), ["a", "b c"])
        self.assertNotIn("reads all", self.site.log())


class WithoutWal(OwnTablesTest):
    """Where the application's journal is not a WAL, and a writer keeps readers out."""
    JOURNAL = "DELETE"

    def test_a_commit_counts_and_a_lock_denies(self):
        self.mount()
        self.assertEqual((read(self.hers), read(self.his)), (ALICES, BOBS))
        self.change("DELETE FROM uploads WHERE user_id = 8")
        self.becomes("ENOENT", self.his)
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            self.turns_denied()
        self.becomes("OK", self.hers)


class Refused(OwnTablesTest):
    def refusal(self, **members):
        self.configure(**members)
        return self.starts_not()

    def starts_not(self, source=None):
        done = self.site.mount(f"source={source or self.config}", check=False)
        if done.returncode == 0:
            self.site.umount()
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_queries_that_do_more_than_read_or_less_than_asked(self):
        before = self.database.read_bytes()
        for member, query, message in (
                ("allow", "DELETE FROM uploads WHERE :principal = :path RETURNING 1", "not authorized"),
                ("allow", "UPDATE uploads SET user_id = :principal WHERE file_path = :path", "not authorized"),
                ("allow", ALLOW + "; DELETE FROM uploads", "several"),
                ("allow", "ATTACH :path AS :principal", "not authorized|syntax"),
                ("allow", "PRAGMA writable_schema = ON", "not authorized"),
                ("allow", "SELECT 1 FROM pragma_table_info(:path) WHERE :principal", "not authorized|prohibited"),
                ("allow", "SELECT 1 FROM pragma_database_list WHERE :principal = :path", "not authorized|prohibited"),
                ("allow", "SELECT 1 FROM json_each(:path) WHERE :principal", "not authorized|prohibited|no such table"),
                ("allow", "SELECT random() FROM uploads WHERE :principal = :path", "not authorized"),
                ("allow", "SELECT load_extension(:path, :principal)", "not authorized|no such function"),
                ("allow", "CREATE TABLE x AS SELECT :principal, :path", "not authorized|not allowed"),
                ("allow", "BEGIN", "not authorized"), ("allow", "SELEC 1", "syntax error"),
                ("allow", "SELECT 1 FROM nowhere WHERE :principal = :path", "no such table: nowhere"),
                ("allow", "SELECT 1 FROM uploads WHERE \"user\" = :principal AND file_path = :path", "no such column"),
                ("allow", "SELECT 1 FROM uploads WHERE file_path = :path", "must use all of :principal, :path"),
                ("allow", ALLOW.replace(":path", "?"), "no parameter '' is known"),
                ("allow", ALLOW.replace(":path", "@path"), "no parameter '@path'"),
                ("allow", ALLOW.replace("SELECT 1", "SELECT 1, 2, 3"), "one column, or two"),
                ("list", LIST.replace(":end", ":folder"), "no parameter ':folder'.*:begin, :end"),
                ("who", "SELECT user_id FROM logins", "query who: must use all of :token")):
            with self.subTest(query):
                self.assertRegex(self.refusal(**{member: query}), re.compile(message, re.DOTALL))
        self.assertEqual(self.database.read_bytes(), before)

    def test_configurations(self):
        for members, message in (({"allow": None}, "members database, allow and list are needed"), ({"wo": "x"}, "no member 'wo'"),
                                 ({"list": 7}, "member list must be a text"), ({"list": ["x", 7]}, "must be a text, or a list"), ({"database": "none.db"}, "none.db"),
                                 ({"database": "source.json"}, "not a database")):
            with self.subTest(members):
                self.assertIn(message, self.refusal(**members))
        self.configure()
        for text, message in (("", "JSON object"), ("[]", "JSON object"), ('{"allow": ', "JSON object")):
            self.config.write_text(text)
            self.assertIn(message, self.starts_not())
        self.assertIn("cannot look at", self.starts_not("/nonexistent/x"))

    def test_what_others_may_write(self):
        for path in (self.config, self.database, self.app):
            with self.subTest(path):
                self.configure()
                mode = path.stat().st_mode
                path.chmod(mode | 0o002)
                self.assertRegex(self.starts_not(), "anyone|others")
                path.chmod(mode)

    def test_a_database_inside_the_store(self):
        self.make(self.site.store / "app.db")
        self.assertIn("lies inside the store", self.refusal(database=str(self.site.store / "app.db")))

    def test_a_missing_index_is_named(self):
        self.change("DROP INDEX uploads_by_user")
        self.mount()
        self.assertIn('query allow: each answer reads all of a table (SCAN uploads); make the index it lacks: '
                      'CREATE INDEX "grantfs_uploads" ON "uploads" ("file_path", "user_id")', self.site.log())
        self.assertRegex(self.site.log(), r'query list: .* ON "uploads" \("user_id", "file_path"\)')
        self.assertNotIn("query who", self.site.log())
        self.assertEqual(read(self.hers), ALICES)  # slow, but right
        self.site.umount()
        self.change('CREATE INDEX "grantfs_uploads" ON "uploads" ("user_id", "file_path")')
        start = len(self.site.log())
        self.mount()
        self.assertNotIn("reads all", self.site.log()[start:])


class Trouble(OwnTablesTest):
    def answer(self, value, ends):
        self.change("DELETE FROM answers", f"INSERT INTO answers VALUES ({value}, {ends})")

    def test_answers_of_another_type_deny(self):
        self.change("CREATE TABLE answers (value, ends)", "INSERT INTO answers VALUES (1, NULL)")
        self.mount(allow="SELECT value, ends FROM answers WHERE :principal > '' AND :path > ''")
        for value, ends in ((2, "NULL"), (-1, "NULL"), ("'1'", "NULL"), ("'yes'", "NULL"), (1.0, "NULL"), ("x'01'", "NULL"),
                            ("NULL", "NULL"), (0, "NULL"), (1, "'2030-01-01'"), (1, "1893456000.5"), (1, 1893456000000), (1, -1), (1, 5)):
            with self.subTest(value=value, ends=ends):
                self.answer(1, "NULL")
                self.becomes("OK", self.hers)
                self.answer(value, ends)
                self.turns_denied()

    def test_sessions_of_another_type_deny(self):
        self.change("CREATE TABLE answers (value, ends)", "INSERT INTO answers VALUES (7, NULL)")
        self.mount(who="SELECT value, ends FROM answers WHERE :token > ''")
        for value, ends in (("NULL", "NULL"), (7.0, "NULL"), ("x'37'", "NULL"), ("'7/8'", "NULL"), ("''", "NULL"), (7, "'never'"),
                            (7, 5), (7, 1893456000000), ("7", "NULL), (8, NULL")):
            with self.subTest(value=value, ends=ends):
                self.answer(7, "NULL")
                self.becomes("OK", self.hers)
                self.answer(value, ends)
                self.becomes("EACCES", self.hers)
                self.assert_denied(self.hers)

    def test_a_query_without_end_is_interrupted(self):
        self.mount(allow="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                         " SELECT 1 FROM n WHERE i < 0 AND i || :principal <> :path")
        started = time.monotonic()
        self.assertEqual(outcome(os.stat, self.hers), "EACCES")
        self.assertLess(time.monotonic() - started, PATIENCE_SECONDS)
        self.assertIn("interrupt", self.site.log())

    def test_deleted_and_back(self):
        self.mount()
        self.assertEqual(read(self.hers), ALICES)
        away = self.app / "away"
        away.mkdir()
        for name in ("app.db", "app.db-wal", "app.db-shm"):
            if (self.app / name).exists():
                os.rename(self.app / name, away / name)
        self.turns_denied()
        self.make(self.database)
        self.becomes("OK", self.hers)

    def test_replaced_by_one_that_says_less(self):
        self.mount()
        self.assertEqual((read(self.hers), read(self.his)), (ALICES, BOBS))
        other = self.app / "new.db"
        self.make(other, users=(7,))
        for suffix in ("-wal", "-shm"):
            (self.app / f"app.db{suffix}").unlink(missing_ok=True)
        os.rename(other, self.database)
        wait_for(lambda: outcome(read, self.his) in {"ENOENT", "EACCES"}, what="the old database to be forgotten")
        self.becomes("OK", self.hers)
        self.assertEqual(outcome(read, self.his), "ENOENT")

    def test_altered(self):
        self.mount()
        self.assertEqual(read(self.hers), ALICES)
        self.change("ALTER TABLE uploads RENAME COLUMN user_id TO owner_id")
        self.turns_denied()
        self.change("ALTER TABLE uploads RENAME COLUMN owner_id TO user_id")
        self.becomes("OK", self.hers)

    def test_a_column_that_goes_takes_no_end_with_it(self):
        """What ended with the column must not go on for ever without it."""
        self.change("CREATE TABLE l2 (user_id, expires)", "INSERT INTO l2 VALUES (7, 5)")
        self.mount(who="SELECT * FROM l2 WHERE :token > ''")
        self.assert_denied()
        self.change("ALTER TABLE l2 DROP COLUMN expires")
        for _ in range(3):  # by a reader that knew the column, and by those opened anew
            self.assert_denied()
        self.assertIn("other columns than", self.site.log())

    def test_damaged(self):
        self.mount()
        self.assertEqual(read(self.hers), ALICES)
        self.change("PRAGMA wal_checkpoint(TRUNCATE)")
        size = self.database.stat().st_size
        with open(self.database, "r+b") as file:
            file.write(os.urandom(size))
        self.change_nothing()
        self.assertNotEqual(outcome(read, self.by_session(ALICES_KEY, "8/picture")), "OK")
        self.assertNotEqual(outcome(read, self.by_session("c" * 32, "7/a/picture")), "OK")
        self.assert_daemon_lives()

    def change_nothing(self):
        with contextlib.suppress(sqlite3.DatabaseError):
            self.change("SELECT count(*) FROM uploads")
