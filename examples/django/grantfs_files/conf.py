"""The setting GRANTFS, a dictionary, with its defaults."""

from django.conf import settings

DEFAULTS = {
    "DATABASE": "/var/lib/grantfs/site/policy.db",  # what `grantctl init` made; or a name in DATABASES, where the policy is in PostgreSQL
    "STORE": "/srv/private",  # the private directory: this application's own, mode 0700
    "URL": "/private/",  # where the web server serves by-session/TOKEN/
    "LINK_URL": "/shared/",  # where it serves by-link/
    "COOKIE": "__Host-files",  # what holds the token; another name if you serve by plain http
}


def get(name):
    return {**DEFAULTS, **getattr(settings, "GRANTFS", {})}[name]


def cookie_is_secure():
    """__Host- is for https only; another name follows the session's own cookie."""
    return get("COOKIE").startswith("__Host-") or settings.SESSION_COOKIE_SECURE
