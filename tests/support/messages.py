"""Canaries as messages."""

from datetime import UTC, datetime
from typing import Any

from probes.canary.message import Canary, MessageOptions, compose, new_token
from probes.options import EmailAddress


def composed(
    sender: str = "a@sender.test",
    recipient: str = "b@rcpt.test",
    token: str | None = None,
    at: datetime | None = None,
    **options: Any,
) -> Canary:
    """Return a canary with a new token, composed now unless told otherwise."""
    chosen = MessageOptions(EmailAddress(sender), EmailAddress(recipient), **options)
    return compose(chosen, token or new_token(), at or datetime.now(UTC))
