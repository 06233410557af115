"""Whether a mailbox is being read, as the service tells the ledger so that others can see it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.result import Failure

MAILBOX_STATE_SECONDS = 5.0
"""Seconds between two states that the service stores of a mailbox."""

FRESH = timedelta(seconds=6 * MAILBOX_STATE_SECONDS)
"""A state that is older says nothing of now."""


@dataclass(frozen=True, slots=True)
class MailboxState:
    """The state of a mailbox `at` an instant, aware UTC.

    `looked_at` is when the last look at all its folders began, None if there was none in this
    session; `failure` is why it cannot be read.
    """

    mailbox: str
    at: datetime
    is_up: bool
    looked_at: datetime | None
    failure: Failure | None
