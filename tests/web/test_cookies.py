"""The cookie that holds the token, however a proxy sends it on: in one line, in several, in crumbs of HTTP/2. The same on every server."""

import itertools
import socket
import struct

from servers import COOKIE, SERVERS, Apache, Caddy, Lighttpd, Nginx
from web_test import WebTest, on_every_server

# A comma may be part of a cookie. Apache alone sees lines joined by one, and cannot tell.
TELLS_LINES_FROM_COMMAS = {"apache": False, None: True}


@on_every_server
class CookieLines(WebTest):
    """Each case is the lines of one request; the first cookie of that name counts, whatever it holds."""

    def status(self, *lines):
        reply = self.get("alice/letter.txt", headers=[("Cookie", line) for line in lines])
        if reply.status == 200:
            self.assertEqual(reply.body, self.FILES["alice/letter.txt"])
        return reply.status

    def test_it_is_found_in_whichever_line(self):
        mine = f"{COOKIE}={self.alice}"
        for lines in (["theme=dark", mine], [mine, "theme=dark"], ["a=1", "b=2", mine, "c=3"], [f"a=1; {mine}", "b=2"], ["a=1; b=2", f"{mine}; c=3"],
                      ["a=1", f"b=2; {mine}; c=3", "d=4"], ['a="1"', mine], ["", mine], ["a", mine]):
            with self.subTest(lines):
                self.assertEqual(self.status(*lines), 200)

    def test_a_second_one_in_a_later_line_does_not_win(self):
        alice, bob, bad = f"{COOKIE}={self.alice}", f"{COOKIE}={self.bob}", f"{COOKIE}=bad"
        for before in ([], ["theme=dark"], ["a=1; b=2", "c=3"]):
            for second in (bob, bad, f"{COOKIE}="):
                with self.subTest(before=before, second=second):
                    self.assertEqual(self.status(*before, alice, second), 200)
                    self.assertEqual(self.status(*before, second, alice), 403 if second != bob else 404)

    def test_of_every_three_lines_the_first_of_that_name_counts(self):
        values = {"none": "theme=dark", "alice": f"{COOKIE}={self.alice}", "bob": f"{COOKIE}={self.bob}", "bad": f"{COOKIE}=../../etc"}
        for order in itertools.product(values, repeat=3):
            first = next((each for each in order if each != "none"), None)
            with self.subTest(order):
                self.assertEqual(self.status(*(values[each] for each in order)), {"alice": 200, "bob": 404}.get(first, 403))

    def test_one_within_another_cookie_is_none(self):
        """Another host of the domain may set any other cookie, to any value without a semicolon."""
        alice, bob = f"{COOKIE}={self.alice}", f"{COOKIE}={self.bob}"
        for planted in (f"a=x, {bob}", f"a=x,{bob}", f'a="x, {bob}"', f"a=x, {bob}, b", f"a=, {bob}", f"a= {bob}", f"a=x\t{bob}", f"a=x, {bob}, {bob}",
                        f"a=x {bob}, y"):
            for lines in ([f"{planted}; {alice}"], [f"{alice}; {planted}"], [f"t=1; {planted}; {alice}"], [planted, alice], [alice, planted],
                          ["t=1", f"{planted}; {alice}"]):
                with self.subTest(lines):
                    reply = self.get("bob/secret.txt", headers=[("Cookie", line) for line in lines])
                    if self.expected(TELLS_LINES_FROM_COMMAS) or lines[0].startswith(alice) or (len(lines) == 1 and ";" in lines[0]):
                        self.assert_refused(reply, 403, 404)
            with self.subTest(planted):
                reply = self.get("bob/secret.txt", headers={"Cookie": planted})
                if self.expected(TELLS_LINES_FROM_COMMAS):
                    self.assert_refused(reply, 403)

    def test_quotes_hide_and_open_nothing(self):
        for line in (f'{COOKIE}="{self.alice}"', f"a=\"; {COOKIE}={self.alice}\"", f"{COOKIE} ={self.alice}", f"{COOKIE}= {self.alice}",
                     f"{COOKIE}={self.alice},", f"{COOKIE}={self.alice},a=1", f",{COOKIE}={self.alice}", f"a,{COOKIE}={self.alice}"):
            with self.subTest(line):
                self.assertEqual(self.status(line), 403)


def literal(name, value):
    """A header field of HPACK, spelt out (RFC 7541, section 6.2.2)."""
    def text(of):
        data = of.encode()
        assert len(data) < 127 + 128
        return (bytes([len(data)]) if len(data) < 127 else bytes([127, len(data) - 127])) + data
    return b"\0" + text(name) + text(value)


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def http2_body(port, path, cookies):
    """The bytes of the DATA frames for a GET with these cookies, each a field of its own, as browsers send them."""
    fields = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", f"127.0.0.1:{port}")]
    block = b"".join(literal(*field) for field in [*fields, *(("cookie", cookie) for cookie in cookies)])
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, block))
        stream, body = connection.makefile("rb"), b""
        while len(head := stream.read(9)) == 9:
            payload = stream.read(int.from_bytes(head[:3], "big"))
            kind, flags, number = head[3], head[4], int.from_bytes(head[5:], "big")
            if number == 1 and kind == 0:
                body += payload
            if kind == 7 or (number == 1 and (kind == 3 or flags & 1)):  # GOAWAY, RST_STREAM, END_STREAM
                break
        return body


class WithHttp2:
    """The same servers, with HTTP/2 without TLS."""

    @staticmethod
    def of(kind):
        class Http2(kind):
            def adapted(self, text):
                text = super().adapted(text)
                if kind is Nginx:
                    return text.replace(f"listen 127.0.0.1:{self.port};", f"listen 127.0.0.1:{self.port} http2;")
                if kind is Apache:
                    return ("LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so\n"
                            + text.replace("<VirtualHost", "Protocols h2c http/1.1\n<VirtualHost", 1))
                if kind is Caddy:
                    return text.replace("\n{\n", "\n{\n\tservers {\n\t\tprotocols h1 h2 h2c\n\t}\n", 1)
                return text
        return Http2


class Crumbs(WebTest):
    SERVER = Lighttpd  # for setUpClass alone

    def test_the_crumbs_of_http2_are_one_header(self):
        mine, bob, dark = f"{COOKIE}={self.alice}", f"{COOKIE}={self.bob}", "theme=dark, light"
        letter = self.FILES["alice/letter.txt"]
        for kind in SERVERS:
            server = WithHttp2.of(kind)(self.site.root / f"{kind.NAME}-http2", self.site.mountpoint)
            self.addCleanup(server.stop)
            for cookies, found in (([mine], True), ([dark, mine], True), ([mine, dark], True), (["a=1", dark, mine, "b=2"], True), ([mine, bob], True),
                                   ([bob, mine], False), ([f"{COOKIE}=bad", mine], False), ([], False)):
                with self.subTest(server=kind.NAME, cookies=cookies):
                    body = http2_body(server.port, "/private/alice/letter.txt", cookies)
                    self.assertEqual(body == letter, found, body[:200])
