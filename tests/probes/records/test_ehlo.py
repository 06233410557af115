"""The answer to EHLO."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.ehlo import parse_ehlo, parse_helo
from probes.records.reply import Reply


def offer(*lines: str) -> Reply:
    """A positive answer of those lines."""
    return Reply(250, ("mx.example.test greets you", *lines))


def test_names_and_extensions_are_read() -> None:
    ehlo = parse_ehlo(offer("SIZE 35882577", "8bitmime", "STARTTLS", "AUTH PLAIN login"))
    assert ehlo.name == "mx.example.test"
    assert ehlo.is_esmtp
    assert set(ehlo.extensions) == {"SIZE", "8BITMIME", "STARTTLS", "AUTH"}
    assert ehlo.size_limit == 35882577
    assert ehlo.auth_mechanisms == ("PLAIN", "LOGIN")
    assert ehlo.offers("starttls")
    assert not ehlo.offers("DSN")


def test_the_old_form_of_auth_is_understood_beside_the_new() -> None:
    ehlo = parse_ehlo(offer("AUTH=LOGIN PLAIN", "AUTH PLAIN CRAM-MD5"))
    assert ehlo.auth_mechanisms == ("LOGIN", "PLAIN", "CRAM-MD5")


@pytest.mark.parametrize(
    ("line", "limit"),
    [("SIZE", None), ("SIZE 0", None), ("SIZE 10", 10), ("SIZE x", None), ("SIZE -1", None)],
)
def test_a_size_is_a_number_or_none(line: str, limit: int | None) -> None:
    assert parse_ehlo(offer(line)).size_limit == limit


def test_a_size_of_absurd_length_is_none() -> None:
    assert parse_ehlo(offer("SIZE " + "9" * 5000)).size_limit is None


def test_no_offer_is_an_offer_of_nothing() -> None:
    ehlo = parse_ehlo(Reply(250, ("",)))
    assert (ehlo.name, dict(ehlo.extensions), ehlo.auth_mechanisms) == ("", {}, ())
    assert ehlo.size_limit is None


def test_helo_offers_nothing() -> None:
    ehlo = parse_helo(offer("SIZE 10"))
    assert (ehlo.name, ehlo.is_esmtp, ehlo.offers("SIZE")) == ("mx.example.test", False, False)


@given(st.lists(st.text(max_size=40), max_size=10))
def test_any_lines_give_an_offer(lines: list[str]) -> None:
    ehlo = parse_ehlo(Reply(250, tuple(lines)))
    assert all(keyword == keyword.upper() and keyword for keyword in ehlo.extensions)
    assert ehlo.size_limit is None or ehlo.size_limit > 0
