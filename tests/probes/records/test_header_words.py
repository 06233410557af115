"""Words, comments and semicolons of structured fields, well formed or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.header_words import (
    Kind,
    decoded_text,
    header_items,
    header_text,
    masked_comments,
    unquoted,
)


def _read(text: str) -> list[tuple[str, str]]:
    return [(item.kind.value, item.text) for item in header_items(text)]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a b", [("word", "a"), ("word", "b")]),
        ("a;b", [("word", "a"), ("semicolon", ";"), ("word", "b")]),
        ("a(b)c", [("word", "a"), ("comment", "b"), ("word", "c")]),
        ("(a (b;c) d)", [("comment", "a (b;c) d")]),
        (r"(a \) b)", [("comment", r"a \) b")]),
        ('"a;b(c"@d', [("word", '"a;b(c"@d')]),
        ("<a;b@c>", [("word", "<a;b@c>")]),
        ('(say ") b', [("comment", 'say "'), ("word", "b")]),
        ("(a b; c", [("word", "(a"), ("word", "b"), ("semicolon", ";"), ("word", "c")]),
        ("a) b", [("word", "a)"), ("word", "b")]),
        ('"a b', [("word", '"a'), ("word", "b")]),
        ("(a\r\n\t b)", [("comment", "a b")]),
        ("\\", [("word", "\\")]),
    ],
)
def test_items_are_told_apart(text: str, items: list[tuple[str, str]]) -> None:
    assert _read(text) == items


def test_encoded_words_are_decoded_for_people_and_never_before_the_items_are_told_apart() -> None:
    field = "a =?utf-8?q?=C3=BC_x?= b"
    assert header_text(field) == field
    assert decoded_text(field) == "a ü x b"
    assert decoded_text("=?utf-8?q?a=0D=0Ab?=") == "a b"


def test_masking_keeps_every_offset() -> None:
    text = "a (b) c ((d)) e"
    assert masked_comments(text, header_items(text)) == "a     c       e"


@pytest.mark.parametrize(
    ("word", "plain"), [('"a b"', "a b"), (r'"a\"b"', 'a"b'), ("a", "a"), ('"', '"'), ('""', "")]
)
def test_quotes_go_and_what_they_hold_stays(word: str, plain: str) -> None:
    assert unquoted(word) == plain


@given(st.text(st.sampled_from('ab ;()"\\<>\n')) | st.text())
def test_no_sign_is_lost_and_items_stand_in_order(text: str) -> None:
    items = header_items(text)
    ends = [0] + [item.end for item in items]
    assert all(not text[end : item.start].strip() for end, item in zip(ends, items, strict=False))
    assert not text[ends[-1] :].strip()
    assert all(
        item.text == text[item.start : item.end] for item in items if item.kind is not Kind.COMMENT
    )
