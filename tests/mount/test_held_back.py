"""Promises 2 and 3: an answer that comes late lends nothing."""

import contextlib
import os
import time
import unittest

from harness import wait_for
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
        self.assertEqual(self.upcalls_of(lambda: os.stat(folder)).get("getattr"), 1, "the former answer was lent")

    def test_a_name(self):
        folder = os.open(self.by_session(self.alice_token, "alice"), os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        held = self.hold_back()
        os.stat("report.txt", dir_fd=folder)
        held.close()
        asked = self.upcalls_of(lambda: os.stat("report.txt", dir_fd=folder))
        self.assertEqual(asked.get("lookup"), 1, "the former answer was lent")


if __name__ == "__main__":
    unittest.main()
