"""In which order two databases are written, so that whatever fails in between denies.

The policy is another database than Django's, and no transaction spans both. So access is given
only after Django's commit. It is taken away at once, before the commit, and once more after it,
against whoever gave it meanwhile on the strength of the old state. A transaction that took access
away and is then rolled back leaves it taken: `manage.py grantfs_sync` gives back what Django's
database says, which is everything but shares and links.
"""

from django.db import transaction


def after_commit(function, using):
    transaction.on_commit(function, using=using)


def take_away(function, using):
    function()
    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(function, using=using)
