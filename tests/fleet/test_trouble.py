"""A full disk, and whatever can be killed is killed: a node refuses, recovers, and gives nobody more access."""

import os
import random
import signal
import subprocess
import threading
import time
import unittest

from cluster import server
from follower_case import BOUND, FollowerCase
from harness import outcome, wait_for
from openers import Openers

KILLS = int(os.environ.get("GRANTFS_KILLS", 6))
GIVE = "INSERT INTO grantfs.grants (principal, path) VALUES ('public', 'shared') ON CONFLICT DO NOTHING"
TAKE = "DELETE FROM grantfs.grants WHERE path = 'shared'"


class FullDisk(FollowerCase):
    def setUp(self):
        super().setUp()
        self.folder = self.site.db.parent
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", self.folder], check=True)

    def fill(self):
        """A file that leaves nothing free."""
        path = self.folder / "full"
        with open(path, "wb", buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(bytes(4096))
        return path

    def test_it_refuses_while_the_disk_is_full_and_recovers(self):
        self.sql(GIVE)
        self.node.start(f"--follow={BOUND}")
        self.mount()
        filler = self.fill()
        self.sql("BEGIN; INSERT INTO grantfs.owners (path, principal) SELECT repeat(i::text, 40), 'user:u' FROM generate_series(10000, 13000) i;"
                 f" {TAKE}; COMMIT")
        self.assert_refuses(BOUND + 1)
        self.assertIn("refuses everything", self.await_recall())
        self.assertRegex(self.node.said(), "(?i)disk (is )?full|no space")
        self.node.wait_for(lambda: self.node.said().count("making ") > 1, "a new copy to be tried")
        filler.unlink()
        self.sql(GIVE)
        self.node.wait_for(lambda: outcome(os.stat, self.report) == "OK", "the node to serve")
        self.assert_same(self.node)
        self.assertEqual([name for name in os.listdir(self.folder) if "copying" in name], [])


class Killed(FollowerCase):
    """By SIGKILL, at any moment, under load."""

    def kill_follower(self):
        self.node.stop(signal.SIGKILL)
        self.node.start(f"--follow={BOUND}")

    def kill_daemon(self):
        self.site.kill()
        self.site.mount(self.options)

    @staticmethod
    def kill_server():
        server().kill()
        server().start()

    def take_away(self):
        """Until it is acknowledged: the server may die before, or after, it has committed."""
        while True:
            _, trouble = self.sql(TAKE, check=False)
            rows, more_trouble = self.sql("SELECT node, forgotten FROM grantfs.await_recall()", check=False)
            if not trouble and not more_trouble:
                self.returned = time.monotonic()
                self.assertEqual(rows, [(self.node.name, "t")])
                return

    def test_nobody_opens_what_was_taken_away_whatever_is_killed(self):
        seed = int(os.environ.get("GRANTFS_SEED", random.randrange(10**6)))
        print(f"seed {seed} (repeat with GRANTFS_SEED={seed})")
        chance = random.Random(seed)
        self.options = f"enforce=lease,lease=1,follow={BOUND}"
        self.node.start(f"--follow={BOUND}")
        self.node.mount(self.options)
        self.sql(GIVE)
        openers = Openers([self.report])
        self.addCleanup(openers.close)
        writer = self.write_for_a_while(seed)
        victims = [self.kill_follower, self.kill_daemon, self.kill_server]
        for n in range(KILLS):
            openers.wait_until_open()
            self.returned = None
            revoking = threading.Thread(target=self.take_away)
            revoking.start()
            time.sleep(chance.uniform(0, 0.2))  # the moment
            (victims[n] if n < len(victims) else chance.choice(victims))()
            revoking.join()
            self.assertIsNotNone(self.returned, "await_recall() said of the node that it has not forgotten")
            openers.wait_for_tries()
            self.assertLess(openers.latest(0), self.returned, self.node.said())
            wait_for(lambda: not self.sql(GIVE, check=False)[1], what="the server to answer")
        writer.end()
        openers.wait_until_open()
        self.assert_same(self.node)


if __name__ == "__main__":
    unittest.main()
