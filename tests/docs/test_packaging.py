"""What packages are made of: one version everywhere, and lists of files that are those that meson installs."""

import fnmatch
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
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


@unittest.skipUnless(shutil.which("dpkg-deb"), "dpkg-deb is not installed")
class Sbom(unittest.TestCase):
    """tools/lib/sbom.py, of a small package and what stands in its .buildinfo."""

    BUILDINFO = """Source: grantfs
Installed-Build-Depends:
 libc6 (= 2.36-9),
 libcli11-dev (= 2.3),
 libsqlite3-0 (= 3.40.1-2),
 libsqlite3-dev (= 3.40.1-2),
 meson (= 1.0.1-5),
 unrelated (= 1)
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for package, depends in (("grantfs", "libc6 (>= 2.34), libsqlite3-0 (>= 3.39) | other"), ("grantfs-postgresql", "grantfs (= 0.2.0)")):
            control = self.folder / package / "DEBIAN/control"
            control.parent.mkdir(parents=True)
            control.write_text(f"Package: {package}\nVersion: 0.2.0\nArchitecture: all\nMaintainer: a <a@b.invalid>\nDepends: {depends}\n"
                               "Description: a package\n")
            subprocess.run(["dpkg-deb", "--root-owner-group", "--build", control.parents[1], self.folder / f"{package}_0.2.0_all.deb"],
                           check=True, stdout=subprocess.DEVNULL)
        (self.folder / "grantfs_0.2.0_all.buildinfo").write_text(self.BUILDINFO)

    def made(self):
        subprocess.run([TOP / "tools/lib/sbom.py", self.folder], check=True)
        return (self.folder / "grantfs_0.2.0_all.spdx.json").read_text()

    def test_it_names_what_is_linked_what_is_compiled_in_and_what_built_it(self):
        sbom = json.loads(self.made())
        self.assertEqual(sbom["spdxVersion"], "SPDX-2.3")
        versions = {package["name"]: package["versionInfo"] for package in sbom["packages"]}
        self.assertEqual(versions, {"grantfs": "0.2.0", "grantfs-postgresql": "0.2.0", "libc6": "2.36-9", "libcli11-dev": "2.3",
                                    "libsqlite3-0": "3.40.1-2", "libsqlite3-dev": "3.40.1-2", "meson": "1.0.1-5"})
        relations = {tuple(relation.values()) for relation in sbom["relationships"]}
        for one, kind, other in (("DOCUMENT", "DESCRIBES", "grantfs"), ("grantfs", "DEPENDS_ON", "libsqlite3-0"),
                                 ("grantfs-postgresql", "DEPENDS_ON", "grantfs"), ("grantfs", "STATIC_LINK", "libcli11-dev"),
                                 ("meson", "BUILD_DEPENDENCY_OF", "grantfs")):
            self.assertIn((f"SPDXRef-{one}", kind, f"SPDXRef-{other}"), relations)
        ids = {package["SPDXID"] for package in sbom["packages"]} | {"SPDXRef-DOCUMENT"}
        self.assertEqual({end for relation in relations for end in (relation[0], relation[2])} - ids, set())

    def test_the_hash_is_of_the_package(self):
        grantfs = next(package for package in json.loads(self.made())["packages"] if package["name"] == "grantfs")
        digest = hashlib.sha256((self.folder / grantfs["packageFileName"]).read_bytes()).hexdigest()
        self.assertEqual(grantfs["checksums"], [{"algorithm": "SHA256", "checksumValue": digest}])

    def test_the_same_packages_give_the_same_bytes(self):
        self.assertEqual(self.made(), self.made())


if __name__ == "__main__":
    unittest.main()
