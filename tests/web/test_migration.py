"""docs/migration.md, followed by the letter on this machine with every change kept apart."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from test_readme import APART, PRELUDE
from web_test import harness

TOP = pathlib.Path(__file__).resolve().parents[2]

# What the page's reader has: an application's user, its files and its table; and no other nginx.
BEFORE = """
useradd --system www-app
mkdir -p /srv/media/2024 /srv/app
echo 'for 42' >/srv/media/2024/report.pdf
echo 'for 43' >/srv/media/ünï.pdf
sqlite3 /srv/app/db.sqlite3 "CREATE TABLE uploads (id INTEGER PRIMARY KEY, user_id INTEGER, file_path TEXT);
  INSERT INTO uploads (user_id, file_path) VALUES (42, '2024/report.pdf'), (43, 'ünï.pdf')"
rm -f /etc/nginx/conf.d/* /etc/nginx/sites-enabled/*
"""
AFTER = """
export GRANTFS_DB=/var/lib/grantfs/site/policy.db
grantctl check user:42 2024/report.pdf
grantctl check user:43 ünï.pdf
sed 's|/private/|/media/|' examples/nginx/grantfs.conf >/etc/nginx/conf.d/grantfs.conf
nginx
for user in 42 43; do
  token=$(grantctl session create user:$user --expires 1h)
  curl -s -H "Cookie: __Host-files=$token" -w '%{http_code}\\n' http://127.0.0.1:8080/media/2024/report.pdf
done
curl -so /dev/null -w 'without: %{http_code}\\n' http://127.0.0.1:8080/media/2024/report.pdf
setpriv --reuid=www-data --regid=www-data --clear-groups cat /srv/media/2024/report.pdf || echo 'closed to nginx'
nginx -s quit
umount /srv/files
"""


def steps(*numbers):
    """The commands of those steps that are for the shell of this machine."""
    page = (TOP / "docs/migration.md").read_text()
    section = page[page.index("## In half an hour"):page.index("## From what")]
    found = []
    for number in numbers:
        step = re.search(rf"^{number}\. .*?(?=^\d\. |\Z)", section, re.MULTILINE | re.DOTALL)[0]
        found += [line[7:] for line in step.splitlines() if line.startswith("       ") and "manage.py" not in line]
    return "\n".join(found) + "\n"


@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class Migration(unittest.TestCase):
    def test_the_page_leads_from_a_table_of_uploads_to_private_files(self):
        commands = steps(1, 2)
        self.assertIn("INSERT OR IGNORE INTO owners", commands)
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run([*APART, "bash", "-c", PRELUDE + BEFORE + commands + AFTER, "migration", scratch, str(harness.BUILD),
                                   str(TOP)], capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said)
        self.assertIn("for 42\n200\n", done.stdout, said)
        self.assertIn("404\nwithout: 403\nclosed to nginx\n", done.stdout, said)


if __name__ == "__main__":
    unittest.main()
