"""The same reply has the same owner at RCPT, in a bounce and in `explain`."""

import pytest

from probes.canary.bounce import failure_of
from probes.canary.evidence import ExaminationContext as Known
from probes.canary.evidence import evidence_json, examine
from probes.clock import SYSTEM_CLOCK
from probes.net.smtp_refusal import refusal
from probes.records.bounces.dsn import parse_dsn
from probes.records.reply import parse_reply
from probes.result import Owner, Phase

REPLIES = [
    ("550 5.1.1 <u@r.test>: Recipient address rejected: User unknown", Owner.RECEIVER_MAILBOX),
    ("550 no such user", Owner.RECEIVER_MAILBOX),
    ("553 no such mailbox name", Owner.RECEIVER_MAILBOX),
    ("452 4.2.2 mailbox full", Owner.RECEIVER_MAILBOX),
    ("550 5.7.1 Access denied", Owner.RECEIVER_FILTER),
    ("554 5.7.1 looks like spam", Owner.RECEIVER_FILTER),
    ("450 4.2.0 Greylisted, come back in five minutes", Owner.RECEIVER_FILTER),
    ("451 4.7.1 not now", Owner.RECEIVER_FILTER),
    ("550 rejected by policy", Owner.RECEIVER_FILTER),
    ("554 5.7.1 Service unavailable; blocked using zen.spamhaus.org", Owner.SENDER),
    ("550 5.7.26 DMARC failed for s.test", Owner.SENDER),
    ("450 4.7.1 cannot find your reverse hostname", Owner.SENDER),
    ("553 5.1.8 Domain of sender address a@s.test does not exist", Owner.CONFIGURATION),
    ("530 5.7.0 Authentication required", Owner.CONFIGURATION),
    ("552 5.3.4 message too big", Owner.CONFIGURATION),
    ("550 5.1.2 no such domain", Owner.RECEIVER_DNS),
    ("556 5.1.10 null MX", Owner.RECEIVER_DNS),
    ("554 5.7.1 Relay access denied", Owner.RECEIVER_MX),
    ("452 4.3.1 Insufficient system storage", Owner.RECEIVER_MX),
    ("451 4.3.0 try again later", Owner.RECEIVER_MX),
    ("550 no", Owner.RECEIVER_MX),
]


def report(reply: str) -> bytes:
    """A delivery report that quotes the reply; its Status says no more than the reply."""
    code = reply.split()[1]
    status = code if code.count(".") == 2 else f"{reply[0]}.0.0"
    return (
        "From: MAILER-DAEMON@relay.test\nSubject: Undelivered Mail\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        "--b\n\nIt could not be delivered.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.test\n\n"
        f"Final-Recipient: rfc822; u@r.test\nAction: failed\nStatus: {status}\n"
        f"Remote-MTA: dns; mx.r.test\nDiagnostic-Code: smtp; {reply}\n--b--\n"
    ).encode()


@pytest.mark.parametrize(("line", "owner"), REPLIES)
def test_a_reply_has_one_owner_wherever_it_is_met(line: str, owner: Owner) -> None:
    at_rcpt = refusal(parse_reply([line]), Phase.RCPT)
    bounce = parse_dsn(report(line))
    assert bounce is not None
    explained = evidence_json(examine(report(line), None, Known(SYSTEM_CLOCK.utc())))["bounce"]
    assert at_rcpt.owner is owner
    assert failure_of(bounce).owner is owner
    assert explained["owner"] == owner
