"""grantctl webconf: what examples/ holds is what it writes; nothing that is typed can break out of it."""

import pathlib
import subprocess
import unittest

from grantctl_case import GRANTCTL

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
FILES = {"nginx": "nginx/grantfs.conf", "apache": "apache/grantfs.conf", "caddy": "caddy/Caddyfile",
         "lighttpd": "lighttpd/grantfs.conf"}


def webconf(*words):
    return subprocess.run([GRANTCTL, "webconf", *words], capture_output=True, text=True, timeout=30)


def nginx_alone(server):
    return (("--kind", "md5"), ("--kind", "md5-folder"), ("--kind", "md5", "--kind", "md5-folder", "--kind", "link")) if server == "nginx" else ()


class Webconf(unittest.TestCase):
    def test_the_examples_are_what_it_writes(self):
        for server, name in FILES.items():
            with self.subTest(server):
                done = webconf(server)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(done.stdout, (EXAMPLES / name).read_text(),
                                 f"run: grantctl webconf {server} >examples/{name}")

    def test_no_placeholder_is_left(self):
        for server in FILES:
            for options in ((), ("--kind", "public"), ("--cookie", "__Secure-files"), *nginx_alone(server), ("--login", "https://example.org/login?a=b", "--inline-active"),
                            ("--kind", "link"), ("--kind", "signature", "--kind", "link"), ("--kind", "cookie", "--kind", "link", "--links", "/l/")):
                with self.subTest(server=server, options=options):
                    done = webconf(server, *options)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertNotRegex(done.stdout, r"(?m)^%|@[a-z0-9_]+@")

    def test_what_could_mean_something_else_is_refused(self):
        for option, values in {
            "--mount": ("srv/files", "/", "/srv/files/", "/srv/../etc", "/srv//x", "/srv/a b", "/srv/$x", "/srv/{x}", '/srv/"', "/srv;",
                        "/srv/%{env:X}", "/srv/\n", "/srv/'"),
            "--listen": ("0", "65536", "x", "127.0.0.1:", "127.0.0.1:80;", "a b:80", "$x:80", "[::1:80", "::1:80", ":80 {"),
            "--location": ("/", "files/", "/files", "//", "/a//b/", "/../x/", "/a*/", "/$1/", "/(x)/", "/a b/", "/x;/", "/a\\/"),
            "--links": ("/", "/private/", "/public/x/", "/l{32}/"),
            "--signed": ("/", "/link/"),
            "--secure-link": ("/private/", "/a b/"),
            "--streams": ("/files/", "/a b/", "x"),
            "--arg-md5": ("a-b", "a b", "$x", "a;b", "é"),
            "--arg-expires": ("a&b", "a=b"),
            "--access-log": ("log", "/a b", "/a;b", "/$x", "/{"),
            "--users": ("users", "/a b", "/a;b", "/$x"),
            "--public": ("/", "/private/", "/private/public/", "/a\"/"),
            "--cookie": ("a=b", "a;b", "a b", ".*", "a\n", "$x", "é"),
            "--login": ("login", "javascript:x", "//\"x", "/login'", "/a b", "/a;b", "/a$b", "ftp://x/", "/<script>", "/a&b", "/a{b}"),
        }.items():
            for value in values:
                for server in FILES:
                    with self.subTest(server=server, option=option, value=value):
                        done = webconf(server, f"{option}={value}")
                        self.assertEqual((done.returncode, done.stdout), (2, ""))
                        self.assertIn(option, done.stderr)

    def test_other_addresses_are_taken(self):
        for value in ("80", "[::1]:8080", "files.example.org:443", "0.0.0.0:1"):
            with self.subTest(value):
                self.assertEqual(webconf("nginx", "--listen", value).returncode, 0)

    def test_what_a_server_cannot_do_is_said(self):
        for words in (("lighttpd", "--kind", "remote-user"), ("lighttpd", "--by-address"), ("caddy", "--kind", "md5"), ("apache", "--kind", "md5-folder"),
                      ("nginx", "--kind", "cookie", "--kind", "remote-user"), ("nginx", "--kind", "link", "--by-address"),
                      ("nginx", "--kind", "public", "--login", "/login/")):
            with self.subTest(words):
                done = webconf(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("--kind", done.stderr)

    def test_an_unknown_kind_or_server_is_a_usage_error(self):
        self.assertEqual(webconf("nginx", "--kind", "telepathy").returncode, 2)
        self.assertEqual(webconf("iis").returncode, 2)


if __name__ == "__main__":
    unittest.main()
