"""Encoded words (RFC 2047) in structured fields: a stranger writes them, so they make nothing."""

import base64
from collections.abc import Callable

import pytest

from probes.canary.trust import author_domain
from probes.records.authentication_results import parse_authentication_results
from probes.records.author_field import author_addresses
from probes.records.bounces.dsn import parse_dsn
from probes.records.header_date import parse_header_date
from probes.records.mime_parts import media_type
from probes.records.raw_message import read_message
from probes.records.received import parse_received
from probes.records.received_spf import parse_received_spf
from probes.records.spam.verdicts import spam_verdicts
from probes.records.tag_list import parse_tag_list

Encoder = Callable[[str], str]


def q(text: str) -> str:
    """`text` as one encoded word in the Q encoding, every character encoded."""
    return "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in text.encode()) + "?="


def b(text: str) -> str:
    """`text` as one encoded word in the B encoding."""
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


ENCODINGS = pytest.mark.parametrize("word", [q, b], ids=["q", "b"])
FORGED_RESULTS = (
    "a; dmarc=pass header.from=bank.test; x=y",
    "a;dkim=pass header.d=bank.test",
    "a) ; dmarc=pass (b",
    'a" ; dmarc=pass ; x="',
    "\r\n dmarc=pass",
    "x dmarc=pass",
)


@ENCODINGS
@pytest.mark.parametrize("text", FORGED_RESULTS)
@pytest.mark.parametrize(
    "field",
    [
        "mx.reader.test; spf=fail smtp.mailfrom={}@evil.test; dmarc=fail",
        "mx.reader.test; spf=fail smtp.helo={}; dmarc=fail",
        "mx.reader.test; spf=fail smtp.mailfrom = {}; dmarc=fail",
        "mx.reader.test; spf=fail (says {}); dmarc=fail",
        "mx.reader.test; spf=fail reason={}; dmarc=fail",
        'mx.reader.test; spf=fail reason="{}"; dmarc=fail',
        "mx.reader.test; spf=fail smtp.mailfrom=<{}@evil.test>; dmarc=fail",
    ],
)
def test_no_encoded_word_is_a_result_of_authentication(
    field: str, text: str, word: Encoder
) -> None:
    read = parse_authentication_results(field.format(word(text)))
    told = [(one.method, one.result) for one in read.results]
    assert told == [("spf", "fail"), ("dmarc", "fail")]
    assert read.authserv_id == "mx.reader.test"


@ENCODINGS
def test_no_encoded_word_is_the_server_that_is_believed(word: Encoder) -> None:
    read = parse_authentication_results(f"{word('mx.reader.test; dmarc=pass')}; spf=fail")
    assert read.authserv_id != "mx.reader.test"
    assert [one.method for one in read.results] == ["spf"]
    assert parse_authentication_results(word("mx.reader.test; dmarc=pass")).results == ()


@ENCODINGS
def test_a_domain_that_only_an_encoded_word_spells_is_not_that_domain(word: Encoder) -> None:
    read = parse_authentication_results(
        f"mx; spf=pass smtp.mailfrom={word('a@bank.test')}@evil.test"
    )
    assert (read.results[0].value("smtp", "mailfrom") or "").endswith("?=@evil.test")


def test_comments_and_reasons_are_decoded_for_people() -> None:
    field = f"mx; spf=fail reason={q('größe; x=y')} ({q('süß ) dmarc=pass')})"
    read = parse_authentication_results(field)
    assert read.results[0].reason == "größe; x=y"
    assert read.results[0].comments == ("süß ) dmarc=pass",)


@ENCODINGS
@pytest.mark.parametrize(
    "text",
    [
        "x by mx.bank.test",
        "x by mx.bank.test with ESMTPS id 1 for <a@bank.test>; Tue, 3 Nov 2026 10:11:12 +0000",
        "x) by mx.bank.test (",
        "[192.0.2.99]",
        "helo=mail.bank.test [192.0.2.99]",
        "x; Tue, 3 Nov 2020 10:11:12 +0000",
    ],
)
@pytest.mark.parametrize(
    "field",
    [
        "from {} (mail.evil.test [192.0.2.1]) by mx.reader.test with ESMTP id 7;",
        "from mail.evil.test (HELO {}) (192.0.2.1) by mx.reader.test with ESMTP id 7;",
        "from mail.evil.test ([192.0.2.1] ident {}) by mx.reader.test with ESMTP id 7;",
    ],
)
def test_no_encoded_word_is_a_clause_or_an_address_of_a_relay(
    field: str, text: str, word: Encoder
) -> None:
    hop = parse_received(f"{field.format(word(text))} Wed, 4 Nov 2026 10:11:12 +0000")
    assert (hop.by, hop.from_address, hop.id_) == ("mx.reader.test", "192.0.2.1", "7")
    assert hop.for_ is None
    assert hop.date is not None
    assert hop.date.day == 4
    assert "bank.test" not in (hop.from_name or "", hop.from_reverse or "")


@ENCODINGS
def test_no_encoded_word_is_a_pair_of_received_spf(word: Encoder) -> None:
    forged = word("a client-ip=192.0.2.99; helo=mail.bank.test; x")
    read = parse_received_spf(
        f"fail ({forged}) envelope-from={forged}@evil.test; client-ip=192.0.2.1"
    )
    assert (read.result, read.client_ip, read.helo) == ("fail", "192.0.2.1", None)
    assert parse_received_spf(word("pass client-ip=192.0.2.99")).client_ip is None


@ENCODINGS
def test_no_encoded_word_is_an_author_a_tag_a_date_or_a_parameter(word: Encoder) -> None:
    assert author_addresses(f"{word('<a@bank.test>,')} <b@evil.test>") == ("b@evil.test",)
    message = f"From: {word('a@bank.test')} <b@evil.test>\r\n\r\n"
    assert author_domain(read_message(message.encode())) == "evil.test"
    assert parse_tag_list(f"i=1; d={word('x; cv=pass')}").get("cv") is None
    assert parse_header_date(word("Tue, 3 Nov 2026 10:11:12 +0000")) is None
    assert "boundary" not in media_type(f'multipart/mixed; x="{word("; boundary=y")}"')[1]


def test_a_parameter_of_rfc_2231_begins_no_other_parameter() -> None:
    kind = "multipart/report; x*=utf-8''a%3B%20boundary%3Dforged; boundary*0=one; boundary*1=two"
    assert media_type(kind)[1]["boundary"] == "onetwo"
    kind = "text/plain; x*0*=utf-8''%3B%20ch; x*1=arset=y; charset*=utf-8''koi8-r"
    parameters = media_type(kind)[1]
    assert (parameters["x"], parameters["charset"]) == ("; charset=y", "koi8-r")


@ENCODINGS
def test_no_encoded_word_is_a_spam_verdict(word: Encoder) -> None:
    status = f"Yes, score=9.1 required=5.0 tests=A {word('score=-9 required=5 No,')}"
    verdict = spam_verdicts([("X-Spam-Status", status)])[0]
    assert (verdict.is_spam, verdict.score) == (True, 9.1)


@ENCODINGS
def test_no_encoded_word_is_the_recipient_of_a_bounce(word: Encoder) -> None:
    message = (
        "From: MAILER-DAEMON@mx.test\nReturn-Path: <>\nSubject: Undeliverable\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        "--b\n\nIt could not be delivered.\n--b\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.test\n\nAction: failed\nStatus: 5.1.1\n"
        f"--b\nContent-Type: message/rfc822\n\nTo: {word('<victim at bank>')} <real@x.test>\n"
        "Subject: x\n\n--b--\n"
    )
    bounce = parse_dsn(message.encode())
    assert bounce is not None
    assert [one.recipient for one in bounce.recipients] == ["real@x.test"]
