"""Hold a reader to linear time: four times the text may cost about four times the work.

CPU time is compared with CPU time, never with a clock on the wall: a reader that goes over its
text once more for each character of it costs sixteen times as much for four times the text.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

from probes.records import RecordError

LONG = 32 * 1024
"""Characters of the longest text, which is compared with a quarter of it."""

_NOISE = 0.1
"""Seconds of CPU time: what takes less is not measured any further."""

_MOST = 9
"""Times the work for four times the text; 4 is linear, 16 is quadratic."""

_TRIES = 2

Reader = Callable[[str], object]

NUMBER = "\N{NUMBER SIGN}"
"""Stands for another number in each repetition of a token: names that are all different."""

TOKENS = (
    *(" ", "\t", "\r", "\n", "\r\n", "\r\n ", "\n\n", "\x00", "é", "\\", "\\a", "=0A", "%", "+"),
    *(
        ";",
        ",",
        ":",
        ".",
        "=",
        "-",
        "_",
        "/",
        "@",
        "&",
        "&-",
        "&AG4-",
        "?",
        "!",
        "*",
        "|",
        "'",
        '"',
    ),
    *("(", ")", "()", "(a)", "<", ">", "<a", "[", "]", "[a]", "{", "}", "{1}", "0", "1.", "1:"),
    *("a", "a ", "a;", "a; ", "a=", "a=b;", "a=b ", "a: ", "a: b\n", "a.", "a@b.c ", '"a"', "&a"),
    *("a#:\na#:\n", "a#=b; ", "a# ", "a#@b.c,", "(a#)"),
    *("=?utf-8?q?", "=?utf-8?q?a ", "=?utf-8?q?a?= ", "=?utf-8?b?YQ==?=\r\n "),
)
"""What is repeated: the signs and pairs of signs that the grammars of mail know."""


@dataclass(frozen=True, slots=True)
class Case:
    """One reader, what its text begins and ends with, and what stands repeated between."""

    name: str
    read: Reader
    prefix: str
    token: str
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.prefix[-30:]!r} + n * {self.token!r} + {self.suffix[-20:]!r}"

    def text(self, length: int) -> str:
        """A text of about `length` characters."""
        count = length // len(self.token)
        if NUMBER not in self.token:
            return self.prefix + self.token * count + self.suffix
        numbered = (self.token.replace(NUMBER, f"{index:x}") for index in range(count))
        return f"{self.prefix}{''.join(numbered)}"[:length] + self.suffix

    def cost(self, length: int) -> float:
        """Seconds of CPU time; a text that is refused was read as well."""
        text = self.text(length)
        begun = time.process_time()
        with suppress(RecordError):
            self.read(text)
        return time.process_time() - begun

    def least(self, length: int) -> float:
        """The least of several costs: what else the machine does only adds to it."""
        return min(self.cost(length) for _ in range(_TRIES))


def cases(
    name: str, read: Reader, *prefixes: str, tokens: tuple[str, ...] = TOKENS, suffix: str = ""
) -> tuple[Case, ...]:
    """The reader with every token behind every prefix; before the suffix behind the last."""
    ends = [*((prefix, "") for prefix in prefixes), *([(prefixes[-1], suffix)] * bool(suffix))]
    return tuple(
        Case(name, read, prefix, token, end) for (prefix, end), token in product(ends, tokens)
    )


def is_linear(case: Case, longest: int = LONG) -> bool:
    """True where four times the text costs less than _MOST times the work."""
    if case.cost(longest) < _NOISE:
        return True
    for _ in range(2):
        long = case.least(longest)
        if long < _NOISE or long < _MOST * case.least(longest // 4):
            return True
    return False


def superlinear(found: Iterable[Case], longest: int = LONG) -> list[str]:
    """The cases that are not linear, as text."""
    return [str(case) for case in found if not is_linear(case, longest)]
