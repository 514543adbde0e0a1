"""mount.grantfs does what its page says, with a daemon that only prints its arguments."""

import pathlib
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]


class MountHelper(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        bindir = pathlib.Path(folder.name) / "with space"
        bindir.mkdir()
        daemon = bindir / "grantfs"
        daemon.write_text('#!/bin/sh\nprintf "<%s>" "$@"\nexit 7\n')
        daemon.chmod(0o755)
        self.helper = bindir / "mount.fuse.grantfs"
        self.helper.write_text((TOP / "tools/mount.grantfs.in").read_text().replace("@bindir@", str(bindir)))

    def run_helper(self, *words):
        return subprocess.run(["sh", str(self.helper), *words], capture_output=True, text=True, timeout=30)

    def assert_passes(self, given, passed):
        done = self.run_helper("/a store", "/mount point", "-o", given, "-t", "fuse.grantfs")
        expected = (f"<-o><{passed}>" if passed else "") + "<--></a store></mount point>"
        self.assertEqual((done.stdout, done.stderr, done.returncode), (expected, "", 7))

    def test_what_is_for_mount_alone_is_taken_out(self):
        for word in ("rw", "defaults", "auto", "noauto", "nofail", "_netdev", "user", "user=bob", "nouser", "users", "owner",
                     "group", "uid=0", "comment=a b", "x-systemd.automount", "x-gvfs-show", "X-mount.mkdir", "helper=x"):
            with self.subTest(word):
                self.assert_passes(word, "")
                self.assert_passes(f"db=/x,{word},ro", "db=/x,ro")

    def test_what_is_for_grantfs_is_passed_in_order(self):
        for options in ("ro,nosuid,nodev,db=/a path/policy.db,server_group=www-data", "unknown", "rwx,username=x,groups",
                        'open="quote,db=x', "x=*", "db=/a\\,nofail,ro"):
            with self.subTest(options):
                self.assert_passes(options, options)

    def test_quotes_become_backslashes(self):
        """mount(8) hands quotes on; grantfs knows backslashes alone (parse_mount_options)."""
        for given, passed in (('context="system_u:object_r:t:s0:c1,c2"', "context=system_u:object_r:t:s0:c1\\,c2"),
                              ('context="a:b,c",deny=hide', "context=a:b\\,c,deny=hide"), ('a="x",nofail,b="y,rw,z"', "a=x,b=y\\,rw\\,z"),
                              ('db="/a\\b,c"d"e,f"', "db=/a\\\\b\\,cde\\,f"), ('comment="a,b",ro', "ro"), ("db=/a\\\\,nofail", "db=/a\\\\")):
            with self.subTest(given):
                self.assert_passes(given, passed)

    def test_several_o_are_one(self):
        done = self.run_helper("s", "m", "-o", "rw,db=x", "-sn", "-o", "deny=hide")
        self.assertEqual(done.stdout, "<-o><db=x,deny=hide><--><s><m>")

    def test_f_starts_nothing_and_v_says_what_it_would(self):
        done = self.run_helper("s", "m", "-fv", "-o", "rw,db=x")
        self.assertEqual(done.returncode, 0)
        self.assertIn("grantfs -o db=x -- s m", done.stdout)
        self.assertNotIn("<s>", done.stdout)

    def test_what_cannot_be_done_is_refused(self):
        for words in (("s", "m", "-o", "remount,ro"), ("s", "m", "-N", "/proc/1/ns/mnt"), ("s",), (), ("s", "m", "-q"),
                      ("s", "m", "-o"), ("s", "m", "extra"), ("-o", "ro", "s", "m"), ("s", "-x"), ("-x", "m"), ("s", "-o", "ro")):
            with self.subTest(words):
                done = self.run_helper(*words)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertTrue(done.stderr)
