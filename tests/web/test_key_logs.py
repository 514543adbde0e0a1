"""Where the URL is the key: no log learns a token, whatever kind of request it came in. The same on every server."""

import re

import harness
import test_links
from servers import Apache, Caddy, Lighttpd, Nginx, exchange, make_certificate
from test_links import SECRET, OnAll
from web_test import FILES

LONG = "x" * 70_000

# All that the machine's own configuration may have a server say; but for lighttpd's debug.log-request-…, of which
# what webconf writes says that they must be off.
TALKATIVE = {
    Nginx: "log_not_found on; log_subrequest on; rewrite_log on;",
    Apache: "LogLevel trace8\nLogLevel http:trace8 core:trace8 rewrite:trace8",
    Lighttpd: "\n".join(f'debug.log-{what} = "enable"' for what in ("file-not-found", "response-header", "condition-handling", "timeouts")),
    Caddy: "",
}


def malformed(url):
    """Requests that carry the URL, as bytes, of which nearly none is one that a server takes."""
    host = "Host: 127.0.0.1\r\n"
    for line in (f"GET {url} HTTP/1.1", f"GET {url}%zz HTTP/1.1", f"GET /%zz{url} HTTP/1.1", f"GET {url}%00 HTTP/1.1", f"GET {url}\0 HTTP/1.1",
                 f"GET {url}\x01 HTTP/1.1", f"GET {url}\xff HTTP/1.1", f"GET {url} x HTTP/1.1", f"GET {url}?{LONG} HTTP/1.1", f"GET {url}{LONG} HTTP/1.1",
                 f"GET {url}/../.. HTTP/1.1", f"GET /../..{url} HTTP/1.1", f"GET /private/..{url} HTTP/1.1", f"GET /private/%2e%2e{url} HTTP/1.1",
                 f"GET /public/..%2f{url[1:]} HTTP/1.1", f"GET /private/../..{url} HTTP/1.1", f"GET /{url} HTTP/1.1", f"GET //x{url} HTTP/1.1",
                 f"GET {url.upper()} HTTP/1.1", f"GET {url[:2].upper()}{url[2:]} HTTP/1.1", f"GET /%{ord(url[1]):x}{url[2:]} HTTP/1.1",
                 f"GET {url[0] + url[1:].replace('/', '%2f')} HTTP/1.1", f"GET {url.replace('/', '//')} HTTP/1.1", f"GET {url[1:]} HTTP/1.1",
                 f"GET x{url} HTTP/1.1", f"GET /s{url} HTTP/1.1", f"GET http://127.0.0.1{url} HTTP/1.1", f"GET https://evil.example{url} HTTP/1.1",
                 f"GET ?{url} HTTP/1.1", f"GET /?{url} HTTP/1.1", f"GET *{url} HTTP/1.1", f"GET {url}#x HTTP/1.1", f"GET \\{url} HTTP/1.1",
                 f"get {url} HTTP/1.1", f"G@T {url} HTTP/1.1", f"FOO {url} HTTP/1.1", f"POST {url} HTTP/1.1", f"PUT {url} HTTP/1.1", f"DELETE {url} HTTP/1.1",
                 f"TRACE {url} HTTP/1.1", f"OPTIONS {url} HTTP/1.1", f"CONNECT {url} HTTP/1.1", f"PROPFIND {url} HTTP/1.1", f"PRI {url} HTTP/2.0",
                 f"GET {url} HTTP/9.9", f"GET {url} HTTP/1.x", f"GET {url} HTTQ/1.1", f"GET {url} HTTP/1.1 x", f"GET\t{url}\tHTTP/1.1", f" GET {url} HTTP/1.1",
                 f"{url} HTTP/1.1", f"{url}"):
        yield f"{line}\r\n{host}Connection: close\r\n\r\n"
    for headers in ("", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: \xff\r\n", "Host:\r\n", f"Host: {'h' * 300}\r\n", f"Cookie: {LONG}\r\n{host}",
                    host + "no colon\r\n", host + ": empty\r\n", host + "a b: c\r\n", host + " folded\r\n", host + "A: b\0c\r\n", host + "Content-Length: -1\r\n",
                    host + "Content-Length: x\r\n", host + "Content-Length: 1\r\nContent-Length: 2\r\n", host + "Content-Length: 99999999999999999999\r\n",
                    host + "Content-Length: 9999999999\r\n", host + "Transfer-Encoding: x\r\n", host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                    host + "Expect: x\r\n", host + "Range: bytes=x-y,99-1\r\n", host + "If-Modified-Since: x\r\n", host + "Upgrade: h2c\r\n", host + "A: b\r\n" * 200,
                    host + "Authorization: Basic !!!\r\n", host + "Connection: upgrade\r\nUpgrade: websocket\r\n"):
        for method in ("GET", "POST"):
            yield f"{method} {url} HTTP/1.1\r\n{headers}\r\n"
    yield f"GET {url}\r\n"  # HTTP/0.9
    yield f"GET {url} HTTP/1.0\r\n\r\n"
    yield f"GET {url}"  # and no more
    yield f"GET {url} HTTP/1.1\r\n{host}"
    yield f"POST {url} HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    yield f"GET / HTTP/1.1\r\n{host}Connection: close\r\nReferer: http://127.0.0.1{url}\r\n\r\n"
    yield f"\x16\x03\x01\x02\x00\x01{url}\r\n\r\n"  # as if it were TLS
    yield f"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET {url} HTTP/1.1\r\n{host}\r\n"


class MalformedRequests(OnAll):
    OPTIONS = ("--kind", "cookie", "--kind", "link", "--kind", "signature")
    link = test_links.Links.link

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.grantctl("key", "create", "--id", "k1", "--secret", "-", input=SECRET)

    @classmethod
    def options(cls, kind):
        return (*cls.OPTIONS, *(("--kind", "md5") if kind is Nginx else ()))

    def setUp(self):
        self.talkers = []
        for kind in self.KINDS:
            self.talkers.append(self.talker(kind))
            self.addCleanup(self.talkers[-1].stop)

    def talker(self, kind):
        return kind(self.site.root / f"{kind.NAME}-talkative", self.site.mountpoint, options=self.options(kind), around=TALKATIVE[kind])

    def test_no_token_is_in_any_log(self):
        link, ended = self.link("alice/letter.txt"), self.link("alice/letter.txt", "--expires", "90s")
        self.site.sql("UPDATE links SET expires = 1 WHERE id = ?", (harness.token_id(ended),))
        self.site.recall()
        signed = self.site.grantctl("sign", "alice/letter.txt", "--expires", "1h").stdout.strip()
        tokens = (link, ended, "forged-" + "f" * 25, signed, test_links.Signatures.expired("alice/letter.txt"), "m" * 22)
        urls = [f"/link/{link}/letter.txt", f"/link/{ended}/letter.txt", f"/link/{tokens[2]}/letter.txt", f"/link/{link}", f"/signed/{signed}/letter.txt",
                f"/signed/{tokens[4]}/letter.txt"]
        for server in self.talkers:
            for url in urls + ([f"/files/letter.txt?md5={tokens[5]}&expires=4000000000"] if isinstance(server, Nginx) else []):
                for request in malformed(url):
                    exchange(server.port, request.encode("latin-1"))
            self.assertEqual(server.get("/public/public-files/terms.html").status, 200)
            server.stop()
            logs = server.logs() + self.site.log().encode(errors="surrogateescape")
            for token in tokens:
                with self.subTest(server=server.NAME, token=token):
                    leaks = [line for line in logs.splitlines() if token.encode().lower() in line.lower()]
                    if isinstance(server, Caddy):  # its own format says which page led here, if the browser does
                        leaks = [line for line in leaks if token.encode() in re.sub(rb'"Referer":\["[^"]*"\]', b"", line)]
                    self.assertEqual(leaks[:3], [])

    def test_nginx_logs_which_file_and_by_no_link(self):
        server = next(each for each in self.talkers if isinstance(each, Nginx))
        link, alice = self.link("alice/letter.txt"), self.site.session("user:alice")
        for url in (f"/link/{link}/letter.txt", "/private/alice/letter.txt", "/public/public-files/terms.html", "/elsewhere/x"):
            server.get(url, token=alice)
        server.stop()
        logged = re.findall(rb'"(\w+ .* HTTP/1\.1)" (\d+) ', (server.folder / "access.log").read_bytes())
        self.assertEqual(logged, [(b"GET /link/-/letter.txt HTTP/1.1", b"200"), (b"GET /private/alice/letter.txt HTTP/1.1", b"200"),
                                  (b"GET /public/public-files/terms.html HTTP/1.1", b"200"), (b"GET - HTTP/1.1", b"404")])

    def test_a_plain_request_to_a_port_of_tls_leaves_no_token_either(self):
        """nginx answers those itself."""
        link = self.link("alice/letter.txt")

        class WithTls(Nginx):
            def adapted(self, text):
                make_certificate(self.folder)
                return super().adapted(text).replace(
                    f"listen 127.0.0.1:{self.port};", f"listen 127.0.0.1:{self.port} ssl; ssl_certificate {self.folder}/site.pem; "
                                                      f"ssl_certificate_key {self.folder}/site.key;")

        server = WithTls(self.site.root / "nginx-tls", self.site.mountpoint, options=self.options(Nginx), around=TALKATIVE[Nginx])
        self.addCleanup(server.stop)
        answers = [exchange(server.port, request.encode("latin-1")) for request in malformed(f"/link/{link}/letter.txt")]
        self.assertTrue(any(b"HTTPS port" in answer for answer in answers))
        self.assertFalse(any(FILES["alice/letter.txt"] in answer for answer in answers))
        server.stop()
        self.assertEqual([line for line in server.logs().splitlines() if link.encode() in line], [])
