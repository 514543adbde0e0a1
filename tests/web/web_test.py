"""What the cases here share: a mounted store behind nginx, one for each class."""

import hashlib
import os
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import harness  # noqa: E402
from nginx import Nginx  # noqa: E402


def digest(data):
    return hashlib.sha256(data).hexdigest()


def quoted(path):
    """A store path (str or bytes) as it stands in a URL."""
    return urllib.parse.quote(path)


class WebTest(unittest.TestCase):
    """alice owns alice/, bob owns bob/, the group family holds album/, everyone public-files/.

    Subclasses add files in populate().
    """

    OPTIONS = "server_group=www-data"
    FILES = {
        "alice/letter.txt": b"Dear Bob,\n" * 40,
        "bob/secret.txt": b"bob's own\n",
        "album/cat.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "public-files/terms.html": b"<h1>Terms</h1>",
        "nobody/unowned.txt": b"in no table\n",
    }

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("mounts a file system: run it as root")
        cls.site = harness.Site()
        cls.addClassCleanup(cls.site.close)
        for path, data in cls.FILES.items():
            cls.site.write(path, data)
        for rule in (("own", "user:alice", "alice"), ("own", "user:bob", "bob"),
                     ("group", "add", "group:family", "user:alice"), ("grant", "group:family", "album"),
                     ("grant", "public", "public-files")):
            cls.site.grantctl(*rule)
        cls.populate()
        cls.alice = cls.site.session("user:alice")
        cls.bob = cls.site.session("user:bob")
        cls.site.mount(cls.OPTIONS)
        cls.nginx = Nginx(cls.site.root / "nginx", cls.site.mountpoint)
        cls.addClassCleanup(cls.nginx.stop)

    @classmethod
    def populate(cls):
        pass

    def get(self, path, token=None, **arguments):
        """A request for a file of /private/."""
        return self.nginx.get(f"/private/{quoted(path)}", token=token, **arguments)

    def assert_served(self, reply, data):
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(digest(reply.body), digest(data))
        self.assertEqual(reply.headers["content-length"], str(len(data)))
