"""What most cases start from: two uids with a file each, and a file that is nobody's."""

import os

from harness import MountTest

REPORT = b"alice's report\n"
SECRET = b"bob's secret\n"
WELCOME = b"welcome, everybody\n"


def read(path):
    """All of a file, through os.open: picklable by name for an Actor."""
    fd = os.open(path, os.O_RDONLY)
    try:
        data = b""
        while block := os.read(fd, 1 << 20):
            data += block
        return data
    finally:
        os.close(fd)


def names(path):
    """The sorted names of a folder."""
    return sorted(os.listdir(path))


class PolicyTest(MountTest):
    """Rules by plain SQL, since most cases are not about grantctl."""

    def own(self, principal, path):
        self.site.sql("INSERT OR REPLACE INTO owners (path, principal) VALUES (CAST(? AS TEXT), ?)",
                      (path, principal))

    def grant(self, principal, path, expires=None):
        self.site.sql("INSERT OR REPLACE INTO grants (principal, path, expires)"
                      " VALUES (?, CAST(? AS TEXT), ?)", (principal, path, expires))

    def join(self, member, group, expires=None):
        self.site.sql("INSERT OR REPLACE INTO members (member, parent, expires) VALUES (?, ?, ?)",
                      (member, group, expires))

    def by_uid(self, uid, *parts):
        return self.site.path("by-uid", uid, *parts)

    def by_session(self, token, *parts):
        return self.site.path("by-session", token, *parts)

    def need_leases(self):
        """Skips the test where the mount has fallen back to enforce=open."""
        if self.site.status()["enforce"] != "lease":
            self.skipTest("the store gives no file handles: enforce=open it is")


class TwoUsersTest(PolicyTest):
    """Mounted, with:

        alice/report.txt, alice/deep/er/note.txt    owned by uid `alice` (the folder)
        bob/secret.txt                              owned by uid `bob` (the folder)
        nobody/unregistered.txt                     in no rule
        open/welcome.txt                            granted to public (the folder)

    and alice_token, bob_token: sessions of those two uids.
    """

    OPTIONS = ""

    def setUp(self):
        super().setUp()
        self.site.write("alice/report.txt", REPORT)
        self.site.write("alice/deep/er/note.txt", b"note\n")
        self.site.write("bob/secret.txt", SECRET)
        self.site.write("nobody/unregistered.txt", b"nobody's\n")
        self.site.write("open/welcome.txt", WELCOME)
        self.own(f"uid:{self.alice}", "alice")
        self.own(f"uid:{self.bob}", "bob")
        self.grant("public", "open")
        self.alice_token = self.site.sql_session(f"uid:{self.alice}")
        self.bob_token = self.site.sql_session(f"uid:{self.bob}")
        self.site.mount(self.OPTIONS)
