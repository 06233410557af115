"""Words, comments and semicolons of structured header fields, RFC 5322 §3.2, valid or not."""

import re
from dataclasses import dataclass
from enum import StrEnum

from probes.records.mime_parts import decode_words

MAX_HEADER_VALUE = 64 * 1024
"""Characters of one field value that are read; the rest is ignored."""

_OUTSIDE = re.compile(
    r'\s+|"(?:[^"\\]|\\.){0,998}"|<[^<>()\s"]{1,998}>|[^\s()";\\<]+|\\.|.', re.DOTALL
)
_IN_COMMENT = re.compile(r"[^()\\]+|\\.|.", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


class Kind(StrEnum):
    """The kind of one item of a structured field."""

    WORD = "word"
    COMMENT = "comment"
    SEMICOLON = "semicolon"


@dataclass(frozen=True, slots=True)
class Item:
    """One word as written (quotes included), one whole comment without its brackets, or one `;`.

    `start` and `end` are offsets into the text that was read.
    """

    text: str
    kind: Kind
    start: int
    end: int


_Span = tuple[Kind, int, int]
"""Kind, start and end of a future item."""


def header_text(value: str) -> str:
    """The part of a field value that is read, encoded words (RFC 2047 §2) still encoded.

    A stranger chooses what an encoded word holds: a semicolon, a keyword, a whole result. So the
    items are told apart first, and decoded_text() decodes what is shown of them.
    """
    return value[:MAX_HEADER_VALUE]


def decoded_text(text: str) -> str:
    """A comment or a reason for people: encoded words decoded, on one line."""
    return one_line(decode_words(text))[:MAX_HEADER_VALUE] if "=?" in text else text


def header_items(text: str) -> tuple[Item, ...]:
    """The words, comments and semicolons in order; an unclosed `(` is part of a word."""
    spans, unclosed = _scan(text, frozenset())
    if unclosed:
        spans, _ = _scan(text, unclosed)
    return tuple(_item(text, kind, start, end) for kind, start, end in spans)


def masked_comments(text: str, items: tuple[Item, ...]) -> str:
    """The text with its comments replaced by spaces: same length, same offsets."""
    pieces: list[str] = []
    position = 0
    for item in items:
        if item.kind is Kind.COMMENT:
            pieces += (text[position : item.start], " " * (item.end - item.start))
            position = item.end
    return "".join(pieces) + text[position:]


def unquoted(word: str) -> str:
    """A word without the quotes around it and the backslashes in them, RFC 5322 §3.2.4."""
    if len(word) > 1 and word[0] == word[-1] == '"':
        return _QUOTED_PAIR.sub(r"\1", word[1:-1])
    return word


def one_line(text: str) -> str:
    """The text with every run of white space, folds included, as one space."""
    return " ".join(text.split())


def _item(text: str, kind: Kind, start: int, end: int) -> Item:
    if kind is Kind.COMMENT:
        inner = text[start + 1 : end].removesuffix(")")
        return Item(one_line(inner), kind, start, end)
    return Item(text[start:end], kind, start, end)


def _scan(text: str, literal: frozenset[int]) -> tuple[list[_Span], frozenset[int]]:
    """The spans of items, and the offsets of the parentheses that were never closed.

    Parentheses in `literal` open nothing. A comment still open at the end of this second scan ends
    with the text.
    """
    spans: list[_Span] = []
    opened: list[int] = []
    position = 0
    while (match := (_IN_COMMENT if opened else _OUTSIDE).match(text, position)) is not None:
        start, position = position, match.end()
        sign = match[0]
        if sign == "(" and start not in literal:
            opened.append(start)
        elif sign == ")" and opened:
            begin = opened.pop()
            if not opened:
                spans.append((Kind.COMMENT, begin, position))
        elif not opened and not sign.isspace():
            _add(spans, sign, start, position)
    if opened and literal:
        spans.append((Kind.COMMENT, opened[0], len(text)))
    return spans, frozenset(opened)


def _add(spans: list[_Span], sign: str, start: int, end: int) -> None:
    """Add a character outside of comments; a word that it touches is extended."""
    if sign == ";":
        spans.append((Kind.SEMICOLON, start, end))
    elif spans and spans[-1][0] is Kind.WORD and spans[-1][2] == start:
        spans[-1] = (Kind.WORD, spans[-1][1], end)
    else:
        spans.append((Kind.WORD, start, end))
