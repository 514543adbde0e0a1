"""Linux system calls that Python does not offer, by ctypes. All raise OSError.

Constants are those of the kernel's headers, under their names.
"""

import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_FOLLOW = 0x400
AT_STATX_FORCE_SYNC = 0x2000
RENAME_EXCHANGE = 2
O_TMPFILE = os.O_TMPFILE
SYS_openat2 = 437
SYS_pidfd_getfd = 438

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_CACHED = 0x20

IN_NONBLOCK = 0o4000
IN_ALL_EVENTS = 0xFFF
IN_CHANGES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800  # all but opens, reads and closes of readers

FAN_CLASS_NOTIF = 0
FAN_REPORT_FID = 0x200
FAN_REPORT_DFID_NAME = 0xC00
FAN_NONBLOCK = 2
FAN_MARK_ADD = 1
FAN_MARK_MOUNT = 0x10
FAN_MARK_FILESYSTEM = 0x100
FAN_OPEN = 0x20
FAN_ACCESS = 0x1
FAN_EVENT_ON_CHILD = 0x08000000

MS_RDONLY = 1
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SHARED = 1 << 20
MNT_DETACH = 2


def _check(result, path=None):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def _path(path):
    return os.fsencode(path)


def mount(source, target, kind=None, flags=0, data=None):
    _check(libc.mount(_path(source), _path(target), kind and kind.encode(),
                      ctypes.c_ulong(flags), data and data.encode()))


def umount2(target, flags=0):
    _check(libc.umount2(_path(target), flags))


def renameat2(old, new, flags=0):
    _check(libc.renameat2(AT_FDCWD, _path(old), AT_FDCWD, _path(new), ctypes.c_uint(flags)))


def exchange(one, other):
    """Swaps two names, atomically."""
    renameat2(one, other, RENAME_EXCHANGE)


def openat2(path, flags=os.O_RDONLY, resolve=0, dirfd=AT_FDCWD):
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    return _check(libc.syscall(SYS_openat2, dirfd, _path(path), how, ctypes.c_size_t(len(how))))


def taken_from(pid, fd):
    """The very descriptor that another process has open."""
    pidfd = os.pidfd_open(pid)
    try:
        return _check(libc.syscall(SYS_pidfd_getfd, pidfd, fd, ctypes.c_uint(0)))
    finally:
        os.close(pidfd)


def link_fd(fd, new):
    """linkat with AT_EMPTY_PATH."""
    _check(libc.linkat(fd, b"", AT_FDCWD, _path(new), AT_EMPTY_PATH))


def inotify_init():
    return _check(libc.inotify_init1(IN_NONBLOCK | os.O_CLOEXEC))


def inotify_add_watch(fd, path, mask=IN_ALL_EVENTS):
    return _check(libc.inotify_add_watch(fd, _path(path), ctypes.c_uint32(mask)))


def watch(path):
    """Whether an inotify watch may be put there: raises OSError if not."""
    fd = inotify_init()
    try:
        inotify_add_watch(fd, path)
    finally:
        os.close(fd)


def inotify_events(fd):
    """The (mask, name) of every event that waits."""
    try:
        data = os.read(fd, 1 << 16)
    except BlockingIOError:
        return []
    events, at = [], 0
    while at < len(data):
        _, mask, _, length = struct.unpack_from("iIII", data, at)
        events.append((mask, data[at + 16:at + 16 + length].rstrip(b"\0")))
        at += 16 + length
    return events


def fanotify_init(flags=FAN_CLASS_NOTIF | FAN_NONBLOCK, event_flags=os.O_RDONLY):
    return _check(libc.fanotify_init(ctypes.c_uint(flags), ctypes.c_uint(event_flags)))


def fanotify_mark(fd, flags, mask, path):
    _check(libc.fanotify_mark(fd, ctypes.c_uint(flags), ctypes.c_uint64(mask), AT_FDCWD,
                              _path(path)))


class _FileHandle(ctypes.Structure):
    _fields_ = [("handle_bytes", ctypes.c_uint), ("handle_type", ctypes.c_int),
                ("handle", ctypes.c_ubyte * 128)]


def name_to_handle_at(path, flags=0):
    handle = _FileHandle(128, 0)
    mount_id = ctypes.c_int()
    _check(libc.name_to_handle_at(AT_FDCWD, _path(path), ctypes.byref(handle),
                                  ctypes.byref(mount_id), flags), path)
    return handle


def file_handle(kind, data):
    """A handle made by hand."""
    handle = _FileHandle(len(data), kind)
    handle.handle[:len(data)] = data
    return handle


def open_by_handle_at(mount_fd, handle, flags=os.O_RDONLY):
    return _check(libc.open_by_handle_at(mount_fd, ctypes.byref(handle), flags))


def getdents64(fd, size=32768):
    """One call's (ino, offset, type, name) entries; an empty list at the end."""
    buffer = ctypes.create_string_buffer(size)
    length = _check(libc.getdents64(fd, buffer, ctypes.c_size_t(size)))
    data, at, entries = buffer.raw[:length], 0, []
    while at < length:
        ino, offset, reclen, kind = struct.unpack_from("QqHB", data, at)
        entries.append((ino, offset, kind, data[at + 19:at + reclen].split(b"\0", 1)[0]))
        at += reclen
    return entries


def read_directory(path, size=32768):
    """Every (ino, offset, type, name) of a directory."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        entries = []
        while batch := getdents64(fd, size):
            entries += batch
        return entries
    finally:
        os.close(fd)


def statx_btime_mask(path):
    """stx_mask of statx with everything asked: which fields the filesystem says it knows."""
    buffer = ctypes.create_string_buffer(256)
    _check(libc.statx(AT_FDCWD, _path(path), 0, ctypes.c_uint(0xFFF), buffer))
    return struct.unpack_from("I", buffer.raw)[0]


def statx_forced(fd):
    """Attributes that the file system is asked for, whatever the kernel has of them (AT_STATX_FORCE_SYNC)."""
    buffer = ctypes.create_string_buffer(256)
    _check(libc.statx(fd, b"", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, ctypes.c_uint(0x7FF), buffer))


def drop_dentries_and_inodes():
    """Has the kernel forget what names and files nobody uses, as it does when memory is short."""
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("2\n")
