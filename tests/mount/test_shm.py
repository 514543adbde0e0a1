"""Promises 10 and 17: whoever may truncate a -shm file ends no daemon, whichever of its threads comes upon it first."""

import contextlib
import json
import os
import signal
import socket

from fixture import REPORT, TwoUsersTest, read
from harness import PATIENCE_SECONDS, as_user, outcome, wait_for, with_io_uring
from test_own_tables import ALICES, OwnTablesTest

#: What a thread causes itself: blocked, it is deadly.
SYNCHRONOUS = {signal.SIGBUS, signal.SIGSEGV, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS, signal.SIGABRT}
#: They lend, and the recalling thread therefore asks the database a hundred times a second.
LENT = ("enforce=lease,lease=60", "enforce=open,lease=60")


def blocking(pid):
    """The threads of a process that block any of the synchronous signals: which of them, by name and number."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{thread}/status") as lines:
            said = dict(line.split(":", 1) for line in lines)
            mask = int(said["SigBlk"], 16)
            if blocked := {number for number in SYNCHRONOUS if mask >> number - 1 & 1}:
                found[said["Name"].strip(), thread] = blocked
    return found


class ShmTest:
    def assert_none_blocks_any(self):
        """A thread that is just being started or starts one blocks all, for a moment (pthread_create in the C library)."""
        pid = self.site.daemon_pid
        wait_for(lambda: not blocking(pid), what=f"no thread to block any: {blocking(pid)}")

    #: Of which database the -shm file is truncated.
    def shm(self):
        raise NotImplementedError

    def truncate_and_wait(self, answers):
        """Truncates it, asks nothing, and waits until some thread has come upon it and made the index anew."""
        os.truncate(self.shm(), 0)
        wait_for(lambda: not self.site.alive() or os.stat(self.shm()).st_size > 0, what="a thread to look at the database")
        self.assert_daemon_lives()
        wait_for(lambda: outcome(read, answers) == "OK", what="service to resume")


class OfThePolicy(ShmTest, TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.hers = self.by_session(self.alice_token, "alice/report.txt")

    def shm(self):
        return f"{self.site.db}-shm"

    def again_with(self, options):
        self.site.umount()
        self.site.mount(options)
        self.assertEqual(read(self.hers), REPORT)

    def test_the_recalling_thread_alone(self):
        for options in LENT:
            with self.subTest(options=options):
                self.again_with(options)
                for _ in range(5):
                    self.truncate_and_wait(self.hers)

    def test_the_control_thread_alone(self):
        """With nothing lent, it is asked to bind a process, which is to ask the database."""
        self.again_with("enforce=open,lease=0")
        for _ in range(5):
            os.truncate(self.shm(), 0)
            with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(ConnectionError):
                connection.settimeout(PATIENCE_SECONDS)
                connection.connect(os.fspath(self.site.control))
                connection.sendall(json.dumps({"command": "bind", "token": "x" * 32}).encode() + b"\n")
                connection.recv(1000)
            self.assert_daemon_lives()
            wait_for(lambda: outcome(read, self.hers) == "OK", what="service to resume")

    def test_the_handlers_alone(self):
        for threads in (1, 4):
            with self.subTest(threads=threads):
                self.again_with(f"enforce=open,lease=0,threads={threads}")
                for _ in range(5):
                    os.truncate(self.shm(), 0)
                    self.assertIn(outcome(read, self.hers), {"OK", "EACCES"})
                    self.assert_daemon_lives()
                    wait_for(lambda: outcome(read, self.hers) == "OK", what="service to resume")

    def test_the_handlers_over_io_uring_alone(self):
        with_io_uring(self)
        self.again_with("enforce=open,lease=0,io=uring")
        for _ in range(5):
            os.truncate(self.shm(), 0)
            self.assertIn(outcome(read, self.hers), {"OK", "EACCES"})
            self.assert_daemon_lives()
            wait_for(lambda: outcome(read, self.hers) == "OK", what="service to resume")

    def test_no_thread_blocks_what_it_may_cause_itself(self):
        """Recalling, control, watching, reading: also those that do not ask the database, today."""
        for options in (*LENT, "enforce=open,lease=0,passthrough=off,threads=4"):
            with self.subTest(options=options):
                self.again_with(options)
                threads = len(os.listdir(f"/proc/{self.site.daemon_pid}/task"))
                self.assertGreater(threads, 5, "those threads are not there: nothing was tested")
                self.assert_none_blocks_any()

    def test_no_thread_over_io_uring_does(self):
        with_io_uring(self)
        self.again_with("enforce=open,io=uring")
        self.assertEqual(self.site.status()["transport"], "io_uring")
        self.assert_none_blocks_any()

    def test_whoever_starts_it_with_them_blocked(self):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SYNCHRONOUS)
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        self.again_with("enforce=lease,lease=60")
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        pid = self.site.daemon_pid
        wait_for(lambda: not any(signal.SIGBUS in each for each in blocking(pid).values()), what="no thread to block SIGBUS")
        self.truncate_and_wait(self.hers)


class OfTheApplication(ShmTest, OwnTablesTest):
    """Its owner is another uid, and may do with it what he likes."""

    def setUp(self):
        super().setUp()
        os.chown(self.app, self.stranger, self.stranger)
        os.chown(self.database, self.stranger, self.stranger)

    def shm(self):
        return f"{self.database}-shm"

    def test_by_its_owner(self):
        for options in LENT:
            with self.subTest(options=options):
                self.configure()
                self.site.mount(f"source={self.config},{options}")
                self.assertEqual(read(self.hers), ALICES)
                for _ in range(5):
                    as_user(self.stranger, os.truncate, self.shm(), 0)
                    wait_for(lambda: not self.site.alive() or os.stat(self.shm()).st_size > 0, what="a thread to look")
                    self.assert_daemon_lives()
                    wait_for(lambda: outcome(read, self.hers) == "OK", what="service to resume")
                self.site.umount()
