"""Where the cookie must be set: what webconf says of hosts, with curl's own rules for cookies."""

import os
import re
import subprocess
import unittest

from servers import Nginx, free_port, make_certificate
from web_test import FILES, make_site

WWW, FILE_HOST = "www.example.test", "files.example.test"


class TwoHosts(Nginx):
    """The files at one host, as webconf has them, and an application that sets a cookie at another, and at the same."""

    def adapted(self, text):
        make_certificate(self.folder, WWW, FILE_HOST)
        tls = f"ssl; ssl_certificate {self.folder}/site.pem; ssl_certificate_key {self.folder}/site.key"
        # The lines that webconf says to set, by their number.
        said = [line.replace("TOKEN", self.TOKEN).replace("example.org", "example.test")
                for line in re.findall(r"#   Set-Cookie: (.*)", text)]
        self.said = said
        cookies = "".join(f'location = /login/{number} {{ add_header Set-Cookie "{line}"; return 200; }}\n' for number, line in enumerate(said))
        text = text.replace(f"listen 127.0.0.1:{self.port};", f"listen 127.0.0.1:{self.port} {tls};")
        text = text.replace("    location / {", f"{cookies}    location / {{", 1)
        return text + f"server {{ listen 127.0.0.1:{self.port} ssl; server_name {WWW}; {cookies} }}\n"


@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class CookieHosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = make_site()
        cls.addClassCleanup(cls.site.close)
        TwoHosts.TOKEN = cls.site.session("user:alice")

    def server(self, *options):
        server = TwoHosts(self.site.root / f"nginx-{free_port()}", self.site.mountpoint, options=options)
        self.addCleanup(server.stop)
        return server

    def file_after_login(self, server, host, number):
        """Whether the letter is served to curl, that was given the cookie at that host."""
        jar = server.folder / f"jar-{host}-{number}"
        command = ["curl", "-s", "--cacert", server.folder / "site.pem", "-c", jar, "-b", jar, "--noproxy", "*"]
        for name in (WWW, FILE_HOST):
            command += ["--resolve", f"{name}:{server.port}:127.0.0.1"]
        subprocess.run([*command, "-o", "/dev/null", f"https://{host}:{server.port}/login/{number}"], check=True, timeout=20)
        got = subprocess.run([*command, f"https://{FILE_HOST}:{server.port}/private/alice/letter.txt"], check=True, timeout=20, capture_output=True)
        return got.stdout == FILES["alice/letter.txt"]

    def test_a_cookie_of_one_host_is_set_there(self):
        server = self.server()
        self.assertEqual([line.partition("=")[0] for line in server.said], ["__Host-files", "__Secure-files"])
        self.assertTrue(self.file_after_login(server, FILE_HOST, 0))
        self.assertFalse(self.file_after_login(server, WWW, 0))
        self.assertFalse(self.file_after_login(server, WWW, 1))  # of another name

    def test_a_cookie_of_the_domain_is_set_anywhere_in_it(self):
        server = self.server("--cookie", "__Secure-files")
        self.assertEqual([line.partition("=")[0] for line in server.said], ["__Secure-files"])
        self.assertTrue(self.file_after_login(server, WWW, 0))
        self.assertTrue(self.file_after_login(server, FILE_HOST, 0))

    def test_what_used_to_be_advised_for_a_host_of_its_own_works_nowhere(self):
        """__Host- with a Domain is no cookie to anybody."""
        server = self.server("--cookie", "__Host-files")
        for number, line in enumerate(server.said):
            if line.startswith("__Host-"):
                self.assertNotIn("Domain", line)
                self.assertFalse(self.file_after_login(server, WWW, number))
