"""Received-SPF header fields, RFC 7208 §9.1, and the shorter forms of some receivers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from probes.records.header_words import (
    Item,
    Kind,
    decoded_text,
    header_items,
    header_text,
    unquoted,
)
from probes.records.received_peer import canonical_address

MAX_PROPERTIES = 100
"""Properties of one field that are read; the others are in `unparsed`."""

_PROPERTY = re.compile(r"([A-Za-z][\w.-]{0,63})=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ReceivedSpf:
    """The SPF result of one receiver.

    `result` is its first word in lower case (`pass`, `softfail`, also the `error` and `unknown` of
    older drafts). It is None if the field has no such word.

    `properties` are the key-value pairs in order, keys in lower case, values without quotes;
    `client_ip` is in canonical form. `comments` are the comments, `unparsed` the words left over.
    """

    raw: str
    result: str | None = None
    client_ip: str | None = None
    envelope_from: str | None = None
    helo: str | None = None
    identity: str | None = None
    receiver: str | None = None
    mechanism: str | None = None
    problem: str | None = None
    properties: tuple[tuple[str, str], ...] = ()
    comments: tuple[str, ...] = ()
    unparsed: tuple[str, ...] = ()


def parse_received_spf(value: str) -> ReceivedSpf:
    """Read the first 64 KiB of a field value, folded or not; any text gives a value."""
    items = header_items(header_text(value))
    words = [item.text for item in items if item.kind is Kind.WORD]
    has_result = bool(words) and "=" not in words[0]
    pairs, unparsed = _pairs(words[1:] if has_result else words)
    first: dict[str, str] = {}
    for name, text in pairs:
        first.setdefault(name, text)
    client, problem = first.get("client-ip"), first.get("problem")
    return ReceivedSpf(
        raw=value,
        result=words[0].rstrip(":,").lower() if has_result else None,
        client_ip=None if client is None else canonical_address(client) or client,
        envelope_from=first.get("envelope-from"),
        helo=first.get("helo"),
        identity=first.get("identity"),
        receiver=first.get("receiver"),
        mechanism=first.get("mechanism"),
        problem=None if problem is None else decoded_text(problem),
        properties=pairs,
        comments=_comments(items),
        unparsed=unparsed,
    )


def _pairs(words: Iterable[str]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The key-value pairs, with or without semicolons between them, and the other words."""
    pairs: list[tuple[str, str]] = []
    rest: list[str] = []
    for word in words:
        match = _PROPERTY.fullmatch(word)
        if match is None or len(pairs) == MAX_PROPERTIES:
            rest.append(word)
        else:
            pairs.append((match[1].lower(), unquoted(match[2].rstrip(","))))
    return tuple(pairs), tuple(rest)


def _comments(items: Iterable[Item]) -> tuple[str, ...]:
    return tuple(decoded_text(item.text) for item in items if item.kind is Kind.COMMENT)
