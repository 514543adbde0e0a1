"""`grantctl source postgresql`: what a transaction writes to an application's table is in the policy when it commits."""

import collections
import hashlib
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import threading
import unittest

from cluster import server
from follower_case import FollowerCase
from harness import GRANTCTL, outcome, wait_for
from on_postgresql import PolicyCase

TOP = pathlib.Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("GRANTFS_SEED", random.randrange(2**32)))
NEVER = None
_numbers = itertools.count(1)


def printed(*options, status=0, json=False):
    done = subprocess.run([GRANTCTL, *(["--json"] if json else []), "source", "postgresql", *options], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == status, (options, done)
    return done.stdout if status == 0 else done.stderr


class SourceCase(PolicyCase):
    """self.app is a role that owns the schema public and is a member of grantfs_application: the application's."""

    def setUp(self):
        self.app = f"app{next(_numbers)}"
        self.addCleanup(server().sql, f"DROP ROLE {self.app}")  # when its database is gone
        super().setUp()
        self.sql(f"CREATE ROLE {self.app} LOGIN; GRANT grantfs_application TO {self.app}; ALTER SCHEMA public OWNER TO {self.app}")

    def as_app(self, statement, **kwargs):
        return server().sql(statement, self.name, user=self.app, **kwargs)

    def refused(self, statement, user=None):
        """What the server says of it."""
        _, said = server().sql(statement, self.name, user=user or self.app, check=False)
        self.assertIn("ERROR", said, statement)
        return said

    def apply(self, *options, user=None):
        """What psql says besides."""
        _, said = server().sql(printed(*options), self.name, user=user or self.app, check=False)
        self.assertNotIn("ERROR", said)
        return said

    def policy(self, table, columns):
        return sorted(self.rows(f"SELECT {columns} FROM {table}"), key=repr)

    def owners(self):
        return self.policy("owners", "path, principal")

    def triggers(self):
        """Those that are not on the policy's own tables."""
        return self.sql("SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE c.relnamespace <> 'grantfs'::regnamespace")

    def grants(self):
        return self.policy("grants", "principal, path")

    def open(self, begin="BEGIN"):
        """A transaction of the application's, to be ended by end()."""
        session = server().psql(self.name, user=self.app)
        self.addCleanup(session.wait)
        self.addCleanup(session.stdout.close)
        self.addCleanup(session.stdin.close)
        self.say(session, begin)
        return session

    def say(self, session, *statements):
        """Returns when they are done, with what psql printed."""
        self.begin(session, *statements)
        return self.heard(session)

    @staticmethod
    def begin(session, *statements):
        session.stdin.write("".join(f"{statement};\n" for statement in statements) + "\\echo done\n")

    @staticmethod
    def heard(session):
        lines = []
        while (line := session.stdout.readline()) not in ("done\n", ""):
            lines.append(line)
        return "".join(lines)

    def wait_until_one_waits(self):
        wait_for(lambda: self.sql("SELECT pid FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity"
                                  f" WHERE datname = '{self.name}')"), what="a session to wait for another")


UPLOADS = ("--table", "uploads", "--path-column", "file", "--principal-column", "user_id")


class Files(SourceCase):
    kind = "grant"

    def setUp(self):
        super().setUp()
        self.as_app("CREATE TABLE uploads (id serial PRIMARY KEY, user_id integer, file varchar(200), title text)")

    def test_each_change_counts_when_it_commits(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (8, 'b/c')")
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:8", "b/c")])
        self.as_app("UPDATE uploads SET file = 'd' WHERE user_id = 8")
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:8", "d")])
        self.as_app("UPDATE uploads SET user_id = 9 WHERE user_id = 8")
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:9", "d")])
        self.as_app("DELETE FROM uploads WHERE user_id = 7")
        self.assertEqual(self.grants(), [("user:9", "d")])
        self.as_app("TRUNCATE uploads")
        self.assertEqual(self.grants(), [])

    def test_what_is_rolled_back_never_was(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        for change in ("INSERT INTO uploads (user_id, file) VALUES (8, 'b')", "UPDATE uploads SET file = 'c'", "DELETE FROM uploads",
                       "TRUNCATE uploads"):
            self.as_app(f"BEGIN; {change}; ROLLBACK; BEGIN; SAVEPOINT here; {change}; ROLLBACK TO here; COMMIT")
            self.assertEqual(self.grants(), [("user:7", "a")], change)

    def test_null_and_empty_give_nothing(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (NULL, 'a'), (7, NULL), (7, ''), (NULL, NULL)")
        self.assertEqual(self.grants(), [])
        self.as_app("UPDATE uploads SET user_id = 7, file = 'x' || id")
        self.assertEqual(len(self.grants()), 4)
        self.as_app("UPDATE uploads SET user_id = NULL WHERE id < 3; UPDATE uploads SET file = '' WHERE id > 2")
        self.assertEqual(self.grants(), [])

    def test_rows_there_before_count_as_well_and_a_second_time_changes_nothing(self):
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (8, 'a'), (7, 'a'), (NULL, 'n'), (9, '')")
        self.apply(*UPLOADS)
        before = self.sql("SELECT xmin, * FROM grantfs.grants ORDER BY id")
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:8", "a")])
        self.apply(*UPLOADS)
        self.assertEqual(self.sql("SELECT xmin, * FROM grantfs.grants ORDER BY id"), before)
        self.as_app("DELETE FROM uploads")
        self.assertEqual(self.grants(), [])

    def test_a_right_lasts_as_long_as_any_row_gives_it(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (8, 'a'), (7, 'a')")
        self.as_app("DELETE FROM uploads WHERE id = 1")
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:8", "a")])
        self.as_app("UPDATE uploads SET file = 'b' WHERE id = 3")
        self.assertEqual(self.grants(), [("user:7", "b"), ("user:8", "a")])

    def test_a_change_of_other_columns_writes_nothing(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        before = self.sql("SELECT xmin, * FROM grantfs.grants")
        self.as_app("UPDATE uploads SET title = 'x'; UPDATE uploads SET file = file, user_id = user_id")
        self.assertEqual(self.sql("SELECT xmin, * FROM grantfs.grants"), before)

    def test_what_no_path_is_names_the_row_in_the_applications_own_transaction(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        for path in (".", "..", "/", "/a", "a/", "a//b", "a/./b", "a/../../etc", "./a"):
            with self.subTest(path):
                for change in (f"INSERT INTO uploads (user_id, file) VALUES (7, '{path}')", f"UPDATE uploads SET file = '{path}'"):
                    said = self.refused(f"BEGIN; INSERT INTO uploads (user_id, file) VALUES (9, 'with'); {change}; COMMIT")
                    self.assertIn(f"grantfs takes nothing from this row of public.uploads: file '{path}' of user_id '7' is no path", said)
                self.assertEqual(self.grants(), [("user:7", "a")])
        # Where the file is nobody's, it does not matter.
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (NULL, '..')")

    def test_the_first_fill_names_rows_that_are_none_or_leaves_them_out(self):
        self.as_app("INSERT INTO uploads (user_id, file) SELECT i, '/abs/' || i FROM generate_series(1, 9) i; INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        said = self.refused(printed(*UPLOADS))
        self.assertIn("9 row(s) of public.uploads: file '/abs/1' of user_id '1' is no path", said)
        self.assertIn("--skip-invalid", said)
        self.assertEqual((self.grants(), self.triggers()), ([], []))
        self.assertIn("WARNING", self.apply(*UPLOADS, "--skip-invalid"))
        self.assertEqual(self.grants(), [("user:7", "a")])
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (8, '../b'), (8, 'b')")
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:8", "b")])
        self.as_app("UPDATE uploads SET file = '.' WHERE user_id = 8 AND file = 'b'")
        self.assertEqual(self.grants(), [("user:7", "a")])
        self.as_app("UPDATE uploads SET file = trim(leading '/' FROM file)  WHERE file <> '.' AND file <> '../b'")
        self.assertEqual(len(self.grants()), 10)
        self.as_app("TRUNCATE uploads")
        self.assertEqual(self.grants(), [])

    def test_the_folder_in_front_is_taken_off(self):
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, '/srv/up%loads''/a/b')")
        self.apply(*UPLOADS, "--strip-prefix", "/srv/up%loads'")
        self.assertEqual(self.grants(), [("user:7", "a/b")])
        for path in ("/srv/up%loads''", "/srv/up%loads''/", "/srv/up%loads''/../x", "/srv/upXloads''/a", "a/b"):
            with self.subTest(path):
                self.assertIn("takes nothing from this row", self.refused(f"INSERT INTO uploads (user_id, file) VALUES (7, '{path}')"))
        self.as_app("TRUNCATE uploads")
        self.assertEqual(self.grants(), [])

    def test_principals_of_every_kind(self):
        self.as_app("CREATE TABLE shares (path text, who text)")
        options = ("--table", "shares", "--path-column", "path", "--principal-column", "who", "--principal-prefix")
        self.apply(*options, "none")
        self.as_app("INSERT INTO shares VALUES ('a', 'user:x'), ('a', 'group:g'), ('a', 'uid:7'), ('a', 'public')")
        self.assertEqual(self.grants(), [("group:g", "a"), ("public", "a"), ("uid:7", "a"), ("user:x", "a")])
        for who in ("x", "uid:07", "user:", "user:a/b", "user:" + "x" * 256, "gid:4294967295", "Public"):
            with self.subTest(who):
                self.assertIn("is no principal", self.refused(f"INSERT INTO shares VALUES ('a', '{who}')"))
        self.apply(*options, "none", "--drop")
        for prefix, good, bad in (("group:", "g", "g/h"), ("uid:", "7", "x"), ("user:org-", "x", "x\ty")):
            self.as_app(f"DELETE FROM shares; INSERT INTO shares VALUES ('a', '{good}')")
            self.apply(*options, prefix)
            self.assertEqual(self.grants(), [(prefix + good, "a")])
            self.assertIn("is no principal", self.refused(f"INSERT INTO shares VALUES ('a', '{bad}')"))
            self.apply(*options, prefix, "--drop")

    def test_ends_are_those_of_the_latest_row(self):
        self.as_app("CREATE TABLE shares (id integer, path text, user_id uuid, until timestamptz)")
        self.apply("--table", "shares", "--path-column", "path", "--principal-column", "user_id", "--expires-column", "until")
        who = "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"

        def end():
            return [row[0] for row in self.rows("SELECT expires FROM grants")]
        self.as_app(f"INSERT INTO shares VALUES (1, 'a', {who}, '2030-01-01 00:00:00.9+00')")
        self.assertEqual(end(), [1893456000])
        self.as_app(f"INSERT INTO shares VALUES (2, 'a', {who}, '2031-01-01 00:00+00')")
        self.assertEqual(end(), [1924992000])
        self.as_app(f"INSERT INTO shares VALUES (3, 'a', {who}, '2029-01-01 00:00+00')")
        self.assertEqual(end(), [1924992000])
        self.as_app("DELETE FROM shares WHERE id = 2")
        self.assertEqual(end(), [1893456000])
        self.as_app("UPDATE shares SET until = NULL WHERE id = 3")
        self.assertEqual(end(), [None])
        self.as_app("UPDATE shares SET until = '-infinity'")
        self.assertEqual(end(), [0])
        self.as_app("UPDATE shares SET until = 'infinity' WHERE id = 1")
        self.assertEqual(end(), [99999999999])
        self.as_app("DELETE FROM shares")
        self.assertEqual(end(), [])

    def test_an_end_that_is_no_moment_is_refused(self):
        self.as_app("CREATE TABLE shares (path text, user_id integer, until timestamp, unix bigint)")
        options = ("--table", "shares", "--path-column", "path", "--principal-column", "user_id", "--expires-column")
        self.assertIn("must be a timestamp with time zone", self.refused(printed(*options, "until")))
        self.apply(*options, "unix", "--unix-seconds")
        self.as_app("INSERT INTO shares VALUES ('a', 7, NULL, 5)")
        self.assertEqual(self.rows("SELECT expires FROM grants"), [(5,)])
        for number in (-1, 100_000_000_000, 1_700_000_000_000):
            self.assertIn(f"unix '{number}' of user_id '7' is no time", self.refused(f"INSERT INTO shares VALUES ('b', 7, NULL, {number})"))

    def test_a_revocation_by_hand_holds_until_the_row_changes(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        self.grantctl("revoke", "user:7", "a")
        self.as_app("UPDATE uploads SET title = 'x'")
        self.assertEqual(self.grants(), [])
        self.as_app("DELETE FROM uploads")

    def test_a_path_with_bytes_that_compare_equal_elsewhere_is_another(self):
        self.sql("CREATE COLLATION public.anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        self.as_app("CREATE TABLE anycase (user_id integer, file text COLLATE anycase)")
        self.apply("--table", "anycase", "--path-column", "file", "--principal-column", "user_id")
        self.as_app("INSERT INTO anycase VALUES (7, 'A'), (7, 'a')")
        self.assertEqual(self.grants(), [("user:7", "A"), ("user:7", "a")])
        self.as_app("DELETE FROM anycase WHERE file = 'a' COLLATE \"C\"")
        self.assertEqual(self.grants(), [("user:7", "A")])
        self.as_app("UPDATE anycase SET file = 'a'")
        self.assertEqual(self.grants(), [("user:7", "a")])

    def test_two_columns_of_a_table_are_two_sources(self):
        self.as_app("CREATE TABLE shares (path text, user_id integer, group_id integer)")
        self.apply("--table", "shares", "--path-column", "path", "--principal-column", "user_id")
        self.apply("--table", "shares", "--path-column", "path", "--principal-column", "group_id", "--principal-prefix", "group:")
        self.as_app("INSERT INTO shares VALUES ('a', 7, NULL), ('a', NULL, 3)")
        self.assertEqual(self.grants(), [("group:3", "a"), ("user:7", "a")])
        self.apply("--table", "shares", "--path-column", "path", "--principal-column", "user_id", "--drop")
        self.assertEqual(self.grants(), [("group:3", "a")])
        self.as_app("DELETE FROM shares")
        self.assertEqual(self.grants(), [])

    def test_two_paths_of_a_row_are_two_sources(self):
        self.as_app("ALTER TABLE uploads ADD thumbnail text; INSERT INTO uploads (user_id, file, thumbnail) VALUES (7, 'a', 't/a')")
        self.apply(*UPLOADS)
        self.apply("--table", "uploads", "--path-column", "thumbnail", *UPLOADS[4:])
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:7", "t/a")])
        self.as_app("UPDATE uploads SET thumbnail = NULL")
        self.assertEqual(self.grants(), [("user:7", "a")])

    def test_a_row_that_a_trigger_changes_again_gives_what_it_is_in_the_end(self):
        self.as_app("""CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.title = 'gone' THEN DELETE FROM uploads WHERE id = NEW.id; END IF;
            IF NEW.title = 'moved' AND NEW.file NOT LIKE 'moved%' THEN UPDATE uploads SET file = 'moved/' || file WHERE id = NEW.id; END IF;
            RETURN NULL; END $$;
            CREATE TRIGGER "  first" AFTER INSERT OR UPDATE ON uploads FOR EACH ROW EXECUTE FUNCTION meddle();
            CREATE TRIGGER "a" AFTER INSERT OR UPDATE ON uploads FOR EACH ROW EXECUTE FUNCTION meddle()""")
        self.as_app('DROP TRIGGER "  first" ON uploads')
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file, title) VALUES (7, 'a', 'gone'), (8, 'b', 'moved'), (9, 'c', '')")
        self.assertEqual(self.grants(), [("user:8", "moved/b"), ("user:9", "c")])
        self.as_app("UPDATE uploads SET title = 'gone', file = 'x' WHERE user_id = 9")
        self.assertEqual(self.grants(), [("user:8", "moved/b")])

    def test_another_command_does_not_take_its_place(self):
        self.apply(*UPLOADS)
        said = self.refused(printed(*UPLOADS, "--strip-prefix", "/x"))
        self.assertIn("there are triggers of another command already: grantctl source postgresql --kind grant", said)
        self.assertIn("with --drop", said)
        self.apply(*UPLOADS, "--drop")
        self.apply(*UPLOADS, "--strip-prefix", "/x")

    def test_dropped_it_leaves_nothing(self):
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (8, 'a')")
        self.grantctl("grant", "user:9", "a")
        self.apply(*UPLOADS)
        self.apply(*UPLOADS, "--drop")
        self.assertEqual(self.grants(), [("user:9", "a")])
        self.assertEqual(self.triggers() + self.sql("SELECT proname FROM pg_proc WHERE proname LIKE '%uploads%'"), [])
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'b')")
        self.assertEqual(self.grants(), [("user:9", "a")])
        self.assertIn("no triggers", self.apply(*UPLOADS, "--drop"))

    def test_an_index_that_changes_would_need_is_named(self):
        self.assertIn('CREATE INDEX ON "public"."uploads" ("file")', self.apply(*UPLOADS))
        self.as_app("CREATE INDEX ON uploads (file)")
        self.assertEqual(self.apply(*UPLOADS), "")
        self.as_app("INSERT INTO uploads (user_id, file) SELECT i % 100, 'f' || i FROM generate_series(1, 20000) i; ANALYZE uploads")
        plan = self.sql("LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;"
                        " SET client_min_messages = log; DELETE FROM uploads WHERE id = 5", check=False)[1]
        self.assertIn("Index Scan using uploads_file_idx on uploads other", plan)
        self.assertNotIn("Function Scan on \"grantfs_grant", plan)

    def test_rows_that_can_go_without_a_trigger_are_refused(self):
        self.as_app("CREATE TABLE parts (user_id integer, file text) PARTITION BY LIST (user_id); CREATE VIEW seen AS SELECT * FROM uploads;"
                    "CREATE UNLOGGED TABLE unlogged (user_id integer, file text)")
        for table in ("parts", "unlogged"):
            said = self.refused(printed("--table", table, *UPLOADS[2:]))
            self.assertIn(f"public.{table} is no ordinary table", said)
        self.refused(printed("--table", "seen", *UPLOADS[2:]))
        self.assertIn("does not exist", self.refused(printed("--table", "nothing", *UPLOADS[2:])))
        self.assertIn("column \"nothing\"", self.refused(printed("--table", "uploads", "--path-column", "nothing", "--principal-column", "user_id")))

    def test_rows_of_a_table_that_inherits_are_not_the_tables(self):
        self.as_app("CREATE TABLE child () INHERITS (uploads); INSERT INTO child (user_id, file) VALUES (7, 'a')")
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO child (user_id, file) VALUES (7, 'b'); INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        self.assertEqual(self.grants(), [("user:7", "a")])
        self.as_app("DELETE FROM ONLY uploads")
        self.assertEqual(self.grants(), [])

    def test_the_type_and_the_name_of_a_column_may_change(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        self.as_app("ALTER TABLE uploads ALTER file TYPE text, ALTER user_id TYPE bigint; ALTER TABLE uploads ADD more text DEFAULT 'x', DROP title")
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (8, 'b'); DELETE FROM uploads WHERE user_id = 7")
        self.assertEqual(self.grants(), [("user:8", "b")])
        # The application does not work on without its triggers.
        self.as_app("ALTER TABLE uploads RENAME file TO path")
        self.assertIn("column \"file\" not found", self.refused("INSERT INTO uploads (user_id, path) VALUES (9, 'c')"))


class Owners(SourceCase):
    OPTIONS = (*UPLOADS, "--kind", "own")

    def setUp(self):
        super().setUp()
        self.as_app("CREATE TABLE uploads (id serial PRIMARY KEY, user_id integer, file text)")

    def test_each_change_counts_when_it_commits(self):
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (7, 'a')")
        self.apply(*self.OPTIONS)
        self.assertEqual(self.owners(), [("a", "user:7")])
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (8, 'b')")
        self.as_app("UPDATE uploads SET user_id = 9 WHERE file = 'b'; DELETE FROM uploads WHERE id = 1")
        self.assertEqual(self.owners(), [("a", "user:7"), ("b", "user:9")])
        # Two files change hands.
        self.as_app("UPDATE uploads SET file = CASE file WHEN 'a' THEN 'b' ELSE 'a' END")
        self.assertEqual(self.owners(), [("a", "user:9"), ("b", "user:7")])
        self.as_app("DELETE FROM uploads WHERE file = 'a'")
        self.assertEqual(self.owners(), [("b", "user:7")])
        self.as_app("TRUNCATE uploads")
        self.assertEqual(self.owners(), [])

    def test_a_path_has_one_owner(self):
        self.apply(*self.OPTIONS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (8, 'b')")
        for change in ("INSERT INTO uploads (user_id, file) VALUES (8, 'a')", "UPDATE uploads SET file = 'a' WHERE user_id = 8",
                       "UPDATE uploads SET file = 'c'"):
            said = self.refused(change)
            self.assertRegex(said, "two rows of public.uploads give [ac] to both user:7 and user:8")
            self.assertIn("--kind grant", said)
        self.assertEqual(self.owners(), [("a", "user:7"), ("b", "user:8")])
        self.apply(*self.OPTIONS, "--drop")
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (8, 'a')")
        self.assertIn("give a to both user:7 and user:8", self.refused(printed(*self.OPTIONS)))

    def test_what_somebody_else_owns_since_stays_theirs(self):
        self.apply(*self.OPTIONS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (7, 'b')")
        self.grantctl("own", "user:1", "a", "b")
        self.as_app("DELETE FROM uploads WHERE file = 'a'")
        self.assertEqual(self.owners(), [("a", "user:1"), ("b", "user:1")])
        self.as_app("TRUNCATE uploads")
        self.assertEqual(self.owners(), [("a", "user:1"), ("b", "user:1")])
        # As with `grantctl own`, a former owner loses the path.
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
        self.assertEqual(self.owners(), [("a", "user:7"), ("b", "user:1")])


class Members(SourceCase):
    OPTIONS = ("--table", "team_members", "--group-column", "team", "--principal-column", "person")

    def members(self):
        return self.policy("members", "member, parent, expires")

    def test_each_change_counts_when_it_commits(self):
        self.as_app("CREATE TABLE team_members (person integer, team integer, until timestamptz)")
        self.as_app("INSERT INTO team_members VALUES (7, 1), (7, 2), (8, 1), (NULL, 1), (9, NULL)")
        self.apply(*self.OPTIONS, "--expires-column", "until")
        self.assertEqual(self.members(), [("user:7", "group:1", None), ("user:7", "group:2", None), ("user:8", "group:1", None)])
        self.as_app("UPDATE team_members SET until = '2030-01-01 00:00+00' WHERE team = 2; DELETE FROM team_members WHERE person = 8")
        self.assertEqual(self.members(), [("user:7", "group:1", None), ("user:7", "group:2", 1893456000)])
        self.as_app("UPDATE team_members SET team = 3 WHERE team = 2")
        self.assertEqual(self.members(), [("user:7", "group:1", None), ("user:7", "group:3", 1893456000)])
        self.as_app("TRUNCATE team_members")
        self.assertEqual(self.members(), [])

    def test_what_is_no_group_names_the_row(self):
        self.as_app("CREATE TABLE team_members (person text, team text)")
        self.apply(*self.OPTIONS, "--group-prefix", "none", "--principal-prefix", "none")
        self.as_app("INSERT INTO team_members VALUES ('user:a', 'group:b'), ('group:b', 'group:c')")
        self.assertIn("team 'user:x' of person 'user:a' is no group", self.refused("INSERT INTO team_members VALUES ('user:a', 'user:x')"))
        self.assertIn("person 'a' is no principal", self.refused("INSERT INTO team_members VALUES ('a', 'group:x')"))
        self.assertEqual(self.members(), [("group:b", "group:c", None), ("user:a", "group:b", None)])


class Sessions(SourceCase):
    TOKEN = "0123456789abcdefABCDEF-_"
    OPTIONS = ("--table", "logins", "--principal-column", "user_id", "--expires-column", "ends")

    def sessions(self):
        return self.policy("sessions", "id, principal, expires")

    def setUp(self):
        super().setUp()
        self.as_app("CREATE TABLE logins (token text, digest bytea, user_id integer, ends timestamptz)")
        self.hash = hashlib.sha256(self.TOKEN.encode()).hexdigest()

    def test_each_change_counts_when_it_commits(self):
        self.apply(*self.OPTIONS, "--token-column", "token")
        self.as_app(f"INSERT INTO logins (token, user_id, ends) VALUES ('{self.TOKEN}', 7, '2030-01-01 00:00+00'), (NULL, 8, NULL), ('', 8, NULL),"
                    f" ('{'x' * 16}', NULL, NULL)")
        self.assertEqual(self.sessions(), [(self.hash, "user:7", 1893456000)])
        self.as_app("UPDATE logins SET ends = '2031-01-01 00:00+00' WHERE user_id = 7")
        self.assertEqual(self.sessions(), [(self.hash, "user:7", 1924992000)])
        self.as_app("UPDATE logins SET user_id = 9 WHERE user_id = 7")
        self.assertEqual(self.sessions(), [(self.hash, "user:9", 1924992000)])
        self.as_app("UPDATE logins SET token = 'abcdefghijklmnop' WHERE user_id = 9")
        self.assertEqual(self.sessions(), [(hashlib.sha256(b"abcdefghijklmnop").hexdigest(), "user:9", 1924992000)])
        self.as_app("DELETE FROM logins WHERE user_id = 9")
        self.assertEqual(self.sessions(), [])
        self.as_app(f"DELETE FROM logins; INSERT INTO logins (token, user_id) VALUES ('{self.TOKEN}', 7)")
        self.assertEqual(self.sessions(), [(self.hash, "user:7", NEVER)])
        self.as_app("TRUNCATE logins")
        self.assertEqual(self.sessions(), [])

    def test_a_token_that_nobody_can_use_is_refused_and_not_shown(self):
        self.apply(*self.OPTIONS, "--token-column", "token")
        for token in ("short", "x" * 256, "with/slash-0123456789", "ümlaut-0123456789012", "with\nnewline-0123456"):
            said = self.refused(f"\\set VERBOSITY verbose\nINSERT INTO logins (token, user_id) VALUES ('{token}', 7)")
            self.assertIn("token of user_id '7' is not 16 to 255 of", said)
            self.assertEqual(said.count(token), 0, said)

    def test_the_columns_may_have_hashes(self):
        for column, value, back in (("digest", f"'\\x{self.hash}'", "digest = NULL"), ("token", f"'{self.hash}'", "token = NULL")):
            self.as_app(f"DELETE FROM logins; INSERT INTO logins ({column}, user_id) VALUES ({value}, 7)")
            self.apply(*self.OPTIONS, "--token-hash-column", column)
            self.assertEqual(self.sessions(), [(self.hash, "user:7", NEVER)])
            self.as_app(f"SET bytea_output = escape; UPDATE logins SET {back}")
            self.assertEqual(self.sessions(), [])
            self.as_app(f"SET bytea_output = escape; UPDATE logins SET {column} = {value}")
            self.assertEqual(self.sessions(), [(self.hash, "user:7", NEVER)])
            bad = {"digest": "'\\x00'", "token": f"'{self.hash.upper()}'"}[column]
            self.assertIn(f"{column} of user_id '8' is no SHA-256", self.refused(f"INSERT INTO logins ({column}, user_id) VALUES ({bad}, 8)"))
            self.apply(*self.OPTIONS, "--token-hash-column", column, "--drop")
            self.assertEqual(self.sessions(), [])

    def test_one_token_is_not_two_principals(self):
        self.apply(*self.OPTIONS, "--token-column", "token")
        self.as_app(f"INSERT INTO logins (token, user_id) VALUES ('{self.TOKEN}', 7), ('{self.TOKEN}', 7)")
        said = self.refused(f"INSERT INTO logins (token, user_id) VALUES ('{self.TOKEN}', 8)")
        self.assertIn("to both user:7 and user:8", said)
        self.assertNotIn(f"'{self.TOKEN}' to", said)
        self.assertEqual(self.sessions(), [(self.hash, "user:7", NEVER)])


class Names(SourceCase):
    HOSTILE = ('Upper Case', 'quo"te', "apo'strophe", "dollar$grantfs$", "semi;colon -- x", "new\nline\\echo x", "perc%ent%s", "do.t", "back\\slash",
               "ünï", "$1", "old", "it", "given", "user", "x" * 63)

    @staticmethod
    def quoted(name):
        return '"' + name.replace('"', '""') + '"'

    def test_names_are_names_whatever_is_in_them(self):
        for number, name in enumerate(self.HOSTILE):
            column, other = self.quoted(name), self.quoted("Other " + name[:40])
            schema = self.quoted(name[::-1] if len(name) < 63 else "s" * 63)
            table = f"{schema}.{column}"
            with self.subTest(name):
                self.as_app("DROP TABLE IF EXISTS uploads; CREATE TABLE uploads (x integer)")
                self.sql(f"CREATE SCHEMA {schema} AUTHORIZATION {self.app}")
                self.as_app(f"CREATE TABLE {table} ({column} text, {other} integer, ends timestamptz); INSERT INTO {table} VALUES ('first', 1)")
                options = ("--table", table, "--path-column", name, "--principal-column", "Other " + name[:40], "--strip-prefix")
                sql = printed(*options, "f'\\$grantfs$")
                self.assertNotIn("\n\\echo", sql)
                self.refused(sql)  # 'first' does not begin with that
                self.as_app(f"DELETE FROM {table}")
                self.apply(*options, "f'\\$grantfs$")
                self.apply(*options, "f'\\$grantfs$")
                self.as_app(f"INSERT INTO {table} VALUES ('f''\\$grantfs$/path', 1), ('f''\\$grantfs$/other', 1)")
                self.as_app(f"DELETE FROM {table} WHERE {column} LIKE '%other'")
                self.assertEqual(self.grants(), [("user:1", "path")])
                self.assertIn("takes nothing", self.refused(f"INSERT INTO {table} VALUES ('x', 1)"))
                self.apply(*options, "f'\\$grantfs$", "--drop")
                self.assertEqual(self.grants(), [])

    def test_a_session_with_hostile_names(self):
        name = "$grantfs$ \"'\\\n--x"
        column = self.quoted(name)
        self.as_app(f"CREATE TABLE {column} ({column} text, {self.quoted('u' + name)} text, {self.quoted('e' + name)} bigint)")
        options = ("--table", column, "--token-column", name, "--principal-column", "u" + name, "--expires-column", "e" + name, "--unix-seconds")
        self.apply(*options)
        self.as_app(f"INSERT INTO {column} VALUES ('{Sessions.TOKEN}', 'it''s', 5)")
        self.assertEqual(self.policy("sessions", "principal, expires"), [("user:it's", 5)])
        self.assertIn("is not 16 to 255", self.refused(f"INSERT INTO {column} VALUES ('x', 'it''s', 5)"))
        self.apply(*options, "--drop")

    def test_values_are_only_values(self):
        """An error shows them; nothing runs them."""
        self.as_app("CREATE TABLE uploads (user_id text, file text)")
        self.apply(*UPLOADS)
        for text in ("'; DROP TABLE uploads; --", "%s%%", "$grantfs$", "\\", "a'b"):
            self.as_app(f"INSERT INTO uploads VALUES ('a', E'{text.replace(chr(92), chr(92) * 2).replace(chr(39), chr(39) * 2)}')")
        self.assertEqual(len(self.grants()), 5)
        self.assertIn("'a/''%s/../'", self.refused("INSERT INTO uploads VALUES ('a', 'a/''%s/../')"))


class Rights(SourceCase):
    def setUp(self):
        super().setUp()
        self.as_app("CREATE TABLE uploads (id serial PRIMARY KEY, user_id integer, file text); INSERT INTO uploads (user_id, file) VALUES (7, 'a')")

    def test_who_writes_the_table_needs_rights_or_the_functions_have_theirs(self):
        writer = self.app + "w"
        self.addCleanup(server().sql, f"DROP ROLE {writer}")
        self.addCleanup(server().drop_database, self.name)
        self.sql(f"CREATE ROLE {writer} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON uploads TO {writer}; GRANT USAGE ON SEQUENCE uploads_id_seq TO {writer}")
        self.apply(*UPLOADS)
        self.assertIn("permission denied for schema grantfs", self.refused("INSERT INTO uploads (user_id, file) VALUES (8, 'b')", writer))
        self.apply(*UPLOADS, "--drop")
        self.sql(f"REVOKE grantfs_application FROM {self.app}")

        self.apply(*UPLOADS, "--security-definer", user="postgres")
        server().sql("INSERT INTO uploads (user_id, file) VALUES (8, 'b'); UPDATE uploads SET file = 'c' WHERE user_id = 7; DELETE FROM uploads WHERE file = 'b'",
                     self.name, user=writer)
        self.assertEqual(self.grants(), [("user:7", "c")])
        self.assertIn("permission denied", self.refused("SELECT * FROM grantfs.grants", writer))
        self.assertEqual(set(self.sql("SELECT proowner::regrole FROM pg_proc WHERE proname LIKE 'grantfs%uploads%'")), {("grantfs_source",)})
        # Nobody else has it run for a table of theirs.
        for user in (self.app, writer):
            said = self.refused("CREATE TEMP TABLE mine (user_id integer, file text); CREATE TRIGGER x AFTER INSERT ON mine FOR EACH ROW"
                                " EXECUTE FUNCTION \"grantfs_grant.uploads.user_id.file\"()", user)
            self.assertIn("permission denied for function", said)
        server().sql("TRUNCATE uploads", self.name, user=writer)
        self.assertEqual(self.grants(), [])
        self.apply(*UPLOADS, "--security-definer", "--drop", user="postgres")
        self.assertEqual(self.sql("SELECT has_table_privilege('grantfs_source', 'uploads', 'SELECT')"), [("f",)])

    def test_what_a_writer_puts_in_front_is_not_called(self):
        """Functions and operators of a schema of the writer's, and temporary ones."""
        self.sql(f"REVOKE grantfs_application FROM {self.app}")
        self.apply(*UPLOADS, "--security-definer", user="postgres")
        self.as_app("""
            CREATE TABLE caught (who text);
            CREATE FUNCTION public.nullif_(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
            CREATE FUNCTION public.strpos(text, text) RETURNS integer LANGUAGE plpgsql AS
              'BEGIN INSERT INTO public.caught VALUES (current_user); RETURN 0; END';
            CREATE FUNCTION public.caught(text, text) RETURNS boolean LANGUAGE plpgsql AS
              'BEGIN INSERT INTO public.caught VALUES (current_user); RETURN true; END';
            CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, PROCEDURE = public.caught);
            CREATE TEMP TABLE pg_class (x integer);
            SET search_path = public, pg_catalog;
            INSERT INTO uploads (user_id, file) VALUES (8, 'b'); UPDATE uploads SET file = 'c' WHERE user_id = 8; DELETE FROM uploads""")
        self.assertEqual((self.grants(), self.as_app("SELECT * FROM caught")), ([], []))

    def test_rows_that_row_security_hides_are_an_error(self):
        self.apply(*UPLOADS)
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (7, 'a'); ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;"
                    " ALTER TABLE uploads FORCE ROW LEVEL SECURITY; CREATE POLICY mine ON uploads USING (id = 1)")
        self.assertIn("row-level security", self.refused("DELETE FROM uploads"))
        self.assertEqual(self.grants(), [("user:7", "a")])


class AtTheSameTime(SourceCase):
    def setUp(self):
        super().setUp()
        self.as_app("CREATE TABLE uploads (id serial PRIMARY KEY, user_id integer, file text); CREATE INDEX ON uploads (file);"
                    "INSERT INTO uploads (user_id, file) VALUES (7, 'a'), (7, 'a')")

    def end(self, session, how="COMMIT"):
        return self.say(session, how)

    def test_no_change_slips_between_the_first_fill_and_the_triggers(self):
        writer = self.open()
        self.say(writer, "INSERT INTO uploads (user_id, file) VALUES (8, 'before')")
        filling = threading.Thread(target=self.apply, args=UPLOADS)
        filling.start()
        self.wait_until_one_waits()
        later = self.open()
        self.begin(later, "INSERT INTO uploads (user_id, file) VALUES (9, 'behind')", "COMMIT")
        self.end(writer)
        filling.join()
        self.heard(later)
        self.assertEqual(self.grants(), [("user:7", "a"), ("user:8", "before"), ("user:9", "behind")])

    def test_of_two_who_take_away_the_last_two_rows_one_takes_the_right(self):
        self.apply(*UPLOADS)
        aways = ("DELETE FROM uploads WHERE id = {}", "UPDATE uploads SET file = 'b' WHERE id = {}", "UPDATE uploads SET user_id = NULL WHERE id = {}")
        levels = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
        for away, level, revoked in itertools.product(aways, levels, (False, True)):
            with self.subTest(away, level=level, revoked=revoked):
                self.as_app("TRUNCATE uploads; INSERT INTO uploads (id, user_id, file) VALUES (1, 7, 'a'), (2, 7, 'a')")
                if revoked:
                    self.as_app("DELETE FROM grantfs.grants")
                first, second = self.open(f"BEGIN ISOLATION LEVEL {level}; SELECT FROM uploads"), self.open(f"BEGIN ISOLATION LEVEL {level}; SELECT FROM uploads")
                self.say(first, away.format(1))
                self.begin(second, away.format(2))
                self.wait_until_one_waits()
                self.end(first)
                said = self.heard(second) + self.end(second)
                left = self.sql("SELECT count(*) FROM uploads WHERE file = 'a' AND user_id = 7")[0][0]
                self.assertEqual(("user:7", "a") in self.grants(), left != "0", said)
                if level == "READ COMMITTED":
                    self.assertEqual((left, "ERROR" in said), ("0", False), said)

    def test_a_row_that_comes_while_another_goes_keeps_the_right(self):
        self.apply(*UPLOADS)
        for first_goes in (True, False):
            for level in ("READ COMMITTED", "REPEATABLE READ"):
                with self.subTest(first_goes=first_goes, level=level):
                    self.as_app("TRUNCATE uploads; INSERT INTO uploads (user_id, file) VALUES (7, 'a')")
                    one, two = self.open(f"BEGIN ISOLATION LEVEL {level}; SELECT FROM uploads"), self.open(f"BEGIN ISOLATION LEVEL {level}; SELECT FROM uploads")
                    changes = ["DELETE FROM uploads WHERE id IN (SELECT min(id) FROM uploads)", "INSERT INTO uploads (user_id, file) VALUES (7, 'a')"]
                    if not first_goes:
                        changes.reverse()
                    self.say(one, changes[0])
                    self.begin(two, changes[1])
                    self.wait_until_one_waits()
                    self.end(one)
                    said = self.heard(two) + self.end(two)
                    rows = self.sql("SELECT count(*) FROM uploads")[0][0]
                    self.assertEqual(("user:7", "a") in self.grants(), rows != "0", said)

    def test_truncate_is_refused_where_it_does_not_see_all_rows(self):
        self.apply(*UPLOADS)
        old = self.open("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM uploads")
        self.as_app("INSERT INTO uploads (user_id, file) VALUES (8, 'b')")
        self.assertIn("needs the isolation level read committed", self.say(old, "TRUNCATE uploads"))

    def test_many_writers_leave_the_policy_as_the_table_says(self):
        chooser = random.Random(SEED)
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        self.apply(*UPLOADS)

        def statement(chance):
            who, path = chance.randrange(2), chance.choice("ab")
            pick = f"id IN (SELECT id FROM uploads ORDER BY hashint4(id # {chance.randrange(10**6)}) LIMIT {chance.randrange(1, 3)})"
            return chance.choice([f"INSERT INTO uploads (user_id, file) VALUES ({who}, '{path}')", f"DELETE FROM uploads WHERE {pick}",
                                  f"UPDATE uploads SET file = '{path}' WHERE {pick}", f"UPDATE uploads SET user_id = {who} WHERE {pick}",
                                  f"UPDATE uploads SET file = NULL WHERE {pick}"] + ["TRUNCATE uploads"] * (chance.random() < 0.05))

        def write(chance):
            session = server().psql(self.name, user=self.app)
            for _ in range(150):
                level = chance.choice(["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
                lines = "".join(f"{statement(chance)};\n" for _ in range(chance.randrange(1, 4)))
                session.stdin.write(f"BEGIN ISOLATION LEVEL {level};\n{lines}{chance.choice(['COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK'])};\n")
            said[chance] = session.communicate(timeout=120)[0]

        said = {}
        for round in range(4):
            self.sql("ALTER SYSTEM SET deadlock_timeout = '20ms'; SELECT pg_reload_conf()") if round == 0 else None
            writers = [threading.Thread(target=write, args=(random.Random(chooser.random()),)) for _ in range(4)]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()
            given = {(f"user:{user}", path) for user, path in self.sql("SELECT DISTINCT user_id, file FROM uploads WHERE file IS NOT NULL")}
            self.assertEqual(set(self.grants()), given)
        errors = collections.Counter(line.split("ERROR:")[1].strip() for text in said.values() for line in text.splitlines() if "ERROR:" in line)
        expected = ("could not serialize access", "deadlock detected", "current transaction is aborted", "needs the isolation level")
        self.assertEqual([error for error in errors if not any(words in error for words in expected)], [])
        self.sql("ALTER SYSTEM RESET deadlock_timeout")
        self.sql("SELECT pg_reload_conf()")


class AsTheTableSays(SourceCase):
    """Random statements, and what the rows give by a few lines of Python."""

    TABLES = {
        "own": ("owners", "path, principal", ("--path-column", "path")),
        "grant": ("grants", "principal, path, expires", ("--path-column", "path", "--expires-column", "ends", "--unix-seconds")),
        "member": ("members", "member, parent, expires", ("--group-column", "path", "--expires-column", "ends", "--unix-seconds")),
        "session": ("sessions", "id, principal, expires", ("--token-column", "path", "--expires-column", "ends", "--unix-seconds")),
    }

    @staticmethod
    def given(kind, things):
        """None if the rows contradict each other."""
        rules = {}
        for who, path, ends in things:
            if not who or not path:
                continue
            principal = f"user:{who}"
            key = {"own": (path,), "grant": (principal, path), "member": (principal, f"group:{path}"),
                   "session": (hashlib.sha256(path.encode()).hexdigest(),)}[kind]
            before = rules.setdefault(key, (principal, ends))
            if before[0] != principal:
                return None
            rules[key] = (principal, None if None in (before[1], ends) else max(before[1], ends))
        return sorted(([*key, *({"own": [principal], "session": [principal, ends]}.get(kind, [ends]))] for key, (principal, ends) in rules.items()),
                      key=repr)

    def test_random_statements(self):
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        for kind, (table, columns, options) in self.TABLES.items():
            with self.subTest(kind):
                chance = random.Random(f"{SEED} {kind}")
                self.as_app("DROP TABLE IF EXISTS things CASCADE; CREATE TABLE things (id serial PRIMARY KEY, who text, path text, ends bigint)")
                options = ("--table", "things", "--kind", kind, "--principal-column", "who", *options)
                steps = [printed(*options)]
                for step in range(500):
                    if step % 60 == 59:
                        steps.append(printed(*options, *(["--drop"] if chance.random() < 0.5 else [])))
                        steps.append(printed(*options))
                    statements = "".join(f"{self.statement(chance)};\n" for _ in range(chance.randrange(1, 3)))
                    steps.append(f"BEGIN;\n{statements}COMMIT;\n"
                                 "SELECT coalesce(json_agg(json_build_array(who, path, ends)), '[]') FROM things;\n"
                                 f"SELECT coalesce(json_agg(json_build_array({columns})), '[]') FROM grantfs.{table};\n")
                with server().psql(self.name, user=self.app) as session:
                    said, _ = session.communicate("".join(steps))
                states = [json.loads(line) for line in said.splitlines() if line.startswith("[")]
                self.assertEqual(len(states), 1000, said)
                for things, rules in zip(states[::2], states[1::2]):
                    self.assertEqual(sorted(rules, key=repr), self.given(kind, things), things)
                self.assertGreater(len({repr(rules) for rules in states[1::2]}), 20)
                self.assertEqual("ERROR" in said, kind in ("own", "session"), said)

    @staticmethod
    def statement(chance):
        def text(value):
            return "NULL" if value is None else f"'{value}'"
        who = text(chance.choice([None, "", "a", "b"]))
        path = text(chance.choice([None, "", *(c * 16 for c in "xyz")]))
        ends = chance.choice(["NULL", "1", "5", "9"])
        where = chance.choice([f"id % {chance.randrange(2, 5)} = 0", f"path = {path}", f"who = {who}", f"id = {chance.randrange(1, 40)}"])
        return chance.choice([
            f"INSERT INTO things (who, path, ends) VALUES ({who}, {path}, {ends})",
            f"INSERT INTO things (who, path, ends) VALUES ({who}, {path}, {ends}), (NULL, {path}, 1), ({who}, {path}, 3)",
            f"INSERT INTO things (who, path, ends) SELECT who, path, {ends} FROM things WHERE {where}",
            f"UPDATE things SET who = {who} WHERE {where}", f"UPDATE things SET path = {path} WHERE {where}",
            f"UPDATE things SET ends = {ends} WHERE {where}", f"UPDATE things SET who = {who}, path = {path}, ends = {ends} WHERE {where}",
            f"DELETE FROM things WHERE {where}", f"DELETE FROM things WHERE {where}",
            "UPDATE things SET path = CASE path WHEN repeat('x', 16) THEN repeat('y', 16) WHEN repeat('y', 16) THEN repeat('x', 16) ELSE path END",
            f"UPDATE things SET who = CASE who WHEN 'a' THEN 'b' WHEN 'b' THEN 'a' ELSE who END WHERE path = {path}",
        ] + ["TRUNCATE things"] * (chance.random() < 0.1))


class OnANode(FollowerCase):
    """From the application's transaction to a file on another machine, and back, by the commands of docs/fleet.md."""

    def setUp(self):
        self.app = f"app{next(_numbers)}"
        self.addCleanup(server().sql, f"DROP ROLE IF EXISTS {self.app}")  # when its database is gone
        super().setUp()
        self.sql(f"CREATE ROLE {self.app} LOGIN; GRANT grantfs_application TO {self.app}; ALTER SCHEMA public OWNER TO {self.app}")

    def as_app(self, statement):
        return server().sql(statement, self.upstream.database, user=self.app)

    def test_what_the_application_writes_counts_on_a_machine_that_follows(self):
        app, as_app = self.app, self.as_app

        def await_recall():
            """As an application does, behind its COMMIT."""
            self.assertEqual(as_app("SELECT node, forgotten, why FROM grantfs.await_recall()"), [(self.node.name, "t", "acknowledged")])

        as_app("CREATE TABLE uploads (id serial PRIMARY KEY, user_id integer, file text);"
               "CREATE TABLE team_members (user_id integer, team_id integer);"
               "CREATE TABLE logins (token text PRIMARY KEY, user_id integer, expires timestamptz)")
        commands = re.findall(r"^    (grantctl source .*)$", (TOP / "docs/fleet.md").read_text(), re.MULTILINE)
        self.assertEqual(len(commands), 3)
        subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(commands)], check=True, capture_output=True, timeout=60,
                       env={**os.environ, "db": server().uri(self.upstream.database, user=app), "PATH": f"{pathlib.Path(GRANTCTL).parent}:{os.environ['PATH']}"})
        for path in ("hers/film.mp4", "his/song.mp3", "team/plan.txt"):
            self.site.write(path, b"bytes")
        self.node.start()
        self.mount()
        token = "q" * 32
        film, song, plan = (str(self.site.path("by-session", token, *path.split("/"))) for path in ("hers/film.mp4", "his/song.mp3", "team/plan.txt"))
        self.assertEqual(outcome(open, film), "EACCES")

        as_app(f"BEGIN; INSERT INTO logins VALUES ('{token}', 7, now() + interval '1 hour'); INSERT INTO uploads (user_id, file) VALUES (7, 'hers/film.mp4');"
               " INSERT INTO uploads (user_id, file) VALUES (8, 'his/song.mp3'); INSERT INTO team_members VALUES (7, 3); COMMIT;")
        self.sql("INSERT INTO grantfs.grants (principal, path) VALUES ('group:3', 'team')")
        wait_for(lambda: outcome(open, plan) == "OK", what="the commits to count")
        self.assertEqual([outcome(open, path) for path in (film, song, plan)], ["OK", "ENOENT", "OK"])

        as_app("DELETE FROM uploads WHERE user_id = 7")
        await_recall()
        self.assertEqual([outcome(open, path) for path in (film, plan)], ["ENOENT", "OK"])
        as_app("TRUNCATE team_members")
        await_recall()
        self.assertEqual(outcome(open, plan), "ENOENT")
        as_app("UPDATE uploads SET user_id = 7")
        wait_for(lambda: outcome(open, song) == "OK", what="the commit to count")
        as_app("UPDATE logins SET expires = now()")
        await_recall()
        self.assertEqual(outcome(open, song), "EACCES")
        self.assert_same(self.node)


class CommandLine(unittest.TestCase):
    def test_what_is_missing_is_named_and_what_to_do(self):
        base = ("--table", "t", "--principal-column", "p")
        for options, words in (
                ((), "--table"), (("--table", "t"), "--principal-column"),
                (base, "Name the column that has the path of a file by --path-column"),
                ((*base, "--kind", "own"), "--path-column is needed with --kind own"),
                ((*base, "--kind", "member"), "--group-column is needed with --kind member"),
                ((*base, "--kind", "session"), "one of --token-column and --token-hash-column is needed"),
                ((*base, "--token-column", "t", "--token-hash-column", "h", "--expires-column", "e"), "one of --token-column"),
                ((*base, "--token-column", "t"), "--expires-column is needed with --kind session"),
                ((*base, "--path-column", "f", "--unix-seconds"), "--unix-seconds is about --expires-column"),
                ((*base, "--path-column", "f", "--kind", "own", "--expires-column", "e"), "write --kind grant"),
                ((*base, "--path-column", "f", "--group-column", "g"), "--group-column does not go with --kind grant"),
                ((*base, "--kind", "link"), "no kind 'link'; write --kind own, grant, member or session"),
                ((*base, "--path-column", "f", "--principal-prefix", "staff"), "write user:, group:, uid:, gid:, or none"),
                ((*base, "--group-column", "f", "--group-prefix", "user:"), "write group:, or none"),
                (("--table", "a.b.c", "--principal-column", "p", "--path-column", "f"), "write NAME or SCHEMA.NAME"),
                (("--table", '"a', "--principal-column", "p", "--path-column", "f"), "write NAME or SCHEMA.NAME"),
                (("--table", "a.", "--principal-column", "p", "--path-column", "f"), "write NAME or SCHEMA.NAME"),
                (("--table", "x" * 64, "--principal-column", "p", "--path-column", "f"), "longer than 63 bytes")):
            with self.subTest(options):
                self.assertIn(words, printed(*options, status=2))

    def test_json_has_the_same_sql(self):
        self.assertEqual(json.loads(printed(*UPLOADS, json=True)), {"sql": printed(*UPLOADS)})

    def test_the_same_is_printed_however_it_is_written(self):
        self.assertEqual(printed(*UPLOADS), printed("--principal-prefix", "user:", "--table", "uploads", "--kind", "grant", *UPLOADS[2:]))


if __name__ == "__main__":
    unittest.main()
