"""The documents for developers name files, types and members of the sources. What they name is there."""

import pathlib
import re
import shutil
import subprocess
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("HACKING.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md", "docs/architecture.md")
# Files of others (SQLite, libfuse), and those that a build makes.
OF_OTHERS = ("sqlite3.h",)
MADE = ("tests/unit/unit_tests",)


def files():
    """All files of the repository, and of a source package, which has no history."""
    if shutil.which("git"):
        told = subprocess.run(["git", "-C", TOP, "ls-files"], capture_output=True, text=True)
        if told.returncode == 0:
            return told.stdout.splitlines()
    return [str(path.relative_to(TOP)) for path in TOP.rglob("*") if path.is_file()]


FILES = files()
FOLDERS = {str(parent) for file in FILES for parent in pathlib.PurePath(file).parents}
SOURCES = {file: (TOP / file).read_text() for file in FILES if file.startswith(("src/", "include/")) and file.endswith((".h", ".cc"))}


def paths_in(text):
    """What reads as a path in the sources (src/..., tests/..., and so on), or as a file of C++ or Python."""
    found = re.findall(r"(?<![\w/.-])((?:src|include|tests|tools|docs|man|examples)/[\w./-]*\w)", text)
    return found + re.findall(r"(?<![\w/.*-])(\w[\w/-]*\.(?:h|cc|py))\b", text)


def is_there(path):
    """Whether a file or folder is at the path, or at a path that ends with it: `db/rows.h` for `src/db/rows.h`."""
    ends = (file for file in (*FILES, *FOLDERS) if file == path or file.endswith("/" + path))
    return path in OF_OTHERS or path in MADE or any(ends)


def members_in(text):
    """Pairs of a type and a member of it: `Recaller::vouch()`."""
    return re.findall(r"`(?:\w+::)*([A-Z]\w+)::(\w+)", text)


def has_member(kind, member):
    """Whether a source defines the type and has the member's name."""
    defined = re.compile(rf"\b(?:class|struct)\b[^;{{]*\b{kind}\b[^;()]*\{{")
    return any(re.search(rf"\b{member}\b", text) and defined.search(text) for text in SOURCES.values())


class Mentions(unittest.TestCase):
    def test_paths_are_there(self):
        for page in PAGES:
            with self.subTest(page):
                named = paths_in((TOP / page).read_text())
                self.assertEqual([path for path in named if not is_there(path)], [])

    def test_members_are_there(self):
        for page in PAGES:
            with self.subTest(page):
                named = members_in((TOP / page).read_text())
                self.assertEqual([f"{kind}::{member}" for kind, member in named if not has_member(kind, member)], [])

    def test_what_is_not_there_would_be_noticed(self):
        self.assertEqual([path for path in paths_in("`src/nosuch/a.h`, src/db/rows.h, `rows.h`, (nosuch.cc)") if not is_there(path)],
                         ["src/nosuch/a.h", "src/nosuch/a.h", "nosuch.cc"])
        self.assertTrue(has_member("Recaller", "vouch"))
        self.assertFalse(has_member("Recaller", "nosuch"))
        self.assertGreater(len(paths_in((TOP / "HACKING.md").read_text())), 50)
        self.assertGreater(len(members_in((TOP / "HACKING.md").read_text())), 20)


if __name__ == "__main__":
    unittest.main()
