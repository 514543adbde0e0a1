"""README's short set-up, run by the letter, on this machine with every change kept apart."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from web_test import harness

TOP = pathlib.Path(__file__).resolve().parents[2]

PRELUDE = """
set -e
scratch=$1 build=$2 top=$3
mount -t tmpfs tmpfs "$scratch"
for folder in etc srv usr var; do
  mkdir -p "$scratch/$folder/upper" "$scratch/$folder/work"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$scratch/$folder/upper,workdir=$scratch/$folder/work" "/$folder"
done
mount -t tmpfs tmpfs /run
ip link set lo up
rm -rf /var/lib/grantfs
meson install -C "$build" --no-rebuild >/dev/null
cd "$top"
set -x
"""
POSTLUDE = """
curl -s http://127.0.0.1/ -o /dev/null -w "Debian's page: %{http_code}\\n"
curl -s http://127.0.0.1/private/uploads/report.txt -H "Cookie: __Host-files=$token" -o /dev/null -w "by Debian's page: %{http_code}\\n"
umount /srv/files
mount -t fuse.grantfs /srv/private /srv/files -o db=$GRANTFS_DB,server_group=www-data
curl -H "Cookie: __Host-files=$token" http://127.0.0.1:8080/private/uploads/report.txt
umount /srv/files
"""


def setup_commands():
    """The indented block of the section that sets up nginx."""
    section = re.search(r"^## Set it up.*?(?=^## )", (TOP / "README.md").read_text(), re.MULTILINE | re.DOTALL)[0]
    block = re.search(r"(?:^    .*\n|^\n)+", section[section.index("as root:"):], re.MULTILINE)[0]
    lines = [line.strip() for line in block.splitlines()]
    # Debian's package starts what it installs, with its own page.
    return "\n".join("nginx" if line.startswith("apt-get ") else line for line in lines)


@unittest.skipIf(os.geteuid(), "mounts a file system: run it as root")
class Readme(unittest.TestCase):
    def test_the_short_set_up_serves_a_private_file(self):
        commands = setup_commands()
        self.assertIn("grantctl own", commands)
        with tempfile.TemporaryDirectory() as scratch:
            # bob is refused by the last command: grantctl check exits 1.
            script = PRELUDE + "set +e\n" + commands + "\nset -e\n" + POSTLUDE
            done = subprocess.run([*harness.APART, "bash", "-c", script, "readme", scratch, str(harness.BUILD), str(TOP)],
                                  capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said)
        self.assertEqual(done.stdout.count("for alice\n"), 2, said)  # by grantfs, and by mount -t fuse.grantfs
        self.assertIn("HTTP/1.1 403", done.stdout, said)
        self.assertIn("Debian's page: 200", done.stdout, said)
        self.assertIn("by Debian's page: 404", done.stdout, said)
        self.assertRegex(done.stdout, r"(?m)^allow: user:alice")
        self.assertRegex(done.stdout, r"(?m)^deny: user:bob")


if __name__ == "__main__":
    unittest.main()
