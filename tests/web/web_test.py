"""What the cases here share: one mounted store behind four web servers, for all of them."""

import atexit
import hashlib
import os
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import harness  # noqa: E402
from servers import SERVERS  # noqa: E402

FILES = {
    "alice/letter.txt": b"Dear Bob,\n" * 40,
    "bob/secret.txt": b"bob's own\n",
    "album/cat.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "public-files/terms.html": b"<h1>Terms</h1>",
    "nobody/unowned.txt": b"in no table\n",
}


def digest(data):
    return hashlib.sha256(data).hexdigest()


def quoted(path):
    """A store path (str or bytes) as it stands in a URL."""
    return urllib.parse.quote(path)


def make_site():
    """alice owns alice/, bob owns bob/, the group family holds album/, everyone public-files/; mounted."""
    site = harness.Site()
    for path, data in FILES.items():
        site.write(path, data)
    for rule in (("own", "user:alice", "alice"), ("own", "user:bob", "bob"),
                 ("group", "add", "group:family", "user:alice"), ("grant", "group:family", "album"),
                 ("grant", "public", "public-files")):
        site.grantctl(*rule)
    site.mount("server_group=www-data,by_user=www-data")
    return site


class Shared:
    """The one site, and the servers on it that were asked for."""

    def __init__(self):
        self.site = make_site()
        self.alice = self.site.session("user:alice")
        self.bob = self.site.session("user:bob")
        self.servers = {}
        self.populated = set()
        atexit.register(self.stop)  # before the harness unmounts

    def server(self, kind):
        if kind not in self.servers:
            self.servers[kind] = kind(self.site.root / kind.NAME, self.site.mountpoint)
        return self.servers[kind]

    def stop(self):
        for server in self.servers.values():
            server.stop()

    @classmethod
    def the(cls):
        if not hasattr(cls, "_one"):
            cls._one = cls()
        return cls._one


class WebTest(unittest.TestCase):
    """Cases against one server; on_every_server makes a class of them for each. populate() adds files."""

    FILES = FILES
    SERVER = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("mounts a file system: run it as root")
        shared = Shared.the()
        cls.site, cls.alice, cls.bob = shared.site, shared.alice, shared.bob
        cls.server = shared.server(cls.SERVER)
        if cls.populate not in shared.populated:
            shared.populated.add(cls.populate)
            cls.populate(cls.site)

    @staticmethod
    def populate(site):
        pass

    def get(self, path, token=None, **arguments):
        """A request for a file of /private/."""
        return self.server.get(f"/private/{quoted(path)}", token=token, **arguments)

    def assert_served(self, reply, data):
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(digest(reply.body), digest(data))
        self.assertEqual(reply.headers["content-length"], str(len(data)))

    def assert_refused(self, reply, *statuses):
        """Refused, and not a byte of any file that this store or this machine has."""
        self.assertIn(reply.status, statuses or (400, 403, 404), reply)
        self.assertNotIn(b"root:x:0:0", reply.body)
        for data in self.FILES.values():
            self.assertNotIn(data, reply.body)

    def expected(self, of):
        """What a table that names the servers says of this one; else its default, under None."""
        return of.get(self.SERVER.NAME, of[None])


def on_every_server(cases):
    """Class decorator: the same cases as a class of each server, in the module of the one decorated."""
    module = sys.modules[cases.__module__]
    for server in SERVERS:
        name = f"{cases.__name__}With{server.__name__}"
        setattr(module, name, type(name, (cases,), {"SERVER": server, "__module__": cases.__module__}))
