"""The demo: a private store of real files, served by unmodified web servers through grantfs.

Everything lies in one temporary folder; without --keep nothing is left when it ends.
"""

import hashlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "web"))
from servers import COOKIE, Nginx, free_port, request, wait_for_port  # noqa: E402

BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", TOP / "build")).resolve()
STATE = pathlib.Path("/run/grantfs-demo.json")  # what --keep left, for --stop
SERVER = "www-data"
UIDS = 1001, 1002  # need not exist
MEBIBYTE = 1 << 20
STOP_SECONDS = 20


class Trouble(Exception):
    """Said to the user as it stands."""


# Real files.


def gather(store):
    """Copies a few hundred of the machine's files into the store, which is laid out like this:

    alice/ and bob/ are theirs, team/ is their group's, public-docs/ everyone's, unclaimed/ in no table.
    """
    documents = find(("/usr/share/doc", "/usr/share/common-licenses"), lambda name, size: 200 <= size <= 2 * MEBIBYTE)
    pictures = find(("/usr/share",), lambda name, size: name.endswith((".png", ".svg", ".jpg")) and size <= 2 * MEBIBYTE)
    large = find(("/usr/share",), lambda name, size: MEBIBYTE < size <= 64 * MEBIBYTE)
    large.sort(key=lambda path: (not path.endswith((".pdf", ".pdf.gz", ".tar.gz", ".zip")), -os.path.getsize(path)))
    if len(documents) < 10:
        raise Trouble("this machine has too few files in /usr/share/doc to show anything")

    shares = ("alice/documents", "bob/documents", "team", "public-docs", "unclaimed")
    for number, source in enumerate(documents[:300]):
        copy(source, store / shares[number % len(shares)])
    for number, source in enumerate(pictures[:60]):
        copy(source, store / ("alice/pictures", "bob/pictures")[number % 2])
    for source in large[:1]:
        copy(source, store / "alice/large")
    return sum(len(names) for _, _, names in os.walk(store))


def find(folders, wanted):
    """Regular files beneath the folders, spread over all of them: one from each in turn."""
    by_folder = []
    for top in folders:
        for folder, subfolders, names in os.walk(top):
            subfolders.sort()
            files = []
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not os.path.islink(path) and os.path.isfile(path) and wanted(name, os.path.getsize(path)):
                    files.append(path)
            if files:
                by_folder.append(files)
    chosen = []
    while by_folder and len(chosen) < 500:
        chosen += [files.pop(0) for files in by_folder]
        by_folder = [files for files in by_folder if files]
    return chosen


def copy(source, folder):
    parent, name = os.path.split(source)
    target = folder / os.path.basename(parent) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


# The site: a store, a database, a mount, web servers.


class Site:
    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-demo."))
        self.root.chmod(0o711)
        self.store = self.folder("store", 0o700)
        self.mount = self.folder("files", 0o755)
        self.db = self.folder("policy", 0o700) / "policy.db"
        self.control = self.root / "control.sock"
        self.processes = []
        self.daemon = None

    def folder(self, name, mode):
        path = self.root / name
        path.mkdir()
        path.chmod(mode)
        return path

    def grantctl(self, *words, check=True, **options):
        done = subprocess.run([BUILD / "grantctl", "--db", self.db, *words], capture_output=True, text=True,
                              env={**os.environ, "GRANTFS_CONTROL": str(self.control)}, **options)
        if check and done.returncode:
            raise Trouble(f"grantctl {' '.join(words)}: {done.stderr.strip()}")
        return done

    def session(self, principal):
        return self.grantctl("session", "create", principal, "--expires", "8h").stdout.split()[-1]

    def start(self):
        self.grantctl("init")
        done = subprocess.run([BUILD / "grantfs", self.store, self.mount, "-o",
                               f"db={self.db},control={self.control},server_group={SERVER}"])
        if done.returncode:
            raise Trouble(f"grantfs did not start (status {done.returncode})")
        self.daemon = find_daemon(self.mount)
        self.nginx = Nginx(self.root / "nginx", self.mount, detached=True)
        self.processes.append(self.nginx.process)

    def serve(self, command, folder):
        """Another web server, as www-data, in that folder; its working directory, so that a token in
        the path shows on no command line. Returns its port."""
        port = free_port()
        process = subprocess.Popen(
            ["setpriv", f"--reuid={SERVER}", f"--regid={SERVER}", "--init-groups", *(word.format(port=port) for word in command)],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.processes.append(process)
        wait_for_port(port, process)
        return port

    def state(self):
        servers = [process.pid for process in self.processes if process.poll() is None]
        daemons = [self.daemon] if self.daemon else []
        return {"root": str(self.root), "mount": str(self.mount),
                "servers": [[pid, started(pid)] for pid in servers], "daemons": [[pid, started(pid)] for pid in daemons]}


def find_daemon(mount):
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(entry)}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if os.fsencode(str(mount)) in words and os.path.basename(words[0]) == b"grantfs":
                return int(entry)
        except (ValueError, OSError):
            pass
    return None


def started(pid):
    """When the process started, in clock ticks; None if it is gone. With the pid, it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except OSError:
        return None


def mounted(path):
    with open("/proc/self/mountinfo") as file:
        return any(line.split(" ")[4] == path for line in file)


def stop(state):
    """Ends what a state names, and deletes its folder."""
    for pid, start in state["servers"]:
        signal_process(pid, start, signal.SIGTERM)
    wait_until_gone(state["servers"])
    while mounted(state["mount"]):
        if subprocess.run(["umount", state["mount"]], stderr=subprocess.DEVNULL).returncode:
            subprocess.run(["umount", "-l", state["mount"]], check=True)
    wait_until_gone(state["daemons"])  # without its mount it ends by itself
    shutil.rmtree(state["root"], ignore_errors=True)


def signal_process(pid, start, number):
    if start is not None and started(pid) == start:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def wait_until_gone(processes):
    deadline = time.monotonic() + STOP_SECONDS
    for pid, start in processes:
        while start is not None and started(pid) == start:
            if time.monotonic() > deadline:
                signal_process(pid, start, signal.SIGKILL)
            time.sleep(0.005)


# The table.


class Table:
    """Prints each row as it happens; counts those that were not as expected."""

    WIDTHS = 9, 62, 25

    def __init__(self):
        self.rows = self.failed = 0

    def head(self, title):
        print(f"\n{title}\n")
        self.line("WHO", "REQUEST", "GOT", "WHY", "")

    def line(self, who, what, got, why, verdict):
        who, what, got = (shortened(text, width).ljust(width) for text, width in zip((who, what, got), self.WIDTHS))
        print(f"  {verdict:4}  {who} {what} {got} {why}".rstrip(), flush=True)

    def row(self, who, what, got, why, good):
        self.rows += 1
        self.failed += not good
        self.line(who, what, got, why, "ok" if good else "FAIL")


def shortened(text, width):
    return text if len(text) <= width else text[:width // 2 - 2] + "..." + text[len(text) - (width - width // 2 - 1):]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def quoted(path):
    return urllib.parse.quote(str(path))


class Show:
    def __init__(self, site, table):
        self.site = site
        self.table = table

    def original(self, path):
        return (self.site.store / path).read_bytes()

    def pick(self, folder):
        """A file of the store to ask for: of moderate length and name."""
        paths = [path.relative_to(self.site.store) for path in sorted((self.site.store / folder).rglob("*")) if path.is_file()]
        return str(min(paths, key=lambda path: (len(str(path)), str(path))))

    def ask(self, who, url, why, status, body=None, shown=None, port=None, wanted=None, **arguments):
        """A request and its row: right if the status and, if given, the body's hash are."""
        reply = request(port or self.site.nginx.port, url, **arguments)
        good = reply.status == status
        got = str(reply.status)
        if body is not None:
            same = digest(reply.body) == digest(body)
            good = good and same
            got += ("" if not body else ", same bytes") if same else ", OTHER BYTES"
        if wanted is not None:
            good = good and wanted(reply)
        self.table.row(who, shown or f"GET {url}", got, why, good)
        return reply

    def as_uid(self, uid, path, why, expected):
        """cat(1) by that uid: expected is the file's bytes, or the message of a refusal."""
        command = ["cat", str(path)]
        if uid:
            command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C"})
        if isinstance(expected, bytes):
            good = done.returncode == 0 and digest(done.stdout) == digest(expected)
            got = "same bytes" if good else done.stderr.decode().strip().rpartition(": ")[2] or "OTHER BYTES"
        else:
            got = done.stderr.decode().strip().rpartition(": ")[2] or "served"
            good = done.returncode != 0 and got == expected
        shown = f"cat {path}".replace(str(self.site.mount), "MOUNT")
        self.table.row(f"uid {uid}" if uid else "root", shown, got, why, good)


def set_up(site):
    count = gather(site.store)
    site.start()
    site.grantctl("own", "user:alice", "alice")
    site.grantctl("own", "user:bob", "bob")
    site.grantctl("group", "add", "group:team", "user:alice")
    site.grantctl("grant", "group:team", "team")
    site.grantctl("grant", "public", "public-docs")
    print(textwrap.dedent(f"""
        {count} files of this machine are in a private store (mode 0700): a web server cannot read it.
        grantfs shows it again at MOUNT, where each path exists only for who may see it; nginx serves that.
        grantctl has said who may: alice/ and bob/ belong to them, team/ to a group in which alice is,
        public-docs/ to everyone, and of unclaimed/ nothing was said.

          store  {site.store}
          MOUNT  {site.mount}
          nginx  http://127.0.0.1:{site.nginx.port}, workers as {SERVER}, configured by `grantctl webconf`"""))


def show_owners(show, alice, bob):
    show.table.head("Who gets what (the cookie says who; grantfs decides)")
    document, picture = show.pick("alice/documents"), None
    show.ask("alice", f"/private/{quoted(document)}", "she owns alice/", 200, show.original(document), token=alice)
    if (show.site.store / "alice/pictures").exists():
        picture = show.pick("alice/pictures")
        show.ask("alice", f"/private/{quoted(picture)}", "she owns alice/", 200, show.original(picture), token=alice)
    bobs = show.pick("bob/documents")
    show.ask("bob", f"/private/{quoted(bobs)}", "he owns bob/", 200, show.original(bobs), token=bob)
    show.ask("bob", f"/private/{quoted(document)}", "not his: as if it did not exist", 404, token=bob)
    show.ask("bob", "/private/alice/no-such-file", "really does not exist: the same answer", 404, token=bob)
    unclaimed = show.pick("unclaimed")
    show.ask("alice", f"/private/{quoted(unclaimed)}", "nobody was given it", 404, token=alice)
    show.ask("no cookie", f"/private/{quoted(document)}", "no session", 403)
    show.ask("forged", f"/private/{quoted(document)}", "no such session", 403, token="a" * 32)
    team, public = show.pick("team"), show.pick("public-docs")
    show.ask("alice", f"/private/{quoted(team)}", "a member of the group", 200, show.original(team), token=alice)
    show.ask("bob", f"/private/{quoted(team)}", "not a member", 404, token=bob)
    show.ask("no cookie", f"/public/{quoted(public)}", "granted to everyone", 200, show.original(public))
    show.ask("bob", f"/private/{quoted(public)}", "granted to everyone", 200, show.original(public), token=bob)
    show.ask("no cookie", f"/public/{quoted(document)}", "not granted to everyone", 404)

    def lists(shown, hidden):
        return lambda reply: (all(f'href="{name}/"'.encode() in reply.body for name in shown)
                              and not any(name.encode() in reply.body for name in hidden))

    show.ask("alice", "/private/", "the listing: alice/ public-docs/ team/ only", 200, token=alice,
             wanted=lists(("alice", "public-docs", "team"), ("bob", "unclaimed")))
    show.ask("bob", "/private/", "the listing: bob/ public-docs/ only", 200, token=bob,
             wanted=lists(("bob", "public-docs"), ("alice", "team", "unclaimed")))


def show_http(show, alice):
    show.table.head("HTTP as usual (nginx does it, with sendfile)")
    path = show.pick("alice/large") if (show.site.store / "alice/large").exists() else show.pick("alice/documents")
    data = show.original(path)
    url = f"/private/{quoted(path)}"
    reply = show.ask("alice", url, f"{len(data):,} bytes", 200, data, token=alice)
    first, last = len(data) // 3, len(data) // 3 + 99
    show.ask("alice", url, f"Range: bytes={first}-{last}", 206, data[first:last + 1], token=alice,
             headers={"Range": f"bytes={first}-{last}"})
    show.ask("alice", url, "If-None-Match: the ETag of before", 304, b"", token=alice,
             headers={"If-None-Match": reply.headers.get("etag", "none")})
    show.ask("alice", url, "HEAD: the length, no body", 200, b"", token=alice, method="HEAD", shown=f"HEAD {url}",
             wanted=lambda head: head.headers["content-length"] == str(len(data)))


def show_changes(show, alice, bob):
    site = show.site
    show.table.head("Changes count at the very next request")
    path = show.pick("alice/documents")
    url = f"/private/{quoted(path)}"
    show.ask("bob", url, "before the grant", 404, token=bob)
    site.grantctl("grant", "user:bob", path)
    show.ask("bob", url, "after: grantctl grant user:bob PATH", 200, show.original(path), token=bob)
    site.grantctl("revoke", "user:bob", path)
    show.ask("bob", url, "after: grantctl revoke user:bob PATH", 404, token=bob)

    phone = site.session("user:alice")
    show.ask("alice", url, "a second session, on her phone", 200, show.original(path), token=phone)
    identity = hashlib.sha256(phone.encode()).hexdigest()
    statement = f"UPDATE sessions SET expires = unixepoch() - 1 WHERE id = '{identity}'"
    subprocess.run(["sqlite3", "-cmd", ".timeout 5000", site.db, statement], check=True)
    # grantctl waits until its change counts; plain SQL is noticed a moment later.
    changed = time.monotonic()
    while request(site.nginx.port, url, token=phone).status != 403 and time.monotonic() < changed + 2:
        pass
    shown = f"expired by plain SQL (UPDATE sessions): {1000 * (time.monotonic() - changed):.0f} ms later"
    show.ask("alice", url, shown, 403, token=phone)
    show.ask("alice", url, "her other session goes on", 200, show.original(path), token=alice)


def show_attacks(show, alice):
    show.table.head("Attacks")
    for cookie, url in (("../../../../etc", "/private/passwd"), ("..%2f..%2f..%2fetc", "/private/passwd"),
                        (f"{alice}/../..", "/private/public/"), ("", f"/private/{alice}/alice/")):
        shown = f"GET {url}  cookie {cookie or '(empty)'}".replace(alice, "TOKEN")
        show.ask("attacker", url, "the cookie is no token", 403, token=cookie, shown=shown)
    for url, status in (("/private/../../etc/passwd", 400), ("/private../etc/passwd", 404)):
        show.ask("attacker", url, "the path leads out", status, token=alice)
    bobs = show.pick("bob/documents")
    show.ask("attacker", f"/private/..%2fpublic/{quoted(bobs)}", "the path leads out", 404, token=alice)


def show_uids(show):
    site = show.site
    owner, other = UIDS
    show.table.head("The machine's own users (MOUNT/me is by-uid/NUMBER for each)")
    path = show.pick("team")
    site.grantctl("grant", f"uid:{owner}", path)
    show.as_uid(owner, site.mount / "me" / path, "granted to uid:1001", show.original(path))
    show.as_uid(other, site.mount / "me" / path, "not granted: not there", "No such file or directory")
    show.as_uid(other, site.mount / "by-uid" / str(owner) / path, "another's door", "Permission denied")
    show.as_uid(0, site.mount / "by-uid" / str(owner) / path, "root gets nothing by being root", "Permission denied")
    show.as_uid(other, site.store / path, "the store itself is closed", "Permission denied")


def show_servers(show, alice):
    site = show.site
    show.table.head("The same files by other unmodified servers")
    path = show.pick("alice/documents")
    bobs, public = show.pick("bob/documents"), show.pick("public-docs")
    port = site.serve(["busybox", "httpd", "-f", "-p", "127.0.0.1:{port}"], site.mount / "by-session" / alice)
    show.ask("busybox", f"/{quoted(path)}", "in alice's session's folder", 200, show.original(path), port=port)
    show.ask("busybox", f"/{quoted(bobs)}", "in alice's session's folder: not hers", 404, port=port)
    port = site.serve(["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "{port}"], site.mount / "public")
    show.ask("python3", f"/{quoted(public)}", "in MOUNT/public", 200, show.original(public), port=port)
    show.ask("python3", f"/{quoted(path)}", "in MOUNT/public: not public", 404, port=port)


def explain(show, alice):
    """What grantctl says of three of the answers above."""
    print("\nWhy? grantctl knows:\n")
    path = show.pick("alice/documents")
    for words, given in ((("check", "user:alice", path), None), (("check", "user:bob", path), None),
                         (("check", "session:-", show.pick("team")), alice)):
        done = show.site.grantctl(*words, check=False, input=given)
        print(f"  $ grantctl {' '.join(words)}" + ("     (alice's token on standard input)" if given else ""))
        print(textwrap.indent((done.stdout + done.stderr).strip(), "    "), flush=True)


def summary(table):
    print()
    if table.failed:
        print(f"{table.failed} of {table.rows} answers are NOT as they should be: see FAIL above.")
        return
    print(textwrap.dedent(f"""\
        All {table.rows} answers are as they should be. Unmodified web servers served private files, each to
        those alone whom the database names: every other request was told 404 (not there, or not
        yours: nobody can tell which) or 403 (no session), and each change counted at once."""))


def how_to_look(site, show, alice, bob):
    path = show.pick("alice/documents")
    url = f"http://127.0.0.1:{site.nginx.port}/private/"
    print(textwrap.dedent(f"""
        It is left running. To look at it:

          ls {site.mount}/public
          curl -b {COOKIE}={alice} {url}  # alice's listing
          curl -b {COOKIE}={bob} -i {url}{quoted(path)}  # bob: 404
          export GRANTFS_DB={site.db} GRANTFS_CONTROL={site.control}
          {BUILD}/grantctl ls
          {BUILD}/grantctl grant user:bob {path}  # and ask again
          {BUILD}/grantctl status

        To stop it:

          tools/demo --stop"""))


def run(keep):
    if keep and STATE.exists():
        raise Trouble("a demo is running already; tools/demo --stop ends it")
    pwd.getpwnam(SERVER)
    site = Site()
    kept = False
    try:
        set_up(site)
        alice, bob = site.session("user:alice"), site.session("user:bob")
        table = Table()
        show = Show(site, table)
        show_owners(show, alice, bob)
        show_http(show, alice)
        show_changes(show, alice, bob)
        show_attacks(show, alice)
        show_uids(show)
        show_servers(show, alice)
        explain(show, alice)
        print()
        summary(table)
        if keep:
            STATE.write_text(json.dumps(site.state()))
            STATE.chmod(0o600)
            how_to_look(site, show, alice, bob)
            kept = True
        return 1 if table.failed else 0
    finally:
        if not kept:
            # A second Ctrl-C does not interrupt the cleaning.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            site.daemon = site.daemon or find_daemon(site.mount)
            stop(site.state())
            if keep:
                STATE.unlink(missing_ok=True)


interrupted = threading.Event()


def interrupt(number, frame):
    # Remembered too: where Python runs finalizers, what is raised is lost.
    interrupted.set()
    signal.default_int_handler(number, frame)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        if sys.argv[1:] == ["--stop"]:
            if not STATE.exists():
                raise Trouble("no demo is running")
            stop(json.loads(STATE.read_text()))
            STATE.unlink()
            print("demo: stopped")
            return 0
        status = run(keep=sys.argv[1:] == ["--keep"])
        return 130 if interrupted.is_set() else status
    except Trouble as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped, and cleaned up", file=sys.stderr)
        return 130


sys.exit(main())
