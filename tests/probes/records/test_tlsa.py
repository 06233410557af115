"""TLSA records: reading them, which are usable, what they speak of."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.tlsa import MAX_TEXT, TlsaRecord, parse_tlsa

CERTIFICATE, KEY = b"a certificate", b"a key"


@pytest.mark.parametrize("usage", [2, 3])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_a_record_speaks_of_what_it_was_made_of(usage: int, selector: int, matching: int) -> None:
    selected = (CERTIFICATE, KEY)[selector]
    makers = (bytes, lambda o: hashlib.sha256(o).digest(), lambda o: hashlib.sha512(o).digest())
    record = TlsaRecord(usage, selector, matching, makers[matching](selected))
    assert record.problem is None
    assert record.speaks_of(CERTIFICATE, KEY)
    assert not record.speaks_of(b"another", b"other")
    assert parse_tlsa(str(record)) == record


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("0 1 1 " + "00" * 32, "usage 0"),
        ("1 1 1 " + "00" * 32, "usage 1"),
        ("4 1 1 " + "00" * 32, "usage 4"),
        ("3 2 1 " + "00" * 32, "selector 2"),
        ("3 1 3 " + "00" * 32, "matching type 3"),
        ("3 1 1 " + "00" * 31, "31 octets"),
        ("3 1 2 " + "00" * 32, "32 octets"),
        ("3 1 0", "0 octets"),
    ],
)
def test_an_unusable_record_says_why(text: str, word: str) -> None:
    assert word in (parse_tlsa(text).problem or "")


def test_an_unknown_matching_type_matches_nothing() -> None:
    assert not TlsaRecord(3, 1, 9, KEY).speaks_of(CERTIFICATE, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 1",
        "3 1 x 00",
        "3 1 1 0g",
        "256 1 1 00",
        "3 1 1 0",
        "-1 1 1 00",
        "3 1 0 " + "0" * MAX_TEXT,
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        parse_tlsa(text)


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda tail: "3 1 1 " + tail))
def test_any_text_is_a_record_or_refused(text: str) -> None:
    try:
        record = parse_tlsa(text)
    except RecordError:
        return
    assert isinstance(record.problem, str | None)
