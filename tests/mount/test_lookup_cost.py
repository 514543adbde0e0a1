"""What a lookup costs that the kernel has not asked before, in a folder that may be read as a whole."""

import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

from fixture import TwoUsersTest
from harness import SANITIZED, wait_for


@unittest.skipIf(SANITIZED, "a sanitizer makes system calls of its own")
class SystemCalls(TwoUsersTest):
    OPTIONS = "enforce=lease,lease=60,io=dev"

    def test_they_are_the_stores_and_one_look_for_another_database(self):
        for name in ("first", "second", "third"):
            self.site.write(f"alice/{name}", b"x")
        # A file is known by its number and its birth once nothing else can be born at the same tick of the clock.
        born = time.time()
        wait_for(lambda: time.time() > born + .05, what="a tick of the clock")
        folder = self.site.path("by-session", self.site.sql_session(f"uid:{self.alice}"), "alice")
        other = self.site.path("by-session", self.site.sql_session(f"uid:{self.alice}"), "alice")
        for known in (folder / "first", other):
            os.stat(known)
        # One that the store has not seen lately costs one more, for its handle.
        self.assertEqual(self.calls_of(folder / "second"), ["ioctl", "openat2", "statx", "name_to_handle_at"])
        self.assertEqual(self.calls_of(other / "first"), ["ioctl", "openat2", "statx"])

    def calls_of(self, path):
        """The system calls between the thread's receiving the lookup and its reply."""
        with tempfile.NamedTemporaryFile("r") as said:
            tracer = subprocess.Popen(["strace", "-f", "-p", str(self.site.daemon_pid), "-o", said.name],
                                      stderr=subprocess.PIPE, text=True)
            try:
                self.assertIn("attached", tracer.stderr.readline())
                os.stat(path)
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate()
            lines = said.read().splitlines()
        thread = next(line.split()[0] for line in lines if "openat2(" in line)
        calls = [found[1] for line in lines if (found := re.match(rf"{thread} +(\w+)\(", line))]
        reply = calls.index("writev")
        return [call for call in calls[:reply] if call != "read"]  # the request itself
