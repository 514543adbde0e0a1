"""Signed URLs: see SIGNED URLS in grantfs(7). A signature opens what it is for until it expires; nothing is stored."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import os
import re
from typing import NamedTuple, Optional

from .values import StorePath, When, covers, moment, network, store_path

_MOST_NAME_BYTES = 255
_MOST_SIGNED_FOLDERS = 16  # the prefix's own is one
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]*)\}|([A-Za-z0-9_]*))")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclasses.dataclass(frozen=True)
class SigningKey:
    """A key for by-signature. It signs for its path and all below."""

    id: str
    path: str
    secret: bytes = dataclasses.field(repr=False)

    def sign(self, path: StorePath, expires: When, address: Optional[str] = None) -> str:
        """The token: one name, which by-signature/TOKEN/NAME of the mount opens until then, from that address or network."""
        signed = store_path(path)
        if not covers(self.path, signed):
            raise ValueError(f"{signed!r} does not lie below {self.path!r}, for which the key {self.id} signs")
        payload = f"{self.id} {moment(expires)} {network(address) or '-'} ".encode() + os.fsencode(signed)
        token = _base64url(hmac.new(self.secret, payload, "sha256").digest() + payload)
        if len(token) > _MOST_NAME_BYTES:
            raise ValueError(f"{signed!r} is too long to sign: sign a folder above it, or make a link")
        return token


class Md5Mark(NamedTuple):
    """What by-md5/EXPIRES/MD5/URI has before the URI."""

    expires: int
    md5: str


@dataclasses.dataclass(frozen=True)
class Md5Key:
    """A key for by-md5, which makes what nginx's secure_link takes."""

    id: str
    path: str
    uri_prefix: str
    expression: str
    secret: bytes = dataclasses.field(repr=False)

    def sign(self, uri: str, expires: When, address: Optional[str] = None) -> Md5Mark:
        """For a URI of the site, decoded; or for a folder, without a slash at its end, if the expression has $folder.

        The address is the client's, if the expression has $remote_addr. Where the URI lies below a longer prefix of another key, this
        signature opens nothing.
        """
        names = {_name(variable) for variable in _VARIABLE.finditer(self.expression)}
        prefix = self.uri_prefix[:-1] if self.uri_prefix.endswith("/") else self.uri_prefix
        inside = uri[len(prefix) + 1:]
        if inside:
            store_path(inside)
        of_folder = "folder" in names
        if not (uri == f"{prefix}/{inside}" and inside or uri == prefix and of_folder):
            raise ValueError(f"{uri!r} does not lie below {self.uri_prefix!r}, for which the key {self.id} signs")
        if of_folder and inside.count("/") + bool(inside) >= _MOST_SIGNED_FOLDERS:
            raise ValueError(f"{uri!r} is more than {_MOST_SIGNED_FOLDERS - 1} folders below {self.uri_prefix!r}")
        client = network(address) or ""
        if "/" in client or bool(client) != ("remote_addr" in names):
            raise ValueError(f"the key {self.id} signs for {'one client, by its address' if 'remote_addr' in names else 'no address'}")
        until = moment(expires)
        values = {"uri": uri, "folder": uri, "remote_addr": client}
        hashed, end = b"", 0
        for variable in _VARIABLE.finditer(self.expression):
            name = _name(variable)
            hashed += os.fsencode(self.expression[end:variable.start()])
            hashed += self.secret if name == "secret" else os.fsencode(values.get(name, str(until)))
            end = variable.end()
        hashed += os.fsencode(self.expression[end:])
        return Md5Mark(until, _base64url(hashlib.md5(hashed, usedforsecurity=False).digest()))


def _name(variable: re.Match[str]) -> str:
    """ValueError for a variable that no expression has. Those that are not listed first hold the expiry."""
    name = variable[1] or variable[2] or ""
    if name not in ("uri", "folder", "remote_addr", "secret", "secure_link_expires") and not re.fullmatch("arg_.+", name):
        raise ValueError(f"an expression has no variable ${name}")
    return name
