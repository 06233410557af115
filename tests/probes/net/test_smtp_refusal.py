"""Reasons and owners of unwelcome replies, a row for each."""

import pytest

from probes.net.smtp_refusal import is_greylisting, refusal
from probes.records.reply import parse_reply
from probes.result import Owner, Phase, ProbeFailure, Reason


def failure(line: str, phase: Phase) -> ProbeFailure:
    """The failure for a one-line reply."""
    return refusal(parse_reply([line]), phase)


US, MX = Owner.CONFIGURATION, Owner.RECEIVER_MX
FILTER, MAILBOX = Owner.RECEIVER_FILTER, Owner.RECEIVER_MAILBOX

ROWS = [
    # greeting and EHLO
    (Phase.GREETING, "554 no mail here", Reason.REJECTED, MX, False),
    (Phase.GREETING, "554 5.7.1 you are listed", Reason.REJECTED, FILTER, False),
    (Phase.GREETING, "421 4.7.0 too many connections", Reason.SERVICE_CLOSING, FILTER, True),
    (Phase.GREETING, "421 busy", Reason.SERVICE_CLOSING, MX, True),
    (Phase.GREETING, "450 4.7.1 You are greylisted, come back", Reason.GREYLISTED, FILTER, True),
    (Phase.GREETING, "421 4.7.0 greylisting in effect, try again", Reason.GREYLISTED, FILTER, True),
    (Phase.EHLO, "451 4.7.1 Gray-listed for 300 seconds", Reason.GREYLISTED, FILTER, True),
    (Phase.GREETING, "450 4.7.1 try again later", Reason.DEFERRED, FILTER, True),
    (Phase.GREETING, "554 5.7.1 no greylisting here, blocked", Reason.REJECTED, FILTER, False),
    (Phase.GREETING, "250 hello", Reason.UNEXPECTED_REPLY, MX, False),
    (Phase.EHLO, "502 5.5.1 what?", Reason.REJECTED, MX, False),
    # TLS
    (Phase.STARTTLS, "454 4.7.0 not now", Reason.DEFERRED, MX, True),
    (Phase.STARTTLS, "502 5.5.1 what?", Reason.STARTTLS_NOT_SUPPORTED, MX, False),
    # authentication
    (Phase.AUTH, "535 5.7.8 wrong", Reason.AUTHENTICATION_FAILED, US, False),
    (Phase.AUTH, "534 5.7.9 too weak", Reason.AUTHENTICATION_FAILED, US, False),
    (Phase.AUTH, "432 4.7.12 change it", Reason.AUTHENTICATION_FAILED, US, False),
    (Phase.AUTH, "454 4.7.0 try later", Reason.DEFERRED, MX, True),
    (Phase.AUTH, "504 5.5.4 no such mechanism", Reason.REJECTED, MX, False),
    (Phase.AUTH, "334 more?", Reason.UNEXPECTED_REPLY, MX, False),
    # the transaction
    (Phase.MAIL, "530 5.7.0 authenticate first", Reason.REJECTED, US, False),
    (Phase.MAIL, "553 5.1.8 sender's domain not found", Reason.REJECTED, US, False),
    (Phase.MAIL, "552 5.3.4 too big", Reason.REJECTED, US, False),
    (Phase.MAIL, "452 4.3.1 disk full", Reason.DEFERRED, MX, True),
    (Phase.RCPT, "550 5.1.1 no such user", Reason.REJECTED, MAILBOX, False),
    (Phase.RCPT, "553 no such mailbox name", Reason.REJECTED, MAILBOX, False),
    (Phase.RCPT, "552 5.2.2 mailbox full", Reason.REJECTED, MAILBOX, False),
    (Phase.RCPT, "552 5.2.3 message too long", Reason.REJECTED, US, False),
    (Phase.RCPT, "554 5.7.1 <x>: Relay access denied", Reason.REJECTED, MX, False),
    (Phase.RCPT, "550 5.7.1 blocked", Reason.REJECTED, FILTER, False),
    (Phase.RCPT, "550 no", Reason.REJECTED, MX, False),
    (Phase.RCPT, "450 4.2.0 Greylisted, see http://x", Reason.GREYLISTED, FILTER, True),
    (Phase.RCPT, "451 4.7.1 Greylisting in action", Reason.GREYLISTED, FILTER, True),
    (Phase.RCPT, "421 4.7.1 greylisted, closing", Reason.GREYLISTED, FILTER, True),
    (Phase.RCPT, "450 4.7.1 try again later", Reason.DEFERRED, FILTER, True),
    (Phase.RCPT, "550 greylisting is not what this is", Reason.REJECTED, MX, False),
    (Phase.DATA, "250 ok", Reason.UNEXPECTED_REPLY, MX, False),
    (Phase.END_OF_DATA, "554 5.7.1 Gtube pattern", Reason.REJECTED, FILTER, False),
    (Phase.END_OF_DATA, "451 4.7.1 gray-listed", Reason.GREYLISTED, FILTER, True),
    (Phase.END_OF_DATA, "354 again", Reason.UNEXPECTED_REPLY, MX, False),
]


@pytest.mark.parametrize(("phase", "line", "reason", "owner", "is_transient"), ROWS)
def test_a_reply_has_its_reason_and_who_has_to_act(
    phase: Phase, line: str, reason: Reason, owner: Owner, *, is_transient: bool
) -> None:
    found = failure(line, phase)
    assert (found.reason, found.owner, found.is_transient) == (reason, owner, is_transient)
    assert found.reply is not None
    assert str(found.reply) in found.detail


def test_greylisting_is_a_word_never_a_code() -> None:
    assert is_greylisting(parse_reply(["450-4.2.0 please", "450 4.2.0 Grey-listed"]))
    assert not is_greylisting(parse_reply(["451 4.7.1 try again in 300 seconds"]))
