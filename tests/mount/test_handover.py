"""Promises 2 and 9, of a daemon that takes the place of one that runs (handover): nobody is refused, nothing is cut, nothing opens late."""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

import syscalls
from bound import ProcessTest
from fixture import REPORT, WELCOME, TwoUsersTest, read
from harness import GRANTCTL, SANITIZED, mounts, mounts_beneath, outcome, wait_for
from web.servers import Nginx, request

DEAD = ("ENOTCONN", "ECONNABORTED")
WITHOUT_BENEATH = str(pathlib.Path(__file__).with_name("without_beneath.py"))


class HandoverTest(TwoUsersTest):
    """One serves, whose place another one takes."""

    def setUp(self):
        if not mounts_beneath():
            self.skipTest("before Linux 6.5 no mount is put beneath another")
        super().setUp()
        self.report = self.by_session(self.alice_token, "alice/report.txt")
        self.welcome = self.site.path("public", "open/welcome.txt")

    def daemons(self):
        """What status says of all daemons on the database: their stages by pid."""
        environment = {"PATH": os.environ["PATH"], "GRANTFS_DB": str(self.site.db)}
        done = subprocess.run([GRANTCTL, "--json", "status"], env=environment, capture_output=True, text=True, timeout=60)
        return {daemon["pid"]: daemon["stage"] for daemon in json.loads(done.stdout)["daemons"]}

    def records(self):
        return sorted(path.name for path in self.site.db.with_name("policy.db.daemons").iterdir())

    def sockets(self):
        return sorted(path.name for path in self.site.control.parent.iterdir())

    def assert_ends(self, daemon):
        """By itself, and with no error."""
        self.assertEqual(daemon.wait(20), 0, self.site.log()[-4000:])

    def assert_serves(self, daemon):
        """This one alone, of all that is mounted there."""
        self.assertEqual(mounts(self.site.mountpoint), [str(self.site.mountpoint)])
        self.assertEqual(self.site.status()["pid"], daemon.pid)
        self.assertEqual((read(self.report), read(self.welcome)), (REPORT, WELCOME))
        self.assertEqual(outcome(os.stat, self.by_session(self.alice_token, "bob")), "ENOENT")


class Handover(HandoverTest):
    def test_the_new_one_serves_and_the_old_one_ends(self):
        """Promise 9: in the same place, with the same inode numbers; with its control socket, and the link to the record."""
        number = os.stat(self.report).st_ino
        for _ in range(2):
            old = self.site.hand_over()
            self.assert_ends(old)
            self.assert_serves(self.site._popen)
            self.assertEqual(os.stat(self.report).st_ino, number)
            self.assertEqual(self.daemons(), {self.site.daemon_pid: "serving"})
            link = self.site.control.with_suffix(".json")
            self.assertEqual(wait_for(lambda: json.loads(link.read_text())["pid"] == self.site.daemon_pid, what="the link"), True)
            self.assertEqual(self.sockets(), [".grantfs.lock", "control.json", "control.sock"])
        self.site.umount()
        self.assertEqual(os.listdir(self.site.mountpoint), [], "one that is gone is beneath")
        self.assertEqual((self.records(), self.sockets()), ([], [".grantfs.lock"]))

    def test_who_is_in_the_old_mount_goes_on_and_is_recalled(self):
        """Promise 2: by a folder, a working directory and a file held there; it ends with the last of them."""
        reader = self.actor(33)
        reader.call(os.chdir, self.by_session(self.alice_token, "alice"))
        fd = reader.call(os.open, "report.txt", os.O_RDONLY)
        held = os.open(self.by_session(self.alice_token, "alice"), os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(outcome, os.close, held)
        old = self.site.hand_over()
        new = self.site.daemon_pid
        self.assertEqual(self.daemons(), {old.pid: "leaving", new: "serving"})
        self.assertEqual(reader.call(read, "report.txt"), REPORT)
        self.assertEqual(outcome(os.open, "deep/er/note.txt", os.O_RDONLY, dir_fd=held), "OK")
        self.assertEqual(self.site.grantctl("metrics").stdout.count("grantfs_up{"), 1)
        revoked = self.site.grantctl("--json", "revoke", f"uid:{self.alice}", "alice")
        self.assertEqual((revoked.stderr, json.loads(revoked.stdout)["recall"]), ("", {"acknowledged": 2, "waited_seconds": 0.0}))
        self.assertEqual(reader.outcome(os.open, "report.txt", os.O_RDONLY), "ENOENT")
        self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=held), "ENOENT")
        self.assertEqual(outcome(read, self.report), "ENOENT")
        self.assertEqual(reader.call(os.pread, fd, 100, 0), REPORT, "what is open stays open")
        os.close(held)
        reader.call(os.close, fd)
        self.assertIsNone(old.poll())
        reader.call(os.chdir, "/")
        self.assert_ends(old)
        self.assertIn("another daemon serves", self.site.log())
        self.assertEqual(self.daemons(), {new: "serving"})

    def test_a_chain_of_them(self):
        """Each serves whom it has; all obey; they end in any order."""
        held, leaving = [], []
        for _ in range(3):
            held.append(os.open(self.by_session(self.alice_token, "alice"), os.O_RDONLY | os.O_DIRECTORY))
            self.addCleanup(outcome, os.close, held[-1])
            leaving.append(self.site.hand_over())
        self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
        for folder in held:
            self.assertEqual(outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=folder), "ENOENT")
        for number in (1, 2, 0):
            os.close(held[number])
            self.assert_ends(leaving[number])
        self.assertEqual(self.daemons(), {self.site.daemon_pid: "serving"})

    def test_nothing_opens_late(self):
        """Promise 2: of revocations all through handovers, by the path and by a folder held in each mount."""
        over = threading.Event()
        self.addCleanup(over.set)
        trouble = []

        def hand_over_and_over():
            try:
                while not over.is_set():
                    self.site.hand_over()
            except BaseException as error:  # noqa: BLE001 - reported below
                trouble.append(error)

        thread = threading.Thread(target=hand_over_and_over)
        thread.start()
        late, opened, rounds = [], 0, 0
        try:
            while rounds < 20 or len(self.site._leaving) < 4:
                if trouble:
                    break
                rounds += 1
                self.site.grantctl("own", f"uid:{self.alice}", "alice")
                with contextlib.ExitStack() as stack:
                    held = os.open(self.by_session(self.alice_token, "alice"), os.O_RDONLY | os.O_DIRECTORY)
                    stack.callback(os.close, held)
                    opened += outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=held) == outcome(read, self.report) == "OK"
                    self.site.grantctl("revoke", f"uid:{self.alice}", "alice")
                    late += [outcome(os.open, "report.txt", os.O_RDONLY, dir_fd=held), outcome(read, self.report)]
        finally:
            over.set()
            thread.join()
        self.assertEqual((trouble, set(late), opened), ([], {"ENOENT"}, rounds))

    def test_a_use_is_counted_once(self):
        """Promise 13: of a link that has one; the use under way goes on."""
        token = self.site.grantctl("link", "create", "alice/report.txt", "--uses", "1").stdout.strip()
        path = self.site.path("by-link", token, "report.txt")
        self.assertEqual(read(path), REPORT)
        self.site.hand_over()
        self.assertEqual(read(path), REPORT)
        (link,) = json.loads(self.site.grantctl("--json", "link", "ls").stdout)["links"]
        self.assertEqual(link["used"], 1)

    def test_the_record_of_accesses_goes_on(self):
        """Nothing is lost of it, and nothing there twice."""
        self.site.umount()
        folder = self.site.root / "audit"
        folder.mkdir(mode=0o700)
        options = f"enforce=open,audit={folder}/record.jsonl"
        self.site.mount(options)
        read(self.report)
        self.assert_ends(self.site.hand_over(options))
        read(self.welcome)
        self.site.umount()
        events = [json.loads(line) for line in (folder / "record.jsonl").read_text().splitlines()]
        self.assertEqual([event.get("path") for event in events if event["event"] == "open"],
                         ["alice/report.txt", "open/welcome.txt"])

    def shows(self, world):
        """What a process sees in another mount namespace."""
        return subprocess.run([*world, "cat", self.welcome], capture_output=True, timeout=20).stdout

    def test_where_mounts_spread(self):
        """As under systemd, which has every mount be shared; and in a container that was given the parent (rslave)."""
        self.site.umount()
        syscalls.mount(self.site.root, self.site.root, flags=syscalls.MS_BIND)
        self.addCleanup(outcome, syscalls.umount2, self.site.root, syscalls.MNT_DETACH)
        self.addCleanup(self.site.umount)
        syscalls.mount("none", self.site.root, flags=syscalls.MS_SHARED)
        self.site.mount()
        container = subprocess.Popen(["unshare", "--mount", "--propagation", "slave", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
        self.addCleanup(lambda: (container.kill(), container.wait(), container.stdout.close()))
        container.stdout.readline()
        world = ["nsenter", "--mount", "--target", str(container.pid)]
        self.assertEqual(self.shows(world), WELCOME)
        for _ in range(2):
            self.assert_ends(self.site.hand_over())
            self.assert_serves(self.site._popen)
            self.assertEqual(self.shows(world), WELCOME)
            listed = subprocess.run([*world, "cat", "/proc/self/mountinfo"], capture_output=True, text=True).stdout
            self.assertEqual(listed.count(f" {self.site.mountpoint} "), 1)


class Refused(HandoverTest):
    """Nothing is changed, and it is said why."""

    def assert_refused(self, says, options="", status=2, **how):
        before = (self.records(), self.sockets(), mounts(self.site.root))
        old = self.site._popen
        refused = self.site.hand_over(options, check=False, **how)
        self.assertEqual(refused.returncode, status, refused.stderr)
        self.assertIn(says, refused.stderr)
        self.assertEqual((self.records(), self.sockets(), mounts(self.site.root)), before)
        if old is not None and old.poll() is None:
            self.assert_serves(old)
            self.assertEqual(self.daemons(), {old.pid: "serving"})

    def test_nothing_that_could_hand_over(self):
        self.site.umount()
        self.assert_refused("no grantfs is mounted on")
        syscalls.mount("tmpfs", self.site.mountpoint, "tmpfs")
        self.assert_refused("no grantfs is mounted on")
        syscalls.umount2(self.site.mountpoint)

    def test_one_that_is_gone(self):
        self.site.kill()
        self.assert_refused("If it is gone, leave out handover", status=1)
        self.site.mount()

    def test_another_store(self):
        other = self.site.root / "other"
        other.mkdir()
        store, self.site.store = self.site.store, other
        self.assert_refused(f"has the store '{store}', not '{other}'")

    def test_another_database(self):
        other = self.new_site()
        self.assert_refused(f"has the database '{self.site.db}', not '{other.db}'", f"db={other.db}")

    def test_another_control_socket(self):
        self.assert_refused("has the control socket", f"control={self.site.root}/other.sock")

    def test_an_option_that_means_nothing(self):
        self.assert_refused("unknown option", "leases=1")
        self.assert_refused("takes no value", "handover=yes")

    def test_a_daemon_that_hangs(self):
        with self.site.stopped():
            refused = subprocess.run([*self.site.command("handover"), "-f"], capture_output=True, text=True, timeout=30)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("no daemon says that the mount at", refused.stderr)
        self.assert_serves(self.site._popen)

    def test_a_kernel_that_puts_no_mount_beneath(self):
        """Before Linux 6.5; the mount was to be attached when it was refused."""
        self.assert_refused("Linux 6.5 is the first", status=1, wrapper=[sys.executable, WITHOUT_BENEATH])

    def test_what_the_new_one_cannot_do(self):
        """Found out when it is mounted, and not yet there."""
        self.assert_refused("nobody has said yet that the database, a copy, is current", "follow=2", status=1)

    def test_two_at_a_time(self):
        """One takes the place, and the other is refused; nothing is left of it."""
        command = [*self.site.command("handover", foreground=True)]
        for _ in range(5):
            old = self.site._popen
            with open(self.site.log_file, "ab") as log:
                both = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.site.environment)
                        for _ in range(2)]
            self.site._leaving += [old, *both]
            self.assert_ends(old)
            wait_for(lambda: self.site.status()["pid"] != old.pid, what="the control socket to go over")
            (new,) = [one for one in both if one.pid == self.site.status()["pid"]]
            (other,) = [one for one in both if one is not new]
            if other.wait(20) == 0:  # both have taken over, one after the other
                self.assertIn("another daemon serves", self.site.log())
            self.site._popen = new
            self.site._leaving.remove(new)
            self.assert_serves(new)
            self.assertEqual(self.daemons(), {new.pid: "serving"})


class Bindings(ProcessTest):
    def test_who_is_bound_stays_bound(self):
        """Promise 15: `me` of a command that `grantctl run` has started; it ends with it, and by a revocation."""
        if not mounts_beneath():
            self.skipTest("before Linux 6.5 no mount is put beneath another")
        bound, unbound = self.bound(), self.actor(33)
        self.assertEqual(bound.call(read, self.report), REPORT)
        for _ in range(2):
            self.site.hand_over()
            self.assertEqual(bound.call(read, self.report), REPORT)
            self.assertNotEqual(unbound.outcome(read, self.report), "OK")
        self.assertEqual(len(json.loads(self.site.grantctl("--json", "session", "ls").stdout)["sessions"]), 4)
        self.site.grantctl("session", "rm", "--for", "user:carol")
        self.assertNotEqual(bound.outcome(read, self.report), "OK")


class Killed(HandoverTest):
    """Promise 9: by SIGKILL, at each moment of a handover. One serves, or a dead mount refuses, which the next one takes over."""

    OPTIONS = "lease=0"  # test_known_daemons.py has what a killed one lent
    MOMENTS_MS = (15, 30, 40, 50, 60, 80)

    def start(self):
        with open(self.site.log_file, "ab") as log:
            new = subprocess.Popen(self.site.command(f"handover,{self.OPTIONS}", foreground=True), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=self.site.environment)
        self.site._leaving.append(new)
        return new

    def settle(self, survivor):
        """What is there is whole, or dead and taken over."""
        found = outcome(read, self.welcome)
        if found == "OK":
            self.site._popen = survivor
        else:
            self.assertIn(found, DEAD)
            self.assertEqual(outcome(read, self.report), found)
            self.site._popen = None
            self.site.mount(self.OPTIONS)
        self.site._leaving = [one for one in self.site._leaving if one is not self.site._popen]
        self.assert_serves(self.site._popen)
        for one in self.site._leaving:
            self.assertIsNotNone(one.wait(20))
        self.site._leaving.clear()
        # What a killed one left is waited for once, and then forgotten.
        self.site.grantctl("grant", "user:nobody", "alice")
        self.site.grantctl("revoke", "user:nobody", "alice")
        self.assertEqual(self.daemons(), {self.site.daemon_pid: "serving"})

    def test_the_new_one(self):
        for moment in self.MOMENTS_MS:
            with self.subTest(moment):
                old, new = self.site._popen, self.start()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    new.wait(moment / 1000)
                new.kill()
                new.wait()
                self.site._leaving.append(old)
                self.settle(old)

    def test_the_old_one(self):
        for moment in self.MOMENTS_MS:
            with self.subTest(moment):
                old, new = self.site._popen, self.start()
                self.site._leaving.append(old)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    old.wait(moment / 1000)
                old.kill()
                old.wait()
                # It serves in the end, or has refused to.
                wait_for(lambda: new.poll() is not None or f"[{new.pid}] info: grantfs" in self.site.log(), what="the new one")
                self.settle(new)


class Systemd(HandoverTest):
    def test_it_is_told_which_process_is_the_main_one_from_now_on(self):
        """By the process that it started (ExecReload=), as NotifyAccess=exec takes it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(self.site.root / "notify.sock"))
            systemd.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            systemd.settimeout(20)
            old, self.site._popen = self.site._popen, None
            self.site._leaving.append(old)
            with subprocess.Popen(self.site.command("handover"), stdin=subprocess.DEVNULL,
                                  env=self.site.environment | {"NOTIFY_SOCKET": systemd.getsockname()}) as reload:
                message, rights, _, _ = systemd.recvmsg(1024, socket.CMSG_SPACE(12))
                self.assertEqual(reload.wait(20), 0)
            self.assertEqual(int.from_bytes(rights[0][2][:4], "little"), reload.pid)
            self.assertEqual(message.decode(), f"MAINPID={self.site.status()['pid']}")
            self.assert_ends(old)
            self.assertEqual(self.daemons(), {self.site.daemon_pid: "serving"})
            systemd.setblocking(False)
            with self.assertRaises(BlockingIOError):
                systemd.recv(1024)


class UnderLoad(HandoverTest):
    """A web server with several clients, and a download under way that outlasts it."""

    OPTIONS = "server_group=www-data"
    CLIENTS = 4
    SIZE = (30 if SANITIZED else 300) << 20
    RATE = SIZE // 3

    def client(self, port, over, counts):
        """Asks without pause, by one connection: what came of it, and how often."""
        mine = {}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"Cookie": f"__Host-files={self.alice_token}"}
        while not over.is_set():
            for path, expected in (("alice/report.txt", REPORT), ("open/welcome.txt", WELCOME), ("alice/deep/er/note.txt", b"note\n")):
                try:
                    connection.request("GET", "/private/" + path, headers=headers)
                    answer = connection.getresponse()
                    result = answer.status if answer.read() == expected or answer.status != 200 else "other bytes"
                except (OSError, http.client.HTTPException) as error:
                    result = repr(error)
                    connection.close()
                mine[result] = mine.get(result, 0) + 1
        connection.close()
        counts.append(mine)

    def big_file(self):
        """One that no part of is like another; its digest."""
        digest, block = hashlib.sha256(), os.urandom(1 << 20)
        with open(self.site.write("alice/film.mp4"), "wb") as file:
            for number in range(self.SIZE >> 20):
                part = number.to_bytes(8, "big") + block[8:]
                digest.update(part)
                file.write(part)
        return digest.hexdigest()

    def download(self, port, begun, result):
        digest, size = hashlib.sha256(), 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/private/alice/film.mp4", headers={"Cookie": f"__Host-files={self.alice_token}"})
        answer = connection.getresponse()
        while part := answer.read(1 << 20):
            digest.update(part)
            size += len(part)
            begun.set()
        connection.close()
        result.append((answer.status, size, digest.hexdigest()))

    def test_nobody_is_refused_and_nothing_is_cut(self):
        expected = self.big_file()
        nginx = Nginx(self.site.root / "nginx", self.site.mountpoint, around=f"limit_rate_after 1m; limit_rate {self.RATE};")
        self.addCleanup(nginx.stop)
        over, begun, counts, result = threading.Event(), threading.Event(), [], []
        self.addCleanup(over.set)
        clients = [threading.Thread(target=self.client, args=(nginx.port, over, counts)) for _ in range(self.CLIENTS)]
        download = threading.Thread(target=self.download, args=(nginx.port, begun, result))
        for thread in (download, *clients):
            thread.start()
        self.assertTrue(begun.wait(20))
        leaving = [self.site.hand_over(self.OPTIONS) for _ in range(3)]
        self.assertTrue(download.is_alive(), "it was over before")
        self.assertIsNone(leaving[0].poll(), "the download is in its mount")
        download.join()
        over.set()
        for thread in clients:
            thread.join()
        self.assertEqual(result, [(200, self.SIZE, expected)])
        self.assertEqual({status for mine in counts for status in mine}, {200}, counts)
        self.assertGreater(sum(mine[200] for mine in counts), 1000)
        for old in leaving:
            self.assert_ends(old)
        self.assertEqual(request(nginx.port, "/private/alice/report.txt", token=self.alice_token).body, REPORT)
