"""MTA-STS records and policies: what senders take, and what they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.mta_sts import (
    MAX_POLICY,
    StsMode,
    covers,
    is_sts_record,
    matches_mx,
    parse_sts_policy,
    parse_sts_record,
)

POLICY = b"""version: STSv1
mode: enforce
mx: mail.example.com
mx: *.example.net
max_age: 604800
"""


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        (b"v=STSv1; id=20160831085700Z;", "20160831085700Z"),
        (b"v=STSv1;id=1", "1"),
        (b"v=STSv1 ; \tid=a1 ; x-y.z=%21", "a1"),
    ],
)
def test_a_record_has_one_id(text: bytes, id_: str) -> None:
    assert is_sts_record(text)
    assert parse_sts_record(text).id == id_


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"v=STSv1",
        b"v=STSv1;",
        b"v=STSv1; id=",
        b"v=STSv1; id=1; id=2",
        b"v=STSv1; id=a-b",
        b"v=STSv1; id=" + b"1" * 33,
        b"V=stsv1; id=1",
        b"v=STSv2; id=1",
        b"v=STSv1; id=1;;",
        b"v=STSv1; id=1; =x",
        b"v=STSv1; id=\xff",
        b"v=STSv1; id=1; " + b"a=b;" * 5000,
    ],
)
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(RecordError):
        parse_sts_record(text)


def test_only_records_that_begin_with_the_version_count() -> None:
    assert not is_sts_record(b"v=STSv10; id=1")
    assert not is_sts_record(b" v=STSv1; id=1")


def test_a_policy_is_read() -> None:
    policy = parse_sts_policy(POLICY)
    assert (policy.mode, policy.max_age) == (StsMode.ENFORCE, 604800)
    assert policy.mx == ("mail.example.com", "*.example.net")
    assert covers(policy, "Mail.Example.com.")
    assert not covers(policy, "example.net")


def test_line_ends_may_be_lf_and_of_a_repeated_field_the_first_counts() -> None:
    text = b"mode: testing\nversion: STSv1\nmx: a.test\nmax_age: 5\nmode: none\nx-new: 1"
    policy = parse_sts_policy(text)
    assert policy.mode is StsMode.TESTING
    assert policy.repeated == ("mode",)
    assert policy.unknown == ("x-new",)


def test_mode_none_needs_no_host() -> None:
    policy = parse_sts_policy(b"version: STSv1\nmode: none\nmax_age: 86400\n")
    assert policy.mode is StsMode.NONE
    assert policy.mx == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        POLICY.replace(b"STSv1", b"STSv2"),
        POLICY.replace(b"enforce", b"Enforce"),
        POLICY.replace(b"max_age: 604800", b"max_age: a week"),
        POLICY.replace(b"604800", b"12345678901"),
        POLICY.replace(b"mail.example.com", b"192.0.2.1:25"),
        POLICY.replace(b"*.example.net", b"*.*.example.net"),
        POLICY.replace(b"*.example.net", b".example.net"),
        POLICY.replace(b"mail.example.com", b"a b"),
        b"<html>\n" + POLICY,
        b"version: STSv1\nmode: enforce\nmax_age: 1\n",
        b"version: STSv1\n\nmode: none\nmax_age: 1\n",
        b"x" * (MAX_POLICY + 1),
        b"version: STSv1\nmode: enforce\nmax_age: 1\n" + b"mx: a.test\n" * 1001,
    ],
)
def test_what_is_no_policy_is_refused(body: bytes) -> None:
    with pytest.raises(RecordError):
        parse_sts_policy(body)


@pytest.mark.parametrize(
    ("pattern", "host", "is_match"),
    [
        ("mail.example.com", "MAIL.example.com.", True),
        ("*.example.com", "mx1.example.com", True),
        ("*.example.com", "a.mx1.example.com", False),
        ("*.example.com", "example.com", False),
        ("example.com", "mx1.example.com", False),
        ("*.example.com", ".example.com", False),
    ],
)
def test_a_wildcard_stands_for_one_label(pattern: str, host: str, *, is_match: bool) -> None:
    assert matches_mx(pattern, host) is is_match


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"v=STSv1; id=1;" + tail))
def test_any_octets_are_a_record_or_refused(text: bytes) -> None:
    try:
        parse_sts_record(text)
    except RecordError:
        return


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: POLICY + tail))
def test_any_octets_are_a_policy_or_refused(body: bytes) -> None:
    try:
        policy = parse_sts_policy(body)
    except RecordError:
        return
    assert policy.max_age >= 0
