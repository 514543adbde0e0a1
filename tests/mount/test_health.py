"""What status and metrics say of a daemon that refuses everything."""

import json
import os
import re
import subprocess
import unittest

from fixture import read
from harness import GRANTCTL, MountTest, outcome, wait_for


class Health(MountTest):
    def setUp(self):
        super().setUp()
        self.site.write("u/f", b"x")
        self.site.grantctl("own", "user:1", "u")
        self.token = self.site.session("user:1")
        self.site.mount()
        self.path = self.site.path("by-session", self.token, "u/f")
        self.assertEqual(read(self.path), b"x")

    def says(self, status):
        done = self.site.grantctl("--json", "status", check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        (daemon,) = json.loads(done.stdout)["daemons"]
        return daemon

    def metric(self, name):
        lines = self.site.grantctl("metrics").stdout.splitlines()
        return [int(line.split()[-1]) for line in lines if line.startswith(name + "{")]

    def test_healthy(self):
        self.assertEqual((self.says(0)["state"], self.says(0)["troubles"]), ("healthy", []))
        self.assertRegex(self.site.grantctl("status").stdout, r"(?m)^state +healthy$")
        self.assertEqual((self.metric("grantfs_up"), self.metric("grantfs_healthy")), ([1], [1]))

    def test_whoever_takes_access_away_is_counted_with_the_time_that_it_took(self):
        before = self.metric("grantfs_recall_seconds_count")
        self.site.grantctl("drop", "u")
        self.assertEqual(outcome(read, self.path), "ENOENT")
        self.assertEqual(self.metric("grantfs_recall_seconds_count"), [before[0] + 1])
        self.assertEqual(sum(self.says(0)["recall_times"]["counts"]), before[0] + 1)

    def test_its_memory(self):
        self.assertGreater(self.metric("grantfs_resident_bytes")[0], 1 << 20)

    def test_top(self):
        done = self.site.grantctl("--json", "top", "--count", "1", "--interval", "0.1")
        (daemon,) = json.loads(done.stdout)["daemons"]
        self.assertEqual((daemon["mountpoint"], daemon["state"]), (str(self.site.mountpoint), "healthy"))

    def test_the_policys_folder_is_open_to_others(self):
        self.site.db.parent.chmod(0o755)
        self.site.end_leases()
        self.assertEqual(outcome(read, self.path), "EACCES")
        daemon = self.says(3)
        self.assertEqual(daemon["state"], "trouble")
        self.assertIn("open to others", daemon["troubles"][0])
        self.assertRegex(self.site.grantctl("status", check=False).stdout, r"(?m)^state +trouble: .*open to others")
        self.assertEqual((self.metric("grantfs_up"), self.metric("grantfs_healthy")), ([1], [0]))
        self.site.db.parent.chmod(0o700)
        wait_for(lambda: self.site.grantctl("status", check=False).returncode == 0, timeout=30)
        self.assertIn("open to others", self.says(0)["last_trouble"]["message"])

    def test_the_database_is_gone(self):
        """Asked by its control socket: nothing else knows it then."""
        os.rename(self.site.db, self.site.root / "away.db")
        daemon = self.says(3)
        self.assertEqual((daemon["state"], daemon["database"]), ("trouble", str(self.site.db)))
        self.assertEqual(self.metric("grantfs_healthy"), [0])
        os.rename(self.site.root / "away.db", self.site.db)

    def test_one_that_hangs_is_not_none(self):
        with self.site.stopped():
            status = self.by_database("status")
            metrics = self.by_database("metrics")
        self.assertEqual(status.returncode, 3)
        self.assertIn("does not answer", status.stderr)
        self.assertNotIn("no daemon", status.stderr)
        self.assertEqual(metrics.returncode, 0)
        self.assertIn(f'grantfs_up{{mountpoint="{self.site.mountpoint}"}} 0', metrics.stdout)

    def by_database(self, *arguments):
        return subprocess.run([GRANTCTL, "--db", self.site.db, *arguments], env={"PATH": os.environ["PATH"]},
                              capture_output=True, text=True)

    def test_none(self):
        self.site.umount()
        status = self.by_database("status")
        self.assertEqual(status.returncode, 3)
        self.assertIn("no daemon runs on", status.stderr)
        self.assertIn("} 0", [line for line in self.by_database("metrics").stdout.splitlines() if line.startswith("grantfs_up{database=")][0])

    def test_columns(self):
        lines = self.site.grantctl("status").stdout.splitlines()
        for line in lines:
            self.assertRegex(line, r"\A\w+ {2,}\S")
        self.assertEqual(len({re.match(r"\w+ +", line).end() for line in lines}), 1, lines)


if __name__ == "__main__":
    unittest.main()
