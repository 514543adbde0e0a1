"""The view of a session of processes: by-process."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import time

from bound import ProcessTest, bind, hold, in_a_thread, send_folder
from fixture import REPORT, SECRET, names, read
from harness import GRANTCTL, PATIENCE_SECONDS, outcome, token_id, wait_for, with_io_uring
from test_isolation import probe_all


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
