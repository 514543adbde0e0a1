"""Where private uploads are stored, and the address at which the web server serves them."""

import os
import re
import secrets
import shutil
import unicodedata
from pathlib import PurePosixPath

from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from . import conf

NAME_BYTES = 120  # so that folder and name fit into a FileField's 255 characters, and the name into a file system's
OWN_FOLDER = re.compile(r"own-[0-9a-f]{32}")  # not what folders that are there already may be called


def in_own_folder(name):
    """The name, in a random folder that nothing else will ever have: a name used again inherits nothing."""
    name = PurePosixPath(name)
    return str(name.parent / f"own-{secrets.token_hex(16)}" / name.name)


def rule_path(name):
    """Where the rules for this file stand: its own folder, so that they cover what is derived from it; else itself."""
    folder = PurePosixPath(name).parent
    return str(folder) if OWN_FOLDER.fullmatch(folder.name) else name


def own_folder(path):
    """The folder made by in_own_folder() that this is or lies in; None if there is none."""
    parts = PurePosixPath(path).parts
    for count, part in enumerate(parts, 1):
        if OWN_FOLDER.fullmatch(part):
            return str(PurePosixPath(*parts[:count]))
    return None


def names_a_file(name):
    """Whether a field holds one: "." is the whole store to the policy, and no file of anybody's."""
    return bool(name) and name != "."


@deconstructible
class PrivateStorage(FileSystemStorage):
    """The store beneath grantfs. url() needs no view: the web server serves it to whoever may see it."""

    def __init__(self):
        super().__init__(file_permissions_mode=0o600, directory_permissions_mode=0o700)

    @property
    def base_location(self):
        return conf.get("STORE")

    @property
    def location(self):
        return os.path.abspath(self.base_location)

    @property
    def base_url(self):
        return conf.get("URL")

    def get_valid_name(self, name):
        """The user's own name for it, spaces and all, less what no address or terminal should hold."""
        name = unicodedata.normalize("NFC", name)
        name = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in name)
        name = name.replace("/", "_").replace("\\", "_").strip(" .")
        stem, dot, extension = name.rpartition(".")
        if not dot or len(extension.encode()) > 16:
            stem, dot, extension = name, "", ""
        room = NAME_BYTES - len(extension.encode()) - len(dot)
        return (stem.encode()[:room].decode(errors="ignore").rstrip(" .") or "file") + dot + extension

    def delete(self, name):
        """The file, and all else in its own folder."""
        folder = rule_path(name)
        if folder == name:
            super().delete(name)
        else:
            shutil.rmtree(self.path(folder), ignore_errors=True)
