"""Received fields as relays really write them."""

import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records.mime_parts import decode_words
from probes.records.received import Received, parse_received
from tests.probes.records.header_corpus import Entry, entries

AT = datetime(2026, 11, 3, 10, 11, 12, tzinfo=UTC)
CORPUS = list(entries("received"))
KEPT_APART = {"raw", "comments", "date_text"}

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
QMAIL = """from unknown (HELO mail.sender.test) (192.0.2.10)
  by mx.example.test with SMTP; 3 Nov 2026 10:11:12 -0000"""


def _told(hop: Received) -> dict[str, str]:
    """Every field that says something, as the corpus writes it."""
    told: dict[str, str] = {}
    for name in sorted({field.name for field in fields(Received)} - KEPT_APART):
        value = getattr(hop, name)
        if isinstance(value, datetime):
            told[name] = value.isoformat()
        elif isinstance(value, tuple):
            told |= {name: " ".join(value)} if value else {}
        elif value is not None and value is not True:
            told[name] = str(value)
    return told


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.where)
def test_every_relays_way_of_writing_is_read(entry: Entry) -> None:
    hop = parse_received(entry.value)
    assert _told(hop) == dict(entry.expected)
    assert hop.raw == entry.value


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.where)
def test_a_field_on_one_line_or_with_other_line_ends_says_the_same(entry: Entry) -> None:
    hop = _told(parse_received(entry.value))
    assert _told(parse_received(" ".join(entry.value.split()))) == hop
    assert _told(parse_received(entry.value.replace("\n", "\r\n"))) == hop


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.where)
def test_no_word_of_a_field_is_lost(entry: Entry) -> None:
    hop = parse_received(entry.value)
    kept = " ".join((*_told(hop).values(), *hop.comments, hop.date_text))
    words = set(re.findall(r"[^\s();,<>[\]]+", decode_words(entry.value)))
    kept = decode_words(kept)
    words -= {"from", "by", "via", "with", "id", "ID", "for", "tls", "unknown"}
    assert {word for word in words if word not in kept} == set()


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


@pytest.mark.parametrize(
    "name", ["from_name", "from_address", "by", "with_type", "tls_version", "tls_cipher", "id_"]
)
def test_the_corpus_tells_every_field_more_than_once(name: str) -> None:
    assert sum(name in dict(entry.expected) for entry in CORPUS) > 10


def test_what_stands_where_the_date_belongs_is_kept() -> None:
    assert parse_received("by mx.example.test; the day before").date_text == "the day before"
    assert parse_received(POSTFIX).date_text == "Tue, 3 Nov 2026 10:11:12 +0000 (UTC)"


def test_an_address_that_the_peer_claims_is_believed_least() -> None:
    hop = parse_received("from [198.51.100.1] (HELO [198.51.100.2]) (192.0.2.1) by mx.test; x")
    assert (hop.from_name, hop.from_address) == ("[198.51.100.2]", "192.0.2.1")


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


@settings(max_examples=3 * settings().max_examples)
@given(st.text() | st.lists(_PIECES).map("".join))
def test_any_text_gives_a_hop(text: str) -> None:
    hop = parse_received(text)
    assert hop.raw == text
    assert hop.date is None or hop.date.tzinfo is not None


HOSTILE = ["(", ")", '"', '\\"', "\\", "[1%", "[1", "from ", "by ", "1:", "1", ";", "(]", "<", "a<"]
HOSTILE += [
    "; 1 ",
    "1 Nov ",
    "helo=",
    "TLS ",
    "version=",
    "=?a?q?b?=",
    " ",
    "a.",
    "() ",
    "with ",
    "\ud800",
]


@pytest.mark.slow("reads megabytes")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", HOSTILE)
def test_megabytes_of_anything_are_read_at_once(piece: str) -> None:
    assert parse_received("from x (" + piece * 1_000_000).raw


@pytest.mark.slow("measures seconds of work")
@pytest.mark.parametrize("piece", HOSTILE)
def test_eight_times_the_text_never_takes_sixty_four_times_the_time(piece: str) -> None:
    def seconds(count: int) -> float:
        begin = process_time()
        parse_received("from x by y " + piece * (count // len(piece)))
        return process_time() - begin

    seconds(1000)
    little = min(seconds(4_000) for _ in range(3))
    # quadratic reading takes 64 times as long; 0.2 s for what a busy machine adds
    assert min(seconds(32_000) for _ in range(3)) < 24 * little + 0.2
