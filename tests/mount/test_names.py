"""Names are bytes, compared exactly: promises 1 and 5 whatever a name holds."""

import os

import syscalls
from fixture import PolicyTest, read
from harness import outcome

NAMES = [
    b"line\nbreak", b"tab\there", b"escape\x1b[2J", b"\x01\x02\x7f", b"carriage\rreturn", b"quote'\"`$(id);&|<>*?[]{}~!#%^",
    b"back\\slash", b" leading and trailing ", b"-rf", b"--help", b"...", b".hidden", b"..double", b"%2e%2e%2f", b"%00", b"a:b",
    "\u00e9".encode(), "e\u0301".encode(), "日本語.pdf".encode(), "😀".encode(), b"\xff\xfe\xfd", b"caf\xe9", b"\xc0\xaf", b"\xed\xa0\x80",
    b"\xef\xbb\xbfbom", "\u202egnp.exe".encode(), b"x" * 255, ("\u00e9" * 127).encode() + b"x", b"CON", b"semi;colon", b"=", b",", b"\\",
]


class Names(PolicyTest):
    def setUp(self):
        super().setUp()
        self.token = self.site.sql_session("user:alice")
        self.view = os.fsencode(self.by_session(self.token))

    def test_each_is_granted_listed_and_opened_as_the_bytes_it_is(self):
        """Promise 1: newlines, 255 bytes, bad UTF-8, shell and SQL characters; as files of a folder seen in part."""
        for i, name in enumerate(NAMES):
            self.site.write(b"box/" + name, b"%d" % i)
            self.site.write(b"box/" + name[:250] + b".not", b"denied")
            self.grant("user:alice", b"box/" + name)
        self.site.mount()
        self.assertEqual(sorted(os.listdir(self.view + b"/box")), sorted(NAMES))
        for i, name in enumerate(NAMES):
            with self.subTest(name=name):
                self.assertEqual(read(self.view + b"/box/" + name), b"%d" % i)
                self.assertEqual(outcome(os.stat, self.view + b"/box/" + name[:250] + b".not"), "ENOENT")

    def test_each_is_a_folder_that_leads_to_a_grant(self):
        """Promise 1: the skip scan over a listing takes no name for another's prefix."""
        for name in NAMES:
            self.site.write(name + b"/deeper/file", b"x")
            self.site.write(name + b"/other", b"denied")
            self.grant("user:alice", name + b"/deeper/file")
        self.site.mount()
        self.assertEqual(sorted(os.listdir(self.view)), sorted(NAMES))
        for name in NAMES:
            with self.subTest(name=name):
                self.assertEqual(os.listdir(self.view + b"/" + name), [b"deeper"])
                self.assertEqual(read(self.view + b"/" + name + b"/deeper/file"), b"x")

    def test_each_is_listed_in_a_folder_that_is_covered(self):
        """Promise 1: all the store has, and no less."""
        for name in NAMES:
            self.site.write(b"box/" + name, b"")
        self.own("user:alice", "box")
        self.site.mount()
        self.assertEqual(sorted(os.listdir(self.view + b"/box")), sorted(NAMES))
        for _, _, kind, name in syscalls.read_directory(self.view + b"/box"):
            self.assertEqual(kind, 4 if name in (b".", b"..") else 8)

    def test_grantctl_takes_each_as_an_argument(self):
        """Promise 1: what a shell's completion would write is what is granted."""
        self.site.mount()
        for name in NAMES:
            with self.subTest(name=name):
                self.site.write(name, b"x")
                self.site.grantctl("grant", "user:alice", "--", name)
                self.assertEqual(outcome(read, self.view + b"/" + name), "OK")
                self.site.grantctl("revoke", "user:alice", "--", name)
                self.assertEqual(outcome(read, self.view + b"/" + name), "ENOENT")

    def test_composed_and_decomposed_case_and_width_are_different_names(self):
        """Promise 1: no normalisation opens what was not granted."""
        composed, decomposed, ligature = "\u00e9", "e\u0301", "\ufb01le"
        for name in (composed, decomposed, ligature, "File", "file"):
            self.site.write(name, name.encode())
        for name in (composed, "file"):
            self.grant("user:alice", name.encode())
        self.site.mount()
        self.assertEqual(read(self.view + b"/" + composed.encode()), composed.encode())
        self.assertEqual(sorted(os.listdir(self.view)), sorted([composed.encode(), b"file"]))
        for name in (decomposed, ligature, "File", "FILE", "file ", "file."):
            self.assertEqual(outcome(os.stat, self.view + b"/" + name.encode()), "ENOENT")

    def test_too_long_a_name_is_missing(self):
        """Promise 5: over 255 bytes: ENOENT, not ENAMETOOLONG, where a server would tell them apart."""
        self.own("user:alice", ".")
        self.site.mount()
        for length in (256, 300, 1000):
            for path in (b"n" * length, b"n" * length + b"/x"):
                self.assertEqual(outcome(os.stat, self.view + b"/" + path), "ENOENT")
                self.assertEqual(outcome(os.open, self.view + b"/" + path, os.O_RDONLY), "ENOENT")

    def test_a_deep_path_is_decided_at_every_level(self):
        """Promise 1: 120 folders down, a grant on the last file alone."""
        path = b"/".join([b"d%d" % i for i in range(120)])
        self.site.write(path + b"/file", b"deep")
        self.site.write(b"d0/d1/d2/other", b"denied")
        self.grant("user:alice", path + b"/file")
        self.site.mount()
        self.assertEqual(read(self.view + b"/" + path + b"/file"), b"deep")
        self.assertEqual(os.listdir(self.view + b"/d0/d1/d2"), [b"d3"])
        self.assertEqual(os.listdir(self.view + b"/" + path), [b"file"])
        self.site.sql("DELETE FROM grants")
        self.assertEqual(outcome(os.stat, self.view + b"/d0"), "ENOENT")

    def test_below_the_longest_path_nothing_exists(self):
        """Promise 1: reached step by step, beyond what one path may say: ENOENT, and no crash."""
        self.own("user:alice", ".")
        name = b"l" * 200
        fd = os.open(self.site.store, os.O_PATH)
        for _ in range(24):
            os.mkdir(name, dir_fd=fd)
            deeper = os.open(name, os.O_PATH, dir_fd=fd)
            os.close(fd)
            fd = deeper
        os.close(fd)
        self.site.mount()
        fd, depth, end = os.open(self.view, os.O_PATH), 0, None
        while end is None and depth < 24:
            try:
                deeper = os.open(name, os.O_PATH, dir_fd=fd)
                os.close(fd)
                fd, depth = deeper, depth + 1
                self.assertEqual(outcome(os.listdir, f"/proc/self/fd/{fd}"), "OK")
            except OSError as error:
                end = error
        os.close(fd)
        self.assertEqual(depth, 4095 // 201)
        self.assertEqual(outcome(self.raise_it, end), "ENOENT")
        self.assert_daemon_lives()

    @staticmethod
    def raise_it(error):
        raise error

    def test_a_store_with_an_odd_name_is_served(self):
        """Commas, spaces, backslashes and newlines in STORE: none is taken for a mount option."""
        for name in ("with space", "a,allow_other,dev", "back\\slash", "new\nline", "uni·code", "quote'\""):
            with self.subTest(name):
                site = self.new_site()
                store = site.root / name
                os.rename(site.store, store)
                site.store = store
                site.write("file", b"x")
                site.sql("INSERT INTO grants (principal, path) VALUES ('public', 'file')")
                site.mount()
                self.assertEqual(read(site.path("public", "file")), b"x")
                self.assertTrue(os.statvfs(site.mountpoint).f_flag & os.ST_NODEV)
