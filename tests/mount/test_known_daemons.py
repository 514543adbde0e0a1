"""Promise 2, of whichever daemon on a database: grantctl finds it by the database alone, wherever its socket and namespaces are."""

import itertools
import json
import os
import signal
import subprocess
import unittest

from fixture import read
from harness import CONTAINER, GRANTCTL, MountTest, outcome, wait_for


class KnownDaemons(MountTest):
    ROUNDS = 10

    def setUp(self):
        super().setUp()
        self.site.write("u/f", b"secret")
        self.token = self.site.session("user:1")
        self.records = self.site.db.with_name("policy.db.daemons")

    def grantctl(self, *arguments, db=None, wrapper=(), cwd=None):
        """Told of no control socket."""
        environment = {"PATH": os.environ["PATH"], "GRANTFS_DB": str(db or self.site.db)}
        done = subprocess.run([*wrapper, GRANTCTL, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 0, (arguments, done.stdout, done.stderr))
        return done

    def mount(self, options="enforce=lease,lease=30", site=None):
        site = site or self.site
        site.mount(options)
        return site.path("by-session", self.token, "u/f")

    def assert_revoked(self, *paths, says="", **how):
        """Rounds of granting, opening and revoking; nothing opens once revoke has returned."""
        late = 0
        for _ in range(self.ROUNDS):
            self.grantctl("own", "user:1", "u")
            for path in paths:
                self.assertEqual(read(path), b"secret")
            done = self.grantctl("--json", "revoke", "user:1", "u", **how)
            late += sum(outcome(read, path) == "OK" for path in paths)
            self.assertEqual(done.stderr, says)
            self.assertEqual(json.loads(done.stdout)["recall"]["acknowledged"], len(paths))
        self.assertEqual(late, 0)

    def test_control_socket_elsewhere(self):
        """Promise 2: a socket outside /run/grantfs, which nobody is told of."""
        self.assert_revoked(self.mount())

    def test_the_record_is_found_beside_the_control_socket(self):
        """A link leads there as long as the daemon runs; one that a killed daemon left is replaced."""
        link = self.site.control.with_suffix(".json")
        for ending in ("kill", "umount"):
            with self.subTest(ending):
                self.mount()
                self.assertEqual(json.loads(link.read_text())["pid"], self.site.daemon_pid)
                getattr(self.site, ending)()
        self.assertFalse(os.path.lexists(link))

    def test_another_world(self):
        """Promise 2: grantctl in a container that shares the folder of the policy alone, mounted elsewhere."""
        path = self.mount()
        elsewhere = self.site.root / "elsewhere"
        elsewhere.mkdir()
        script = f'mount --bind {self.site.db.parent} {elsewhere}; umount -l {self.site.mountpoint}; exec "$@"'
        self.assert_revoked(path, db=elsewhere / "policy.db", wrapper=[*CONTAINER, "sh", "-euc", script, "sh"])

    def test_a_user_namespace_of_its_own(self):
        """Promise 2: grantctl as a root that is one there alone."""
        self.assert_revoked(self.mount(), wrapper=["unshare", "--user", "--map-root-user"])

    def test_other_paths(self):
        """Promise 2: a symbolic link to the database or its folder, and a relative path."""
        path = self.mount()
        (self.site.root / "alias.db").symlink_to(self.site.db)
        (self.site.root / "folder").symlink_to(self.site.db.parent)
        for db in (self.site.root / "alias.db", self.site.root / "folder/policy.db"):
            with self.subTest(db):
                self.assert_revoked(path, db=db)
        self.assert_revoked(path, db="../policy/policy.db", cwd=self.site.mountpoint.parent / "policy")

    def test_several_daemons(self):
        """Promise 2: two on one database, each with a store of its own."""
        other = self.new_site()
        other.db = self.site.db
        other.write("u/f", b"secret")
        self.assert_revoked(self.mount(), self.mount(site=other))
        self.assertEqual(len(json.loads(self.grantctl("--json", "status").stdout)["daemons"]), 2)

    def test_one_that_hangs_has_its_lease_waited_out(self):
        """Promise 2: it cannot answer, and what it lent is over when grantctl returns."""
        path = self.mount("enforce=lease,lease=1")
        self.grantctl("own", "user:1", "u")
        read(path)
        with self.site.stopped():
            done = self.grantctl("--json", "revoke", "user:1", "u")
        self.assertEqual(outcome(read, path), "ENOENT")
        self.assertIn(str(self.site.mountpoint), done.stderr)
        self.assertGreaterEqual(json.loads(done.stdout)["recall"]["waited_seconds"], 1)

    def record(self):
        """The one record, once its socket is there too."""
        names = [path for path in self.records.glob("*.json") if path.with_suffix(".sock").exists()]
        return names[0] if len(names) == 1 else None

    def test_a_record_that_is_taken_away_is_put_back(self):
        """Promise 2: by deleting it, its socket, or the folder."""
        path = self.mount()
        for take in (lambda record: record.unlink(), lambda record: record.with_suffix(".sock").unlink(),
                     lambda record: os.rename(self.records, self.site.root / "away")):
            before = wait_for(self.record)
            take(before)
            wait_for(lambda: self.record() not in (None, before), what="another record")
            self.assert_revoked(path)
        self.assertIn("known at its database again", self.site.log())

    def test_one_that_cannot_be_known_lends_nothing(self):
        """Promise 2: where its record cannot be written, each open is decided anew; and it says so."""
        self.records.write_text("in the way")
        path = self.mount()
        self.assertIn("nothing is lent", self.site.log())
        self.assertRegex(self.site.grantctl("status").stdout, r"(?m)^lease +nothing is lent: ")
        self.assertEqual(self.site.status()["lease_seconds"], 0)
        self.grantctl("own", "user:1", "u")
        self.assertEqual(read(path), b"secret")
        self.site.sql("DELETE FROM owners")
        self.assertEqual(outcome(read, path), "ENOENT")  # at once, and with nobody asked
        self.grantctl("own", "user:1", "u")
        before = self.site.counters()["lookups"]
        for _ in range(5):
            read(path)
        self.assertGreaterEqual(self.site.counters()["lookups"] - before, 5)
        self.records.unlink()
        wait_for(self.record, what="a record, once there is room for it")
        self.assert_revoked(path)

    def test_what_one_lent_that_was_killed_is_waited_out(self):
        """Promise 2: the kernel goes on with it, in a directory that is held also under the next daemon. Then it is no more."""
        self.mount("enforce=lease,lease=2")
        if self.site.status()["enforce"] != "lease":
            self.skipTest("the store gives no file handles: enforce=open it is")
        self.site.umount()
        for taken_over in (False, True):
            with self.subTest(taken_over=taken_over):
                path = self.mount("enforce=lease,lease=2")
                self.grantctl("own", "user:1", "u")
                held = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
                self.addCleanup(os.close, held)
                read(path)
                left = self.record()
                self.site.kill()
                if taken_over:
                    self.mount("enforce=lease,lease=2")
                self.assertEqual(outcome(os.open, "f", os.O_RDONLY, dir_fd=held), "OK", "nothing was lent: nothing is tested")
                done = self.grantctl("revoke", "user:1", "u")
                self.assertNotEqual(outcome(os.open, "f", os.O_RDONLY, dir_fd=held), "OK")
                self.assertNotEqual(outcome(read, path), "OK")
                self.assertIn(str(self.site.mountpoint), done.stderr)
                self.assertFalse(left.exists())
        self.site._clean_exit_expected = True
        self.assert_revoked(path)

    def end_by_signal(self, number):
        pid = self.site.daemon_pid
        os.kill(pid, number)
        self.site.wait_for_exit(pid)

    def end_by_abort(self, *detach):
        """The connection first: by umount -f, which finds the mount in use and leaves it, or takes it away all the same."""
        pid = self.site.daemon_pid
        self.site.expect_failure()
        subprocess.run(["umount", "-f", *detach, self.site.mountpoint], capture_output=True)
        self.site.wait_for_exit(pid)

    def detach(self):
        """The daemon serves on who is in it; it ends with the last of them."""
        subprocess.run(["umount", "-l", self.site.mountpoint], check=True)

    def test_what_one_lent_that_has_ended_is_over_when_revoke_returns(self):
        """Promise 2: in a directory that is held, the kernel would go on with it."""
        names = [str(i) for i in range(20)]
        for name in names:
            self.site.write(f"u/{name}", b"secret")
        ends = {"SIGTERM": lambda: self.end_by_signal(signal.SIGTERM), "SIGINT": lambda: self.end_by_signal(signal.SIGINT),
                "SIGHUP": lambda: self.end_by_signal(signal.SIGHUP), "umount -l": self.detach,
                "umount -f": self.end_by_abort, "umount -f -l": lambda: self.end_by_abort("-l")}
        for enforce, (end, act) in itertools.product(("lease", "open"), ends.items()):
            with self.subTest(enforce=enforce, end=end):
                self.grantctl("own", "user:1", "u")
                path = self.mount(f"enforce={enforce},lease=5")
                # With enforce=open, an open would be asked for in any case: what is lent are names.
                ask = os.open if self.site.status()["enforce"] == "lease" else os.stat
                held = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)

                def answers():
                    return [outcome(ask, name, *[os.O_RDONLY] * (ask is os.open), dir_fd=held) for name in names]

                try:
                    for _ in range(3):
                        for name in names:
                            read(path.parent / name)
                    before = self.site.counters()["lookups"]
                    self.assertEqual(set(answers()), {"OK"})
                    self.assertLess(self.site.counters()["lookups"] - before, len(names), "nothing was lent: nothing is tested")
                    act()
                    self.grantctl("revoke", "user:1", "u")
                    self.assertNotIn("OK", answers())
                finally:
                    os.close(held)
                    if self.site.daemon_pid:
                        self.site.wait_for_exit(self.site.daemon_pid)
                # Nothing is waited for twice.
                self.assertEqual(list(self.records.iterdir()), [])

    def test_nothing_is_left_behind(self):
        self.mount()
        self.assertIsNotNone(self.record())
        self.site.umount()
        self.assertEqual(list(self.records.iterdir()), [])

    def test_a_database_of_two_names_is_refused(self):
        """Promise 2: who writes by the other name would be seen by nobody, SQLite's own -wal included."""
        other = self.site.root / "other.db"
        os.link(self.site.db, other)
        for db in (self.site.db, other):
            done = subprocess.run([GRANTCTL, "--db", db, "ls"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3)
            self.assertIn("hard link" if db == self.site.db else "open to others", done.stderr)
        self.site.mount(check=False)
        self.assertIn("hard link", self.site.log())
        other.unlink()
        self.site.grantctl("ls")

    def test_another_name_made_while_it_runs_has_everything_refused(self):
        """Promise 10: as long as it is there, what is lent included; and status and log say so."""
        path = self.mount()
        self.grantctl("own", "user:1", "u")
        read(path)
        other = self.site.root / "other.db"
        os.link(self.site.db, other)
        wait_for(lambda: outcome(read, path) != "OK", what="a refusal")
        self.assertEqual(outcome(read, path), "EACCES")
        status = self.site.status(check=False)
        self.assertEqual(status["state"], "trouble")
        self.assertIn("hard link", " ".join(status["troubles"]))
        self.assertIn("hard link", self.site.log())
        other.unlink()
        wait_for(lambda: outcome(read, path) == "OK", what="service again")


if __name__ == "__main__":
    unittest.main()
