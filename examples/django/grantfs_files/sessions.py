"""A token for files beside each of Django's sessions, for as long as that session is a login.

The token is derived from the session's key and SECRET_KEY, so it is stored nowhere, and changes
whenever Django changes the key: at login and at a change of the password. Its row in the policy
follows the row of Django's session table, through that table's signals, inside the same
transaction: logging out, `clearsessions` and cycle_key() end it. A user who is deactivated or
whose password changes loses every row. If the policy cannot be used just then, it follows later:
see owed.py.

Works with every engine that keeps its sessions in the database, the user's own subclasses included.
"""

import base64
import hmac
import importlib

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.utils import timezone
from django.utils.crypto import salted_hmac

from . import owed, policy, principals
from .fields import token_id


def session_model():
    """The model behind SESSION_ENGINE; None if it has none."""
    store = importlib.import_module(settings.SESSION_ENGINE).SessionStore
    return store.get_model_class() if hasattr(store, "get_model_class") else None


def token(session_key):
    """The token of the session with that key: 32 letters and digits."""
    digest = salted_hmac("grantfs_files.token", session_key, algorithm="sha256").digest()
    return base64.b32encode(digest[:20]).decode().lower()


def user_of(data):
    """Whose login the session's data is, by the rules of django.contrib.auth.get_user(); None if it is none now."""
    backend = data.get(BACKEND_SESSION_KEY)
    if backend not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(backend).get_user(data[SESSION_KEY])
    if user is None or not user.is_active:
        return None
    expected = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else None
    if expected is not None and not hmac.compare_digest(str(data.get(HASH_SESSION_KEY, "")), expected):
        return None
    return user


def issue(identifier, data, expires):
    """Lets the token in until then if the session is a login; ends it otherwise.

    It looks at the user while no other writer can change the policy, or this user's part of it. So
    either it sees that the password has changed, or whoever changed it deletes this row afterwards.
    """
    with policy.writing() as rules:
        if rules.secret_key() is None:
            rules.adopt_secret_key(policy.key_fingerprint())
        rules.claim("secret key", shared=True)
        rules.claim(f"user:{data[SESSION_KEY]}")
        user = user_of(data) if rules.secret_key() == policy.key_fingerprint() else None
        if user is None:
            rules.end_session(identifier)
        else:
            rules.set_session(identifier, principals.of(user), expires)


def settle_all(model):
    """Ends what the policy lets in and Django does not, and lets in what it lacks. Returns identifiers of what is live, and what ended."""
    with policy.reading() as rules:
        known = rules.sessions_of_users()
    live = {}
    for session in model._base_manager.filter(expire_date__gt=timezone.now()).iterator():
        data = session.get_decoded()
        if SESSION_KEY in data and user_of(data) is not None:
            live[token_id(token(session.session_key))] = session.session_key
    for identifier in set(live) - known:
        settle_session(live[identifier], model._base_manager.db)
    with policy.writing() as rules:
        for identifier in known - set(live):
            rules.end_session(identifier)
    return set(live), rules.ended


@owed.debt
def settle_session(session_key, using):
    """Lets the token in if the session is there and a login; ends it otherwise."""
    identifier = token_id(token(session_key))
    session = session_model()._base_manager.using(using).filter(pk=session_key).first()
    data = session.get_decoded() if session is not None else {}
    if SESSION_KEY in data:
        issue(identifier, data, int(session.expire_date.timestamp()))
    else:
        end(identifier)


def session_saved(sender, instance, created, using, **_):
    """If the policy cannot be used, the login itself is good; without a row there it opens no file."""
    if not created or SESSION_KEY in instance.get_decoded():
        owed.tell(settle_session, instance.session_key, using)


def session_deleted(sender, instance, using, **_):
    owed.tell(settle_session, instance.session_key, using)


def end(identifier):
    """Most sessions are nobody's login: those are only looked at."""
    with policy.reading() as rules:
        if not rules.has_session(identifier):
            return
    with policy.writing() as rules:
        rules.end_session(identifier)
