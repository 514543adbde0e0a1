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

NAMES = [str(number) for number in range(10)]


@unittest.skipIf(SANITIZED, "a sanitizer makes system calls of its own")
class SystemCalls(TwoUsersTest):
    OPTIONS = "enforce=lease,lease=60,io=dev"

    def test_they_are_the_stores_and_one_look_for_another_database(self):
        for name in NAMES:
            self.site.write(f"alice/{name}", b"x")
        # A file is known by its number and its birth three seconds later: then no other can seem to be born at that time.
        born = time.time()
        wait_for(lambda: time.time() > born + 4, what="the files to be told from newer ones")
        folders = [self.site.path("by-session", self.site.sql_session(f"uid:{self.alice}"), "alice") for _ in range(2)]
        for folder in folders:
            os.stat(folder)
        self.assertEqual(self.least_calls(folders[0]), ["ioctl", "openat2", "statx", "name_to_handle_at"])
        self.assertEqual(self.least_calls(folders[1]), ["ioctl", "openat2", "statx"])  # whose handles are known by now

    def least_calls(self, folder):
        """The system calls between a lookup and its reply, of the lookup with the fewest: every 10 ms one looks for more."""
        with tempfile.NamedTemporaryFile("r") as said:
            tracer = subprocess.Popen(["strace", "-f", "-p", str(self.site.daemon_pid), "-o", said.name],
                                      stderr=subprocess.PIPE, text=True)
            try:
                self.assertIn("attached", tracer.stderr.readline())
                for name in NAMES:
                    os.stat(folder / name)
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate()
            lines = said.read().splitlines()
        lookups = []
        for thread in {line.split()[0] for line in lines if "openat2(" in line}:
            calls = [found[1] for line in lines if (found := re.match(rf"{thread} +(\w+)\(", line))]
            while "writev" in calls:
                reply = calls.index("writev")
                # The request itself, and waiting for other threads, are none of the lookup's.
                lookups.append([call for call in calls[:reply] if call not in ("read", "futex")])
                calls = calls[reply + 1:]
        self.assertGreaterEqual(len(lookups), len(NAMES))
        return min((calls for calls in lookups if "openat2" in calls), key=len)
