"""SMTP replies, RFC 5321 §4.2, with enhanced status codes, RFC 3463 and RFC 2034."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import RecordError

_LINE = re.compile(r"([2-5][0-9][0-9])(?:([- ])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?=[ \t]|\Z)")

EnhancedCode = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply as received: `lines` is the text after code and separator, in order."""

    code: int
    lines: tuple[str, ...]
    enhanced: EnhancedCode | None = None

    @property
    def is_positive(self) -> bool:
        """2yz and 3yz, RFC 5321 §4.2.1."""
        return self.code < 400

    @property
    def is_transient(self) -> bool:
        """4yz: the client may try again, RFC 5321 §4.2.1."""
        return 400 <= self.code < 500

    @property
    def text(self) -> str:
        """All lines joined by one space, for people."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def split_line(line: str) -> tuple[int, bool, str]:
    """Code, whether it is the last line of its reply, and the text of one reply line.

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

    Raises RecordError when a line is malformed, when the codes differ between lines (RFC 5321
    §4.2.1: "the reply code ... MUST be the same"), or when the last line is marked as continued.
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
