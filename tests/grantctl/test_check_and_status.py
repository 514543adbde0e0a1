"""grantctl check, and what grantctl learns from a running daemon."""

import json
import os
import socket
import subprocess
import time

from fake_daemon import FakeDaemon
from grantctl_case import DENIED, DONE, GRANTCTL, TROUBLE, USAGE, Case


class Check(Case):
    def verdict(self, *arguments, input=None):
        done = self.run_grantctl("--json", "check", *arguments, input=input)
        document = json.loads(done.stdout)
        self.assertEqual(done.returncode, DENIED if document["verdict"] == "deny" else DONE)
        return document

    def test_names_the_rule_and_the_groups_that_lead_to_it(self):
        self.ok("grant", "group:all", "x")
        self.ok("group", "add", "staff", "user:a")
        self.ok("group", "add", "all", "group:staff")
        document = self.verdict("user:a", "x/y")
        self.assertEqual((document["verdict"], document["rule"]["path"]), ("allow", "x"))
        self.assertEqual(document["membership"], ["user:a", "group:staff", "group:all"])
        self.assertIn("user:a, of group:staff, of group:all", self.ok("check", "user:a", "x/y"))

    def test_names_the_owner_where_no_grant_covers(self):
        self.ok("own", "user:b", "x")
        done = self.exits(DENIED, "check", "user:a", "x/y")
        self.assertRegex(done.stdout, r"^deny: ")
        self.assertIn("no grant covers it", done.stdout)
        self.assertIn("user:b", done.stdout)
        self.assertIn("nobody owns it", self.exits(DENIED, "check", "user:a", "elsewhere").stdout)

    def test_says_what_has_expired_and_when(self):
        self.ok("grant", "user:a", "x", "--expires", "1h")
        self.sql("UPDATE grants SET expires = 1000000000")
        self.assertIn("expired at 2001-09-09T01:46:40Z", self.exits(DENIED, "check", "user:a", "x").stdout)
        self.ok("grant", "group:g", "y")
        self.ok("group", "add", "g", "user:a", "--expires", "1h")
        self.sql("UPDATE members SET expires = 1000000000")
        self.assertIn("membership", self.exits(DENIED, "check", "user:a", "y").stdout)

    def test_says_what_is_wrong_with_a_session(self):
        self.ok("grant", "user:a", "x")
        token = self.ok("session", "create", "user:a", "--expires", "1h")
        self.assertEqual(self.verdict("session:-", "x", input=token)["verdict"], "allow")
        self.sql("UPDATE sessions SET address = '192.0.2.1'")
        self.assertIn("192.0.2.1", self.exits(DENIED, "check", "session:-", "x", input=token).stdout)
        self.sql("UPDATE sessions SET address = NULL, expires = 1000000000")
        self.assertIn("expired at 2001", self.exits(DENIED, "check", "session:-", "x", input=token).stdout)
        self.sql("DELETE FROM sessions")
        done = self.exits(DENIED, "check", "session:-", "x", input=token)
        self.assertIn("no such session", done.stdout)
        self.assertNotIn(token.strip(), done.stdout + done.stderr)

    def test_a_folder_above_something_granted_is_passage(self):
        self.ok("grant", "user:a", "x/y/z")
        self.assertEqual(self.verdict("user:a", "x")["verdict"], "passage")
        self.assertTrue(self.ok("check", "user:a", "x/y").startswith("passage"))

    def test_a_system_user_brings_its_groups_along(self):
        self.ok("grant", "gid:daemon", "x")
        self.assertEqual(self.verdict("uid:daemon", "x")["verdict"], "allow")
        self.assertEqual(self.verdict("uid:bin", "x")["verdict"], "deny")


class WithDaemon(Case):
    def setUp(self):
        super().setUp()
        self.store = self.top / "store"
        (self.store / "folder").mkdir(parents=True)
        (self.store / "folder" / "file").write_text("x")
        (self.store / "link").symlink_to("folder")
        os.mkfifo(self.store / "fifo")
        self.mount = self.top / "mount"
        self.mount.mkdir()
        daemon = FakeDaemon(self.database, answer={"ok": True, "version": "9.9", "pid": 7, "store": str(self.store), "mountpoint": str(self.mount),
                                  "database": str(self.database), "enforce": "open",
                                  "enforce_because": "the store is odd", "started": int(time.time()) - 90,
                                  "uptime_seconds": 90, "counters": {"lookups": 5}})
        self.addCleanup(daemon.close)
        self.control = str(daemon.path)

    def test_status_shows_the_daemon(self):
        daemon = self.json("status")["daemons"][0]
        self.assertEqual((daemon["version"], daemon["store"], daemon["counters"]),
                         ("9.9", str(self.store), {"lookups": 5}))
        text = self.ok("status")
        self.assertIn("1m 30s ago", text)
        self.assertIn("open (the store is odd)\n", text)
        self.assertEqual(daemon["enforce_because"], "the store is odd")
        self.assertRegex(text, r"(?m)^mountpoint +" + str(self.mount))
        self.environment.pop("GRANTFS_DB")
        self.assertIn("9.9", self.ok("status", "--control", self.control))
        self.environment["GRANTFS_CONTROL"] = self.control
        self.assertIn("9.9", self.ok("status"))

    def test_what_the_daemon_says_is_shown_as_it_was_said(self):
        """Its messages quote what they name; whatever forges a line is escaped all the same."""
        said = "cannot open '/srv/it\\x27s': it's gone"
        daemon = FakeDaemon(self.database, answer={
            "ok": True, "state": "trouble", "troubles": [said, "a\nb\x1b[31m"], "last_trouble": {"message": said, "at": 90},
            "enforce": "open", "enforce_because": said, "lends_nothing_because": said, "store": str(self.store),
            "mountpoint": "/srv/it's", "database": str(self.database)})
        self.addCleanup(daemon.close)
        text = self.run_grantctl("--control", daemon.path, "status").stdout
        self.assertIn(f"trouble: {said}; a\\x0ab\\x1b[31m\n", text)
        self.assertIn(f"1970-01-01T00:01:30Z: {said}\n", text)
        self.assertIn(f"open ({said})\n", text)
        self.assertIn(f"nothing is lent: {said}\n", text)
        self.assertRegex(text, r"(?m)^mountpoint +/srv/it's$")

    def test_a_daemon_that_is_named_must_decide_by_the_database_that_is_named(self):
        self.ok("--db", self.database, "--control", self.control, "status")
        other = self.top / "other" / "policy.db"
        self.ok("--db", other, "init")
        self.assertIn("not by", self.exits(TROUBLE, "--db", other, "--control", self.control, "status").stderr)

    def test_absolute_paths_below_store_and_mount_are_understood(self):
        for path in (self.store / "folder/file", self.mount / "public/folder/file", self.mount / "me/folder/file",
                     self.mount / "by-uid/1000/folder/file", str(self.store) + "//folder/./file/"):
            with self.subTest(path):
                self.assertEqual(self.json("grant", "user:a", path)["granted"][0]["path"], "folder/file")
        self.assertEqual(self.json("grant", "user:a", self.store)["granted"][0]["path"], ".")

    def test_symbolic_links_are_followed_above_the_store_but_not_in_it(self):
        (self.top / "alias").symlink_to(self.store)
        self.assertEqual(self.json("grant", "user:a", self.top / "alias" / "folder")["granted"][0]["path"], "folder")
        self.assertEqual(self.json("grant", "user:a", self.store / "link/file")["granted"][0]["path"], "link/file")

    def test_absolute_paths_elsewhere_are_refused(self):
        for path in ("/etc/passwd", self.top, str(self.store) + "x", self.mount, self.mount / "by-uid",
                     self.mount / "nonsense/x", self.store / "../etc"):
            with self.subTest(path):
                self.exits(USAGE, "grant", "user:a", path)

    def test_a_path_through_a_token_is_refused_and_not_repeated(self):
        token = "abcdefghijklmnopqrstuvwxyz234567"
        for path in (self.mount / "by-session" / token / "x", self.mount / "by-link" / token,
                     self.mount / "from/::1/by-session" / token, str(self.mount) + "/public/../by-session/" + token):
            with self.subTest(path):
                done = self.exits(USAGE, "grant", "user:a", path)
                self.assertNotIn(token, done.stderr)

    def test_check_says_when_the_store_has_no_such_file(self):
        self.ok("grant", "user:a", ".")
        for path, content, verdict in (("folder/file", "file", "allow"), ("folder", "folder", "allow"),
                                       ("none", "absent", "deny"), ("none/none", "absent", "deny"),
                                       ("link", "other", "deny"), ("link/file", "absent", "deny"),
                                       ("fifo", "other", "deny"), (".", "folder", "allow")):
            with self.subTest(path):
                document = self.json("check", "user:a", path, status=DONE if verdict == "allow" else DENIED)
                self.assertEqual((document["store"], document["verdict"]), (content, verdict))

    def test_rules_for_what_the_store_does_not_have_are_noted(self):
        for words, noted in ((("own", "user:a", "folder/file", "none", "link"), ("'none'", "'link'")), (("own", "user:a", "folder", "."), ()),
                             (("grant", "user:b", "folder/file"), ()), (("grant", "user:b", "none/at/all"), ("'none/at/all'",))):
            with self.subTest(words):
                said = self.exits(DONE, *words).stderr
                self.assertEqual(said.count("note: "), len(noted), said)
                for path in noted:
                    self.assertIn(f"note: {path} is not in the store '{self.store}'", said)
        self.assertEqual(len(self.json("ls")["rules"]), 7)

    def test_of_many_absent_paths_few_are_noted_and_the_rest_is_counted(self):
        said = self.exits(DONE, "own", "user:a", *(f"none/{number}" for number in range(2000)), "folder").stderr.splitlines()
        self.assertEqual(len([line for line in said if "is not in the store" in line]), 10, said[:20])
        self.assertIn("grantctl: note: and 1990 more are not in the store", said)
        self.assertLess(len(said), 15)
        said = self.exits(DONE, "own", "user:a", *(f"none/{number}" for number in range(10))).stderr
        self.assertEqual(said.count("is not in the store"), 10)
        self.assertNotIn("more", said)

    def test_nothing_is_noted_where_the_store_cannot_be_seen(self):
        self.store.rename(self.top / "away")
        self.assertNotIn("not in the store", self.exits(DONE, "own", "user:a", "none").stderr)

    def test_a_mount_inside_the_store_is_named(self):
        if os.geteuid() != 0:
            self.skipTest("mounts: run it as root")
        self.ok("grant", "user:a", ".")
        (self.store / "folder" / "disk").mkdir()
        for path in ("folder/disk/x/y", "folder/disk"):
            done = subprocess.run(["unshare", "-m", "sh", "-ec", 'mount -t tmpfs none "$1"; mkdir "$1/x"; : >"$1/x/y"; shift; exec "$@"', "sh",
                                   self.store / "folder/disk", GRANTCTL, "check", "user:a", path], env=self.environment,
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, DENIED, done.stderr)
            self.assertIn("'folder/disk' is a mount point inside the store", done.stdout)

    def test_a_file_is_no_passage(self):
        self.ok("grant", "user:a", "folder/file/impossible")
        self.exits(DENIED, "check", "user:a", "folder/file")
        self.exits(DONE, "check", "user:a", "folder")


class WithoutDaemon(Case):
    def test_nothing_is_noted_where_the_store_is_not_known(self):
        for words in (("own", "user:a", "none"), ("grant", "user:a", "none")):
            self.assertNotIn("not in the store", self.exits(DONE, *words).stderr)

    def test_status_is_trouble(self):
        self.assertIn("no daemon runs on", self.exits(TROUBLE, "status").stderr)
        self.assertIn("no daemon answers", self.exits(TROUBLE, "--control", self.top / "none.sock", "status").stderr)

    def test_a_daemon_that_does_not_answer_is_waited_for_but_not_for_long(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.top / "mute.sock"))
        listener.listen()
        started = time.monotonic()
        self.exits(TROUBLE, "--control", self.top / "mute.sock", "status")
        self.assertLess(time.monotonic() - started, 10)
