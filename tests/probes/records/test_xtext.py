"""Encoded addresses and envelope identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.xtext import (
    MAX_ORCPT,
    decode_utf8_address,
    decode_xtext,
    encode_xtext,
    original_recipient,
    undo_xtext,
)


def test_what_cannot_stand_in_a_parameter_is_encoded() -> None:
    assert encode_xtext("user+tag=1@reader.test") == "user+2Btag+3D1@reader.test"
    assert encode_xtext("a b") == "a+20b"
    assert encode_xtext("a+b=c \u00e9") == "a+2Bb+3Dc+20+C3+A9"


def test_a_token_needs_no_encoding() -> None:
    assert encode_xtext("mailcanary-a2b3") == "mailcanary-a2b3"


@given(st.text())
def test_what_was_encoded_is_decoded(text: str) -> None:
    encoded = encode_xtext(text)
    assert decode_xtext(encoded) == text
    assert all("!" <= c <= "~" and c != "=" for c in encoded)


@pytest.mark.parametrize("text", ["a b", "a=b", "a+2", "a+2b", "a+zz", "a+", "\u00e4", "a+FF"])
def test_what_is_no_xtext_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        decode_xtext(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("user+2Btag@reader.test", "user+tag@reader.test"),
        ("user+tag@reader.test", "user+tag@reader.test"),
        ("user+2026@reader.test", "user+2026@reader.test"),  # +20 would be a space
        ("user+4123@reader.test", "user+4123@reader.test"),  # +41 needed no encoding
        ("user+FF@reader.test", "user+FF@reader.test"),
        ("user+2B1+tag@reader.test", "user+2B1+tag@reader.test"),
        ("j+C3+BCrgen@reader.test", "j\u00fcrgen@reader.test"),
        ("", ""),
    ],
)
def test_an_address_in_a_report_is_decoded_only_where_it_must_be_encoded(
    text: str, plain: str
) -> None:
    assert undo_xtext(text) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"j\x{FC}rgen@r\x{e4}der.test", "j\u00fcrgen@r\u00e4der.test"),
        (r"\x{1F600}@reader.test", "\U0001f600@reader.test"),
        (r"\x{D800}\x{110000}\x{0A}", r"\x{D800}\x{110000}\x{0A}"),
        (r"\x{}\x{zz}", r"\x{}\x{zz}"),
    ],
)
def test_an_address_of_type_utf_8_says_code_points_in_ascii(text: str, plain: str) -> None:
    assert decode_utf8_address(text) == plain


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    undo_xtext(text)
    decode_utf8_address(text)


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("user@reader.test", "rfc822;user@reader.test"),
        ("user+tag=1@reader.test", "rfc822;user+2Btag+3D1@reader.test"),
        ("j\u00fcrgen+a@reader.test", r"utf-8;j\x{FC}rgen\x{2B}a@reader.test"),
        ("\U0001f600\\=@reader.test", r"utf-8;\x{1F600}\x{5C}\x{3D}@reader.test"),
        ("x" * MAX_ORCPT + "@reader.test", None),
    ],
)
def test_a_recipient_is_named_with_its_type(address: str, value: str | None) -> None:
    assert original_recipient(address) == value


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), max_size=30))
def test_a_recipient_that_was_named_is_read_back(text: str) -> None:
    address = f"{text}@reader.test"
    value = original_recipient(address)
    if value is None:
        return
    assert all("!" <= c <= "~" and c != "=" for c in value)
    kind, _, named = value.partition(";")
    if kind == "rfc822":
        assert decode_xtext(named) == address
    elif address.isprintable():
        assert decode_utf8_address(named) == address
