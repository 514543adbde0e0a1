"""Promises 2 and 10: a backup put back while everything runs, and one that was put back by hand."""

import os
import shutil
import subprocess
import sys
import unittest

from fixture import read
from harness import MountTest, outcome


class Restored(MountTest):
    def setUp(self):
        super().setUp()
        self.site.write("u/f", b"secret")
        self.token = self.site.session("user:1")
        self.path = self.site.path("by-session", self.token, "u/f")
        self.backup = self.site.root / "backup.db"

    def test_what_the_backup_does_not_grant_is_over_when_restore_returns(self):
        """Promise 2: and what it grants is there."""
        self.site.grantctl("backup", self.backup)
        self.site.mount("enforce=lease,lease=30")
        for _ in range(3):
            self.site.grantctl("own", "user:1", "u")
            granting = self.site.root / "granting.db"
            self.site.grantctl("backup", granting)
            self.assertEqual(read(self.path), b"secret")
            self.site.grantctl("restore", self.backup)
            self.assertEqual(outcome(read, self.path), "ENOENT")
            self.site.grantctl("restore", granting)
            self.assertEqual(read(self.path), b"secret")
            self.site.grantctl("revoke", "user:1", "u")
            self.assertEqual(outcome(read, self.path), "ENOENT")

    def test_a_daemon_that_starts_replays_no_foreign_wal(self):
        """Promise 10: it refuses to start, says what to do, and leaves both as they are."""
        self.site.grantctl("own", "user:2", "other")
        shutil.copy(self.site.db, self.backup)
        script = ("import os, sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1])\n"
                  "connection.execute(\"INSERT INTO owners (path, principal) VALUES ('u', 'user:1')\")\n"
                  "connection.commit()\nos._exit(0)")
        subprocess.run([sys.executable, "-c", script, self.site.db], check=True)
        new = self.site.db.with_name("new")
        shutil.copy(self.backup, new)
        os.rename(new, self.site.db)
        done = self.site.mount(check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("policy.db-wal was left by another database", self.site.log())
        for suffix in ("-wal", "-shm"):
            self.site.db.with_name("policy.db" + suffix).unlink(missing_ok=True)
        self.site.mount()
        self.assertEqual(outcome(read, self.path), "ENOENT")


if __name__ == "__main__":
    unittest.main()
