"""SMTP replies, RFC 5321 §4.2, with enhanced status codes, RFC 3463 and RFC 2034."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from probes.records import RecordError

_LINE = re.compile(r"([2-5][0-9][0-9])(?:([- ])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?=[ \t]|\Z)")

MAX_LINE = 2048
"""Octets of one reply line with its CRLF; the limit of RFC 5321 §4.5.3.1.5 is 512."""

MAX_LINES = 128
MAX_BYTES = 32 * 1024

EnhancedCode = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply as received: `lines` is the text after code and separator, in order.

    The answer of an HTTP API is kept the same way: `code` is its status code (RFC 9110 §15),
    `lines` are the lines of its body made printable, and `enhanced` is None. 4xx and 5xx do not
    mean there what 4yz and 5yz mean here. So a route over such an API says itself, in its
    `Handover`, whether it was refused for now or for good; nobody asks its reply.
    """

    code: int
    lines: tuple[str, ...]
    enhanced: EnhancedCode | None = None

    @property
    def is_positive(self) -> bool:
        """True for 2yz and 3yz, RFC 5321 §4.2.1."""
        return self.code < 400

    @property
    def is_transient(self) -> bool:
        """True for 4yz: the client may try again, RFC 5321 §4.2.1."""
        return 400 <= self.code < 500

    @property
    def text(self) -> str:
        """All lines joined by one space, for people."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def split_line(line: str) -> tuple[int, bool, str]:
    """Split one reply line into its code, True for the last line of a reply, and its text.

    Raises RecordError for anything that is not `Reply-line`, RFC 5321 §4.2. A bare code without a
    space is accepted as a last line, as §4.2.1 asks of clients.
    """
    match = _LINE.match(line)
    if match is None:
        raise RecordError(f"not an SMTP reply line: {line[:80]!r}")
    code, separator, text = match.groups()
    return int(code), separator != "-", text or ""


def parse_reply(lines: Sequence[str]) -> Reply:
    """Read the lines of one reply (without CRLF).

    Raises RecordError if a line is malformed, or if the last line is marked as continued. It also
    raises if the codes differ between lines (RFC 5321 §4.2.1: "the reply code ... MUST be the
    same").
    """
    if not lines:
        raise RecordError("an empty SMTP reply")
    parts = [split_line(line) for line in lines]
    codes = {code for code, _, _ in parts}
    if len(codes) > 1:
        raise RecordError(f"one reply with different codes: {sorted(codes)}")
    if [last for _, last, _ in parts] != [False] * (len(parts) - 1) + [True]:
        raise RecordError("reply continuation marks out of place")
    code = parts[0][0]
    return Reply(code, tuple(text for _, _, text in parts), _enhanced(code, parts[0][2]))


def _enhanced(code: int, text: str) -> EnhancedCode | None:
    """The enhanced code that opens the text, if its class agrees with the code, RFC 2034 §4."""
    match = _ENHANCED.match(text)
    if match is None or int(match[1]) != code // 100:
        return None
    return int(match[1]), int(match[2]), int(match[3])


class ReplyAssembler:
    """Assembles one reply from pieces of bytes of any size; bounded in every way.

    After a reply or a RecordError, `rest` holds the bytes that followed it. `skipped` has the lines
    that are no part of a reply: empty ones, and before a reply those that begin with no digit.
    Senders bear them, and wait for the reply.
    """

    __slots__ = ("_buffer", "_code", "_lines", "_size", "rest", "skipped")

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[str] = []
        self._code: int | None = None
        self._size = 0
        self.rest = b""
        self.skipped = b""

    @property
    def has_begun(self) -> bool:
        """True if a reply has begun and has not ended."""
        return bool(self._buffer or self._lines)

    def feed(self, data: bytes) -> Reply | None:
        """Take the next bytes; return the Reply once its last line is complete.

        Raises RecordError as soon as no valid reply is possible: an invalid line, a second code, or
        more than MAX_LINE, MAX_LINES or MAX_BYTES.
        """
        if not self._lines and not self._buffer and len(data) < MAX_LINE:
            known = _whole(data)
            if known is not None:
                self.rest = b""
                return known
        return self._feed(data)

    def _feed(self, data: bytes) -> Reply | None:
        *lines, tail = (self._buffer + data).split(b"\n")
        self._buffer = b""
        for index, line in enumerate(lines):
            if self._take(line):
                self.rest = b"\n".join((*lines[index + 1 :], tail))
                return self._finish(self._code or 0)
        if len(tail) >= MAX_LINE or self._size + len(tail) > MAX_BYTES:
            raise RecordError(f"an SMTP reply line longer than {MAX_LINE} octets")
        self._buffer = tail
        return None

    def _take(self, line: bytes) -> bool:
        """Keep one line; True if it ends the reply."""
        self._size += len(line) + 1
        if len(line) >= MAX_LINE:
            raise RecordError(f"an SMTP reply line longer than {MAX_LINE} octets")
        if self._is_skipped(line):
            self.skipped += line + b"\n"
            if self._size > MAX_BYTES:
                raise RecordError(f"no SMTP reply in {MAX_BYTES} octets")
            return False
        text = printable(line[:-1] if line.endswith(b"\r") else line)
        code, is_last, words = split_line(text)
        if self._code is not None and code != self._code:
            # RFC 5321 §4.2.1: the code of every line is the same
            raise RecordError(f"one reply with different codes: {sorted({code, self._code})}")
        self._code = code
        self._lines.append(words)
        if not is_last and (len(self._lines) >= MAX_LINES or self._size > MAX_BYTES):
            raise RecordError(f"an SMTP reply longer than {MAX_LINES} lines or {MAX_BYTES} octets")
        return is_last

    def _is_skipped(self, line: bytes) -> bool:
        return not line.strip() or not (self._lines or line[:1].isdigit())

    def _finish(self, code: int) -> Reply:
        reply = Reply(code, tuple(self._lines), _enhanced(code, self._lines[0]))
        self._lines, self._code, self._size = [], None, 0
        return reply


@lru_cache(maxsize=256)
def _whole(data: bytes) -> Reply | None:
    """Read `data` as exactly one reply; None if it is anything else.

    Servers repeat themselves, so replies are cached by their octets. Raises RecordError, which is
    not cached.
    """
    if not data.endswith(b"\n"):
        return None
    assembler = ReplyAssembler()
    reply = assembler._feed(data)
    return None if assembler.rest or assembler.skipped else reply


def printable(line: bytes) -> str:
    """A line as text for people: valid UTF-8 as such (RFC 6531 §3.7.4), other octets as `\\xNN`.

    Unprintable characters (control characters, other kinds of space) are written as escapes. So a
    reply cannot control the terminal or the page that shows it.
    """
    text = line.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in text)
