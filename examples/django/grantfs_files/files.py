"""Keeps the policy's owners in step with the rows that name private files."""

from django.apps import apps
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


@owed.debt
def settle_file(label, field_name, name, using):
    """Makes the policy say of this file what Django's committed rows say: whose it is, or that it is gone.

    It reads them while no other writer can change the policy, so whoever settles last has seen the last state.
    Returns what it ended.
    """
    if not storage.names_a_file(name):
        return []
    model = apps.get_model(label)
    field, path = model._meta.get_field(field_name), storage.rule_path(name)
    with policy.writing() as rules:
        row = model._base_manager.using(using).filter(**{field_name: name}).first()
        if row is not None:
            rules.set_owner(path, owner_of(row, field))
            return rules.ended
        rules.drop(path)
    field.storage.delete(name)
    return rules.ended


def own_folders(paths):
    """The folders made for one upload that these paths are or lie in."""
    return {folder for folder in map(storage.own_folder, paths) if folder is not None}


def settle_folder(folder):
    """Ends the rules on an upload's folder that no row names. What lies there stays, for `grantctl scan` to tell. Returns what it ended."""
    with policy.writing() as rules:
        for model in apps.get_models():
            for field in private_fields(model):
                if model._base_manager.filter(**{f"{field.name}__startswith": folder + "/"}).exists():
                    return []
        rules.drop(folder)
    return rules.ended


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
            policy.write(lambda rules: rules.drop(path))
        elif owner_of(before, field) != owner_of(instance, field):
            policy.write(lambda rules: rules.remove_owner(path))


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
            policy.write(lambda rules: rules.drop(storage.rule_path(name)))
            settle_after_commit(sender, field, name, using)
