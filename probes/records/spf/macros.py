"""Macros of SPF records, RFC 7208 §7: read once, expanded for one session."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from probes.records import RecordError
from probes.records.looked_up import MAX_NAME

EXPLANATION_LETTERS = frozenset("crt")
"""Letters that only explanations may use, RFC 7208 §7.2."""

_LETTERS = frozenset("slodiphvcrt")
_EXPAND = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([.+,/_=-]*)\}")
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_EXPLANATION_LITERAL = re.compile(r"[\x20-\x24\x26-\x7e]+")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
# RFC 7208 §7.1: a top label has a letter, or a hyphen in the middle
_TOP_LABEL = re.compile(r"(?=.*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{...}`; `letter` is in lower case, `digits` None for all, `delimiters` never ""."""

    letter: str
    digits: int | None
    is_reversed: bool
    delimiters: str
    is_escaped: bool


@dataclass(frozen=True, slots=True)
class MacroString:
    """A text with macros; `text` is as written, `parts` are literals and macros."""

    text: str
    parts: tuple[str | Macro, ...]

    @property
    def letters(self) -> frozenset[str]:
        """The letters of its macros."""
        return frozenset(part.letter for part in self.parts if isinstance(part, Macro))

    def expand(self, values: "dict[str, str]") -> str:
        """The text with all macros replaced; `values` has an entry for each of `letters`."""
        return "".join(
            part if isinstance(part, str) else _expanded(part, values[part.letter])
            for part in self.parts
        )


def parse_macro_string(text: str, *, is_explanation: bool = False) -> MacroString:
    """Read a macro-string, or an explain-string, which may hold spaces and three letters more.

    Raises RecordError.
    """
    parts: list[str | Macro] = []
    literal = _EXPLANATION_LITERAL if is_explanation else _LITERAL
    place = 0
    while place < len(text):
        if found := literal.match(text, place):
            parts.append(found[0])
        elif found := _EXPAND.match(text, place):
            parts.append(_macro(found, is_explanation=is_explanation))
        elif escape := _ESCAPES.get(text[place : place + 2]):
            parts.append(escape)
            place += 2
            continue
        else:
            raise RecordError(f"no macro: {text[place : place + 20]!r}")
        place = found.end()
    return MacroString(text, tuple(parts))


def parse_domain_spec(text: str) -> MacroString:
    """Read a domain-spec, RFC 7208 §7.1: it ends in a top label or in a macro.

    Raises RecordError.
    """
    parsed = parse_macro_string(text)
    if not text:
        raise RecordError("a domain is missing")
    if _ends_in_macro(text):
        return parsed
    _, dot, top = text.removesuffix(".").rpartition(".")
    if not dot or _TOP_LABEL.fullmatch(top) is None:
        raise RecordError(f"no domain name: {text[:80]!r}")
    return parsed


def shortened(name: str) -> str:
    """The name cut to 253 octets by dropping labels from the left, RFC 7208 §7.3."""
    name = name.removesuffix(".")
    while len(name.encode("utf-8", "surrogatepass")) > MAX_NAME:
        _, dot, rest = name[-4 * MAX_NAME :].partition(".")
        if not dot:
            return name[-4 * MAX_NAME :]
        name = rest
    return name


def _ends_in_macro(text: str) -> bool:
    last = None
    place = 0
    for found in re.finditer(r"%(?:[%_-]|\{[^}]*\})", text):
        last, place = found, found.end()
    return last is not None and place == len(text)


def _macro(found: re.Match[str], *, is_explanation: bool) -> Macro:
    letter = found[1].lower()
    if letter not in _LETTERS:
        raise RecordError(f"no such macro letter: {found[0]!r}")
    if letter in EXPLANATION_LETTERS and not is_explanation:
        raise RecordError(f"a macro for explanations only: {found[0]!r}")
    digits = None
    if found[2]:
        # A count above the number of labels means all labels.
        digits = int(found[2].lstrip("0")[:4] or "0")
        if digits == 0:
            raise RecordError(f"a macro of no parts: {found[0]!r}")  # RFC 7208 §7.3
    return Macro(letter, digits, bool(found[3]), found[4] or ".", found[1].isupper())


def _expanded(macro: Macro, value: str) -> str:
    if macro.digits is not None or macro.is_reversed or macro.delimiters != ".":
        pieces = re.split(f"[{re.escape(macro.delimiters)}]", value)
        if macro.is_reversed:
            pieces.reverse()
        if macro.digits is not None:
            pieces = pieces[-macro.digits :]
        value = ".".join(pieces)
    # RFC 7208 §7.3: an upper case letter escapes what is not unreserved, RFC 3986 §2.3
    return quote(value, safe="-._~", errors="replace") if macro.is_escaped else value
