"""Starting, refusing to start, backgrounding and stopping."""

import itertools
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys

import syscalls
from fixture import REPORT, PolicyTest, TwoUsersTest, names, read
from harness import BUILD, GRANTFS, MOUNT_HELPER, PATIENCE_SECONDS, Site, as_user, decided_anew, mounts, outcome, unused_ids, wait_for


class Refusals(PolicyTest):
    """Each says, on standard error, what is wrong and what to do; and leaves nothing behind."""

    def grantfs(self, *arguments, uid=None):
        command = [str(GRANTFS), *map(str, arguments)]
        if uid is not None:
            command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
                              env=self.site.environment, errors="surrogateescape")

    def assert_refused(self, *words, store=None, mountpoint=None, options="", uid=None, says=(), db=None):
        """With -f and without: not 0, every one of `words` in the message, nothing mounted, no process."""
        db = self.site.db if db is None else db
        options = f"db={db},control={self.site.control}" + (f",{options}" if options else "")
        store, mountpoint = store or self.site.store, mountpoint or self.site.mountpoint
        for more in ([], ["-f"]):
            done = self.grantfs(store, mountpoint, "-o", options, *more, uid=uid)
            self.assertNotEqual(done.returncode, 0, f"{options} {more} was accepted: {done.stderr}")
            self.assertGreater(done.returncode, 0, f"killed by a signal: {done.stderr}")
            for word in words + tuple(says):
                self.assertIn(str(word), done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertEqual([point for point in mounts(self.site.root) if point not in self.known_mounts], [])
            self.assertIsNone(self.site.daemon_pid)

    def setUp(self):
        super().setUp()
        self.known_mounts = []

    def test_a_store_that_is_missing_or_no_directory(self):
        """Names the path."""
        missing = self.site.root / "no-store"
        self.assert_refused(missing, store=missing)
        file = self.site.write("file")
        self.assert_refused(file, "directory", store=file)

    def test_a_store_that_may_not_be_read(self):
        """Says who may: a uid that has no business there."""
        for folder in (self.site.db.parent, self.site.mountpoint):
            os.chown(folder, self.stranger, self.stranger)
        os.chown(self.site.db, self.stranger, self.stranger)
        self.assert_refused(self.site.store, uid=self.stranger)

    def test_a_store_that_is_missing_says_what_to_do(self):
        missing = self.site.root / "none"
        done = self.grantfs(missing, self.site.mountpoint, "-o", f"db={self.site.db},control={self.site.control}")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, f"no store at '{missing}': .*mount the disk.*or make it: install -d -m 700")

    def test_a_database_that_is_missing(self):
        """Names the path and the command that makes one."""
        missing = self.site.db.with_name("none.db")
        self.assert_refused(missing, "grantctl", "init", db=missing)
        self.assertFalse(missing.exists(), "and does not make one")

    def test_a_database_of_something_else(self):
        """A foreign application's, an empty file, a text, a directory: says that it is none of ours."""
        foreign = self.site.db.with_name("foreign.db")
        connection = sqlite3.connect(foreign)
        connection.execute("CREATE TABLE uploads (id)")
        connection.commit()
        connection.close()
        empty, text, folder = (self.site.db.with_name(name) for name in ("empty.db", "text.db", "folder.db"))
        empty.touch(0o600)
        text.write_text("not a database at all\n" * 1000)
        text.chmod(0o600)
        folder.mkdir()
        for database in (foreign, empty, text, folder):
            with self.subTest(database.name):
                os.chmod(database, 0o700 if database.is_dir() else 0o600)
                self.assert_refused(database, db=database)

    def test_a_database_of_a_newer_program(self):
        """Says so, and to upgrade."""
        self.site.sql("UPDATE meta SET value = 999 WHERE key = 'schema'")
        self.assert_refused(self.site.db, "newer", "upgrade", "999")

    def test_a_database_that_others_may_write(self):
        """Names the chmod to run: for the file, and for its directory."""
        os.chmod(self.site.db, 0o666)
        self.assert_refused("chmod", self.site.db)
        os.chmod(self.site.db, 0o600)
        os.chmod(self.site.db.parent, 0o755)
        self.assert_refused("chmod", self.site.db.parent)

    def test_a_database_that_is_none_is_said_and_no_chmod_is_advised(self):
        """Of /etc/passwd, chmod o= /etc would be the advice."""
        done = self.site.mount("db=/etc/passwd", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/etc/passwd is not a grantfs policy database", done.stderr)
        self.assertNotIn("chmod", done.stderr)

    def test_a_mountpoint_that_is_missing_no_directory_or_not_empty(self):
        """Names the path."""
        missing = self.site.root / "no-mountpoint"
        self.assert_refused(missing, mountpoint=missing)
        file = self.site.root / "file"
        file.touch()
        self.assert_refused(file, mountpoint=file)
        (self.site.mountpoint / ".keep").touch()
        self.assert_refused(self.site.mountpoint, "not empty")

    def test_a_mountpoint_in_the_store_and_the_reverse(self):
        """Through a symbolic link too; and the store as its own mount point."""
        inside = self.site.store / "mnt"
        inside.mkdir()
        link = self.site.root / "link"
        link.symlink_to(inside)
        for mountpoint in (inside, link):
            self.assert_refused("inside", self.site.store, mountpoint=mountpoint)
        inside.rmdir()
        self.assert_refused(self.site.store, mountpoint=self.site.store)
        around = self.site.root
        done = self.grantfs(self.site.store, around, "-o", f"db={self.site.db},control={self.site.control}")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(mounts(self.site.root), [])

    def test_a_database_in_the_store_or_the_mountpoint(self):
        """Whoever may write the one would decide by the other."""
        inside = self.site.store / "policy"
        inside.mkdir(0o700)
        shutil.copy(self.site.db, inside / "policy.db")
        os.chmod(inside / "policy.db", 0o600)
        self.assert_refused("inside", self.site.store, db=inside / "policy.db")
        hidden = self.site.root / "link.db"
        hidden.symlink_to(inside / "policy.db")
        self.assert_refused(db=hidden)

    def test_a_store_in_a_mount_of_grantfs(self):
        """What one identity may read would be shown to others: the mount itself, a folder in it, through links and bind mounts."""
        self.site.write("open/file", b"x")
        self.own("public", "open")
        self.site.mount()
        other = Site()
        self.addCleanup(other.close)
        link, bound = other.root / "link", other.root / "bound"
        link.symlink_to(self.site.path("public/open"))
        bound.mkdir()
        syscalls.mount(self.site.path("public"), bound, flags=syscalls.MS_BIND)
        self.addCleanup(syscalls.umount2, bound, syscalls.MNT_DETACH)
        for store in (self.site.mountpoint, self.site.path("public"), self.site.path("public/open"), link, bound, bound / "open"):
            with self.subTest(store):
                done = self.grantfs(store, other.mountpoint, "-o", f"db={other.db},control={other.control}")
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("mount of grantfs", done.stderr)

    def test_a_mount_point_in_the_store_by_a_bind_mount(self):
        """And the store in the mount point, and the database in the store."""
        inner, bound = self.site.store / "deep/mnt", self.site.root / "bound"
        inner.mkdir(parents=True)
        bound.mkdir()
        syscalls.mount(self.site.store / "deep", bound, flags=syscalls.MS_BIND)
        self.addCleanup(syscalls.umount2, bound, syscalls.MNT_DETACH)
        self.known_mounts = [str(bound)]
        self.assert_refused("inside", self.site.store, mountpoint=bound / "mnt")
        shutil.copy(self.site.db, inner / "policy.db")
        os.chmod(inner, 0o700)
        self.assert_refused("inside", self.site.store, db=bound / "mnt/policy.db")

    def test_no_openat2(self):
        """As in a service of systemd with RestrictSUIDSGID=: nothing could be read of the store."""
        without = pathlib.Path(__file__).with_name("without_beneath.py")
        done = self.site.start_foreground(check=False, wrapper=[sys.executable, str(without), "--openat2"])
        self.assertEqual(done.returncode, 2)
        self.assertIn("RestrictSUIDSGID", self.site.log())

    def test_an_unknown_option_names_the_nearest(self):
        """A slip of the finger is answered with what was meant."""
        for slip, meant in (("bd=/x", "db"), ("servergroup=x", "server_group"), ("server_grop=x", "server_group"), ("denny=hide", "deny"),
                            ("enforc=open", "enforce"), ("loglevl=info", "loglevel"), ("contrl=/x", "control"), ("thread=1", "threads")):
            with self.subTest(slip):
                self.assert_refused(slip.split("=")[0], f"{meant}?", options=slip)

    def test_bad_values_name_good_ones(self):
        """And say which option it was."""
        for option, words in (("deny=no", ("deny", "hide", "forbid")), ("deny", ("deny",)), ("deny=", ("deny", "hide")),
                              ("enforce=never", ("enforce", "lease", "open")), ("lease=-1", ("lease", "seconds")), ("lease=61", ("lease", "60")),
                              ("passthrough=maybe", ("passthrough", "auto")), ("io=fast", ("io", "uring")),
                              ("loglevel=loud", ("loglevel", "debug")), ("log=paper", ("log", "stderr")),
                              ("threads=0", ("threads",)), ("threads=-1", ("threads",)), ("threads=x", ("threads",)),
                              ("threads=99999999999", ("threads",)), ("server_group=no-such-group", ("server_group", "no-such-group")),
                              ("by_user=no-such-group", ("by_user", "no-such-group")), ("by_user=", ("by_user",)),
                              ("views=by-sesion", ("views", "by-sesion", "by-session")), ("views=", ("views",)),
                              ("views=public:", ("views",)), ("views=public:by-user", ("views", "by_user=GROUP")),
                              ("control=", ("control",)), (f"control=/{'x' * 200}", ("control",))):
            with self.subTest(option):
                self.assert_refused(options=option, says=words)

    def test_what_a_mount_never_is_cannot_be_asked_for(self):
        """rw, suid, dev and exec are contradicted, not ignored."""
        for option in ("rw", "suid", "dev", "exec"):
            with self.subTest(option):
                self.assert_refused(option, options=option)

    def test_a_mountpoint_that_is_served_already(self):
        """A live daemon is never taken over, nor covered."""
        self.site.write("file", b"x")
        self.own("public", "file")
        self.site.mount()
        pid = self.site.daemon_pid
        for more in ([], ["-f"]):
            done = self.grantfs(self.site.store, self.site.mountpoint, "-o", f"db={self.site.db},control={self.site.root}/other.sock", *more)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(str(self.site.mountpoint), done.stderr)
        self.assertEqual(mounts(self.site.mountpoint), [str(self.site.mountpoint)])
        self.assertEqual(self.site.daemon_pid, pid)
        self.assertEqual(read(self.site.path("public", "file")), b"x")

    def test_a_control_socket_that_another_daemon_answers(self):
        """Named; and the other goes on."""
        self.site.mount()
        other = self.site.root / "other"
        other.mkdir()
        done = self.grantfs(self.site.store, other, "-o", f"db={self.site.db},control={self.site.control}")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.site.control), done.stderr)
        self.assertEqual(mounts(other), [])
        self.assertEqual(os.listdir(other), [])
        self.assertEqual(self.site.status()["pid"], self.site.daemon_pid)

    def test_stderr_in_the_background_is_refused(self):
        """Standard error is given up there: the log would be lost."""
        done = self.grantfs(self.site.store, self.site.mountpoint, "-o", f"db={self.site.db},control={self.site.control},log=stderr")
        self.addCleanup(self.unmount_what_should_not_be)
        self.assertEqual(done.returncode, 2, done.stderr)
        for word in ("log=stderr", "-f", "syslog"):
            self.assertIn(word, done.stderr)

    def unmount_what_should_not_be(self):
        if mounts(self.site.mountpoint):
            subprocess.run(["umount", self.site.mountpoint])

    def test_whoever_may_not_mount_is_told_so(self):
        """An ordinary user, though everything is theirs: root is named, in one line, and not libfuse's guesses."""
        uid = self.stranger
        for path in (self.site.root, self.site.store, self.site.mountpoint, self.site.db.parent, *self.site.db.parent.iterdir()):
            os.chown(path, uid, uid)
        command = self.site.command()
        for more in ([], ["-f"]):
            done = as_user(uid, subprocess.run, [*command, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=PATIENCE_SECONDS, env=self.site.environment)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("root", done.stderr)
            self.assertIn("CAP_SYS_ADMIN", done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertEqual(mounts(self.site.mountpoint), [])

    def test_a_usage_error_is_2_and_points_to_help(self):
        """No arguments, one, four, an unknown flag."""
        for arguments in ([], [self.site.store], [self.site.store, self.site.mountpoint, "x", "y"], [self.site.store, self.site.mountpoint, "-z"]):
            done = self.grantfs(*arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--help", done.stderr)

    def test_help_and_version(self):
        """Exit 0, on standard output, naming every option."""
        done = self.grantfs("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("db=", "server_group=", "deny=", "control=", "log=", "loglevel=", "threads=", "enforce=", "-f"):
            self.assertIn(word, done.stdout)
        done = self.grantfs("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^grantfs \d+\.\d+")

    def test_messages_do_not_write_control_characters_to_the_terminal(self):
        """A path is quoted."""
        done = self.grantfs(self.site.root / "no\x1b[2J\nstore", self.site.mountpoint, "-o", f"db={self.site.db}")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("\x1b", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


class Options(PolicyTest):
    def test_a_group_may_be_given_by_number(self):
        """By name first; a number that no group has is a group all the same."""
        (unused,) = unused_ids(1)
        for given, gid in (("33", 33), (str(unused), unused), ("www-data", 33)):
            with self.subTest(given):
                self.site.mount(f"server_group={given},by_user={given}")
                self.assertEqual([os.stat(self.site.path(view)).st_gid for view in ("by-session", "by-user")], [gid, gid])
                self.site.umount()
        for given in ("-1", "4294967295", "99999999999", "33x", "0x21", ""):
            with self.subTest(given):
                done = self.site.mount(f"server_group={given}", check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(f"server_group='{given}': there is no such group", done.stderr)

    def test_a_store_that_others_may_enter_is_warned_of(self):
        """With what to run, and when; not where a folder above keeps them out."""
        said = f"any user of this machine may enter the store '{self.site.store}'.*; if others need nothing in there, run: chmod o= {self.site.store}\n"
        for top, store, warned in ((0o711, 0o755, True), (0o711, 0o701, True), (0o711, 0o750, False), (0o711, 0o704, False), (0o700, 0o755, False)):
            with self.subTest(top=oct(top), store=oct(store)):
                self.site.root.chmod(top)
                self.site.store.chmod(store)
                start = len(self.site.log())
                self.site.mount()
                self.site.umount()
                self.assertEqual(bool(re.search(said, self.site.log()[start:])), warned)
                done = self.site.mount_background()
                self.site.umount()
                self.assertEqual(bool(re.search("warning: " + said, done.stderr)), warned, done.stderr)
        self.site.root.chmod(0o711)

    def test_what_mount_and_fstab_add_is_accepted(self):
        """And changes nothing."""
        self.site.mount("defaults,ro,nosuid,nodev,noexec,nofail,_netdev,noauto,x-systemd.automount,x-gvfs-hide,relatime,enforce=open,deny=hide")
        self.assertEqual(names(self.site.mountpoint), ["by-link", "by-md5", "by-process", "by-session", "by-signature", "by-uid", "expired", "from", "me", "public"])
        for flag in ("ST_RDONLY", "ST_NOSUID", "ST_NODEV", "ST_NOEXEC"):
            self.assertTrue(os.statvfs(self.site.mountpoint).f_flag & getattr(os, flag))

    def test_options_and_arguments_in_any_order(self):
        """-o takes one word, wherever it stands."""
        store, mountpoint = str(self.site.store), str(self.site.mountpoint)
        options = f"db={self.site.db},control={self.site.control}"
        for words in (["-o", options, store, mountpoint], ["-o", options, "-o", "ro,nosuid", store, mountpoint], [store, "-o", options, mountpoint],
                      [store, mountpoint, "-o", options], ["-o", options, "--", store, mountpoint], [f"-o{options}", store, mountpoint]):
            with self.subTest(words):
                done = subprocess.run([str(GRANTFS), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertTrue(self.site.answers())
                self.site.umount()

    def test_foreground_and_options_in_any_order(self):
        """-f before, between and behind; told by a refusal that comes after the command line."""
        options = f"db={self.site.db},control={self.site.control},deny=no"
        places = ["-o", options], ["-f"], ["STORE"], ["MNT"]
        for order in itertools.permutations(places):
            words = [word for place in order for word in place]
            done = subprocess.run([str(GRANTFS), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
            self.assertEqual(done.returncode, 2)
            self.assertIn("option deny='no'", done.stderr, words)

    def test_findmnt_shows_what_it_is(self):
        """Type fuse.grantfs, the store as its source, and every implied option."""
        self.site.mount()
        with open("/proc/self/mountinfo") as lines:
            (line,) = [line for line in lines if f" {self.site.mountpoint} " in line]
        before, _, after = line.rstrip("\n").partition(" - ")
        kind, source, more = after.split(" ", 2)
        self.assertEqual((kind, source), ("fuse.grantfs", str(self.site.store)))
        for option in ("ro", "nosuid", "nodev", "noexec"):
            self.assertIn(option, before.split()[5].split(","))
        for option in ("default_permissions", "allow_other"):
            self.assertIn(option, more.split(","))


class Background(TwoUsersTest):
    def setUp(self):
        super().setUp()
        self.site.umount()

    def test_it_returns_when_the_mount_answers(self):
        """The first open after the command has returned succeeds, ten times of ten."""
        for _ in range(10):
            self.site.mount_background()
            self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
            self.assertEqual(self.site.status()["pid"], self.site.daemon_pid)
            self.site.umount()

    def test_it_keeps_neither_terminal_nor_directory_nor_descriptors(self):
        """A session of its own, cwd /, /dev/null for 0 to 2, and nothing inherited."""
        workplace = self.site.root / "workplace"
        workplace.mkdir()
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        done = subprocess.run(self.site.command(), cwd=workplace, pass_fds=[write_end], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE_SECONDS, env=self.site.environment)
        os.close(write_end)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        pid = self.site.daemon_pid
        self.assertEqual(os.getsid(pid), pid)
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        for fd in range(3):
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null")
        self.assertTrue(select.select([read_end], [], [], 2)[0], "the daemon keeps a descriptor that it inherited")
        self.assertEqual(os.read(read_end, 1), b"")

    def test_relative_paths_are_those_of_the_caller(self):
        """Store, mount point, database and control socket, though the daemon's cwd is another."""
        command = [str(GRANTFS), "store", "mnt", "-o", "db=policy/policy.db,control=run/control.sock"]
        done = subprocess.run(command, cwd=self.site.root, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        pid = self.site.status()["pid"]
        self.addCleanup(self.site.wait_for_exit, pid)
        self.addCleanup(subprocess.run, ["umount", self.site.mountpoint])
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)

    def test_it_gives_up_privileges_it_does_not_need(self):
        """No new privileges, and few capabilities."""
        self.site.mount_background()
        with open(f"/proc/{self.site.daemon_pid}/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        kept = int(status["CapEff"], 16)
        for number, name in ((6, "SETGID"), (7, "SETUID"), (12, "NET_ADMIN"), (16, "SYS_MODULE"), (17, "SYS_RAWIO"), (19, "SYS_PTRACE")):
            self.assertFalse(kept >> number & 1, f"CAP_{name}")


class Stopping(TwoUsersTest):
    def test_sigterm_and_sigint_unmount_and_exit_0(self):
        """And the control socket goes with it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            pid = self.site.daemon_pid
            os.kill(pid, number)
            self.assertEqual(self.site.wait_for_exit(pid), 0)
            self.assertEqual(mounts(self.site.mountpoint), [])
            self.assertFalse(self.site.control.exists())
            self.site.mount()

    @decided_anew
    def test_sigterm_unmounts_though_in_use(self):
        """Open files, a listing and a working directory keep it from nothing."""
        server = self.actor(33)
        server.call(os.chdir, self.by_session(self.alice_token, "alice"))
        server.call(os.open, "report.txt", os.O_RDONLY)
        server.call(os.open, ".", os.O_RDONLY)
        self.assertEqual(self.site.terminate(), 0)
        self.assertEqual(mounts(self.site.mountpoint), [])
        self.assertNotEqual(server.outcome(os.stat, "report.txt"), "OK")

    def test_umount_ends_the_daemon(self):
        """umount(8) is all that is needed; a busy one is refused and goes on."""
        server = self.actor(33)
        server.call(os.chdir, self.by_session(self.alice_token, "alice"))
        self.assertNotEqual(subprocess.run(["umount", self.site.mountpoint], capture_output=True).returncode, 0)
        self.assertEqual(server.call(read, "report.txt"), REPORT)
        server.call(os.chdir, "/")
        pid = self.site.daemon_pid
        self.site.umount()
        self.assertIsNone(self.site.daemon_pid)
        self.assertFalse(os.path.exists(f"/proc/{pid}/exe"))
        self.assertFalse(self.site.control.exists())

    def test_a_log_reader_that_has_gone_does_not_end_it(self):
        """SIGPIPE is not for it."""
        os.kill(self.site.daemon_pid, signal.SIGPIPE)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
        self.assert_daemon_lives()


class Systemd(TwoUsersTest):
    def test_ready_is_said_when_the_mount_answers(self):
        """sd_notify(3): READY=1, once, not before; and NOTIFY_SOCKET is not handed on."""
        self.site.umount()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            address = str(self.site.root / "notify.sock")
            manager.bind(address)
            manager.settimeout(PATIENCE_SECONDS)
            self.site.start_foreground(environment={"NOTIFY_SOCKET": address})
            message = manager.recv(4096).decode()
            self.assertIn("READY=1", message.split("\n"))
            self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)

    def test_a_refusal_says_nothing_to_the_manager(self):
        """Type=notify then reports the failure."""
        self.site.umount()
        os.chmod(self.site.db, 0o666)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            address = str(self.site.root / "notify.sock")
            manager.bind(address)
            manager.setblocking(False)
            self.assertNotEqual(self.site.start_foreground(check=False, environment={"NOTIFY_SOCKET": address}).returncode, 0)
            self.assertEqual(outcome(manager.recv, 4096), "EAGAIN")


class ThroughMount(TwoUsersTest):
    """mount(8) and /etc/fstab, in a mount namespace of their own where the helper seems installed."""

    def in_namespace(self, script, fstab=""):
        """Runs a shell script there. $store, $mnt, $options; afterwards nothing stays mounted or runs."""
        self.site.umount()
        root = self.site.root
        helper_text = MOUNT_HELPER.read_text()
        bindir = re.search(r"""^daemon=['"]?(/[^'"\n]*)/grantfs""", helper_text, re.MULTILINE).group(1)
        for name in ("sbin", "bin"):
            (root / name).mkdir()
        for name in ("mount.grantfs", "mount.fuse.grantfs"):
            shutil.copy(MOUNT_HELPER, root / "sbin" / name)
            os.chmod(root / "sbin" / name, 0o755)
        (root / "bin/grantfs").symlink_to(GRANTFS)
        (root / "fstab").write_text(fstab)
        sbin = os.path.realpath("/sbin")
        setup = [f"mount -t overlay overlay -o lowerdir={root}/sbin:{sbin} {sbin}", f"mount --bind {root}/fstab /etc/fstab"]
        if os.path.isdir(bindir) and os.path.realpath(bindir) != os.path.realpath(BUILD):
            setup.append(f"mount -t overlay overlay -o lowerdir={root}/bin:{bindir} {bindir}")
        text = "\n".join(["set -eu", *setup, f"store={self.site.store} mnt={self.site.mountpoint}",
                          f"options=db={self.site.db},control={self.site.control}",
                          'trap "umount -q $mnt || umount -q -l $mnt || true" EXIT', script])
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", text], capture_output=True, text=True,
                              timeout=PATIENCE_SECONDS, env=self.site.environment)
        wait_for(lambda: self.site.daemon_pid is None, what="the daemon to end with its mount")
        return done

    def test_mount_t_fuse_grantfs(self):
        """mount -t fuse.grantfs STORE MOUNTPOINT -o …, with what mount(8) adds."""
        done = self.in_namespace('mount -t fuse.grantfs "$store" "$mnt" -o "$options,nofail,_netdev"\n'
                                 'findmnt -no FSTYPE,SOURCE "$mnt"\ncat "$mnt/public/open/welcome.txt"\numount "$mnt"\nls -A "$mnt"')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.split(), ["fuse.grantfs", str(self.site.store), "welcome,", "everybody"])

    def test_mount_t_grantfs(self):
        """The shorter type works too."""
        done = self.in_namespace('mount -t grantfs -o "$options,ro" "$store" "$mnt"\nls "$mnt"')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.split(), ["by-link", "by-md5", "by-process", "by-session", "by-signature", "by-uid", "expired", "from", "me", "public"])

    def test_a_line_in_fstab(self):
        """mount MOUNTPOINT, by that line; and umount."""
        line = (f"{self.site.store} {self.site.mountpoint} fuse.grantfs "
                f"defaults,noauto,nofail,x-systemd.requires=nginx,db={self.site.db},control={self.site.control} 0 0\n")
        done = self.in_namespace('mount "$mnt"\ncat "$mnt/public/open/welcome.txt"\numount "$mnt"', fstab=line)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", "welcome, everybody\n"))

    def test_a_refusal_reaches_whoever_ran_mount(self):
        """Its exit status, and the daemon's own words."""
        done = self.in_namespace('mount -t fuse.grantfs "$store" "$mnt" -o "$options,denny=hide"')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("deny?", done.stderr)


    def test_a_comma_in_quotes_reaches_the_daemon_in_its_value(self):
        """As in context="…:c1,c2"; the daemon's own option parser says what it read."""
        helper = self.site.root / "helper"
        helper.write_text(re.sub(r"(?m)^daemon=.*", f"daemon='{GRANTFS}'", MOUNT_HELPER.read_text()))
        for given, read_back in (('deny="a,b"', "a,b"), ('deny="a,b",nofail', "a,b"), ('nofail,deny=x"a,b"y,ro', "xa,by"), ("deny=a\\,b", "a,b")):
            with self.subTest(given):
                done = subprocess.run(["sh", helper, self.site.store, self.site.mountpoint, "-o", given], capture_output=True,
                                      text=True, timeout=PATIENCE_SECONDS, env=self.site.environment)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"option deny='{read_back}'", done.stderr)


class Running(TwoUsersTest):
    def test_the_log_says_what_is_served(self):
        """One line: version, store, mount point and database."""
        wait_for(lambda: str(self.site.mountpoint) in self.site.log(), what="the line that says what is served")
        for word in (self.site.store, self.site.mountpoint, self.site.db):
            self.assertIn(str(word), self.site.log())

    def test_a_stranger_cannot_unmount_or_signal_it(self):
        """Promise 6."""
        self.assertEqual(as_user(self.stranger, outcome, os.kill, self.site.daemon_pid, signal.SIGTERM), "EPERM")
        done = as_user(self.stranger, lambda: subprocess.run(["umount", str(self.site.mountpoint)], capture_output=True).returncode)
        self.assertNotEqual(done, 0)
        done = as_user(self.stranger, lambda: subprocess.run(["fusermount3", "-u", str(self.site.mountpoint)], capture_output=True).returncode)
        self.assertNotEqual(done, 0)
        self.assertEqual(read(self.by_session(self.alice_token, "alice/report.txt")), REPORT)
