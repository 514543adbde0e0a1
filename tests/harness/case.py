"""A test case that has a site."""

import errno
import os
import unittest

from .actors import Actor, outcome
from .machine import hold_machine, unused_ids
from .site import Site


class MountTest(unittest.TestCase):
    """A test with a site of its own, not yet mounted, and three uids that nobody has."""

    #: Whether it makes the kernel forget what it knows, of other tests' mounts too.
    DROPS_KERNEL_CACHES = False

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("mounts, and becomes other users: run it as root")
        hold_machine(self, "kernel-caches", alone=self.DROPS_KERNEL_CACHES)
        self.alice, self.bob, self.stranger = unused_ids(3)
        self.site = self.new_site()

    def new_site(self, **kwargs):
        site = Site(**kwargs)
        self.addCleanup(site.close)
        return site

    def actor(self, uid, **kwargs):
        actor = Actor(uid, **kwargs)
        self.addCleanup(actor.close)
        return actor

    def assert_errno(self, expected, function, *args, **kwargs):
        """`expected` is a number such as errno.ENOENT; the call must fail with just that."""
        want = errno.errorcode[expected]
        self.assertEqual(outcome(function, *args, **kwargs), want,
                         f"{getattr(function, '__name__', function)}{args}")

    def assert_absent(self, path):
        """To stat, open and every other question the path does not exist."""
        for function, args in ((os.stat, ()), (os.lstat, ()), (os.open, (os.O_RDONLY,)),
                               (os.open, (os.O_PATH,)), (os.listdir, ()), (os.readlink, ())):
            self.assert_errno(errno.ENOENT, function, path, *args)

    def assert_daemon_lives(self):
        self.assertTrue(self.site.alive(), f"the daemon has died; its log: {self.site.log()}")
