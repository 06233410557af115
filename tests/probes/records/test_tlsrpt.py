"""TLS reporting records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.tlsrpt import is_tlsrpt_record, parse_tlsrpt_record


@pytest.mark.parametrize(
    ("text", "rua"),
    [
        (b"v=TLSRPTv1;rua=mailto:reports@example.com", ("mailto:reports@example.com",)),
        (
            b"v=TLSRPTv1; rua=mailto:a@b.test , https://c.test/v1/report;",
            ("mailto:a@b.test", "https://c.test/v1/report"),
        ),
        (b"v=TLSRPTv1; rua=https://c.test; ext=1", ("https://c.test",)),
    ],
)
def test_a_record_says_where_reports_go(text: bytes, rua: tuple[str, ...]) -> None:
    assert is_tlsrpt_record(text)
    assert parse_tlsrpt_record(text).rua == rua


def test_destinations_stand_anywhere_behind_the_version_and_in_any_number_of_fields() -> None:
    record = parse_tlsrpt_record(b"v=TLSRPTv1; x=1; rua=mailto:a@b.test; rua=https://b.test/r")
    assert record.rua == ("mailto:a@b.test", "https://b.test/r")
    assert record.extensions == ("x=1",)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"v=TLSRPTv1",
        b"v=TLSRPTv1;",
        b"v=TLSRPTv1; rua=",
        b"v=TLSRPTv1; rua=ftp://x.test/",
        b"v=TLSRPTv1; rua=mailto:nobody",
        b"v=TLSRPTv1; rua=mailto:a@b.test!10m",
        b"v=TLSRPTv1; ext=1",
        b"v=TLSRPTv1; rua=mailto:a@b.test; =",
        b"v=TLSRPTv1; rua=" + b",".join([b"mailto:a@b.test"] * 101),
        b"v=TLSRPTv1; rua=\xff",
        b"v=TLSRPTv1; rua=" + b"x" * 20_000,
    ],
)
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(RecordError):
        parse_tlsrpt_record(text)


@given(st.binary(max_size=200).map(lambda tail: b"v=TLSRPTv1; rua=" + tail) | st.binary())
def test_any_octets_are_a_record_or_refused(text: bytes) -> None:
    try:
        assert parse_tlsrpt_record(text).rua
    except RecordError:
        return
