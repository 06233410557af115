"""The verdict of one spam filter, and readers of the short texts in its fields."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from probes.records.header_words import one_line

MAX_TEXT = 64 * 1024
"""Characters of one field value that are read."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(?!\w|\.\d)", re.ASCII)
_PAIR = re.compile(r"(?<![\w.-])([A-Za-z][\w.-]{0,63})\s{0,4}[=:]\s{0,4}([^\s;,]{1,2000})")
_YES = frozenset(("yes", "true", "spam", "1"))
_NO = frozenset(("no", "false", "ham", "0", "notspam", "not"))


@dataclass(frozen=True, slots=True)
class SpamVerdict:
    """The verdict of one filter; `system` is our name for it (`spamassassin`, `microsoft`, ...).

    `is_spam` is None if the filter gives no verdict; it is never guessed from the score. `score`
    and `threshold` are in the filter's own units. `action` is the filter's action, done or
    requested, in its words. `details` are its other facts by name; `raw` are the fields themselves.
    """

    system: str
    is_spam: bool | None = None
    score: float | None = None
    threshold: float | None = None
    action: str | None = None
    details: Mapping[str, str] = field(default_factory=dict, hash=False)
    raw: tuple[tuple[str, str], ...] = ()


class Fields:
    """The fields of one verdict: values on one line by lower-case name.

    Of a repeated name the first counts.
    """

    __slots__ = ("_values", "raw")

    def __init__(self, raw: Sequence[tuple[str, str]]) -> None:
        self.raw = tuple(raw)
        self._values: dict[str, str] = {}
        for name, value in raw:
            self._values.setdefault(name.strip().lower(), one_line(value[:MAX_TEXT]))

    def get(self, *names: str) -> str | None:
        """The value of the first of these names that is present; None without any."""
        return next((self._values[name] for name in names if name in self._values), None)

    def others(self, *names: str) -> dict[str, str]:
        """All other fields, by lower-case name."""
        return {name: value for name, value in self._values.items() if name not in names}

    def named(self, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
        """Names and values of the fields with a name that matches the whole pattern."""
        return ((n, v) for n, v in self._values.items() if pattern.fullmatch(n))


def number(text: str | None) -> float | None:
    """The number at the start of a text; None without one."""
    match = None if text is None else _NUMBER.match(text.strip())
    return None if match is None else float(match[0])


def whole_number(text: str | None) -> int | None:
    """The integer in a text; None for anything else."""
    plain = (text or "").strip()
    return int(plain) if re.fullmatch(r"[+-]?\d{1,9}", plain, re.ASCII) else None


def yes_or_no(text: str | None) -> bool | None:
    """True or False for the first word of a text; None if it is neither yes nor no."""
    match = re.match(r"\W{0,4}(\w+)", (text or "")[:200])
    word = "" if match is None else match[1].lower()
    return True if word in _YES else False if word in _NO else None


def pairs(text: str | None) -> dict[str, str]:
    """Read `name=value` and `name:value` from a line, names in lower case; the first counts."""
    found: dict[str, str] = {}
    for match in _PAIR.finditer(text or ""):
        found.setdefault(match[1].lower(), match[2])
    return found


def first_known(*values: bool | None) -> bool | None:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)


def first_number(*texts: str | None) -> float | None:
    """The first number at the start of one of these texts."""
    return next((found for found in map(number, texts) if found is not None), None)
