"""Bounces of every family, and what only looks like one.

The files in tests/corpus/bounces are of our own making, after what the servers they are named for
send.
"""

from datetime import UTC, datetime
from email.mime.base import MIMEBase
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo.bounces import Bounce as DemoBounce
from exporter.demo.bounces import compose
from probes.records.bounces.dsn import parse_dsn
from probes.records.bounces.reason import BounceReason as Why
from probes.records.bounces.values import Action, Bounce, BouncedRecipient
from probes.records.reply import EnhancedCode
from tests.support.places import CORPUS

BOUNCES = CORPUS / "bounces"

# file: status, reply code, remote MTA, reporting MTA, reason of the first recipient
FAILED: dict[str, tuple[EnhancedCode | None, int | None, str | None, str | None, Why]] = {
    "amazon-ses": (
        (4, 4, 7),
        550,
        None,
        "a1-2.smtp-out.eu-west-1.amazonses.test",
        Why.TEMPORARY,
    ),
    "courier": ((5, 7, 1), 550, "mx.reader.test", "mail.sender.test", Why.ROUTING),
    "domino": ((5, 1, 1), None, None, "domino.reader.test", Why.UNKNOWN_USER),
    "exchange2003": ((5, 7, 1), 550, "mail.reader.test", None, Why.POLICY),
    "exchange2007": ((5, 2, 2), 550, None, "mail.sender.test", Why.MAILBOX_FULL),
    "exim-report": ((5, 3, 4), 552, "mx.reader.test", "mail.sender.test", Why.SIZE),
    "exim-text": ((5, 7, 1), 550, "mx.reader.test", None, Why.REPUTATION),
    "gmail": ((5, 1, 1), 550, "mx.reader.test", "googlemail.test", Why.UNKNOWN_USER),
    "gmail-text": ((5, 7, 1), 554, "mx.reader.test", None, Why.CONTENT),
    "groupwise": (None, None, None, None, Why.UNKNOWN_USER),
    "hmailserver": (None, 550, "192.0.2.25", None, Why.POLICY),
    "imail": (None, None, None, None, Why.MAILBOX_FULL),
    "inline-fields": ((5, 6, 1), 554, None, "relay.sender.test", Why.CONTENT),
    "ironport": ((5, 1, 1), 550, None, None, Why.UNKNOWN_USER),
    "lotus-notes-text": (None, None, None, None, Why.UNKNOWN_USER),
    "mdaemon": ((5, 1, 1), 550, None, None, Why.UNKNOWN_USER),
    "microsoft365": ((5, 1, 10), 550, None, "AM0PR01MB0001.outlook.test", Why.UNKNOWN_USER),
    "mimecast": ((5, 0, 0), 550, "mx.reader.test", "eu-smtp-1.mimecast.test", Why.POLICY),
    "opensmtpd": (None, 550, None, None, Why.UNKNOWN_USER),
    "pmdf": ((5, 4, 4), None, None, "mail.reader.test", Why.ROUTING),
    "postfix": ((5, 1, 1), 550, "mx.reader.test", "mail.sender.test", Why.UNKNOWN_USER),
    "postfix-older": ((5, 0, 0), 552, "mx.reader.test", "mail.sender.test", Why.MAILBOX_FULL),
    "postfix-smtputf8": ((5, 1, 3), 553, "mx.reader.test", "mail.sender.test", Why.UNKNOWN_USER),
    "proofpoint": ((5, 5, 0), 554, "mx.reader.test", "mx0a.pphosted.test", Why.POLICY),
    "qmail": ((5, 1, 1), 550, "192.0.2.25", "mail.sender.test", Why.UNKNOWN_USER),
    "qmail-expired": ((4, 4, 3), None, None, "mail.sender.test", Why.TEMPORARY),
    "sendmail": ((5, 7, 26), 550, "mx.reader.test", "mail.sender.test", Why.AUTHENTICATION),
    "sendmail-text": (None, 550, "mx.reader.test", None, Why.UNKNOWN_USER),
    "smail-text": (None, None, None, None, Why.UNKNOWN_USER),
    "x400": ((5, 2, 2), 550, None, "mta in /PRMD=reader/ADMD= /C=de/", Why.MAILBOX_FULL),
    "yahoo": ((5, 7, 9), 554, None, None, Why.POLICY),
    "yahoo-text": (None, None, None, None, Why.UNKNOWN_USER),
    "zimbra": ((4, 2, 2), 452, "mailbox.reader.test", "zimbra.sender.test", Why.MAILBOX_FULL),
}
DELAYED = ("exim-delayed", "postfix-delayed", "sendmail-delayed")
OTHER_RECIPIENT = {
    "postfix-smtputf8": "jürgen@räder.test",
    "x400": "/S=user/O=reader/PRMD=reader/ADMD= /C=de/",
}
RETURNS_NOTHING = {"exchange2003", "ironport", "exim-delayed"}
TOKEN = b"mailcanary-abcdefghijklmnopqrstuvwxyz"


def read(name: str) -> bytes:
    return (BOUNCES / f"{name}.eml").read_bytes()


def bounce_of(message: bytes) -> Bounce:
    bounce = parse_dsn(message)
    assert bounce is not None
    return bounce


def only(message: bytes) -> BouncedRecipient:
    (recipient,) = bounce_of(message).recipients
    return recipient


def report(fields: str, *, text: str = "", more: str = "") -> bytes:
    """A delivery report of three parts with these status fields."""
    return (
        "From: MAILER-DAEMON@mx.test\nTo: out@sender.test\nSubject: Undelivered Mail\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=q\n\n"
        f"--q\n\n{text}\n--q\nContent-Type: message/delivery-status\n{more}\n{fields}\n"
        "--q\nContent-Type: text/rfc822-headers\n\nMessage-ID: <1@sender.test>\n"
        "To: <user@reader.test>\n--q--\n"
    ).encode()


def test_every_file_of_the_corpus_is_spoken_for() -> None:
    files = {path.stem for path in BOUNCES.glob("*.eml")}
    named = {name for name in files if name.startswith("not-")}
    assert files == {*FAILED, *DELAYED, "delivered"} | named
    assert len(named) >= 8


@pytest.mark.parametrize("name", FAILED)
def test_a_failure_is_read_whoever_wrote_it(name: str) -> None:
    bounce = bounce_of(read(name))
    status, code, remote, reporting, reason = FAILED[name]
    first = bounce.recipients[0]
    assert first.recipient == OTHER_RECIPIENT.get(name, "user@reader.test")
    assert first.action is Action.FAILED
    assert (first.status, first.reply_code) == (status, code)
    assert (first.remote_mta, bounce.reporting_mta) == (remote, reporting)
    assert first.reason is reason
    assert bounce.failed[0] is first


@pytest.mark.parametrize("name", DELAYED)
def test_a_notice_of_delay_fails_nobody(name: str) -> None:
    bounce = bounce_of(read(name))
    assert [one.action for one in bounce.recipients] == [Action.DELAYED]
    assert bounce.failed == ()


@pytest.mark.parametrize("name", [*FAILED, *DELAYED])
def test_the_returned_header_is_found(name: str) -> None:
    header = bounce_of(read(name)).returned_headers
    assert (b"X-Mailcanary: " + TOKEN in header) == (name not in RETURNS_NOTHING)
    assert b"\n\n" not in header.replace(b"\r", b"")
    assert b"Token:" not in header


@pytest.mark.parametrize("path", sorted(BOUNCES.glob("not-*.eml")), ids=lambda path: path.stem)
def test_what_is_no_bounce_is_none(path: Path) -> None:
    assert parse_dsn(path.read_bytes()) is None


@pytest.mark.parametrize("name", [*FAILED, *DELAYED, "delivered"])
def test_line_ends_do_not_matter(name: str) -> None:
    assert read(name).count(b"\r\n") == read(name).count(b"\n")
    unix = bounce_of(read(name).replace(b"\r\n", b"\n"))
    assert unix.recipients == bounce_of(read(name)).recipients


def test_a_report_of_delivery_is_no_failure() -> None:
    bounce = bounce_of(read("delivered"))
    (one,) = bounce.recipients
    assert (one.action, one.reason, one.reply_code) == (Action.RELAYED, None, 250)
    assert bounce.failed == ()


def test_the_fields_of_a_report_are_kept() -> None:
    bounce = bounce_of(read("postfix-delayed"))
    (one,) = bounce.recipients
    assert bounce.is_report
    assert bounce.arrived_at == datetime(2026, 11, 3, 10, 11, 12, tzinfo=UTC)
    assert one.retried_until == datetime(2026, 11, 8, 10, 11, 12, tzinfo=UTC)
    assert one.original_recipient == "user@reader.test"
    assert (one.address_type, one.diagnostic_type) == ("rfc822", "smtp")
    assert one.reply == "451 4.3.0 Please come back later"
    assert bounce_of(read("sendmail")).recipients[0].last_attempt_at == datetime(
        2026, 11, 3, 10, 11, 14, tzinfo=UTC
    )
    assert bounce_of(read("sendmail")).received_from_mta == "probe.sender.test"


def test_the_envelope_identifier_is_as_we_gave_it() -> None:
    assert bounce_of(read("postfix")).envid == TOKEN.decode()
    assert bounce_of(read("pmdf")).envid == TOKEN.decode()
    assert bounce_of(read("gmail")).envid is None


def test_the_message_identifier_of_the_original_is_found_in_either_place() -> None:
    expected = f"<{TOKEN.decode()}@sender.test>"
    assert bounce_of(read("gmail")).original_message_id == expected
    assert bounce_of(read("qmail")).original_message_id == expected


def test_internationalised_addresses_are_decoded() -> None:
    (one,) = bounce_of(read("postfix-smtputf8")).recipients
    assert one.address_type == "utf-8"
    assert one.original_recipient == "jürgen@räder.test"


def test_an_original_recipient_in_xtext_is_decoded() -> None:
    (one,) = bounce_of(read("x400")).recipients
    assert one.address_type == "x400"
    assert one.original_recipient == "user+canary@reader.test"


def test_an_alias_keeps_both_addresses_apart() -> None:
    (one,) = bounce_of(read("zimbra")).recipients
    assert (one.recipient, one.original_recipient) == ("user@reader.test", "alias@reader.test")


def test_every_recipient_of_a_free_text_bounce_is_told() -> None:
    first, second = bounce_of(read("qmail")).recipients
    assert first.recipient == "user@reader.test"
    assert (second.recipient, second.status) == ("second@reader.test", (5, 1, 2))
    assert second.reason is Why.ROUTING


def test_what_the_demo_writes_is_read() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    bounce = bounce_of(
        compose(
            DemoBounce(
                reporting_host="mail.sender.test",
                queue_id="0123",
                sender="a@sender.test",
                recipient="b@reader.test",
                arrived_at=now,
                now=now,
                status="5.1.1",
                reason="mx.reader.test said: 550 5.1.1 no such user",
                reply="550 5.1.1 no such user",
                remote_host="mx.reader.test",
                original=b"Message-ID: <x@sender.test>\r\n\r\nits body\r\n",
            )
        )
    )
    assert bounce.arrived_at == now
    assert bounce.original_message_id == "<x@sender.test>"
    (one,) = bounce.failed
    assert (one.recipient, one.remote_mta) == ("b@reader.test", "mx.reader.test")


@pytest.mark.parametrize(
    "fields",
    [
        "Final-Recipient: rfc822; user@reader.test\nAction: failed\nStatus: 5.1.1\n",
        "final-recipient:RFC822;<user@reader.test>\naction: Failed (bad)\nstatus: 5.1.1 (no)\n",
        "Reporting-MTA: dns; x\nFinal-Recipient: user@reader.test\nAction: failed\nStatus: 5.1.1\n",
        "Final-Recipient: rfc822; user@reader.test\n\nAction: failed\n\nStatus: 5.1.1\n",
        "Original-Recipient: rfc822;user@reader.test\nAction: failed\nStatus: 5.1.1\n",
        'Final-Recipient: rfc822; "Joe" <user@reader.test>\nStatus: 5.1.1\n',
        "Final-Recipient: rfc822; smtp:user@reader.test\nAction: gone\nStatus: 5.1.1\n",
        "Action: failed\nStatus: 5.1.1\n",
        "Final-Recipient:\n rfc822;\n user@reader.test\nAction:\n failed\nStatus:\n 5.1.1\n",
        "Final-Recipient: rfc822; user@reader.test\nAction: failed\nDiagnostic-Code: 550 5.1.1\n",
        "Final-Recipient: rfc822; user@reader.test\nAction: failed\nStatus: 5.0.0\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no\n",
    ],
)
def test_fields_are_read_as_relays_write_them(fields: str) -> None:
    one = only(report(fields))
    assert one.recipient == "user@reader.test"
    assert one.action is Action.FAILED
    assert one.status == (5, 1, 1)


def test_recipients_are_told_apart_without_empty_lines() -> None:
    fields = "".join(
        f"Final-Recipient: rfc822; {name}@reader.test\nAction: failed\nStatus: 5.{n}.1\n"
        for n, name in enumerate("abc")
    )
    recipients = bounce_of(report(fields)).recipients
    assert [(one.recipient, one.status) for one in recipients] == [
        ("a@reader.test", (5, 0, 1)),
        ("b@reader.test", (5, 1, 1)),
        ("c@reader.test", (5, 2, 1)),
    ]


def test_a_reply_of_several_lines_that_are_not_indented_is_one_reply() -> None:
    one = only(
        report(
            "Final-Recipient: rfc822; user@reader.test\nAction: failed\nStatus: 5.7.1\n"
            "Diagnostic-Code: smtp; 550-5.7.1 first\n550-5.7.1 https://x.test/\n550 5.7.1 last\n"
            "Remote-MTA: dns; mx.reader.test\n"
        )
    )
    assert one.reply == "550-5.7.1 first 550-5.7.1 https://x.test/ 550 5.7.1 last"
    assert one.remote_mta == "mx.reader.test"


def test_a_reply_that_only_the_text_gives_is_taken_from_there() -> None:
    text = "<a@reader.test>: 552 5.2.2 mailbox full\n<user@reader.test>: 550 5.1.1 unknown user\n"
    fields = "Final-Recipient: rfc822; user@reader.test\nAction: failed\nStatus: 5.0.0\n"
    one = only(report(fields, text=text))
    assert (one.reply, one.status, one.reason) == (
        "550 5.1.1 unknown user",
        (5, 1, 1),
        Why.UNKNOWN_USER,
    )


def test_status_fields_may_be_encoded() -> None:
    part = MIMEBase("message", "x")
    part.set_payload("RmluYWwtUmVjaXBpZW50OiByZmM4MjI7IHVAci50ZXN0CkFjdGlvbjogZmFpbGVkCg==")
    one = only(report(part.get_payload(), more="Content-Transfer-Encoding: base64\n"))
    assert (one.recipient, one.action) == ("u@r.test", Action.FAILED)


@pytest.mark.parametrize(
    ("status", "text", "action"),
    [
        ("5.1.1", "", Action.FAILED),
        ("2.0.0", "", Action.DELIVERED),
        ("4.4.1", "This is a warning message only.", Action.DELAYED),
        ("4.4.1", "I have given up.", Action.FAILED),
    ],
)
def test_an_action_left_out_is_read_from_the_status(status: str, text: str, action: Action) -> None:
    fields = f"Final-Recipient: rfc822; user@reader.test\nStatus: {status}\n"
    assert only(report(fields, text=text)).action is action


def test_a_report_without_the_part_that_makes_it_one_is_read_by_its_text() -> None:
    message = (
        b"Return-Path: <>\nFrom: x@mx.test\nSubject: Undelivered\nContent-Type: multipart/report;"
        b" report-type=delivery-status; boundary=q\n\n--q\n\n<user@reader.test>: 550 no\n--q--\n"
    )
    assert not bounce_of(message).is_report
    assert only(message).reply_code == 550


def test_a_report_that_says_nothing_fails_nobody() -> None:
    bounce = bounce_of(
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=q\n\n"
        b"--q\n\nHello user@reader.test\n--q--\n"
    )
    assert bounce.failed == ()


def test_a_bounce_that_names_nobody_is_a_failure_all_the_same() -> None:
    one = only(
        b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.test\nSubject: Undeliverable mail\n\n"
        b"The message could not be delivered: 552 5.2.2 mailbox full\n"
    )
    assert (one.recipient, one.action, one.status) == (None, Action.FAILED, (5, 2, 2))
    assert one.reason is Why.MAILBOX_FULL


def test_an_explanation_cannot_steer_what_shows_it() -> None:
    text = "<user@reader.test>:\t550 \x1b[31mred\x07"
    fields = "Final-Recipient: rfc822; user@reader.test\nAction: failed\nStatus: 5.0.0\n"
    assert bounce_of(report(fields, text=text)).explanation == (
        "<user@reader.test>:\t550 \\x1b[31mred\\x07"
    )


def test_a_report_that_was_wrapped_by_a_list_or_a_gateway_is_found() -> None:
    inner = report("Final-Recipient: rfc822; user@reader.test\nAction: failed\nStatus: 5.1.1\n")
    kind = inner.split(b"\n\n", 1)[0].rpartition(b"\n")[2]
    wrapped = (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=w\n\n--w\n"
        + kind
        + b"\n\n"
        + inner.split(b"\n\n", 1)[1]
        + b"\n--w\n\nThis mail was scanned.\n--w--\n"
    )
    assert only(wrapped).recipient == "user@reader.test"


def test_a_bounce_that_somebody_attached_to_a_letter_is_no_bounce() -> None:
    letter = (
        b"From: joe@sender.test\nSubject: look\nContent-Type: multipart/mixed; boundary=w\n\n"
        b"--w\n\nWhat is this?\n--w\nContent-Type: message/rfc822\n\n" + read("postfix")
    )
    assert parse_dsn(letter + b"\n--w--\n") is None


def test_an_answer_to_a_bounce_is_no_bounce() -> None:
    header, _, body = read("qmail").partition(b"\r\n\r\n")
    answer = b"From: joe@sender.test\r\nSubject: Re: failure notice\r\n\r\n" + body
    assert header
    assert parse_dsn(answer) is None


def test_recipients_are_bounded() -> None:
    group = "Final-Recipient: rfc822; u@r.test\nAction: failed\n\n"
    assert len(bounce_of(report(group * 5000)).recipients) == 1000


_PIECES = st.sampled_from(
    [
        b"Return-Path: <>\n",
        b"From: MAILER-DAEMON@mx.test\n",
        b"Subject: Undelivered Mail\n",
        b"X-Failed-Recipients: a@b.test,\n",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=q\n",
        b"Content-Type: message/delivery-status\n",
        b"Content-Type: message/rfc822\n",
        b"Content-Type: text/html\n",
        b"\n",
        b"--q\n",
        b"--q--\n",
        b"Final-Recipient: rfc822; user@reader.test\n",
        b"Final-Recipient: utf-8;\n",
        b"Action: failed\n",
        b"Action: delayed\n",
        b"Status: 5.1.1\n",
        b"Status: 99.1\n",
        b"Diagnostic-Code: smtp; 550 5.1.1 no\n",
        b"Arrival-Date: Tue, 99 Nov 2026 10:11:12 +9999\n",
        b"Original-Envelope-Id: \xff\n",
        b"<user@reader.test>: 550 no\n",
        b"could not be delivered to ",
        b"----- Original message -----\n",
        b"\xff\x00\x1b[31m",
    ]
)


@settings(max_examples=4 * settings().max_examples)
@given(st.binary() | st.lists(_PIECES, max_size=40).map(b"".join))
def test_any_bytes_are_read(message: bytes) -> None:
    bounce = parse_dsn(message)
    if bounce is not None:
        said = [bounce.envid, bounce.reporting_mta, bounce.original_message_id]
        said += [text for one in bounce.recipients for text in (one.recipient, one.reply)]
        assert all(text is None or text.isprintable() for text in said)


@settings(max_examples=2 * settings().max_examples)
@given(st.sampled_from(sorted(BOUNCES.glob("*.eml"))), st.data())
def test_any_damage_to_a_real_one_is_borne(path: Path, data: st.DataObject) -> None:
    message = path.read_bytes()
    start = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(start, len(message)))
    parse_dsn(message[:start] + data.draw(st.binary(max_size=20)) + message[end:])


@pytest.mark.slow("reads megabytes")
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece",
    [b"<a@b.test>:\n550 5.1.1 x\n", b"a@", b"<", b"\n \n", b"To:x\n ", b"=?a?q?", b"message to "],
)
@pytest.mark.parametrize(
    "head",
    [
        b"From: MAILER-DAEMON@x\nSubject: Undeliverable mail\n\n",
        b"X-Foo: ",
        b"Content-Type: text/html\n\n",
        b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b\nDiagnostic-Code: ",
    ],
)
def test_megabytes_of_anything_are_read_in_seconds(head: bytes, piece: bytes) -> None:
    parse_dsn(head + piece * (8 * 1024 * 1024 // len(piece)))


@pytest.mark.timeout(30)
def test_thousands_of_recipients_with_a_long_text_are_read_in_seconds() -> None:
    fields = "".join(
        f"Final-Recipient: rfc822; a{n}@b.test\nAction: failed\n\n" for n in range(20_000)
    )
    assert len(bounce_of(report(fields, text="a@b.test\n" * 7000)).recipients) == 1000
