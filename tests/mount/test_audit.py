"""The record of accesses: who opened what, and who was refused."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import unittest

from bound import Bound
from fixture import TwoUsersTest, names, read
from harness import CONTAINER, PATIENCE_SECONDS, as_user, outcome, token_id, wait_for
from test_signatures import FAR, SECRET, md5, token

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
#: Set in a child process whose /run is its own.
APART = "GRANTFS_TEST_JOURNAL"


class AuditTest(TwoUsersTest):
    """Mounted with a record at `self.record`."""

    OPTIONS = "enforce=open,lease=0"

    def new_site(self, **kwargs):
        site = super().new_site(**kwargs)
        self.record = site.root / "audit/record.jsonl"
        self.record.parent.mkdir(mode=0o700)
        self.OPTIONS = f"audit={self.record},{type(self).OPTIONS}"
        return site

    def lines(self, file=None):
        """The records. A line that is being written is none yet."""
        return [json.loads(line) for line in (file or self.record).read_bytes().split(b"\n")[:-1]]

    def setUp(self):
        super().setUp()
        if "audit=" in self.OPTIONS:
            wait_for(lambda: self.record.exists() and b"\n" in self.record.read_bytes(), what="the start")
        self.permitted = 0

    def wait_for_record(self, event, count=1, **members):
        """The records of that event with these members, once there are so many."""
        def found():
            return [line for line in self.lines() if line["event"] == event and members.items() <= line.items()]
        wait_for(lambda: len(found()) >= count, what=f"{count} records of {event} {members}")
        self.assertEqual(len(found()), count, found())
        return found()

    def the(self, event, **members):
        return self.wait_for_record(event, **members)[0]


class EveryView(AuditTest):
    OPTIONS = "enforce=open,lease=0,by_user=root"

    def setUp(self):
        super().setUp()
        self.site.grantctl("grant", "public", "alice/report.txt")
        self.site.grantctl("grant", "user:carol", "bob")
        self.session = self.site.sql_session("user:carol")
        self.link = self.site.grantctl("link", "create", "bob", "--for", "user:carol").stdout.split()[-1]
        self.site.grantctl("key", "create", "--id", "k1", "--path", "bob", "--secret", "-", input=SECRET)
        self.site.grantctl("key", "create", "--id", "k2", "--format", "md5", "--uri-prefix", "/files/", "--path", "bob",
                           "--expression", "$secure_link_expires$uri $secret", "--secret", "-", input="s3cret")
        self.signature, self.md5 = token("bob/secret.txt"), md5("/files/secret.txt")
        self.process = Bound(self.site, self.session)
        self.addCleanup(self.process.close)
        self.secrets = [self.session, self.link, self.signature, self.md5]

    def views(self):
        """For each view: a path of a file in it, who opens it, and what the record says of the view."""
        me, process = {"uid": 0, "pid": os.getpid()}, self.process.pid
        session = {"view": "by-session", "principal": "user:carol", "session": token_id(self.session)}
        return [
            (("public", "alice/report.txt"), None, {"view": "public", "principal": "public", "path": "alice/report.txt", **me}),
            (("by-session", self.session, "bob/secret.txt"), None, session | me),
            (("from", "192.0.2.7", "by-session", self.session, "bob/secret.txt"), None, session | {"address": "192.0.2.7"} | me),
            (("from", "2001:db8::1", "by-link", self.link, "bob/secret.txt"), None,
             {"view": "by-link", "principal": "user:carol", "link": token_id(self.link), "address": "2001:db8::1", **me}),
            (("by-link", self.link, "bob/secret.txt"), None, {"view": "by-link", "principal": "user:carol", "link": token_id(self.link), **me}),
            (("by-signature", self.signature, "secret.txt"), None,
             {"view": "by-signature", "signature": token_id(self.signature), "key": "k1", **me}),
            (("by-md5", str(FAR), self.md5, "files/secret.txt"), None, {"view": "by-md5", "md5": token_id(self.md5), **me}),
            (("by-user", "carol", "bob/secret.txt"), None, {"view": "by-user", "principal": "user:carol", **me}),
            (("by-uid", str(self.bob), "bob/secret.txt"), self.bob, {"view": "by-uid", "principal": f"uid:{self.bob}", "uid": self.bob}),
            (("by-process", str(process), "bob/secret.txt"), self.process,
             {"view": "by-process", "process": str(process), "session": token_id(self.session), "principal": "user:carol", "uid": 0, "pid": process}),
        ]

    @staticmethod
    def as_who(who, function, path):
        if who is None:
            return outcome(function, path)
        return who.outcome(function, path) if hasattr(who, "outcome") else as_user(who, outcome, function, path)

    def test_an_open_is_one_line_with_everything_that_is_known(self):
        self.mount_again()
        for path, who, expected in self.views():
            expected = {"event": "open", "path": "bob/secret.txt", **expected}
            with self.subTest(path[0] if path[0] != "from" else "/".join(path[:3])):
                before = len(self.lines())
                self.assertEqual(self.as_who(who, read, self.site.path(*path)), "OK")
                wait_for(lambda: len(self.lines()) > before, what="a record")
                (line,) = [each for each in self.lines()[before:] if each["event"] != "refused"]
                self.assertRegex(line.pop("time"), TIME)
                if "pid" not in expected:
                    line.pop("pid")
                self.assertEqual(line, expected)
        self.assert_no_secret()

    def mount_again(self):
        """A record that has nothing but the start."""
        self.process.close()
        self.site.umount()
        self.record.unlink()
        self.site.mount(self.OPTIONS)
        self.process = Bound(self.site, self.session)
        self.addCleanup(self.process.close)
        self.the("start")

    def test_a_refusal_in_each_view_and_at_each_door(self):
        for path, who, expected in self.views():
            expected.pop("path", None)
            view = self.site.path(*path[:-1])
            with self.subTest("in " + path[0]):
                if path[0] == "by-md5":
                    continue  # what is not signed there is an empty folder, as what is missing
                self.assertEqual(self.as_who(who, os.stat, view / "nobody"), "ENOENT")
                line = self.the("refused", why="denied", errno="ENOENT", **expected)
                self.assertEqual(line["path"], "bob/nobody" if path[0] == "by-signature" else "nobody")
        forged = "forged" + "q" * 26
        for door in ("by-session", "by-link"):
            with self.subTest("at " + door):
                self.assertEqual(outcome(os.stat, self.site.path(door, forged)), "EACCES")
                kind = door.removeprefix("by-")
                line = self.the("refused", view=door, **{kind: token_id(forged)})
                self.assertEqual((line["why"], line["errno"], line["uid"]), ("denied", "EACCES", 0))
                self.assertEqual(outcome(os.stat, self.site.path("from", "192.0.2.9", door, forged)), "EACCES")
                self.the("refused", view=door, address="192.0.2.9", **{kind: token_id(forged)})
        forged_signature = token("bob/secret.txt", secret="another" * 6)
        self.assertEqual(outcome(os.stat, self.site.path("by-signature", forged_signature)), "EACCES")
        self.the("refused", view="by-signature", signature=token_id(forged_signature))
        self.assertEqual(outcome(os.stat, self.site.path("by-uid", self.bob)), "EACCES")
        self.wait_for_some("refused", view="by-uid", principal=f"uid:{self.bob}", uid=0)
        self.assertEqual(outcome(os.stat, self.site.path("by-process", forged)), "EACCES")
        self.wait_for_some("refused", view="by-process", why="denied", errno="EACCES")
        self.assertEqual(outcome(os.listdir, self.site.path("by-session")), "EACCES")
        wait_for(lambda: {"time", "event", "view", "why", "errno", "uid", "pid"} in
                 [set(line) for line in self.lines() if line["view" if "view" in line else "time"] == "by-session"], what="the listing")
        self.secrets += [forged, forged_signature]
        self.assert_no_secret()

    def assert_no_secret(self):
        """Promise 11: no token in a record."""
        text = self.record.read_text()
        for secret in self.secrets:
            self.assertNotIn(secret, text)

    def test_no_token_in_a_record_whatever_is_done_with_it(self):
        """Promise 11: each token at each door and in each view; good, bad, and while decisions fail."""
        def attempt():
            for secret in [*self.secrets, "forged" + "q" * 26]:
                for door in ("public", "by-uid", "by-process", "by-session", "by-link", "by-signature", "expired", "from",
                             "by-md5", f"by-md5/{FAR}", "from/192.0.2.1/by-session", "from/192.0.2.1/by-link", "expired/by-md5"):
                    for path in (self.site.path(door, secret), self.site.path(door, secret, "bob/secret.txt"), self.site.path(door, secret, secret)):
                        outcome(read, path)
                        outcome(os.listdir, path)
        attempt()
        os.chmod(self.site.db, 0o602)
        wait_for(lambda: outcome(read, self.by_session(self.session, "bob/secret.txt")) == "EACCES", what="trouble to deny")
        attempt()
        os.chmod(self.site.db, 0o600)
        self.wait_for_some("refused", why="failed")
        self.assert_no_secret()

    def wait_for_some(self, event, **members):
        wait_for(lambda: any(line["event"] == event and members.items() <= line.items() for line in self.lines()), what=f"{event} {members}")

    def test_a_listing_is_recorded(self):
        names(self.by_session(self.session, "bob"))
        self.the("list", path="bob", view="by-session", principal="user:carol")


class Leases(AuditTest):
    OPTIONS = "enforce=lease,lease=60"

    def test_the_first_of_each_lease_says_until_when_others_are_not_seen(self):
        self.need_leases()
        alice = self.site.sql_session(f"uid:{self.alice}")
        path = self.by_session(alice, "alice/report.txt")
        for _ in range(5):
            read(path)
        wait_for(lambda: len(self.lines()) > 1, what="the record")
        start, line, *more = self.lines()
        self.assertEqual((start["event"], line["event"], line["path"]), ("start", "lease", "alice/report.txt"))
        self.assertEqual((line["principal"], line["session"]), (f"uid:{self.alice}", token_id(alice)))
        self.assertRegex(line["lease_until"], TIME)
        self.assertGreater(line["lease_until"], line["time"])
        # On a machine that gave the daemon no time for half a second, all was recalled, and lent once more.
        if not self.site.counters()["recalls_of_everything"]:
            self.assertEqual(more, [])

    def test_what_is_not_lent_is_recorded_at_each_lookup(self):
        self.need_leases()
        for _ in range(3):
            as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))
        for line in self.wait_for_record("lease", count=3, view="by-uid", path="alice/report.txt", uid=self.alice):
            self.assertEqual(line["lease_until"], line["time"])

    def test_each_refusal_is_asked_for_and_so_recorded(self):
        alice = self.site.sql_session(f"uid:{self.alice}")
        for _ in range(3):
            self.assertEqual(outcome(read, self.by_session(alice, "bob/secret.txt")), "ENOENT")
        self.wait_for_record("refused", count=3, path="bob", session=token_id(alice))


class Lines(AuditTest):
    def test_a_name_cannot_forge_a_record(self):
        """Each name is one line; bytes that are not UTF-8 are all there, in path_hex."""
        forgery = b'x"}\n{"time":"2026-01-01T00:00:00.000000Z","event":"open","principal":"user:mallory"}'
        for name in (forgery, b"back\\slash", b"\xff\xfe latin \xe9", "\u0085\u2028ü €".encode(), b"\x01\x1f\x7f"):
            with self.subTest(name):
                self.site.write(b"alice/" + name, b"x")
                before = len(self.lines())
                self.assertEqual(as_user(self.alice, read, self.site.path(b"by-uid", self.alice, b"alice/" + name)), b"x")
                wait_for(lambda: len(self.lines()) > before, what="a record")
                (line,) = self.lines()[before:]
                self.assertEqual(line["principal"], f"uid:{self.alice}")
                told = bytes.fromhex(line["path_hex"]) if "path_hex" in line else line["path"].encode()
                self.assertEqual(told, b"alice/" + name)

    def test_refusals_of_one_view_are_told_ten_times_a_second_and_counted(self):
        actor = self.actor(self.alice)
        for _ in range(300):
            actor.outcome(os.stat, self.by_uid(self.alice, "nothing"))
        wait_for(lambda: sum(line.get("refusals", 0) for line in self.lines())
                 + sum(line["event"] == "refused" for line in self.lines()) == 300, what="each refusal to be told or counted")
        self.assertLess(sum(line["event"] == "refused" for line in self.lines()), 200)

    def test_it_is_a_file_that_root_alone_may_write(self):
        self.assertEqual(self.record.stat().st_mode & 0o7777, 0o640)

    def test_the_daemon_says_that_it_began_and_ended(self):
        start = self.the("start", enforce="open", mountpoint=str(self.site.mountpoint))
        self.assertEqual(start["pid"], self.site.daemon_pid)
        self.site.umount()
        self.assertEqual([line["event"] for line in self.lines()], ["start", "stop"])

    def test_a_line_that_was_not_finished_is_left_behind(self):
        self.site.umount()
        with open(self.record, "ab") as record:
            record.write(b'{"time":"2026-')
        self.site.mount(self.OPTIONS)
        wait_for(lambda: self.record.read_bytes().splitlines()[-1].startswith(b'{"time":') and b'"start"' in self.record.read_bytes().splitlines()[-1],
                 what="the start")
        self.assertEqual(self.record.read_bytes().splitlines()[-2], b'{"time":"2026-')


class Places(AuditTest):
    """Places that are refused, before anything is mounted."""

    def refused(self, audit):
        self.site.umount()
        done = self.site.mount(f"audit={audit}", check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_a_symbolic_link_is_not_followed(self):
        target = self.site.root / "target"
        link = self.site.root / "audit/link"
        link.symlink_to(target)
        self.assertIn("cannot open the record", self.refused(link))
        self.assertFalse(target.exists())
        target.write_text("")
        self.site.mount()
        self.assertIn("cannot open the record", self.refused(link))
        self.assertEqual(target.read_text(), "")

    def test_not_in_the_store_nor_in_the_mount_point(self):
        self.assertIn("in the store", self.refused(self.site.store / "record"))
        (self.site.root / "way").symlink_to(self.site.store)
        self.site.mount()
        self.assertIn("in the store", self.refused(self.site.root / "way/record"))
        self.assertFalse((self.site.store / "record").exists())

    def test_not_where_others_may_write(self):
        open_folder = self.site.root / "open"
        open_folder.mkdir()
        open_folder.chmod(0o777)
        self.assertIn("others could put another file", self.refused(open_folder / "record"))
        self.site.mount()
        self.record.chmod(0o666)
        self.assertIn("root alone", self.refused(self.record))
        self.record.chmod(0o600)
        self.site.mount()
        os.link(self.record, self.site.root / "audit/second")
        self.assertIn("one name", self.refused(self.record))

    def test_no_device_and_no_pipe(self):
        pipe = self.site.root / "audit/pipe"
        os.mkfifo(pipe)
        self.assertIn("regular file", self.refused(pipe))

    def test_required_needs_a_place(self):
        self.site.umount()
        done = self.site.mount("audit_required", check=False)
        self.assertEqual((done.returncode, "audit_required" in done.stderr), (2, True))


class Rotation(AuditTest):
    def open_one(self):
        as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))

    def test_a_record_that_was_renamed_is_followed_by_a_new_one(self):
        self.open_one()
        self.the("open")
        old = self.record.with_name("record.jsonl.1")
        self.record.rename(old)
        self.open_one()
        wait_for(self.record.exists, what="a new record")
        self.the("open")
        self.assertEqual([line["event"] for line in self.lines(old)], ["start", "open"])

    def test_a_record_that_logrotate_has_made_anew_is_gone_on_with(self):
        self.the("start")
        self.record.rename(self.record.with_name("record.jsonl.1"))
        self.record.touch(0o640)
        self.open_one()
        self.the("open")

    def test_a_hangup_makes_a_new_one_at_once(self):
        self.the("start")
        self.record.rename(self.record.with_name("record.jsonl.1"))
        os.kill(self.site.daemon_pid, signal.SIGHUP)
        wait_for(self.record.exists, what="a new record")
        self.assert_daemon_lives()
        self.open_one()
        self.the("open")


class Changes(AuditTest):
    def test_a_change_says_who_made_it_by_the_kernel_and_why_by_himself(self):
        self.site.grantctl("--by", "carol", "grant", "user:dave", "alice/report.txt", "--note", "ticket 7")
        line = self.the("change")
        self.assertEqual(line["command"], ["grant", "user:dave", "alice/report.txt"])
        self.assertEqual((line["uid"], line["by"], line["note"]), (0, "carol", "ticket 7"))
        self.assertGreater(line["pid"], 0)

    def test_what_a_change_would_do_is_no_change(self):
        self.site.grantctl("own", "user:erin", "new")
        self.the("change")
        self.site.grantctl("transfer", "--dry-run", "user:erin", "user:dave")
        self.site.grantctl("transfer", "--yes", "user:erin", "user:dave")
        self.assertEqual([line["command"][0] for line in self.wait_for_record("change", 2)], ["own", "transfer"])

    def test_the_id_of_what_was_made_and_no_token(self):
        token = self.site.grantctl("link", "create", "alice").stdout.split()[-1]
        self.assertEqual(self.the("change")["made"], token_id(token))
        given = "t" * 32
        self.site.grantctl("session", "create", "user:dave", "--token", "-", input=given + "\n")
        self.assertEqual(self.wait_for_record("change", count=2)[1]["made"], token_id(given))
        self.site.grantctl("session", "rm", "-", input=given + "\n")
        self.wait_for_record("change", count=3)
        for secret in (token, given):
            self.assertNotIn(secret, self.record.read_text())

    def test_what_changes_nothing_and_what_fails_is_no_change(self):
        for command in (("ls",), ("check", "user:dave", "alice"), ("status",), ("revoke", "user:dave", "alice"), ("grant", "nobody", "alice")):
            self.site.grantctl(*command, check=False)
        self.site.grantctl("own", "user:dave", "x")
        self.assertEqual(self.the("change")["command"], ["own", "user:dave", "x"])

    def test_an_argument_cannot_forge_a_record(self):
        self.site.grantctl("grant", "user:dave", 'x"}\n{"event":"open"', "--note", '\n"}')
        line = self.the("change")
        self.assertEqual((line["command"][2], line["note"]), ('x"}\n{"event":"open"', '\n"}'))
        self.assertEqual(len(self.lines()), 2)

    def test_grantctl_answers_from_it(self):
        as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))
        as_user(self.alice, outcome, os.stat, self.by_uid(self.alice, "nobody"))
        self.site.grantctl("grant", "user:dave", "alice/report.txt")
        self.the("change")
        self.the("open")

        def events(*arguments):
            return [record["event"] for record in json.loads(self.site.grantctl("--json", "audit", *arguments).stdout)["records"]]
        self.assertEqual(events("--path", "alice/report.txt"), ["open", "change"])
        self.assertEqual(events("--who", f"uid:{self.alice}", "--event", "refused"), ["refused"])
        self.assertEqual(events("--since", "1h", "--event", "open"), ["open"])


class FullDisk(AuditTest):
    """On a tmpfs of 64 KiB."""

    OPTIONS = "enforce=open,lease=0"

    def new_site(self, **kwargs):
        site = super().new_site(**kwargs)
        folder = self.record.parent
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", folder], check=True)  # Site.close() unmounts it
        self.filler = folder / "filler"
        return site

    def fill(self):
        with open(self.filler, "wb", buffering=0) as filler:
            while outcome(filler.write, b"x" * 4096) == "OK":
                pass
        # The rest of the record's own page takes some more lines.
        self.until(lambda: self.site.status(check=False)["audit"]["trouble"])

    def until(self, is_so):
        wait_for(lambda: self.outcome() and is_so(), what="the disk to be full")

    def outcome(self):
        """Of one open. The permitted ones are counted."""
        came_to = as_user(self.alice, outcome, read, self.by_uid(self.alice, "alice/report.txt"))
        self.permitted += came_to == "OK"
        return came_to

    def test_what_could_not_be_written_is_written_later(self):
        self.fill()
        self.assertIn("No space left", self.site.status(check=False)["troubles"][0])
        for _ in range(5):
            self.assertEqual(self.outcome(), "OK")
        self.filler.unlink()
        wait_for(lambda: sum(line["event"] == "open" for line in self.lines()) == self.permitted, what="every open to be recorded")
        self.assertEqual(self.site.status()["state"], "healthy")


class Required(FullDisk):
    OPTIONS = "enforce=open,lease=0,audit_required"

    def test_what_could_not_be_written_is_written_later(self):
        """The other promise: nothing is opened that is not recorded."""
        self.fill()
        for _ in range(3):
            self.assertEqual(self.outcome(), "EACCES")
        self.assertEqual(as_user(self.alice, outcome, os.listdir, self.by_uid(self.alice, "alice")), "EACCES")
        self.filler.unlink()
        wait_for(lambda: self.outcome() == "OK", what="service to resume")
        wait_for(lambda: sum(line["event"] == "open" for line in self.lines()) >= self.permitted, what="every open to be recorded")
        self.assertEqual(sum(line["event"] == "open" for line in self.lines()), self.permitted)


class RequiredLeases(FullDisk):
    OPTIONS = "enforce=lease,lease=0,audit_required"

    def test_what_could_not_be_written_is_written_later(self):
        self.fill()
        self.assertEqual(self.outcome(), "EACCES")
        self.filler.unlink()
        wait_for(lambda: self.outcome() == "OK", what="service to resume")


class Journal(AuditTest):
    """In a child process with a /run of its own, where a socket stands in for journald's."""

    @unittest.skipUnless(APART in os.environ, "run by test_it_goes_to_the_journal")
    def test_apart(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        os.makedirs("/run/systemd/journal")
        listener.bind("/run/systemd/journal/socket")
        listener.settimeout(PATIENCE_SECONDS)
        self.site.umount()
        self.site.mount("audit=journal,enforce=open,lease=0")
        as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))
        events = []
        while "open" not in events:
            fields = dict(line.split("=", 1) for line in listener.recv(65536).decode().splitlines())
            self.assertEqual((fields["SYSLOG_IDENTIFIER"], fields["SYSLOG_FACILITY"]), ("grantfs-audit", "10"))
            events.append(json.loads(fields["MESSAGE"])["event"])
        self.assertEqual(events, ["start", "open"])
        self.assertEqual(self.site.status()["audit"]["place"], "journal")
        listener.close()
        os.unlink("/run/systemd/journal/socket")
        as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))
        wait_for(lambda: self.site.status(check=False)["audit"]["trouble"], what="the journal to be missed")

    @unittest.skipIf(APART in os.environ, "this is the child")
    def test_it_goes_to_the_journal(self):
        done = subprocess.run([*CONTAINER, "sh", "-euc", 'mkdir /run/lock; exec "$@"', "sh", sys.executable, "-B", "-m", "unittest", "test_audit.Journal.test_apart"],
                              cwd=pathlib.Path(__file__).parent, env=os.environ | {"PYTHONPATH": "..", APART: "1"}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("skipped", done.stderr)


if __name__ == "__main__":
    unittest.main()
