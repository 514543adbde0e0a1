"""Promise 12: a read-only mount never modifies the store."""

import fcntl
import hashlib
import mmap
import os
import stat

import syscalls
from fixture import TwoUsersTest, read
from harness import as_user, decided_anew, outcome

FS_IOC_SETFLAGS = 0x40086602


def fingerprint(path):
    """Every attribute, access times included, extended attributes and bytes of a file or a tree.

    Taken without moving an access time itself.
    """
    path = os.fsencode(path)
    status = os.lstat(path)
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    digest, below = b"", {}
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
    try:
        if stat.S_ISDIR(status.st_mode):
            for name in os.listdir(fd):
                below |= fingerprint(os.path.join(path, os.fsencode(name)))
        else:
            digest = hashlib.sha256(os.read(fd, 1 << 20)).digest()
    finally:
        os.close(fd)
    return below | {path: (status.st_mode, status.st_ino, status.st_nlink, status.st_uid, status.st_gid, status.st_size,
                           status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns, digest, str(attributes))}


def mutations(folder, file, root):
    """Every way to change a tree: of a file, of a folder, of what is not there yet."""
    folder, file, root = str(folder), str(file), str(root)
    new = folder + "/new"
    return {
        "open O_WRONLY": (os.open, file, os.O_WRONLY), "open O_RDWR": (os.open, file, os.O_RDWR),
        "open O_TRUNC": (os.open, file, os.O_RDONLY | os.O_TRUNC), "open O_APPEND": (os.open, file, os.O_WRONLY | os.O_APPEND),
        "create": (os.open, new, os.O_WRONLY | os.O_CREAT, 0o666), "create to read": (os.open, new, os.O_RDONLY | os.O_CREAT, 0o666),
        "O_TMPFILE": (os.open, folder, os.O_TMPFILE | os.O_RDWR, 0o666), "truncate": (os.truncate, file, 0),
        "truncate longer": (os.truncate, file, 1000), "mkdir": (os.mkdir, new), "rmdir": (os.rmdir, folder + "/deep"),
        "unlink": (os.unlink, file), "rename": (os.rename, file, new), "rename over": (os.rename, folder + "/deep/er/note.txt", file),
        "exchange": (syscalls.exchange, file, folder + "/deep"), "link": (os.link, file, new), "symlink": (os.symlink, "x", new),
        "mknod": (os.mknod, new, 0o600 | stat.S_IFREG), "mkfifo": (os.mkfifo, new), "chmod": (os.chmod, file, 0o777),
        "chmod folder": (os.chmod, folder, 0o777), "chown": (os.chown, file, os.getuid(), os.getgid()),
        "lchown": (os.lchown, file, os.getuid(), os.getgid()), "utime": (os.utime, file), "utime at": (os.utime, file, (1, 1)),
        "setxattr": (os.setxattr, file, "user.x", b"x"), "removexattr": (os.removexattr, file, "user.x"),
        "unlink of a view": (os.rmdir, root + "/public"), "mkdir in the root": (os.mkdir, root + "/new"),
        "mkdir in by-uid": (os.mkdir, f"{root}/by-uid/12345"), "create a session": (os.mkdir, f"{root}/by-session/{'x' * 32}"),
        "unlink me": (os.unlink, root + "/me"), "rename a view": (os.rename, root + "/public", root + "/private"),
    }


def try_all(folder, file, root):
    return {name: outcome(*call) for name, call in mutations(folder, file, root).items()}


class ReadOnly(TwoUsersTest):
    def setUp(self):
        super().setUp()
        os.setxattr(self.site.store / "alice/report.txt", "user.x", b"kept")
        # With relatime a read would move an access time older than this.
        for folder, _, files in os.walk(self.site.store):
            for name in [".", *files]:
                os.utime(os.path.join(folder, name), ns=(10**18, 2 * 10**18))
        self.before = fingerprint(self.site.store)
        self.folder = self.by_session(self.alice_token, "alice")
        self.file = self.folder / "report.txt"

    def tearDown(self):
        after = fingerprint(self.site.store)
        self.assertEqual({path for path in self.before | after if self.before.get(path) != after.get(path)}, set(), "the store has changed")
        super().tearDown()

    def test_reading_everything_moves_not_even_an_access_time(self):
        """Promise 12: open, read, mmap, listing and stat of every name, by two users and by handle."""
        for view in (self.by_session(self.alice_token), self.by_session(self.bob_token), self.site.path("public")):
            for folder, _, files in os.walk(view):
                for name in files:
                    path = os.path.join(folder, name)
                    read(path)
                    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping:
                        self.assertTrue(mapping[0])
        as_user(self.alice, read, self.by_uid(self.alice, "alice/report.txt"))
        as_user(self.alice, os.listdir, self.by_uid(self.alice, "alice"))

    def test_every_way_to_change_something_is_refused(self):
        """Promise 12: EROFS to the owner, a stranger and root, whoever may otherwise do it."""
        answers = {33: try_all_as(33, self.folder, self.file, self.site.mountpoint), 0: try_all(self.folder, self.file, self.site.mountpoint),
                   self.alice: try_all_as(self.alice, self.by_uid(self.alice, "alice"), self.by_uid(self.alice, "alice/report.txt"),
                                          self.site.mountpoint)}
        for uid, answer in answers.items():
            for name, result in answer.items():
                with self.subTest(uid=uid, call=name):
                    self.assertIn(result, ("EROFS", "EACCES", "EEXIST") if "create" in name or "mkdir" in name else ("EROFS", "EACCES"))
            for name in ("open O_WRONLY", "open O_RDWR", "open O_TRUNC", "create", "mkdir", "unlink", "rename", "truncate", "chmod"):
                with self.subTest(uid=uid, call=name):
                    self.assertEqual(answer[name], "EROFS")

    def test_a_handle_to_read_changes_nothing(self):
        """Promise 12: nor does what one can do with it: ftruncate, fchmod, a shared writable mapping, ioctl, fallocate."""
        fd = os.open(self.file, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        for function, args in ((os.ftruncate, (fd, 0)), (os.write, (fd, b"x")), (os.pwrite, (fd, b"x", 0)), (os.fchmod, (fd, 0o777)),
                               (os.fchown, (fd, 0, 0)), (os.utime, (fd,)), (os.setxattr, (fd, "user.y", b"")), (os.posix_fallocate, (fd, 0, 99)),
                               (fcntl.ioctl, (fd, FS_IOC_SETFLAGS, b"\0" * 8)), (syscalls.link_fd, (fd, self.folder / "linked")),
                               (os.copy_file_range, (fd, fd, 5, 0, 50)), (os.open, (f"/proc/self/fd/{fd}", os.O_RDWR))):
            with self.subTest(function.__name__):
                self.assertNotEqual(outcome(function, *args), "OK")
        with self.assertRaises(OSError):
            mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        with mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapping:
            mapping[0] = 0  # our own copy

    @decided_anew
    def test_a_mount_remounted_read_write_still_changes_nothing(self):
        """Promise 12: the daemon refuses what the kernel would let through then."""
        syscalls.mount("none", self.site.mountpoint, flags=syscalls.MS_REMOUNT)
        self.assertFalse(os.statvfs(self.site.mountpoint).f_flag & os.ST_RDONLY, "still read-only: nothing was tested")
        fd = os.open(self.file, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        os.read(fd, 100)
        for name, result in try_all(self.folder, self.file, self.site.mountpoint).items():
            with self.subTest(name):
                self.assertNotEqual(result, "OK")
        self.assertNotEqual(outcome(os.utime, fd), "OK")
        self.assertEqual(outcome(os.open, self.file, os.O_RDWR), "EROFS")


def try_all_as(uid, *args):
    return as_user(uid, try_all, *args)
