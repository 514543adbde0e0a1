"""Sessions, grants, links and signed URLs for files that grantfs serves.

    policy = grantfs.Policy("/var/lib/grantfs/site/policy.db")   # or postgresql://…
    with policy.transaction() as rules:
        token = rules.create_session("user:42", expires=timedelta(hours=8))

The README beside this package says more, and grantfs-schema(5) what the tables mean.
"""

from .policy import Forgotten, Policy, PolicyError, await_recall
from .rules import Rules
from .signing import Md5Key, SigningKey
from .values import When, new_token, token_id

__all__ = ["Forgotten", "Md5Key", "Policy", "PolicyError", "Rules", "SigningKey", "When", "await_recall", "new_token", "token_id"]
