"""The SQL of the documents, run as it stands over an application's table whose rows hold what no path is."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import types
import unittest

from test_docs import BUILD, PAGES, TOP, page_text

#: What columns of paths hold besides paths. Its owner must get nothing by it; others keep theirs.
NOT_PATHS = ("", None, "/", ".", "..", "./", "./.", "docs/", "/docs", "docs//two.pdf", "docs/.", "docs/../docs/two.pdf", "../docs")
BLANKS = (" ", "  ", "\t", "\n", "\u00a0")
HOSTILE = (*NOT_PATHS, *BLANKS)
THEIRS = {"docs/two.pdf": 2, "docs/four.pdf": 4}
RUN_ELSEWHERE = {"other-databases.md"}  # by tests/fleet/test_other_databases.py
KEYWORD = r"(?:ATTACH|INSERT|REPLACE|UPDATE|DELETE|SELECT|WITH)\s"


def documents():
    """The name and the text of each, as its reader sees it."""
    for path in (TOP / "README.md", *sorted((TOP / "docs").glob("*.md")), *sorted((TOP / "examples").rglob("*.md")),
                 *sorted((TOP / "examples").rglob("*.json"))):
        yield path.name, path.read_text()
    for name in PAGES:
        yield name, page_text(name)


def statements(text):
    """What stands in double quotes and begins like SQL; a list of lines, as the source's files have it, is one."""
    joined = re.sub(r'",\s*\n\s*"(?!\w+":)', " ", text)
    return [" ".join(found.split()) for found in re.findall(rf'"({KEYWORD}[^"]+)"', joined)]


class Sql(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-sql-"))
        self.addCleanup(shutil.rmtree, folder)
        self.policy, self.app = folder / "policy" / "policy.db", folder / "app.db"
        self.policy.parent.mkdir(mode=0o700)
        self.grantctl("init")
        with sqlite3.connect(self.app) as app:
            app.execute("CREATE TABLE uploads (id INTEGER PRIMARY KEY, user_id INTEGER, file_path TEXT)")
            app.executemany("INSERT INTO uploads (user_id, file_path) VALUES (?, ?)",
                            [*((user, path) for path, user in THEIRS.items()), *((3, path) for path in HOSTILE), (None, "docs/four.pdf")])
        app.close()

    def grantctl(self, *words):
        return subprocess.run([BUILD / "grantctl", "--db", self.policy, *words], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "GRANTFS_CONTROL": os.fspath(self.policy.with_name("none.sock"))})

    def assert_nobody_gets_more(self, statement):
        rules = json.loads(self.grantctl("--json", "ls").stdout)
        rules = rules if isinstance(rules, list) else rules["rules"]
        got = {(rule["principal"], rule["path"]) for rule in rules}
        hostile = {path for who, path in got if who == "user:3"}
        self.assertLessEqual(hostile, {*BLANKS, *(f"uploads/{blank}" for blank in (*BLANKS, None))}, statement)
        for path in (*THEIRS, "docs", "docs/another.pdf"):
            self.assertEqual(self.grantctl("check", "user:3", path).returncode, 1, (statement, path))

    def test_every_statement_is_found(self):
        """Else one could be written so that nothing here runs it."""
        shown = r"\b(?:INSERT (?:OR \w+ )?INTO|DELETE FROM|SELECT (?!gives\b))"
        for name, text in documents():
            if name in RUN_ELSEWHERE:
                continue
            with self.subTest(name):
                found = statements(text)
                self.assertEqual(len(re.findall(shown, " ".join(text.split()))), sum(len(re.findall(shown, each)) for each in found), found)

    def test_what_fills_the_policy_from_another_table(self):
        ran = 0
        for name, text in documents():
            for statement in statements(text):
                if not statement.startswith("ATTACH"):
                    continue
                ran += 1
                here = re.sub(r"ATTACH '[^']*'", f"ATTACH '{self.app}'", statement)
                done = subprocess.run(["sqlite3", self.policy, here], capture_output=True, text=True, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""), (name, statement))
                self.assert_nobody_gets_more(statement)
                for path, user in THEIRS.items():
                    self.assertEqual(self.grantctl("check", f"user:{user}", path).returncode, 0, (statement, path))
        self.assertGreater(ran, 0, "nothing was tested")

    def test_what_an_application_runs_for_one_row(self):
        """Python's db.execute(), as the manual shows it, with each of those where a folder should be."""
        ran = 0
        for _, text in documents():
            for call in re.findall(r"db\.execute\(.*?\)\)\n", text, re.DOTALL):
                for folder in HOSTILE:
                    ran += 1
                    with sqlite3.connect(self.policy) as database:
                        values = {"db": database, "folder": folder, "token": "x" * 32, "user": types.SimpleNamespace(id=3), "hashlib": hashlib}
                        try:
                            exec(call.strip(), values)
                        except sqlite3.IntegrityError:
                            database.rollback()
                    database.close()
                    self.assert_nobody_gets_more(call)
        self.assertGreater(ran, len(HOSTILE), "nothing was tested")

    def test_what_only_reads_is_sql(self):
        for name, text in documents():
            for statement in statements(text):
                if statement.startswith("SELECT") and ":" not in statement.replace("'user:", ""):
                    with self.subTest(name):
                        done = subprocess.run(["sqlite3", self.policy, statement], capture_output=True, text=True, timeout=60)
                        self.assertEqual((done.returncode, done.stderr), (0, ""), statement)


if __name__ == "__main__":
    unittest.main()
