"""Promises 2 and 4 where somebody stacks a file system on a view: an overlayfs holds entries that no recall finds."""

import os
import re
import subprocess
import tempfile
import time
import unittest

from harness import end_with_parent, outcome, serve, wait_for, with_io_uring
from test_lease import LeaseTest

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

#: The same, and then opens a file there for each line that it is sent, and says how that went.
STACK_AND_OPEN = STACK + """
from errno import errorcode
print("", end="", flush=True)
for line in sys.stdin:
    try:
        os.close(os.open(f"{work}/over/{line.strip()}", os.O_RDONLY))
        print("OK", flush=True)
    except OSError as error:
        print(errorcode[error.errno], flush=True)
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
                    if "enforce=open" in options:
                        continue  # each open is decided, and none is lent
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
        self.assertRegex(text, r"(?m)^stacking +refused$" if refused else r"(?m)^stacking +refused to all but root$")
        self.site.umount()
        self.site.mount("enforce=open")
        text = self.site.grantctl("status").stdout
        self.assertRegex(text, r"(?m)^stacking +refused$" if refused else r"(?m)^stacking +not refused by this kernel$")

    def test_statfs_is_for_root_where_the_kernel_cannot_refuse_it(self):
        """overlayfs asks for it before it mounts: nobody else gets an answer there. Nor need anybody, since it tells nothing."""
        refused = self.site.status()["stacking_refused"]
        user = self.actor(self.stranger)
        for path in (self.site.mountpoint, self.by_session(self.alice_token, "alice")):
            self.assertEqual(user.outcome(os.statvfs, path), "OK" if refused else "EACCES")
            self.assertEqual(outcome(os.statvfs, path), "OK")


class Stacked(LeaseTest):
    """Where the kernel cannot refuse it, and it was root: what was taken away opens there for no longer than a lease."""

    OPTIONS = "enforce=lease,lease=1"
    LEASE_SECONDS = 1

    def start(self, folder):
        """Something that opens a name through an overlayfs of root's, and returns what came of it."""
        work = tempfile.TemporaryDirectory(prefix="grantfs-stack-")
        self.addCleanup(work.cleanup)
        os.chmod(work.name, 0o777)
        process = subprocess.Popen(["unshare", "-m", "/usr/bin/python3", "-c", STACK_AND_OPEN, str(folder), work.name],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=end_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        if process.stdout.readline() != "stacked\n":
            self.skipTest("no overlayfs here")

        def open_there(name):
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        return open_there

    def test_what_was_taken_away_opens_there_until_the_lease_is_over(self):
        """Promise 2: taken away, given again and taken away, since it is the second time that no recall finds what it holds."""
        if self.site.status()["stacking_refused"]:
            self.skipTest("this kernel refuses it")
        open_there = self.start(self.by_session(self.alice_token, "alice"))
        for _ in range(3):
            self.own(f"uid:{self.alice}", "alice")
            self.recalled()
            self.assertEqual(outcome(serve, self.by_session(self.alice_token, "alice/report.txt")), "OK")
            wait_for(lambda: open_there("report.txt") in ("OK", "ESTALE"), what="an answer")
            self.site.sql("DELETE FROM owners WHERE path = 'alice'")
            self.recalled()
            over = time.monotonic() + self.LEASE_SECONDS
            self.assertEqual(outcome(serve, self.by_session(self.alice_token, "alice/report.txt")), "ENOENT")
            wait_for(lambda: time.monotonic() > over, what="the lease to be over")
            self.assertNotEqual(open_there("report.txt"), "OK")


if __name__ == "__main__":
    unittest.main()
