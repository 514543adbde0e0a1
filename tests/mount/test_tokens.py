"""Promise 11: tokens are at rest only as SHA-256, and appear in nothing that we write or show."""

import base64
import os
import resource
import socket
import stat
import subprocess

from fixture import TwoUsersTest, names, read
from harness import as_user, decided_anew, outcome, token_id, wait_for


class Tokens(TwoUsersTest):
    OPTIONS = "loglevel=debug"

    def setUp(self):
        super().setUp()
        self.token = self.site.session("user:carol")
        self.site.grantctl("grant", "user:carol", "alice")

    def use(self):
        """Good, refused, guessed, and in trouble: every way a token could get into a message."""
        self.forged = "forged" + "q" * 26
        self.expired = self.site.sql_session("user:carol", expires=1)
        self.assertEqual(outcome(read, self.by_session(self.token, "alice/report.txt")), "OK")
        names(self.by_session(self.token, "alice"))
        for token in (self.forged, self.expired, self.token):
            for path in (self.by_session(token), self.by_session(token, "alice/report.txt"), self.by_session(token, "bob/secret.txt"),
                         self.site.path("public", token), self.site.path("by-uid", token)):
                outcome(read, path)
                outcome(os.listdir, path)
                outcome(os.open, path, os.O_WRONLY)
        os.chmod(self.site.db, 0o602)
        for token in (self.forged, self.expired, self.token):
            wait_for(lambda path=self.by_session(token, "alice/report.txt"): outcome(read, path) == "EACCES", what="trouble to deny")
        os.chmod(self.site.db, 0o600)
        return self.forged, self.expired, self.token

    def assert_no_token_in(self, data, what):
        data = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        for token in (self.forged, self.expired, self.token):
            for form in (token.encode(), base64.b64encode(token.encode()).rstrip(b"="), token.encode().hex().encode(), token[:16].encode()):
                self.assertNotIn(form, data, what)

    def test_they_are_in_no_log(self):
        """Promise 11: at the most talkative level, in trouble too."""
        self.use()
        self.site.umount()
        self.assertIn("grantfs", self.site.log())
        self.assertIn("denied", self.site.log(), "the trouble was not logged at all: nothing was tested")
        self.assert_no_token_in(self.site.log(), "the log")

    def test_they_are_in_no_database_file(self):
        """Promise 11: main file, -wal and -shm hold the hash alone."""
        self.use()
        found = b"".join(path.read_bytes() for path in self.site.db.parent.rglob("*") if path.is_file())
        self.assertIn(token_id(self.token).encode(), found)
        self.assert_no_token_in(found, "the database's files")

    def test_they_are_in_no_status_listing_or_explanation(self):
        """Promise 11: by the control socket and by every command that shows sessions."""
        self.use()
        for command in (["status"], ["--json", "status"], ["session", "ls"], ["--json", "session", "ls"], ["ls"], ["--json", "ls"]):
            done = self.site.grantctl(*command, check=False)  # the daemon tells of the trouble, by its exit status too
            self.assert_no_token_in(done.stdout + done.stderr, command)
        for check in (["check", "session:-", "alice/report.txt"], ["--json", "check", "session:-", "bob/secret.txt"]):
            done = self.site.grantctl(*check, input=self.token, check=False)
            self.assert_no_token_in(done.stdout + done.stderr, check)

    def test_they_are_in_no_error_message(self):
        """Promise 11: a token given where none belongs is not repeated."""
        self.use()
        for command in (["session", "rm", "-"], ["session", "create", "user:x", "--token", "-"], ["check", "session:-", "x"]):
            for token in (self.forged, self.token + "\n" + self.token, self.token + "!"):
                done = self.site.grantctl(*command, input=token, check=False)
                self.assert_no_token_in(done.stderr, command)
        done = self.site.grantctl("session", "create", "user:x", "--token", self.forged, check=False)
        self.assertEqual(done.returncode, 2, "a token as an argument is a usage error")
        self.assert_no_token_in(done.stderr + done.stdout, "a token as an argument")

    def test_they_are_in_no_process_list(self):
        """Promise 11: neither arguments, environment nor thread names, of any process."""
        self.use()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            for name in ("cmdline", "comm"):
                try:
                    with open(f"/proc/{entry}/{name}", "rb") as file:
                        self.assert_no_token_in(file.read(), f"{entry}/{name}")
                except (FileNotFoundError, ProcessLookupError):
                    pass
        pid = self.site.daemon_pid
        for name in ("environ", "maps", "mountinfo"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                self.assert_no_token_in(file.read(), name)
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/comm", "rb") as file:
                self.assert_no_token_in(file.read(), "a thread's name")

    def test_they_get_into_no_core(self):
        """Promise 11: RLIMIT_CORE 0, and not dumpable: without CAP_SYS_PTRACE nobody looks inside."""
        pid = self.site.daemon_pid
        self.assertEqual(resource.prlimit(pid, resource.RLIMIT_CORE), (0, 0))

        def may_look_inside(target):
            command = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", "readlink", f"/proc/{target}/exe"]
            return subprocess.run(command, capture_output=True).returncode == 0

        bystander = subprocess.Popen(["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", "sleep", "100"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        wait_for(lambda: may_look_inside(bystander.pid), what="anybody to be able to look at anything")
        self.assertFalse(may_look_inside(pid))

    def test_a_token_is_printed_once_when_made(self):
        """Promise 11: 32 characters of [a-z2-7], on standard output alone."""
        done = self.site.grantctl("session", "create", "user:carol")
        self.assertRegex(done.stdout, r"\A[a-z2-7]{32}\n\Z")
        self.assertNotIn(done.stdout.strip(), done.stderr)
        self.assertNotEqual(done.stdout.strip(), self.token)


class Control(TwoUsersTest):
    def test_a_stranger_cannot_speak_to_the_daemon(self):
        """Promise 5: the socket is closed to whoever does not administer."""
        mode = os.stat(self.site.control)
        self.assertTrue(stat.S_ISSOCK(mode.st_mode))
        self.assertEqual(stat.S_IMODE(mode.st_mode) & 0o007, 0)
        for uid in (self.stranger, self.alice, 33):
            self.assertEqual(as_user(uid, outcome, connect, str(self.site.control)), "EACCES")
        self.assertEqual(outcome(connect, str(self.site.control)), "OK")

    def test_nonsense_on_the_socket_disturbs_nobody(self):
        """Promise 6: half requests, long ones, binary, and connections that say nothing and stay."""
        quiet = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        for one in quiet:
            self.addCleanup(one.close)
            one.settimeout(0.5)
            with_error = outcome(one.connect, str(self.site.control))
            self.assertIn(with_error, ("OK", "EAGAIN"))
        for data in (b"\n", b"{", b"null\n", b"[]\n", b'{"command": 7}\n', b'{"command": "recall"}\n', os.urandom(1000), b"x" * 1_000_000):
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(0.5)
                if outcome(one.connect, str(self.site.control)) == "OK":
                    outcome(one.sendall, data)
        for one in quiet:
            one.close()
        self.assertEqual(self.site.status()["pid"], self.site.daemon_pid)
        self.assertEqual(outcome(read, self.by_session(self.alice_token, "alice/report.txt")), "OK")

    @decided_anew
    def test_status_says_what_the_daemon_is(self):
        """The counters that other cases rest on move as they should."""
        before = self.site.status()
        self.assertEqual((before["store"], before["mountpoint"], before["database"], before["enforce"]),
                         (str(self.site.store), str(self.site.mountpoint), str(self.site.db), "open"))
        self.assertGreaterEqual(before["uptime_seconds"], 0)
        read(self.by_session(self.alice_token, "alice/report.txt"))
        outcome(read, self.by_session(self.alice_token, "bob/secret.txt"))
        after, before = self.site.counters(), before["counters"]
        self.assertGreaterEqual(after["lookups"] - before["lookups"], 6)
        self.assertEqual(after["opens"] - before["opens"], 1)
        self.assertGreaterEqual(after["denials"] - before["denials"], 1)
        self.assertEqual(after["errors"], before["errors"])


def connect(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)
