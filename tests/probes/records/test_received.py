"""Received fields as relays really write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records.received import Received, parse_received

AT = datetime(2026, 11, 3, 10, 11, 12, tzinfo=UTC)

POSTFIX = """from mail.sender.test (unknown [192.0.2.10])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)
\t(No client certificate requested)
\tby mx.example.test (Postfix) with ESMTPS id 4XkQ5z2Jwrz9s
\tfor <probe@example.test>; Tue,  3 Nov 2026 10:11:12 +0000 (UTC)"""
EXIM = """from [2001:db8::10] (helo=mail.sender.test)
 by mx.example.test with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96)
 (envelope-from <bounces@sender.test>) id 1uAbCd-000001-2x
 for probe@example.test; Tue, 03 Nov 2026 11:11:12 +0100"""
MICROSOFT = """from AM0PR01.eurprd01.prod.outlook.test (2001:db8:10a6:208::22) by
 VI1PR01.eurprd01.prod.outlook.test (2001:db8:10a6:800::19) with Microsoft SMTP Server
 (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.7409.10; Tue, 3 Nov
 2026 10:11:12 +0000"""
GMAIL = """by 2001:db8:a05:6402::b with SMTP id x1csp123; Tue, 3 Nov 2026 02:11:12 -0800 (PST)"""
QMAIL = """from unknown (HELO mail.sender.test) (192.0.2.10)
  by mx.example.test with SMTP; 3 Nov 2026 10:11:12 -0000"""
SENDMAIL = """(from root@localhost) by host.example.test (8.15.2/8.15.2/Submit) id xA3ABC12;
 Tue, 3 Nov 2026 10:11:12 GMT"""
LMTP = """from mx.example.test ([127.0.0.1]) by imap.example.test with LMTP id kLmNoP
 (envelope-from <a@b.test>) for <probe@example.test>; Tue, 03 Nov 2026 10:11:12 +0000"""

# text, from_name, from_address, by, protocol, id_, for_
SEEN = [
    (
        POSTFIX,
        "mail.sender.test",
        "192.0.2.10",
        "mx.example.test",
        "ESMTPS",
        "4XkQ5z2Jwrz9s",
        "probe@example.test",
    ),
    (
        EXIM,
        "[2001:db8::10]",
        "2001:db8::10",
        "mx.example.test",
        "esmtps",
        "1uAbCd-000001-2x",
        "probe@example.test",
    ),
    (
        MICROSOFT,
        "AM0PR01.eurprd01.prod.outlook.test",
        "2001:db8:10a6:208::22",
        "VI1PR01.eurprd01.prod.outlook.test",
        "Microsoft",
        "15.20.7409.10",
        None,
    ),
    (GMAIL, None, None, "2001:db8:a05:6402::b", "SMTP", "x1csp123", None),
    (QMAIL, "unknown", "192.0.2.10", "mx.example.test", "SMTP", None, None),
    (SENDMAIL, None, None, "host.example.test", None, "xA3ABC12", None),
    (
        LMTP,
        "mx.example.test",
        "127.0.0.1",
        "imap.example.test",
        "LMTP",
        "kLmNoP",
        "probe@example.test",
    ),
]


@pytest.mark.parametrize(
    ("text", "from_name", "from_address", "by", "protocol", "id_", "for_"), SEEN
)
def test_every_relays_way_of_writing_is_read(
    text: str,
    from_name: str | None,
    from_address: str | None,
    by: str,
    protocol: str | None,
    id_: str | None,
    for_: str | None,
) -> None:
    hop = parse_received(text)
    assert (hop.from_name, hop.from_address, hop.by) == (from_name, from_address, by)
    assert (hop.protocol, hop.id_, hop.for_) == (protocol, id_, for_)
    assert hop.date == AT
    assert hop.raw == text


def test_the_zone_that_was_written_is_kept() -> None:
    date = parse_received(EXIM).date
    assert date is not None
    assert date.tzinfo == timezone(timedelta(hours=1))


def test_an_unknown_zone_is_read_as_utc() -> None:
    date = parse_received(QMAIL).date
    assert date is not None
    assert date.tzinfo is UTC


def test_remarks_are_kept_and_what_they_contain_is_no_clause() -> None:
    hop = parse_received(POSTFIX)
    assert hop.comments[0] == "unknown [192.0.2.10]"
    assert hop.comments[1].startswith("using TLSv1.3 with cipher")
    assert hop.comments[-1] == "Postfix"


def test_a_semicolon_in_a_remark_or_in_quotes_does_not_begin_the_date() -> None:
    hop = parse_received('from "a;b" (x; y) by c id 1; Tue, 3 Nov 2026 10:11:12 +0000')
    assert (hop.from_name, hop.by, hop.date) == ('"a;b"', "c", AT)


def test_a_peer_that_calls_itself_by_is_no_clause() -> None:
    hop = parse_received("from by (by [192.0.2.1]) by mx.example.test; x")
    assert (hop.from_name, hop.from_address, hop.by) == ("by", "192.0.2.1", "mx.example.test")


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Tue, 99 Nov 2026 10:11:12 +0000",
        "3 Nov 99999999999 10:11:12 +0000",
        "Tue, 3 Nov 2026 10:11:12 +99999999999999",
    ],
)
def test_a_date_that_is_none_is_none(date: str) -> None:
    assert parse_received(f"by mx.example.test; {date}").date is None


def test_no_text_at_all_is_an_empty_hop() -> None:
    assert parse_received("") == Received(raw="")


_PIECES = st.sampled_from(
    [
        "from ",
        "by ",
        "with ",
        "id ",
        "for ",
        "(",
        ")",
        '"',
        ";",
        "[",
        "]",
        "\\",
        "%",
        "IPv6:",
        "192.0.2.1",
        "::1",
        "mx.test ",
        "<a@b>",
        "\r\n\t",
        "3 Nov 2026 10:11:12 +0000",
    ]
)


@settings(max_examples=300)
@given(st.text() | st.lists(_PIECES).map("".join))
def test_any_text_gives_a_hop(text: str) -> None:
    hop = parse_received(text)
    assert hop.raw == text
    assert hop.date is None or hop.date.tzinfo is not None


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "piece", ["(", ")", '"', '\\"', "[1%", "[1", "from ", "1:", "1", ";", "(]"]
)
def test_megabytes_of_anything_are_read_at_once(piece: str) -> None:
    assert parse_received("from x (" + piece * 1_000_000).raw
