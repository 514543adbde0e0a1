"""audit: what a record of accesses answers."""

import datetime
import hashlib
import json
import os

from grantctl_case import DENIED, DONE, TROUBLE, USAGE, Case
from fake_daemon import FakeDaemon

LINK, OTHER_LINK, SESSION = "3f2a" + "0" * 60, "77aa" + "0" * 60, "beef" + "1" * 60


def ago(**span):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Audit(Case):
    def setUp(self):
        super().setUp()
        self.record = self.top / "record.jsonl"
        self.write(
            {"time": ago(days=20), "event": "start", "mountpoint": "/srv/view"},
            {"time": ago(days=10), "event": "open", "view": "by-session", "principal": "user:alice", "session": SESSION, "path": "up/film.mp4",
             "address": "192.0.2.7", "uid": 33, "pid": 812},
            {"time": ago(days=2), "event": "open", "view": "by-link", "principal": "user:alice", "link": LINK, "path": "up/film.mp4", "uid": 33},
            {"time": ago(hours=5), "event": "lease", "view": "by-link", "principal": "user:bob", "link": OTHER_LINK, "path": "up/film.mp4.txt",
             "lease_until": ago(hours=4), "uid": 33},
            {"time": ago(minutes=5), "event": "refused", "view": "by-uid", "principal": "uid:1000", "path": "other", "why": "denied", "errno": "ENOENT", "uid": 1000})

    def write(self, *records, to=None):
        with open(to or self.record, "a") as lines:
            lines.writelines(json.dumps(record) + "\n" for record in records)

    def asked(self, *arguments, **kwargs):
        """The events that are answered."""
        records = self.json("audit", "--file", str(self.record), *arguments, **kwargs)["records"]
        return [(record["event"], record.get("path")) for record in records]

    def test_who_opened_a_file_since_when(self):
        self.assertEqual(self.asked("--path", "up/film.mp4", "--since", "7d"), [("open", "up/film.mp4")])
        self.assertEqual(self.asked("--path", "up/film.mp4"), [("open", "up/film.mp4")] * 2)
        self.assertEqual(len(self.asked("--path", "up")), 3)
        self.assertEqual(len(self.asked("--path", ".")), 4)
        self.assertEqual(self.asked("--path", "up/film"), [])

    def test_times(self):
        self.assertEqual(len(self.asked("--until", "7d")), 2)
        self.assertEqual(len(self.asked("--since", "15d", "--until", "1d")), 2)
        self.assertEqual(len(self.asked("--since", ago(days=3)[:19] + "Z")), 3)
        day = (datetime.datetime.now() - datetime.timedelta(days=2)).strftime("%Y-%m-%d")
        self.assertEqual(self.asked("--since", day, "--until", day), [("open", "up/film.mp4")])
        for wrong in ("yesterday", "2026-13-01", "-1d", "2026-01-01T00:00:00"):
            self.assertIn("is not a time", self.exits(USAGE, "audit", "--file", str(self.record), f"--since={wrong}").stderr)

    def test_what_a_link_exposed_and_by_its_token(self):
        self.assertEqual(self.asked("--link", "3f2a" + "0" * 12), [("open", "up/film.mp4")])
        token = "a" * 32
        self.write({"time": ago(seconds=1), "event": "open", "view": "by-link", "link": hashlib.sha256(token.encode()).hexdigest(), "path": "x"})
        self.assertEqual(self.asked("--link", "-", input=token + "\n"), [("open", "x")])
        self.assertEqual(self.asked("--session", "beef" + "1" * 12), [("open", "up/film.mp4")])

    def test_by_whom(self):
        self.assertEqual(len(self.asked("--who", "user:alice")), 2)
        self.assertEqual(self.asked("--who", "uid:1000"), [("refused", "other")])
        self.assertEqual(len(self.asked("--who", "uid:33")), 3)  # a local user who asked, in whatever view
        self.assertEqual(self.asked("--event", "refused"), [("refused", "other")])
        self.exits(USAGE, "audit", "--file", str(self.record), "--event", "opened")

    def test_a_line_for_people(self):
        lines = self.ok("audit", "--file", str(self.record)).splitlines()
        self.assertRegex(lines[1], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  open     user:alice  up/film.mp4  by-session beef111111111111 from 192.0.2.7 uid 33 pid 812\Z")
        self.assertRegex(lines[3], r"  lease    user:bob  up/film.mp4.txt  by-link 77aa000000000000 until \d{4}\S+Z uid 33\Z")
        self.assertRegex(lines[4], r"  refused  uid:1000  other  by-uid denied ENOENT uid 1000\Z")

    def test_nothing_in_a_record_forges_a_line_or_moves_the_terminal(self):
        self.write({"time": ago(seconds=1), "event": "open", "principal": "user:a", "path": "x\n2026  \x1b[2Jopen", "view": "by-user"})
        out = self.ok("audit", "--file", str(self.record))
        self.assertEqual(len(out.splitlines()), 6)
        self.assertIn(r"x\x0a2026  \x1b[2Jopen", out)

    def test_a_name_that_is_no_text(self):
        name = b"caf\xe9"
        self.write({"time": ago(seconds=1), "event": "open", "path": "caf�", "path_hex": name.hex(), "view": "public", "principal": "public"})
        self.assertEqual(len(self.asked("--path", os.fsdecode(name))), 1)
        self.assertIn(r"caf\xe9", self.ok("audit", "--file", str(self.record), "--event", "open"))

    def test_a_refused_name_that_might_be_a_token_is_found_by_its_name(self):
        name = "7f3a9c0d12345678"
        self.write({"time": ago(seconds=1), "event": "refused", "view": "public", "path": "up/sha256:" + hashlib.sha256(name.encode()).hexdigest()})
        self.assertEqual(len(self.asked("--path", f"up/{name}")), 1)

    def test_what_is_missing_and_what_is_no_record_is_said(self):
        self.write({"time": ago(seconds=9), "event": "gap", "lost": 3, "refusals": 20})
        with open(self.record, "a") as lines:
            lines.write('{"time":"2026-\nnonsense\n[]\n')
        said = self.exits(DONE, "audit", "--file", str(self.record), "--who", "user:alice").stderr
        self.assertIn("3 lines are no records", said)
        self.assertIn("lacks 3 events", said)
        self.assertIn("20 refusals", said)
        self.assertNotIn("lacks", self.exits(DONE, "audit", "--file", str(self.record), "--until", "1h").stderr)

    def test_standard_input_and_several_files(self):
        self.assertEqual(len(self.json("audit", "--file", "-", input=self.record.read_text())["records"]), 5)
        self.assertEqual(len(self.asked("--file", str(self.record))), 10)
        self.assertIn("No such file", self.exits(TROUBLE, "audit", "--file", str(self.top / "none")).stderr)

    def daemon(self, place):
        daemon = FakeDaemon(self.database, answer={"ok": True, "mountpoint": "/srv/view", "database": str(self.database),
                                                   "audit": place and {"place": place, "required": False, "trouble": ""}})
        daemon.may_answer.set()
        self.addCleanup(daemon.close)

    def test_the_record_of_the_daemon_and_what_was_rotated(self):
        self.daemon(str(self.record))
        older = self.record.with_name("record.jsonl.1")
        self.record.rename(older)
        self.write({"time": ago(seconds=1), "event": "stop"})
        self.record.with_name("record.jsonl.2.gz").write_bytes(b"")
        self.record.with_name("record.jsonl-20260101").write_text("")
        self.record.with_name("another.jsonl").write_text("nonsense\n")
        os.utime(older, (1, 1))
        done = self.exits(DONE, "--json", "audit")
        self.assertEqual([record["event"] for record in json.loads(done.stdout)["records"]], ["start", "open", "open", "lease", "refused", "stop"])
        self.assertIn("record.jsonl.2.gz is compressed", done.stderr)

    def test_the_journal_is_asked_by_journalctl(self):
        self.daemon("journal")
        self.assertIn("journalctl -t grantfs-audit -o cat", self.exits(DENIED, "audit").stderr)

    def test_a_change_goes_to_each_daemon_that_keeps_a_record(self):
        """And where it is refused, the change stands, and that is said."""
        keeps, not_so = FakeDaemon(self.database), FakeDaemon(self.database)
        for daemon in (keeps, not_so):
            daemon.may_answer.set()
            self.addCleanup(daemon.close)
        keeps.record.write_text(json.dumps(json.loads(keeps.record.read_text()) | {"keeps_record": True}))
        self.ok("grant", "user:alice", "up")
        self.assertEqual((keeps.requests, not_so.requests), (["change"], []))
        keeps.says = {"ok": False, "error": "the record cannot be written"}
        done = self.exits(DONE, "grant", "user:bob", "up")
        self.assertIn("the change is made, and not recorded", done.stderr)
        self.assertEqual(len(self.rules()), 2)

    def test_changes_of_a_path_of_a_principal_and_of_what_was_made(self):
        self.write({"time": ago(seconds=3), "event": "change", "command": ["grant", "user:dave", "up/film.mp4"], "by": "carol", "note": "ticket 7", "uid": 0},
                   {"time": ago(seconds=2), "event": "change", "command": ["link", "create", "up"], "made": LINK, "uid": 0, "login_uid": 1000})
        self.assertEqual(len(self.asked("--path", "up/film.mp4", "--event", "change")), 1)
        self.assertEqual(len(self.asked("--who", "user:dave")), 1)
        self.assertEqual(self.asked("--link", LINK), [("open", "up/film.mp4"), ("change", None)])
        lines = self.ok("audit", "--file", str(self.record), "--event", "change").splitlines()
        self.assertRegex(lines[0], r"  change   grant user:dave up/film.mp4  by carol  note ticket 7 uid 0\Z")
        self.assertRegex(lines[1], r"  change   link create up  made 3f2a0+ uid 0 logged in as uid 1000\Z")

    def test_no_record(self):
        self.assertIn("or name the record with --file", self.exits(TROUBLE, "audit").stderr)
        self.daemon(None)
        self.assertIn("-o audit=PATH", self.exits(DENIED, "audit").stderr)
