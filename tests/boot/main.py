#!/usr/bin/env python3
"""Boots a machine twice under qemu, with a disk for the store that comes late, and says what guest.sh found. Called by tools/check boot.

    main.py ROOT WORK     ROOT: the root of tests/boot/prepare.sh; WORK: an empty folder for disks

The last line is "N passed, N failed".
"""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from harness import end_with_parent  # noqa: E402

LIMIT_SECONDS = 1800  # of one boot, also where the processor is emulated, on a machine that is busy


def make_disk(file, label, folder, size):
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", folder, "-E", "root_owner=0:0", file, size],
                   check=True, stdout=subprocess.DEVNULL)


def make_store(work):
    """The disk of the store, with README's file."""
    folder = work / "store"
    (folder / "uploads").mkdir(parents=True)
    (folder / "uploads/report.txt").write_text("for alice\n")
    (folder / "uploads").chmod(0o700)
    make_disk(work / "store.ext4", "store", folder, "64M")
    # mke2fs takes no mode for the root.
    subprocess.run(["debugfs", "-w", "-R", "set_inode_field / mode 040700", work / "store.ext4"], check=True, capture_output=True)


class Machine:
    def __init__(self, root, work, part):
        self.console, self.said, self.monitor = (work / f"{part}.{name}" for name in ("console", "said", "monitor"))
        self.said.touch()
        (kernel,) = sorted((root / "boot").glob("vmlinuz-*"))
        (initrd,) = sorted((root / "boot").glob("initrd.img-*"))
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
                   "-nodefaults", "-no-reboot", "-display", "none", "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console", "-serial", f"file:{self.said}",
                   "-qmp", f"unix:{self.monitor},server=on,wait=off", "-kernel", kernel, "-initrd", initrd,
                   "-drive", f"file={work / 'root.ext4'},if=none,id=root,format=raw,cache=unsafe",
                   "-drive", f"file={work / 'store.ext4'},if=none,id=store,format=raw,cache=unsafe",
                   "-append", f"root=LABEL=root rw console=ttyS0 random.trust_cpu=on boot.part={part}",
                   "-device", "virtio-blk-pci,drive=root"]
        if part != "disk":
            command += ["-device", "virtio-blk-pci,drive=store"]
        # What qemu itself has to say comes to the console, too.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=open(self.console, "w"), preexec_fn=end_with_parent)

    def add_disk(self):
        """Plugs the store in while the machine runs (QMP, device_add)."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.monitor))
            with connection.makefile("rw") as lines:
                lines.readline()  # the greeting
                for command in ({"execute": "qmp_capabilities"},
                                {"execute": "device_add", "arguments": {"driver": "virtio-blk-pci", "drive": "store"}}):
                    lines.write(json.dumps(command) + "\n")
                    lines.flush()
                    answer = json.loads(lines.readline())
                    while "event" in answer:
                        answer = json.loads(lines.readline())
                    if "error" in answer:
                        raise RuntimeError(f"qemu: {answer['error']}")

    def run(self):
        """What it said; it is given the disk when it asks for it."""
        started, has_disk = time.monotonic(), False
        try:
            while self.process.poll() is None and time.monotonic() - started < LIMIT_SECONDS:
                if not has_disk and "WANTED disk" in self.said.read_text(errors="replace"):
                    self.add_disk()
                    has_disk = True
                time.sleep(0.1)
        finally:
            self.process.kill()
            self.process.wait()
        return self.said.read_text(errors="replace").replace("\r", "")


def main():
    root, work = map(pathlib.Path, sys.argv[1:])
    make_disk(work / "root.ext4", "root", root, "3G")
    make_store(work)
    passed = failed = 0
    for part in ("disk", "fstab"):
        started = time.monotonic()
        machine = Machine(root, work, part)
        lines = [line for line in machine.run().splitlines() if not line.startswith("WANTED")]
        print("\n".join(line for line in lines if line != "OVER"))
        passed += sum(line.startswith("ok ") for line in lines)
        failed += sum(line.startswith("FAIL ") for line in lines)
        if "OVER" not in lines:
            print("\n".join(machine.console.read_text(errors="replace").splitlines()[-60:]))
            print(f"FAIL {part}: the machine did not come to its end (above: its console)")
            failed += 1
        print(f"-- {part}: {time.monotonic() - started:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
