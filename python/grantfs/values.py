"""What may stand in the policy's columns, as grantfs-schema(5) says. Each function raises ValueError for what may not."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import secrets
import socket
import time
from typing import Optional, Union

#: A moment: Unix seconds, a datetime with its time zone, or a timedelta from now. A fraction of a second is dropped.
When = Union[int, datetime.datetime, datetime.timedelta]
#: A path relative to the store, as os.fsdecode() spells it; "." is the whole store.
StorePath = Union[str, "os.PathLike[str]"]

LAST_MOMENT = 99_999_999_999
MOST_PATH_BYTES = 4095
MOST_LABEL_BYTES = 200
MOST_USES = 1_000_000_000

_NAMED = re.compile(r"(?:user|group):([^/\x00-\x1f\x7f]+)")
_NUMBERED = re.compile(r"[ug]id:(0|[1-9][0-9]{0,9})")
_LAST_ID = 4_294_967_294
_MOST_NAME_BYTES = 255
_IPV4_MAPPED = bytes(10) + b"\xff\xff"
_IPV4_BITS, _IPV6_BITS = 32, 128


def new_token() -> str:
    """43 of A-Z a-z 0-9 - _, 256 bits. Every web server takes it in a cookie and a path."""
    return secrets.token_urlsafe(32)


def token_id(token: str) -> str:
    """What the policy knows a token by: its SHA-256. The token cannot be computed from it."""
    return hashlib.sha256(token.encode()).hexdigest()


def principal(text: str) -> str:
    """user:NAME, group:NAME, uid:N, gid:N or public."""
    named, numbered = _NAMED.fullmatch(text), _NUMBERED.fullmatch(text)
    if not (text == "public" or (named and len(named[1].encode()) <= _MOST_NAME_BYTES)
            or (numbered and int(numbered[1]) <= _LAST_ID)):
        raise ValueError(f"{text!r} is not a principal: write user:NAME, group:NAME, uid:N, gid:N or public")
    return text


def group(text: str) -> str:
    if not principal(text).startswith("group:"):
        raise ValueError(f"{text!r} is not a group of the application: write group:NAME")
    return text


def store_path(path: StorePath) -> str:
    text = os.fspath(path)
    canonical = text == "." or not {"", ".", ".."} & set(text.split("/"))
    if not canonical or "\0" in text or len(os.fsencode(text)) > MOST_PATH_BYTES:
        raise ValueError(f"{text!r} is not a path relative to the store: no slash at an end, no part empty, '.' or '..' ('.' alone is "
                         f"the store), and at most {MOST_PATH_BYTES} bytes")
    return text


def covers(folder: str, path: str) -> bool:
    """Whether the path is the folder, or below it."""
    return folder == "." or path == folder or path.startswith(folder + "/")


def moment(when: When) -> int:
    """In Unix seconds."""
    if isinstance(when, datetime.timedelta):
        seconds = int(time.time() + when.total_seconds())
    elif isinstance(when, datetime.datetime):
        if when.utcoffset() is None:
            raise ValueError(f"{when} has no time zone")
        seconds = int(when.timestamp())
    elif isinstance(when, int) and not isinstance(when, bool):
        seconds = when
    else:
        raise ValueError(f"{when!r} is not a time: give Unix seconds, a datetime or a timedelta")
    if not 0 <= seconds <= LAST_MOMENT:
        raise ValueError(f"{when} is not between 0 and {LAST_MOMENT} Unix seconds")
    return seconds


def expiry(expires: Optional[When]) -> Optional[int]:
    """None is never."""
    return None if expires is None else moment(expires)


def network(address: Optional[str]) -> Optional[str]:
    """An address or a network in the one spelling that grantfs gives it (inet_ntop(3)); None is anywhere."""
    if address is None:
        return None
    host, slash, length = address.partition("/")
    packed = _packed(host)
    before = 0 if ":" in host else _IPV6_BITS - _IPV4_BITS
    bits = _IPV6_BITS
    if slash:
        if not re.fullmatch(r"0|[1-9][0-9]{0,2}", length) or int(length) > _IPV6_BITS - before:
            raise ValueError(_no_network(address))
        bits = before + int(length)
    kept = _IPV6_BITS - bits
    packed = (int.from_bytes(packed, "big") >> kept << kept).to_bytes(len(packed), "big")
    if packed.startswith(_IPV4_MAPPED) and bits >= _IPV6_BITS - _IPV4_BITS:
        spelling, shown = socket.inet_ntop(socket.AF_INET, packed[-4:]), bits - (_IPV6_BITS - _IPV4_BITS)
    else:
        spelling, shown = socket.inet_ntop(socket.AF_INET6, packed), bits
    return spelling if bits == _IPV6_BITS else f"{spelling}/{shown}"


def _packed(host: str) -> bytes:
    """An IPv4 address becomes the IPv6 address that it is mapped to."""
    try:
        return socket.inet_pton(socket.AF_INET6, host) if ":" in host else _IPV4_MAPPED + socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        raise ValueError(_no_network(host)) from None


def _no_network(text: str) -> str:
    return f"{text!r} is not an address or a network: write one like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64"


def uses(number: Optional[int]) -> Optional[int]:
    if number is not None and not 1 <= number <= MOST_USES:
        raise ValueError(f"a link has 1 to {MOST_USES} uses, not {number}")
    return number


def label_of(text: Optional[str]) -> Optional[str]:
    """A line about a link, for people."""
    if text is not None and (not 1 <= len(text.encode()) <= MOST_LABEL_BYTES or re.search("[\x00-\x1f\x7f]", text)):
        raise ValueError(f"the label of a link has 1 to {MOST_LABEL_BYTES} bytes, none of them a control character")
    return text
