"""Received header fields, RFC 5321 §4.4, in the forms that relays write.

Few relays keep to the standard's grammar. This module reads the common elements: clauses that begin
with a keyword, comments beside them, and a date at the end. Words outside of any clause are in
`unparsed`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from probes.records.header_date import HeaderDate, find_date, with_zone_of
from probes.records.header_words import (
    Item,
    Kind,
    decoded_text,
    header_items,
    header_text,
    masked_comments,
    one_line,
)
from probes.records.received_peer import host_address, read_peer, tls_cipher, tls_version

_CLAUSES = ("from", "by", "via", "with", "id", "for", "tls")
_SPOKEN = ("from", "via", "with")
"""Clauses with values of several words: `mail pickup service`, `Microsoft SMTP Server`."""

_SEMICOLONS_TRIED = 8

# RFC 3848, RFC 4954 §7, RFC 6531 §4.3 and the others of IANA's list of mail transmission types
_WITH_TYPE = re.compile(r"E?SMTP|(?:ESMTP|LMTP|UTF8SMTP|UTF8LMTP)S?A?|MMS", re.IGNORECASE)
_INVOKED = re.compile(
    r"(?:\bfrom (userid \d{1,20})|\binvoked (?:by|from|for) ((?:uid )?[\w-]{1,64})"
    r"|\Afrom ([^\s]{1,320}))\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Received:
    """One hop as its relay described it; None for a value that is missing or unreadable.

    `from_name` is the peer's EHLO name, `from_reverse` the name the relay found for its address.
    `from_address` and `by_address` are IP addresses in canonical form. `protocol` is the value of
    `with`, `with_type` the registered type in it (RFC 3848: ESMTPS and the like). `tls_version` has
    the spelling of Python's ssl (`TLSv1.3`), or is `TLS` if the version is not given. `id_` and
    `for_` are one word each, `for_` without angle brackets. `invoked_by` names a local submitter:
    `userid 1000` (Postfix), `uid 89`, `alias`, `network` (qmail), an address (Sendmail).

    `date` is aware and keeps the zone that was written. If `has_zone` is False no zone is known,
    and the local time counts as UTC. `date_text` is the whole text in the place of the date.
    `comments` are the comments in order, without their outer brackets; `unparsed` are the words
    that belong to no clause, in order.
    """

    raw: str
    from_name: str | None = None
    from_reverse: str | None = None
    from_address: str | None = None
    by: str | None = None
    by_address: str | None = None
    via: str | None = None
    protocol: str | None = None
    with_type: str | None = None
    tls_version: str | None = None
    tls_cipher: str | None = None
    id_: str | None = None
    for_: str | None = None
    invoked_by: str | None = None
    date: datetime | None = None
    has_zone: bool = False
    date_text: str = ""
    comments: tuple[str, ...] = ()
    unparsed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Clauses:
    """The items of the first clause of each name, and the words outside of clauses."""

    items: dict[str, list[Item]] = field(default_factory=dict)
    stray: list[str] = field(default_factory=list)

    def words(self, name: str) -> list[str]:
        return [item.text for item in self.items.get(name, ()) if item.kind is Kind.WORD]

    def comments(self, name: str) -> list[str]:
        return [item.text for item in self.items.get(name, ()) if item.kind is Kind.COMMENT]


def parse_received(value: str) -> Received:
    """Read one field value, folded or not; any text gives a Received.

    Gmail's X-Received has the same form. Only the first 64 KiB of a text are read.
    """
    text = header_text(value)
    items = header_items(text)
    found, end = _date(text, items)
    told = tuple(item for item in items if item.end <= end)
    clauses = _clauses(told)
    comments = tuple(item.text for item in told if item.kind is Kind.COMMENT)
    peer = read_peer(clauses.items.get("from", ()))
    by = _first_word(clauses, "by")
    protocol = " ".join(clauses.words("with")) or None
    about_tls = (*comments, " ".join(clauses.stray), *_tls_clause(clauses))
    return Received(
        raw=value,
        from_name=peer.name,
        from_reverse=peer.reverse,
        from_address=peer.address,
        by=by,
        by_address=host_address(by, clauses.comments("by")),
        via=" ".join(clauses.words("via")) or None,
        protocol=protocol,
        with_type=_with_type(clauses.words("with")),
        tls_version=tls_version(about_tls),
        tls_cipher=tls_cipher(about_tls),
        id_=_first_word(clauses, "id") or _late_id(items, end),
        for_=_recipient(clauses),
        invoked_by=_invoker(comments),
        date=None if found is None else found.at,
        has_zone=found is not None and found.has_zone,
        date_text=one_line(text[end:]).removeprefix(";").strip(),
        comments=tuple(map(decoded_text, comments)),
        unparsed=(*peer.unparsed, *clauses.stray),
    )


def _date(text: str, items: tuple[Item, ...]) -> tuple[HeaderDate | None, int]:
    """The date, and the end of the clauses.

    The date comes after the last semicolon that precedes one. Some relays leave the semicolon out:
    the date is then searched for in the whole text.
    """
    masked = masked_comments(text, items)
    semicolons = [item for item in items if item.kind is Kind.SEMICOLON]
    for semicolon in reversed(semicolons[-_SEMICOLONS_TRIED:]):
        found = find_date(masked[semicolon.end :])
        if found is not None:
            return with_zone_of(found, _comments_after(items, semicolon.end)), semicolon.start
    found = find_date(masked)
    if found is not None:
        return with_zone_of(found, _comments_after(items, found.start)), found.start
    return None, semicolons[-1].start if semicolons else len(text)


def _comments_after(items: tuple[Item, ...], position: int) -> list[str]:
    return [item.text for item in items if item.kind is Kind.COMMENT and item.start >= position]


def _clauses(items: Sequence[Item]) -> _Clauses:
    """Sort the items by clause; of a repeated clause the first counts, the rest is unparsed."""
    clauses = _Clauses()
    current: list[Item] | None = None
    name = ""
    has_word = False
    for index, item in enumerate(items):
        keyword = item.text.lower()
        if item.kind is Kind.SEMICOLON:
            current = None
        elif item.kind is Kind.COMMENT:
            if current is not None:
                current.append(item)
        elif keyword in _CLAUSES and not _is_name(items, index):
            name = keyword
            current = None if name in clauses.items else clauses.items.setdefault(name, [])
            has_word = False
            if current is None:
                clauses.stray.append(item.text)
        elif current is None or (name not in _SPOKEN and has_word):
            clauses.stray.append(item.text)
        else:
            current.append(item)
            has_word = True
    return clauses


def _is_name(items: Sequence[Item], index: int) -> bool:
    """True for a keyword that is the peer's own name: after `from`, with its own clause later."""
    if index != 1 or items[0].text.lower() != "from" or items[0].kind is not Kind.WORD:
        return False
    later = {item.text.lower() for item in items[2:] if item.kind is Kind.WORD}
    return items[1].text.lower() != "by" or "by" in later


def _first_word(clauses: _Clauses, name: str) -> str | None:
    return next(iter(clauses.words(name)), None)


def _late_id(items: Sequence[Item], end: int) -> str | None:
    """The id behind the date, as Courier writes it; None without one."""
    words = [item.text for item in items if item.kind is Kind.WORD and item.start >= end]
    return next((word for key, word in pairwise(words) if key.lower() == "id"), None)


def _recipient(clauses: _Clauses) -> str | None:
    """The recipient, RFC 5321 §4.4: a path or a mailbox."""
    word = _first_word(clauses, "for")
    return None if word is None else word.rstrip(",").removeprefix("<").removesuffix(">") or None


def _with_type(words: list[str]) -> str | None:
    return next((word.upper() for word in words if _WITH_TYPE.fullmatch(word)), None)


def _tls_clause(clauses: _Clauses) -> tuple[str, ...]:
    """The words of the cipher suite clause, RFC 8314 §4.3."""
    suite = _first_word(clauses, "tls")
    return () if suite is None else (f"cipher={suite}",)


def _invoker(comments: Sequence[str]) -> str | None:
    matches = (_INVOKED.search(comment) for comment in comments)
    return next((m[1] or m[2] or m[3] for m in matches if m is not None), None)
