"""Keeps the policy in step with users and with Django's groups.

group:NUMBER is the django.contrib.auth group with that primary key. In group:users is everybody
who may log in; group:staff and group:superusers are is_staff and is_superuser among them. They see
what they are granted: `grantctl grant group:superusers .` shows these everything, `grantctl grant
group:users handbook` shows a folder to whoever has logged in.
"""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from . import order, owed, policy, postgresql, principals


def connect():
    user = get_user_model()
    # Of proxies and subclasses too, whose signals name themselves as the sender.
    pre_save.connect(of(user, user_will_be_saved), weak=False)
    post_save.connect(of(user, user_saved), weak=False)
    post_delete.connect(of((user, Group), principal_deleted), weak=False)
    if hasattr(user, "groups"):
        m2m_changed.connect(groups_changed, sender=user.groups.through)


def of(models, receiver):
    """The receiver, for signals of these models and what derives from them."""
    def receive(sender, **more):
        if issubclass(sender, models):
            receiver(sender=sender, **more)
    return receive


def auth_hash(user):
    return user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else None


def groups_of(user):
    """The policy's groups that the user is in, if the user may log in at all."""
    if user is None:
        return set()
    return groups_by(user, user.groups.values_list("pk", flat=True) if hasattr(user, "groups") else ())


def groups_by(user, group_pks):
    """The same, with the primary keys of the user's groups as they have been read."""
    if not user.is_active:
        return set()
    found = {f"group:{pk}" for pk in group_pks}
    found.add(policy.USERS)
    found |= {policy.STAFF} if getattr(user, "is_staff", False) else set()
    found |= {policy.SUPERUSERS} if getattr(user, "is_superuser", False) else set()
    return found


@owed.debt
def settle_user(pk, using):
    """Makes the policy's memberships what Django's committed rows say; who may not log in has no sessions and links.

    Returns what it ended.
    """
    model = get_user_model()
    principal = principals.of(model(pk=pk))
    with policy.writing() as rules:
        rules.claim(principal)
        user = model._base_manager.using(using).filter(pk=pk).first()
        rules.set_memberships(principal, groups_of(user))
        if user is None or not user.is_active:
            rules.end_sessions_of(principal)
            rules.remove_links_of(principal)
    return rules.ended


def settle_users():
    """settle_user() for each of whom the policy says something else. Returns how many users there are, and what it ended."""
    model = get_user_model()
    manager = model._base_manager
    groups = {}
    if hasattr(model, "groups"):
        through = model.groups.through
        member = next(field.attname for field in through._meta.concrete_fields if field.is_relation and issubclass(model, field.related_model))
        group = next(field.attname for field in through._meta.concrete_fields if field.is_relation and field.related_model is Group)
        for pk, group_pk in through._base_manager.using(manager.db).values_list(member, group).iterator():
            groups.setdefault(pk, []).append(group_pk)
    with policy.reading() as rules:
        recorded, bearers = rules.mirrored_memberships(), rules.bearers()
    count, ended = 0, []
    for user in manager.iterator():
        count += 1
        principal = principals.of(user)
        if recorded.get(principal, set()) != groups_by(user, groups.get(user.pk, ())) or (not user.is_active and principal in bearers):
            ended += settle_user(user.pk, manager.db)
    return count, ended


def settle_gone(model, principal, pk):
    """Forgets a user or group that Django does not have. Returns what it ended."""
    with policy.writing() as rules:
        rules.claim(principal)
        if not model._base_manager.filter(pk=pk).exists():
            rules.forget(principal)
    return rules.ended


@owed.debt
def end_sessions(principal):
    with policy.writing() as rules:
        rules.claim(principal)
        rules.end_sessions_of(principal)


@owed.debt
def forget(principal):
    with policy.writing() as rules:
        rules.claim(principal)
        rules.forget(principal)


def settle_after_commit(pk, using):
    order.tell_after_commit(using, settle_user, pk, using)


def only_last_login(update_fields):
    """What each login saves; it changes no access."""
    return update_fields is not None and set(update_fields) <= {"last_login"}


def user_will_be_saved(sender, instance, using, update_fields, **_):
    """Who loses by it loses now: without a transaction, post_save would come after the commit."""
    instance._grantfs_ends = False
    if instance.pk is None or only_last_login(update_fields):
        return
    was = sender._base_manager.using(using).filter(pk=instance.pk).first()
    if was is None:
        return
    instance._grantfs_ends = not instance.is_active or auth_hash(was) != auth_hash(instance)
    if instance._grantfs_ends:
        end_access(instance)
    for flag, group in (("is_staff", policy.STAFF), ("is_superuser", policy.SUPERUSERS)):
        if getattr(was, flag, False) and not getattr(instance, flag, False):
            policy.write(lambda rules: rules.leave(principals.of(instance), group))


def user_saved(sender, instance, using, update_fields, **_):
    if only_last_login(update_fields):
        return
    if instance._grantfs_ends:
        order.tell_after_commit(using, end_sessions, principals.of(instance))
    settle_after_commit(instance.pk, using)


def end_access(user):
    """Every session; of who may not log in any more, also the links and what comes by groups."""
    principal = principals.of(user)
    with policy.writing() as rules:
        rules.claim(principal)
        rules.end_sessions_of(principal)
        if not user.is_active:
            rules.remove_links_of(principal)
            rules.set_memberships(principal, ())


def principal_deleted(sender, instance, using, **_):
    order.take_away(using, forget, principals.of(instance))


def groups_changed(sender, instance, action, reverse, model, pk_set, using, **_):
    if action not in ("post_add", "pre_remove", "pre_clear", "post_remove"):
        return
    if reverse:  # group.user_set
        pks = pk_set if pk_set is not None else set(instance.user_set.values_list("pk", flat=True))
        pairs = [(pk, instance.pk) for pk in pks]
    else:  # user.groups
        pks = pk_set if pk_set is not None else set(instance.groups.values_list("pk", flat=True))
        pairs = [(instance.pk, pk) for pk in pks]
    for user_pk, group_pk in pairs:
        if action.startswith("pre_"):
            with policy.writing() as rules:
                member = principals.of(get_user_model()(pk=user_pk))
                rules.claim(member)
                rules.leave(member, principals.of(Group(pk=group_pk)))
            if postgresql.is_in(using):
                continue  # nothing comes between this and Django's own change
        settle_after_commit(user_pk, using)
