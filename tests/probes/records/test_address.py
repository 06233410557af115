"""Mailbox addresses: what RFC 5321 calls one, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.address import Address, domain_of, parse_address, parse_domain

GOOD = [
    ("probe@example.test", "probe", "example.test"),
    ("Probe@Example.TEST", "Probe", "example.test"),
    ("a.b+c@x", "a.b+c", "x"),
    ("!#$%&'*+-/=?^_`{|}~@example.test", "!#$%&'*+-/=?^_`{|}~", "example.test"),
    ('"a b"@example.test', '"a b"', "example.test"),
    ('"a@b"@example.test', '"a@b"', "example.test"),
    ('"a\\"b"@example.test', '"a\\"b"', "example.test"),
    ('""@example.test', '""', "example.test"),
    ("probe@[192.0.2.1]", "probe", "[192.0.2.1]"),
    ("probe@[IPv6:2001:DB8:0::1]", "probe", "[IPv6:2001:db8::1]"),
    ("probe@[ipv6:::1]", "probe", "[IPv6:::1]"),
    ("probe@bücher.test", "probe", "xn--bcher-kva.test"),
    ("probe@straße.test", "probe", "xn--strae-oqa.test"),
    ("probe@例え。テスト", "probe", "xn--r8jz45g.xn--zckzah"),
    ("用户@example.test", "用户", "example.test"),
    ("a" * 64 + "@example.test", "a" * 64, "example.test"),
]


@pytest.mark.parametrize(("text", "local_part", "domain"), GOOD)
def test_an_address_is_split_and_its_domain_made_canonical(
    text: str, local_part: str, domain: str
) -> None:
    address = parse_address(text)
    assert address == Address(local_part, domain)
    assert parse_address(str(address)) == address
    assert domain_of(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "probe",
        "postmaster",
        "@example.test",
        "probe@",
        "<probe@example.test>",
        " probe@example.test",
        "probe@example.test ",
        "probe @example.test",
        "Probe <probe@example.test>",
        "a..b@example.test",
        ".a@example.test",
        "a.@example.test",
        'a"b@example.test',
        '"a"b@example.test',
        '"a@example.test',
        "a@b@example.test",
        "probe@example.test.",
        "probe@.example.test",
        "probe@exa mple.test",
        "probe@-example.test",
        "probe@example-.test",
        "probe@exa_mple.test",
        "probe@" + "a" * 64 + ".test",
        "probe@" + "a." * 127 + "test",
        "probe@" + "ü" * 300 + ".test",
        "a" * 65 + "@example.test",
        "ü" * 33 + "@example.test",
        "probe@[192.0.2.1",
        "probe@[192.0.2]",
        "probe@[2001:db8::1]",
        "probe@[IPv6:192.0.2.1]",
        "probe@[IPv6:fe80::1%eth0]",
        "probe@[x-tag:content]",
        "probe@[",
        "probe@[]",
        "probe\r\nRCPT TO:<x@y>@example.test",
        "pro\x00be@example.test",
        "pro\u2028be@example.test",
        "pro\u00a0be@example.test",
        "probe@exa\u200bmple..test",
        "@a.test,@b.test:probe@example.test",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        parse_address(text)


def test_the_address_in_a_literal_can_be_had_alone() -> None:
    assert parse_address("a@[192.0.2.1]").literal == "192.0.2.1"
    assert parse_address("a@[IPv6:::1]").literal == "::1"
    assert parse_address("a@example.test").literal is None


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    assert parse_address("用户@example.test").needs_smtputf8
    assert not parse_address("probe@bücher.test").needs_smtputf8


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except RecordError:
        return
    assert address.domain.isascii()
    assert "\r" not in str(address)
    assert "\n" not in str(address)


_LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(st.from_regex(r"[a-z0-9!#$+-]{1,20}", fullmatch=True), st.lists(_LABELS, min_size=1))
def test_every_plain_address_is_taken_as_it_is(local_part: str, labels: list[str]) -> None:
    domain = ".".join(labels)[:200].strip(".-")
    domain = ".".join(label.strip("-") for label in domain.split("."))
    assert str(parse_address(f"{local_part}@{domain}")) == f"{local_part}@{domain}"


@given(st.text())
def test_any_text_is_a_domain_in_a_labels_or_refused(text: str) -> None:
    try:
        domain = parse_domain(text)
    except RecordError:
        return
    assert parse_domain(domain) == domain
    assert domain.isascii()
    assert len(domain) <= 255
