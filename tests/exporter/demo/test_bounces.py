from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

from hypothesis import given
from hypothesis import strategies as st

from exporter.demo.bounces import Bounce, compose

BOUNCE = Bounce(
    reporting_host="mail.sender.test",
    queue_id="0123ABCDEF",
    sender="a@sender.test",
    recipient="b@receiver.test",
    arrived_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    now=datetime(2026, 1, 2, 3, 4, 7, tzinfo=UTC),
    status="5.1.1",
    reason="mx.receiver.test said: 550 5.1.1 no such user",
    reply="550 5.1.1 no such user",
    remote_host="mx.receiver.test",
    original=b"Subject: the original\r\nMessage-ID: <x@sender.test>\r\n\r\nits body\r\n",
)


def test_a_bounce_is_a_delivery_status_report_with_the_fields_of_rfc_3464() -> None:
    report = message_from_bytes(compose(BOUNCE), policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["To"] == "a@sender.test"
    assert report["Auto-Submitted"] == "auto-replied"
    _, status, returned = report.iter_parts()
    per_message, per_recipient = status.get_payload()
    assert per_message["Reporting-MTA"] == "dns; mail.sender.test"
    assert per_recipient["Final-Recipient"] == "rfc822; b@receiver.test"
    assert per_recipient["Action"] == "failed"
    assert per_recipient["Status"] == "5.1.1"
    assert per_recipient["Remote-MTA"] == "dns; mx.receiver.test"
    assert per_recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert returned.get_content_type() == "text/rfc822-headers"


def test_a_bounce_returns_the_header_and_not_the_body() -> None:
    raw = compose(BOUNCE)
    assert b"Message-ID: <x@sender.test>" in raw
    assert b"its body" not in raw


def test_a_bounce_without_a_reply_claims_none() -> None:
    raw = compose(replace(BOUNCE, reply=None, remote_host=None))
    assert b"Diagnostic-Code" not in raw
    assert b"Remote-MTA" not in raw


def test_a_bounce_has_no_line_end_but_crlf() -> None:
    assert b"\n" not in compose(BOUNCE).replace(b"\r\n", b"")


@given(st.binary(max_size=300))
def test_any_original_can_be_returned(original: bytes) -> None:
    report = message_from_bytes(compose(replace(BOUNCE, original=original)))
    assert report.get_content_type() == "multipart/report"
    assert len(report.get_payload()) == 3
