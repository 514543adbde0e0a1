"""tools/demo: every row as expected, and nothing left behind however it ends."""

import glob
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from web_test import harness

TOP = pathlib.Path(__file__).resolve().parents[2]
DEMO = [sys.executable, "-B", str(TOP / "tools/lib/demo/main.py")]
STATE = pathlib.Path("/run/grantfs-demo.json")


@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="demo-")
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o711)
        self.environment = {**os.environ, "TMPDIR": self.folder.name}

    def run_demo(self, *options):
        return subprocess.run([*DEMO, *options], env=self.environment, capture_output=True, text=True, timeout=120)

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(self.folder.name), [])
        self.assertEqual(harness.mounts(self.folder.name), [])
        self.assertEqual(self.processes(), [])

    def processes(self):
        """Command lines and working directories that name our folder."""
        found = []
        for entry in glob.glob("/proc/[0-9]*"):
            try:
                command = pathlib.Path(entry, "cmdline").read_bytes().decode(errors="replace")
                if self.folder.name in command or os.readlink(entry + "/cwd").startswith(self.folder.name):
                    found.append(command)
            except OSError:
                pass
        return found

    def test_every_row_is_as_expected_and_nothing_is_left(self):
        done = self.run_demo()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rows = [line for line in done.stdout.splitlines() if line.startswith("  ok    ")]
        self.assertGreaterEqual(len(rows), 38)
        self.assertNotIn("FAIL", done.stdout)
        self.assertIn(f"All {len(rows)} answers are as they should be", done.stdout)
        self.assert_nothing_left()

    def test_several_machines_answer_as_expected_and_nothing_is_left(self):
        done = self.run_demo("--fleet")
        if "PostgreSQL's server" in done.stderr:
            self.skipTest("no PostgreSQL server is installed")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("All 19 answers are as they should be", done.stdout)
        self.assert_nothing_left()

    def test_interrupted_it_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = subprocess.Popen(DEMO, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.addCleanup(process.kill)
                harness.wait_for(lambda: harness.mounts(self.folder.name), what="the demo's mount")
                process.send_signal(number)
                self.assertEqual(process.wait(60), 130)
                self.assert_nothing_left()

    def test_kept_it_runs_until_it_is_stopped(self):
        if STATE.exists():
            self.skipTest("a demo is running on this machine")
        self.addCleanup(lambda: STATE.exists() and self.run_demo("--stop"))
        kept = self.run_demo("--keep")
        self.assertEqual(kept.returncode, 0, kept.stdout + kept.stderr)
        self.assertEqual(len(harness.mounts(self.folder.name)), 1)
        url = next(word for line in kept.stdout.splitlines() if line.startswith("  curl") for word in line.split() if "http" in word)
        cookie = next(line.split()[2] for line in kept.stdout.splitlines() if line.startswith("  curl"))
        listing = subprocess.run(["curl", "-sf", "--noproxy", "*", "-b", cookie, url], capture_output=True, text=True, timeout=30)
        self.assertIn('href="alice/"', listing.stdout)
        self.assertEqual(self.run_demo("--keep").returncode, 1)
        self.assertEqual(self.run_demo("--stop").returncode, 0)
        self.assert_nothing_left()
        self.assertFalse(STATE.exists())
