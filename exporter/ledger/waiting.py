"""Canaries that wait for their copy, and when one is given up."""

from typing import NamedTuple

from probes.canary.lifecycle import Event, State
from probes.clock import Instant

GIVE_UP_AFTER = 2.0
"""Times `lost_after` that a canary waits, in all, for a mailbox that cannot be read."""


class Waiting(NamedTuple):
    """An unsettled canary on this process's monotonic clock, which nobody can step."""

    mailbox: str
    began: float
    since: float
    lost_after: float
    is_sending: bool


HANDED_OVER = frozenset({State.ACCEPTED, State.UNCERTAIN})


def verdict(waiting: Waiting, now: float, looked: Instant | None) -> Event | None:
    """Return the event that ends a canary's waiting; None while it has to wait on."""
    due = waiting.since + waiting.lost_after
    if now < due:
        return None
    if waiting.is_sending:
        return Event.SENDER_GONE
    if looked is not None:
        return Event.LOOKED_IN_VAIN if looked.monotonic >= due else None
    given_up = waiting.since + waiting.lost_after * GIVE_UP_AFTER
    return Event.COULD_NOT_LOOK if now >= given_up else None
