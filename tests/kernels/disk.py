"""The disk that a kernel under test starts from: this machine's own programs, the build, the tests, an ext4 file system."""

import lzma
import os
import pathlib
import re
import shutil
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]

#: What the cases start, by name. The rest of what a shell wants is busybox's.
PROGRAMS = ("python3", "bash", "mount", "umount", "unshare", "nsenter", "setpriv", "prlimit", "losetup", "setarch", "strace", "find",
            "mkfs.ext4", "fusermount3", "getconf", "env")
APPLETS = ("sh", "cat", "cp", "mv", "rm", "mkdir", "ln", "ls", "sleep", "true", "false", "echo", "kill", "ps", "chmod", "chown",
           "dd", "sync", "timeout", "touch", "test", "id", "stat", "head", "tail", "grep", "sed", "readlink", "mknod", "tee", "printf")
#: In the order in which they are needed; those that are built in are not there.
DISK_MODULES = ("virtio_pci", "virtio_blk")
MODULES = ("loop", "fuse", "overlay")
#: What tests/nfs needs besides: a server, clients, and networks between them.
NFS_PROGRAMS = ("rpc.nfsd", "rpc.mountd", "exportfs", "rpcbind", "mount.nfs", "umount.nfs", "ip", "hostname")
NFS_MODULES = ("nfsd", "nfsv3", "nfsv4", "veth")
NFS_FILES = ("/etc/netconfig", "/etc/protocols", "/etc/rpc", "/etc/services")
LEFT_OUT = ("test", "tests", "idlelib", "ensurepip", "lib2to3", "tkinter", "turtledemo", "pydoc_data", "config-*", "dist-packages")


def libraries(program):
    """The shared libraries of a program or library, the loader included."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return set(re.findall(r"(/\S+)", done.stdout)) if done.returncode == 0 else set()


class Root:
    """A folder that is to be a root."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "dev", "proc", "sys", "run", "tmp", "root", "var/lib",
                     "var/tmp", "modules"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "tmp").chmod(0o1777)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.folder / name).symlink_to(f"usr/{name}")

    def at(self, path):
        return self.folder / str(path).lstrip("/")

    def put(self, source, path=None):
        there = self.at(path or source)
        if there.exists():
            return
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(source), there)

    def put_program(self, source, path=None):
        self.put(source, path)
        for library in libraries(source):
            self.put(library)

    def put_busybox(self, applets):
        self.put(shutil.which("busybox"), "/usr/bin/busybox")
        for name in applets:
            link = self.at(f"/usr/bin/{name}")
            if not link.exists():
                link.symlink_to("busybox")

    def put_python(self):
        program = pathlib.Path("/usr/bin/python3").resolve()
        library = pathlib.Path("/usr/lib") / program.name
        self.put_program(program)
        self.at("/usr/bin/python3").unlink(missing_ok=True)
        self.at("/usr/bin/python3").symlink_to(program.name)
        shutil.copytree(library, self.at(library), symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
        for module in library.rglob("*.so"):
            for found in libraries(module):
                self.put(found)

    def put_modules(self, kernel, names):
        """The modules and what they need, in an order in which they can be inserted."""
        order = kernel.modules(names)
        for module in order:
            data = module.read_bytes()
            (self.folder / "modules" / module.name.removesuffix(".xz")).write_bytes(lzma.decompress(data) if module.suffix == ".xz" else data)
        (self.folder / "modules/order").write_text("".join(f"{module.name.removesuffix('.xz')}\n" for module in order))


class Kernel:
    """A kernel's package, unpacked."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.image,) = self.folder.rglob("vmlinuz*")  # in boot/ or, lately, beside the modules
        (library,) = [*self.folder.glob("lib/modules/*"), *self.folder.glob("usr/lib/modules/*")]
        self.release = library.name
        self.files = {path.name.split(".ko")[0].replace("-", "_"): path for path in library.rglob("*.ko*")}

    def needs(self, module):
        data = module.read_bytes()
        text = lzma.decompress(data) if module.suffix == ".xz" else data
        found = re.search(rb"\0depends=([^\0]*)\0", text)
        return [name for name in found.group(1).decode().split(",") if name] if found else []

    def modules(self, names):
        order = []

        def add(name):
            module = self.files.get(name.replace("-", "_"))
            if module is None or module in order:
                return
            for needed in self.needs(module):
                add(needed)
            order.append(module)

        for name in names:
            add(name)
        return order


def make_initramfs(kernel, work):
    """A file: busybox, the modules by which the disk is found, and init."""
    root = Root(work / "initramfs")
    root.put_busybox(())
    root.put(TOP / "tests/kernels/init", "/init")
    root.put_modules(kernel, DISK_MODULES)
    file = work / "initramfs.cpio"
    with open(file, "wb") as out:
        names = subprocess.run(["find", ".", "-print0"], cwd=root.folder, capture_output=True, check=True).stdout
        subprocess.run(["cpio", "--null", "-o", "-H", "newc", "--quiet"], cwd=root.folder, input=names, stdout=out, check=True)
    return file


def make_disk(kernel, work, build, with_nfs):
    """A file: an ext4 file system with everything else."""
    root = Root(work / "root")
    root.put(TOP / "tests/kernels/init", "/init")
    root.put_python()
    for name in (*PROGRAMS, *(NFS_PROGRAMS if with_nfs else ())):
        found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if found and name != "python3":
            root.put_program(found, f"/usr/{'sbin' if '/sbin/' in found else 'bin'}/{name}")
    root.put_busybox(APPLETS)
    for file in ("/etc/passwd", "/etc/group", *(NFS_FILES if with_nfs else ())):
        root.put(file)
    (root.folder / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (root.folder / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root.folder / "etc/mtab").symlink_to("/proc/self/mounts")
    for name in ("grantfs", "grantctl"):
        root.put_program(build / name, f"/grantfs/build/{name}")
    root.put(build / "mount.grantfs", "/grantfs/build/mount.grantfs")
    for shim in (build / "tests/mount").glob("*.so"):
        root.put(shim, f"/grantfs/build/tests/mount/{shim.name}")
    for folder in ("harness", "mount", "kernels", "nfs"):
        shutil.copytree(TOP / "tests" / folder, root.at(f"/grantfs/tests/{folder}"), ignore=shutil.ignore_patterns("__pycache__"))
    root.put_modules(kernel, (*MODULES, *(NFS_MODULES if with_nfs else ())))
    file = work / "disk.ext4"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root.folder, "-E", "root_owner=0:0", file, "1G"], check=True,
                   stdout=subprocess.DEVNULL)
    return file
