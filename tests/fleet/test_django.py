"""The tests of examples/django once more, with Django's tables and the policy in one database of PostgreSQL."""

import os
import pathlib
import subprocess
import unittest

from cluster import server
from harness import GRANTCTL

DJANGO = pathlib.Path(__file__).resolve().parents[2] / "examples" / "django"
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
ROLE = "django"


class Django(unittest.TestCase):
    def setUp(self):
        if subprocess.run([PYTHON, "-c", "import django, psycopg2"], capture_output=True).returncode != 0:
            self.skipTest("Django or psycopg2 is not installed")
        server().sql(f"CREATE ROLE {ROLE} LOGIN CREATEDB CREATEROLE IN ROLE pg_read_all_stats")
        self.addCleanup(server().sql, f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")

    def test_the_applications_own_tests_pass(self):
        server().sql(f"CREATE DATABASE gallery OWNER {ROLE}")
        self.addCleanup(server().drop_database, "gallery")
        self.addCleanup(server().drop_database, "test_gallery")
        environment = {**os.environ, "GRANTCTL": str(GRANTCTL), "SECRET_KEY": "for this test only", "PYTHONDONTWRITEBYTECODE": "1",
                       "SITE_POSTGRESQL": "gallery", "PGHOST": str(server().folder), "PGPORT": str(server().port), "PGUSER": ROLE}
        done = subprocess.run([PYTHON, "manage.py", "test"], cwd=DJANGO, env=environment, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"Ran (?:1[3-9]\d|[2-9]\d\d) tests")
        self.assertRegex(done.stderr, r"OK \(skipped=1?\d\)")


if __name__ == "__main__":
    unittest.main()
