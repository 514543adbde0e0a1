"""The whole store is written '.', and a blank path is none: to every command, and in databases of before."""

import json
import pathlib
import subprocess

from grantctl_case import Case

#: A database of version 4, with whole stores as they were spelt then, from `.dump`.
SCHEMA_4 = pathlib.Path(__file__).with_name("schema4.sql")


class Migrated(Case):
    def setUp(self):
        super().setUp()
        for name in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + name).unlink(missing_ok=True)
        self.database.parent.mkdir(exist_ok=True, mode=0o700)
        subprocess.run(["sqlite3", self.database], input=SCHEMA_4.read_bytes(), check=True)

    def test_an_older_database_is_refused_with_what_to_run(self):
        done = self.run_grantctl("ls")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn(f"grantctl --db {self.database} init", done.stderr)

    def test_everybody_keeps_what_he_had_and_each_whole_store_is_named(self):
        done = self.run_grantctl("init")
        self.assertEqual(done.returncode, 0, done.stderr)
        for said in ("user:1 owns the whole store", "grantctl revoke 'user:1' .", "user:3 has a grant on the whole store",
                     "grantctl revoke 'user:3' .", f"grantctl link rm {7:064d}", "grantctl key rm k1"):
            self.assertIn(said, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 4, done.stderr)
        for user, path in (("user:1", "x/y"), ("user:3", "x/y"), ("user:2", "a")):
            self.assertEqual(self.run_grantctl("check", user, path).returncode, 0, user)
        self.assertEqual(self.run_grantctl("check", "user:2", "x").returncode, 1)
        again = self.run_grantctl("init")
        self.assertEqual((again.returncode, again.stderr), (0, ""))
        for line in done.stderr.splitlines():
            command = line.rpartition("grantctl ")[2].replace("'", "").split()
            self.assertEqual(self.run_grantctl(*command).returncode, 0, command)
        for user in ("user:1", "user:3"):
            self.assertEqual(self.run_grantctl("check", user, "x/y").returncode, 1)

    def test_as_json(self):
        done = self.run_grantctl("--json", "init")
        self.assertEqual(json.loads(done.stdout)["outcome"], "migrated")
        self.assertEqual(len(json.loads(done.stdout)["whole_store"]), 4)


class Written(Case):
    def test_a_blank_argument_is_refused_by_every_command(self):
        for words in (("own", "user:a", ""), ("grant", "user:a", ""), ("revoke", "user:a", ""), ("mv", "", "b"), ("mv", "b", ""),
                      ("drop", ""), ("ls", ""), ("check", "user:a", ""), ("link", "create", ""),
                      ("key", "create", "--path", ""), ("sign", "", "--expires", "1h")):
            done = self.run_grantctl(*words)
            self.assertEqual(done.returncode, 2, (words, done.stdout, done.stderr))
            self.assertIn("empty", done.stderr, words)

    def test_a_dot_is_the_whole_store(self):
        for path in (".", "./", "./."):
            self.assertEqual(self.run_grantctl("grant", "user:a", path).returncode, 0)
        self.assertEqual(self.sql("SELECT path FROM grants"), [(".",)])
        self.assertEqual(self.run_grantctl("check", "user:a", "x/y").returncode, 0)
        self.assertIn('"path": "."', self.run_grantctl("--json", "ls").stdout)
        exported = self.run_grantctl("export", "-").stdout
        self.assertIn("grant,user:a,.,", exported)
        self.assertEqual(self.run_grantctl("revoke", "user:a", ".").returncode, 0)
        self.assertEqual(self.run_grantctl("check", "user:a", "x/y").returncode, 1)
        self.assertEqual(self.run_grantctl("import", "-", input=exported).returncode, 0)
        self.assertEqual(self.run_grantctl("check", "user:a", "x/y").returncode, 0)

    def test_a_blank_path_of_a_row_is_refused(self):
        for path in ("", '""', "/srv/", "/srv/."):
            done = self.run_grantctl("import", "-", *(("--strip-prefix", "/srv") if path.startswith("/srv") else ()),
                                     input=f"kind,principal,path\nown,user:a,{path}\n")
            self.assertEqual(done.returncode, 2, (path, done.stdout, done.stderr))
            self.assertEqual(self.run_grantctl("ls", "--for", "user:a").stdout.count("user:a"), 0)
