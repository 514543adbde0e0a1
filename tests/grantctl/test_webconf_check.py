"""grantctl webconf check: every planted fault is found where it is, and nothing is found in good configurations."""

import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest

from grantctl_case import DENIED, DONE, GRANTCTL, USAGE

HERE = pathlib.Path(__file__).resolve().parent / "nginx_conf"


def check(*words):
    return subprocess.run([GRANTCTL, "webconf", "check", *words], capture_output=True, timeout=30)


def findings(*words):
    done = check("--json", *words)
    return done.returncode, json.loads(done.stdout)["findings"]


class WebconfCheck(unittest.TestCase):
    def write(self, text, name="nginx.conf"):
        if not hasattr(self, "folder"):
            holder = tempfile.TemporaryDirectory(prefix="grantctl-test-")
            self.addCleanup(holder.cleanup)
            self.folder = pathlib.Path(holder.name)
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def test_every_planted_fault_is_found_and_nothing_else(self):
        files = sorted((HERE / "bad").glob("*.conf"))
        self.assertGreaterEqual(len(files), 5)
        for path in files:
            with self.subTest(path.name):
                planted = [(number, rule) for number, line in enumerate(path.read_text().splitlines(), 1)
                           for rule in re.findall(r"# <- ([a-z-]+)", line)]
                self.assertTrue(planted)
                status, found = findings(path)
                self.assertEqual(sorted({(finding["line"], finding["rule"]) for finding in found}), sorted(planted),
                                 json.dumps(found, indent=1))
                self.assertEqual(status, DENIED)
                for finding in found:
                    self.assertEqual(finding["file"], str(path))
                    self.assertTrue(finding["what"] and finding["advice"])

    def test_nothing_is_found_in_good_ones(self):
        files = sorted((HERE / "good").glob("*.conf"))
        self.assertGreaterEqual(len(files), 2)
        for path in files:
            with self.subTest(path.name):
                self.assertEqual(findings(path), (DONE, []))

    def test_nothing_is_found_in_what_webconf_writes(self):
        kinds = ("public", "cookie", "remote-user", "link", "signature", "md5")
        variants = [sum((("--kind", kind) for kind in chosen), ()) for size in range(4) for chosen in itertools.combinations(kinds, size)
                    if not {"cookie", "remote-user"} <= set(chosen)]
        for options in (*variants, *(("--listen", "80", *variant) for variant in variants),
                        ("--login", "/login/", "--inline-active", "--by-address"), ("--mount", "/mnt/x", "--location", "/a/", "--public", "/b/")):
            with self.subTest(options):
                written = subprocess.run([GRANTCTL, "webconf", "nginx", *options], capture_output=True, check=True).stdout
                self.assertEqual(findings(self.write(written)), (DONE, []))

    def test_it_says_which_mount_option_by_user_needs(self):
        """What webconf writes for it says so too, in every server's configuration."""
        for server in ("nginx", "apache", "caddy"):
            written = subprocess.run([GRANTCTL, "webconf", server, "--kind", "remote-user"], capture_output=True, check=True).stdout
            self.assertRegex(written, rb"(?s)mount\s.{0,6}with by_user=[a-z-]+", server)
            if server == "nginx":
                path = self.write(written)
                self.assertIn(b"the mount option by_user=GROUP", check(path).stderr)
                (note,) = json.loads(check("--json", path).stdout)["notes"]
                self.assertIn("by_user=GROUP", note["what"])
        plain = self.write(subprocess.run([GRANTCTL, "webconf", "nginx"], capture_output=True, check=True).stdout)
        self.assertEqual(json.loads(check("--json", plain).stdout)["notes"], [])

    def test_a_finding_names_file_line_and_what_to_do(self):
        path = self.write("server {\n\n  location /x/ { alias /srv/files/by-session/$cookie_t/; error_log /dev/null; }\n}\n")
        done = check(path)
        self.assertEqual(done.returncode, DENIED)
        (line,) = done.stdout.decode().splitlines()
        self.assertTrue(line.startswith(f"{path}:3: unchecked-variable: alias takes $cookie_t,"), line)
        self.assertIn("take it through a map", line)

    def test_what_is_found_is_said_without_escapes_of_its_own(self):
        path = self.write("server {\n location ~ ^/x/([^/]+)\\.jpg$ { alias /srv/files/by-session/$1; error_log /dev/null; }\n}\n", "it's.conf")
        done = check(path)
        self.assertIn(b"whole components, from a '/' to a '/' or the end", done.stdout)
        for conf in (*sorted(HERE.rglob("*.conf")), path):
            done = check(conf)
            self.assertNotRegex(done.stdout + done.stderr, rb"\\x(27|5c)", conf)

    def test_included_files_are_read_and_named(self):
        self.write("server {\n  location /x/ { alias /srv/$arg_y/; }\n}\n", "sites/a.conf")
        self.write("include nested.conf;", "sites/b.conf")
        self.write("\nserver { location / { root /srv/files; } }\n", "sites/nested.conf")
        top = self.write('http {\n  include "sites/*.conf";\n  include none/*.conf;\n}\n')
        status, found = findings(top)
        self.assertEqual(status, DENIED)
        self.assertEqual({(pathlib.Path(finding["file"]).name, finding["line"]) for finding in found}, {("a.conf", 2), ("nested.conf", 2)})

    def test_files_that_say_who_somebody_is_are_not_the_clients_to_choose(self):
        for directive in ("auth_basic_user_file $arg_f", "auth_basic_user_file /etc/nginx/$host.users", "auth_basic_user_file /u/$remote_user",
                          "auth_jwt_key_file /k/$cookie_k", "auth_jwt_key_request /keys/$arg_k", "proxy_ssl_certificate /c/$arg_c.pem",
                          "proxy_ssl_certificate_key /c/$http_x.key", "ssl_client_certificate $arg_c", "ssl_trusted_certificate $arg_c",
                          "uwsgi_ssl_certificate $arg_c", "grpc_ssl_certificate_key $arg_c"):
            for conf in ("server {\n%s;\nlocation / { proxy_pass http://x; } }", "server {\n%s;\nlocation / { root /www; } }",
                         "server {\n%s;\nroot /www; }"):
                with self.subTest(directive, conf=conf):
                    status, found = findings(self.write(conf % directive))
                    self.assertEqual((status, [(finding["line"], finding["rule"]) for finding in found]), (DENIED, [(2, "unchecked-variable")]))
                    self.assertIn(directive.split()[0], found[0]["what"])
        for directive in ("auth_basic_user_file /etc/nginx/users", "auth_basic_user_file /etc/nginx/$server_port.users",
                          "auth_basic_user_file $file", "ssl_certificate /etc/ssl/$server_port.pem"):
            with self.subTest(directive):
                conf = "map $arg_f $file { default /a; b /b; }\nserver {\n%s;\nlocation / { root /www; } }" % directive
                self.assertEqual(findings(self.write(conf)), (DONE, []))

    def test_it_says_when_it_found_no_location_below_a_mount(self):
        for text in ("", "server { location / { root /data; } }", "server { location / { proxy_pass http://x; } }"):
            with self.subTest(text):
                path = self.write(text)
                done = check(path)
                self.assertEqual(done.returncode, DONE)
                self.assertIn(b"no location that leads below a mount of grantfs was found", done.stdout)
                self.assertFalse(json.loads(check("--json", path).stdout)["serves_mount"])
        for text in ("server { location /p/ { alias /srv/files/public/; } }", "server { location /in/ { internal; alias /srv/files/public/; } }"):
            with self.subTest(text):
                path = self.write(text)
                self.assertEqual(check(path).stdout, b"nothing unsafe found\n")
                self.assertTrue(json.loads(check("--json", path).stdout)["serves_mount"])

    def test_another_mount_can_be_named(self):
        path = self.write("server { location / { root /data; } }")
        self.assertEqual(findings(path), (DONE, []))
        self.assertEqual(findings("--mount", "/data", path)[0], DENIED)

    def test_what_is_no_configuration_is_a_usage_error_with_its_line(self):
        for text, line in (("server {\n", 2), ("}\n", 1), ("a b", 1), ("\n\nx 'y", 3), ("x 'y'z;", 1), (";", 1), ("{", 1),
                           ("\ninclude gone.conf;", 2), ("include;", 1), ("include nginx.conf;", None), ("x {" * 5000, None)):
            with self.subTest(text[:40]):
                done = check(self.write(text))
                self.assertEqual((done.returncode, done.stdout), (USAGE, b""))
                if line:
                    self.assertIn(f"nginx.conf:{line}:".encode(), done.stderr)
        self.assertEqual(check(self.folder / "gone").returncode, USAGE)
        self.assertEqual(check(self.folder).returncode, USAGE)
        self.assertEqual(check().returncode, USAGE)

    def test_other_servers_are_named_and_not_read(self):
        for server, name in (("apache", "Apache"), ("caddy", "Caddy"), ("lighttpd", "lighttpd")):
            for options in ((), ("--kind", "cookie", "--kind", "link"), ("--kind", "public")):
                written = subprocess.run([GRANTCTL, "webconf", server, *options], capture_output=True, check=True).stdout
                done = check(self.write(written, server))
                self.assertEqual((done.returncode, done.stdout), (USAGE, b""))
                self.assertIn(f"is a configuration of {name}: webconf check reads nginx's alone".encode(), done.stderr)
        for file, name in (("apache2.conf", "Apache"), ("Caddyfile", "Caddy"), ("lighttpd.conf", "lighttpd")):
            folder = self.write("", f"{file}.d/{file}").parent
            self.assertIn(f"is a folder of {name}: webconf check reads nginx's alone".encode(), check(folder).stderr)

    @unittest.skipIf(os.geteuid() != 0, "mounts: run it as root")
    def test_a_store_is_known_where_else_it_is_mounted(self):
        path = self.write("")
        for name in ("store/part", "whole", "some", "else"):
            (self.folder / name).mkdir(parents=True)
        path.write_text("server { listen 80;\n" + "".join(f"location /{name}/ {{ alias {self.folder}/{name}/; }}\n" for name in ("whole", "some", "else")) + "}")
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", 'mount --bind "$1/store" "$1/whole" && mount --bind "$1/store/part" "$1/some" && '
             'exec "$2" webconf check --json --store "$1/store" "$3"', "sh", self.folder, GRANTCTL, path], capture_output=True, timeout=30)
        self.assertEqual([(finding["line"], finding["rule"]) for finding in json.loads(done.stdout)["findings"]],
                         [(2, "store-served"), (3, "store-served")], done.stderr)

    def test_a_program_is_noted_and_no_finding(self):
        path = self.write("server {\n  location / {\n    content_by_lua_block { ngx.say('}') -- }\n }\n  }\n}\n")
        done = check(path)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(f"{path}:3: content_by_lua_block is a program, which is not judged".encode(), done.stderr)
        (note,) = json.loads(check("--json", path).stdout)["notes"]
        self.assertEqual(note["line"], 3)

    def test_quotes_escapes_and_comments_are_nginxs(self):
        path = self.write('server { # } { "\n  location / { return 404; }\n  location "/a b/" {\n    alias \'/srv/files/by-session/${arg_t}/\';'
                          '\n    access_log off;error_log /dev/null;# x\n  }\n  add_header X "a;b}#\\"{";\n}\n')
        status, found = findings(path)
        self.assertEqual([(finding["line"], finding["rule"]) for finding in found], [(4, "unchecked-variable")])

    def test_no_input_makes_it_crash(self):
        seed = int(os.environ.get("GRANTFS_SEED", random.randrange(1 << 32)))
        chance = random.Random(seed)
        texts = [path.read_bytes() for path in HERE.rglob("*.conf")]
        for number in range(60):
            text = bytearray(chance.choice(texts))
            for _ in range(chance.randrange(1, 12)):
                at = chance.randrange(len(text))
                text[at:at + chance.randrange(6)] = chance.choice((b"", b"{", b"}", b"'", b'"', b";", b"\\", b"$", b"(", b"[", b"\0", b"\xff"))
            with self.subTest(number=number, seed=seed):
                self.assertIn(check(self.write(bytes(text))).returncode, (DONE, DENIED, USAGE))


if __name__ == "__main__":
    unittest.main()
