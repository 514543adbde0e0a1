"""A site whose store is on NFS, and another machine that changes it."""

import pathlib

from fixture import PolicyTest, read
from harness import outcome, wait_for
from nfs import EXPORT, machines

SECRET = b"nobody's secret\n"

#: The kernel of the machine that serves believes for ten minutes what it knows of names and files: whatever is noticed
#: sooner was noticed by grantfs. The other machine believes nothing.
BELIEVES = "vers=4.2,actimeo=600"
BELIEVES_NOTHING = "vers=4.2,actimeo=0,lookupcache=none"

#: A second for the lease, ten for a server that starts anew, and the rest for an emulated machine.
SOON_SECONDS = 40


class NfsTest(PolicyTest):
    """Not mounted yet. `self.site.store` is the store, `self.other` the same folder as another machine has it.

        open/       granted to public
        secret/     in no rule
    """

    def setUp(self):
        super().setUp()
        self.server, self.web, self.machine = machines()
        self.addCleanup(self.server.export)
        self.addCleanup(self.web.join)
        self.folder = EXPORT / self.site.root.name
        self.folder.mkdir(mode=0o700)
        self.other = pathlib.Path(self.site._folder("other", 0o700))
        self.machine.mount(self.folder.name, self.other, BELIEVES_NOTHING)
        self.write("open/x", b"old\n")
        self.write("secret/x", SECRET)
        self.grant("public", "open")

    def mount_store(self, options=BELIEVES):
        self.web.mount(self.folder.name, self.site.store, options)

    def write(self, path, data):
        """By the other machine; parents included."""
        there = self.other / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)
        return there

    def public(self, *parts):
        return self.site.path("public", *parts)

    def read(self, path="open/x"):
        """The bytes, or the name of the error."""
        try:
            return read(self.public(path))
        except OSError:
            return outcome(read, self.public(path))

    def assert_soon(self, wanted, path="open/x", before=(b"old\n",)):
        """It reads so within a lease, and until then only as before."""
        def is_there():
            seen = self.read(path)
            if seen != wanted:
                self.assertIn(seen, before)
            return seen == wanted

        wait_for(is_there, timeout=SOON_SECONDS, what=f"{path} to read {wanted}")
        self.assertEqual(self.read(path), wanted)
