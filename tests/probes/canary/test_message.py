"""The canary as composed, and how it is known again after relays have rewritten it."""

import base64
import email
import email.encoders
import email.policy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from probes.canary.message import (
    MARKER,
    MAX_MESSAGE_BYTES,
    MessageOptions,
    compose,
    new_token,
    recognise,
    recognise_body,
)
from probes.options import EmailAddress, Secret

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
TOKEN = new_token()


def options(**more: object) -> MessageOptions:
    return MessageOptions(EmailAddress("out@sender.test"), EmailAddress("in@reader.test"), **more)


def header_of(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def without(content: bytes, *fields: bytes) -> bytes:
    header, _, body = content.partition(b"\r\n\r\n")
    kept = [line for line in header.split(b"\r\n") if line.partition(b":")[0] not in fields]
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def test_a_canary_is_a_well_formed_machine_message() -> None:
    canary = compose(options(), TOKEN, NOW)
    parsed = email.message_from_bytes(canary.content, policy=email.policy.default)
    assert not parsed.defects
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(str(parsed["Date"])) == NOW
    assert parsed["From"].addresses[0].addr_spec == "out@sender.test"
    assert parsed["Message-ID"] == canary.message_id
    assert TOKEN in parsed["Subject"]
    assert TOKEN in parsed.get_content()


def test_every_line_ends_in_crlf_and_is_short_enough_for_smtp() -> None:
    canary = compose(options(text="long ä " * 400, size=20_000), TOKEN, NOW)
    lines = canary.content.split(b"\r\n")
    assert all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in lines)


def test_the_author_address_may_differ_from_the_envelope_sender() -> None:
    canary = compose(options(header_from=EmailAddress("team@sender.test")), TOKEN, NOW)
    parsed = email.message_from_bytes(canary.content, policy=email.policy.default)
    assert parsed["From"].addresses[0].addr_spec == "team@sender.test"
    assert canary.mail_from == "out@sender.test"


def test_a_canary_asks_to_be_named_in_reports_unless_told_otherwise() -> None:
    asked = compose(options(), TOKEN, NOW).dsn
    assert asked is not None
    assert (asked.envid, asked.orcpt) == (TOKEN, "rfc822;in@reader.test")
    assert compose(options(dsn=False), TOKEN, NOW).dsn is None


def test_a_sender_of_its_own_stands_in_the_envelope_alone() -> None:
    canary = compose(options(verp=True), TOKEN, NOW)
    assert canary.mail_from == f"out+{TOKEN}@sender.test"
    assert canary.message_id == f"<{TOKEN}@sender.test>"
    parsed = email.message_from_bytes(canary.content, policy=email.policy.default)
    assert parsed["From"].addresses[0].addr_spec == "out@sender.test"


def test_padding_reaches_the_size_and_keeps_the_text_readable() -> None:
    canary = compose(options(size=50_000, text="grüß dich"), TOKEN, NOW)
    assert 50_000 <= len(canary.content) < 50_100
    parsed = email.message_from_bytes(canary.content, policy=email.policy.default)
    assert "grüß dich" in parsed.get_content()


def test_a_size_nobody_could_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="above"):
        compose(options(size=MAX_MESSAGE_BYTES + 1), TOKEN, NOW)


def test_a_subject_cannot_smuggle_a_header_field_in() -> None:
    canary = compose(options(subject="hello\r\nBcc: victim@example.test"), TOKEN, NOW)
    parsed = email.message_from_bytes(canary.content, policy=email.policy.default)
    assert parsed["Bcc"] is None


def test_a_subject_that_is_not_ascii_arrives_as_it_was_written() -> None:
    subject = "Prüfung des Postwegs von Österreich bis Ålesund"
    canary = compose(options(subject=subject), TOKEN, NOW)
    parsed = email.message_from_bytes(canary.content, policy=email.policy.default)
    assert parsed["Subject"] == f"{subject} [{TOKEN}]"


def test_tokens_are_never_the_same_and_always_marked() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(token.startswith(MARKER) and len(token) == len(MARKER) + 26 for token in tokens)


@pytest.mark.parametrize(
    "lost",
    [
        (),
        (b"X-Mailcanary",),
        (b"Message-ID",),
        (b"X-Mailcanary", b"Message-ID"),
        (b"Subject", b"Message-ID"),
        (b"Subject", b"X-Mailcanary"),
    ],
)
def test_a_canary_is_known_by_whatever_header_trace_is_left(lost: tuple[bytes, ...]) -> None:
    content = without(compose(options(), TOKEN, NOW).content, *lost)
    assert recognise(header_of(content)) == TOKEN


def test_a_canary_without_any_header_trace_is_known_by_its_body() -> None:
    content = without(
        compose(options(), TOKEN, NOW).content, b"X-Mailcanary", b"Message-ID", b"Subject"
    )
    assert recognise(header_of(content)) is None
    assert recognise_body(content) == TOKEN


def test_a_body_that_was_encoded_anew_is_still_known() -> None:
    message = email.message_from_bytes(compose(options(), TOKEN, NOW).content)
    for name in ("X-Mailcanary", "Message-ID", "Subject", "Content-Transfer-Encoding"):
        del message[name]
    email.encoders.encode_base64(message)
    assert TOKEN.encode() not in message.as_bytes()
    assert recognise_body(message.as_bytes()) == TOKEN


def test_a_subject_that_a_relay_encoded_is_still_known() -> None:
    header = b"Subject: =?utf-8?q?=5BEXTERNAL=5D_Mail_path_test_[" + TOKEN.encode() + b"]?=\r\n\r\n"
    assert recognise(header) == TOKEN


def test_capitals_do_not_hide_a_token() -> None:
    assert recognise(b"message-id: <" + TOKEN.upper().encode() + b"@SENDER.TEST>\r\n\r\n") == TOKEN


@pytest.mark.parametrize(
    "answer",
    [
        b"In-Reply-To: <x@y.test>\r\n",
        b"References: <x@y.test>\r\n",
        b"Auto-Submitted: auto-replied (vacation)\r\n",
        b"Content-Type: multipart/report; report-type=delivery-status\r\n",
    ],
)
def test_an_answer_or_a_report_about_a_canary_is_not_the_canary(answer: bytes) -> None:
    header = answer + b"Subject: Re: Mail path test [" + TOKEN.encode() + b"]\r\n\r\n"
    assert recognise(header) is None
    assert recognise_body(header + b"Token: " + TOKEN.encode() + b"\r\n") is None


def test_a_token_that_is_only_quoted_in_the_body_of_the_fetched_header_is_ignored() -> None:
    assert recognise(b"Subject: hello\r\n\r\nX-Mailcanary: " + TOKEN.encode() + b"\r\n") is None


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_an_exception(junk: bytes) -> None:
    assert recognise(junk) is None or MARKER in str(recognise(junk))
    recognise_body(junk)


@given(st.binary(max_size=300))
def test_any_bytes_in_front_do_not_hide_a_whole_field(junk: bytes) -> None:
    field = b"X-Mailcanary: " + TOKEN.encode() + b"\r\n"
    clean = junk.replace(b"\r", b"").replace(b"\n", b"")
    assert recognise(b"X-Other: " + clean + b"\r\n" + field + b"\r\n") == TOKEN


def test_a_dkim_signature_holds() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    signed = compose(
        options(dkim_domain="sender.test", dkim_selector="s1", dkim_key=Secret(pem)), TOKEN, NOW
    )
    asked: list[bytes] = []

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    assert dkim.verify(signed.content, dnsfunc=lookup)
    assert asked == [b"s1._domainkey.sender.test."]
    assert recognise(header_of(signed.content)) == TOKEN


def test_a_dkim_key_that_is_none_is_refused_without_showing_it() -> None:
    broken = options(dkim_domain="sender.test", dkim_selector="s1", dkim_key=Secret("hunter2"))
    with pytest.raises(ValueError, match="cannot sign for sender") as caught:
        compose(broken, TOKEN, NOW)
    assert "hunter2" not in str(caught.value)
