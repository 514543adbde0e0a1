"""Files that this machine has, as the contents of a store."""

import os
import shutil

from trouble import Trouble

MEBIBYTE = 1 << 20


def gather(store):
    """Copies a few hundred of the machine's files into the store, which is laid out like this:

    alice/ and bob/ are theirs, team/ is their group's, public-docs/ everyone's, unclaimed/ in no table.
    """
    documents = find(("/usr/share/doc", "/usr/share/common-licenses"), lambda name, size: 200 <= size <= 2 * MEBIBYTE)
    pictures = find(("/usr/share",), lambda name, size: name.endswith((".png", ".svg", ".jpg")) and size <= 2 * MEBIBYTE)
    large = find(("/usr/share",), lambda name, size: MEBIBYTE < size <= 64 * MEBIBYTE)
    large.sort(key=lambda path: (not path.endswith((".pdf", ".pdf.gz", ".tar.gz", ".zip")), -os.path.getsize(path)))
    if len(documents) < 10:
        raise Trouble("this machine has too few files in /usr/share/doc to show anything")

    shares = ("alice/documents", "bob/documents", "team", "public-docs", "unclaimed")
    for number, source in enumerate(documents[:300]):
        copy(source, store / shares[number % len(shares)])
    for number, source in enumerate(pictures[:60]):
        copy(source, store / ("alice/pictures", "bob/pictures")[number % 2])
    for source in large[:1]:
        copy(source, store / "alice/large")
    return sum(len(names) for _, _, names in os.walk(store))


def find(folders, wanted):
    """Regular files beneath the folders, spread over all of them: one from each in turn."""
    by_folder = []
    for top in folders:
        for folder, subfolders, names in os.walk(top):
            subfolders.sort()
            files = []
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not os.path.islink(path) and os.path.isfile(path) and wanted(name, os.path.getsize(path)):
                    files.append(path)
            if files:
                by_folder.append(files)
    chosen = []
    while by_folder and len(chosen) < 500:
        chosen += [files.pop(0) for files in by_folder]
        by_folder = [files for files in by_folder if files]
    return chosen


def copy(source, folder):
    parent, name = os.path.split(source)
    target = folder / os.path.basename(parent) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
