"""Keeps the policy's owners in step with the rows that name private files."""

from django.apps import apps
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save

from . import order, owed, policy, principals, storage
from .fields import PrivateFileField


def private_fields(model):
    return [field for field in model._meta.concrete_fields if isinstance(field, PrivateFileField)]


def connect(model):
    if private_fields(model):
        for signal, receiver in ((pre_save, row_will_be_saved), (post_save, row_saved), (post_delete, row_deleted)):
            signal.connect(receiver, sender=model, dispatch_uid=f"grantfs_files.{receiver.__name__}.{model._meta.label}")


def owner_of(row, field):
    """The principal, or None for a file of nobody's."""
    owner = getattr(row, field.owner)
    return None if owner is None else principals.of(owner)


def owners_in(model, field, names=None, using=None):
    """(name, principal or None) of each row with a file, by primary key; of these names alone, if there are any given."""
    rows = model._base_manager.using(using or model._base_manager.db).exclude(**{field.name: ""}).order_by("pk")
    if names is not None:
        rows = rows.filter(**{f"{field.name}__in": names})
    owner = {each.name: each for each in model._meta.concrete_fields}.get(field.owner)
    if owner is None or not owner.is_relation or not owner.target_field.primary_key:
        found = ((getattr(row, field.name).name, owner_of(row, field)) for row in rows.iterator())
    else:  # a key is all that a principal is made of: no owner need be read
        known = {None: None}
        found = ((name, known[pk] if pk in known else known.setdefault(pk, principals.of(owner.related_model(pk=pk))))
                 for name, pk in rows.values_list(field.name, owner.attname).iterator())
    return ((name, principal) for name, principal in found if storage.names_a_file(name))


class Claims:
    """What Django's rows say of files: whose they are, by where the rules for each stand."""

    def __init__(self, names=None, using=None):
        """Of these names alone, if any are given; `using`: the databases of models that are in another than their own."""
        self.count = 0  # of rows
        self.owners = {}  # by path: the principals, the first row's first
        self.names = {}  # by path: the files
        for model in apps.get_models():
            for field in private_fields(model):
                for name, principal in owners_in(model, field, names, (using or {}).get(model)):
                    self.count += 1
                    path = storage.rule_path(name)
                    self.names.setdefault(path, set()).add(name)
                    owners = self.owners.setdefault(path, [])
                    if principal is not None and principal not in owners:
                        owners.append(principal)


@owed.debt
def settle_file(label, field_name, name, using):
    """Makes the policy say of this file what Django's committed rows say: whose it is, or that it is gone.

    It reads them while no other writer can change the policy, so whoever settles last has seen the last state.
    Returns what it ended.
    """
    if not storage.names_a_file(name):
        return []
    model = apps.get_model(label)
    path = storage.rule_path(name)
    with policy.writing() as rules:
        rules.claim(path)
        claims = Claims([name], {model: using})
        if path in claims.owners:
            rules.set_owners(path, claims.owners[path])
            return rules.ended
        rules.drop(path)
    transaction.on_commit(lambda: model._meta.get_field(field_name).storage.delete(name), using=using)
    return rules.ended


AT_ONCE = 500  # names in one question to Django's database


def settle_files():
    """Makes the policy say of every file what Django's committed rows say. One look at both, and one transaction for what differs.

    Returns how many files there are, what it ended, whom it let in besides a file's owner, and paths that the policy does not take.
    """
    claims = Claims()
    refused = []
    with policy.reading() as rules:
        differing = rules.otherwise_owned(claims.owners)
    if not differing:
        return claims.count, [], [], []
    with policy.writing() as rules:
        for start in range(0, len(differing), AT_ONCE):
            # What has changed since is as it is now; what is gone since ends by what its deletion owes.
            names = [name for path in differing[start:start + AT_ONCE] for name in claims.names[path]]
            for path in differing[start:start + AT_ONCE]:
                rules.claim(path)
            for path, owners in Claims(names).owners.items():
                try:
                    with policy.attempt():
                        rules.set_owners(path, owners)
                except policy.REFUSED:
                    refused.append(path)
    return claims.count, rules.ended, rules.given, refused


def own_folders(paths):
    """The folders made for one upload that these paths are or lie in."""
    return {folder for folder in map(storage.own_folder, filter(None, paths)) if folder is not None}


def settle_folders():
    """Ends the rules on the folders of uploads that no row names. Returns what it ended."""
    with policy.reading() as rules:
        folders = own_folders(rules.paths())
    if folders:
        for model in apps.get_models():
            for field in private_fields(model):
                folders -= own_folders(model._base_manager.exclude(**{field.name: ""}).values_list(field.name, flat=True).iterator())
    return [ended for folder in sorted(folders) for ended in settle_folder(folder)]


def settle_folder(folder):
    """Ends the rules on an upload's folder that no row names. What lies there stays, for `grantctl scan` to tell. Returns what it ended."""
    with policy.writing() as rules:
        rules.claim(folder)
        for model in apps.get_models():
            for field in private_fields(model):
                if model._base_manager.filter(**{f"{field.name}__startswith": folder + "/"}).exists():
                    return []
        rules.drop(folder)
    return rules.ended


def drop(path):
    with policy.writing() as rules:
        rules.claim(path)
        rules.drop(path)


def settle_after_commit(model, field, name, using):
    order.tell_after_commit(using, settle_file, model._meta.label, field.name, name, using)


def row_will_be_saved(sender, instance, using, update_fields, **_):
    """Who loses by it loses now: without a transaction, post_save would come after the commit."""
    instance._grantfs_replaced = []
    before = sender._base_manager.using(using).filter(pk=instance.pk).first() if instance.pk is not None else None
    for field in private_fields(sender) if before is not None else ():
        old, new = getattr(before, field.name), getattr(instance, field.name)
        if not storage.names_a_file(old.name):
            continue
        path = storage.rule_path(old.name)
        if (update_fields is None or field.name in update_fields) and (old.name != new.name or not new._committed):
            instance._grantfs_replaced.append((field, old.name))
            drop(path)
        elif owner_of(before, field) != owner_of(instance, field):
            with policy.writing() as rules:
                rules.claim(path)
                rules.take_from_owner(path, owner_of(before, field))


def row_saved(sender, instance, using, **_):
    for field, name in instance._grantfs_replaced:
        settle_after_commit(sender, field, name, using)
    for field in private_fields(sender):
        name = getattr(instance, field.name).name
        if name:
            settle_after_commit(sender, field, name, using)


def row_deleted(sender, instance, using, **_):
    """The rules go at once; the file when the transaction has committed."""
    for field in private_fields(sender):
        name = getattr(instance, field.name).name
        if storage.names_a_file(name):
            drop(storage.rule_path(name))
            settle_after_commit(sender, field, name, using)
