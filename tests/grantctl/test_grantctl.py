"""What grantctl does when it is typed: results, JSON, exit statuses, bad input, and no token anywhere."""

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess

from grantctl_case import DENIED, DONE, GRANTCTL, TROUBLE, USAGE, Case


class Init(Case):
    def test_makes_a_database_that_is_closed_to_others(self):
        other = self.top / "one" / "two" / "policy.db"
        self.assertEqual(self.json("--db", other, "init"), {"database": str(other), "outcome": "created"})
        self.assertEqual(stat.S_IMODE(other.stat().st_mode), 0o660)
        self.assertEqual(stat.S_IMODE(other.parent.stat().st_mode), 0o2770)
        self.assertEqual(self.json("--db", other, "init")["outcome"], "current")

    def test_refuses_a_directory_that_is_open_to_others(self):
        self.database.parent.chmod(0o2775)
        self.assertIn("chmod o=", self.exits(TROUBLE, "init").stderr)
        self.assertIn("chmod o=", self.exits(TROUBLE, "ls").stderr)

    def test_refuses_what_is_not_a_policy_database(self):
        foreign = self.top / "data" / "foreign.db"
        sqlite3.connect(foreign).execute("CREATE TABLE songs (title)").connection.commit()
        before = foreign.read_bytes()
        for command in ("init", "ls"):
            self.assertIn("not a grantfs policy database", self.exits(TROUBLE, "--db", foreign, command).stderr)
        self.assertEqual(foreign.read_bytes(), before)

    def test_advises_chmod_of_its_own_directory_alone(self):
        """Of that of /etc/passwd it would end all logins."""
        shared = self.top / "etc"
        shared.mkdir(mode=0o755)
        for name, content in (("passwd", b"root:x:0:0:root:/root:/bin/sh\n" * 100), ("short", b"x"), ("empty", b"")):
            (shared / name).write_bytes(content)
            (shared / name).chmod(0o666)
        with sqlite3.connect(shared / "songs.db") as songs:
            songs.execute("CREATE TABLE songs (title)")
        songs.close()
        shutil.copy(self.database, shared / "policy.db")
        for command in (("ls",), ("init",), ("backup", self.top / "b.db"), ("check", "user:a", "x"), ("revoke", "user:a", "x")):
            for name in ("passwd", "short", "songs.db"):
                with self.subTest(command, name=name):
                    said = self.exits(TROUBLE, "--db", shared / name, *command).stderr
                    self.assertIn(f"{shared}/{name} is not a grantfs policy database", said)
                    self.assertNotIn("chmod", said)
            for name, why in (("empty", "may be written by anyone"), ("policy.db", "is open to others")):
                with self.subTest(command, name=name):
                    said = self.run_grantctl("--db", shared / name, *command).stderr
                    self.assertIn(why, said)
                    self.assertNotIn("chmod", said)
        said = self.exits(TROUBLE, "--db", shared / "new.db", "init").stderr
        self.assertIn("a directory of its own", said)
        self.assertNotIn("chmod", said)
        self.assertFalse((shared / "new.db").exists())

    def test_refuses_a_newer_database(self):
        self.sql("UPDATE meta SET value = 99 WHERE key = 'schema'")
        for command in ("init", "ls", "prune"):
            self.assertIn("newer", self.exits(TROUBLE, command).stderr)

    def test_a_missing_database_is_trouble_and_says_what_to_do(self):
        self.assertIn("init", self.exits(TROUBLE, "--db", self.top / "none.db", "ls").stderr)


class Options(Case):
    def test_options_stand_before_or_after_the_command(self):
        self.environment.pop("GRANTFS_DB")
        for arguments in (["--json", "--db", self.database, "ls"], ["ls", "--json", "--db", self.database],
                          ["group", "ls", "--db", self.database, "--json"]):
            self.assertIsInstance(json.loads(self.ok(*arguments)), dict)

    def test_a_double_dash_ends_the_options(self):
        self.ok("grant", "user:a", "--", "--json")
        self.assertEqual(self.rules(), [("--json", "user:a", "read")])

    def test_names_of_commands_and_brackets_are_names_too(self):
        self.ok("own", "user:a", "ls", "own", "[x,y]", "a[1]", "{}")
        self.ok("grant", "user:b", "status")
        self.assertEqual([path for path, _, _ in self.rules()], ["[x,y]", "a[1]", "ls", "own", "status", "{}"])

    def test_a_wrong_command_line_is_a_usage_error(self):
        for arguments in ([], ["nonsense"], ["grant"], ["grant", "user:a"], ["link", "create", "x", "y"],
                          ["grant", "user:a", "x", "--expire", "7d"], ["group"], ["group", "nonsense"], ["session"],
                          ["ls", "--nonsense"], ["init", "x"]):
            with self.subTest(arguments):
                self.assertEqual(self.exits(USAGE, *arguments).stdout, "")

    def test_help_and_version_are_results(self):
        self.assertIn("Example", self.ok("--help"))
        self.assertRegex(self.ok("--version"), r"^grantctl \d+\.\d+")

    def test_help_that_cannot_be_written_is_trouble(self):
        for words in ((GRANTCTL, "--help"), (GRANTCTL, "--version"), (GRANTCTL, "own", "--help"), (GRANTCTL, "webconf", "nginx", "--help"),
                      (GRANTCTL.with_name("grantfs"), "--help"), (GRANTCTL.with_name("grantfs"), "--version")):
            with self.subTest(words), open("/dev/full", "w") as full:
                done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=self.environment, timeout=30)
                self.assertNotEqual(done.returncode, DONE)
                self.assertIn("standard output", done.stderr)
                closed = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True,
                                        env=self.environment, timeout=30)
                self.assertEqual((closed.returncode, closed.stderr), (done.returncode, done.stderr))

    def test_with_standard_descriptors_closed_nothing_is_printed_into_a_file(self):
        self.ok("own", "user:a", "x")
        before = self.ok("ls")
        for closed in ("<&- >&- 2>&-", ">&- 2>&-", "<&- >&-", ">&-"):
            with self.subTest(closed):
                done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", GRANTCTL, "ls"], env=self.environment, timeout=30,
                                      stdin=subprocess.DEVNULL, capture_output=True)
                self.assertEqual(done.returncode, TROUBLE)
        self.assertEqual(self.ok("ls"), before)

    def test_a_long_argument_is_not_repeated_whole(self):
        long = "a" * 120_000
        for words in (("own", f"user:{long}", "x"), ("own", long, "x"), ("own", "user:a", long), ("grant", "user:a", long),
                      ("grant", "user:a", "x", "--expires", long), ("group", "add", long, "user:a"), ("own", f"uid:{long}", "x"),
                      ("link", "create", "x", "--address", long), ("check", "user:a", long), ("session", "rm", long), ("link", "rm", long),
                      (long,), (f"--{long}",), ("webconf", "nginx", "--mount", long), ("webconf", "check", long), ("import", long),
                      ("export", long), ("scan", long), ("--db", long, "ls"), ("--control", long, "status"), ("mv", long, "b"),
                      ("check", "user:a", "x", "--source", long), ("ls", "--for", long), ("forget", long), ("sign", long, "--expires", "1h"),
                      ("key", "create", "--id", long), ("--db", "b " * 60_000, "ls"), ("--db", "/" + long, "init")):
            with self.subTest(words=[word[:9] for word in words]):
                done = self.run_grantctl(*words, input="")
                self.assertNotEqual(done.returncode, DONE)
                self.assertLess(len(done.stdout + done.stderr), 4500)
        done = subprocess.run([GRANTCTL.with_name("grantfs"), "/", "/nowhere", "-o", f"server_group={long}"], capture_output=True, text=True,
                              timeout=30)
        self.assertLess(len(done.stdout + done.stderr), 4500)

    def test_a_result_that_cannot_be_written_is_trouble(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([GRANTCTL, "session", "create", "user:a"], stdout=full, stderr=subprocess.PIPE,
                                  env=self.environment, timeout=30)
        self.assertEqual(done.returncode, TROUBLE)

    def test_an_empty_value_is_not_taken_for_none(self):
        """`--expires "$UNSET"` must not grant for ever, nor `--db "$UNSET"` change another database."""
        for name, arguments in (("--expires", ("grant", "user:a", "x", "--expires")), ("--db", ("ls", "--db")), ("--control", ("ls", "--control")),
                                ("--expires", ("session", "create", "user:a", "--expires")), ("--token", ("session", "create", "user:a", "--token")),
                                ("--for", ("ls", "--for")), ("--for", ("session", "ls", "--for")), ("--for", ("session", "rm", "--for")),
                                ("--expires", ("group", "add", "g", "user:a", "--expires"))):
            for words in ((*arguments, ""), (*arguments[:-1], arguments[-1] + "="), (arguments[-1] + "=", *arguments[:-1])):
                with self.subTest(words):
                    self.assertIn(f"{name} is given an empty value", self.exits(USAGE, *words).stderr)
        self.assertIn("PATH is given an empty value", self.exits(USAGE, "ls", "").stderr)
        self.assertEqual(self.json("ls")["rules"], [])
        self.assertEqual(self.json("session", "ls")["sessions"], [])


class Rules(Case):
    def test_own_names_who_was_displaced(self):
        self.assertEqual(self.ok("own", "user:a", "x", "y"), "")
        self.assertIn("user:a", self.ok("own", "user:b", "x"))
        self.assertEqual(self.json("own", "user:c", "x", "z"), {"principal": "user:c", "owned": [
            {"path": "x", "displaced": "user:b"}, {"path": "z", "displaced": None}],
            "recall": {"acknowledged": 0, "waited_seconds": 0.0}})
        self.assertEqual(self.rules(), [("x", "user:c", "own"), ("y", "user:a", "own"), ("z", "user:c", "own")])

    def test_grant_and_revoke(self):
        (rule,) = self.json("grant", "user:a", "x/y", "--expires", "2033-05-18T03:33:20Z")["granted"]
        self.assertEqual(rule["expires"], 2_000_000_000)
        self.assertRegex(self.exits(DONE, "revoke", "user:a", "x/y").stderr, r"\A.*nothing to recall\n\Z")
        self.assertIn("no grant", self.exits(DENIED, "revoke", "user:a", "x/y").stderr)

    def test_revoke_warns_of_the_rule_that_still_lets_it_in(self):
        self.ok("grant", "user:a", "x/y")
        self.ok("grant", "group:g", "x")
        self.ok("group", "add", "g", "user:a")
        done = self.exits(DONE, "revoke", "user:a", "x/y")
        self.assertRegex(done.stderr, r"warning: .*group:g on 'x'.*user:a, of group:g")
        done = self.exits(DENIED, "revoke", "user:a", "x/y")
        self.assertIn("group:g on 'x'", done.stderr)
        self.ok("grant", "user:a", "x/y")
        self.assertEqual(self.json("revoke", "user:a", "x/y")["revoked"][0]["still"]["membership"], ["user:a", "group:g"])

    def test_mv_and_drop_follow_the_files(self):
        self.ok("own", "user:a", "x/1", "x/2", "xy")
        self.assertEqual(self.json("mv", "x", "z")["owners"], 2)
        self.assertEqual([path for path, _, _ in self.rules()], ["xy", "z/1", "z/2"])
        self.assertIn("rules, links or signing keys already", self.exits(DENIED, "mv", "xy", "z").stderr)
        self.exits(DENIED, "mv", "none", "other")
        self.exits(USAGE, "mv", "z", "z/1")
        self.assertIn("'z' cannot be moved to itself", self.exits(USAGE, "mv", "z", "./z").stderr)
        self.assertIn("2 owners", self.ok("drop", "z"))
        self.exits(DENIED, "drop", "z")
        self.exits(USAGE, "drop", ".")

    def test_forget_takes_everything_that_names_it(self):
        self.ok("own", "user:a", "x")
        self.ok("group", "add", "g", "user:a")
        self.ok("session", "create", "user:a")
        self.assertEqual(self.json("forget", "user:a"), {"owners": 1, "grants": 0, "members": 1, "sessions": 1, "links": 0,
                                                          "signing_keys": 0,
                                                          "recall": {"acknowledged": 0, "waited_seconds": 0.0}})
        self.exits(DENIED, "forget", "user:a")

    def test_ls_shows_who_has_what(self):
        self.ok("own", "user:a", "x")
        self.ok("grant", "user:b", "x/y")
        self.sql("UPDATE grants SET expires = 1000000000")
        lines = self.ok("ls").splitlines()
        self.assertEqual(lines[0].split(), ["PATH", "PRINCIPAL", "RIGHT", "EXPIRES"])
        self.assertEqual(lines[1].split(), ["x", "user:a", "own", "never"])
        self.assertRegex(lines[2], r"^x/y +user:b +read +2001-09-09T01:46:40Z \(expired\)$")
        self.assertEqual(self.rules("--for", "user:b"), [("x/y", "user:b", "read")])
        self.assertEqual(self.rules("x/z"), [("x", "user:a", "own")])

    def test_prune_takes_what_has_expired(self):
        self.ok("grant", "user:a", "x", "--expires", "1h")
        self.ok("grant", "user:b", "x", "--expires", "1h")
        self.sql("UPDATE grants SET expires = 1 WHERE principal = 'user:a'")
        self.assertEqual(self.json("prune")["grants"], 1)
        self.assertEqual(self.ok("prune"), "pruned nothing\n")


class Databases(Case):
    """What is at the path is no database to work with: the message says what to do."""

    def as_nobody(self, *words, **more):
        if os.geteuid() != 0:
            self.skipTest("becomes another user: run it as root")
        self.top.chmod(0o711)
        return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words], capture_output=True, text=True, timeout=30,
                              **{"env": self.environment} | more)

    def test_what_may_not_be_looked_at_is_not_called_missing(self):
        self.database.parent.chmod(0o700)
        copy = shutil.copy(GRANTCTL, self.top)  # where nobody gets at it
        for words in (("ls",), ("grant", "user:a", "x"), ("check", "user:a", "x")):
            done = self.as_nobody(copy, *words)
            self.assertEqual(done.returncode, TROUBLE)
            self.assertRegex(done.stderr, "Permission denied; .*root and the group")
            self.assertNotIn("init", done.stderr)
        self.database.chmod(0o600)
        os.chown(self.database.parent, 0, 65534)
        self.database.parent.chmod(0o2770)
        self.assertIn("Permission denied", self.as_nobody(copy, "ls").stderr)

    def test_a_default_that_may_not_be_looked_for_is_not_called_missing(self):
        copy = shutil.copy(GRANTCTL, self.top)
        self.as_nobody("true")  # or skip
        del self.environment["GRANTFS_DB"]
        done = subprocess.run(["unshare", "-m", "sh", "-ec", "mount -t tmpfs none /var/lib; install -d -m 2770 /var/lib/grantfs/site;"
                               ' exec setpriv --reuid=65534 --regid=65534 --clear-groups "$1" ls', "sh", copy],
                              capture_output=True, text=True, timeout=30, env=self.environment)
        self.assertEqual(done.returncode, TROUBLE)
        self.assertRegex(done.stderr, "may not look into /var/lib/grantfs/site,.*as root or in the group")

    def test_a_restored_dump_says_how_it_becomes_a_policy_again(self):
        self.ok("own", "user:a", "x")
        dump = subprocess.run(["sqlite3", self.database, ".dump"], capture_output=True, text=True, check=True).stdout
        restored = self.database.with_name("restored.db")
        subprocess.run(["sqlite3", restored], input=dump, text=True, check=True)
        restored.chmod(0o660)
        said = self.exits(TROUBLE, "--db", restored, "ls").stderr
        self.assertEqual(self.exits(TROUBLE, "--db", restored, "init").stderr, said)
        first, second = re.search(r"run: (sqlite3 .*), and then: (grantctl .*)", said).groups()
        subprocess.run(first, shell=True, check=True, timeout=30)
        subprocess.run(second, shell=True, check=True, timeout=30, stdout=subprocess.DEVNULL, env=self.environment | {"PATH": f"{GRANTCTL.parent}:{os.environ['PATH']}"})
        self.assertIn("user:a", self.ok("--db", restored, "ls"))

    def test_an_older_sqlite_is_named(self):
        shim = self.top / "old.c"
        shim.write_text('int sqlite3_libversion_number(void) { return 3034001; }\nconst char* sqlite3_libversion(void) { return "3.34.1"; }\n')
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.top / "old.so", shim], check=True, timeout=60)
        self.environment["LD_PRELOAD"] = str(self.top / "old.so")
        self.assertIn("SQLite 3.34.1 is too old: grantfs needs 3.39 or newer", self.exits(TROUBLE, "ls").stderr)

    def test_a_message_names_the_database_once(self):
        self.sql("ALTER TABLE meta RENAME TO atem")
        self.assertEqual(self.exits(TROUBLE, "ls").stderr.count(str(self.database)), 1)
        other = self.top / "other.db"
        with sqlite3.connect(other) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
        config = self.top / "source.json"
        config.write_text(json.dumps({"database": str(other), "allow": "SELECT y FROM t", "list": "SELECT x FROM t"}))
        self.database.unlink()
        self.ok("init")
        for words in (("check", "user:a", "x", "--source", config), ("import", other, "--query", "SELECT y FROM t")):
            self.assertEqual(self.run_grantctl(*words).stderr.count(str(other)), 1, words)

    def test_what_sqlite_says_of_a_change_names_the_database_once(self):
        self.sql("CREATE TRIGGER refusal BEFORE INSERT ON grants BEGIN SELECT RAISE(ABORT, 'no grants today'); END")
        done = self.exits(TROUBLE, "grant", "user:a", "x")
        self.assertEqual(done.stderr, f"grantctl: {self.database}: no grants today\n")


class Arguments(Case):
    def test_harmless_forms_of_a_path_are_one(self):
        for path in ("x/y", "./x/y", "x/y/", "x//y", "x/./y"):
            self.ok("own", "user:a", path)
        self.assertEqual(self.rules(), [("x/y", "user:a", "own")])
        self.ok("grant", "public", ".")
        self.assertEqual(self.rules(), [(".", "public", "read"), ("x/y", "user:a", "own")])

    def test_bad_paths_are_usage_errors(self):
        for path in ("", "..", "a/../b", "/etc/passwd", "x" * 5000):
            with self.subTest(path[:20]):
                self.exits(USAGE, "grant", "user:a", path)
        self.assertIn("relative to the store", self.exits(USAGE, "own", "user:a", "/etc/passwd").stderr)

    def test_a_path_that_is_too_long_is_said_to_be_as_long_as_it_is(self):
        self.assertIn("(5001 bytes) is not a path in the store: it is longer than 4095 bytes",
                      self.exits(USAGE, "grant", "user:a", "x" * 5001).stderr)

    def test_bad_principals_are_usage_errors(self):
        for principal in ("alice", "user:", "user:a/b", "uid:01", "uid:no-such-account", "gid:no-such-group", "uid:-1",
                          "session:-"):
            with self.subTest(principal):
                self.exits(USAGE, "own", principal, "x")
        self.assertIn("no-such-account", self.exits(USAGE, "own", "uid:no-such-account", "x").stderr)

    def test_bad_times_are_usage_errors(self):
        for when in ("7", "0s", "yesterday", "2030-02-30", "2030-01-01T00:00:00", "1999-01-01T00:00:00Z"):
            with self.subTest(when):
                self.exits(USAGE, "grant", "user:a", "x", "--expires", when)

    def test_times_as_machines_print_them(self):
        for when in ("2033-05-18T03:33:20.788Z", "2033-05-18T03:33:20.123456+00:00", "2033-05-18T03:33:20+0000", "2033-05-18T05:33:20+0200"):
            with self.subTest(when):
                self.assertEqual(self.json("grant", "user:a", "x", "--expires", when)["granted"][0]["expires"], 2_000_000_000)

    def test_a_day_is_its_end_where_it_is_typed_and_that_is_said(self):
        for zone, ends, said in (("UTC0", 2_000_073_600, "2033-05-19T00:00:00Z"), ("EST5", 2_000_091_600, "2033-05-19T05:00:00Z")):
            self.environment["TZ"] = zone
            for words in (("grant", "user:a", "x"), ("group", "add", "g", "user:a")):
                done = self.exits(DONE, "--json", *words, "--expires", "2033-05-18")
                self.assertIn(f"note: 2033-05-18 ends at {said}", done.stderr)
                made = json.loads(done.stdout)
                self.assertEqual(made.get("granted", [made])[0]["expires"], ends)

    def test_names_of_the_system_are_resolved(self):
        self.ok("own", "uid:daemon", "x")
        self.ok("own", "gid:daemon", "y")
        self.assertEqual(self.rules(), [("x", "uid:1", "own"), ("y", "gid:1", "own")])

    def test_a_user_that_is_also_a_local_account_is_noted(self):
        self.assertIn("uid:daemon", self.exits(DONE, "own", "user:daemon", "x").stderr)
        self.assertEqual(self.exits(DONE, "own", "user:no-such-account", "y").stderr, "")

    def test_names_are_bytes(self):
        self.ok("own", "user:a", b"x\xff\n")
        rule = self.json("ls")["rules"][0]
        self.assertEqual(bytes.fromhex(rule["path_hex"]), b"x\xff\n")
        self.assertIn(r"x\xff\x0a", self.ok("ls"))
        self.ok("own", "user:a", "größe")
        self.assertNotIn("path_hex", self.json("ls", "größe")["rules"][0])

    def test_a_hostile_name_forges_no_line(self):
        done = self.exits(DENIED, "drop", "x\ngrantctl: all is well\x1b[31m")
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertNotIn("\x1b", done.stderr)


class Groups(Case):
    def test_members_come_and_go(self):
        self.ok("group", "add", "staff", "user:a")
        self.ok("group", "add", "group:staff", "uid:7", "--expires", "7d")
        self.ok("group", "add", "all", "group:staff")
        self.assertEqual([(row["group"], row["member"]) for row in self.json("group", "ls")["members"]],
                         [("group:all", "group:staff"), ("group:staff", "uid:7"), ("group:staff", "user:a")])
        self.assertEqual(len(self.json("group", "ls", "staff")["members"]), 2)
        self.assertEqual(self.json("group", "rm", "staff", "user:a")["members"], 1)
        self.exits(DENIED, "group", "rm", "staff", "user:a")
        self.assertIn("group:staff", self.ok("group", "ls"))

    def test_only_groups_of_the_application_have_members(self):
        for group in ("user:a", "gid:0", "uid:root", "public", "a/b", ""):
            with self.subTest(group):
                self.exits(USAGE, "group", "add", group, "user:a")

    def test_a_group_is_no_member_of_itself(self):
        self.assertIn("'group:g' cannot be a member of itself", self.exits(USAGE, "group", "add", "g", "group:g").stderr)
        self.assertEqual(self.json("group", "ls")["members"], [])


class Sessions(Case):
    def test_the_token_is_printed_once_and_alone(self):
        output = self.ok("session", "create", "user:a", "--expires", "8h")
        self.assertRegex(output, r"\A[a-z2-7]{32}\n\Z")
        self.assertNotIn(output.strip(), self.ok("session", "ls") + self.ok("--json", "session", "ls"))
        self.assertNotIn(output.strip().encode(), b"".join(path.read_bytes() for path in self.database.parent.iterdir()))

    def test_a_token_that_cannot_be_delivered_leaves_no_session(self):
        """A full disk, a pipe that nobody reads, no standard output at all."""
        read_end, closed_pipe = os.pipe()
        os.close(read_end)
        self.addCleanup(os.close, closed_pipe)
        with open("/dev/full", "w") as full:
            for output in (full, closed_pipe):
                for options in ((), ("--json",), ("--token", "-")):
                    with self.subTest(output=output, options=options):
                        done = subprocess.run([GRANTCTL, "session", "create", "user:a", *options], stdout=output, stderr=subprocess.PIPE,
                                              input="ApplicationsOwnToken_0123456789\n", text=True, timeout=30, env=self.environment)
                        self.assertEqual(done.returncode, TROUBLE, done.stderr)
                        self.assertIn("removed", done.stderr)
        done = subprocess.run(["sh", "-c", '"$0" session create user:a >&-', GRANTCTL], stderr=subprocess.PIPE, text=True, timeout=30,
                              env=self.environment)
        self.assertEqual(done.returncode, TROUBLE, done.stderr)
        self.assertEqual(self.json("session", "ls")["sessions"], [])

    def test_json_has_the_token_and_the_id(self):
        document = self.json("session", "create", "user:a")
        self.assertRegex(document["token"], r"^[a-z2-7]{32}$")
        self.assertEqual([row["id"] for row in self.json("session", "ls")["sessions"]], [document["id"]])

    def test_an_applications_token_is_read_from_standard_input(self):
        token = "ApplicationsOwnToken_0123456789"
        done = self.exits(DONE, "session", "create", "user:a", "--token", "-", input=token + "\r\nignored\n")
        self.assertRegex(done.stdout, r"\A[0-9a-f]{64}\n\Z")
        self.assertNotIn("token", self.json("session", "create", "user:a", "--token", "-", input=token[::-1]))
        self.assertIn("allow", self.checked(token))
        again = self.exits(DENIED, "session", "create", "user:b", "--token", "-", input=token)
        self.assertNotIn(token, again.stdout + again.stderr)

    def checked(self, token):
        self.ok("grant", "user:a", "x")
        return self.ok("check", "session:-", "x", input=token)

    def test_bad_tokens_are_refused_and_not_repeated(self):
        for token in ("", "\n", "short", "with/slash/in/the/middle", "x" * 300):
            with self.subTest(token[:20]):
                done = self.exits(USAGE, "session", "create", "user:a", "--token", "-", input=token)
                if len(token) > 4:
                    self.assertNotIn(token, done.stderr)

    def test_sessions_end_by_id_by_prefix_by_token_and_by_principal(self):
        made = [self.json("session", "create", "user:a") for _ in range(5)]
        self.ok("session", "rm", made[0]["id"])
        self.ok("session", "rm", made[1]["id"][:16])
        self.ok("session", "rm", "-", input=made[2]["token"] + "\n")
        self.assertEqual(self.json("session", "rm", "--for", "user:a")["sessions"], 2)
        self.exits(DENIED, "session", "rm", made[0]["id"])
        self.exits(DENIED, "session", "rm", "-", input=made[2]["token"])
        self.exits(DENIED, "session", "rm", "--for", "user:a")
        self.exits(USAGE, "session", "rm")
        self.exits(USAGE, "session", "rm", "-", "--for", "user:a", input=made[0]["token"])

    def test_a_token_given_as_an_argument_is_refused_and_never_repeated(self):
        for token in (self.ok("session", "create", "user:a").strip(), "-Xy0123456789abcdefghij", "--abcdefghijklmnopqr"):
            for arguments in (["session", "rm", token], ["session", "rm", "x", token], ["session", "rm", "--", token],
                              ["session", "create", "user:a", "--token", token],
                              ["session", "create", "user:a", "--token=" + token], ["session", "create", token],
                              ["session", "create", "user:a", token], ["session", "ls", token], ["session", token],
                              ["check", token, "x"], ["check", "session:" + token, "x"], ["check", "session:-", "x", token],
                              ["grant", token, "x"], ["grant", "session:" + token, "x"], ["own", "session:" + token, "x"],
                              ["grant", "user:a", f"by-session/{token}/x"],
                              ["grant", "user:a", f"/mnt/by-session/{token}/x"],
                              ["grant", "user:a", f"/mnt/from/::1/by-link/{token}"],
                              ["grant", "user:a", f"../by-session/{token}/x"], ["status", token], [token]):
                with self.subTest(arguments):
                    done = self.exits(USAGE, *arguments, input="")
                    self.assertNotIn(token, done.stdout + done.stderr)


class JsonErrors(Case):
    def test_every_error_is_a_document(self):
        for status, kind, words in ((2, "usage", ("grant", "nonsense", "x")), (2, "usage", ("frobnicate",)), (2, "usage", ("own",)),
                                    (2, "usage", ("--expires=", "grant", "user:a", "x")), (1, "not_found", ("restore", str(self.top / "none"))),
                                    (3, "database", ("--db", str(self.top / "none/policy.db"), "ls")), (3, "system", ("status",))):
            with self.subTest(words):
                arguments = [*words[:2], "--json", *words[2:]] if words[0] == "--db" else ["--json", *words]
                done = self.exits(status, *arguments)
                document = json.loads(done.stdout)
                self.assertEqual(document["kind"], kind)
                self.assertIn(document["error"], done.stderr)

    def test_what_is_missing_is_an_error_in_the_result(self):
        for words in (("revoke", "user:a", "x"), ("drop", "x"), ("forget", "user:a"), ("mv", "x", "y"), ("group", "rm", "g", "user:a"),
                      ("session", "rm", "0" * 16), ("session", "rm", "--for", "user:a"), ("link", "rm", "0" * 16), ("key", "rm", "k1"),
                      ("key", "retire", "k1")):
            with self.subTest(words):
                done = self.exits(1, "--json", *words)
                document = json.loads(done.stdout)
                self.assertEqual(document["kind"], "not_found")
                self.assertIn(f"grantctl: {document['error']}\n", done.stderr)
        self.ok("own", "user:a", "x")
        self.assertNotIn("error", self.json("revoke", "user:a", "x"))

    def test_lack_of_memory_is_one(self):
        big = self.top / "big.conf"
        big.write_text("server {\n" + "location /a { return 404; }\n" * 60000 + "}\n")
        seen = 0
        for megabytes in range(24, 80, 4):
            done = subprocess.run(["prlimit", f"--as={megabytes << 20}", GRANTCTL, "--json", "webconf", "check", big], capture_output=True, text=True)
            if "bad_alloc" in done.stderr:
                seen += 1
                self.assertEqual((done.returncode, json.loads(done.stdout)["kind"]), (TROUBLE, "system"))
        self.assertGreater(seen, 0)

    def test_the_version_is_a_document(self):
        version = self.ok("--version").split()[1]
        for words in (("--json", "--version"), ("--version", "--json")):
            self.assertEqual(json.loads(self.ok(*words)), {"version": version})

    def test_what_is_text_alone_is_refused(self):
        for words in (("--json", "--help"), ("--help", "--json"), ("--json", "own", "--help"), ("--json", "metrics")):
            with self.subTest(words):
                done = self.exits(USAGE, *words)
                self.assertEqual(json.loads(done.stdout)["kind"], "usage")
                self.assertIn("--json", json.loads(done.stdout)["error"])

    def test_without_json_there_is_none(self):
        self.assertEqual(self.exits(2, "grant", "nonsense", "x").stdout, "")
