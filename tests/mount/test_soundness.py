"""Promise 2 under load: no open that begins and ends between an acknowledged revocation and the next grant succeeds.

Each combination revokes 300 times; GRANTFS_REVOCATIONS=20000 does it for longer.
"""

import mmap
import os
import sqlite3
import struct
import time

from fixture import PolicyTest, read
from harness import PATIENCE_SECONDS, SANITIZED, become, outcome, token_id, wait_for, with_io_uring

REVOCATIONS = int(os.environ.get("GRANTFS_REVOCATIONS", 30 if SANITIZED else 300))
STEADY_REVOCATIONS = 4  # each takes three seconds, until the files are in steady use again
READERS = 3
FILES = ("shared/deep/report.txt", "shared/deep/other.txt")
#: Opens that the readers must have tried in every window, together, before access is given again.
TRIES_IN_A_WINDOW = 6


class Board:
    """Numbers that processes share: the window, whether to end, and a count of tries for each reader.

    The window is even while the files may be open to the readers, odd from an acknowledged
    revocation until just before the next grant. An open counts only if its start and its end lie in one odd window.
    """

    def __init__(self):
        self.memory = mmap.mmap(-1, 4096)
        self.numbers = memoryview(self.memory).cast("q")

    WINDOW, END, TRIED = 0, 1, 2


def hammer(board, number, paths):
    """Opens and closes the paths in turn; returns (opens, those within a window, late ones)."""
    numbers = board.numbers
    opened = counted = late = turn = 0
    while not numbers[Board.END]:
        path = paths[turn % len(paths)]
        turn += 1
        before = numbers[Board.WINDOW]
        try:
            os.close(os.open(path, os.O_RDONLY))
            succeeded = True
        except OSError:
            succeeded = False
        opened += succeeded
        if before & 1 and numbers[Board.WINDOW] == before:
            counted += 1
            late += succeeded
            numbers[Board.TRIED + number] += 1
    return opened, counted, late


class Soundness(PolicyTest):
    def start_readers(self, paths):
        """Processes that share the board with us: forked, unlike what an Actor calls by name."""
        board = Board()
        pipes = []
        for number in range(READERS):
            read_end, write_end = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(read_end)
                    become(33)
                    os.write(write_end, struct.pack("qqq", *hammer(board, number, paths)))
                finally:
                    os._exit(0)
            os.close(write_end)
            pipes.append((pid, read_end))
        self.addCleanup(self.end_readers, board, pipes)
        return board, pipes

    def end_readers(self, board, pipes):
        """The sums of what they counted."""
        board.numbers[Board.END] = 1
        sums = [0, 0, 0]
        while pipes:
            pid, read_end = pipes.pop()
            with open(read_end, "rb") as pipe:
                said = pipe.read()
            os.waitpid(pid, 0)
            if len(said) == 24:
                sums = [a + b for a, b in zip(sums, struct.unpack("qqq", said))]
        return sums

    def revoke_under_load(self, options, by_link=False, steady=False):
        for name in FILES:
            self.site.write(name, name)
        token = self.site.sql_session("user:reader")
        identity = token_id(token)
        make_link = ("INSERT INTO links (id, principal, path) VALUES (?, 'user:reader', 'shared/deep')", (identity,))
        kinds = (
            (("DELETE FROM links", ()), make_link) if by_link else
            (("DELETE FROM sessions WHERE id = ?", (identity,)),
             ("INSERT INTO sessions (id, principal) VALUES (?, 'user:reader')", (identity,))),
            (("DELETE FROM grants", ()),
             ("INSERT INTO grants (principal, path) VALUES ('group:readers', 'shared')", ())),
            (("DELETE FROM members", ()),
             ("INSERT INTO members (member, parent) VALUES ('user:reader', 'group:readers')", ())),
        )
        database = sqlite3.connect(self.site.db, timeout=PATIENCE_SECONDS, isolation_level=None)
        self.addCleanup(database.close)
        database.execute("PRAGMA synchronous = OFF")
        for _, give in kinds if by_link else kinds[1:]:
            database.execute(*give)
        self.site.mount(options)
        paths = [str(self.site.path("by-link", token, os.path.relpath(name, "shared")) if by_link else
                     self.site.path("by-session", token, name)) for name in FILES]
        for path, name in zip(paths, FILES):
            self.assertEqual(read(path), name.encode())
        board, pipes = self.start_readers(paths)
        numbers = board.numbers
        latencies = []
        revocations = STEADY_REVOCATIONS if steady else REVOCATIONS
        for i in range(revocations):
            if steady:
                wait_for(lambda: self.site.counters()["steady_files"] == len(paths), what="the files to be in steady use")
            take, give = kinds[i % len(kinds)]
            self.assertEqual(outcome(read, paths[i % 2]), "OK", f"revocation {i}")
            database.execute(*take)
            committed = time.monotonic()
            self.site.recall()
            numbers[Board.WINDOW] += 1
            latencies.append(time.monotonic() - committed)
            self.assertNotEqual(outcome(read, paths[i % 2]), "OK", f"revocation {i}")
            self.wait_for_tries(numbers)
            numbers[Board.WINDOW] += 1
            database.execute(*give)
        opened, counted, late = self.end_readers(board, pipes)
        latencies.sort()
        p50, p99 = (latencies[len(latencies) * percent // 100] * 1000 for percent in (50, 99))
        print(f"{options}: {revocations} revocations, {opened} opens, {counted} more in windows, {late} late; "
              f"acknowledged in {p50:.2f} ms (p50), {p99:.2f} ms (p99)")
        self.assertEqual(late, 0)
        self.assertGreater(opened, revocations, "the readers did not read")
        self.assertGreaterEqual(counted, revocations * TRIES_IN_A_WINDOW)

    @staticmethod
    def wait_for_tries(numbers):
        start = sum(numbers[Board.TRIED:Board.TRIED + READERS])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(numbers[Board.TRIED:Board.TRIED + READERS]) < start + TRIES_IN_A_WINDOW:
            assert time.monotonic() < deadline, "the readers try nothing"
            time.sleep(0)

    def test_leases_over_dev_fuse(self):
        self.revoke_under_load("enforce=lease,lease=60,io=dev")

    def test_files_in_steady_use(self):
        with_io_uring(self)
        self.revoke_under_load("enforce=lease,lease=1,io=uring", steady=True)

    def test_links_over_dev_fuse(self):
        self.revoke_under_load("enforce=lease,lease=60,io=dev", by_link=True)

    def test_opens_over_dev_fuse(self):
        self.revoke_under_load("enforce=open,lease=60,io=dev")

    def test_leases_over_io_uring(self):
        with_io_uring(self)
        self.revoke_under_load("enforce=lease,lease=60,io=uring")

    def test_opens_over_io_uring(self):
        with_io_uring(self)
        self.revoke_under_load("enforce=open,lease=60,io=uring")
