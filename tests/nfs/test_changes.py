"""Promises 1, 4 and 14 with a store on NFS: what another machine does to it shows within a lease, whatever the client believes."""

import os
import unittest

from nfs_case import BELIEVES, SECRET, NfsTest


class Changes(NfsTest):
    MODE = "enforce=lease,lease=1"
    STORE = BELIEVES

    def setUp(self):
        super().setUp()
        self.write("open/deep/er/x", b"old\n")
        self.mount_store(self.STORE)
        self.site.mount(self.MODE)
        self.assertEqual(self.read(), b"old\n")
        self.assertEqual(self.read("open/deep/er/x"), b"old\n")

    def believed(self, path="open/x"):
        """Whether this machine's NFS client believes that the path is as it was: what grantfs is up against."""
        return os.path.isfile(self.site.store / path)

    def test_a_file_that_was_moved_away_is_not_served(self):
        os.rename(self.other / "open/x", self.other / "secret/moved")
        (self.other / "secret/moved").write_bytes(SECRET)
        self.assertTrue(self.believed())
        # Its bytes may be of after the move, as in any lease, but not for longer.
        self.assert_soon("ENOENT", before=(b"old\n", SECRET))

    def test_a_folder_above_that_was_moved_away_is_not_served(self):
        held = os.open(self.public("open/deep/er"), os.O_PATH)
        self.addCleanup(os.close, held)
        os.rename(self.other / "open/deep", self.other / "secret/deep")
        self.assertTrue(self.believed("open/deep/er/x"))
        self.assert_soon("ENOENT", "open/deep/er/x")
        with self.assertRaises(FileNotFoundError):
            os.open("x", os.O_RDONLY, dir_fd=held)

    def test_a_file_that_was_deleted_is_not_served(self):
        os.unlink(self.other / "open/x")
        self.assertTrue(self.believed())
        self.assert_soon("ENOENT", before=(b"old\n", "ESTALE"))

    def test_a_file_that_was_replaced_is_served_new(self):
        self.write("open/.new", b"new!\n").rename(self.other / "open/x")
        self.assert_soon(b"new!\n")

    def test_a_file_that_was_overwritten_is_served_new(self):
        """With the size and the modification time that it had: the change time tells."""
        before = os.stat(self.other / "open/x")
        self.write("open/x", b"new\n")
        os.utime(self.other / "open/x", ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assert_soon(b"new\n")

    def test_a_file_that_was_cut_off_or_grew_is_served_so(self):
        os.truncate(self.other / "open/x", 1)
        self.assert_soon(b"o")
        self.write("open/x", b"old and more\n")
        self.assert_soon(b"old and more\n", before=(b"o",))

    def test_a_folder_that_became_a_symbolic_link_leads_nowhere(self):
        os.rename(self.other / "open", self.other / "was")
        os.symlink("secret", self.other / "open")
        self.assertTrue(self.believed())
        self.assert_soon("ENOENT")

    def test_a_folder_that_became_another_is_served(self):
        os.rename(self.other / "open", self.other / "was")
        self.write("open/x", b"another's\n")
        self.assertTrue(self.believed())
        self.assert_soon(b"another's\n", before=(b"old\n", "ENOENT"))

    def test_a_new_name_for_a_file_is_one_more_path(self):
        """As on any store: a hard link in a folder that is granted is granted."""
        self.assertEqual(self.read("open/link"), "ENOENT")
        os.link(self.other / "secret/x", self.other / "open/link")
        self.assert_soon(SECRET, "open/link", before=("ENOENT",))
        os.unlink(self.other / "open/link")
        self.assert_soon("ENOENT", "open/link", before=(SECRET,))

    def test_an_inode_number_that_is_used_again_is_another_file(self):
        """ext4 on the server gives the number of a file that was deleted to the next."""
        numbers = set()
        for i in range(10):
            os.unlink(self.other / "open/x")
            self.write("open/x", b"%d\n" % i)
            numbers.add(os.stat(self.other / "open/x").st_ino)
            self.assert_soon(b"%d\n" % i, before=(b"old\n", b"%d\n" % (i - 1), "ENOENT", "ESTALE"))
        self.assertLess(len(numbers), 10)

    def test_a_listing_is_of_now(self):
        self.assertEqual(sorted(os.listdir(self.public("open"))), ["deep", "x"])
        self.write("open/y", b"y\n")
        os.unlink(self.other / "open/x")
        self.assertEqual(sorted(os.listdir(self.public("open"))), ["deep", "y"])


class ChangesAtEachOpen(Changes):
    """enforce=open: at once, not within a lease."""

    MODE = "enforce=open,lease=0"

    def assert_soon(self, wanted, path="open/x", before=()):
        self.assertEqual(self.read(path), wanted)


class ChangesOverVersion3(Changes):
    STORE = BELIEVES.replace("4.2", "3,nolock")


if __name__ == "__main__":
    unittest.main()
