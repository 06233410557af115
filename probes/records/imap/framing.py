"""Framing of IMAP responses: lines and literals, RFC 3501 §4.3 and §7, from bytes as they come.

A `Raw` response has texts and literals in turn: the text of the first line, then for every literal
its octets and the text that follows it. The literal's `{n}` is not part of the text, so a response
without literals is a tuple of one.
"""

import re

from probes.records import RecordError

Raw = tuple[bytes, ...]

MAX_LINE = 64 * 1024
"""Octets of one line, literals aside."""

MAX_SEARCH_LINE = 4 * 1024 * 1024
"""Octets of a SEARCH or ESEARCH line, which has no literals: 300,000 long UIDs."""

MAX_LITERAL = 16 * 1024 * 1024
"""The largest literal that can be requested."""

MAX_LITERALS = 256
"""Literals in one response."""

SMALL_LITERAL = 64 * 1024
"""The largest literal without such a request: a mailbox name, an ID value."""

_LITERAL = re.compile(rb"~?\{([0-9]{1,10})\+?\}\Z")
_PROSE = re.compile(rb"\+|[^ ]++ (?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z)", re.IGNORECASE)
_SEARCH = re.compile(rb"\* E?SEARCH(?:[ \r]|\Z)", re.IGNORECASE)


class Framer:
    """Splits a stream of octets into whole responses, in time linear in the octets.

    `max_literal` may be changed between responses. Raises RecordError if a limit is exceeded;
    nothing more can be read after that.
    """

    def __init__(self) -> None:
        self.max_literal = SMALL_LITERAL
        self._buffer = bytearray()
        self._searched = 0
        self._pieces: list[bytes] = []
        self._octets = 0
        self._awaited: int | None = None

    @property
    def is_empty(self) -> bool:
        """True if no octets are left over."""
        return not self._buffer and not self._pieces

    def feed(self, data: bytes) -> None:
        """Add received octets."""
        self._buffer += data

    def next(self) -> Raw | None:
        """The next whole response, None until more is fed."""
        while True:
            if self._awaited is not None:
                if len(self._buffer) < self._awaited:
                    return None
                self._pieces.append(self._take(self._awaited, 0))
                self._awaited = None
            line = self._line()
            if line is None:
                return None
            raw = self._line_ended(line)
            if raw is not None:
                return raw

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if max(end, len(self._buffer) if end < 0 else 0) > MAX_LINE:
            self._require_search(end)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        # RFC 3501 §2.2: lines end with CRLF; a bare LF is read as one.
        return self._take(end, 1).removesuffix(b"\r")

    def _require_search(self, end: int) -> None:
        length = end if end >= 0 else len(self._buffer)
        is_search = not self._pieces and _SEARCH.match(bytes(self._buffer[:16]))
        if not is_search or length > MAX_SEARCH_LINE:
            raise RecordError(f"an IMAP line of more than {length - 1} octets")

    def _line_ended(self, line: bytes) -> Raw | None:
        """The whole response, or None if the line announces a literal."""
        is_prose = not self._pieces and _PROSE.match(line)
        # RFC 3501 §9: resp-text has no literals, even if it ends like one.
        literal = _LITERAL.search(line[-16:]) if line[-1:] == b"}" and not is_prose else None
        if literal is None:
            raw = (*self._pieces, line)
            self._pieces.clear()
            self._octets = 0
            return raw
        self._awaited = int(literal[1])
        if self._awaited > self.max_literal:
            raise RecordError(f"an IMAP literal of {self._awaited} octets")
        self._pieces.append(line[: -len(literal[0])])
        self._octets += len(line) + self._awaited
        if len(self._pieces) > 2 * MAX_LITERALS or self._octets > MAX_LITERAL + MAX_LINE:
            raise RecordError("an IMAP response with too many literals")
        return None

    def _take(self, length: int, skip: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[: length + skip]
        self._searched = 0
        return taken
