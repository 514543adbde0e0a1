"""What the documents state as a fact, compared with the programs and with their sources."""

import contextlib
import io
import json
import os
import pathlib
import re
import sqlite3
import sys
import tempfile
import unittest
import unittest.mock

from test_docs import BUILD, DOCUMENTS, TOP, includes, page_text, run, sources

sys.path.insert(0, str(TOP / "tools/lib"))

import lint  # noqa: E402

#: A document, what it says there, where in the sources that stands, and how: the first group of each is the same number.
NUMBERS = (
    ("HACKING.md", r"at most: (\d+), or a quarter of `RLIMIT_NOFILE`", "src/tree/tree_options.h", r"spare_descriptors = (\d+)"),
    ("HACKING.md", r"a file's entry is lent for\s+(\d+) s", "src/base/lease_spans.h", r"kSteadyLease\{(\d+)\}"),
    ("HACKING.md", r"looks at the feed every (\d+) ms", "src/lease/recall/recaller.h", r"milliseconds poll\{(\d+)\}"),
    ("man/grantfs.7", r"the daemon looks every (\d+) ms", "src/lease/recall/recaller.h", r"milliseconds poll\{(\d+)\}"),
    ("man/grantfs-schema.5", r"The newest ([\d,]+) rows are kept", "src/policy/feed/feed_schema.h", r"seq <= NEW\.seq - (\d+)"),
    ("man/grantfs-schema.5", r"more than ([\d,]+) losses at once", "src/policy/feed/feed.cc", r"kMaxRows = (\d+)"),
    ("man/grantfs-schema.5", r"at most (\d+) bytes, no zero byte", "include/grantfs/store_path.h", r"kMaxBytes = (\d+)"),
    ("man/grantfs-schema.5", r"from 0 to (\d+); NULL is never", "include/grantfs/timestamp.h", r"seconds\{([\d']+)\}"),
    ("man/grantfs-schema.5", r"may use it, 1 to (\d+), or NULL", "include/grantfs/admin.h", r"kMostLinkUses = ([\d']+)"),
    ("man/grantfs.7", r"interrupted after a\s+(second)", "src/policy/source/source.cc", r"kSourceTimeLimit\{([\d']+)\}"),
    ("README.md", r"`lease=(\d)`", "src/daemon/options.h", r"seconds lease\{(\d+)\}"),
)
WORDS = {"second": "1000"}  # in milliseconds


def documented(name):
    """The text of a document: of a page as a reader sees it."""
    return page_text(pathlib.Path(name).name) if name.startswith("man/") else (TOP / name).read_text()


def section(page, heading):
    return re.search(rf"^{heading}$(.*?)(?=^\S|\Z)", page_text(page), re.MULTILINE | re.DOTALL)[1]


def listed(text):
    """The words at the head of each paragraph that is indented beneath one."""
    return re.findall(r"^ {7}(\S.*?)(?: {2,}|$)", text, re.MULTILINE)


class Numbers(unittest.TestCase):
    def test_numbers_are_those_of_the_sources(self):
        for document, said, source, defined in NUMBERS:
            with self.subTest(f"{document}: {said}"):
                there = re.search(said, documented(document))
                here = re.search(defined, (TOP / source).read_text())
                self.assertTrue(there and here, (there, here))
                number = WORDS.get(there[1], there[1])
                self.assertEqual(re.sub("[,']", "", number), re.sub("[,']", "", here[1]))

    def test_defaults_of_mount_options_are_those_of_the_help(self):
        page = section("grantfs.8", "OPTIONS")
        for name, text in re.findall(r"^  ([a-z_]+)=\S* +(.*)$", run(BUILD / "grantfs", "--help").stdout, re.MULTILINE):
            said = re.search(rf"^ +{name}=.*?(?=^ {{7}}[a-z_]+=|\Z)", page, re.MULTILINE | re.DOTALL)
            self.assertTrue(said, name)
            for default in re.findall(r"default: (\w+)$|(\w+), the default", text):
                with self.subTest(name):
                    value = "".join(default)
                    self.assertRegex(said[0], rf"Default: {value}\.|{value}, +the default|\({value}, +the default|{value}, the\s+default")
            for least, most in re.findall(r"(\d+) to (\d+)", text):
                self.assertRegex(said[0], rf"\b{least} to {most}\b")


class ExitStatuses(unittest.TestCase):
    def test_they_are_those_of_the_program(self):
        defined = re.findall(r"inline constexpr int k\w+ = (\d);", (TOP / "src/grantctl/context.h").read_text())
        in_help = re.search(r"Exit status: (.*)\.$", run(BUILD / "grantctl", "--help").stdout, re.MULTILINE)[1]
        in_page = re.findall(r"^ {7}(\d) ", section("grantctl.8", "EXIT STATUS"), re.MULTILINE)
        self.assertEqual(defined, ["0", "1", "2", "3"])
        self.assertEqual(re.findall(r"(?:^|, )(\d) ", in_help), defined)
        self.assertEqual(in_page, defined)


class Functions(unittest.TestCase):
    def test_those_that_a_source_may_call_are_those_that_are_listed(self):
        source = (TOP / "src/db/reading_only.cc").read_text()
        allowed = re.findall(r'^ {4}"([^"]+)",$', source, re.MULTILINE)
        self.assertGreater(len(allowed), 50)
        page = " ".join(page_text("grantfs.7").split())  # wherever this groff breaks lines
        said = re.search(r"and call these functions: (.*?)\. What is not in the SQLite", page)[1]
        self.assertEqual(said.split(), allowed)


class Schema(unittest.TestCase):
    """grantfs-schema(5) against what `grantctl init` makes."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="grantfs-docs-")
        cls.addClassCleanup(folder.cleanup)
        database = pathlib.Path(folder.name, "policy", "policy.db")
        done = run(BUILD / "grantctl", "--db", database, "init")
        assert done.returncode == 0, done.stderr
        cls.database = sqlite3.connect(database)
        cls.addClassCleanup(cls.database.close)
        cls.source = (TOP / "man/grantfs-schema.5").read_text()

    def query(self, statement):
        return self.database.execute(statement).fetchall()

    def tables(self):
        """{table: [(column, type)]} as the page says."""
        found = {}
        for name, text in re.findall(r"^\.SS (\w+)\n\.TS\n.*?\n(.*?)^\.TE$", self.source, re.MULTILINE | re.DOTALL):
            found[name] = re.findall(r"^(\w+)\t([A-Z]+)\b", text, re.MULTILINE)
        return found

    def test_the_version_and_the_mark(self):
        ((version,),) = self.query("SELECT value FROM meta WHERE key = 'schema'")
        self.assertRegex(self.source, rf"\.BR meta ,\nwhich is {version}\.\n")
        ((mark,),) = self.query("PRAGMA application_id")
        self.assertEqual(int(re.search(r"\((0x[0-9A-F]+)\)", self.source)[1], 16), mark)

    def test_tables_and_columns(self):
        made = {name: [(column, kind) for _, column, kind, *_ in self.query(f"PRAGMA table_info({name})")]
                for (name,) in self.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}
        self.assertEqual(self.tables(), made)

    def test_keys_of_meta(self):
        text = re.search(r"^\.SS meta$(.*?)^\.SS ", self.source, re.MULTILINE | re.DOTALL)[1]
        for (key,) in self.query("SELECT key FROM meta"):
            self.assertIn(f".B {key}\n", text)

    def test_triggers_are_called_as_it_says(self):
        names = [name for (name,) in self.query("SELECT name FROM sqlite_schema WHERE type = 'trigger'")]
        self.assertTrue(names)
        self.assertEqual([name for name in names if not name.startswith("feed_")], [])


class Counters(unittest.TestCase):
    def test_every_counter_of_the_daemon_is_in_the_page(self):
        names = re.findall(r'\bcounted\["([a-z_]+)"\] =', (TOP / "src/daemon/status/status.cc").read_text())
        self.assertGreater(len(names), 7)
        page = page_text("grantctl.8")
        self.assertEqual([name for name in names if not re.search(rf"\b{name}\b", page)], [])


class Paths(unittest.TestCase):
    def test_files_that_hacking_names_are_there(self):
        for name in DOCUMENTS:
            text = (TOP / name).read_text()
            for path in re.findall(r"`((?:src|tools|tests|man|docs|examples|include)/[\w./-]*\w)`", text):
                with self.subTest(path):
                    self.assertTrue((TOP / path).exists())

    def test_commands_that_hacking_names_exist(self):
        for command in re.findall(r"^    (t(?:ools|ests)/\S+)", (TOP / "HACKING.md").read_text(), re.MULTILINE):
            with self.subTest(command):
                self.assertTrue(os.access(TOP / command, os.X_OK))

    def test_suites_that_hacking_and_check_name_are_those_that_run(self):
        known = re.search(r"^SUITES = \{(.*?)\}", (TOP / "tests/run.py").read_text(), re.MULTILINE)[1]
        suites = " ".join(re.findall(r'"(\w+)"', known))
        self.assertIn(suites, (TOP / "HACKING.md").read_text())
        self.assertIn(suites, run(TOP / "tools/check", "--help").stdout)


class Lint(unittest.TestCase):
    """tools/check lint reads what a target compiles: that is every file."""

    def test_each_source_is_compiled_by_a_target(self):
        compiled = set()
        for entry in json.loads((BUILD / "compile_commands.json").read_text()):
            path = pathlib.Path(entry["directory"], entry["file"]).resolve()
            # Those of grantctl are compiled as one, in a file that includes them.
            compiled |= {pathlib.Path(name).resolve() for name in includes(path)} if "-unity" in path.name else {path}
        # Without libbenchmark there is one target less; lint installs it.
        missing = [str(path.relative_to(TOP)) for path in sources("src", "tests", "tools")
                   if path.suffix == ".cc" and path not in compiled and path.name != "policy_cost.cc"]
        self.assertEqual(missing, [])

    def test_a_source_that_no_target_compiles_is_a_finding(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            entry = {"directory": str(folder), "file": "../known.cc", "command": "c++ -Ifolder -DX -o x.o -c ../known.cc"}
            (folder / "compile_commands.json").write_text(json.dumps([entry]))
            known, unknown = folder.parent / "known.cc", folder.parent / "unknown.cc"
            with unittest.mock.patch.object(lint, "BUILD", folder):
                (lump,), left_out = lint.lumps({known, unknown})
        self.assertEqual((lump.files, lump.options), ([known], (f"-I{folder}/folder", "-DX")))
        self.assertEqual(left_out, [unknown])

    def test_a_finding_is_told_once_and_fails_its_file_alone(self):
        findings = lint.Findings()
        wrong, right = TOP / "src/a.h", TOP / "src/b.cc"
        for _ in range(2):
            findings.add("clang-tidy", [wrong, right], f"{wrong}:3:1: error: is wrong [a-check]\n  int x\n")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(findings.report(), 1)
        self.assertEqual(said.getvalue(), "src/a.h:3:1: error: is wrong [a-check]\n  int x\n1 passed, 1 failed\n")


if __name__ == "__main__":
    unittest.main()
