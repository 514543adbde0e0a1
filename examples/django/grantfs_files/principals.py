"""What the policy calls users and groups: by primary key, which, unlike a name, is never another's later."""

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError


def of(who):
    """"user:42" or "group:7", for a user or a django.contrib.auth group; a principal itself as it is."""
    if isinstance(who, str):
        return who
    if who is None:
        raise ValueError("nobody was named: a user, a group or a principal such as \"user:42\" is needed")
    if who.pk is None:
        raise ValueError(f"{who!r} is not saved yet, so it can own nothing and nothing can be shared with it")
    return f"group:{who.pk}" if isinstance(who, Group) else f"user:{who.pk}"


def named(model, principals):
    """(principal, primary key) of those that are users, or groups, by the form of their name; no others that were made by hand."""
    for principal in sorted(principals):
        kind, _, name = principal.partition(":")
        if kind == ("group" if issubclass(model, Group) else "user"):
            try:
                pk = model._meta.pk.to_python(name)
            except ValidationError:
                continue
            if str(pk) == name and not (isinstance(pk, int) and pk.bit_length() > 63):
                yield principal, pk
