"""A policy whose home is PostgreSQL: init, who may do what, errors, concurrent changes, many rows."""

import os
import random
import sqlite3
import subprocess
import tempfile
import time
import unittest

from cluster import Cluster, server
from harness import GRANTCTL, killed_at_each
from on_postgresql import PolicyCase, literal, new_database

SECRET = "hunter2secret"
TABLES = ("owners", "grants", "members", "sessions", "links", "signing_keys")


class Init(PolicyCase):
    def state(self):
        return self.sql("SELECT n.nspname, c.relname, c.relkind, c.relacl FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                        " WHERE nspname = 'grantfs' ORDER BY 1, 2;"
                        "SELECT proname, prosrc, proacl FROM pg_proc WHERE pronamespace = 'grantfs'::regnamespace ORDER BY 1")

    def test_a_second_time_changes_nothing(self):
        self.grantctl("own", "user:a", "x")
        before = self.state()
        self.assertEqual(self.json("init")["outcome"], "current")
        self.assertEqual(self.state(), before)
        self.assertEqual(self.rows("SELECT path FROM owners"), [("x",)])

    def test_the_publication_has_the_tables_that_decide(self):
        published = self.sql("SELECT tablename FROM pg_publication_tables WHERE pubname = 'grantfs' ORDER BY 1")
        self.assertEqual(published, sorted((table,) for table in TABLES))
        self.assertEqual(self.sql("SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication WHERE pubname = 'grantfs'"),
                         [("t", "t", "t", "t")])

    def test_a_publication_that_was_changed_is_put_right(self):
        self.sql("ALTER PUBLICATION grantfs DROP TABLE grantfs.sessions; ALTER PUBLICATION grantfs SET (publish = 'insert')")
        self.grantctl("init")
        self.test_the_publication_has_the_tables_that_decide()

    def test_a_newer_schema_is_left_as_it_is(self):
        self.sql("UPDATE grantfs.meta SET value = '99' WHERE key = 'schema'")
        before = self.state()
        for command in (["init"], ["ls"], ["prune"]):
            self.assertIn("newer than this program", self.grantctl(*command, status=3).stderr)
        self.assertEqual(self.state(), before)

    def test_an_older_schema_is_refused_and_brought_up_by_init(self):
        self.grantctl("own", "user:a", "x")
        self.grantctl("link", "create", "x")
        # As version 5 made it.
        self.sql("ALTER TABLE grantfs.links DROP COLUMN label; UPDATE grantfs.meta SET value = '5' WHERE key = 'schema'")
        self.assertIn("version 5, and this program needs 6; run: grantctl init", self.grantctl("ls", status=3).stderr)
        self.assertEqual(self.json("init")["outcome"], "migrated")
        self.assertEqual(self.json("init")["outcome"], "current")
        (link,) = self.json("link", "ls")["links"]
        self.assertEqual((link["path"], link["label"]), ("x", None))
        self.grantctl("link", "create", "x", "--label", "new")
        self.assertIn("label_is_a_line", self.sql("UPDATE grantfs.links SET label = ''", check=False)[1])

    def test_a_migration_that_fails_leaves_the_schema_as_it_was(self):
        self.sql("UPDATE grantfs.meta SET value = '5' WHERE key = 'schema'")  # and there is a column label
        before = self.state()
        self.assertIn("label", self.grantctl("init", status=3).stderr)
        self.assertEqual(self.state(), before)

    def test_a_foreign_schema_is_left_as_it_is(self):
        name = new_database(self)
        server().sql("CREATE SCHEMA grantfs CREATE TABLE songs (title text)", name)
        for command in ("init", "ls"):
            self.assertIn("not of this program", self.grantctl("--db", server().uri(name), command, status=3).stderr)
        self.assertEqual(server().sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'grantfs'::regnamespace AND relkind = 'r'", name), [("1",)])

    def test_without_a_policy_it_says_how_to_make_one(self):
        name = new_database(self)
        self.assertIn("grantctl init", self.grantctl("--db", server().uri(name), "ls", status=3).stderr)

    def test_another_encoding_is_refused(self):
        server().create_database("latin", encoding="LATIN1")
        self.addCleanup(server().drop_database, "latin")
        said = self.grantctl("--db", server().uri("latin"), "init", status=3).stderr
        self.assertIn("LATIN1", said)
        self.assertIn("ENCODING 'UTF8'", said)
        self.assertEqual(server().sql("SELECT to_regnamespace('grantfs')", "latin"), [(None,)])

    def test_who_may_not_make_it_is_told_who_may(self):
        name = new_database(self)
        server().sql("CREATE ROLE visitor LOGIN")
        self.addCleanup(server().sql, "DROP ROLE visitor")
        said = self.grantctl("--db", server().uri(name, user="visitor"), "init", status=3).stderr
        self.assertIn("permission denied", said)
        said = self.grantctl("--db", server().uri(self.name, user="visitor"), "ls", status=3).stderr
        self.assertIn("GRANT grantfs_admin", said)

    def test_a_server_that_does_not_decode_is_noted(self):
        other = Cluster(wal_level="replica")
        self.addCleanup(other.close)
        done = self.grantctl("--db", other.create_database("site"), "init")
        self.assertIn("wal_level is replica", done.stderr)
        self.assertIn("created", done.stdout)


class Roles(PolicyCase):
    def setUp(self):
        super().setUp()
        server().sql("CREATE ROLE someone LOGIN")
        self.addCleanup(server().sql, "DROP ROLE someone")

    def may(self, statement):
        _, trouble = server().sql(f"BEGIN; {statement}; ROLLBACK", self.name, user="someone", check=False)
        self.assertTrue(not trouble or "permission denied" in trouble, trouble)
        return not trouble

    def test_each_role_may_do_what_it_is_for(self):
        read = [f"SELECT count(*) FROM grantfs.{table}" for table in TABLES]
        write = [f"DELETE FROM grantfs.{table}" for table in TABLES] + ["INSERT INTO grantfs.grants (path, principal) VALUES ('a', 'public')"]
        statements = {"read": read, "write": write, "meta": ["SELECT * FROM grantfs.meta"], "change meta": ["DELETE FROM grantfs.meta"],
                      "nodes": ["SELECT * FROM grantfs.nodes"], "change nodes": ["DELETE FROM grantfs.nodes"],
                      "register": ["SELECT grantfs.register_node('a', 5)"], "remove": ["SELECT grantfs.remove_node('a')"],
                      "replace": ["CREATE TABLE grantfs.x ()", "TRUNCATE grantfs.owners"]}
        may = {None: set(), "grantfs_follower": {"read", "meta", "register"}, "grantfs_application": {"read", "write", "meta"},
               "grantfs_admin": {"read", "write", "meta", "nodes", "remove"}}
        for role, allowed in may.items():
            if role:
                server().sql(f"GRANT {role} TO someone")
            for what, each in statements.items():
                for statement in each:
                    with self.subTest(role=role, statement=statement):
                        self.assertEqual(self.may(statement), what in allowed)
            if role:
                server().sql(f"REVOKE {role} FROM someone")

    def test_grantctl_works_as_admin(self):
        server().sql("GRANT grantfs_admin TO someone")
        self.environment["GRANTFS_DB"] = server().uri(self.name, user="someone")
        self.grantctl("own", "user:a", "x")
        self.grantctl("import", "-", input="principal,path\nuser:1,a\n")
        self.grantctl("revoke", "user:a", "x")
        self.assertEqual(self.json("ls")["rules"][0]["path"], "a")
        self.grantctl("node", "ls")


class Passwords(PolicyCase):
    def test_none_is_an_argument_and_none_is_shown(self):
        host = f"127.0.0.1:{server().port}"
        for uri in (f"postgresql://postgres:{SECRET}@{host}/{self.name}", f"postgresql://{host}/{self.name}?password={SECRET}"):
            done = self.grantctl("--db", uri, "ls", status=2)
            self.assertIn("a password is never an argument", done.stderr)
            self.assertNotIn(SECRET, done.stderr)
        for uri in (f"postgresql://postgres:{SECRET}@{host}/{self.name}", f"postgresql://postgres:{SECRET}@@{host}/{self.name}",
                    f"postgresql://nobody:{SECRET}@/{self.name}?host=/nonexistent", f"postgresql://postgres:{SECRET}@{host}:x/{self.name}"):
            with self.subTest(uri):
                done = self.grantctl("ls", status=3, GRANTFS_DB=uri)
                self.assertNotIn(SECRET, done.stdout + done.stderr)

    def test_a_password_and_a_service_are_taken_where_libpq_takes_them(self):
        server().sql(f"CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '{SECRET}'")
        self.addCleanup(server().sql, "DROP ROLE keeper")
        uri = f"postgresql://keeper@127.0.0.1:{server().port}/{self.name}"
        with tempfile.TemporaryDirectory() as folder:
            passwords, services = os.path.join(folder, "pass"), os.path.join(folder, "services")
            with open(passwords, "w") as file:
                file.write(f"127.0.0.1:{server().port}:*:keeper:{SECRET}\n")
            os.chmod(passwords, 0o600)
            with open(services, "w") as file:
                file.write(f"[files]\nhost=127.0.0.1\nport={server().port}\nuser=keeper\ndbname={self.name}\npassword={SECRET}\n")
            self.grantctl("ls", GRANTFS_DB=uri, PGPASSFILE=passwords)
            self.grantctl("--db", "postgresql:///?service=files", "ls", PGSERVICEFILE=services)
            self.assertIn("password", self.grantctl("ls", status=3, GRANTFS_DB=uri).stderr)


class Errors(PolicyCase):
    def test_the_database_is_named_once_in_front(self):
        said = self.grantctl("own", "user:a", b"caf\xe9".decode("utf-8", "surrogateescape"), status=3).stderr
        self.assertTrue(said.startswith("grantctl: postgresql://postgres@"), said)
        self.assertEqual(said.count("postgresql://"), 1)
        self.assertIn("not UTF-8", said)

    def test_a_path_that_no_index_takes_is_refused_in_our_words(self):
        long = "x" * 2401
        self.assertIn("at most 2,400 bytes", self.grantctl("own", "user:a", long, status=3).stderr)
        # Rows of an import are collected in a table with a key of its own, of which no byte can be saved here.
        chooser = random.Random(1)
        longer = "/".join(chooser.randbytes(100).hex() for _ in range(20))
        for path in (long, longer):
            said = self.grantctl("import", "-", status=3, input=f"principal,path\nuser:a,{path}\n").stderr
            self.assertIn("at most 2,400 bytes", said)

    def test_a_lock_is_waited_for_and_not_for_long(self):
        with server().psql(self.name) as holder:
            holder.stdin.write("BEGIN; LOCK TABLE grantfs.owners IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
            self.assertIn("locked", holder.stdout.readline())
            began = time.monotonic()
            done = self.grantctl("own", "user:a", "x", status=3)
            self.assertIn("a lock for 5 seconds", done.stderr)
            self.assertGreaterEqual(time.monotonic() - began, 4.5)
            holder.stdin.write("ROLLBACK;\n")
            holder.stdin.close()
            holder.stdout.read()
        self.grantctl("own", "user:a", "x")

    def test_commands_of_this_machines_databases_say_so(self):
        for command in (["backup", "/tmp/x"], ["restore", "/tmp/x"], ["status"], ["metrics"], ["run", "--session", "-", "--", "true"]):
            self.assertIn("PostgreSQL", self.grantctl(*command, status=2).stderr, command)

    def test_a_node_belongs_to_a_policy_in_postgresql(self):
        self.assertIn("PostgreSQL", self.grantctl("--db", "/tmp/x.db", "node", "ls", status=2).stderr)


class Concurrent(PolicyCase):
    def test_changes_by_several_are_each_whole(self):
        """Every one of these reads before it writes, and would be lost or refused without another try."""
        processes = [subprocess.Popen([GRANTCTL, "own", f"user:{i}", *(f"p{n}" for n in range(20))], env=self.environment,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for i in range(8)]
        for process in processes:
            _, said = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, said)
        owners = self.rows("SELECT DISTINCT principal FROM owners")
        self.assertEqual(len(owners), 1, owners)

    def test_killed_at_any_moment_an_import_has_done_all_or_nothing(self):
        self.grantctl("own", "user:0", "old")
        rows = 20_000
        content = "principal,path\n" + "".join(f"user:1,d/{i}\n" for i in range(rows))
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write(content)
            file.flush()
            seen = set()
            command = [GRANTCTL, "import", file.name, "--replace"]
            for _ in killed_at_each((20, 60, 100, 150, 200, 300, 60_000), command, env=self.environment):
                seen |= set(self.rows("SELECT count(*) AS a, count(*) FILTER (WHERE path = 'old') AS b FROM owners"))
        self.assertEqual(seen, {(1, 1), (rows, 0)})


class ManyRows(PolicyCase):
    ROWS = 200_000

    def test_import_and_export_take_no_round_trip_a_row(self):
        content = "kind,principal,path,expires\n" + "".join(f"grant,user:{i % 1000},d/{i},{1_900_000_000 + i}\n" for i in range(self.ROWS))
        began = time.monotonic()
        done = self.json("import", "-", input=content)
        self.assertEqual(done["grants"]["added"], self.ROWS)
        imported = time.monotonic() - began
        exported = self.grantctl("export", "-").stdout
        self.assertEqual(exported.count("\n"), self.ROWS + 1)
        again = self.json("import", "-", "--replace", input=exported + "\\.\n")
        self.assertEqual(again["grants"], {"added": 0, "changed": 0, "removed": 0, "unchanged": self.ROWS})
        moved = self.json("mv", "d", "e")
        self.assertEqual(moved["grants"], self.ROWS)
        # A statement and an answer for each row would take more than this on any machine.
        print(f"{self.ROWS} rows: imported in {imported:.1f} s, all in {time.monotonic() - began:.1f} s")
        self.assertLess(time.monotonic() - began, 120)


class Explained(PolicyCase):
    """check copies only what could matter: it must say what it says with all rows at hand."""

    def random_rows(self, chooser):
        principals = [f"user:{c}" for c in "abc"] + [f"group:{c}" for c in "ghi"] + ["public", "uid:1", "gid:1"]
        paths = [".", "x", "x/y", "x/y/z", "x/w", "v", "v/u", "x\"y", "v/\\"]
        ends = [None, None, 5, 99_999_999_999]
        rows = []
        for path in paths:
            if chooser.random() < 0.4:
                rows.append(("owners", {"path": path, "principal": chooser.choice(principals)}))
            for principal in principals:
                if chooser.random() < 0.12:
                    rows.append(("grants", {"path": path, "principal": principal, "expires": chooser.choice(ends)}))
        for group in ("group:g", "group:h", "group:i"):
            for member in principals:
                if member != group and chooser.random() < 0.2:
                    rows.append(("members", {"member": member, "parent": group, "expires": chooser.choice(ends)}))
        return rows, principals, paths

    def test_check_says_what_it_says_on_sqlite(self):
        seed = int(os.environ.get("GRANTFS_SEED", random.randrange(2**32)))
        print(f"seed {seed} (repeat with GRANTFS_SEED={seed})")
        chooser = random.Random(seed)
        seen = set()
        with tempfile.TemporaryDirectory() as folder:
            database = os.path.join(folder, "policy.db")
            os.chmod(folder, 0o700)
            self.grantctl("--db", database, "init")
            connection = sqlite3.connect(database, isolation_level=None)
            for _ in range(4):
                rows, principals, paths = self.random_rows(chooser)
                for table in ("owners", "grants", "members"):
                    connection.execute(f"DELETE FROM {table}")
                    self.sql(f"DELETE FROM grantfs.{table}")
                for table, row in rows:
                    columns, values = ", ".join(row), ", ".join(map(literal, row.values()))
                    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})")
                    self.sql(f"INSERT INTO grantfs.{table} ({columns}) VALUES ({values})")
                for _ in range(12):
                    who, path = chooser.choice(principals), chooser.choice([*paths, "x/y/z/q", "nothing"])
                    ours, theirs = (subprocess.run([GRANTCTL, "--json", *where, "check", who, path], env=self.environment,
                                                   capture_output=True, text=True) for where in (["--db", database], []))
                    with self.subTest(who=who, path=path, rows=rows):
                        self.assertEqual((theirs.returncode, theirs.stdout), (ours.returncode, ours.stdout), theirs.stderr)
                    seen.add(ours.stdout.split('"verdict":')[1].split(",")[0])
            connection.close()
        self.assertGreaterEqual(len(seen), 3, seen)

    def test_nothing_of_the_copy_stays(self):
        self.grantctl("own", "user:a", "x")
        before = set(os.listdir("/dev/shm")) | set(os.listdir(tempfile.gettempdir()))
        self.grantctl("check", "user:a", "x")
        self.grantctl("check", "user:b", "x", status=1)
        self.assertEqual({name for name in set(os.listdir("/dev/shm")) | set(os.listdir(tempfile.gettempdir()))
                          if name.startswith("grantctl.")} - before, set())


if __name__ == "__main__":
    unittest.main()
