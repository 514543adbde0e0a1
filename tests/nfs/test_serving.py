"""A store on NFS: what grantfs makes of it, with each version of the protocol."""

import os
import pathlib
import re

from harness import outcome
from nfs import DELEGATIONS, Server, run
from nfs_case import NfsTest

VERSIONS = ("4.2", "4.1", "4.0", "3,nolock")


def forget_files():
    """Has the kernel forget what nobody uses, so that the server is asked for a handle."""
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")


class Serving(NfsTest):
    def serve(self, version, mode):
        self.mount_store(f"vers={version}")
        self.site.mount(mode)
        self.assertEqual(self.read(), b"old\n")
        self.assertEqual(outcome(os.stat, self.public("secret/x")), "ENOENT")
        with open(self.public("open/x"), "rb") as held:
            forget_files()
            self.assertEqual(held.read(), b"old\n")
        forget_files()
        self.assertEqual(self.read(), b"old\n")
        status = self.site.status()
        self.site.umount()
        run("umount", self.site.store)
        return status

    def test_leases_with_each_version(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                status = self.serve(version, "enforce=lease,lease=1")
                # Linux gives no handles of 4.0.
                self.assertEqual(status["enforce"], "open" if version == "4.0" else "lease")
                self.assertEqual(status["store_asked_because"], "the store is on NFS, which others may change")
        self.assertIn("each look at it asks", self.site.log())

    def test_each_open_with_each_version(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                status = self.serve(version, "enforce=open")
                self.assertEqual(status["enforce"], "open")
                if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 9):
                    self.assertEqual(status["passthrough"], version != "4.0")

    def test_status_says_how_the_store_is_looked_at(self):
        self.mount_store()
        self.site.mount("enforce=lease,lease=1")
        self.assertRegex(self.site.grantctl("status").stdout, r"(?m)^store +\S+ \(asked anew at each look: the store is on NFS, .*\)$")


class Requests(NfsTest):
    """What the server is asked."""

    OPENS = 100

    def requests(self):
        """The server's answers so far, as mountstats(8) counts them."""
        (ours,) = [part for part in pathlib.Path("/proc/self/mountstats").read_text().split("\ndevice ") if f" mounted on {self.site.store} " in part]
        return sum(int(line.split()[1]) for line in ours.partition("per-op statistics")[2].splitlines() if line.strip())

    def asked(self, mode):
        """For each open of a file that is three folders deep, after the first."""
        self.site.mount(mode)
        self.assertEqual(self.read("open/a/b/x"), b"x\n")
        before = self.requests()
        for _ in range(self.OPENS):
            self.assertEqual(self.read("open/a/b/x"), b"x\n")
        asked = (self.requests() - before) / self.OPENS
        self.site.umount()
        print(f"{mode}: {asked:.1f} requests for each open")
        return asked

    def test_a_lease_saves_requests(self):
        self.write("open/a/b/x", b"x\n")
        self.mount_store("vers=4.2")
        lent = self.asked("enforce=lease,lease=60")
        self.assertLess(lent, 1)
        self.assertLess(lent, self.asked("enforce=open,lease=60"))
        self.assertLess(self.asked("enforce=open,lease=0"), 40)  # each folder on the way to each folder, and as often by the kernel


class DelegationsOfFolders(NfsTest):
    def test_a_client_that_asks_for_them_is_refused(self):
        """Linux 7.2 believes then whatever names it knew before, with lookupcache=none too."""
        if not DELEGATIONS.exists():
            self.skipTest("this kernel's client knows none")
        DELEGATIONS.write_text("Y\n")
        self.addCleanup(DELEGATIONS.write_text, "N\n")
        self.mount_store()
        done = self.site.mount(check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("directory_delegations=0", done.stderr)


class ReadOnly(NfsTest):
    def test_a_store_that_is_mounted_read_only_is_served(self):
        self.mount_store("vers=4.2,ro,nosuid,nodev,noexec")
        for mode in ("enforce=lease,lease=1", "enforce=open"):
            self.site.mount(mode)
            self.assertEqual(self.read(), b"old\n")
            self.site.umount()


class RootSquash(NfsTest):
    """The server's own default: root of another machine is nobody."""

    def test_a_store_that_root_may_not_read_is_refused_by_name(self):
        self.server.export(Server.OPTIONS.replace("no_root_squash", "root_squash"))
        self.mount_store()
        done = self.site.mount("enforce=lease,lease=1", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no_root_squash", done.stderr)

    def test_root_may_be_the_user_that_the_files_are_of(self):
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, self.alice, self.alice)
        self.server.export(Server.OPTIONS.replace("no_root_squash", f"root_squash,anonuid={self.alice},anongid={self.alice}"))
        self.mount_store()
        for mode in ("enforce=lease,lease=1", "enforce=open"):
            self.site.mount(mode)
            self.assertEqual(self.read(), b"old\n")
            self.site.umount()


class DeletedWhileOpen(NfsTest):
    """A client gives a file that is deleted while it is open another name, .nfs and digits, until it is closed."""

    def hidden(self):
        return [name for name in os.listdir(self.site.store / "open") if name.startswith(".nfs")]

    def delete(self, folder):
        """While a reader has it open."""
        self.mount_store()
        self.site.mount("enforce=lease,lease=1")
        reader = open(self.public("open/x"), "rb")
        self.addCleanup(reader.close)
        self.assertEqual(reader.read(1), b"o")
        os.unlink(folder / "open/x")
        return reader

    def test_by_this_machine_no_view_shows_it(self):
        self.delete(self.site.store)
        (name,) = self.hidden()
        self.assertEqual((self.site.store / "open" / name).read_bytes(), b"old\n")
        self.assertEqual(os.listdir(self.public("open")), [])
        self.assertEqual(self.read(f"open/{name}"), "ENOENT")

    def test_by_another_machine_there_is_none(self):
        self.delete(self.other)
        self.assertEqual(self.hidden(), [])
        self.assertEqual(os.listdir(self.public("open")), [])

    def test_by_another_mount_of_this_machine_there_is_none(self):
        apart = self.site._folder("apart", 0o700)
        self.web.mount(self.folder.name, apart, "vers=4.2,nosharecache")
        self.delete(apart)
        self.assertEqual(os.listdir(apart / "open"), [])
