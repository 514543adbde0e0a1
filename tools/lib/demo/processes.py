"""Processes and mounts that the demo leaves running and ends again."""

import os
import shutil
import signal
import subprocess
import time

STOP_SECONDS = 20


def find_daemon(mount):
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(entry)}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if os.fsencode(str(mount)) in words and os.path.basename(words[0]) == b"grantfs":
                return int(entry)
        except (ValueError, OSError):
            pass
    return None


def started(pid):
    """When the process started, in clock ticks; None if it is gone. With the pid, it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except OSError:
        return None


def mounted(path):
    with open("/proc/self/mountinfo") as file:
        return any(line.split(" ")[4] == path for line in file)


def stop(state):
    """Ends what a state names, and deletes its folder."""
    for pid, start in state["servers"]:
        signal_process(pid, start, signal.SIGTERM)
    wait_until_gone(state["servers"])
    while mounted(state["mount"]):
        if subprocess.run(["umount", state["mount"]], stderr=subprocess.DEVNULL).returncode:
            subprocess.run(["umount", "-l", state["mount"]], check=True)
    wait_until_gone(state["daemons"])  # without its mount it ends by itself
    shutil.rmtree(state["root"], ignore_errors=True)


def signal_process(pid, start, number):
    if start is not None and started(pid) == start:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def wait_until_gone(processes):
    deadline = time.monotonic() + STOP_SECONDS
    for pid, start in processes:
        while start is not None and started(pid) == start:
            if time.monotonic() > deadline:
                signal_process(pid, start, signal.SIGKILL)
            time.sleep(0.005)
