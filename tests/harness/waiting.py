"""Waiting for what comes, instead of sleeping."""

import time

from .programs import PATIENCE_SECONDS


class Timeout(AssertionError):
    """What was waited for did not come."""


def wait_for(predicate, timeout=PATIENCE_SECONDS, what=None):
    """Polls until predicate() is true and returns that value; raises Timeout otherwise."""
    deadline = time.monotonic() + timeout
    pause = 0.0005
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"waited {timeout} s in vain for {what or predicate}")
        time.sleep(pause)
        pause = min(pause * 2, 0.01)
