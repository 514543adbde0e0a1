"""libgrantfs as it is installed: what is in it, and that a program by it takes access away as grantctl does."""

import os
import re
import shlex
import subprocess
import unittest

from harness import BUILD, REPOSITORY, SANITIZED, MountTest, outcome

COMPILER = ["g++", "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


@unittest.skipIf(SANITIZED or not (BUILD / "libgrantfs.a").exists(), "this build has no library")
class Library(MountTest):
    def setUp(self):
        super().setUp()
        self.installed = self.site.root / "installed"
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", self.installed], check=True, stdout=subprocess.DEVNULL)
        (pc,) = self.installed.glob("**/pkgconfig/grantfs.pc")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "grantfs"], env={**os.environ, "PKG_CONFIG_PATH": str(pc.parent)},
                               check=True, capture_output=True, text=True).stdout
        self.flags = [re.sub(r"^(-[IL])(/usr/local/)", rf"\1{self.installed}\2", flag) for flag in shlex.split(flags)]

    def compile(self, *words):
        done = subprocess.run([*COMPILER, *words, *self.flags], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_program_by_it_takes_access_away_before_it_returns(self):
        program = self.site.root / "revoke"
        self.compile(REPOSITORY / "examples/cpp/revoke.cc", "-o", program)
        self.site.write("album/film", b"film")
        self.site.grantctl("grant", "user:b", "album")
        path = self.site.path("by-session", self.site.session("user:b"), "album/film")
        self.site.mount("enforce=lease,lease=60")
        self.assertEqual(outcome(path.read_bytes), "OK")
        done = subprocess.run([program, self.site.db, "user:b", "album"], capture_output=True, text=True)
        self.assertEqual(outcome(path.read_bytes), "ENOENT")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "acknowledged by 1\n", ""))
        done = subprocess.run([program, self.site.db, "user:b", "album"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (1, "revoke: there is no such rule\n"))
        for words, said in (((self.site.db, "b", "album"), "principal"), ((self.site.db, "user:b", "../x"), "'../x'"),
                            ((self.site.root / "none.db", "user:b", "album"), "none.db")):
            done = subprocess.run([program, *words], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)

    def test_what_is_installed_includes_nothing_that_is_not(self):
        folder = self.installed / "usr/local/include/grantfs"
        headers = sorted(header.name for header in folder.iterdir())
        self.assertEqual(headers, sorted(header.name for header in (REPOSITORY / "include/grantfs").iterdir()))
        everything = self.site.root / "headers.cc"
        everything.write_text("".join(f"#include <grantfs/{name}>\n" for name in headers))
        self.compile("-fsyntax-only", everything)

    def test_the_page_names_each_header(self):
        page = (REPOSITORY / "docs/libgrantfs.md").read_text()
        self.assertEqual(set(re.findall(r"^\| `([\w.]+\.h)`", page, re.MULTILINE)), {path.name for path in (REPOSITORY / "include/grantfs").iterdir()})
