"""The input of a DKIM signature: the canonical forms of RFC 6376 §3.4.

Every step is linear in the message's length, for any white space in a hostile message.
"""

import re
from collections.abc import Sequence

from probes.records.raw_message import RawField

# The value of b= counts as empty, its folds included, RFC 6376 §3.5.
_TAG_START = re.compile(rb"[ \t\r\n]*b[ \t\r\n]*=")


def canonical_body(body: bytes, algorithm: str) -> bytes:
    """The body in the form `simple` (RFC 6376 §3.4.3) or `relaxed` (§3.4.4)."""
    lines = body.split(b"\r\n")
    if algorithm == "relaxed":
        lines = [_squeezed(line).rstrip(b" ") for line in lines]
    last = len(lines)
    while last and not lines[last - 1]:
        last -= 1
    if not last:
        return b"" if algorithm == "relaxed" else b"\r\n"
    return b"\r\n".join(lines[:last]) + b"\r\n"


def canonical_field(field: RawField, algorithm: str) -> bytes:
    """One header field in the form `simple` (RFC 6376 §3.4.1) or `relaxed` (§3.4.2)."""
    if algorithm == "simple":
        return field.raw
    value = _squeezed(field.raw_value.replace(b"\r\n", b"")).strip(b" ")
    return field.name.encode("ascii") + b":" + value


def signed_fields(
    fields: Sequence[RawField], signature: RawField, names: Sequence[str], algorithm: str
) -> bytes:
    """The signed header octets: the fields that the signature names, then itself without its value.

    RFC 6376 §5.4.2: of fields with the same name the last is taken first. A name without a
    remaining field adds nothing.
    """
    left: dict[str, list[RawField]] = {}
    for field in fields:
        if field is not signature:
            left.setdefault(field.name, []).append(field)
    chosen = [left[name].pop() for name in names if left.get(name)]
    own = canonical_field(RawField(signature.name, _without_value(signature.raw)), algorithm)
    return b"".join(canonical_field(field, algorithm) + b"\r\n" for field in chosen) + own


def _squeezed(line: bytes) -> bytes:
    """The line with every run of spaces and tabs as one space."""
    if b"\t" not in line and b"  " not in line:
        return line
    pieces = line.replace(b"\t", b" ").split(b" ")
    inner = b" ".join(piece for piece in pieces if piece)
    return (b" " if not pieces[0] else b"") + inner + (b" " if inner and not pieces[-1] else b"")


def _without_value(raw: bytes) -> bytes:
    """The signature field with an empty b=, otherwise unchanged."""
    name, colon, value = raw.partition(b":")
    tags = value.split(b";")
    for index, tag in enumerate(tags):
        start = _TAG_START.match(tag)
        if start is not None:
            tags[index] = start[0]
            break
    return name + colon + b";".join(tags)
