"""IMAP data, RFC 3501 §4: atoms, numbers, strings, NIL and lists of them."""

import re
from collections.abc import Sequence

from probes.records import RecordError

MAX_DEPTH = 32
"""Nesting of parentheses."""

Value = str | bytes | None | tuple["Value", ...]
"""An atom or number as str, a quoted string or literal as bytes, NIL as None, a list as tuple."""

_TOKEN = re.compile(
    rb" *+(?:"
    rb"(?P<open>\()|(?P<close>\))"
    rb'|"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+)*+)"'
    # a section may have spaces and lists within; elsewhere `[` is a character of an atom
    rb'|(?P<atom>(?i:BODY|BINARY)(?i:\.PEEK|\.SIZE)?\[[^\]\x00-\x1f]*+\][^\x00-\x20()"]*+'
    rb'|[^\x00-\x20()"]++)'
    rb")",
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def read_values(raw: Sequence[bytes]) -> tuple[Value, ...]:
    """Read the atoms, strings and lists of a text with literals. Raises RecordError."""
    stack: list[list[Value]] = [[]]
    for index, piece in enumerate(raw):
        if index % 2:
            stack[-1].append(piece)
        else:
            _read_text(piece, stack)
    if len(stack) > 1:
        raise RecordError("an IMAP list without its end")
    return tuple(stack[0])


def _read_text(text: bytes, stack: list[list[Value]]) -> None:
    position, end = 0, len(text.rstrip(b" "))
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise RecordError(f"not IMAP data: {text[position : position + 80]!r}")
        position = match.end()
        kind = match.lastgroup
        if kind == "atom":
            atom = match["atom"].decode("latin-1")
            stack[-1].append(None if atom.upper() == "NIL" else atom)
        elif kind == "quoted":
            stack[-1].append(_unquoted(match["quoted"]))
        elif kind == "open":
            stack.append([])
        else:
            _close(stack)
        if len(stack) > MAX_DEPTH:
            raise RecordError(f"IMAP lists more than {MAX_DEPTH} deep")


def _close(stack: list[list[Value]]) -> None:
    if len(stack) == 1:
        raise RecordError("the end of an IMAP list that never began")
    values = tuple(stack.pop())
    stack[-1].append(values)


def _unquoted(text: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", text) if b"\\" in text else text
