"""What packages are made of: one version everywhere, and lists of files that are those that meson installs."""

import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", TOP / "build"))
VERSION = re.search(r"version: '([\d.]+)'", (TOP / "meson.build").read_text())[1]

#: What the macros of the spec file stand for, with the options that it builds with.
MACROS = {"_sysconfdir": "/etc", "_bindir": "/usr/bin", "_sbindir": "/usr/sbin", "_unitdir": "/usr/lib/systemd/system",
          "_tmpfilesdir": "/usr/lib/tmpfiles.d", "_sysusersdir": "/usr/lib/sysusers.d", "_datadir": "/usr/share", "_mandir": "/usr/share/man",
          "_includedir": "/usr/include", "_libdir": "/usr/lib64"}


def installed():
    """What a packager's build would install, as its paths are there."""
    done = subprocess.run(["meson", "introspect", "--installed", str(BUILD)], capture_output=True, text=True, check=True)
    paths = set()
    for path in json.loads(done.stdout).values():
        path = re.sub(r"^/usr/local/etc/", "/etc/", path)
        path = re.sub(r"^/usr/local/", "/usr/", path)
        paths.add(re.sub(r"^/sbin/", "/usr/sbin/", path))
    return paths


class Version(unittest.TestCase):
    def test_it_is_the_same_everywhere(self):
        for page, pattern in (("debian/changelog", r"^grantfs \(([\d.]+)\)"), ("packaging/grantfs.spec", r"(?m)^Version: +([\d.]+)$"),
                              ("python/pyproject.toml", r'(?m)^version = "([\d.]+)"'), ("CHANGELOG.md", r"(?m)^## ([\d.]+)"),
                              ("README.md", r"grantfs_([\d.]+)_amd64\.deb")):
            with self.subTest(page):
                self.assertEqual(re.search(pattern, (TOP / page).read_text())[1], VERSION)


@unittest.skipUnless((BUILD / "grantfs-follow").exists() and (BUILD / "grantctl.bash").exists(), "not all is built that packages have")
class Files(unittest.TestCase):
    def patterns_of_the_spec(self):
        files = (TOP / "packaging/grantfs.spec").read_text().split("\n%files", 1)[1]
        lines = re.findall(r"^%\{(\w+)\}(\S+)$", files, re.MULTILINE)
        return [MACROS[macro] + path for macro, path in lines]

    def patterns_of_debian(self):
        patterns = []
        for page in sorted((TOP / "debian").glob("*.install")):
            patterns += ["/" + line.split()[0] for line in page.read_text().splitlines()]
        return patterns

    def assert_complete(self, patterns):
        paths = {re.sub(r"/usr/lib(64)?/(x86_64-linux-gnu/|[a-z0-9_]+-linux-\w+/)?(libgrantfs\.a|pkgconfig)", r"/usr/lib64/\3", path)
                 for path in installed()}
        patterns = [pattern.replace("/usr/lib/*/", "/usr/lib64/") for pattern in patterns]
        covers = {pattern: {path for path in paths if fnmatch.fnmatch(path, pattern) or path.startswith(pattern + "/")}
                  for pattern in patterns}
        self.assertEqual(sorted(paths - set().union(*covers.values())), [], "installed, and in no package")
        symbolic_links = re.compile(r"mount\.fuse\.grantfs")  # which meson does not list
        self.assertEqual([pattern for pattern, found in covers.items() if not found and not symbolic_links.search(pattern)], [],
                         "in a package, and not installed")

    def test_debian_packages_hold_all_that_is_installed(self):
        self.assert_complete(self.patterns_of_debian())

    def test_the_spec_file_holds_all_that_is_installed(self):
        self.assert_complete(self.patterns_of_the_spec())

    @unittest.skipUnless(shutil.which("rpmspec"), "rpmspec is not installed")
    def test_the_spec_file_can_be_read(self):
        done = subprocess.run(["rpmspec", "--parse", str(TOP / "packaging/grantfs.spec")], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("Name:           grantfs", done.stdout)


if __name__ == "__main__":
    unittest.main()
