"""What the daemon gives up, tried from within, and that it is all that it can do without: each site looks in its log for calls that
were refused (harness/site.py), so that every case of this suite tests the list."""

import os
import pathlib
import re
import shutil
import unittest

from fixture import REPORT, TwoUsersTest, read
from harness import BUILD, REPOSITORY, SANITIZED, MountTest, mounts_beneath, runs, wait_for, with_io_uring

FILTER = "2"  # SECCOMP_MODE_FILTER
SYS_ADMIN = 1 << 21


def status_of(task):
    """The fields of a /proc/…/status."""
    return dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


def helpers_of(daemon):
    """The processes that mount for a daemon."""
    children = pathlib.Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split()
    return [int(child) for child in children if pathlib.Path(f"/proc/{child}/comm").read_text() == "grantfs mounts\n"]


@unittest.skipIf(SANITIZED, "a sanitizer makes calls of its own")
class Threads(TwoUsersTest):
    def threads(self, field):
        """A field of /proc/PID/status of each of the daemon's threads."""
        tasks = list(pathlib.Path(f"/proc/{self.site.daemon_pid}/task").iterdir())
        self.assertGreater(len(tasks), 5)
        return {status_of(task)[field] for task in tasks}

    def assert_all_limited(self):
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
        self.assertEqual(self.threads("Seccomp"), {FILTER})
        self.assertEqual(self.site.status()["system_calls"], "limited")
        self.assertEqual(self.site.counters()["refused_calls"], 0)

    def test_every_thread_is_limited(self):
        """Those that were started before the limit, too."""
        self.assert_all_limited()

    def test_over_io_uring(self):
        """And the threads of its rings."""
        with_io_uring(self)
        self.site.umount()
        self.site.mount("io=uring")
        self.assert_all_limited()
        self.assertEqual(self.site.status()["transport"], "io_uring")

    def test_in_the_background_it_makes_no_other_call(self):
        """Its log is syslog's there; it counts."""
        self.site.umount()
        self.site.mount_background("sandbox=on")
        self.assert_all_limited()

    def test_it_may_be_switched_off(self):
        """sandbox=off; the status says so."""
        self.site.umount()
        self.site.mount("sandbox=off")
        self.assertEqual(self.threads("Seccomp"), {"0"})
        for field in ("system_calls", "writes"):
            self.assertIn("sandbox=off", self.site.status()[field])

    def test_with_leases_no_thread_may_mount(self):
        """With enforce=open, passthrough takes CAP_SYS_ADMIN."""
        for options, keeps in (("enforce=lease", False), ("enforce=open,passthrough=off", False), ("enforce=open,passthrough=auto", True)):
            with self.subTest(options=options):
                self.site.umount()
                self.site.mount(options)
                if "lease" in options:
                    self.need_leases()
                kept = {bool(int(one, 16) & SYS_ADMIN) for field in ("CapEff", "CapPrm") for one in self.threads(field)}
                self.assertEqual(kept, {keeps})


class Helper(TwoUsersTest):
    """The process that keeps the right to mount."""

    def test_it_has_that_right_and_little_else(self):
        helper, = helpers_of(self.site.daemon_pid)
        process = pathlib.Path(f"/proc/{helper}")
        status = status_of(process)
        self.assertEqual(int(status["CapPrm"], 16), SYS_ADMIN | 1 << 2)  # CAP_DAC_READ_SEARCH: the way to the mount point
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Threads"], "1")
        if not SANITIZED:
            self.assertEqual(status["Seccomp"], FILTER)
        descriptors = {os.readlink(one) for one in (process / "fd").iterdir()}
        self.assertEqual({re.sub(r"\d+", "", one) for one in descriptors}, {"/dev/null", "socket:[]"})

    def test_it_ends_with_the_daemon(self):
        """However that ends."""
        helper, = helpers_of(self.site.daemon_pid)
        self.site.kill()
        wait_for(lambda: not runs(helper), what="the helper to end")
        self.site.mount()
        helper, = helpers_of(self.site.daemon_pid)
        self.assertEqual(self.site.terminate(), 0)
        self.assertFalse(runs(helper))

    def test_signals_to_all_processes_of_a_service_do_not_end_it(self):
        """The daemon needs it to unmount."""
        helper, = helpers_of(self.site.daemon_pid)
        for number in (1, 2, 15):
            os.kill(helper, number)
        self.assertEqual(self.site.terminate(), 0)
        self.assertFalse(self.site.answers())

    def test_a_daemon_whose_helper_is_gone_leaves_a_mount_that_refuses(self):
        helper, = helpers_of(self.site.daemon_pid)
        os.kill(helper, 9)
        self.site.terminate()
        self.assertRaises(OSError, os.listdir, self.site.mountpoint)
        self.site.mount()
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)


@unittest.skipIf(SANITIZED, "a sanitizer makes calls of its own")
@unittest.skipIf(shutil.which("systemd-analyze") is None, "no systemd-analyze")
class Unit(TwoUsersTest):
    """With the system calls alone that examples/systemd/grantfs@.service leaves it."""

    IN_UNIT = ("/usr/bin/python3", "-B", pathlib.Path(__file__).with_name("as_in_unit.py"),
               REPOSITORY / "examples/systemd/grantfs@.service")

    def test_it_mounts_serves_is_taken_over_and_ends(self):
        for options in ("enforce=lease,sandbox=on", "enforce=open,sandbox=auto", "enforce=open,sandbox=off"):
            with self.subTest(options=options):
                self.site.terminate()
                self.site.start_foreground(options, wrapper=self.IN_UNIT)
                self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
                if "off" not in options:
                    self.assertEqual(self.site.status()["system_calls"], "limited")
                if mounts_beneath():
                    self.assertEqual(self.site.hand_over(options, wrapper=self.IN_UNIT).wait(20), 0)
                    self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
                self.site.kill()
                self.site.start_foreground(options, wrapper=self.IN_UNIT)
                self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)

    def test_over_io_uring(self):
        with_io_uring(self)
        self.site.terminate()
        self.site.start_foreground("io=uring", wrapper=self.IN_UNIT)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
        self.assertEqual(self.site.status()["transport"], "io_uring")


@unittest.skipIf(SANITIZED, "a sanitizer makes calls of its own")
class Attack(MountTest):
    """Tried from within a daemon that serves (attacker.cc)."""

    def attack(self, options, harmless=False):
        """What came of each, by its name."""
        elsewhere = self.site.root / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        (elsewhere / "file").write_text("elsewhere\n")
        (elsewhere / "now").unlink(missing_ok=True)
        self.site.write("file", b"stored\n")
        self.site.expect_refused_calls()
        self.site.start_foreground(options, environment={
            "LD_PRELOAD": str(BUILD / "tests/mount/attacker.so"), "ATTACK_STORE": str(self.site.store),
            "ATTACK_MOUNTPOINT": str(self.site.mountpoint), "ATTACK_POLICY": str(self.site.db.parent),
            "ATTACK_ELSEWHERE": str(elsewhere)} | ({"ATTACK_HARMLESS": "1"} if harmless else {}))
        (elsewhere / "now").touch()
        self.site.status()
        return dict(re.findall(r"^attack: (.*): (\w+)$", self.site.log(), re.M))

    def test_it_gets_nowhere(self):
        for options in ("enforce=lease", "enforce=open"):
            with self.subTest(options=options):
                found = self.attack(options)
                writes = self.site.status()["writes"]
                if not writes.startswith("limited"):
                    self.skipTest(writes)
                works = {name for name, error in found.items() if error == "0"}
                self.assertEqual(works, {"read the store", "write in the policy's folder"}, found)
                self.assertEqual({error for error in found.values()}, {"0", "EPERM", "EACCES", "ENOENT"}, found)
                self.assertEqual(found["the caller's environment"], "ENOENT")
                self.assertEqual(len(found), 18, found)
                self.assertEqual((self.site.store / "file").read_bytes(), b"stored\n")
                self.assertEqual(os.listdir(self.site.store), ["file"])
                wait_for(lambda: "the system call execve was refused" in self.site.log(), what="the log to tell")
                self.assertGreaterEqual(self.site.counters()["refused_calls"], 5)
                self.site.umount()

    def test_a_store_beside_the_control_socket_is_warned_of(self):
        """Landlock knows no exception below a place that may be written to."""
        self.site.control = self.site.root / "control.sock"
        self.site.mount()
        writes = self.site.status()["writes"]
        if writes.startswith("limited"):
            self.assertIn("but for the store", writes)
            self.assertIn("keep the database and the control socket in folders of their own", self.site.log())

    def test_what_nothing_keeps_from_it_works(self):
        """sandbox=off: the test above tests something."""
        found = self.attack("sandbox=off", harmless=True)
        self.assertEqual({name for name, error in found.items() if error != "0"}, {"the caller's environment"}, found)


if __name__ == "__main__":
    unittest.main()
