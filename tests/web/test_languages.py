"""The sites of examples/ that are one file in one language, each behind nginx and a mount, as examples/README.md says."""

import concurrent.futures
import contextlib
import glob
import hashlib
import html
import http.client
import os
import pathlib
import re
import secrets
import shutil
import sqlite3
import subprocess
import textwrap
import unittest
import urllib.parse

import harness
from servers import Nginx, free_port, wait_for_port

TOP = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = TOP / "examples"
STOP_SECONDS = 10
LETTER = b"Dear Bob,\n" * 1000


def location_of(kind):
    """How nginx leads to the site: the block of examples/README.md with that directive."""
    blocks = re.findall(r"^    location / \{\n.*?^    \}\n", (EXAMPLES / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if kind in block]
    return block


def cookie_attributes():
    """The attributes of the cookie, as webconf's file for nginx says."""
    said = re.search(r"Set-Cookie: __Host-files=TOKEN; (.*)", (EXAMPLES / "nginx/grantfs.conf").read_text())[1]
    return set(said.split("; "))


class Browser:
    """Cookies and forms; it sends them as a browser does that is told no-referrer."""

    def __init__(self, port):
        self.port = port
        self.cookies = {}
        self.attributes = {}
        self.text = ""

    def ask(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request(method, path, body, {**dict(headers), **({"Cookie": cookies} if cookies else {})})
            response = connection.getresponse()
            self.body = response.read()
            for name, value in response.getheaders():
                if name.lower() == "set-cookie":
                    self._take(value)
            self.location = response.headers.get("Location")
            return response.status

    def _take(self, text):
        first, *attributes = text.split(";")
        name, _, value = first.partition("=")
        attributes = {attribute.strip() for attribute in attributes}
        self.attributes[name] = attributes
        if any(attribute.lower() == "max-age=0" for attribute in attributes):
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def get(self, path):
        return self.ask("GET", path)

    def open(self, path="/"):
        """A page, whose forms are then filled in."""
        status = self.get(path)
        self.text = self.body.decode()
        found = re.search(r'name="form" value="([^"]+)"', self.text)
        self.token = html.unescape(found[1]) if found else ""
        return status

    def post(self, page, **fields):
        body = urllib.parse.urlencode({"form": self.token, **fields})
        return self.ask("POST", page, body, {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"})

    def upload(self, name, data, **fields):
        boundary = secrets.token_hex(8)
        name = name if isinstance(name, bytes) else name.encode()
        # As browsers write it (RFC 7578 and the URL and HTML standards).
        name = name.replace(b"\n", b"%0A").replace(b"\r", b"%0D").replace(b'"', b"%22")
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
                 for field, value in {"form": self.token, **fields}.items()]
        parts.append(b"--%b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%b\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                     % (boundary.encode(), name) + data + b"\r\n")
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        return self.ask("POST", "/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}", "Origin": "null"})

    def log_in(self, name):
        self.open()
        return self.post("/login", name=name, password=password(name))

    def files(self):
        """Path in the store: URL, of each file that the page lists."""
        self.open()
        urls = [html.unescape(url) for url in re.findall(r'href="(/private/[^"]+)"', self.text)]
        return {urllib.parse.unquote(url.removeprefix("/private/")): url for url in urls}


def password(name):
    return f"{name}'s own pass word, ünd more"


class Site(harness.Site):
    """A mount, the site as a user of its own, and nginx before it."""

    def __init__(self, language):
        self.processes = []
        super().__init__()
        try:
            (self.uid,) = harness.unused_ids(1)
            self.app = self.root / "app"
            shutil.copytree(EXAMPLES / language.FOLDER, self.app)
            self.data = self._folder("data", 0o700)
            for path in (self.store, self.data, self.app):
                os.chown(path, self.uid, self.uid)
            for path in (self.db.parent, *self.db.parent.iterdir()):
                os.chown(path, 0, self.uid)
            self.db.parent.chmod(0o2770)
            self.site_environment = {
                "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.data), "TMPDIR": str(self.data),
                "PYTHONDONTWRITEBYTECODE": "1", "GRANTFS_DB": str(self.db), "GRANTFS_STORE": str(self.store),
                "SITE_DB": str(self.data / "site.db"), **language.environment()}
            self.mount("server_group=www-data")
            self.site_port, self.socket = free_port(), self.root / "site.sock"
            self.language = language(self)
            for name in ("alice", "bob"):
                self.run_as_site([*self.language.command(), "add-user", name], input=password(name) + "\n")
            self.language.start()
            self.nginx = self._nginx(language)
            self.port = self.nginx.port
        except BaseException:
            self.close()
            raise

    def _nginx(self, language):
        site = self

        class WithTheSite(Nginx):
            def adapted(self, text):
                ours = location_of(language.DIRECTIVE).replace("127.0.0.1:8000", f"127.0.0.1:{site.site_port}")
                ours = ours.replace("/srv/site/", f"{site.app}/").replace("/run/php/site.sock", str(site.socket))
                ours = ours.replace("include fastcgi_params", "include /etc/nginx/fastcgi_params")
                text, count = re.subn(r"    location / \{\n        return 404;\n    \}\n", lambda _: ours, super().adapted(text))
                assert count == 1
                return text

        return WithTheSite(self.root / "nginx", self.mountpoint, options=("--kind", "cookie", "--kind", "link"))

    def run_as_site(self, words, **options):
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=self.app, env=self.site_environment, user=self.uid,
                              group=self.uid, extra_groups=[], umask=0o022, **options)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stdout}{done.stderr}")

    def start(self, *words, as_root=False, answers=None):
        who = {} if as_root else {"user": self.uid, "group": self.uid, "extra_groups": []}
        with open(self.root / "site.log", "wb") as output:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.app, umask=0o022,
                                       env=self.site_environment | {"PORT": str(self.site_port)}, **who)
        self.processes.append(process)
        if answers is None:
            wait_for_port(self.site_port, process)
        else:
            harness.wait_for(lambda: process.poll() is not None or answers(), what=words[0])
        if process.poll() is not None:
            raise AssertionError((self.root / "site.log").read_text())

    def close(self):
        for process in self.processes:
            harness.end_process(process, STOP_SECONDS)
        self.processes = []
        if hasattr(self, "nginx"):
            self.nginx.stop()
        super().close()


class Language:
    """How a site of one language is run. missing() says what is not on this machine."""

    FOLDER = None
    DIRECTIVE = "proxy_pass"

    def __init__(self, site):
        self.site = site

    @staticmethod
    def environment():
        return {}


class Python(Language):
    FOLDER = "python"
    PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for

    @classmethod
    def missing(cls):
        return lacks([cls.PYTHON, "-c", "import flask"], "python3-flask") or lacks(["/usr/bin/gunicorn", "--version"], "gunicorn")

    def __init__(self, site):
        super().__init__(site)
        shutil.copytree(TOP / "python/grantfs", site.app / "grantfs", ignore=shutil.ignore_patterns("__pycache__"))

    def command(self):
        return [self.PYTHON, "app.py"]

    def start(self):
        self.site.start("/usr/bin/gunicorn", "--bind", f"127.0.0.1:{self.site.site_port}", "--workers", "2", "app:app")


class Php(Language):
    FOLDER = "php"
    DIRECTIVE = "fastcgi_pass"
    FPM = next(iter(sorted(glob.glob("/usr/sbin/php-fpm8.[2-9]"))), "/usr/sbin/php-fpm8.2")

    @classmethod
    def missing(cls):
        return lacks(["/usr/bin/php", "-r", "new PDO('sqlite::memory:');"], "php-cli or php-sqlite3") or lacks([cls.FPM, "-v"], "php-fpm")

    def command(self):
        return ["/usr/bin/php", "app.php"]

    def start(self):
        """The pool that the file's first comment shows, with names of this machine."""
        comment = (self.site.app / "app.php").read_text().partition("*/")[0]
        pool = textwrap.dedent(re.search(r"^ *\[site\]\n(?: .*\n)+", comment, re.MULTILINE)[0])
        pool = re.sub(r"^(user|group) = site$", rf"\1 = {self.site.uid}", pool, flags=re.MULTILINE)
        pool = pool.replace("/run/php/site.sock", str(self.site.socket))
        names = [name for name in self.site.site_environment if name not in ("PATH", "PYTHONDONTWRITEBYTECODE")]
        pool += "".join(f"env[{name}] = {self.site.site_environment[name]}\n" for name in names)
        configuration = self.site.root / "fpm.conf"
        configuration.write_text(f"[global]\nerror_log = {self.site.root}/fpm.log\n{pool}catch_workers_output = yes\n")
        self.site.start(self.FPM, "--nodaemonize", "--fpm-config", str(configuration), as_root=True, answers=self.site.socket.exists)


class Node(Language):
    FOLDER = "node"

    @staticmethod
    def node():
        """The one of the machine, or the one that tools/check has fetched; None if neither has node:sqlite as of 22.16."""
        has_it = "process.exit('isTransaction' in new (require('node:sqlite').DatabaseSync)(':memory:') ? 0 : 1)"
        for node in (shutil.which("node"), *glob.glob(f"{TOP}/.deps/node/node_modules/*/bin/node")):
            if node and lacks([node, "-e", has_it], "") is None:
                return node
        return None

    @classmethod
    def missing(cls):
        return None if cls.node() else "Node 22.16 is not installed"

    def __init__(self, site):
        super().__init__(site)
        self.program = shutil.copy(self.node(), site.root / "node")  # a checkout may be where the site's user cannot go

    def command(self):
        return [str(self.program), "app.js"]

    def start(self):
        self.site.start(*self.command())


class Go(Language):
    FOLDER = "go"
    PACKAGES = pathlib.Path("/usr/share/gocode/src")

    @classmethod
    def missing(cls):
        for path, package in (("github.com/mattn/go-sqlite3", "golang-github-mattn-go-sqlite3-dev"), ("golang.org/x/crypto", "golang-golang-x-crypto-dev")):
            if not (cls.PACKAGES / path).is_dir():
                return f"{package} is not installed"
        return lacks(["/usr/bin/go", "version"], "golang-go")

    def __init__(self, site):
        super().__init__(site)
        (command,) = re.findall(r"^//\t(GO111MODULE=.*)$", (site.app / "app.go").read_text(), re.MULTILINE)
        site.run_as_site(["sh", "-c", command])

    def command(self):
        return ["./site"]

    def start(self):
        self.site.start(*self.command())


class Ruby(Language):
    FOLDER = "ruby"

    @classmethod
    def missing(cls):
        return lacks(["/usr/bin/ruby", "-e", "require 'sqlite3'; require 'sinatra/base'; require 'puma'"], "ruby, ruby-sqlite3, ruby-sinatra or puma")

    def command(self):
        return ["/usr/bin/ruby", "app.rb"]

    def start(self):
        self.site.start(*self.command())


def lacks(words, package):
    """None if the command succeeds; else that the package is not installed."""
    try:
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        return f"{package} is not installed"
    return None


LANGUAGES = (Python, Php, Node, Go, Ruby)


class OneFile(unittest.TestCase):
    """What each of them does; for_each_language makes a class of it."""

    LANGUAGE = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("mounts a file system: run it as root")
        if missing := cls.LANGUAGE.missing():
            raise unittest.SkipTest(missing)
        cls.site = Site(cls.LANGUAGE)
        cls.addClassCleanup(cls.site.close)
        cls.logged_in = {}

    def log_in(self, name):
        browser = Browser(self.site.port)
        self.assertEqual(browser.log_in(name), 303, browser.body)
        return browser

    def browser(self, name=None):
        """A visitor's; or a user's, who logs in once for all cases: a password costs time on purpose."""
        browser = Browser(self.site.port)
        if name:
            known = self.logged_in.get(name) or self.logged_in.setdefault(name, self.log_in(name))
            browser.cookies, browser.attributes = dict(known.cookies), dict(known.attributes)
        self.assertEqual(browser.open(), 200, browser.body)
        return browser

    def upload(self, browser, name="letter.txt", data=LETTER):
        """Uploads it; its URL."""
        before = browser.files()
        self.assertEqual(browser.upload(name, data), 303, browser.body)
        (path,) = set(browser.files()) - set(before)
        return browser.files()[path]

    def assert_served(self, browser, url, data):
        self.assertEqual((browser.get(url), browser.body), (200, data))

    def assert_soon(self, status, browser, url):
        """By plain SQL: within the lease."""
        harness.wait_for(lambda: browser.get(url) == status, what=f"{url} to be {status}")

    def test_a_file_is_its_owners_until_the_session_ends(self):
        alice, bob, nobody = self.log_in("alice"), self.browser("bob"), self.browser()
        url = self.upload(alice)
        self.assert_served(alice, url, LETTER)
        self.assertEqual(bob.get(url), 404)
        self.assertEqual(bob.files(), {})
        self.assertEqual(nobody.get(url), 403)
        kept = Browser(self.site.port)
        kept.cookies = dict(alice.cookies)
        alice.open()
        self.assertEqual(alice.post("/logout"), 303, alice.body)
        self.assertEqual(set(alice.cookies), {"__Host-form"})
        self.assertEqual(alice.get(url), 403)
        self.assert_soon(403, kept, url)
        kept.open()
        self.assertIn("/login", kept.text)

    def test_a_link_needs_no_cookie_and_outlives_the_session(self):
        alice = self.log_in("alice")
        url = self.upload(alice, "Für Bob & <b>'alle'</b>.txt".replace("/", "-"))
        (path,) = [path for path, each in alice.files().items() if each == url]
        self.assertNotIn("<b>", alice.text)
        self.assertEqual(alice.post("/share", path=path), 200, alice.body)
        link = html.unescape(re.search(r'href="(/link/[^"]+)"', alice.body.decode())[1])
        self.assertRegex(link.split("/")[2], r"\A[A-Za-z0-9_-]{16,255}\Z")
        alice.open()
        self.assertEqual(alice.post("/logout"), 303)
        self.assert_served(Browser(self.site.port), link, LETTER)
        ((expires,),) = self.site.sql("SELECT expires - unixepoch() FROM links WHERE path = ?", (path,))
        self.assertAlmostEqual(expires, 7 * 86400, delta=60)

    def test_nobody_shares_what_is_not_his(self):
        alice, bob = self.browser("alice"), self.browser("bob")
        self.upload(alice)
        bob.open()
        for path in (*alice.files(), ".", "uploads", "", "../x"):
            with self.subTest(path):
                self.assertEqual(bob.post("/share", path=path), 404)
        self.assertEqual(self.site.sql("SELECT * FROM links WHERE principal = 'user:2'"), [])

    def test_the_cookie_is_as_the_web_servers_configuration_says(self):
        alice = self.browser("alice")
        self.assertRegex(alice.cookies["__Host-files"], r"\A[A-Za-z0-9_-]{16,255}\Z")
        self.assertNotEqual(alice.cookies["__Host-files"], self.browser("bob").cookies["__Host-files"])
        wanted = {attribute.lower() for attribute in cookie_attributes()}
        self.assertGreater(len(wanted), 3)
        for name in ("__Host-files", "__Host-login", "__Host-form"):
            with self.subTest(name):
                given = {attribute.lower() for attribute in alice.attributes[name]}
                self.assertEqual({attribute for attribute in given if not attribute.startswith(("max-age", "expires"))}, wanted)

    def test_no_token_and_no_password_is_stored_or_logged(self):
        alice = self.browser("alice")
        url = self.upload(alice)
        (path,) = [path for path, each in alice.files().items() if each == url]
        self.assertEqual(alice.post("/share", path=path), 200)
        link = re.search(r"/link/([^/]+)/", alice.body.decode())[1]
        found = self.site.sql("SELECT id FROM sessions UNION SELECT id FROM links")
        for token in (alice.cookies["__Host-files"], link):
            self.assertIn((hashlib.sha256(token.encode()).hexdigest(),), found)
        folders = (self.site.db.parent, self.site.data, self.site.root / "nginx", self.site.root)
        held = b"".join(path.read_bytes() for folder in folders for path in folder.iterdir() if path.is_file())
        self.assertIn(b"SQLite format 3", held)
        for secret in (link, password("alice"), *alice.cookies.values()):
            self.assertNotIn(secret.encode(), held)

    def test_a_wrong_password_opens_nothing(self):
        browser = self.browser()
        for name, given in (("alice", password("bob")), ("", ""), ("carol", password("alice"))):
            with self.subTest(name):
                self.assertEqual(browser.post("/login", name=name, password=given), 403)
                self.assertEqual(set(browser.cookies), {"__Host-form"})

    def test_a_form_of_another_sites_is_refused(self):
        alice = self.browser("alice")
        url = self.upload(alice)
        (path,) = [path for path, each in alice.files().items() if each == url]
        ours, links = alice.token, self.site.sql("SELECT count(*) FROM links")
        for token in ("", "x", ours[:-1], ours + "x"):
            alice.token = token
            for ask in (lambda: alice.post("/login", name="alice", password=password("alice")), lambda: alice.post("/share", path=path),
                        lambda: alice.upload("x.txt", b"x"), lambda: alice.post("/logout")):
                self.assertEqual(ask(), 403)
        alice.cookies["__Host-form"] = ""
        alice.token = ""
        self.assertEqual(alice.post("/logout"), 403)
        self.assertEqual(self.site.sql("SELECT count(*) FROM links"), links)
        self.assert_served(alice, url, LETTER)

    def test_nobody_uploads_without_a_login(self):
        nobody = self.browser()
        self.assertEqual(nobody.upload("x.txt", b"x"), 403)
        self.assertEqual(nobody.post("/share", path="x"), 403)
        self.assertEqual(nobody.post("/logout"), 403)

    def test_a_name_is_one_plain_part_of_a_path(self):
        """What a parser of forms takes off is its own; what is left is refused, or lies in a folder of its own."""
        alice = self.browser("alice")
        for name in ("../../up.txt", "/etc/cron.d/x", "a/../../b", "..", ".", "", ".part", ".htaccess", "a\nb", "a\rb", "a\tb", "a\x01b", "a\x7fb",
                     "C:\\x\\y.txt", "..\\z.txt", "x" * 201, "ü" * 101):
            with self.subTest(name):
                self.assertIn(alice.upload(name, b"x"), (303, 400), alice.body)
        # Where a form that is not UTF-8 is no form at all, it has no token.
        self.assertIn(alice.upload(b"\xff\xfe.txt", b"x"), (303, 400, 403), alice.body)
        for name in ("..", ".", "", ".part", ".htaccess", "a\x01b", "x" * 201, "ü" * 101):
            with self.subTest(name):
                self.assertEqual(alice.upload(name, b"x"), 400)
        self.upload(alice, "ü" * 100)
        for path in self.site.store.rglob("*"):
            relative = str(path.relative_to(self.site.store))
            with self.subTest(relative):
                self.assertRegex(relative, r"\Auploads(/[0-9a-f]{32}(/[^./][^/\x00-\x1f\x7f\\]*)?)?\Z")
                self.assertEqual((path.stat().st_mode & 0o7777, path.stat().st_uid), (0o700 if path.is_dir() else 0o600, self.site.uid))
        stored = {str(path.relative_to(self.site.store)) for path in self.site.store.rglob("*") if path.is_file()}
        self.assertEqual({path for (path,) in self.site.sql("SELECT path FROM owners")}, stored)

    def test_a_form_names_no_file_of_the_machine(self):
        """A parser of nested fields could make of these what it makes of an upload."""
        alice = self.browser("alice")
        before = alice.files()
        for fields in ({"file": "/etc/passwd"}, {"file[tempfile]": "/etc/passwd", "file[filename]": "x.txt", "file[name]": "x.txt",
                                                 "file[tmp_name]": "/etc/passwd", "file[error]": "0"}):
            with self.subTest(fields):
                self.assertEqual(alice.post("/upload", **fields), 400)
        self.assertEqual(alice.files(), before)

    def test_uploads_at_the_same_time_all_count(self):
        alice = self.browser("alice")
        before, number = alice.files(), 8

        def upload(index):
            browser = Browser(self.site.port)
            browser.cookies, browser.token = dict(alice.cookies), alice.token
            return browser.upload(f"{index}.bin", bytes([index]) * 2_000_000)

        with concurrent.futures.ThreadPoolExecutor(number) as pool:
            self.assertEqual(list(pool.map(upload, range(number))), [303] * number)
        new = {path: url for path, url in alice.files().items() if path not in before}
        self.assertEqual(sorted(path.split("/")[-1] for path in new), [f"{index}.bin" for index in range(number)])
        for path, url in new.items():
            self.assert_served(alice, url, bytes([int(path.split("/")[-1][:-4])]) * 2_000_000)

    def test_an_upload_waits_for_another_writer(self):
        alice = self.browser("alice")
        stored = len(list(self.site.store.glob("uploads/*/*.txt")))
        with contextlib.closing(sqlite3.connect(self.site.db, isolation_level=None)) as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
            other.execute("BEGIN IMMEDIATE")
            waiting = pool.submit(alice.upload, "patient.txt", LETTER)
            harness.wait_for(lambda: waiting.done() or len(list(self.site.store.glob("uploads/*/*.txt"))) > stored)
            self.assertFalse(waiting.done())
            other.execute("COMMIT")
            self.assertEqual(waiting.result(), 303)

    def test_what_is_too_large_is_refused(self):
        alice = self.browser("alice")
        before = alice.files()
        with contextlib.suppress(ConnectionError):
            self.assertIn(alice.upload("large.bin", b"x" * (33 << 20)), (400, 413))
        self.assertEqual(alice.files(), before)

    def test_what_the_readme_shows_is_safe(self):
        done = subprocess.run([harness.GRANTCTL, "--db", self.site.db, "webconf", "check", "--mount", self.site.mountpoint, "--store",
                               self.site.store, self.site.root / "nginx/main.conf"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


for language in LANGUAGES:
    globals()[f"OneFileOf{language.__name__}"] = type(f"OneFileOf{language.__name__}", (OneFile,), {"LANGUAGE": language, "__module__": __name__})
del OneFile


class Readme(unittest.TestCase):
    def test_it_names_every_example(self):
        named = set(re.findall(r"\]\((\w+)", (EXAMPLES / "README.md").read_text()))
        self.assertEqual(named, {path.name for path in EXAMPLES.iterdir() if path.is_dir()})

    def test_each_language_is_run_here(self):
        files = {path.parent.name for path in EXAMPLES.glob("*/app.*")}
        self.assertEqual(files, {language.FOLDER for language in LANGUAGES})
