"""Promises 2 and 4 where somebody stacks a file system on a view: an overlayfs holds entries that no recall finds."""

import contextlib
import os
import re
import subprocess
import tempfile
import time
import unittest

from harness import end_with_parent, outcome, wait_for, with_io_uring
from test_lease import LeaseTest, serve

#: In a user namespace of its own: stacks an overlayfs on a folder, and says how that went.
STACK = """
import os, subprocess, sys
lower, work = sys.argv[1:]
for name in ("empty", "over"):
    os.mkdir(f"{work}/{name}")
done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}:{work}/empty,userxattr", f"{work}/over"],
                      capture_output=True)
print("stacked" if done.returncode == 0 else "refused")
"""


def refuses_stacking():
    """Whether the kernel can refuse it: passthrough came with Linux 6.9."""
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2]) >= (6, 9)


class Stacking(LeaseTest):
    OPTIONS = "enforce=lease,lease=1"

    def stack(self, lower):
        """What became of an attempt, by a user who is nobody: "stacked" or "refused"."""
        with tempfile.TemporaryDirectory(prefix="grantfs-stack-") as work:
            os.chmod(work, 0o777)
            done = subprocess.run(["setpriv", f"--reuid={self.stranger}", f"--regid={self.stranger}", "--clear-groups",
                                   "unshare", "-Urm", "/usr/bin/python3", "-c", STACK, lower, work],
                                  capture_output=True, text=True, preexec_fn=end_with_parent)
        if done.returncode != 0:
            self.skipTest(f"no user namespaces for users: {done.stderr}")
        return done.stdout.strip()

    def test_nothing_is_stacked_on_a_view_in_any_mode(self):
        """Views and the mount point itself; however files are read and requests come."""
        with tempfile.TemporaryDirectory(prefix="grantfs-plain-") as plain:
            os.chmod(plain, 0o755)
            if self.stack(plain) != "stacked":
                self.skipTest("no overlayfs for users here")
        for options in ("enforce=lease", "enforce=lease,io=auto", "enforce=open", "enforce=open,passthrough=off",
                        "enforce=open,passthrough=off,lease=0"):
            with self.subTest(options):
                self.site.umount()
                self.site.mount(options)
                lower = self.by_session(self.alice_token, "alice")
                serve(lower / "report.txt")
                if not self.site.status()["stacking_refused"]:
                    self.assertFalse(refuses_stacking() and "GRANTFS_PACKAGED_LIBFUSE" not in os.environ)
                    continue
                for folder in (lower, lower.parent, self.site.mountpoint, self.site.path("public")):
                    self.assertEqual(self.stack(folder), "refused", folder)
                self.assertEqual(outcome(serve, lower / "report.txt"), "OK")

    def test_nor_where_requests_come_by_io_uring(self):
        with_io_uring(self)
        self.site.umount()
        self.site.mount("enforce=lease,io=uring")
        self.assertEqual(self.stack(self.by_session(self.alice_token, "alice")), "refused")

    def test_what_cannot_be_refused_is_said(self):
        text = self.site.grantctl("status").stdout
        refused = self.site.status()["stacking_refused"]
        self.assertRegex(text, r"stacking +refused" if refused else r"stacking +not refused by this kernel")


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
