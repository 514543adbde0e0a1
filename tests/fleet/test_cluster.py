"""The server that the other cases start: it answers, it comes back, and nothing of it stays."""

import os
import pathlib
import unittest

from cluster import Cluster


class TheServer(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)

    def test_it_answers_and_keeps_what_it_has_through_a_crash(self):
        self.cluster.create_database("site")
        self.cluster.sql("CREATE TABLE t (a text, b bigint); INSERT INTO t VALUES ('x', NULL), ('', 2); CHECKPOINT", "site")
        self.assertEqual(self.cluster.sql("SELECT a, b FROM t ORDER BY a DESC", "site"), [("x", None), ("", "2")])
        self.cluster.kill()
        self.cluster.start()
        self.assertEqual(self.cluster.sql("SELECT count(*) FROM t", "site"), [("2",)])
        _, trouble = self.cluster.sql("SELECT * FROM nothing", "site", check=False)
        self.assertIn("does not exist", trouble)

    def test_it_is_not_roots_and_decodes(self):
        self.assertEqual(self.cluster.sql("SHOW wal_level"), [("logical",)])
        self.assertNotEqual(os.stat(f"/proc/{self.cluster.process.pid}").st_uid, 0)

    def test_nothing_stays_behind(self):
        pid, folder = self.cluster.process.pid, self.cluster.folder
        self.cluster.close()
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())
        self.assertFalse(folder.exists())


if __name__ == "__main__":
    unittest.main()
