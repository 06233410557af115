"""Received header fields, RFC 5321 §4.4, as relays really write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

_MAX_CHARACTERS = 8192
_CLAUSES = ("from", "by", "via", "with", "id", "for")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.){0,320}"|[^\s();"]+|[();"]', re.DOTALL)
_ADDRESS_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9a-f:.]{2,45})(?:%[^\]]{0,32})?\]", re.IGNORECASE)
_BARE_ADDRESS = re.compile(r"(?<![\w.:])([0-9a-fA-F:.]{2,45})(?![\w.:])")


@dataclass(frozen=True, slots=True)
class Received:
    """One hop as the relay that wrote the field described it; None where it said nothing readable.

    `from_name` is what the peer called itself, `from_address` the IP address the relay saw (text in
    canonical form), `protocol` the word after `with` (ESMTPS and the like), `date` aware (`-0000`
    read as UTC). `comments` are the parenthesised remarks in order, without their outer brackets.
    """

    raw: str
    from_name: str | None = None
    from_address: str | None = None
    by: str | None = None
    via: str | None = None
    protocol: str | None = None
    id_: str | None = None
    for_: str | None = None
    date: datetime | None = None
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    """A word outside of comments, or one whole comment."""

    text: str
    is_comment: bool
    end: int


def parse_received(value: str) -> Received:
    """Read one field value, folded or not; any text gives a Received.

    Of a text longer than 8192 characters only the beginning is read.
    """
    text = value[:_MAX_CHARACTERS]
    items = list(_items(text))
    semicolons = (item.end for item in items if item.text == ";" and not item.is_comment)
    date_at = next(semicolons, len(text) + 1)
    clauses = [item for item in items if item.end < date_at]
    words = _words_by_clause(clauses)
    return Received(
        raw=value,
        from_name=words.get("from"),
        from_address=_peer_address(clauses),
        by=words.get("by"),
        via=words.get("via"),
        protocol=words.get("with"),
        id_=words.get("id"),
        for_=_without_brackets(words.get("for")),
        date=_date(text[date_at:]),
        comments=tuple(item.text for item in clauses if item.is_comment),
    )


def _items(text: str) -> Iterator[_Item]:
    """Words, `;` and comments in order; an unclosed comment ends with the text."""
    depth = 0
    opened = 0
    for token in _TOKEN.finditer(text):
        if token[0] == "(":
            opened = opened if depth else token.end()
            depth += 1
        elif token[0] == ")" and depth:
            depth -= 1
            if depth == 0:
                yield _Item(_one_line(text[opened : token.start()]), True, token.end())
        elif depth == 0:
            yield _Item(token[0], False, token.end())
    if depth:
        yield _Item(_one_line(text[opened:]), True, len(text))


def _words_by_clause(items: list[_Item]) -> dict[str, str]:
    """The first word after each clause's name; the first clause of a name counts."""
    words: dict[str, str] = {}
    clause: str | None = None
    for item in items:
        if item.is_comment:
            continue
        if clause is None:
            clause = item.text.lower() if item.text.lower() in _CLAUSES else None
        else:
            words.setdefault(clause, item.text)
            clause = None
    return words


def _peer_address(items: list[_Item]) -> str | None:
    """The IP address in the from clause: a literal first, then a bare address in a comment."""
    clause = _from_clause(items)
    for pattern, texts in (
        (_ADDRESS_LITERAL, [item.text for item in clause]),
        (_BARE_ADDRESS, [item.text for item in clause if item.is_comment]),
    ):
        for text in reversed(texts):
            for match in pattern.finditer(text):
                address = _canonical(match[1])
                if address is not None:
                    return address
    return None


def _from_clause(items: list[_Item]) -> list[_Item]:
    """What stands between `from` and `by`; nothing when the field does not begin with `from`."""
    if not items or items[0].is_comment or items[0].text.lower() != "from":
        return []
    # the word after `from` is a name, even if it is "by"
    rest = items[2:]
    end = next(
        (i for i, item in enumerate(rest) if not item.is_comment and item.text.lower() == "by"),
        len(rest),
    )
    return items[1:2] + rest[:end]


def _canonical(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _without_brackets(word: str | None) -> str | None:
    if word is None:
        return None
    return word.removeprefix("<").removesuffix(">")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _date(text: str) -> datetime | None:
    """RFC 5322 §3.3 date-time; anything the standard library can make sense of."""
    try:
        date = parsedate_to_datetime(_one_line(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
