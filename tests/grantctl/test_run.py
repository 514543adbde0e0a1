"""grantctl run where no mount is needed: what it is told by daemons that are none, and what it makes of it."""

from fake_daemon import FakeDaemon
from grantctl_case import DENIED, TROUBLE, USAGE, Case

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"


class RunCase(Case):
    def setUp(self):
        super().setUp()
        self.started = self.top / "started"

    def daemon(self, **answer):
        daemon = FakeDaemon(self.database, answer=answer)
        self.addCleanup(daemon.close)
        daemon.may_answer.set()
        return daemon

    def run_touch(self, status):
        done = self.exits(status, "run", "--session", "-", "--", "touch", str(self.started), input=TOKEN + "\n")
        self.assertNotIn(TOKEN[:16], done.stdout + done.stderr)
        return done

    def test_it_starts_the_command_once_it_is_bound(self):
        daemon = self.daemon(ok=True, session=7)
        self.run_touch(0)
        self.assertEqual(daemon.requests, ["bind"])
        self.assertTrue(self.started.exists())

    def test_it_starts_nothing_that_is_not_bound(self):
        for status, answer in ((DENIED, {"ok": False, "error": "the token is none", "denied": True}),
                               (TROUBLE, {"ok": False, "error": "unknown command"}), (TROUBLE, {"error": "x", "denied": 7})):
            with self.subTest(answer):
                daemon = FakeDaemon(self.database, answer=answer)
                daemon.may_answer.set()
                try:
                    self.assertIn(answer["error"], self.run_touch(status).stderr)
                finally:
                    daemon.close()
                self.assertFalse(self.started.exists())

    def test_it_starts_nothing_without_a_daemon(self):
        self.assertIn("no daemon runs on", self.run_touch(TROUBLE).stderr)
        self.assertFalse(self.started.exists())

    def test_what_is_behind_the_dashes_is_the_commands_alone(self):
        self.daemon(ok=True)
        words = ("--help", "", "--json", "own", "[a,b]", "--", "--db", "-x")
        done = self.exits(0, "--json", "--db", str(self.database), "run", "--session", "-", "--", "printf", "<%s>", *words,
                          input=TOKEN)
        self.assertEqual(done.stdout, "".join(f"<{word}>" for word in words))

    def test_a_path_called_run_is_none(self):
        self.ok("own", "--", "user:run", "run")
        self.assertEqual(self.rules(), [("run", "user:run", "own")])

    def test_usage(self):
        self.daemon(ok=True)
        for words in (("run",), ("run", "--session", "-"), ("run", "--session", "-", "--"), ("run", "--session", TOKEN, "--", "true"),
                      ("run", "--", "true"), ("run", "--session", "-", "true"), ("run", "--session=", "--", "true")):
            with self.subTest(words):
                self.assertNotIn(TOKEN, self.exits(USAGE, *words, input=TOKEN).stderr)
        self.assertIn("no token", self.exits(USAGE, "run", "--session", "-", "--", "true", input="\n").stderr)

    def test_what_is_bound_is_listed_where_a_daemon_says(self):
        self.ok("session", "create", "user:a", "--token", "-", input=TOKEN)
        self.assertNotIn("processes", self.json("session", "ls")["sessions"][0])
        identity = self.json("session", "ls")["sessions"][0]["id"]
        daemon = self.daemon(ok=True, bindings=[{"session": 12, "id": identity}, {"session": 9, "id": identity}, {"session": 3, "id": "x"}])
        self.assertEqual(self.json("session", "ls")["sessions"][0]["processes"], [9, 12])
        self.assertRegex(self.ok("session", "ls"), r"PROCESSES\n.* 9 12\n")
        self.assertEqual(daemon.requests, ["bindings"] * 2)
