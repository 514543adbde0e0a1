"""Promises 1 and 7, when the store's directory goes, comes, or is another: it is followed, or everything is refused."""

import os
import shutil
import subprocess
import unittest

from fixture import read
from harness import LENDS_BY_DEFAULT, MountTest, Site, outcome, wait_for


@unittest.skipIf(LENDS_BY_DEFAULT, "it lends anyway")
class StoreMoves(MountTest):
    OPTIONS = "enforce=lease,lease=1"

    def setUp(self):
        super().setUp()
        self.site.write("u/f", b"old")
        self.site.grantctl("own", "user:1", "u")
        self.token = self.site.session("user:1")
        self.away = self.site.root / "away"

    def mount(self, options=""):
        self.site.mount(",".join(filter(None, (self.OPTIONS, options))))
        self.path = self.site.path("by-session", self.token, "u/f")
        for _ in range(3):
            self.assertEqual(read(self.path), b"old")

    def sees(self):
        try:
            return read(self.path)
        except OSError as error:
            return error.errno and outcome(read, self.path)

    def becomes(self, what):
        wait_for(lambda: self.sees() == what, timeout=20, what=what)

    def another(self, content=b"new"):
        """Beside the store."""
        folder = self.site.root / "another"
        (folder / "u").mkdir(parents=True)
        (folder / "u/f").write_bytes(content)
        folder.chmod(0o700)
        return folder

    def test_renamed_away_and_back(self):
        """Promise 1: while there is none, everything is refused, and it is said."""
        self.mount()
        os.rename(self.site.store, self.away)
        self.becomes("EACCES")
        self.assertEqual(outcome(os.listdir, self.site.path("by-session", self.token)), "EACCES")
        self.assertIn("is away: No such file", self.site.log())
        os.rename(self.away, self.site.store)
        self.becomes(b"old")

    def test_another_directory_in_its_place(self):
        """Promises 7, 14: what is served is at the path, whatever was open or lent before."""
        self.mount()
        with open(self.path, "rb") as held:
            os.rename(self.site.store, self.away)
            os.rename(self.another(), self.site.store)
            self.becomes(b"new")
            self.assertEqual(held.read(), b"old")
        self.assertIn("is another directory", self.site.log())

    def test_a_disk_mounted_over_it_and_away_again(self):
        """Promise 7: a disk that comes late (nofail), and one that is lost (umount -l)."""
        self.mount()
        new = self.another()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "disk", self.site.store], check=True)
        shutil.copytree(new, self.site.store, dirs_exist_ok=True)
        self.becomes(b"new")
        subprocess.run(["umount", "-l", self.site.store], check=True)
        self.becomes(b"old")

    def test_no_link_is_followed(self):
        """Promise 7: who may write beside the store does not choose what is served."""
        self.mount()
        new = self.another()
        os.rename(self.site.store, self.away)
        os.symlink(new, self.site.store)
        self.becomes("EACCES")
        os.unlink(self.site.store)
        os.rename(self.away, self.site.store)
        self.becomes(b"old")

    def test_what_is_no_directory(self):
        self.mount()
        os.rename(self.site.store, self.away)
        self.site.store.write_text("file")
        self.becomes("EACCES")
        self.site.store.unlink()
        os.rename(self.away, self.site.store)

    def test_pinned(self):
        """store=pinned: the directory of the start, wherever it goes."""
        self.mount("store=pinned")
        os.rename(self.site.store, self.away)
        new = self.another()
        os.rename(new, self.site.store)
        follows = Site(of=self.site)
        self.addCleanup(follows.close)
        follows.mount(self.OPTIONS)
        self.assertEqual(read(follows.path("by-session", self.token, "u/f")), b"new")
        os.rename(self.site.store, self.site.root / "third")
        wait_for(lambda: outcome(read, follows.path("by-session", self.token, "u/f")) == "EACCES")
        self.assertEqual(read(self.path), b"old")

    def test_status_says_so(self):
        self.mount()
        self.assertEqual(self.site.grantctl("status").returncode, 0)
        os.rename(self.site.store, self.away)
        self.becomes("EACCES")
        done = self.site.grantctl("status", check=False)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout, r"(?m)^state +trouble: the store .* is away")
        os.rename(self.away, self.site.store)
        self.becomes(b"old")
        self.assertEqual(self.site.grantctl("status").returncode, 0)

    def test_not_there_at_the_start(self):
        """An exit status that systemd tries again (examples/systemd)."""
        os.rename(self.site.store, self.away)
        done = self.site.mount(check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("no store at", self.site.log())


class StoreMovesAskedEachTime(StoreMoves):
    OPTIONS = "enforce=open,lease=1"


if __name__ == "__main__":
    unittest.main()
