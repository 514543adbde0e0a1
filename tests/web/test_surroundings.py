"""What webconf writes, amid a configuration that wants something else, behind a cache, and behind a socket: it holds all the same."""

import itertools
import time

import harness
import test_links
from servers import Apache, Caddy, Lighttpd, Nginx, Server, exchange, request
from test_links import SECRET, OnAll
from web_test import FILES

KINDS = ("--kind", "cookie", "--kind", "link", "--kind", "signature")

# What people have for their other sites, where it counts for all of them.
HOSTILE = {
    Nginx: """
    ssi on; ssi_types *; ssi_silent_errors off;
    sub_filter "Dear" "Hacked"; sub_filter_types *; sub_filter_once off;
    add_before_body /elsewhere; add_after_body /elsewhere; addition_types *;
    expires 30d; add_header Cache-Control "public, max-age=31536000" always;
    index index.html index.htm; autoindex off; autoindex_format json;
    gzip_static always; default_type text/html; charset koi8-r; source_charset utf-8; charset_types *; override_charset on;
    charset_map koi8-r utf-8 { C1 D0B0; }
    etag off; if_modified_since off; open_file_cache max=1000; open_file_cache_valid 60s;
    error_page 403 404 410 /missing.html; recursive_error_pages on; satisfy any; allow 127.0.0.1; disable_symlinks on; rewrite_log on; merge_slashes off;
    """,
    Apache: """
    LoadModule include_module /usr/lib/apache2/modules/mod_include.so
    LoadModule expires_module /usr/lib/apache2/modules/mod_expires.so
    LoadModule substitute_module /usr/lib/apache2/modules/mod_substitute.so
    ExpiresActive On
    ExpiresDefault "access plus 30 days"
    Header always set Cache-Control "public, max-age=31536000"
    Header set Cache-Control "public, max-age=31536000"
    AcceptPathInfo On
    DirectoryIndex index.html
    AddHandler server-status .html
    AddOutputFilter INCLUDES .shtml .html
    ErrorDocument 404 /missing.html
    EnableMMAP On
    <Directory "/">
        Options +Includes +Indexes +MultiViews +FollowSymLinks
        AllowOverride All
    </Directory>
    """,
    Lighttpd: """
    server.modules += ( "mod_expire", "mod_deflate" )
    expire.url = ( "" => "access plus 30 days" )
    index-file.names = ( "index.html" )
    dir-listing.activate = "enable"
    static-file.disable-pathinfo = "disable"
    server.error-handler-404 = "/missing.html"
    server.follow-symlink = "enable"
    """,
}

PAGE = b"""<html><!--#echo var="http_cookie" --><!--#include virtual="/private/alice/letter.txt" --><!--#include file="letter.txt" -->Dear"""


class PlainNginx(Nginx):
    """Whose types are for the configuration around to say."""

    MAIN = Nginx.MAIN.replace("    default_type application/octet-stream;\n", "")


class Hostile(OnAll):
    OPTIONS = KINDS
    KINDS = (PlainNginx, Apache, Lighttpd)
    link = test_links.Links.link

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.write("alice/folder/index.html", PAGE)
        cls.site.write("alice/folder/page.shtml", PAGE)
        cls.site.write("alice/folder/letter.txt", FILES["alice/letter.txt"])
        cls.site.write("alice/folder/page", PAGE)
        cls.site.write("alice/folder/a.txt.gz", b"not what a.txt says")
        cls.site.write("alice/folder/a.txt", b"Dear a")
        cls.site.write("alice/folder/.htaccess", b"Header set X-Evil yes\nForceType text/html\n")
        cls.alice = cls.site.session("user:alice")
        for server in cls.servers:
            server.stop()
        cls.servers = []
        for kind in cls.KINDS:
            cls.servers.append(kind(cls.site.root / f"{kind.NAME}-hostile", cls.site.mountpoint, options=cls.OPTIONS, around=HOSTILE[Nginx if kind is PlainNginx else kind]))
            cls.addClassCleanup(cls.servers[-1].stop)

    def test_every_byte_is_the_files_own(self):
        token = self.link("alice/folder")
        for server in self.servers:
            for name, data in (("index.html", PAGE), ("page.shtml", PAGE), ("page", PAGE), ("letter.txt", FILES["alice/letter.txt"]), ("a.txt", b"Dear a")):
                for url in (f"/private/alice/folder/{name}", f"/link/{token}/folder/{name}"):
                    with self.subTest(server=server.NAME, url=url):
                        reply = server.get(url, token=self.alice)
                        self.assertEqual((reply.status, reply.body), (200, data), reply)
                        self.assertEqual(reply.headers["content-length"], str(len(data)))
                        self.assertNotIn("content-encoding", reply.headers)
                        self.assertNotIn("x-evil", reply.headers)
                        self.assertEqual(reply.headers.get("content-disposition"), None if name.endswith(".txt") else "attachment")
                        part = server.get(url, token=self.alice, headers={"Range": "bytes=2-4"})
                        self.assertEqual((part.status, part.body), (206, data[2:5]))
                        self.assertIn("etag", reply.headers)
                        again = server.get(url, token=self.alice, headers={"If-Modified-Since": reply.headers["last-modified"]})
                        self.assertEqual(again.status, 304)

    def test_every_answer_says_how_long_it_holds_and_nothing_else_does(self):
        token = self.link("alice/folder")
        for server in self.servers:
            for url, who, wanted in (("/private/alice/folder/a.txt", self.alice, "private, no-cache"), ("/private/alice/folder/a.txt", None, None),
                                     ("/private/alice/folder/none", self.alice, None), (f"/link/{token}/folder/a.txt", None, "private, no-cache"),
                                     (f"/link/{'f' * 32}/a.txt", None, None), ("/public/public-files/terms.html", None, "public, no-cache"),
                                     ("/elsewhere", None, "no-store"), ("/private/alice/folder", self.alice, None)):
                with self.subTest(server=server.NAME, url=url):
                    reply = server.get(url, token=who)
                    self.assertNotIn("expires", reply.headers)
                    control = reply.headers["cache-control"]
                    self.assertNotIn("max-age", control)
                    self.assertRegex(control, "no-store|no-cache")
                    if wanted:
                        self.assertEqual(control, wanted)

    def test_a_listing_is_a_listing(self):
        for server in self.servers:
            reply = server.get("/private/alice/folder/", token=self.alice)
            self.assertNotIn(PAGE[:20], reply.body)
            if server.NAME == "lighttpd":
                self.assertEqual(reply.status, 403)
            else:
                self.assertEqual(reply.status, 200, server.NAME)
                self.assertIn(b"letter.txt", reply.body)

    def test_a_revocation_counts_at_once(self):
        for server in self.servers:
            path = f"lent/{server.NAME}.txt"
            self.site.write(path, b"the plan")
            self.site.grantctl("grant", "user:alice", path)
            self.assertEqual(server.get(f"/private/{path}", token=self.alice).status, 200)
            self.site.grantctl("revoke", "user:alice", path)
            self.assertEqual(server.get(f"/private/{path}", token=self.alice).status, 404, server.NAME)

    def test_a_name_alone_is_no_user(self):
        """`satisfy any` with an address that is allowed would believe the name without its password."""
        users = self.site.root / "hostile.users"
        users.write_text("alice:{PLAIN}right\n")
        users.chmod(0o644)
        server = PlainNginx(self.site.root / "nginx-users", self.site.mountpoint, options=("--kind", "remote-user", "--users", str(users)),
                       around=HOSTILE[Nginx])
        self.addCleanup(server.stop)
        for credentials, status in (("YWxpY2U6cmlnaHQ=", 200), ("YWxpY2U6d3Jvbmc=", 401), ("Ym9iOg==", 401)):
            reply = server.get("/private/alice/letter.txt", headers={"Authorization": f"Basic {credentials}"})
            self.assertEqual(reply.status, status)


class Refusals(OnAll):
    """Each answer says itself that it is not to be remembered, is of no other type than it says, and not told to others."""

    OPTIONS = (*KINDS, "--login", "/login/")
    link = test_links.Links.link

    @classmethod
    def options(cls, kind):
        return (*cls.OPTIONS, *(("--kind", "md5") if kind is Nginx else ()))

    def test_no_answer_lacks_its_headers(self):
        alice = self.site.session("user:alice")
        ended = self.link("alice/letter.txt", "--expires", "90s")
        self.site.sql("UPDATE links SET expires = 1 WHERE id = ?", (harness.token_id(ended),))
        self.site.grantctl("key", "create", "--id", "k1", "--path", "alice", "--secret", "-", input=SECRET)
        self.site.recall()
        signed = test_links.Signatures.expired("alice/letter.txt")
        keys = (f"/link/{ended}/letter.txt", f"/link/{'f' * 32}/letter.txt", f"/link/{ended}", "/link/", f"/signed/{signed}/letter.txt", "/signed/x/y",
                f"/link/{self.link('alice/letter.txt')}/none", f"/link/{self.link('alice/album')}/album", f"/link/{self.link('alice/album')}/album/")
        for server in self.servers:
            urls = keys + ("/private/alice/letter.txt", "/private/alice/none.txt", "/private/alice", "/elsewhere", "/", "/public/none", "/public/public-files",
                           "/public/public-files/terms.html")
            if isinstance(server, Nginx):
                urls += ("/files/letter.txt", "/files/letter.txt?md5=x&expires=1", "/files/letter.txt?md5=mmmmmmmmmmmmmmmmmmmmmm&expires=1")
            for url, token, method in itertools.product(urls, (None, alice), ("GET", "HEAD", "POST")):
                with self.subTest(server=server.NAME, url=url, method=method):
                    reply = server.get(url, token=token, method=method, headers={"Content-Length": "0"} if method == "POST" else ())
                    self.assertRegex(reply.headers.get("cache-control", ""), "^(?:no-store|private, no-cache|public, no-cache)$", reply)
                    self.assertEqual("public" in reply.headers["cache-control"], url.startswith("/public/") and "no-store" not in reply.headers["cache-control"])
                    # lighttpd knows what it will answer when it has said this, where somebody may have the file.
                    if reply.status >= 400 and (server.NAME != "lighttpd" or url.startswith("/private/") and token is None):
                        self.assertEqual(reply.headers["cache-control"], "no-store", reply)
                    if reply.status < 300:
                        self.assertIn("no-cache", reply.headers["cache-control"])
                    self.assertEqual(reply.headers.get("x-content-type-options"), "nosniff", reply)
                    if url.startswith(("/link/", "/signed/", "/files/")):
                        self.assertEqual(reply.headers.get("referrer-policy"), "no-referrer", reply)


class Cache(Server):
    """nginx as a cache that remembers whatever it is not told not to, for everybody."""

    NAME = "nginx"
    COMMAND = Nginx.COMMAND
    MAIN = Nginx.MAIN

    def __init__(self, folder, behind):
        self.behind = behind
        super().__init__(folder, "/srv/files", around=f"proxy_cache_path {folder}/cache keys_zone=all:1m;")

    def adapted(self, text):
        return f"""server {{
            listen 127.0.0.1:{self.port};
            proxy_cache all;
            proxy_cache_key $request_method$request_uri;
            proxy_cache_valid any 10m;
            proxy_set_header Host $http_host;
            add_header X-Cache $upstream_cache_status always;
            location / {{ proxy_pass http://127.0.0.1:{self.behind.port}; }}
        }}
        """


class BehindACache(OnAll):
    OPTIONS = KINDS
    link = test_links.Links.link

    def test_nothing_private_and_no_refusal_is_remembered(self):
        alice, bob = self.site.session("user:alice"), self.site.session("user:bob")
        for server in self.servers:
            cache = Cache(self.site.root / f"cache-{server.NAME}", server)
            self.addCleanup(cache.stop)

            def status(url, token=None):
                reply = cache.get(url, token=token)
                self.assertNotEqual(reply.headers.get("x-cache"), "HIT", (server.NAME, url, reply))
                self.assertEqual(reply.body == FILES["alice/letter.txt"], reply.status == 200)
                return reply.status

            with self.subTest(server.NAME):
                letter = "/private/alice/letter.txt"
                self.assertEqual([status(letter, who) for who in (None, alice, bob, None, "f" * 32, alice)], [403, 200, 404, 403, 403, 200])
                path = f"lent/{server.NAME}.txt"
                self.site.write(path, FILES["alice/letter.txt"])
                self.assertEqual(status(f"/private/{path}", bob), 404)
                self.site.grantctl("grant", "user:bob", path)
                self.assertEqual(status(f"/private/{path}", bob), 200)
                self.site.grantctl("revoke", "user:bob", path)
                self.assertEqual(status(f"/private/{path}", bob), 404)

                token = self.link("alice/letter.txt", "--expires", "1h")
                url, gone = f"/link/{token}/letter.txt", 403 if server.NAME == "lighttpd" else 410
                for expires, wanted in ((None, 200), (1, gone), (int(time.time()) + 3600, 200)):
                    if expires:
                        self.site.sql("UPDATE links SET expires = ? WHERE id = ?", (expires, harness.token_id(token)))
                        self.site.recall()
                    self.assertEqual(status(url), wanted)
                self.site.grantctl("link", "rm", "-", input=token + "\n")
                self.assertEqual(status(url), 403)
                self.assertEqual(status("/elsewhere"), 404)


class UnixSockets(OnAll):
    """Who comes by a socket of this machine is at no address: what is bound to none is his all the same."""

    KINDS = (Nginx, Caddy)
    OPTIONS = ("--kind", "cookie", "--kind", "link", "--kind", "signature", "--by-address")
    link = test_links.Links.link

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for server in cls.servers:
            server.stop()

        def listening(kind):
            class Listening(kind):
                def adapted(self, text):
                    text = super().adapted(text)
                    if kind is Nginx:
                        return text.replace(f"listen 127.0.0.1:{self.port};", f"listen 127.0.0.1:{self.port}; listen unix:{self.folder}/n.sock;")
                    return text.replace("bind 127.0.0.1", f"bind 127.0.0.1 unix/{self.folder}/n.sock")
            return Listening
        cls.servers = []
        for kind in cls.KINDS:
            cls.servers.append(listening(kind)(cls.site.root / f"{kind.NAME}-unix", cls.site.mountpoint, options=cls.OPTIONS))
            cls.addClassCleanup(cls.servers[-1].stop)

    def status(self, server, url, token=None):
        cookie = f"Cookie: __Host-files={token}\r\n" if token else ""
        head = f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n{cookie}\r\n"
        answer = exchange(None, head.encode(), unix=str(server.folder / "n.sock"))
        return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]

    def test_what_is_bound_to_no_address_is_served_and_what_is_bound_is_not(self):
        self.site.grantctl("key", "create", "--id", "k1", "--path", "alice", "--secret", "-", input=SECRET)
        letter = FILES["alice/letter.txt"]
        for server in self.servers:
            with self.subTest(server.NAME):
                self.assertEqual(self.status(server, "/private/alice/letter.txt", self.site.session("user:alice")), (200, letter))
                self.assertEqual(self.status(server, f"/link/{self.link('alice/letter.txt')}/letter.txt"), (200, letter))
                signed = self.site.grantctl("sign", "alice/letter.txt", "--expires", "1h", "--url-prefix", "/signed/").stdout.strip()
                self.assertEqual(self.status(server, signed), (200, letter))
                for address in ("127.0.0.1", "0.0.0.0/0", "::/0"):
                    bound = self.link("alice/letter.txt", "--address", address)
                    self.assertEqual(self.status(server, f"/link/{bound}/letter.txt")[0], 403, address)
                    session = self.site.sql_session("user:alice", address=address)
                    self.assertEqual(self.status(server, "/private/alice/letter.txt", session)[0], 403, address)
                bound = self.link("alice/letter.txt", "--address", "127.0.0.0/8")
                self.assertEqual(request(server.port, f"/link/{bound}/letter.txt").status, 200)
