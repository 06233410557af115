"""The contents of a bounce, independent of its form."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from probes.records.bounces.reason import BounceReason
from probes.records.reply import EnhancedCode


class Action(StrEnum):
    """The action for a recipient, RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class BouncedRecipient:
    """One recipient in a bounce; None for a value that the bounce does not give.

    `recipient` is the address that could not be reached (Final-Recipient). Behind an alias it
    differs from the address we sent to: that is `original_recipient` (ORCPT, RFC 3461 §4.2), if it
    was requested. `address_type` is the type of `recipient` in lower case (`rfc822`, `utf-8`,
    `x400`), None outside of reports.

    `status` is the Status field; if that is missing or only X.0.0, the enhanced code in the reply.
    `reply` is the diagnostic text on one line and `reply_code` the SMTP code in it.
    `diagnostic_type` is the type of that text (`smtp`, `x-postfix`). `remote_mta` is the name or
    address of the refusing host, without type and comments. `reason` is None if nothing went wrong.
    """

    recipient: str | None
    original_recipient: str | None = None
    address_type: str | None = None
    action: Action | None = None
    status: EnhancedCode | None = None
    reply: str | None = None
    reply_code: int | None = None
    diagnostic_type: str | None = None
    remote_mta: str | None = None
    last_attempt_at: datetime | None = None
    retried_until: datetime | None = None
    reason: BounceReason | None = BounceReason.UNKNOWN


@dataclass(frozen=True, slots=True)
class Bounce:
    """A message that reports the fate of another one.

    `is_report` is True if it is machine readable (RFC 3464), False for free text. `returned` is the
    returned part of the original message, transfer encoding undone; it may be empty. `explanation`
    is the text for people, shortened, control characters escaped. `envid` is the envelope
    identifier (RFC 3461 §4.4) as the report writes it.
    """

    recipients: tuple[BouncedRecipient, ...]
    is_report: bool
    reporting_mta: str | None = None
    received_from_mta: str | None = None
    arrived_at: datetime | None = None
    envid: str | None = None
    original_message_id: str | None = None
    returned: bytes = b""
    explanation: str = ""

    @property
    def failed(self) -> tuple[BouncedRecipient, ...]:
        """The recipients with a failed delivery; a bounce without any settles nothing."""
        return tuple(one for one in self.recipients if one.action is Action.FAILED)

    @property
    def delayed(self) -> tuple[BouncedRecipient, ...]:
        """The recipients for which delivery is still being tried."""
        return tuple(one for one in self.recipients if one.action is Action.DELAYED)

    @property
    def returned_headers(self) -> bytes:
        """The header of the returned message, without the empty line that ends it."""
        text = self.returned.lstrip(b"\r\n")
        ends = [end for end in (text.find(b"\n\n"), text.find(b"\n\r\n")) if end >= 0]
        return text[: min(ends)] if ends else text
