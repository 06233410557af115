"""A bounce and the canary it is about."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.canary.bounce import FoundIn, bounced_token, failure_of
from probes.canary.envelope import tagged_sender
from probes.canary.message import new_token, recognise, recognise_body
from probes.options import EmailAddress
from probes.records.address import parse_address
from probes.records.bounces.values import Action, Bounce, BouncedRecipient
from probes.records.reply import Reply
from tests.support.messages import composed
from tests.support.places import CORPUS

BOUNCES = CORPUS / "bounces"
IN_CORPUS = "mailcanary-abcdefghijklmnopqrstuvwxyz"
TOKEN = new_token()
REPORT = b"""Return-Path: <>
From: MAILER-DAEMON@mx.test
To: <%(to)s>
Subject: Undelivered Mail
Content-Type: multipart/report; report-type=delivery-status; boundary=q

--q

%(text)s

--q
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test
%(message)s
Final-Recipient: rfc822; user@reader.test
Action: failed
Status: 5.1.1

--q
%(returned)s
--q--
"""
SENT = composed("out@sender.test", "user@reader.test", TOKEN, datetime(2026, 11, 3, tzinfo=UTC))
NO_CANARY = b"Content-Type: text/rfc822-headers\n\nSubject: somebody's\n"


def report(
    *,
    to: bytes = b"out@sender.test",
    text: bytes = b"Sorry.",
    message: bytes = b"",
    returned: bytes = NO_CANARY,
) -> bytes:
    lines = message + b"\n" if message else b""
    return REPORT % {b"to": to, b"text": text, b"message": lines, b"returned": returned}


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(BOUNCES.glob("*.eml")) if not path.stem.startswith("not-")],
    ids=lambda path: path.stem,
)
def test_a_bounce_is_matched_to_its_canary(path: Path) -> None:
    found = bounced_token(path.read_bytes())
    if path.stem == "ironport":  # returns nothing at all
        assert found is None
    else:
        assert found is not None
        assert found.token == IN_CORPUS


@pytest.mark.parametrize("path", sorted(BOUNCES.glob("not-*.eml")), ids=lambda path: path.stem)
def test_what_is_no_bounce_is_matched_to_nothing(path: Path) -> None:
    assert path.stem in ("not-dmarc-report", "not-tls-report", "not-forwarded") or (
        IN_CORPUS.encode() in path.read_bytes()
    )
    assert bounced_token(path.read_bytes()) is None


@pytest.mark.parametrize("path", sorted(BOUNCES.glob("*.eml")), ids=lambda path: path.stem)
def test_no_bounce_is_taken_for_an_arrived_canary(path: Path) -> None:
    message = path.read_bytes()
    header = message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    if path.stem == "not-a-canary":
        assert recognise(header) == recognise_body(message) == IN_CORPUS
    elif (
        path.stem != "not-list-notice"
    ):  # a list's letter that quotes the subject, and says no more
        assert recognise(header) is None
        assert recognise_body(message) is None


def test_the_whole_canary_returned_is_known_by_its_header() -> None:
    content = b"Content-Type: message/rfc822\n\n" + SENT.content
    found = bounced_token(report(returned=content))
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, FoundIn.RETURNED_HEADER)
    assert [one.action for one in found.bounce.failed] == [Action.FAILED]


def test_a_returned_body_whose_header_lost_every_trace_is_known() -> None:
    body = b"Subject: x\n\nToken: " + TOKEN.encode()
    found = bounced_token(report(returned=b"Content-Type: message/rfc822\n\n" + body))
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, FoundIn.RETURNED_MESSAGE)


def test_a_returned_body_that_was_encoded_is_known() -> None:
    body = b"Content-Transfer-Encoding: base64\n\n" + base64.b64encode(b"Token " + TOKEN.encode())
    found = bounced_token(report(returned=b"Content-Type: message/rfc822\n\n" + body))
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, FoundIn.RETURNED_MESSAGE)


def test_a_canary_returned_in_base64_is_known() -> None:
    encoded = base64.encodebytes(SENT.content)
    kind = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
    found = bounced_token(report(returned=kind + encoded))
    assert found is not None
    assert found.token == TOKEN


@pytest.mark.parametrize(
    ("message", "where"),
    [
        (
            report(message=b"Original-Envelope-Id: " + TOKEN.encode()),
            FoundIn.ENVELOPE_ID,
        ),
        (
            report(message=b"X-Original-Message-ID: <" + TOKEN.encode() + b"@sender.test>"),
            FoundIn.REPORT,
        ),
        (report(text=b"Your message [" + TOKEN.upper().encode() + b"] was lost."), FoundIn.REPORT),
        (
            report().replace(b"\nTo:", b"\nReferences: <" + TOKEN.encode() + b"@x>\nTo:"),
            FoundIn.REPORT,
        ),
    ],
)
def test_a_token_is_found_wherever_the_report_keeps_it(message: bytes, where: FoundIn) -> None:
    found = bounced_token(message)
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, where)


def test_a_bounce_that_returns_nothing_is_known_by_the_address_it_came_to() -> None:
    sender = tagged_sender(EmailAddress("out@sender.test"), TOKEN)
    assert sender == f"out+{TOKEN}@sender.test"
    found = bounced_token(report(to=sender.encode()))
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, FoundIn.BOUNCED_ADDRESS)


def test_a_tag_the_address_has_stays_before_ours() -> None:
    sender = tagged_sender(EmailAddress("out+canary@sender.test"), TOKEN)
    assert sender == f"out+canary+{TOKEN}@sender.test"
    found = bounced_token(report(to=sender.encode()))
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, FoundIn.BOUNCED_ADDRESS)


def test_every_tag_that_fits_makes_an_address_rfc_5321_knows() -> None:
    for length in range(1, 27):
        sender = tagged_sender(EmailAddress("o" * length + "@sender.test"), TOKEN)
        assert str(parse_address(sender)) == sender


def test_an_address_a_forwarder_has_rewritten_is_known() -> None:
    sender = f"SRS0=Hs3/=KT=sender.test=out+{TOKEN}@forwarder.test"
    found = bounced_token(report(to=sender.encode()))
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, FoundIn.BOUNCED_ADDRESS)


@pytest.mark.parametrize("field", [b"Delivered-To: ", b"X-Original-To: ", b"Received: by x for <"])
def test_the_address_it_came_to_is_read_from_what_delivery_adds(field: bytes) -> None:
    sender = tagged_sender(EmailAddress("out@sender.test"), TOKEN).upper()
    message = report().replace(b"Subject:", field + sender.encode() + b">; x\nSubject:")
    found = bounced_token(message)
    assert found is not None
    assert (found.token, found.found_in) == (TOKEN, FoundIn.BOUNCED_ADDRESS)


def test_the_address_counts_more_than_what_the_report_says() -> None:
    other = new_token()
    sender = tagged_sender(EmailAddress("out@sender.test"), TOKEN).encode()
    found = bounced_token(report(to=sender, message=b"Original-Envelope-Id: " + other.encode()))
    assert found is not None
    assert found.token == TOKEN


def test_a_vacation_answer_to_a_tagged_sender_is_no_bounce() -> None:
    sender = tagged_sender(EmailAddress("out@sender.test"), TOKEN)
    answer = (
        f"Return-Path: <>\nFrom: user@reader.test\nTo: {sender}\nSubject: Out of office\n"
        "Auto-Submitted: auto-replied\n\nI am away and will answer when I am back.\n"
    )
    assert bounced_token(answer.encode()) is None


def test_a_bounce_about_somebody_elses_mail_names_no_canary() -> None:
    assert bounced_token(report()) is None


@pytest.mark.parametrize("address", ["a" * 27 + "@sender.test", '"a b"@sender.test'])
def test_an_address_that_cannot_have_a_tag_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        tagged_sender(EmailAddress(address), TOKEN)


def test_text_that_is_no_text_is_read() -> None:
    half_a_character = report().replace(
        b"--q\n\nSorry", b"--q\nContent-Type: text/plain; charset=utf-7\n\n+2AA- Sorry"
    )
    assert bounced_token(half_a_character) is None
    assert bounced_token(half_a_character + TOKEN.encode()) is None


_PIECES = st.sampled_from(
    [
        b"From: MAILER-DAEMON@mx.test\n",
        b"Return-Path: <>\n",
        b"Subject: Undelivered =?utf-7?q?+2AA-?=\n",
        b"Content-Type: multipart/report; boundary=q\n",
        b"Content-Type: message/delivery-status\n",
        b"Content-Type: text/plain; charset=utf-7\n",
        b"Content-Type: message/rfc822\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Final-Recipient: rfc822; user@reader.test\n",
        b"Action: failed\n",
        b"Original-Envelope-Id: \xff+2AA-\n",
        b"\n",
        b"--q\n",
        b"+2AA- could not be delivered 550 5.1.1\n",
    ]
)


@given(st.binary() | st.lists(_PIECES).map(b"".join))
def test_any_bytes_are_read(message: bytes) -> None:
    assert bounced_token(message) is None or message


@pytest.mark.parametrize("code", ["550 ", "550-", ""])
def test_the_reply_that_a_bounce_quotes_has_its_code_once(code: str) -> None:
    said = f"{code}5.1.1 no such user"
    recipient = BouncedRecipient("b@reader.test", action=Action.FAILED, reply=said, reply_code=550)
    failure = failure_of(Bounce((recipient,), is_report=True))
    assert failure.reply == Reply(550, ("5.1.1 no such user",))
