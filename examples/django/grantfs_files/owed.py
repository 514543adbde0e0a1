"""Pages go on while the policy database is missing, locked or closed to us, and what it was not told follows.

Whether a file is served then is the mount's decision, and without a policy that is no. Ours is to take no page down with
it, and not to forget what should have ended meanwhile. So what changes the policy by the way (a login, a logout, a session
that ends, whatever follows a commit) calls tell(). What could not be told is owed: a row in Django's database, in the
same transaction as what caused it. Every process that serves pages pays as soon as it can; so does `manage.py grantfs_sync`.

Where the policy is in the PostgreSQL database of Django's own tables, it is there whenever these are, and nothing is ever owed.

A debt is not a change but a function that makes the policy say what Django's database says now, or that takes away: it
may be called late, and twice.
"""

import hashlib
import json
import logging
import secrets
import threading
import time

from django.db import Error

from . import policy, postgresql

RETRY_SECONDS = 2  # after it failed
LOOK_SECONDS = 30  # for what others owe: `clearsessions`, or a process that has ended
PATIENCE_SECONDS = 0.05  # of a page, for a policy that failed already
AT_ONCE = 100  # debts; a page should not take long for them

logger = logging.getLogger(__name__)
debts = {}


def debt(function):
    """Lets tell() be called with this function, and arguments that JSON can hold."""
    debts[function.__name__] = function
    return function


def tell(function, *arguments):
    """Calls it now, or, if the policy cannot be used, later."""
    if contact.ready():
        try:
            function(*arguments)
            return
        except policy.PolicyError as error:
            contact.failed(error)
    owe(function, *arguments)


def owe(function, *arguments):
    from .models import Owed  # not before the applications are loaded

    written = json.dumps(arguments, default=str)
    Owed.objects.update_or_create(id=hashlib.sha256(f"{function.__name__}{written}".encode()).hexdigest(), defaults={
        "debt": function.__name__, "arguments": written, "mark": secrets.token_hex(8)})


def pay(limit=None):
    """Pays what anybody owes. Returns how much, and how much of it could not be paid. Raises PolicyError."""
    from .models import Owed

    paid, unpaid = 0, 0
    for owed in list(Owed.objects.all()[:limit]):
        try:
            debts[owed.debt](*json.loads(owed.arguments))
        except policy.PolicyError:
            raise
        except Exception:
            logger.exception("the policy could not be told %s", owed)
            unpaid += 1
            continue
        # Owed again meanwhile, it has another mark, and stays.
        Owed.objects.filter(pk=owed.pk, mark=owed.mark).delete()
        paid += 1
    return paid, unpaid


class Contact:
    """What this process knows of the policy database. Any thread may call."""

    def __init__(self):
        self._changing, self._trying = threading.Lock(), threading.Lock()
        self.forget()

    def forget(self):
        self._adopted = False
        self._lost = False
        self._due = 0.0

    def start(self, raising=False):
        """When a process begins to serve. It may fork yet, so Django's database is not asked."""
        self._adopted = False
        if not raising and postgresql.alias() is not None:
            self._due = 0.0  # the first page asks
            return
        try:
            self._reach(policy.PATIENCE_SECONDS)
        except policy.PolicyError as error:
            if raising:
                raise
            self.failed(error)

    def keep(self):
        """At each request: looks at a clock. Now and then it tries what failed, and pays what is owed."""
        if time.monotonic() < self._due or not self._trying.acquire(blocking=False):
            return
        try:
            self._due = time.monotonic() + LOOK_SECONDS
            if self._lost or not self._adopted:
                self._reach(PATIENCE_SECONDS)
            paid, _ = pay(AT_ONCE)
            if paid == AT_ONCE:
                self._due = 0.0
        except policy.PolicyError as error:
            self.failed(error)
        except Error:
            logger.exception("what is owed to the policy could not be looked up in Django's database: has `migrate` run?")
        finally:
            self._trying.release()

    def ready(self):
        """Whether it is worth trying: a page does not wait for what has just failed."""
        if self._lost and time.monotonic() >= self._due:
            try:
                self._reach(PATIENCE_SECONDS)
            except policy.PolicyError as error:
                self.failed(error)
        return not self._lost

    def failed(self, error):
        self._due = time.monotonic() + RETRY_SECONDS
        with self._changing:
            before, self._lost = self._lost, True
        if not before:
            logger.error("%s. Pages go on without private files; what ends meanwhile is made good when it can be used again", error)

    def _reach(self, patience):
        with policy.writing(patience) as rules:
            rules.check_schema()
            # A process that had contact before may have an older key than what was adopted since.
            if not self._adopted or rules.secret_key() is None:
                rules.adopt_secret_key(policy.key_fingerprint())
        self._adopted = True
        with self._changing:
            before, self._lost = self._lost, False
        if before:
            logger.warning("the policy database can be used again")


contact = Contact()
