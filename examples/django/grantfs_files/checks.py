"""What `manage.py check` says of a site that would not work, or would not be safe."""

import os
import stat

from django.conf import settings
from django.core.checks import Error, Warning

from . import conf, policy, sessions

OURS = "grantfs_files.middleware.FilesCookieMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


def check_settings(app_configs, **_):
    return [*unknown_settings(), *middleware_order(), *session_engine(), *cookie()]


def check_machine(app_configs, **_):
    """With --deploy: what is around the application."""
    return [*database(), *store()]


def unknown_settings():
    for name in sorted(set(getattr(settings, "GRANTFS", {})) - set(conf.DEFAULTS)):
        yield Error(f"GRANTFS has no setting {name!r}", hint=f"There are: {', '.join(conf.DEFAULTS)}.", id="grantfs_files.E001")


def middleware_order():
    order = [name for name in settings.MIDDLEWARE if name in (OURS, DJANGOS)]
    if order != [OURS, DJANGOS]:
        yield Error(f"{OURS} must be in MIDDLEWARE, before {DJANGOS}", id="grantfs_files.E002")


def session_engine():
    if sessions.session_model() is None:
        yield Error(f"SESSION_ENGINE {settings.SESSION_ENGINE} keeps no rows, so the end of a session would go unnoticed",
                    hint="Use django.contrib.sessions.backends.db or cached_db.", id="grantfs_files.E003")


def cookie():
    name = conf.get("COOKIE")
    if name.startswith("__Host-") and not settings.SESSION_COOKIE_SECURE:
        yield Warning(f"browsers take the cookie {name} over https only, and this site seems to be served without",
                      hint="Set SESSION_COOKIE_SECURE; to try things over http, another GRANTFS['COOKIE'], in nginx.conf too.",
                      id="grantfs_files.W006")


def database():
    try:
        with policy.writing() as rules:
            rules.check_schema()
            rules.check_isolation()
    except policy.PolicyError as error:
        yield Error(str(error), id="grantfs_files.E004")


def store():
    path = conf.get("STORE")
    try:
        found = os.stat(path)
    except OSError as error:
        yield Error(f"GRANTFS['STORE'] {path}: {error.strerror}", id="grantfs_files.E005")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Error(f"GRANTFS['STORE'] {path} is no directory", id="grantfs_files.E005")
    elif found.st_mode & 0o007:
        yield Error(f"GRANTFS['STORE'] {path} is open to every user of the machine, past grantfs",
                    hint=f"Run: chmod 700 {path}", id="grantfs_files.E005")
