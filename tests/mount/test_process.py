"""The view of a session of processes: by-process, and `grantctl run`."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

from fixture import REPORT, SECRET, TwoUsersTest, names, read
from harness import (GRANTCTL, PATIENCE_SECONDS, Actor, _libc, become, outcome, token_id, wait_for, with_io_uring)
from test_isolation import probe_all

HERE = pathlib.Path(__file__).resolve().parent
PR_SET_PDEATHSIG = 1


class Bound(Actor):
    """An Actor that `grantctl run` has started: it leads a session that is bound to the token."""

    def __init__(self, site, token, uid=0, grantctl=GRANTCTL):
        serve = f"import harness, test_process; harness.become({uid}); harness.Actor._serve(0, 1)"
        self.uid = uid
        self.run = subprocess.Popen(
            [grantctl, "--db", site.db, "run", "--session", "-", "--", sys.executable, "-B", "-c", serve],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=site.environment | {"PYTHONPATH": f"{HERE.parent}:{HERE}"})
        self._requests, self._answers = self.run.stdin, self.run.stdout
        self._requests.write(token.encode() + b"\n")
        self.pid = self.call(os.getpid)

    def close(self):
        for end in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                end.close()
        self.run.wait(PATIENCE_SECONDS)


class Remote(Actor):
    """An Actor at the other end of a Unix socket."""

    def __init__(self, connection):
        self._requests, self._answers = connection.makefile("wb"), connection.makefile("rb")
        connection.close()
        self.pid = self.call(os.getpid)

    def close(self):
        for end in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                end.close()


# --- what the processes of a session do, called there by name -----------------------------------------------------------------


def leave_another(address, own_session=False):
    """Forks a process that serves as an Actor at the address, whatever becomes of its parent."""
    if os.fork():
        return
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            if own_session:
                os.setsid()
            connection.connect(address)
            Actor._serve(os.dup(connection.fileno()), os.dup(connection.fileno()))
    finally:
        os._exit(0)


def send_folder(address, path, flags):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        folder = os.open(path, flags)
        socket.send_fds(connection, [b"x"], [folder])
        os.close(folder)


def in_a_thread(function, *args):
    results = []
    thread = threading.Thread(target=lambda: results.append((threading.get_native_id(), outcome(function, *args))))
    thread.start()
    thread.join()
    return results[0]


def ask(control, request):
    """What the daemon answers to this process."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(control)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as answer:
            return json.loads(answer.readline())


def bind(control, token):
    return ask(control, {"command": "bind", "token": token})


def hold(path):
    """Opens a folder and keeps it."""
    return os.open(path, os.O_RDONLY)


class ProcessTest(TwoUsersTest):
    """With sessions of carol, who may read alice's folder, and dave, who may read bob's."""

    def setUp(self):
        super().setUp()
        self.grant("user:carol", "alice")
        self.grant("user:dave", "bob")
        self.carol_token = self.site.sql_session("user:carol")
        self.dave_token = self.site.sql_session("user:dave")
        self.me = self.site.path("me")
        self.report = self.site.path("me", "alice/report.txt")

    def bound(self, token=None, **kwargs):
        bound = Bound(self.site, token or self.carol_token, **kwargs)
        self.addCleanup(bound.close)
        return bound

    def by_process(self, sid, *parts):
        return self.site.path("by-process", sid, *parts)

    def accept(self, start):
        """The connection that start(address) makes."""
        with socket.socket(socket.AF_UNIX) as listener:
            address = str(self.site.root / "meet.sock")
            listener.settimeout(PATIENCE_SECONDS)
            listener.bind(address)
            try:
                listener.listen()
                start(address)
                return listener.accept()[0]
            finally:
                os.unlink(address)

    def another(self, bound, **kwargs):
        """Another process of that session, which survives its leader."""
        remote = Remote(self.accept(lambda address: bound.call(leave_another, address, **kwargs)))
        self.addCleanup(remote.close)
        return remote


class Views(ProcessTest):
    def test_me_leads_a_bound_session_to_its_tokens_view(self):
        """Promise 1: what the token's principal may read, and nothing else; others' me is as it was."""
        carol, dave = self.bound(), self.bound(self.dave_token)
        self.assertEqual(carol.call(os.getsid, 0), carol.pid)
        self.assertEqual(carol.call(os.readlink, self.me), f"by-process/{carol.pid}")
        self.assertEqual(dave.call(os.readlink, self.me), f"by-process/{dave.pid}")
        for _ in range(3):
            self.assertEqual(carol.call(read, self.report), REPORT)
            self.assertEqual(dave.call(read, self.site.path("me", "bob/secret.txt")), SECRET)
        self.assertEqual(carol.call(names, self.me), ["alice", "open"])
        self.assertEqual(carol.outcome(read, self.site.path("me", "bob/secret.txt")), "ENOENT")
        self.assertEqual(dave.outcome(read, self.report), "ENOENT")
        self.assertEqual(os.readlink(self.me), "by-uid/0")
        self.assertEqual(self.actor(self.alice).call(os.readlink, self.me), f"by-uid/{self.alice}")

    def test_its_attributes_are_those_of_any_view(self):
        """Promise 1: folders 0555, files 0444; a folder is another inode than in by-session."""
        carol = self.bound()
        for path, mode in ((self.by_process(carol.pid), stat.S_IFDIR | 0o555), (self.site.path("me", "alice"), stat.S_IFDIR | 0o555),
                           (self.report, stat.S_IFREG | 0o444)):
            self.assertEqual(carol.call(os.stat, path).st_mode, mode)
        self.assertNotEqual(carol.call(os.stat, self.by_process(carol.pid, "alice")).st_ino,
                            os.stat(self.by_session(self.carol_token, "alice")).st_ino)

    def test_the_folder_of_the_views_tells_nothing(self):
        """Promises 5 and 8: not listed; bound to another, not bound and nonsense are the same."""
        carol, dave, alice = self.bound(), self.bound(self.dave_token), self.actor(self.alice)
        self.assertEqual(stat.S_IMODE(os.stat(self.site.path("by-process")).st_mode), 0o711)
        self.assertEqual(alice.call(os.getsid, 0), os.getsid(0))
        others = ["0", "1", "x", "-1", "00", "4294967296", "18446744073709551617", "é", "x" * 255, self.carol_token, os.getsid(0), dave.pid]
        for actor in (carol, alice):
            self.assertEqual(actor.outcome(os.listdir, self.site.path("by-process")), "EACCES")
            for name in (*others, f"0{carol.pid}", f" {carol.pid}", f"{carol.pid}0", f"+{carol.pid}"):
                self.assertEqual(actor.outcome(os.stat, self.by_process(name)), "EACCES", name)
        self.assertEqual(outcome(os.listdir, self.site.path("by-process")), "EACCES")
        self.assertIn("by-process", names(self.site.mountpoint))

    def test_strangers_are_refused_warm_and_cold(self):
        """Promises 6 and 8: another session of the same uid, another uid, root; straight after its own processes."""
        carol = self.bound(uid=self.alice)
        same_uid, other, dave = self.actor(self.alice), self.actor(self.bob), self.bound(self.dave_token, uid=self.alice)
        hers = [self.by_process(carol.pid, *parts) for parts in ((), ("alice",), ("alice/report.txt",), ("open/welcome.txt",))]
        carol.call(os.chdir, self.me / "alice")
        for _ in range(5):
            for path in hers:
                carol.call(os.stat, path)
                carol.outcome(read, path)
                for stranger in (same_uid, other, dave):
                    self.assertEqual(stranger.call(probe_all, path), {"EACCES"}, path)
                self.assertEqual(probe_all(path), {"EACCES"}, path)
            self.assertEqual(carol.call(read, "report.txt"), REPORT)

    def test_a_stranger_with_a_folder_of_it_may_look_up_nothing(self):
        """Promise 6: a descriptor sent over a socket is what it is; names below it are for the session alone."""
        carol = self.bound()
        for flags in (os.O_RDONLY, os.O_PATH):
            connection = self.accept(lambda address: carol.call(send_folder, address, self.me / "alice", flags))
            with connection:
                folder = socket.recv_fds(connection, 1, 1)[1][0]
            self.addCleanup(os.close, folder)
            self.assertEqual(carol.call(read, self.report), REPORT)
            for name in ("report.txt", "deep", "deep/er/note.txt", "missing", "../open"):
                for way in (os.O_RDONLY, os.O_PATH):
                    self.assertEqual(outcome(os.open, name, way, dir_fd=folder), "EACCES", name)
                self.assertEqual(outcome(os.stat, name, dir_fd=folder), "EACCES", name)
            self.assertEqual(outcome(os.listdir, f"/proc/self/fd/{folder}"), "EACCES")
        inside = f"/proc/{carol.pid}/cwd"
        carol.call(os.chdir, self.me / "alice")
        self.assertEqual(outcome(os.stat, f"{inside}/report.txt"), "EACCES")

    def test_every_process_and_thread_of_the_session_is_in_it(self):
        """Promise 6: and one that begins a session of its own is not, not even below its working directory."""
        carol = self.bound()
        carol.call(os.chdir, self.me / "alice")
        thread, answer = carol.call(in_a_thread, read, self.report)
        self.assertEqual((thread == carol.pid, answer), (False, "OK"))
        child = self.another(carol)
        self.assertEqual((child.call(read, self.report), child.call(read, "report.txt")), (REPORT, REPORT))
        gone = self.another(carol, own_session=True)
        self.assertEqual(gone.call(os.readlink, self.me), "by-uid/0")
        self.assertEqual(gone.call(probe_all, self.by_process(carol.pid)), {"EACCES"})
        self.assertEqual(gone.outcome(os.stat, "report.txt"), "EACCES")
        self.assertEqual(gone.outcome(os.listdir, "."), "EACCES")

    def test_nothing_of_it_is_lent(self):
        """Promise 6: each step is asked for, though the mount lends."""
        carol = self.bound()
        carol.call(read, self.report)
        before = self.site.counters()["upcalls_lookup"]
        for _ in range(10):
            carol.call(read, self.report)
        self.assertGreaterEqual(self.site.counters()["upcalls_lookup"] - before, 30)


class Ends(ProcessTest):
    def assert_refused(self, process, what=None):
        self.assertEqual(process.call(probe_all, self.by_process(process.call(os.getsid, 0))), {"EACCES"}, what)
        self.assertEqual(process.outcome(read, self.report), "EACCES", what)
        self.assertEqual(process.outcome(os.stat, "report.txt"), "EACCES", what)  # in a working directory that it holds
        self.assertEqual(process.outcome(os.listdir, "."), "EACCES", what)

    def settled(self, **kwargs):
        carol = self.bound(**kwargs)
        carol.call(os.chdir, self.me / "alice")
        self.assertEqual(carol.call(read, "report.txt"), REPORT)
        return carol

    def test_with_the_token_at_once(self):
        """Promise 2: when `grantctl session rm` has returned; what is open stays open."""
        carol, dave = self.settled(), self.bound(self.dave_token)
        open_already = carol.call(os.open, "report.txt", os.O_RDONLY)
        self.site.grantctl("session", "rm", "-", input=self.carol_token)
        self.assert_refused(carol)
        self.assertEqual(carol.call(os.pread, open_already, 100, 0), REPORT)
        self.assertEqual(carol.call(os.readlink, self.me), f"by-process/{carol.pid}", "it must not become somebody else")
        self.assertEqual(dave.call(read, self.site.path("me", "bob/secret.txt")), SECRET)

    def test_with_what_was_granted(self):
        """Promise 2: inside the view it is missing then, and the view is there still."""
        carol = self.settled()
        self.site.grantctl("revoke", "user:carol", "alice")
        self.assertEqual(carol.outcome(read, self.report), "ENOENT")
        self.assertEqual(carol.outcome(os.stat, "report.txt"), "ENOENT")
        self.assertEqual(carol.call(names, self.me), ["open"])

    def test_with_the_tokens_expiry(self):
        """Promise 3: at its time, not before."""
        expires = int(time.time()) + 3
        carol = self.settled(token=self.site.sql_session("user:carol", expires=expires))
        wait_for(lambda: carol.outcome(read, self.report) == "EACCES", what="the expiry")
        self.assertGreaterEqual(time.time(), expires)
        self.assert_refused(carol)

    def test_with_the_leader_for_those_who_are_left(self):
        """Promise 1: whoever survives it is refused, and is not taken for his uid."""
        carol = self.settled()
        left = self.another(carol)
        self.assertEqual(left.call(read, "report.txt"), REPORT)
        os.kill(carol.pid, signal.SIGKILL)
        self.assertEqual(carol.run.wait(PATIENCE_SECONDS), 128 + signal.SIGKILL)
        self.assert_refused(left)
        self.assertEqual(left.call(os.readlink, self.me), f"by-process/{carol.pid}")
        self.assertEqual(self.sessions()[token_id(self.carol_token)], [])

    def sessions(self):
        return {session["id"]: session["processes"]
                for session in json.loads(self.site.grantctl("--json", "session", "ls").stdout)["sessions"]}

    def test_with_another_binding_of_the_same_session(self):
        """Promise 6: a leader may be bound anew; what it holds of its former view leads nowhere."""
        carol = self.settled()
        folder = carol.call(hold, ".")
        self.assertEqual(carol.call(bind, str(self.site.control), self.dave_token), {"ok": True, "session": carol.pid})
        self.assertEqual(carol.call(read, self.site.path("me", "bob/secret.txt")), SECRET)
        self.assertEqual(carol.outcome(os.stat, "report.txt"), "EACCES")
        self.assertEqual(carol.outcome(os.stat, "report.txt", dir_fd=folder), "EACCES")
        self.assertEqual(carol.outcome(read, self.report), "ENOENT")
        self.assertEqual(self.sessions()[token_id(self.dave_token)], [carol.pid])
        self.assertEqual(self.sessions()[token_id(self.carol_token)], [])

    def test_a_process_that_is_given_the_leaders_number_is_a_stranger(self):
        """Promise 6: the number of a session that was bound and is over says nothing."""
        last = pathlib.Path("/proc/sys/kernel/ns_last_pid")
        if not os.access(last, os.W_OK):
            self.skipTest("this kernel does not let a test choose a process's number")
        carol = self.settled()
        os.kill(carol.pid, signal.SIGKILL)
        carol.run.wait(PATIENCE_SECONDS)

        def take_its_number():
            last.write_text(str(carol.pid - 1))
            read_end, write_end = os.pipe()
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(BaseException):
                    os.setsid()
                    answers = [outcome(os.stat, self.by_process(carol.pid)), os.readlink(self.me)]
                    os.write(write_end, json.dumps(answers).encode())
                os._exit(0)
            os.close(write_end)
            with open(read_end) as answers:
                said = answers.read()
            os.waitpid(pid, 0)
            return said if pid == carol.pid else None  # others begin processes, too

        self.assertEqual(json.loads(wait_for(take_its_number)), ["EACCES", "by-uid/0"])


class Binding(ProcessTest):
    OPTIONS = "loglevel=debug"

    def leader(self, token, leads=True):
        """A process that leads a session, if it `leads`, and asks to be bound: what it was answered, and how to end it."""
        answer_read, answer_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
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
            self.assertNotIn(token[:16], said.replace("short", "")) if len(token) > 5 else None
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
        os.kill(self.site.daemon_pid, signal.SIGSTOP)
        try:
            status, _, said = self.done("touch", str(started))
        finally:
            os.kill(self.site.daemon_pid, signal.SIGCONT)
        self.assertEqual((status, started.exists()), (3, False), said)
        self.assertIn(str(self.site.control), said)
        self.site.umount()
        status, _, said = self.done("touch", str(started))
        self.assertEqual((status, started.exists()), (3, False), said)
        self.assertIn("no daemon answers", said)


class Servers(ProcessTest):
    """Any static server, with no cookie and no uid of its own."""

    def httpd(self, token):
        """busybox httpd as uid alice; its port, and grantctl's process."""
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        run = subprocess.Popen(
            [GRANTCTL, "--db", self.site.db, "run", "--session", "-", "--", "setpriv", f"--reuid={self.alice}",
             f"--regid={self.alice}", "--clear-groups", "busybox", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", str(self.me)],
            stdin=subprocess.PIPE, env=self.site.environment)
        self.addCleanup(self.end, run)
        run.stdin.write(token.encode() + b"\n")
        run.stdin.close()
        wait_for(lambda: run.poll() is not None or outcome(self.get, port, "/") == "OK", what="httpd to answer")
        self.assertIsNone(run.poll())
        return port, run

    @staticmethod
    def end(run):
        if run.poll() is None:
            run.terminate()
        run.wait(PATIENCE_SECONDS)

    @staticmethod
    def get(port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def test_two_tenants_under_one_uid(self):
        """Promises 2 and 6: each server serves its own tenant's files; one token ends, the other server goes on."""
        carols, _ = self.httpd(self.carol_token)
        daves, run = self.httpd(self.dave_token)
        for _ in range(3):
            self.assertEqual(self.get(carols, "/alice/report.txt"), (200, REPORT))
            self.assertEqual(self.get(daves, "/bob/secret.txt"), (200, SECRET))
            self.assertEqual(self.get(carols, "/bob/secret.txt")[0], 404)
            self.assertEqual(self.get(daves, "/alice/report.txt")[0], 404)
            self.assertEqual(self.get(daves, "/alice/../../me/alice/report.txt")[0] // 100, 4)
        self.site.grantctl("session", "rm", "-", input=self.carol_token)
        self.assertEqual(self.get(carols, "/alice/report.txt")[0] // 100, 4)
        self.assertEqual(self.get(daves, "/bob/secret.txt"), (200, SECRET))
        run.terminate()
        self.assertEqual(run.wait(PATIENCE_SECONDS), 128 + signal.SIGTERM)


class OverIoUring:
    def setUp(self):
        with_io_uring(self)
        super().setUp()


class ViewsOverIoUring(OverIoUring, Views):
    OPTIONS = "enforce=lease,lease=60,io=uring"


class EndsOverIoUring(OverIoUring, Ends):
    OPTIONS = "enforce=lease,lease=60,io=uring"


class EndsWithNamesLent(Ends):
    OPTIONS = "enforce=open,lease=60"


class ServersOverIoUring(OverIoUring, Servers):
    OPTIONS = "enforce=open,lease=60,io=uring"
