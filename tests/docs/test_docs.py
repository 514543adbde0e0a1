"""What the documents and the sources promise of themselves: pages that match the programs, layers that hold."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", TOP / "build"))
DOCUMENTS = ("README.md", "HACKING.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/README.md")
PAGES = ("grantfs.8", "grantfs-follow.8", "grantctl.8", "mount.grantfs.8", "grantfs-schema.5", "grantfs.7")


def layers():
    """HACKING's table: what a folder may include besides itself. "grantfs" is include/grantfs."""
    text = (TOP / "HACKING.md").read_text()
    rows = re.findall(r"^\| `(?:src|tools|include)/(\w+)/` \|.*\| ?([\w, ]*) \|$", text, re.MULTILINE)
    return {folder: tuple(filter(None, names.split(", "))) for folder, names in rows}


LAYERS = layers()


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"})


def page_text(name):
    """The page as a reader sees it, on lines too wide to break a word."""
    done = subprocess.run(["man", "--nh", "--nj", "-E", "ascii", "-l", str(TOP / "man" / name)], capture_output=True,
                          text=True, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "500"}, check=True)
    return done.stdout


def sources(*folders):
    found = []
    for folder in folders:
        found += [path for path in sorted((TOP / folder).rglob("*")) if path.suffix in (".h", ".cc")]
    return found


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


class Pages(unittest.TestCase):
    def test_every_page_is_there(self):
        self.assertEqual([name for name in PAGES if not (TOP / "man" / name).exists()], [])

    def test_no_page_has_warnings(self):
        for path in sorted((TOP / "man").glob("*.[1-9]")):
            with self.subTest(path.name):
                done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(path)], capture_output=True, text=True,
                                      env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("NAME", done.stdout)

    def test_a_page_with_a_mistake_would_be_noticed(self):
        mistaken = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-"], input=".TH X 8\n.SH NAME\n.NOSUCH x\n",
                                  capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.assertIn("NOSUCH", mistaken.stderr)


class Migration(unittest.TestCase):
    """docs/migration.md: each row of its table names a test."""

    def rows(self):
        table = (TOP / "docs/migration.md").read_text().split("|---|", 1)[1].splitlines()[1:]
        return [[cell.strip() for cell in line.strip("| ").split("|")] for line in table if line.startswith("|")]

    def test_each_row_names_a_test_that_is_there(self):
        rows = self.rows()
        self.assertGreater(len(rows), 20)
        for row in rows:
            with self.subTest(row[0]):
                self.assertEqual(len(row), 6)
                file, name = row[-1].split(": ")
                path = TOP / file if file.startswith("examples/") else TOP / "tests" / file
                defined = f"def {name}(" if path.suffix == ".py" else f", {name})"
                self.assertIn(defined, path.read_text())

    def test_what_it_points_to_is_there(self):
        for page in (*DOCUMENTS, "docs/migration.md", "docs/architecture.md", "examples/django/README.md"):
            text = (TOP / page).read_text()
            for target in re.findall(r"\]\(([^)#\s]+)", text):
                with self.subTest(f"{page}: {target}"):
                    self.assertTrue("://" in target or ((TOP / page).parent / target).exists())

    def test_a_heading_that_is_pointed_to_is_there(self):
        for page in DOCUMENTS:
            for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)", (TOP / page).read_text()):
                with self.subTest(f"{page}: {target}#{heading}"):
                    other = TOP / page if not target else (TOP / page).parent / target
                    headings = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
                    self.assertIn(heading, [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings])


class Programs(unittest.TestCase):
    """What stands in the way of whoever finds a fault of memory in what runs as root."""

    def test_they_are_built_hardened(self):
        for name in ("grantfs", "grantctl", "grantfs-follow"):
            if not (BUILD / name).exists() and name == "grantfs-follow":
                continue  # built without PostgreSQL
            with self.subTest(name):
                said = run("readelf", "--wide", "--file-header", "--program-headers", "--dynamic", "--dyn-syms", BUILD / name)
                self.assertEqual(said.returncode, 0, said.stderr)
                self.assertRegex(said.stdout, r"(?m)^  Type: +DYN", "at another address each time (PIE)")
                self.assertIn(" GNU_RELRO ", said.stdout)
                self.assertRegex(said.stdout, r"\(FLAGS_1\).* NOW")
                self.assertRegex(said.stdout, r"(?m)^  GNU_STACK .* RW +0x", "no code on the stack")
                self.assertIn(" __stack_chk_fail@", said.stdout, "-fstack-protector-strong")
                self.assertRegex(said.stdout, r" __\w+_chk@", "-D_FORTIFY_SOURCE=2")
                self.assertNotIn("(TEXTREL)", said.stdout)


class Help(unittest.TestCase):
    def options(self, text):
        """The options that a help text defines: at the start of its lines."""
        found = set()
        for line in text.splitlines():
            if re.match(r"\s+-", line):
                heads = re.split(r"\s{2,}", line.strip())[0]
                found |= set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", heads))
        return found

    def assert_in_page(self, name, words):
        text = page_text(name)
        missing = [word for word in sorted(words) if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]
        self.assertEqual(missing, [], f"not in man/{name}")

    def test_every_option_of_grantfs_is_in_its_page(self):
        done = run(BUILD / "grantfs", "--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        words = self.options(done.stdout)
        mount_options = set(re.findall(r"^\s+(?:-o\s+)?([a-z_]+)=", done.stdout, re.MULTILINE))
        self.assertIn("db", mount_options, done.stdout)
        self.assert_in_page("grantfs.8", words | mount_options)

    @unittest.skipUnless((BUILD / "grantfs-follow").exists(), "built without PostgreSQL")
    def test_every_option_of_grantfs_follow_is_in_its_page(self):
        done = run(BUILD / "grantfs-follow", "--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--node", self.options(done.stdout))
        self.assert_in_page("grantfs-follow.8", self.options(done.stdout))

    def test_every_command_and_option_of_grantctl_is_in_its_page(self):
        seen = set()

        def visit(*words):
            done = run(BUILD / "grantctl", *words, "--help")
            self.assertEqual(done.returncode, 0, (words, done.stderr))
            self.assertIn("xample", done.stdout, f"grantctl {' '.join(words)} --help shows no example")
            self.assert_in_page("grantctl.8", self.options(done.stdout) | set(words))
            seen.add(" ".join(words))
            for command in self.commands(done.stdout):
                visit(*words, command)

        visit()
        for command in ("init", "own", "grant", "revoke", "mv", "drop", "transfer", "forget", "ls", "who", "usage",
                        "help", "check", "group add", "group rm",
                        "group ls", "session create", "session ls", "session rm", "link create", "link ls", "link rm", "import",
                        "export", "source postgresql", "scan", "prune", "run", "status", "metrics", "webconf nginx", "webconf apache",
                        "webconf caddy", "webconf lighttpd", "webconf check"):
            self.assertIn(command, seen)

    def test_the_commands_of_grantctl_stand_beneath_the_headings_of_its_page_in_their_order(self):
        page = (TOP / "man" / "grantctl.8").read_text().split(".SH COMMANDS", 1)[1].split("\n.SH ", 1)[0]
        headings = [(heading, self.defined(text)) for heading, text in re.findall(r"^\.SS (.*)\n((?:(?!^\.SS ).*\n)*)", page, re.MULTILINE)]
        done = run(BUILD / "grantctl", "--help")
        shown = [(heading, self.listed(text)) for heading, text in self.groups(done.stdout)]
        self.assertEqual(shown, headings)
        self.assertGreater(len(shown), 5)

    @staticmethod
    def defined(text):
        """The commands that a section of the page describes, by their first words."""
        without_details = re.sub(r"^\.RS$.*?^\.RE$", "", text, flags=re.MULTILINE | re.DOTALL)
        return list(dict.fromkeys(re.findall(r"^\.TP\n\.\w+ ([a-z]+)", without_details, re.MULTILINE)))

    @staticmethod
    def groups(text):
        """The headings beneath which a help text lists commands."""
        found = re.findall(r"^([A-Z][\w ]*):\n((?:^ .*\n)+)", text, re.MULTILINE)
        return [(heading, lines) for heading, lines in found if heading not in ("Options", "Positionals", "Example", "Exit status")]

    @staticmethod
    def listed(lines):
        return re.findall(r"^ {1,4}([a-z][a-z0-9-]*)\b", lines, re.MULTILINE)

    @classmethod
    def commands(cls, text):
        """The names beneath the headings for commands."""
        return [name for _, lines in cls.groups(text) for name in cls.listed(lines)]


class Sources(unittest.TestCase):
    def test_libfuse_is_seen_in_one_folder_only(self):
        users = {path for path in sources("src", "include", "tools", "tests") if any("fuse_" in name or name == "fuse.h"
                 for name in includes(path) if not name.startswith("linux/"))}
        outside = [str(path.relative_to(TOP)) for path in users if path.parent not in (TOP / "src/fuse", TOP / "tests/fuzz")]
        self.assertEqual(outside, [])
        self.assertTrue(users, "nobody includes libfuse: this test looks for the wrong thing")

    def test_sqlite_is_seen_in_one_folder_only(self):
        users = {path for path in sources("src", "include", "tools") if "sqlite3.h" in includes(path)}
        outside = [str(path.relative_to(TOP)) for path in users if path.parent != TOP / "src" / "db"]
        self.assertEqual(outside, [])
        self.assertTrue(users, "nobody includes SQLite: this test looks for the wrong thing")

    def test_libpq_is_seen_in_one_folder_only(self):
        users = {path for path in sources("src", "include", "tools", "tests") if "libpq-fe.h" in includes(path)}
        outside = [str(path.relative_to(TOP)) for path in users if path.parent != TOP / "src" / "postgres"]
        self.assertEqual(outside, [])
        self.assertTrue(users, "nobody includes libpq: this test looks for the wrong thing")

    def test_hackings_table_names_every_folder(self):
        folders = {path.name for path in (TOP / "src").iterdir() if path.is_dir()} | {"grantfs", "grantctl"}
        self.assertEqual(set(LAYERS), folders)

    def test_includes_are_those_of_hackings_table(self):
        upward = []
        for path in sources("src", "include", "tools"):
            layer = path.relative_to(TOP).parts[1]
            for name in includes(path):
                target = name.split("/")[0]
                if "/" in name and target in LAYERS and target not in (layer, *LAYERS[layer]):
                    upward.append(f"{path.relative_to(TOP)} includes {name}")
        self.assertEqual(upward, [])

    def test_no_header_includes_itself(self):
        own = [str(path.relative_to(TOP)) for path in sources("src", "include", "tools", "tests") if path.suffix == ".h"
               and any(path.name == name or str(path).endswith("/" + name) for name in includes(path))]
        self.assertEqual(own, [])

    @unittest.skipUnless(shutil.which("clang-format"), "clang-format is not installed")
    def test_the_format_is_the_houses(self):
        done = run("clang-format", "--dry-run", "--Werror", *map(str, sources("src", "include", "tools", "tests")))
        self.assertEqual(done.stderr, "")

    def test_scripts_have_no_syntax_errors(self):
        for script in ("tools/setup", "tools/check", "tools/demo", "tools/package", "tools/lib/boot.sh", "tools/lib/common.sh",
                       "tools/lib/debian13.sh", "tools/lib/enter-root", "tools/lib/fuzz.sh",
                       "tools/lib/kernels.sh", "tools/lib/lint.sh", "tools/lib/model.sh",
                       "tools/lib/packages.sh", "tools/lib/roots.sh", "tests/boot/guest.sh", "tests/boot/prepare.sh",
                       "tests/packages/life.sh", ".ci/run"):
            with self.subTest(script):
                self.assertEqual(run("bash", "-n", str(TOP / script)).stderr, "")
        for script in ("tools/mount.grantfs.in", "tests/kernels/init", *map(str, (TOP / "debian").glob("*.p*rm")),
                       *map(str, (TOP / "debian").glob("*.postinst")), "debian/tests/serve", "debian/tests/program"):
            self.assertEqual(run("sh", "-n", str(TOP / script)).stderr, "")
