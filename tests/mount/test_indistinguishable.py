"""Promise 5: inside a view, denied, missing and unregistered are the same."""

import fcntl
import grp
import os
import re
import struct
import time

import syscalls
from fixture import TwoUsersTest, names, read
from harness import as_user, decided_anew, outcome, token_id


def fanotify_watch(path, mark=0):
    fd = syscalls.fanotify_init(syscalls.FAN_CLASS_NOTIF | syscalls.FAN_REPORT_FID)
    try:
        syscalls.fanotify_mark(fd, syscalls.FAN_MARK_ADD | mark, syscalls.FAN_OPEN, path)
    finally:
        os.close(fd)


def open_and_close(path, flags):
    os.close(os.open(path, flags, 0o600))


def openat2(path, resolve):
    os.close(syscalls.openat2(path, os.O_RDONLY, resolve))


def relocate(path):
    here = os.getcwd()
    os.chdir(path)
    os.chdir(here)


def access_or_raise(path, mode):
    if syscalls.libc.access(os.fsencode(path), mode) != 0:
        number = syscalls.ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def every_probe(path):
    """What each of many system calls answers for a path: the signature that must not differ."""
    path = str(path)
    probes = {
        "stat": (os.stat, path), "lstat": (os.lstat, path), "statx": (syscalls.statx_btime_mask, path),
        "stat/": (os.stat, path + "/"), "stat/.": (os.stat, path + "/."), "stat/..": (os.stat, path + "/.."),
        "stat/x": (os.stat, path + "/x"), "listdir": (os.listdir, path), "readlink": (os.readlink, path),
        "access F": (access_or_raise, path, os.F_OK), "access R": (access_or_raise, path, os.R_OK),
        "access W": (access_or_raise, path, os.W_OK), "access X": (access_or_raise, path, os.X_OK),
        "statvfs": (os.statvfs, path), "chdir": (relocate, path), "chroot": (os.chroot, path + "/x"),
        "listxattr": (os.listxattr, path), "getxattr": (os.getxattr, path, "user.x"),
        "setxattr": (os.setxattr, path, "user.x", b""), "removexattr": (os.removexattr, path, "user.x"),
        "mkdir": (os.mkdir, path), "rmdir": (os.rmdir, path), "unlink": (os.unlink, path),
        "symlink": (os.symlink, "x", path), "mknod": (os.mknod, path), "mkfifo": (os.mkfifo, path),
        "link to": (os.link, "/etc/hostname", path), "link from": (os.link, path, path + "2"),
        "rename from": (os.rename, path, path + "2"), "rename to": (os.rename, path + "2", path),
        "chmod": (os.chmod, path, 0o777), "chown": (os.chown, path, 0, 0), "utime": (os.utime, path),
        "truncate": (os.truncate, path, 0), "execve": (os.execv, path, ["x"]),
        "inotify": (syscalls.watch, path), "fanotify": (fanotify_watch, path),
        "handle": (syscalls.name_to_handle_at, path), "beneath": (openat2, path, syscalls.RESOLVE_NO_SYMLINKS),
        "no xdev": (openat2, path, syscalls.RESOLVE_NO_XDEV), "cached": (openat2, path, syscalls.RESOLVE_CACHED),
    }
    flags = {"O_RDONLY": 0, "O_PATH": os.O_PATH, "O_WRONLY": os.O_WRONLY, "O_RDWR": os.O_RDWR, "O_DIRECTORY": os.O_DIRECTORY,
             "O_NOFOLLOW": os.O_NOFOLLOW, "O_CREAT": os.O_CREAT, "O_EXCL": os.O_CREAT | os.O_EXCL, "O_TRUNC": os.O_TRUNC,
             "O_TMPFILE": os.O_TMPFILE | os.O_WRONLY, "O_NOATIME": os.O_NOATIME, "O_DIRECT": os.O_DIRECT,
             "O_NONBLOCK": os.O_NONBLOCK, "O_APPEND": os.O_APPEND | os.O_WRONLY}
    probes |= {name: (open_and_close, path, flag) for name, flag in flags.items()}
    return {name: outcome(*call) for name, call in probes.items()}


class Signatures(TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.site.write("bob/folder/below.txt", b"x")
        self.site.write("alice2", b"x")
        (self.site.store / "empty").mkdir()
        (self.site.store / "link").symlink_to("alice/report.txt")
        os.mkfifo(self.site.store / "fifo")
        self.grant(f"uid:{self.bob}", "nothing-there.txt")
        self.grant(f"uid:{self.alice}", "gone.txt")
        self.grant(f"uid:{self.alice}", "alice-expired.txt", expires=1)
        self.site.write("alice-expired.txt", b"x")
        # What stands in the view's root, and what stands below something that is not there.
        self.alike = {
            "missing": "missing", "denied file": "alice2", "denied folder": "bob", "empty and unregistered": "empty",
            "unregistered": "nobody", "granted to another, not there": "nothing-there.txt", "granted, not there": "gone.txt",
            "expired": "alice-expired.txt", "a link": "link", "a FIFO": "fifo", "too long": "n" * 256, "much too long": "n" * 1000,
            "missing where all is readable": "alice/missing",
        }
        self.alike_below = {
            "below missing": "missing/x", "below denied": "bob/secret.txt", "below a denied folder": "bob/folder/below.txt",
            "missing below denied": "bob/missing", "below a denied file": "alice2/x", "below what is empty": "empty/x",
            "below a link": "link/x", "below what is too long": "n" * 256 + "/x",
        }

    def assert_alike(self, uid, view):
        for kinds, standard in ((self.alike, "missing"), (self.alike_below, "below missing")):
            signatures = {name: as_user(uid, every_probe, view / path) for name, path in kinds.items()}
            first = signatures[standard]
            self.assertEqual((first["stat"], first["O_RDONLY"], first["listdir"]), ("ENOENT",) * 3)
            for name, signature in signatures.items():
                with self.subTest(name):
                    self.assertEqual({probe: answer for probe, answer in signature.items() if answer != first[probe]}, {})
        granted = as_user(uid, every_probe, view / "alice/report.txt")
        self.assertEqual((granted["stat"], granted["O_RDONLY"], granted["O_WRONLY"]), ("OK", "OK", "EROFS"))

    def test_in_by_uid_every_call_answers_alike(self):
        """Promise 5: every system call on every kind of what is not there."""
        self.assert_alike(self.alice, self.by_uid(self.alice))

    def test_in_by_session_every_call_answers_alike(self):
        """Promise 5: as a web server's uid."""
        self.assert_alike(33, self.by_session(self.alice_token))

    def test_in_by_session_root_learns_no_more(self):
        """Promises 5 and 8."""
        self.assert_alike(0, self.by_session(self.alice_token))

    @decided_anew
    def test_they_cost_the_same_number_of_upcalls(self):
        """Promise 5: counted by the daemon; a kind of refusal shows in no extra lookup or open."""
        view = self.by_session(self.alice_token)
        costs = {}
        for name in ("missing", "denied file", "denied folder", "unregistered", "expired", "granted, not there", "a link"):
            before = self.site.counters()
            for _ in range(10):
                outcome(os.stat, view / self.alike[name])
                outcome(os.open, view / self.alike[name], os.O_RDONLY)
                outcome(os.listdir, view / self.alike[name])
            after = self.site.counters()
            costs[name] = {key: after[key] - before[key] for key in ("lookups", "opens", "opendirs")}
        self.assertGreaterEqual(costs["missing"]["lookups"], 30)
        self.assertEqual({str(cost) for cost in costs.values()}, {str(costs["missing"])}, costs)

    def test_no_listing_shows_them(self):
        """Promise 5: of the view, or of a folder it may pass through."""
        self.assertEqual(names(self.by_session(self.alice_token)), ["alice", "open"])
        self.assertEqual(names(self.by_session(self.bob_token)), ["bob", "open"])
        self.assertEqual(names(self.site.path("public")), ["open"])


class Store(TwoUsersTest):
    OPTIONS = "deny=hide"
    DENIED = {"missing": "asked-missing", "denied file": "asked-denied.txt", "denied folder": "asked-folder", "below it": "asked-folder/asked-below",
              "granted to another": "asked-his.txt", "expired": "asked-expired.txt", "a link": "asked-link", "a FIFO": "asked-fifo",
              "beside a grant": "box/asked-beside.txt", "a folder beside a grant": "box/asked-sub/x"}

    def setUp(self):
        super().setUp()
        for path in ("asked-denied.txt", "asked-folder/asked-below", "asked-his.txt", "asked-expired.txt", "box/asked-hers.txt", "box/asked-beside.txt",
                     "box/asked-sub/x"):
            self.site.write(path, b"x")
        (self.site.store / "asked-link").symlink_to("alice/report.txt")
        os.mkfifo(self.site.store / "asked-fifo")
        self.grant(f"uid:{self.bob}", "asked-his.txt")
        self.grant(f"uid:{self.alice}", "asked-expired.txt", expires=1)
        self.grant(f"uid:{self.alice}", "box/asked-hers.txt")
        self.grant(f"uid:{self.alice}", "asked-gone.txt")

    def calls_naming(self, name, function):
        """The daemon's system calls with a path that has the name in it, while the function runs."""
        trace = self.site.root / "trace"
        with self.site.traced(trace, "trace=%file"):
            function()
        calls = [line for line in trace.read_text().splitlines() if name in line]
        trace.unlink()
        return calls

    def test_a_name_that_is_denied_reaches_no_store(self):
        """Promises 1 and 5: the decision comes first, so neither time nor a slow disk tells what is there."""
        hers = self.actor(self.alice)
        views = {"by-session": (outcome, self.by_session(self.alice_token)), "by-uid": (lambda *call: hers.outcome(*call), self.by_uid(self.alice)),
                 "public": (outcome, self.site.path("public"))}

        def ask(call, path):
            for probe in ((os.stat, path), (os.open, path, os.O_RDONLY), (os.open, path, os.O_RDONLY | os.O_DIRECTORY), (os.listdir, path)):
                self.assertEqual(call(*probe), "ENOENT", (path, probe[0].__name__))

        for view, (call, folder) in views.items():
            with self.subTest(view):
                self.assertEqual(self.calls_naming("asked-", lambda: [ask(call, folder / path) for path in self.DENIED.values()]), [])
        # What is granted is asked for, be it there or not: else nothing was tested.
        call, folder = views["by-session"]
        self.assertNotEqual(self.calls_naming("asked-hers.txt", lambda: call(os.stat, folder / "box/asked-hers.txt")), [])
        self.assertNotEqual(self.calls_naming("asked-gone.txt", lambda: call(os.stat, folder / "asked-gone.txt")), [])


class Folders(TwoUsersTest):
    def test_a_folder_seen_in_part_tells_nothing_of_the_rest(self):
        """Promise 5: neither time, size, links nor blocks change with what is hidden in it."""
        self.site.write("box/mine.txt", b"x")
        self.grant(f"uid:{self.alice}", "box/mine.txt")
        path = self.by_session(self.alice_token, "box")

        def shown():
            found = os.stat(path)
            return (found.st_mtime_ns, found.st_ctime_ns, found.st_atime_ns, found.st_size, found.st_nlink, found.st_blocks, found.st_ino)

        before = shown()
        self.assertNotEqual(before[0], os.stat(self.site.store / "box").st_mtime_ns)
        for i in range(200):
            self.site.write(f"box/hidden-{'x' * 200}-{i}.txt", b"")
        (self.site.store / "box/hidden-folder").mkdir()
        self.assertEqual(shown(), before)
        self.assertEqual(names(path), ["mine.txt"])

    def test_the_root_of_a_view_tells_nothing_of_the_rest(self):
        """Promise 5: nor does the door."""
        for path in (self.by_session(self.alice_token), self.site.path("public"), self.site.path("by-session"), self.site.mountpoint):
            before = os.stat(path)
            self.site.write(f"new-{path.name}/file", b"")
            self.site.sql_session(f"uid:{self.bob}")
            after = os.stat(path)
            self.assertEqual((before.st_mtime_ns, before.st_size, before.st_nlink), (after.st_mtime_ns, after.st_size, after.st_nlink))


class Doors(TwoUsersTest):
    def test_an_active_uid_and_an_unknown_one_refuse_alike(self):
        """Promise 5: whether alice has files, or is at work, is not told to a stranger."""
        alice = self.actor(self.alice)
        alice.call(os.chdir, self.by_uid(self.alice, "alice"))
        doors = [self.by_uid(uid) for uid in (self.alice, self.bob, 4_000_000_000, 0)]
        below = [self.by_uid(self.alice, path) for path in ("alice", "missing", "bob", "open")]
        below += [self.by_uid(4_000_000_000, "missing"), self.by_uid(self.bob, "bob")]
        for paths in (doors, below):
            signatures = [as_user(self.stranger, every_probe, path) for path in paths]
            self.assertEqual((signatures[0]["stat"], signatures[0]["listdir"], signatures[0]["inotify"]), ("EACCES",) * 3)
            for path, signature in zip(paths, signatures):
                with self.subTest(path):
                    self.assertEqual(signature, signatures[0])

    def test_unknown_expired_and_revoked_tokens_refuse_alike(self):
        """Promise 5: a token that was good once is not told from a guess."""
        revoked = self.site.sql_session(f"uid:{self.alice}")
        self.assertEqual(outcome(os.stat, self.by_session(revoked, "alice")), "OK")
        self.site.sql("DELETE FROM sessions WHERE id = ?", (token_id(revoked),))
        tokens = {"unknown": "b" * 32, "expired": self.site.sql_session(f"uid:{self.alice}", expires=int(time.time()) - 5),
                  "bound": self.site.sql_session(f"uid:{self.alice}", address="::1"), "revoked": revoked}
        signatures = {what: as_user(33, every_probe, self.by_session(token)) for what, token in tokens.items()}
        self.assertEqual(signatures["unknown"]["stat"], "EACCES")
        for what, signature in signatures.items():
            self.assertEqual(signature, signatures["unknown"], what)


class Watching(TwoUsersTest):
    def test_nobody_may_watch_what_holds_everybodys_views(self):
        """Promise 5: inotify and fanotify on by-uid, by-session and another's view: refused."""
        alice = self.actor(self.alice)
        alice.call(os.chdir, self.by_uid(self.alice, "alice"))
        for uid in (self.stranger, self.bob, 33):
            for path in (self.site.path("by-uid"), self.site.path("by-session"), self.by_uid(self.alice),
                         self.by_uid(self.alice, "alice/report.txt")):
                for watch in (syscalls.watch, fanotify_watch):
                    with self.subTest(uid=uid, path=path, watch=watch.__name__):
                        self.assertNotEqual(as_user(uid, outcome, watch, path), "OK")
                self.assertEqual(as_user(uid, outcome, syscalls.watch, path), "EACCES")
            self.assertEqual(as_user(uid, outcome, fanotify_watch, self.site.mountpoint, syscalls.FAN_MARK_FILESYSTEM), "EPERM")
            self.assertEqual(as_user(uid, outcome, fanotify_watch, self.site.mountpoint, syscalls.FAN_MARK_MOUNT), "EPERM")

    def test_a_watch_on_ones_own_alias_does_not_see_another_at_the_same_file(self):
        """Promise 5: views do not share nodes that a uid may watch."""
        self.grant(f"uid:{self.bob}", "alice/report.txt")
        bob = self.actor(self.bob)
        watch = bob.call(syscalls.inotify_init)
        for path in (self.by_uid(self.bob, "alice/report.txt"), self.by_uid(self.bob, "alice"), self.by_uid(self.bob),
                     self.by_session(self.bob_token, "alice/report.txt"), self.by_session(self.bob_token, "alice"),
                     self.site.mountpoint, self.site.path("public"), self.site.path("public", "open"), self.site.path("public", "open/welcome.txt")):
            bob.call(syscalls.inotify_add_watch, watch, path)
        link = self.site.grantctl("link", "create", "alice/report.txt").stdout.strip()
        for uid, path in ((self.alice, self.by_uid(self.alice, "alice/report.txt")), (33, self.by_session(self.alice_token, "alice/report.txt")),
                          (33, self.site.path("by-link", link, "report.txt")), (33, self.by_session(self.alice_token, "open/welcome.txt"))):
            as_user(uid, read, path)
            as_user(uid, outcome, os.listdir, os.path.dirname(path))
        self.assertEqual(bob.call(syscalls.inotify_events, watch), [])
        for path in (self.by_uid(self.bob, "alice/report.txt"), self.by_session(self.bob_token, "alice/report.txt"), self.site.path("public", "open/welcome.txt")):
            bob.call(open_and_close, path, os.O_RDONLY)
            self.assertNotEqual(bob.call(syscalls.inotify_events, watch), [], "the watch sees nothing at all: nothing was tested")


class BehindTheServersDoor(TwoUsersTest):
    OPTIONS = "server_group=www-data"

    def test_a_watch_and_a_lock_on_a_public_file_do_not_meet_a_session_at_the_same_file(self):
        """Promise 5: everybody may enter `public`, so it does not share nodes with what servers alone read."""
        bob, server = self.actor(self.bob), self.actor(33, gid=grp.getgrnam("www-data").gr_gid)
        public, hers = self.site.path("public", "open/welcome.txt"), self.by_session(self.alice_token, "open/welcome.txt")
        watch, fd = bob.call(syscalls.inotify_init), bob.call(os.open, public, os.O_RDONLY)
        bob.call(syscalls.inotify_add_watch, watch, public)
        self.assertEqual(server.call(read, hers), bob.call(os.pread, fd, 100, 0))
        bob.call(syscalls.inotify_events, watch)
        server.call(open_and_close, hers, os.O_RDONLY)
        self.assertEqual(bob.call(syscalls.inotify_events, watch), [])
        self.assertEqual(bob.outcome(take_lock, fd, "flock"), "OK")
        self.assertEqual(server.outcome(take_lock, server.call(os.open, hers, os.O_RDONLY), "flock"), "OK")


AT_HANDLE_FID = 0x200


def node_id(path):
    """What the kernel tells anybody of a file that he may open: the node's id, and its generation."""
    handle = syscalls.name_to_handle_at(path, AT_HANDLE_FID)
    high, low, generation = struct.unpack_from("III", bytes(handle.handle))
    return high << 32 | low, generation


def watched_handle(path):
    """The same by an inotify descriptor's fdinfo."""
    watch = syscalls.inotify_init()
    try:
        syscalls.inotify_add_watch(watch, path)
        with open(f"/proc/self/fdinfo/{watch}") as info:
            data = bytes.fromhex(re.search("f_handle:([0-9a-f]*)", info.read()).group(1))
    finally:
        os.close(watch)
    high, low, generation = struct.unpack_from("III", data)
    return high << 32 | low, generation


class NodeIds(TwoUsersTest):
    def test_ids_do_not_tell_how_much_others_look_up(self):
        """Promise 5: by name_to_handle_at and by the fdinfo of a watch; a counter would tell."""
        count = 40
        for i in range(count):
            self.site.write(f"alice/hers/{i}")
            self.site.write(f"bob/his/{i}")
        alice, hers = self.actor(self.alice), self.by_uid(self.alice, "alice/hers")
        if alice.outcome(node_id, hers) != "OK":
            self.skipTest("this kernel gives no handle at all")
        for ask in (node_id, watched_handle):
            known = []
            for i in range(count):
                known.append(alice.call(ask, hers / str(i)))
                os.stat(self.by_session(self.bob_token, f"bob/his/{i}"))
            self.assertEqual({generation for _, generation in known}, {known[0][1]})
            ids = [node for node, _ in known]
            self.assertEqual(len(set(ids)), count)
            # Six standard deviations of the ascents of a random sequence; ids that count up have 39.
            rising = sum(after > before for before, after in zip(ids, ids[1:]))
            self.assertLessEqual(abs(rising - (count - 1) / 2), 6 * (count / 12) ** 0.5, ids)
            self.assertGreater(min(abs(after - before) for before, after in zip(ids, ids[1:])), 1 << 36, ids)
            self.assertGreater(min(abs((after & 0xFFFFFFFF) - (before & 0xFFFFFFFF)) for before, after in zip(ids, ids[1:])), 64, ids)


def take_lock(fd, kind):
    if kind == "flock":
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif kind == "posix":
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    else:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)


def drop_locks(fd):
    fcntl.flock(fd, fcntl.LOCK_UN)


class Locks(TwoUsersTest):
    def test_a_lock_in_one_view_is_free_in_every_other(self):
        """Promise 5: a lock would tell that another has the same file open."""
        self.grant(f"uid:{self.bob}", "alice/report.txt")
        alice, bob, server = self.actor(self.alice), self.actor(self.bob), self.actor(33)
        paths = ((alice, self.by_uid(self.alice, "alice/report.txt")), (bob, self.by_uid(self.bob, "alice/report.txt")),
                 (server, self.by_session(self.alice_token, "alice/report.txt")), (bob, self.by_session(self.bob_token, "alice/report.txt")),
                 (server, self.site.path("by-link", self.site.grantctl("link", "create", "alice/report.txt").stdout.strip(), "report.txt")))
        fds = [(actor, actor.call(os.open, path, os.O_RDONLY)) for actor, path in paths]
        for actor, fd in fds:
            self.assertEqual(actor.outcome(take_lock, fd, "flock"), "OK")
        again = alice.call(os.open, paths[0][1], os.O_RDONLY)
        self.assertEqual(alice.outcome(take_lock, again, "flock"), "EAGAIN", "locks do nothing at all: nothing was tested")

    def test_a_lock_does_not_reach_the_stores_file(self):
        """Promise 6: a reader through the mount cannot hold up the application."""
        path = self.by_session(self.alice_token, "alice/report.txt")
        with open(path, "rb") as reader, open(self.site.store / "alice/report.txt", "r+b") as writer:
            fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self.assertEqual(outcome(take_lock, writer.fileno(), "flock"), "OK")
            fcntl.lockf(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Handles(TwoUsersTest):
    def test_file_handles_lead_past_no_door(self):
        """Promise 5: an exported handle is either not given or no use to a stranger."""
        result = as_user(self.alice, outcome, syscalls.name_to_handle_at, self.by_uid(self.alice, "alice/report.txt"))
        if result == "OK":
            self.skipTest("this kernel or libfuse gives handles; opening them is tested with root")
        self.assertEqual(result, "EOPNOTSUPP")
