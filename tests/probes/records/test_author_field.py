"""Addresses of a From field, as readers see them and as somebody might forge them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.author_field import author_addresses


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("a@x.test", ("a@x.test",)),
        ("<a@x.test>", ("a@x.test",)),
        ("Ann <a@x.test>", ("a@x.test",)),
        ("Ann<a@x.test>", ("a@x.test",)),
        ('"Ann, of X" <a@x.test>, Bob <b@y.test>', ("a@x.test", "b@y.test")),
        ('"b@evil.test" <a@x.test>', ("a@x.test",)),
        ("b@evil.test <a@x.test>", ("a@x.test",)),
        ('"<b@evil.test>," <a@x.test>', ("a@x.test",)),
        ("=?utf-8?q?=3Cb=40evil.test=3E=2C?= <a@x.test>", ("a@x.test",)),
        ("(b@evil.test) a@x.test (Ann (of X))", ("a@x.test",)),
        ("Team: Ann <a@x.test>, b@y.test;", ("a@x.test", "b@y.test")),
        ("undisclosed:;", ()),
        ("<@relay.test,@other.test:a@x.test>", ("a@x.test",)),
        ("a @ x . test", ("a@x.test",)),
        ('"a b@c"@x.test', ('"a b@c"@x.test',)),
        ("a@[192.0.2.1]", ("a@[192.0.2.1]",)),
        ("a@[IPv6:2001:db8::1]", ("a@[IPv6:2001:db8::1]",)),
        ("a@x.test b@y.test", ()),
        ("Ann", ()),
        ("@x.test", ()),
        ("a@", ()),
        ("", ()),
        ("<a@x.test", ("a@x.test",)),
    ],
)
def test_an_address_is_read_as_written(value: str, addresses: tuple[str, ...]) -> None:
    assert author_addresses(value) == addresses


@given(st.text(st.sampled_from('a@x.,;:<>"\\()[] =?\t'), max_size=60))
def test_any_text_gives_addresses_without_raising(value: str) -> None:
    for address in author_addresses(value):
        assert "@" in address
