"""Problems of a configuration, all at once, each with its place."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.$<-]{1,63}")

MAX_PROBLEMS = 500
"""How many problems are listed; a file with more is no attempt at a configuration."""

_MOST_NAMES = 1000  # a comparison with each takes time
_LISTED = 32

Where = tuple[str | int, ...]
"""The keys and list positions that lead from the top of the file to a value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` is None and `path` is empty where the file as a whole is meant.

    Neither `message` nor `remedy` ever quotes a value: a password may stand in the wrong place.
    """

    file: str
    line: int | None
    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = f"{self.path}: " if self.path else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}: {subject}{self.message}{remedy}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` are sorted by line and never empty."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(map(str, self.problems)))


class Refusal(ValueError):
    """A value that an option does not take; says so without quoting it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class RefusedItems(Refusal):
    """A list in which some items are refused; the key is the item's position."""

    def __init__(self, items: Mapping[int, Refusal]) -> None:
        super().__init__("has items that it does not take")
        self.items = items


class Report:
    """Collects the problems of one file while it is being read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def add(self, line: int | None, where: Where, message: str, remedy: str = "") -> None:
        """Note one problem. Raises ConfigError when there are too many to go on."""
        if len(self.problems) == MAX_PROBLEMS:
            message = f"more than {MAX_PROBLEMS} problems, not all of them are listed"
            raise ConfigError([*self.problems, Problem(self.file, line, "", message)])
        self.problems.append(Problem(self.file, line, dotted(where), message, remedy))

    def warn(self, line: int | None, where: Where, message: str, remedy: str = "") -> None:
        """Note something that can be used but will hardly work."""
        if len(self.warnings) < MAX_PROBLEMS:
            self.warnings.append(Problem(self.file, line, dotted(where), message, remedy))

    def refuse(self, line: int | None, message: str, remedy: str = "") -> ConfigError:
        """The error for a file that cannot be read any further."""
        return ConfigError([Problem(self.file, line, "", message, remedy)])


def dotted(where: Where) -> str:
    """`("resolvers", 1)` as `resolvers[1]`; keys that are no plain words are quoted and cut."""
    text = ""
    for piece in where:
        if isinstance(piece, int):
            text += f"[{piece}]"
        else:
            text += f".{shown(piece)}" if text else shown(piece)
    return text


def shown(key: str) -> str:
    """A key as it may safely stand in a message on a terminal."""
    return key if _PLAIN_KEY.fullmatch(key) else ascii(key[:63])


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the remedy for an unknown word: the closest known one, else a list of known ones."""
    names = sorted(known)[:_MOST_NAMES]
    close = difflib.get_close_matches(word[:63], names, n=1)
    if close:
        return f'did you mean "{shown(close[0])}"?'
    if not names:
        return "there is none"
    listed = ", ".join(map(shown, names[:_LISTED]))
    return f"known: {listed}, ..." if len(names) > _LISTED else f"known: {listed}"
