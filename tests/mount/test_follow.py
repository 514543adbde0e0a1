"""A database that is a copy (follow=): nothing is believed beyond the moment until which it is known to be current."""

import contextlib
import json
import mmap
import os
import socket
import time

from fixture import REPORT, TwoUsersTest, read
from harness import as_user, become, outcome, wait_for, with_io_uring

FOLLOW = 2
#: How late the loop below may notice that an open has begun, by its own clock: none.
READERS = 2


def boot_time():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def say_current(control, as_of=None, follow_at_most=FOLLOW, **fields):
    """The control command of a follower; its answer."""
    request = {"command": "current", "as_of": boot_time() if as_of is None else as_of, "follow_at_most": follow_at_most,
               "behind_bytes": 0, "upstream": "test", **fields}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(control))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as answer:
            return json.loads(answer.readline())


def open_for_ever(numbers, index, open_one):
    """Tries until told to end. numbers[index]: opens that succeeded; numbers[index + 1]: the latest
    moment, by CLOCK_BOOTTIME, at which one began that succeeded."""
    while not numbers[0]:
        begun = boot_time()
        try:
            open_one()
        except OSError:
            continue
        numbers[index] += 1
        numbers[index + 1] = max(numbers[index + 1], begun)


def open_and_close(path, flags=os.O_RDONLY, **where):
    os.close(os.open(path, flags, **where))


class Follow(TwoUsersTest):
    OPTIONS = f"enforce=lease,lease=1,follow={FOLLOW}"

    def setUp(self):
        super().setUp()
        self.report = self.by_session(self.alice_token, "alice", "report.txt")

    def say_current(self, **arguments):
        answer = say_current(self.site.control, **arguments)
        self.assertTrue(answer["ok"], answer)
        return answer

    def assert_refused(self, what):
        self.assertEqual(outcome(read, self.report), "EACCES", what)
        self.assertEqual(outcome(read, self.by_session("0" * 32, "x")), "EACCES", what)
        self.assertEqual(outcome(os.listdir, self.by_session(self.alice_token)), "EACCES", what)
        self.assertEqual(outcome(os.stat, self.site.path("public", "open", "welcome.txt")), "EACCES", what)

    def test_refuses_until_the_first_report(self):
        self.assert_refused("before any report")
        follow = self.site.status(check=False)["follow"]
        self.assertEqual((follow["seconds"], follow["current"], follow["age_milliseconds"]), (FOLLOW, False, -1))
        self.assertEqual(self.site.status(check=False)["state"], "trouble")
        self.say_current(upstream="db1", behind_bytes=17)
        self.assertEqual(read(self.report), REPORT)
        self.assertEqual(os.listdir(self.by_session(self.alice_token)), ["alice", "open"])
        follow = self.site.status(check=False)["follow"]  # in trouble for some seconds still: something was refused
        self.assertEqual((follow["current"], follow["upstream"], follow["behind_bytes"]), (True, "db1", 17))
        self.assertIn('grantfs_copy_current{', self.site.grantctl("metrics").stdout)

    def test_refuses_like_a_database_that_is_not_there(self):
        """What is answered for each kind of name is the same as without the database."""
        names = [self.report, self.by_session(self.alice_token), self.by_session("0" * 32), self.site.path("by-session"),
                 self.site.path("public"), self.site.path("public", "open"), self.site.path("by-link", "0" * 32),
                 self.site.path("expired", self.alice_token), self.by_uid(self.alice), self.by_uid(self.alice, "alice"),
                 self.site.path("from", "127.0.0.1", "by-session", self.alice_token)]

        def answers():
            found = {}
            for name in names:
                for function in (os.stat, os.listdir):
                    found[name, function.__name__] = as_user(self.alice, outcome, function, name)
            return found

        stale = answers()
        moved = self.site.db.with_suffix(".away")
        os.rename(self.site.db, moved)
        self.say_current_as_root_without_database()
        missing = answers()
        os.rename(moved, self.site.db)
        self.assertEqual(stale, missing)

    def say_current_as_root_without_database(self):
        self.say_current()

    def test_resumes_by_itself(self):
        for _ in range(2):
            self.say_current()
            self.assertEqual(read(self.report), REPORT)
            wait_for(lambda: outcome(read, self.report) != "OK", what="the mount to refuse")
            self.assert_refused("after the bound")

    def test_a_report_of_the_past_counts_from_then(self):
        self.say_current(as_of=boot_time() - FOLLOW * 10**9)
        self.assert_refused("a report of long ago")
        self.say_current()
        self.assertEqual(read(self.report), REPORT)
        self.say_current(as_of=boot_time() - FOLLOW * 10**9)  # older than the last: changes nothing
        self.assertEqual(read(self.report), REPORT)

    def test_reports_that_are_not_believed(self):
        for fields in ({"as_of": boot_time() + 10**12}, {"as_of": -1}, {"as_of": "now"}, {"as_of": 1.5}, {"upstream": None},
                       {"follow_at_most": FOLLOW - 1}, {"follow_at_most": None}):
            answer = say_current(self.site.control, **fields)
            self.assertFalse(answer["ok"], fields)
        self.assert_refused("after reports that were refused")

    def test_only_those_who_may_change_the_database_at_will_may_say_so(self):
        os.chmod(self.site.control, 0o666)
        os.chmod(self.site.root, 0o711)
        answer = as_user(self.stranger, say_current, self.site.control)
        self.assertFalse(answer["ok"])
        self.assertIn("only root", answer["error"])
        self.assert_refused("after a stranger's report")
        os.chown(self.site.db, self.stranger, -1)
        self.assertTrue(as_user(self.stranger, say_current, self.site.control)["ok"])


class NothingIsBelievedBeyond(TwoUsersTest):
    """Attack: the names are warm, the reports stop, and opens go on in a loop."""

    OPTIONS = None

    def setUp(self):
        pass

    def attack(self, options, steady=False):
        type(self).OPTIONS = f"{options},follow={FOLLOW}"
        super().setUp()
        path = str(self.by_session(self.alice_token, "alice", "report.txt"))
        folder = os.path.dirname(path)
        self.assertTrue(say_current(self.site.control)["ok"])
        self.assertEqual(read(path), REPORT)
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, held)

        ways = [lambda: open_and_close(path), lambda: open_and_close("report.txt", dir_fd=held),
                lambda: os.stat(path), lambda: open_and_close(folder, os.O_RDONLY | os.O_DIRECTORY)]
        shared = mmap.mmap(-1, 4096)
        numbers = memoryview(shared).cast("q")
        children = []
        for i, way in enumerate(ways):
            child = os.fork()
            if child == 0:
                with contextlib.suppress(BaseException):
                    become(self.stranger)
                    open_for_ever(numbers, 1 + 2 * i, way)
                os._exit(0)
            children.append(child)

        def end():
            numbers[0] = 1
            while children:
                os.waitpid(children.pop(), 0)

        self.addCleanup(end)
        # As a follower does, until the names are warm; then the reports stop.
        until = time.monotonic() + (4 if steady else 1)
        while time.monotonic() < until or (steady and not self.site.counters()["steady_files"]):
            as_of = boot_time()
            self.assertTrue(say_current(self.site.control, as_of=as_of)["ok"])
            time.sleep(0.2)
        deadline = as_of + FOLLOW * 10**9
        wait_for(lambda: boot_time() > deadline + 10**9 + (2 * 10**9 if steady else 0), what="the bound, and more")
        end()
        for i in range(len(ways)):
            opened, latest = numbers[1 + 2 * i], numbers[2 + 2 * i]
            self.assertGreater(opened, 100, f"way {i} was hardly tried")
            self.assertLess(latest, deadline, f"way {i}: an open that began {(latest - deadline) / 1e6:.1f} ms late")
            # It is not refused much earlier either.
            self.assertGreater(latest, deadline - 15 * 10**8, f"way {i}: refused early")
        # And it all comes back.
        self.assertTrue(say_current(self.site.control)["ok"])
        self.assertEqual(read(path), REPORT)

    def test_leases_over_dev_fuse(self):
        self.attack("enforce=lease,lease=1,io=dev")

    def test_long_leases_over_dev_fuse(self):
        self.attack("enforce=lease,lease=60,io=dev")

    def test_opens_over_dev_fuse(self):
        self.attack("enforce=open,lease=60,io=dev")

    def test_files_in_steady_use(self):
        with_io_uring(self)
        self.attack("enforce=lease,lease=1,io=uring", steady=True)

    def test_leases_over_io_uring(self):
        with_io_uring(self)
        self.attack("enforce=lease,lease=60,io=uring")

    def test_opens_over_io_uring(self):
        with_io_uring(self)
        self.attack("enforce=open,lease=60,io=uring")
