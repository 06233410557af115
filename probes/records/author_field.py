"""The addresses in a From field, RFC 5322 §3.6.2, with the groups of RFC 6854 and obsolete forms.

Nothing is decoded: an encoded word (RFC 2047 §5) is never part of an address, whatever stands in
it. Linear in the length of the field.
"""

import re
from collections.abc import Iterator

from probes.records.header_words import header_items, masked_comments

MAX_AUTHOR_FIELD = 8192
"""Characters of the field that are read; what follows them is ignored."""

_PIECE = re.compile(r'"(?:[^"\\]|\\.){0,998}"|\[[^\[\]]{0,998}\]|[<>,;:]|[^\s"<>,;:\[]+|\s+|.')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.){0,998}"')
_SPACED = re.compile(r" ?([@.]) ?")


def author_addresses(value: str) -> tuple[str, ...]:
    """Return every address as written, without its name, comments, brackets and route."""
    text = value[:MAX_AUTHOR_FIELD]
    text = masked_comments(text, header_items(text))
    return tuple(filter(None, map(_address, _mailboxes(text))))


def _mailboxes(text: str) -> Iterator[str]:
    """The text of each mailbox: what is in its angle brackets, else all of it."""
    outside, inside = "", ""
    is_inside = False
    for piece in _PIECE.findall(text):
        if piece == "<" and not is_inside:
            is_inside, inside = True, ""
        elif piece == ">":
            is_inside = False
        elif is_inside:
            inside = "" if piece == ":" else inside + piece  # RFC 5322 §4.4: a route ends with it
        elif piece in (",", ";"):
            yield inside or outside
            outside, inside = "", ""
        else:
            outside = "" if piece == ":" else outside + piece  # RFC 6854 §2: the name of a group
    yield inside or outside


def _address(text: str) -> str | None:
    """The one word with an `@`; None where there are several words or none."""
    words = _SPACED.sub(r"\1", " ".join(text.split()))  # RFC 5322 §4.4: blanks around dots
    local, _, domain = words.rpartition("@")
    is_one_word = bool(local and domain) and " " not in _QUOTED.sub("", words)
    return words if is_one_word else None
