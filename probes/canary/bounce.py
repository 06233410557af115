"""The canary of a bounce."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from probes.canary.envelope import tags_in
from probes.canary.message import find_token
from probes.catalogue.parties import RECEIVER
from probes.records.bounces.dsn import parse_dsn
from probes.records.bounces.reason import BounceReason
from probes.records.bounces.values import Bounce, BouncedRecipient
from probes.records.mime_parts import Header, Part, decode_words, read_parts, split_header
from probes.records.reply import Reply
from probes.records.reply_meaning import side_of
from probes.result import Failure, Owner, Phase, Reason, one_line

_BOUNCED_TO = (
    "to",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-rcpt-to",
    "original-recipient",
    "received",
)
_ABOUT = ("in-reply-to", "references", "x-original-message-id", "subject")
_OWN = ("x-mailcanary", "message-id", "x-original-message-id", "subject")


class FoundIn(StrEnum):
    """The place of the token in a bounce, most trustworthy first."""

    BOUNCED_ADDRESS = "bounced_address"
    ENVELOPE_ID = "envelope_id"
    RETURNED_HEADER = "returned_header"
    RETURNED_MESSAGE = "returned_message"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class BouncedCanary:
    """A bounce and the token of its canary."""

    token: str
    found_in: FoundIn
    bounce: Bounce


def bounced_token(message: bytes) -> BouncedCanary | None:
    """Find the canary that this bounce reports on.

    None if the message is no bounce (see parse_dsn), or if the bounce contains no token. A bounce
    with an empty `failed` settles nothing. The caller checks that the token was ever issued. Any
    bytes are accepted; the first 16 MiB are read.
    """
    bounce = parse_dsn(message)
    if bounce is None:
        return None
    parts = read_parts(message)
    for where, text in _places(parts, bounce):
        token = find_token(text)
        if token is not None:
            return BouncedCanary(token, where, bounce)
    return None


def failure_of(bounce: Bounce) -> Failure:
    """The failure that a bounce reports, in the terms of a result.

    Of several recipients the first failed one counts: a canary has only one.
    """
    recipient = next(iter(bounce.failed), None)
    reason = BounceReason.UNKNOWN
    reply: Reply | None = None
    said_by = bounce.reporting_mta or "an unnamed server"
    if recipient is not None:
        reason = recipient.reason or BounceReason.UNKNOWN
        said_by = recipient.remote_mta or said_by
        if recipient.reply_code is not None:
            reply = Reply(recipient.reply_code, (_text(recipient),), recipient.status)
    return Failure(
        phase=Phase.TRANSIT,
        reason=Reason.BOUNCED,
        detail=one_line(f"{said_by} gave it up ({reason}): {_words(recipient, bounce)}"),
        owner=Owner.RECEIVER_MX if recipient is None else owner_of_recipient(recipient),
        is_transient=reason is BounceReason.TEMPORARY,
        reply=reply,
    )


def owner_of_recipient(recipient: BouncedRecipient) -> Owner:
    """Return the owner that has to act on what was said about a recipient of a bounce.

    It is the owner that the same reply has at SMTP time.
    """
    reason = recipient.reason or BounceReason.UNKNOWN
    text = recipient.reply or ""
    return RECEIVER.owner_of_side(side_of(reason, recipient.reply_code, recipient.status, text))


def _text(recipient: BouncedRecipient) -> str:
    """The reply's text after its code, as a Reply keeps it."""
    code = str(recipient.reply_code)
    said = recipient.reply or ""
    return said.removeprefix(code).lstrip(" -") if said.startswith(code) else said


def _words(recipient: BouncedRecipient | None, bounce: Bounce) -> str:
    said = recipient.reply if recipient is not None else None
    return said or bounce.explanation or "no reason given"


def _places(parts: tuple[Part, ...], bounce: Bounce) -> Iterator[tuple[FoundIn, bytes]]:
    """The texts that may contain a token, the more trustworthy places first."""
    header = parts[0].header
    yield FoundIn.BOUNCED_ADDRESS, _tags(header)
    yield FoundIn.ENVELOPE_ID, (bounce.envid or "").encode()
    returned, body = split_header(bounce.returned.lstrip(b"\r\n"))
    yield FoundIn.RETURNED_HEADER, _joined(returned, _OWN)
    yield FoundIn.RETURNED_HEADER, bounce.returned_headers
    yield FoundIn.RETURNED_MESSAGE, body
    for part in read_parts(bounce.returned):
        yield FoundIn.RETURNED_MESSAGE, part.content()
    yield FoundIn.REPORT, (bounce.original_message_id or "").encode()
    yield FoundIn.REPORT, _joined(header, _ABOUT)
    yield FoundIn.REPORT, bounce.explanation.encode()
    for part in parts:
        yield FoundIn.REPORT, part.content()


def _tags(header: Header) -> bytes:
    """The tags of the addresses in the recipient fields of this message."""
    values = [value for name in _BOUNCED_TO for value in header.all(name)]
    return " ".join(tag for value in values for tag in tags_in(value)).encode()


def _joined(header: Header, names: tuple[str, ...]) -> bytes:
    values = [decode_words(value) for name in names for value in header.all(name)]
    return "\n".join(values).encode("utf-8", "replace")
