"""A message as its octets: header fields in order with nothing decoded, and the body.

Signatures (RFC 6376) and the comparison with the sent message need the octets as folded and
encoded; `mime_parts` decodes them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_MESSAGE = 16 * 1024 * 1024
"""Octets of a message that are read; the rest is ignored."""

MAX_HEADER = 1024 * 1024
"""Octets of a header that are read."""

MAX_FIELDS = 2000

_PIECE = 1024 * 1024
"""Octets that are worked on without a pause: other threads wait for so long."""

_NAME = re.compile(rb"([!-9;-~]{1,998})[ \t]*:")


@dataclass(frozen=True, slots=True)
class RawField:
    """One header field: `raw` is the whole of it without its last line end, lines end in CRLF.

    `name` is in lower case, empty for a line that is no field.
    """

    name: str
    raw: bytes

    @property
    def raw_value(self) -> bytes:
        """The octets after the colon; the whole field if it has no name."""
        return self.raw.partition(b":")[2] if self.name else self.raw

    @property
    def value(self) -> str:
        """The value unfolded (RFC 5322 §2.2.3), undecoded; invalid UTF-8 octets are marked."""
        unfolded = self.raw_value.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
        return unfolded.decode("utf-8", "replace").strip()


@dataclass(frozen=True, slots=True)
class RawMessage:
    """Fields from the top down, and the body with CRLF line ends.

    `is_cut` is True if the message or its header exceeded its limit.
    """

    fields: tuple[RawField, ...]
    body: bytes
    is_cut: bool = False

    def all(self, name: str) -> tuple[RawField, ...]:
        """Every field of that name (lower case), from the top down."""
        return tuple(field for field in self.fields if field.name == name)

    def first(self, name: str) -> str:
        """The value of the topmost field of that name, "" without one."""
        return next((field.value for field in self.fields if field.name == name), "")


def read_message(message: bytes) -> RawMessage:
    """Split a message at its first empty line; any octets give a RawMessage.

    A bare LF counts as a line end, because copies stored in files have it. An mbox `From ` line
    before the header is dropped.
    """
    data = _with_crlf(message[:MAX_MESSAGE])
    is_cut = len(message) > MAX_MESSAGE
    if data.startswith((b"From ", b">From ")):
        data = data.partition(b"\r\n")[2]
    if data.startswith(b"\r\n"):
        return RawMessage((), data[2:], is_cut)
    end = data.find(b"\r\n\r\n")
    header, body = (data, b"") if end < 0 else (data[:end], data[end + 4 :])
    fields = _fields(header[:MAX_HEADER].split(b"\r\n"))
    is_cut = is_cut or len(header) > MAX_HEADER or len(fields) > MAX_FIELDS
    return RawMessage(tuple(fields[:MAX_FIELDS]), body, is_cut)


def _with_crlf(data: bytes) -> bytes:
    """The octets with every line end as CRLF; a piece never ends between CR and LF."""
    pieces, start = [], 0
    while start < len(data):
        end = start + _PIECE
        end += data[end - 1 : end + 1] == b"\r\n"
        pieces.append(data[start:end].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        start = end
    return b"".join(pieces)


def _fields(lines: Iterable[bytes]) -> list[RawField]:
    gathered: list[list[bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and gathered:
            gathered[-1].append(line)
        elif line and len(gathered) <= MAX_FIELDS:
            gathered.append([line])
    return [_field(b"\r\n".join(pieces)) for pieces in gathered]


def _field(raw: bytes) -> RawField:
    match = _NAME.match(raw)
    return RawField("" if match is None else match[1].decode("ascii").lower(), raw)
