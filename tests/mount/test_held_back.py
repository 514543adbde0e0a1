"""Promises 2 and 3: an answer that comes late lends nothing."""

import contextlib
import os
import time
import unittest

import syscalls
from harness import serve, wait_for
from test_lease import LeaseTest


class HeldBack(LeaseTest):
    """Promise 3: an answer that is held back between the decision and the reply is not lent from when it lands."""

    OPTIONS = "enforce=lease,lease=1"
    HELD_SECONDS = 1.3

    def hold_back(self):
        """From here on, each look at the store takes longer than a lease."""
        held = contextlib.ExitStack()
        self.addCleanup(held.close)
        held.enter_context(self.site.traced(os.devnull, "trace=openat2", f"inject=openat2:delay_enter={int(self.HELD_SECONDS * 1e6)}"))
        return held

    def lease_is_over(self):
        over = time.monotonic() + 1.1
        wait_for(lambda: time.monotonic() > over, what="the lease to be over")

    def test_attributes_of_a_folder(self):
        folder = os.open(self.by_session(self.alice_token, "alice"), os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        self.lease_is_over()
        held = self.hold_back()
        began = time.monotonic()
        os.stat(folder)
        self.assertGreater(time.monotonic() - began, self.HELD_SECONDS)
        held.close()
        self.assertGreaterEqual(self.upcalls_of(lambda: os.stat(folder)).get("getattr", 0), 1, "the former answer was lent")

    def test_a_name(self):
        folder = os.open(self.by_session(self.alice_token, "alice"), os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        held = self.hold_back()
        os.stat("report.txt", dir_fd=folder)
        held.close()
        asked = self.upcalls_of(lambda: os.stat("report.txt", dir_fd=folder))
        self.assertGreaterEqual(asked.get("lookup", 0), 1, "the former answer was lent")


class LateReplies(LeaseTest):
    """Promise 2: the kernel counts a lease from when it takes the reply. What one lends that came late is taken back."""

    #: No lease ends by itself within a case.
    OPTIONS = "enforce=lease,lease=60,io=dev"
    HELD_SECONDS = 0.2

    def setUp(self):
        super().setUp()
        self.folder = os.open(self.by_session(self.alice_token, "alice"), os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, self.folder)

    def hold_back_the_reply_to(self, request):
        with self.site.traced(os.devnull, "trace=writev", f"inject=writev:delay_enter={int(self.HELD_SECONDS * 1e6)}"):
            began = time.monotonic()
            request()
            self.assertGreater(time.monotonic() - began, self.HELD_SECONDS)

    def is_asked_for(self, upcall, request):
        """The kernel asks for it again, now or soon, and then not any more."""
        wait_for(lambda: self.upcalls_of(request).get(upcall), what=f"another {upcall}")
        self.assertEqual(self.upcalls_of(request), {})

    def report(self):
        os.stat("report.txt", dir_fd=self.folder)

    def test_a_file(self):
        self.hold_back_the_reply_to(self.report)
        self.is_asked_for("lookup", self.report)

    def test_a_folder(self):
        def deep():
            os.stat("deep", dir_fd=self.folder)

        self.hold_back_the_reply_to(deep)
        self.is_asked_for("lookup", deep)

    def test_attributes_of_a_folder(self):
        """It takes them to open what lies in it."""
        self.report()
        self.assertEqual(self.upcalls_of(lambda: syscalls.statx_forced(self.folder)), {"getattr": 1})
        self.assertEqual(self.upcalls_of(self.report), {})
        self.hold_back_the_reply_to(lambda: syscalls.statx_forced(self.folder))
        self.is_asked_for("getattr", self.report)

    def test_attributes_of_a_file(self):
        with open(self.by_session(self.alice_token, "alice/report.txt"), "rb") as file:
            self.hold_back_the_reply_to(lambda: syscalls.statx_forced(file.fileno()))
            self.is_asked_for("getattr", lambda: os.fstat(file.fileno()))


class LateRepliesToNames(LateReplies):
    """With enforce=open too, which lends names and attributes."""

    OPTIONS = "enforce=open,lease=60,io=dev"

    def need_leases(self):
        """It has them."""


class StoodStill(LeaseTest):
    """Promise 2: replies that were about to be sent when the daemon was stopped, over io_uring too, where nobody looks at the
    clock once they are out."""

    OPTIONS = "enforce=lease,lease=60"
    STOPPED_SECONDS = 0.7

    def setUp(self):
        super().setUp()
        if not self.site.has_epochs():
            self.skipTest("the kernel cannot be told to forget everything (Linux 6.16, libfuse 3.18)")
        self.path = self.by_session(self.alice_token, "alice/report.txt")

    def stand_still(self):
        with self.site.stopped():
            time.sleep(self.STOPPED_SECONDS)  # which is what it is about

    def test_everything_is_asked_for_again(self):
        serve(self.path)
        self.assertEqual(self.upcalls_of(lambda: serve(self.path)), {})
        self.stand_still()
        wait_for(lambda: self.counted("recalls_of_everything_stood_still"), what="the daemon to notice")
        self.assertGreater(self.upcalls_of(lambda: serve(self.path))["lookup"], 0)
        self.assertEqual(self.upcalls_of(lambda: serve(self.path)), {})

    def test_not_where_nothing_is_lent(self):
        self.stand_still()
        self.recalled()
        self.assertEqual(self.counted("recalls_of_everything"), 0)


if __name__ == "__main__":
    unittest.main()
