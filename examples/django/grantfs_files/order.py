"""In which order two databases are written, so that whatever fails in between denies.

Where the policy is in the same PostgreSQL database as what a change is about, there is one transaction, and everything is
done at once in it. Otherwise the policy is another database than Django's, and no transaction spans both. So access is given
only after Django's commit. It is taken away at once, before the commit, and once more after it,
against whoever gave it meanwhile on the strength of the old state. A transaction that took access
away and is then rolled back leaves it taken: `manage.py grantfs_sync` gives back what Django's
database says, which is everything but shares and links.

After a commit nothing can be undone, and Django drops every later hook if one raises. So ours do
not: a failure is logged, and owed (see owed.py) unless it is access that was to be given: given
late, that might be after it was taken back.
"""

import logging

from django.db import transaction

from . import owed, postgresql

logger = logging.getLogger(__name__)


def after_commit(change, using):
    """Gives access. Without a transaction that is now, and may raise."""
    _hook(change, using)


def tell_after_commit(using, debt, *arguments):
    """Has the policy say what Django's database says then."""
    _hook(lambda: owed.tell(debt, *arguments), using)


def take_away(using, debt, *arguments):
    """Now, or raises PolicyError."""
    debt(*arguments)
    if not postgresql.is_in(using) and transaction.get_connection(using).in_atomic_block:
        tell_after_commit(using, debt, *arguments)


def _hook(function, using):
    if not postgresql.is_in(using) and transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(lambda: _logged(function), using=using)  # `robust=True` is Django's since 4.2
    else:
        function()


def _logged(function):
    try:
        function()
    except Exception:
        logger.exception("the policy was not told of what has been committed; run `manage.py grantfs_sync` if it should be,"
                         " and give shares and links again")
