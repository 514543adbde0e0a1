"""Binding a session of processes to a token: the daemon's side of it, and `grantctl run`."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

from bound import ProcessTest, ask, bind
from fixture import REPORT, read
from harness import GRANTCTL, PATIENCE_SECONDS, end_with_parent, outcome, token_id, wait_for


class Binding(ProcessTest):
    OPTIONS = "loglevel=debug"

    def leader(self, token, leads=True):
        """A process that leads a session, if it `leads`, and asks to be bound: what it was answered, and how to end it."""
        answer_read, answer_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                end_with_parent()
                if leads:
                    os.setsid()
                os.write(answer_write, json.dumps(bind(str(self.site.control), token)).encode())
                os.close(answer_write)
                signal.pause()
            os._exit(0)
        os.close(answer_write)

        def end():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

        self.addCleanup(end)
        with open(answer_read) as answer:
            return json.loads(answer.read()), end

    def test_so_many_sessions_and_no_more(self):
        """Promise 15: 256 sessions are bound, the next is refused until one has ended; descriptors stay few."""
        ends = []
        for _ in range(256):
            answer, end = self.leader(self.carol_token)
            self.assertTrue(answer["ok"], answer)
            ends.append(end)
        refused, _ = self.leader(self.carol_token)
        self.assertEqual(refused["ok"], False)
        self.assertIn("256", refused["error"])
        self.assertLess(len(os.listdir(f"/proc/{self.site.daemon_pid}/fd")), 350)
        self.assertEqual(len(ask(str(self.site.control), {"command": "bindings"})["bindings"]), 256)
        ends[7]()
        self.assertTrue(self.leader(self.carol_token)[0]["ok"])
        self.assertEqual(outcome(read, self.by_session(self.alice_token, "alice/report.txt")), "OK")

    def test_whom_the_daemon_does_not_bind(self):
        """Promise 1: who does not lead a session, and tokens that are no live session's; and it does not repeat them."""
        bound_to_address = self.site.sql_session("user:carol", address="127.0.0.0/8")
        expired = self.site.sql_session("user:carol", expires=1)
        for token, leads, denied in ((self.carol_token, False, False), ("q" * 32, True, True), ("", True, True),
                                     (expired, True, True), (bound_to_address, True, True), ("x" * 5000, True, True)):
            answer, _ = self.leader(token, leads)
            self.assertEqual((answer["ok"], answer.get("denied", False)), (False, denied), answer)
            if token:
                self.assertNotIn(token[:16], answer["error"])
        for request in ({"command": "bind"}, {"command": "bind", "token": 7}, {"command": "bind", "token": None}):
            self.assertEqual(ask(str(self.site.control), request)["ok"], False)
        self.assertEqual(ask(str(self.site.control), {"command": "bindings"}), {"ok": True, "bindings": []})

    def test_where_there_is_no_view_of_processes_nothing_is_bound_nor_started(self):
        """Promise 1: the command would see the view of its uid instead, and more than the session may."""
        self.site.umount()
        self.site.mount("views=me:by-session:by-uid:public")
        self.addCleanup(self.site.umount)
        started = self.site.root / "started"
        done = self.site.grantctl("run", "--session", "-", "--", "touch", started, input=self.carol_token, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("the mount has no by-process", done.stderr)
        self.assertFalse(started.exists())
        answer, _ = self.leader(self.carol_token)
        self.assertEqual((answer["ok"], answer.get("denied", False)), (False, False), answer)
        self.assertEqual(ask(str(self.site.control), {"command": "bindings"})["bindings"], [])

    def test_sessions_are_listed_with_their_processes(self):
        """Promise 5: to administrators alone, by the socket's mode; by the hash of the token."""
        first, second = self.bound(), self.bound()
        listed = json.loads(self.site.grantctl("--json", "session", "ls").stdout)["sessions"]
        (row,) = [row for row in listed if row["id"] == token_id(self.carol_token)]
        self.assertEqual(sorted(row["processes"]), sorted([first.pid, second.pid]))
        self.assertEqual([row["processes"] for row in listed if row["principal"] == "user:dave"], [[]])
        text = self.site.grantctl("session", "ls").stdout
        self.assertRegex(text.splitlines()[0], r" PROCESSES$")
        self.assertRegex(text, rf"user:carol .* {min(first.pid, second.pid)} {max(first.pid, second.pid)}\n")
        self.site.umount()
        self.assertNotIn("PROCESSES", self.site.grantctl("session", "ls").stdout)
        self.assertNotIn("processes", self.site.grantctl("--json", "session", "ls").stdout)

    def test_the_token_is_nowhere(self):
        """Promise 11: in no log, no process list, no environment, nor in the memory of what runs."""
        carol = self.bound()
        self.assertEqual(carol.call(read, self.report), REPORT)
        token = self.carol_token.encode()
        for refused in ("forged" + "q" * 26, self.carol_token + "!"):
            done = self.site.grantctl("run", "--session", "-", "--", "true", input=refused, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertNotIn(refused[:16], done.stdout + done.stderr)
        for pid in (carol.pid, carol.run.pid, self.site.daemon_pid):
            for name in ("cmdline", "environ", "comm"):
                self.assertNotIn(token[:16], pathlib.Path(f"/proc/{pid}/{name}").read_bytes())
        for pid in (carol.pid, carol.run.pid):
            self.assertEqual([place for place, data in memory(pid) if token in data], [], pid)
        listed = ask(str(self.site.control), {"command": "bindings"})
        self.assertEqual(listed["bindings"], [{"session": carol.pid, "id": token_id(self.carol_token)}])
        self.site.umount()
        self.assertNotIn(token[:16], self.site.log().encode())

    def test_a_process_that_the_daemon_does_not_see_is_in_no_session(self):
        """Promise 6: a daemon in a pid namespace of its own is told 0 of those outside, which is no process."""
        self.site.umount()
        daemon = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *self.site.command(foreground=True)],
                                  stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=end_with_parent)
        self.addCleanup(daemon.wait, PATIENCE_SECONDS)
        wait_for(lambda: daemon.poll() is not None or self.site.answers(), what="the mount to answer")
        self.addCleanup(self.site.umount)
        answer = ask(str(self.site.control), {"command": "bind", "token": self.carol_token})
        self.assertEqual(answer["ok"], False)
        self.assertIn("cannot tell which process asks", answer["error"])
        self.assertEqual(self.done_by_grantctl(), 3)
        self.assertEqual(os.readlink(self.me), "by-uid/0")
        for name in ("0", "1", os.getsid(0), os.getpid()):
            self.assertEqual(outcome(os.stat, self.by_process(name)), "EACCES", name)

    def done_by_grantctl(self):
        return self.site.grantctl("run", "--session", "-", "--", "true", input=self.carol_token, check=False).returncode


def memory(pid):
    """What a process can write to, piece by piece: where, and the bytes."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as data:
        for line in maps:
            begin, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if not mode.startswith("rw"):
                continue
            with contextlib.suppress(OSError):
                data.seek(int(begin, 16))
                yield line, data.read(int(end, 16) - int(begin, 16))


class Run(ProcessTest):
    """`grantctl run` as a command among others."""

    def begin(self, *command, token=None, input=b"", **kwargs):
        words = [GRANTCTL, "--db", self.site.db, "run", "--session", "-", "--", *command]
        run = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=self.site.environment, **kwargs)
        self.addCleanup(self.end, run)
        run.stdin.write((token or self.carol_token).encode() + b"\n" + input)
        run.stdin.flush()
        return run

    @staticmethod
    def end(run):
        if run.poll() is None:
            run.terminate()
        run.communicate(timeout=PATIENCE_SECONDS)

    def done(self, *command, **kwargs):
        run = self.begin(*command, **kwargs)
        out, err = run.communicate(timeout=PATIENCE_SECONDS)
        return run.returncode, out.decode(), err.decode()

    def test_a_command_reads_what_the_session_may(self):
        """Promise 1: by me, with its arguments as they were written."""
        self.assertEqual(self.done("cat", str(self.report)), (0, REPORT.decode(), ""))
        self.assertEqual(self.done("printf", "%s,", "", "--json", "own", "[a,b]", "--", "-"), (0, ",--json,own,[a,b],--,-,", ""))

    def test_the_rest_of_standard_input_is_the_commands(self):
        """Promise 11: all of it behind the token's line, and not the token."""
        self.assertEqual(self.done("cat", input=b"first\nsecond"), (0, "first\nsecond", ""))

    def test_it_ends_as_its_command_does(self):
        """As env(1) has it."""
        self.assertEqual(self.done("sh", "-c", "exit 7")[0], 7)
        self.assertEqual(self.done("sh", "-c", "kill -KILL $$")[0], 128 + signal.SIGKILL)
        status, _, said = self.done("/no/such/program")
        self.assertEqual((status, said), (127, "grantctl: cannot execute '/no/such/program': No such file or directory\n"))
        self.assertEqual(self.done(str(self.site.store))[0], 126)

    def test_signals_reach_the_command_and_it_is_waited_for(self):
        """SIGINT, SIGTERM, SIGHUP and SIGQUIT; grantctl does not end before what it runs."""
        script = "trap 'echo had; sleep 0.2; exit 5' INT TERM HUP QUIT; echo ready; while :; do sleep 0.05; done"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            run = self.begin("sh", "-c", script, restore_signals=True)
            self.assertEqual(run.stdout.readline(), b"ready\n")
            run.send_signal(number)
            self.assertEqual(run.stdout.readline(), b"had\n")
            self.assertIsNone(run.poll())
            self.assertEqual(run.wait(PATIENCE_SECONDS), 5)

    def test_the_command_has_no_descriptor_of_ours(self):
        """Promise 11: standard input, output and error, and the folder that ls itself reads."""
        self.assertEqual(self.done("ls", "/proc/self/fd")[1].split(), ["0", "1", "2", "3"])

    def test_the_command_outlives_a_grantctl_that_is_killed(self):
        """And so does its view."""
        run = self.begin("sh", "-c", f"echo $$; read word; cat {self.report}")
        leader = int(run.stdout.readline())
        self.assertNotEqual(leader, run.pid)
        run.kill()
        run.wait(PATIENCE_SECONDS)
        run.stdin.write(b"go on\n")
        run.stdin.flush()
        self.assertEqual(run.stdout.read(), REPORT)

    def test_a_refused_token_starts_nothing(self):
        """Promise 1: nor does a line that cannot be a token."""
        started = self.site.root / "started"
        bound_to_address = self.site.sql_session("user:carol", address="127.0.0.1")
        for token in ("q" * 32, self.site.sql_session("user:carol", expires=1), bound_to_address, "short", "x" * 300, "a b" * 10):
            status, _, said = self.done("touch", str(started), token=token)
            self.assertEqual(status, 1, said)
            self.assertRegex(said, r"\Agrantctl: .*token")
            if len(token) > 16:
                self.assertNotIn(token[:16], said)
        self.assertFalse(started.exists())

    def test_what_is_wrong_with_the_command_line(self):
        """Promise 11: a token as an argument is refused, and not repeated."""
        for words in (("run", "--", "true"), ("run", "--session", self.carol_token, "--", "true"), ("run", "--session", "-"),
                      ("run", "--session", "-", "--"), ("run", "--session", "-", "true")):
            done = self.site.grantctl(*words, input=self.carol_token, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertRegex(done.stderr, r"\Agrantctl: ")
            self.assertNotIn(self.carol_token[:16], done.stderr)
        self.assertEqual(self.site.grantctl("run", "--session", "-", "--", "true", input="", check=False).returncode, 2)

    def test_without_a_daemon_nothing_is_started(self):
        """Promise 1: nor when one of two does not bind it."""
        started = self.site.root / "started"
        with self.site.stopped():
            status, _, said = self.done("touch", str(started))
        self.assertEqual((status, started.exists()), (3, False), said)
        self.assertIn(str(self.site.mountpoint), said)
        self.site.umount()
        status, _, said = self.done("touch", str(started))
        self.assertEqual((status, started.exists()), (3, False), said)
        self.assertIn("no daemon runs on", said)
