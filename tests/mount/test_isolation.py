"""Promise 6: one identity's actions never change another's answers; and no door opens for a stranger."""

import os
import subprocess
import time

import syscalls
from fixture import REPORT, SECRET, TwoUsersTest, names, read
from harness import as_user, outcome


def probe_all(path):
    """Stat, open, O_PATH, access, listing, watch and chdir: the set of their answers."""
    return {outcome(os.stat, path), outcome(os.open, path, os.O_RDONLY), outcome(os.open, path, os.O_PATH),
            outcome(os.listdir, path), outcome(syscalls.watch, path), outcome(os.chdir, path), outcome(os.readlink, path),
            "EACCES" if not os.access(path, os.F_OK) else "OK", "EACCES" if not os.access(path, os.R_OK) else "OK"}


def loop(function, path, seconds):
    """How often a call succeeded, and the set of errnos when it did not."""
    deadline = time.monotonic() + seconds
    successes, failures = 0, set()
    while time.monotonic() < deadline:
        result = outcome(function, path)
        if result == "OK":
            successes += 1
        else:
            failures.add(result)
    return successes, failures


class Strangers(TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.alice_actor, self.bob_actor = self.actor(self.alice), self.actor(self.bob)
        self.hers = (self.by_uid(self.alice), self.by_uid(self.alice, "alice"), self.by_uid(self.alice, "alice/report.txt"),
                     self.by_uid(self.alice, "alice/deep/er/note.txt"), self.by_uid(self.alice, "open/welcome.txt"))

    def warm(self):
        """Everything of alice's that the kernel could remember, by every way of asking."""
        for path in self.hers:
            self.alice_actor.call(os.stat, path)
            self.alice_actor.outcome(os.listdir, path)
            self.alice_actor.outcome(read, path)
            self.alice_actor.outcome(os.open, path, os.O_PATH)
            self.alice_actor.outcome(syscalls.watch, path)

    def test_a_stranger_gets_nothing_on_warm_paths(self):
        """Promise 6: by stat, open, O_PATH, access, readdir, inotify and chdir, straight after their owner."""
        for _ in range(10):
            self.warm()
            for path in self.hers:
                self.assertEqual(self.bob_actor.call(probe_all, path), {"EACCES"}, path)

    def test_a_stranger_gets_nothing_while_everything_is_held(self):
        """Promise 6: the owner is in there, with files, a listing, a mapping and a working directory."""
        fd = self.alice_actor.call(os.open, self.hers[2], os.O_RDONLY)
        folder = self.alice_actor.call(os.open, self.hers[1], os.O_RDONLY)
        self.alice_actor.call(os.chdir, self.hers[1])
        for _ in range(20):
            self.assertEqual(self.alice_actor.call(os.stat, "report.txt").st_size, len(REPORT))
            for path in self.hers:
                self.assertEqual(self.bob_actor.call(probe_all, path), {"EACCES"}, path)
            self.assertEqual(self.alice_actor.call(os.pread, fd, 100, 0), REPORT)
            self.assertEqual(self.alice_actor.outcome(os.stat, "deep", dir_fd=folder), "OK")
        self.assertNotEqual(self.alice_actor.call(syscalls.getdents64, folder), [])

    def test_a_stranger_through_me_gets_its_own(self):
        """Promise 6: the link is resolved for the caller, after any other's."""
        for _ in range(10):
            self.assertEqual(self.alice_actor.call(read, self.site.path("me", "alice/report.txt")), REPORT)
            self.assertEqual(self.bob_actor.call(read, self.site.path("me", "bob/secret.txt")), SECRET)
            self.assertEqual(self.bob_actor.outcome(read, self.site.path("me", "alice/report.txt")), "ENOENT")
            self.assertEqual(self.bob_actor.call(names, self.site.path("me")), ["bob", "open"])

    def test_two_uids_at_once_each_see_their_own_and_nothing_else(self):
        """Promise 6: thousands of chances for a shared cache entry to answer the wrong one."""
        runs = [(self.alice_actor, read, self.hers[2], {"OK"}), (self.bob_actor, os.stat, self.hers[2], {"EACCES"}),
                (self.actor(self.alice), os.listdir, self.hers[1], {"OK"}), (self.actor(self.bob), read, self.hers[2], {"EACCES"}),
                (self.actor(self.bob), read, self.by_uid(self.bob, "bob/secret.txt"), {"OK"}),
                (self.actor(self.alice), os.listdir, self.by_uid(self.bob, "bob"), {"EACCES"})]
        for actor, function, path, _ in runs:
            actor.start(loop, function, path, 2.0)
        for actor, function, path, expected in runs:
            successes, failures = actor.finish()
            with self.subTest(uid=actor.uid, call=function.__name__, path=path):
                self.assertEqual(({"OK"} if successes else set()) | failures, expected)

    def test_refused_strangers_cost_an_owner_nothing_but_getcwd(self):
        """Promise 6: names from a held cwd, absolute ones and open files go on; getcwd after the next path walk."""
        self.alice_actor.call(os.chdir, self.hers[1])
        fd = self.alice_actor.call(os.open, "report.txt", os.O_RDONLY)
        for _ in range(10):
            self.assertEqual(self.bob_actor.call(probe_all, self.hers[0]), {"EACCES"})
            self.assertEqual(self.bob_actor.call(probe_all, self.hers[2]), {"EACCES"})
            self.assertIn(self.alice_actor.outcome(os.getcwd), ("OK", "ENOENT"))
            self.assertEqual(self.alice_actor.call(read, "report.txt"), REPORT)
            self.assertEqual(self.alice_actor.call(os.stat, "../open/welcome.txt").st_uid, self.alice)
            self.assertEqual(self.alice_actor.outcome(os.listdir, "."), "OK")
            self.assertEqual(self.alice_actor.call(os.pread, fd, 100, 0), REPORT)
            self.alice_actor.call(os.chdir, self.hers[1])
            self.assertEqual(self.alice_actor.call(os.getcwd), str(self.hers[1]))

    def test_refused_tokens_cost_a_session_nothing(self):
        """Promise 6: guesses at by-session leave others' sessions as they were."""
        server = self.actor(33)
        server.call(os.chdir, self.by_session(self.alice_token, "alice"))
        for i in range(50):
            self.assertEqual(outcome(os.stat, self.by_session(f"{i:032}")), "EACCES")
            self.assertEqual(server.call(read, "report.txt"), REPORT)
            self.assertEqual(server.call(os.getcwd), str(self.by_session(self.alice_token, "alice")))

    def test_taking_from_one_leaves_the_other_with_the_same_file(self):
        """Promise 6: bob's grant goes; alice, on the same file, notices nothing."""
        self.grant(f"uid:{self.bob}", "alice")
        path = self.by_uid(self.bob, "alice/report.txt")
        self.assertEqual(self.bob_actor.call(read, path), REPORT)
        fd = self.alice_actor.call(os.open, self.hers[2], os.O_RDONLY)
        self.site.sql("DELETE FROM grants WHERE principal = ?", (f"uid:{self.bob}",))
        self.assertEqual(self.bob_actor.outcome(read, path), "ENOENT")
        self.assertEqual(self.alice_actor.call(os.pread, fd, 100, 0), REPORT)
        self.assertEqual(self.alice_actor.call(read, self.hers[2]), REPORT)

    def test_a_folder_that_its_owner_passed_on_opens_nothing_for_another(self):
        """Promise 6: a descriptor inherited by a stranger: names below it are for the view's uid alone."""
        self.assertEqual(as_user(self.alice, os.stat, self.hers[2]).st_uid, self.alice)
        self.assertEqual(as_user(0, inherited_by_another, self.alice, self.bob, self.hers[1]), ["EACCES"] * 4)


def inherited_by_another(owner, other, path):
    """Opens a folder as its owner, then becomes another and tries names below it."""
    os.setresuid(owner, owner, 0)
    folder = os.open(path, os.O_PATH)
    os.setresuid(0, 0, 0)
    os.setresuid(other, other, other)
    return [outcome(os.stat, "report.txt", dir_fd=folder), outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=folder),
            outcome(os.open, ".", os.O_RDONLY, dir_fd=folder), outcome(os.stat, "missing", dir_fd=folder)]


class Capabilities(TwoUsersTest):
    def run_as_bob(self, *command, capabilities=""):
        options = [f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"] if capabilities else []
        return subprocess.run(["setpriv", f"--reuid={self.bob}", f"--regid={self.bob}", "--clear-groups", *options, *command],
                              capture_output=True, text=True)

    def test_capabilities_of_a_stranger_open_no_door(self):
        """Promise 6: CAP_DAC_OVERRIDE gets past mode bits; the daemon refuses all the same."""
        as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))
        everything = "+dac_override,+dac_read_search,+fowner"
        shadow = self.run_as_bob("cat", "/etc/shadow", capabilities=everything)
        self.assertEqual(shadow.returncode, 0, "the capabilities have no effect: nothing was tested")
        for path in (self.by_uid(self.alice, "alice/report.txt"), self.by_uid(self.alice, "alice"), self.by_uid(self.alice)):
            done = self.run_as_bob("cat", str(path), capabilities=everything)
            self.assertIn("Permission denied", done.stderr, path)
            self.assertEqual(done.stdout, "")

    def test_root_of_a_user_namespace_is_still_the_stranger(self):
        """Promise 6: identity is the uid in the mount's namespace."""
        done = self.run_as_bob("unshare", "--user", "--map-root-user", "cat", str(self.by_uid(self.alice, "alice/report.txt")))
        if "unshare" in done.stderr:
            self.skipTest(done.stderr)
        self.assertEqual((done.stdout, done.returncode), ("", 1))
        done = self.run_as_bob("unshare", "--user", "--map-root-user", "cat", str(self.site.path("me", "bob/secret.txt")))
        self.assertIn(done.stdout, (SECRET.decode(), ""))
