"""docs/json.md: each field that it lists is there, and no other."""

import json
import re

from fake_daemon import FakeControl, FakeDaemon
from grantctl_case import DENIED, DONE, TOP, TROUBLE, Case

LEAVES = {"text": str, "number": (int, float), "bool": bool, "object": object}


class Page:
    """The page's tables: of each heading, its fields with their types."""

    def __init__(self):
        text = (TOP / "docs/json.md").read_text()
        self.parts, self.documents = ({}, {})
        for chapter, tables in zip(re.split(r"^## ", text, flags=re.MULTILINE)[1:], (self.parts, self.documents)):
            for heading, body in re.findall(r"^### (.*)\n((?:(?!^###).*\n?)*)", chapter, re.MULTILINE):
                rows = re.findall(r"^\| (?:`([^`]*)`)? ?\| ([^|]*?) \|", body, re.MULTILINE)
                for name in heading.split(", "):
                    tables[name] = [row for row in rows if row[1] not in ("Type", "---")]

    def fields(self, rows, prefix=""):
        """Each field by its whole path, with its type; parts are written out."""
        found = {}
        for name, kind in rows:
            path = prefix + name
            many, may_be_null = kind.endswith("[]"), kind.endswith("?")
            kind = kind.removesuffix("[]").removesuffix("?")
            if kind in self.parts:
                if may_be_null:
                    found[path] = "null"
                found |= self.fields(self.parts[kind], path + "." if name else prefix)
            else:
                found[path + ("[]" if many else "")] = kind + ("?" if may_be_null else "")
        return found


def leaves(value, path=""):
    """Each value in a document that is no object and no list, by its path."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path + "[]")
    else:
        yield path, value


class Fields(Case):
    def setUp(self):
        super().setUp()
        self.page, self.seen = Page(), {}

    def print(self, command, *arguments, status=DONE, input=None):
        """Runs the command, and compares its document with the page."""
        document = self.json(*command.split(), *arguments, status=status, input=input)
        documented = self.page.fields(self.page.documents[command])
        for path, value in leaves(document):
            if path in ("error", "kind", "dry_run") or (isinstance(value, list) and not value):
                continue
            if path.split(".counters.")[0] + ".counters" in documented:
                path = path.split(".counters.")[0] + ".counters"
            # A part that is null has no fields, and neither has an object whose fields alone are listed.
            if value is None and any(each.startswith(path + ".") for each in documented):
                continue
            self.assertIn(path, documented, f"grantctl {command}")
            kind = documented[path]
            if value is not None or not kind.endswith("?"):
                self.assertIsInstance(value, LEAVES[kind.rstrip("?")], (command, path))
            self.seen.setdefault(command, set()).add(path)
        return document

    def assert_all_seen(self, *commands):
        for command in commands:
            documented = self.page.fields(self.page.documents[command])
            missing = {path for path, kind in documented.items() if kind != "null"} - self.seen.get(command, set())
            self.assertEqual(missing, set(), f"grantctl {command} prints no such field")

    def test_rules(self):
        self.print("own", "user:a", "x", "album")
        self.print("own", "user:b", "x")
        self.print("grant", "user:c", "x/y", "x/z", "--expires", "7d")
        self.print("grant", "group:g", "x")
        self.print("group add", "g", "user:c", "--expires", "7d")
        self.print("group ls")
        self.print("ls")
        self.print("link create", "x", "--label", "for c", "--uses", "2", "--address", "192.0.2.0/24", "--expires", "7d", "--url-prefix", "https://example.org/l")
        self.print("link ls")
        self.print("key create", "--path", "x", "--id", "k1")
        self.print("key create", "--path", "x", "--id", "m1", "--format", "md5", "--uri-prefix", "/s/")
        self.print("key ls")
        self.print("who", "x/y")
        self.print("revoke", "user:c", "x/y")
        self.print("revoke", "user:c", "x/y", status=DENIED)
        self.print("mv", "--dry-run", "album", "albums")
        for words in (("mv", "album", "albums"), ("drop", "albums"), ("transfer", "user:b", "user:d"), ("forget", "user:d"), ("prune",)):
            self.print(*words)
        self.print("group rm", "g", "user:c")
        self.print("key retire", "k1")
        self.print("key rm", "k1")
        self.assert_all_seen("own", "grant", "revoke", "ls", "who", "mv", "drop", "transfer", "forget", "prune", "group add", "group ls", "group rm",
                             "key create", "key ls", "key retire", "key rm")
        self.assert_all_seen("link create", "link ls")

    def test_tokens_and_why(self):
        self.ok("grant", "user:a", "x", "--expires", "7d")
        self.ok("own", "user:o", "x")
        made = self.print("session create", "user:a", "--expires", "1h", "--address", "192.0.2.1")
        self.print("session ls")
        self.print("check", "session:-", "x", "--from", "192.0.2.1", input=made["token"])
        link = self.print("link create", "x", "--for", "user:a", "--expires", "1h", "--uses", "2", "--address", "192.0.2.1")
        self.print("check", "link:-", "x", "--from", "192.0.2.1", input=link["token"])
        self.print("key create", "--path", "x")
        signed = self.print("sign", "x", "--expires", "1h", "--address", "192.0.2.1", "--url-prefix", "https://example.org/s")
        self.print("check", "signature:-", "x", "--from", "192.0.2.1", input=signed["door"].split("/")[-1])
        self.sql("UPDATE grants SET expires = 5")
        self.print("check", "user:a", "x", status=DENIED)
        self.print("session rm", made["id"])
        self.print("link rm", link["id"])
        self.assert_all_seen("session create", "session ls", "session rm", "link rm", "check", "sign")

    def test_in_bulk(self):
        self.ok("own", "user:a", "x")
        store = self.top / "store"
        store.mkdir()
        (store / "file").write_text("12345")
        self.print("scan", store, status=DENIED)
        self.print("usage", store)
        self.print("export", self.top / "policy.csv")
        self.print("import", self.top / "policy.csv")
        self.sql("UPDATE owners SET principal = 'user:b'")
        self.print("import", "--replace", self.top / "policy.csv")
        self.print("source postgresql", "--table", "uploads", "--path-column", "file", "--principal-column", "user_id")
        conf = self.top / "nginx.conf"
        conf.write_text("load_module modules/ngx_http_js_module.so;\nevents {}\nhttp {\n js_import x.js;\n server { listen 80; location / { alias "
                        f"{self.top}/data/; }} }}\n}}\n")
        self.print("webconf check", "--store", self.top / "data", conf, status=DENIED)
        self.print("--version")
        self.assert_all_seen("scan", "usage", "export", "import", "source postgresql", "--version")
        self.assertIn("findings[].what", self.seen["webconf check"])

    def test_the_database(self):
        self.print("init")
        self.print("backup", self.top / "backup.db")
        self.print("restore", self.top / "backup.db")
        self.assert_all_seen("init", "backup", "restore")

    def test_daemons(self):
        answer = {"ok": True, "state": "healthy", "troubles": ["x"], "last_trouble": {"message": "x", "at": 90}, "version": "9.9", "pid": 7,
                  "store": "/srv/store", "mountpoint": "/srv/files", "database": str(self.database), "enforce": "lease", "lease_seconds": 1.0,
                  "follow": {"seconds": 10, "current": True, "upstream": "db", "age_milliseconds": 5, "left_milliseconds": 5, "behind_bytes": 0},
                  "audit": {"place": "journal", "required": True, "trouble": ""}, "transport": "/dev/fuse", "passthrough": False, "handles_refused": True, "stacking_refused": True, "started": 5,
                  "recall_times": {"bounds_microseconds": [5], "counts": [0, 1], "total_microseconds": 6}, "uptime_seconds": 5, "system_calls": "limited", "writes": "limited", "counters": {"lookups": 5}}
        daemon = FakeDaemon(self.database, answer=answer)
        self.addCleanup(daemon.close)
        self.print("status")
        silent = FakeDaemon(self.database, "/srv/silent")
        FakeControl.close(silent)
        self.addCleanup(silent.close)
        self.print("top", "--count", "1", "--interval", "0.1")
        self.assert_all_seen("status", "top")

    def test_records_of_accesses(self):
        """With every field; tests/mount/test_audit.py has those that a daemon writes."""
        record = self.top / "record.jsonl"
        texts = ("time event view principal session link signature md5 key process path path_hex address lease_until why errno by note made "
                 "mountpoint store database version enforce")
        numbers = "uid pid login_uid lost refusals lease_seconds"
        record.write_text(json.dumps({name: "61" for name in texts.split()} | {name: 5 for name in numbers.split()}
                                     | {"command": ["grant"], "required": True}) + "\n")
        self.print("audit", "--file", record)
        self.assert_all_seen("audit")

    def test_nodes(self):
        if not self.environment["GRANTFS_DB"].startswith("postgresql:"):
            self.skipTest("a policy in PostgreSQL alone has nodes")
        self.sql("INSERT INTO nodes (name, slot, follow_seconds, registered) VALUES ('web1', 'grantfs_web1', 1, 5)")
        self.print("node ls")
        self.print("node rm", "web1")
        self.assert_all_seen("node ls", "node rm")

    def test_every_command_is_on_the_page(self):
        """But those whose output is their own."""
        own_output = {"metrics", "run", "help", "webconf nginx", "webconf apache", "webconf caddy", "webconf lighttpd"}
        self.assertEqual(set(self.commands()) - own_output, set(self.page.documents) - {"--version"})

    def commands(self, *above):
        """Every command that has no other below it, as the help lists them."""
        if above == ("help",):
            return ["help"]
        text = self.ok(*above, "--help")
        listed = [name for heading, lines in re.findall(r"^([A-Z][\w ]*):\n((?:^ .*\n)+)", text, re.MULTILINE)
                  if heading not in ("Options", "Positionals", "Example") for name in re.findall(r"^  ([a-z]+)\b", lines, re.MULTILINE)]
        return [" ".join(above)] if not listed else [each for name in listed for each in self.commands(*above, name)]
