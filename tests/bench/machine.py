"""The machine while it is measured: processor time, descriptors, a kernel parameter, and leaving nothing behind."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import harness  # noqa: E402

URING = pathlib.Path("/sys/module/fuse/parameters/enable_uring")
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def dies_with_us():
    """For preexec_fn: SIGTERM when the bench is gone, however it went."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Custody:
    """Restores enable_uring, unmounts and deletes the work folder when release() is called or this process ends,
    even by SIGKILL."""

    def __init__(self, work, uring):
        self.uring_was = URING.read_text().strip() if URING.exists() else None
        changes = uring and self.uring_was == "N"
        self.release = harness.when_over(lambda: self._clean(work, self.uring_was if changes else None))
        if changes:
            try:
                URING.write_text("Y")
            except OSError as error:
                print(f"bench: {URING} cannot be set: {error.strerror}", flush=True)
            else:
                print(f"bench: {URING} is N; set to Y for as long as this runs", flush=True)

    @staticmethod
    def _clean(work, parameter):
        if parameter is not None:
            URING.write_text(parameter)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # servers that were told to end still do
            unmount_below(work)
            shutil.rmtree(work, ignore_errors=True)
            if not os.path.lexists(work):
                return
            time.sleep(0.2)


def unmount_below(folder):
    with open("/proc/self/mountinfo") as lines:
        points = [line.split()[4] for line in lines]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            _libc.umount2(os.fsencode(point), MNT_DETACH)


def cpu_seconds(pids):
    """User and system time so far, of all threads."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def anonymous_bytes(pid):
    """Private memory that is no file's: heap and stacks."""
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        for line in lines:
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"no Anonymous: in smaps_rollup of {pid}")


class DescriptorWatch:
    """The most descriptors each of some processes was seen to hold."""

    def __init__(self):
        self.most = {}
        self._pids = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def watch(self, name, pid):
        self._pids = {**self._pids, name: pid}  # replaced whole: the other thread may be reading it

    def _run(self):
        while not self._stop.wait(0.2):
            for name, pid in self._pids.items():
                with contextlib.suppress(OSError):
                    self.most[name] = max(self.most.get(name, 0), len(os.listdir(f"/proc/{pid}/fd")))

    def stop(self):
        self._stop.set()
        self._thread.join()


def describe(work):
    """What the numbers depend on."""

    def said(*words):
        try:
            done = subprocess.run(words, capture_output=True, text=True)
        except OSError:
            return None
        return (done.stdout + done.stderr).strip().splitlines()[0] if done.stdout or done.stderr else None

    with open("/proc/cpuinfo") as lines:
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    with open("/proc/meminfo") as lines:
        memory = int(next(lines).split()[1]) * 1024
    return {
        "kernel": os.uname().release,
        "processors": os.cpu_count(),
        "model": models[0] if models else os.uname().machine,
        "memory_bytes": memory,
        "work_folder_filesystem": said("findmnt", "-n", "-o", "FSTYPE", "-T", str(work)),
        "load_before": os.getloadavg()[0],
        "nginx": said("nginx", "-v"),
        "wrk": said("wrk", "--version"),
        "bindfs": said("bindfs", "--version"),
        "django": said("python3", "-c", "import django; print(django.get_version())"),
        "gunicorn": said("gunicorn", "--version"),
        "sqlite_of_python": sqlite3.sqlite_version,
    }
