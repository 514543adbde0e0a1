"""What grantctl does once it has taken access away: it has the daemons forget, and returns only then."""

import json
import socket
import subprocess
import time

from fake_daemon import PATIENCE_SECONDS, FakeDaemon
from grantctl_case import DENIED, DONE, GRANTCTL, Case


class RecallCase(Case):
    def daemon(self, answers=True, **kwargs):
        daemon = FakeDaemon(kwargs.pop("database", self.database), **kwargs)
        self.addCleanup(daemon.close)
        if answers:
            daemon.may_answer.set()
        return daemon

    def given(self):
        """Something for each command to take away. Without an expiry: that recalls nothing."""
        for command in (["own", "user:a", "owned", "moved", "dropped"], ["grant", "user:a", "granted"],
                        ["grant", "user:gone", "x"], ["group", "add", "g", "user:a"],
                        ["session", "create", "user:a"]):
            self.ok(*command)

    TAKING = (["revoke", "user:a", "granted"], ["own", "user:b", "owned"], ["mv", "moved", "elsewhere"],
              ["drop", "dropped"], ["forget", "user:gone"], ["group", "rm", "g", "user:a"],
              ["session", "rm", "--for", "user:a"])


class WithADaemon(RecallCase):
    def test_every_command_that_takes_access_away_has_it_recalled(self):
        daemon = self.daemon()
        self.given()
        self.assertEqual(daemon.requests, [])
        for command in self.TAKING:
            with self.subTest(command):
                daemon.requests.clear()
                done = self.exits(DONE, "--json", *command)
                self.assertEqual(daemon.requests, ["recall"])
                self.assertEqual(json.loads(done.stdout)["recall"], {"acknowledged": 1, "waited_seconds": 0.0})
                self.assertEqual(done.stderr, "")

    def test_a_command_that_changes_nothing_recalls_nothing(self):
        daemon = self.daemon()
        self.given()
        for command in self.TAKING:
            self.ok(*command)
        daemon.requests.clear()
        for command in (["revoke", "user:a", "granted"], ["mv", "moved", "other"], ["drop", "dropped"],
                        ["forget", "user:gone"], ["group", "rm", "g", "user:a"], ["session", "rm", "--for", "user:a"]):
            with self.subTest(command):
                self.exits(DENIED, *command)
        self.assertIsNone(self.json("own", "user:b", "owned")["recall"])
        self.assertIsNone(self.json("own", "user:new", "new")["recall"])
        self.assertIsNone(self.json("drop", "dropped", status=DENIED)["recall"])
        self.assertEqual(daemon.requests, [])

    def test_a_new_end_is_recalled_and_no_end_is_not(self):
        daemon = self.daemon()
        for command in (["grant", "user:a", "x"], ["group", "add", "g", "user:a"]):
            with self.subTest(command):
                daemon.requests.clear()
                self.assertIsNone(self.json(*command)["recall"])
                self.assertEqual(daemon.requests, [])
                self.assertEqual(self.json(*command, "--expires", "1h")["recall"]["acknowledged"], 1)
                self.assertEqual(daemon.requests, ["recall"])

    def test_it_returns_only_after_the_acknowledgement(self):
        self.given()
        daemon = self.daemon(answers=False)
        process = subprocess.Popen([GRANTCTL, "revoke", "user:a", "granted"], env=self.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.assertTrue(daemon.asked.wait(PATIENCE_SECONDS))
        self.assertEqual(self.sql("SELECT count(*) FROM grants WHERE path = 'granted'"), [(0,)])  # committed before
        self.assertIsNone(process.poll())
        daemon.may_answer.set()
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual((process.returncode, errors), (DONE, ""), output)

    def test_the_lease_of_one_that_hangs_is_waited_out_and_told(self):
        self.given()
        self.daemon(answers=False, mountpoint="/srv/hung", lease_seconds=0.5)
        before = time.monotonic()
        done = self.exits(DONE, "--json", "revoke", "user:a", "granted")
        took = time.monotonic() - before
        self.assertGreaterEqual(took, 0.5)
        self.assertRegex(done.stderr, r"committed.*'/srv/hung'.*has not acknowledged.*0\.5 s.*restart")
        recall = json.loads(done.stdout)["recall"]
        self.assertEqual(recall["acknowledged"], 0)
        self.assertGreaterEqual(recall["waited_seconds"], 0.5)
        self.assertLess(recall["waited_seconds"], took)

    def test_a_lease_longer_than_the_patience_for_an_answer_is_waited_out_too(self):
        self.given()
        self.daemon(lease_seconds=1.5, answer={"ok": False, "error": "the kernel would not forget"})
        before = time.monotonic()
        done = self.exits(DONE, "session", "rm", "--for", "user:a")
        self.assertGreaterEqual(time.monotonic() - before, 1.5)
        self.assertRegex(done.stderr, r"waiting 1\.\d s.*the kernel would not forget")

    def test_one_that_lends_nothing_is_not_waited_for(self):
        self.given()
        self.daemon(lease_seconds=0, answer={"ok": False, "error": "unknown command"})
        done = self.exits(DONE, "--json", "revoke", "user:a", "granted")
        self.assertEqual(json.loads(done.stdout)["recall"], {"acknowledged": 0, "waited_seconds": 0.0})
        self.assertEqual(done.stderr, "")

    def test_one_on_another_database_is_left_alone(self):
        self.given()
        other = self.database.with_name("other.db")
        other.touch()
        daemon = self.daemon(answers=False, database=other)
        self.assertIn("no daemon", self.exits(DONE, "revoke", "user:a", "granted").stderr)
        self.assertEqual(daemon.requests, [])


class WithoutADaemon(RecallCase):
    def test_a_command_that_takes_access_away_says_so(self):
        self.given()
        for command in self.TAKING:
            with self.subTest(command):
                done = self.exits(DONE, "--json", *command)
                self.assertRegex(done.stderr, r"\Agrantctl: note: no daemon runs on this database.*\n\Z")
                self.assertEqual(json.loads(done.stdout)["recall"], {"acknowledged": 0, "waited_seconds": 0.0})

    def test_a_record_that_was_left_behind_has_its_lease_waited_out_once(self):
        daemon = FakeDaemon(self.database, lease_seconds=1)
        left = daemon.record.read_text()
        daemon.close()
        daemon.record.write_text(left)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(daemon.path))
        listener.close()
        self.given()
        done = self.exits(DONE, "--json", "revoke", "user:a", "granted")
        self.assertIn("it was killed", done.stderr)
        self.assertGreaterEqual(json.loads(done.stdout)["recall"]["waited_seconds"], 1)
        self.assertEqual(list(daemon.record.parent.iterdir()), [])
        self.given()
        self.assertIn("no daemon", self.exits(DONE, "revoke", "user:a", "granted").stderr)

    def test_a_grant_is_quiet(self):
        self.assertEqual(self.exits(DONE, "grant", "user:a", "x", "--expires", "1h").stderr, "")
        self.assertEqual(self.exits(DONE, "group", "add", "g", "user:a", "--expires", "1h").stderr, "")
