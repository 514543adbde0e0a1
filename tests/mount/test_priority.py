"""Whoever revokes does not wait for a processor that lookups keep busy: which threads are urgent."""

import os

from fixture import TwoUsersTest
from harness import as_user


def may_be_urgent():
    """Whether real-time priority is to be had on this machine."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def unless_ended(read, thread):
    """What `read` says of a thread; None of one that has ended, as a thread of libfuse's that finds too many idle does."""
    try:
        return read(thread)
    except ProcessLookupError:
        return None


def policy_of(thread):
    return unless_ended(lambda thread: os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK, thread)


def niceness_of(thread):
    return unless_ended(lambda thread: os.getpriority(os.PRIO_PROCESS, thread), thread)


class Urgent(TwoUsersTest):
    OPTIONS = "enforce=lease"

    def test_the_threads_that_recall_and_answer_grantctl_are_urgent_and_no_others(self):
        threads = [int(thread) for thread in os.listdir(f"/proc/{self.site.daemon_pid}/task")]
        if as_user(0, may_be_urgent):
            urgent = [thread for thread in threads if policy_of(thread) == os.SCHED_RR]
            self.assertEqual({os.sched_getparam(thread).sched_priority for thread in urgent}, {1})
        else:
            urgent = [thread for thread in threads if niceness_of(thread) == -10]
        # One recalls, and one listens at each of the daemon's sockets.
        self.assertIn(len(urgent), (2, 3))
        self.assertGreater(len(threads), 4)
