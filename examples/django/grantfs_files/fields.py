"""A FileField whose file belongs to somebody, and can be shared.

    class Picture(models.Model):
        owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
        file = PrivateFileField(owner="owner")

    picture.file.share_with(bob, expires=timedelta(days=7))
    picture.file.create_link(expires=timedelta(hours=1))
"""

import base64
import datetime
import hashlib
import ipaddress
import secrets
import time
from pathlib import PurePosixPath

from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.encoding import filepath_to_uri

from . import conf, order, owed, policy, principals, storage


def make_token():
    """160 random bits in 32 letters and digits, as `grantctl` makes them."""
    return base64.b32encode(secrets.token_bytes(20)).decode().lower()


def token_id(token):
    """What the database knows a token by."""
    return hashlib.sha256(token.encode()).hexdigest()


def unix_seconds(when):
    """From an aware datetime, or a timedelta from now, or None for never."""
    if when is None:
        return None
    if isinstance(when, datetime.timedelta):
        return int(time.time() + when.total_seconds())
    if getattr(when, "tzinfo", None) is None:
        raise ValueError(f"{when} is no time, or has no time zone; give an aware datetime or a timedelta")
    return int(when.timestamp())


@owed.debt
def revoke(principal, path):
    policy.write(lambda rules: rules.revoke(principal, path))


@owed.debt
def remove_link(identifier, path):
    policy.write(lambda rules: rules.remove_link(identifier, path))


class PrivateFieldFile(FieldFile):
    """`url` is for whoever has a session and may see the file. Changes count once the transaction commits."""

    def _require_file(self):
        super()._require_file()
        if not storage.names_a_file(self.name):
            raise ValueError(f"{self.name!r} is no file")

    @property
    def rule_path(self):
        self._require_file()
        return storage.rule_path(self.name)

    @property
    def _using(self):
        return self.instance._state.db

    def share_with(self, who, expires=None):
        """Lets a user or a group read it, until `expires` (an aware datetime or a timedelta) or for good."""
        principal, path, until = principals.of(who), self.rule_path, unix_seconds(expires)
        self._give(lambda rules: rules.grant(principal, path, until))

    def unshare(self, who):
        principal, path = principals.of(who), self.rule_path
        order.take_away(self._using, revoke, principal, path)

    def shares(self):
        """(principal, expires in Unix seconds or None) of each share."""
        with policy.reading() as rules:
            return rules.grants_on(self.rule_path)

    def create_link(self, expires=None, uses=None, address=None):
        """An address that opens the file for whoever has it. Only now is it known: the database keeps a hash of it.

        From each address it can be used so many times; a film that is sought in, or a download in parts, is one
        use. `address` is the only one, or the only network ("2001:db8::/64"), from which it opens.
        """
        self._require_file()
        token = make_token()
        owner = getattr(self.instance, self.field.owner, None)
        if owner is None:
            raise ValueError(f"{self.name} is nobody's, and a link rests on its owner's right: set {self.field.owner}")
        if uses is not None and (type(uses) is not int or uses < 1):
            raise ValueError(f"uses is {uses!r}; give a whole number from 1, or None for any number")
        name, until = self.name, unix_seconds(expires)
        network = None if address is None else str(ipaddress.ip_network(address, strict=False))
        self._give(lambda rules: rules.add_link(token_id(token), principals.of(owner), name, until, uses, network))
        return conf.get("LINK_URL") + token + "/" + filepath_to_uri(PurePosixPath(name).name)

    def remove_link(self, identifier):
        """Ends a link of this file, by the identifier that links() says."""
        self._require_file()
        order.take_away(self._using, remove_link, identifier, self.name)

    def links(self):
        """(identifier, expires in Unix seconds or None) of each link."""
        self._require_file()
        with policy.reading() as rules:
            return rules.links_to(self.name)

    def _give(self, change):
        def give():
            with policy.writing() as rules:
                rules.claim(self.rule_path)
                change(rules)

        order.after_commit(give, self._using)


class PrivateFileField(models.FileField):
    """`owner` names the foreign key to the user whose file it is. Deleting the row, or putting another file in, deletes the file."""

    attr_class = PrivateFieldFile

    def __init__(self, verbose_name=None, name=None, owner="owner", **options):
        self.owner = owner
        options = {"storage": storage.PrivateStorage(), "upload_to": "uploads", "max_length": 255, "db_index": True, **options}
        super().__init__(verbose_name, name, **options)

    def deconstruct(self):
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "owner": self.owner}

    def generate_filename(self, instance, filename):
        return storage.in_own_folder(super().generate_filename(instance, filename))
