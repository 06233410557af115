"""Authentication-Results and ARC-Authentication-Results, RFC 8601 and RFC 8617 §4.1.1.

Accepts the forms that receivers write: without an authserv-id (Microsoft 365), without semicolons
between results, with properties that have no type, with a bare domain among the results.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from probes.records.header_words import (
    Item,
    Kind,
    decoded_text,
    header_items,
    header_text,
    unquoted,
)

MAX_RESULTS = 200
"""Results of one field that are read; the words of the others are in `unparsed`."""

_MAX_GLUED = 1024
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_ASSIGNMENT = re.compile(r'([^\s="]{1,256})=(.*)', re.DOTALL)
_METHODS = frozenset(
    [
        "arc",
        "auth",
        "bimi",
        "compauth",
        "dkim",
        "dkim-adsp",
        "dkim-atps",
        "dmarc",
        "dnswl",
        "domainkeys",
        "iprev",
        "rrvs",
        "sender-id",
        "smime",
        "spf",
        "vbr",
    ]
)
"""Methods registered with IANA, and the one of Microsoft 365.

Any other method is accepted at the beginning of a result only.
"""

_RESULTS = frozenset(
    [
        "pass",
        "fail",
        "softfail",
        "hardfail",
        "neutral",
        "none",
        "policy",
        "nxdomain",
        "signed",
        "temperror",
        "permerror",
        "discard",
        "unknown",
        "skipped",
        "declined",
        "bestguesspass",
    ]
)
_NO_METHODS = frozenset(
    ("action", "client-ip", "envelope-from", "from", "helo", "identity", "reason", "receiver")
)
"""Properties that some receivers put after a semicolon, as if they were results."""


@dataclass(frozen=True, slots=True)
class Property:
    """One `ptype.name=value`, RFC 8601 §2.2; `ptype` is None if only `name=value` is written.

    `ptype` and `name` are in lower case, the value as written without its quotes. Encoded words
    in a value stay encoded: an address or a domain that a stranger wrote must not become another.
    """

    ptype: str | None
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """The result of one method: `method` and `result` in lower case (`dkim`, `pass`).

    `version` is the method's; None if the field has none, which means 1 (RFC 8601 §2.2). `comments`
    are the comments behind the method, in order, up to the next result.
    """

    method: str
    result: str
    version: int | None = None
    reason: str | None = None
    properties: tuple[Property, ...] = ()
    comments: tuple[str, ...] = ()

    def value(self, ptype: str, name: str) -> str | None:
        """The first value of a property, as `value("header", "d")`; None without one."""
        values = (p.value for p in self.properties if (p.ptype, p.name) == (ptype, name))
        return next(values, None)


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One field as read.

    `authserv_id` is None if the receiver left it out. `version` is None if the field has none,
    which means 1 (RFC 8601 §2.2). `instance` is None without the `i=` of ARC.

    `is_none` is True for the word `none`: no method was tried. `comments` are the comments before
    the first result; `unparsed` are words that belong to no result.
    """

    raw: str
    authserv_id: str | None = None
    version: int | None = None
    instance: int | None = None
    results: tuple[MethodResult, ...] = ()
    is_none: bool = False
    comments: tuple[str, ...] = ()
    unparsed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A result that is not read to its end yet."""

    method: str
    version: int | None
    result: str
    reason: str | None = None
    properties: list[Property] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def add(self, name: str, value: str) -> None:
        """Add one assignment behind the result: a reasonspec or propspec of RFC 8601 §2.2."""
        if name.lower() == "reason" and self.reason is None:
            self.reason = decoded_text(value)
            return
        ptype, dot, rest = name.lower().partition(".")
        self.properties.append(Property(ptype if dot else None, rest if dot else ptype, value))

    def finished(self) -> MethodResult:
        properties, comments = tuple(self.properties), tuple(self.comments)
        return MethodResult(
            self.method, self.result, self.version, self.reason, properties, comments
        )


@dataclass(slots=True)
class _Reader:
    """Reads the segments between semicolons in order and keeps their results."""

    authserv_id: str | None = None
    version: int | None = None
    instance: int | None = None
    is_none: bool = False
    results: list[_Draft] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    unparsed: list[str] = field(default_factory=list)

    def head(self, items: list[Item]) -> list[Item]:
        """Read authserv-id and version from the first segment; return the other items.

        A first word that is an assignment is no authserv-id: the receiver left it out.
        """
        names = [item for item in items if item.kind is Kind.WORD]
        if not names or _ASSIGNMENT.fullmatch(names[0].text):
            return items
        taken = names[:1]
        self.authserv_id = unquoted(names[0].text)
        if len(names) > 1 and re.fullmatch(r"[0-9]{1,4}", names[1].text):
            self.version = int(names[1].text)
            taken = names[:2]
        return [item for item in items if item not in taken]

    def segment(self, items: Iterable[Item]) -> None:
        """Read one result with its properties; several results if semicolons are missing."""
        is_first = True
        for item in items:
            if item.kind is Kind.COMMENT:
                comments = self.results[-1].comments if self.results else self.comments
                comments.append(decoded_text(item.text))
                continue
            assignment = _ASSIGNMENT.fullmatch(item.text)
            if assignment is None:
                self._word(item.text)
            else:
                self._assignment(assignment[1], unquoted(assignment[2]), is_first=is_first)
                is_first = False

    def _word(self, word: str) -> None:
        if word.lower() == "none" and not self.results:
            self.is_none = True
        else:
            self.unparsed.append(word)

    def _assignment(self, name: str, value: str, *, is_first: bool) -> None:
        method, slash, version = name.lower().partition("/")
        if _begins_result(method, value, is_first=is_first) and len(self.results) < MAX_RESULTS:
            number = int(version) if re.fullmatch(r"[0-9]{1,4}", version) else None
            self.results.append(_Draft(method, number, value.lower()))
            if slash and number is None:
                self.unparsed.append(f"{name}={value}")
        elif self.results and len(self.results) < MAX_RESULTS:
            self.results[-1].add(name, value)
        else:
            self.unparsed.append(f"{name}={value}")


def parse_authentication_results(value: str) -> AuthenticationResults:
    """Read one field value, folded or not; any text gives a value.

    Only the first 64 KiB of a text and the first MAX_RESULTS results are read.
    """
    segments = [_glued(segment) for segment in _segments(header_items(header_text(value)))]
    reader = _Reader()
    if segments and _is_only(segments[0], "i"):
        reader.instance = _instance(segments.pop(0))
    if segments and not (len(segments) == 1 and _words(segments[0]) == ["none"]):
        segments[0] = reader.head(segments[0])
    for segment in segments:
        reader.segment(segment)
    return AuthenticationResults(
        raw=value,
        authserv_id=reader.authserv_id,
        version=reader.version,
        instance=reader.instance,
        results=tuple(draft.finished() for draft in reader.results),
        is_none=reader.is_none,
        comments=tuple(reader.comments),
        unparsed=tuple(reader.unparsed),
    )


def _segments(items: Iterable[Item]) -> list[list[Item]]:
    """The items between semicolons; empty segments are left out."""
    groups = groupby(items, lambda item: item.kind is Kind.SEMICOLON)
    return [list(group) for is_semicolon, group in groups if not is_semicolon]


def _glued(items: list[Item]) -> list[Item]:
    """The items with `name = value`, `name / 1` and `type . name` (RFC 8601 §2.2) in one word."""
    glued: list[Item] = []
    last: int | None = None
    for item in items:
        if item.kind is Kind.COMMENT:
            glued.append(item)
        elif last is not None and _belongs(glued[last].text, item.text):
            text = glued[last].text + item.text
            glued[last] = Item(text, Kind.WORD, glued[last].start, item.end)
        else:
            last = len(glued)
            glued.append(item)
    return glued


def _belongs(before: str, word: str) -> bool:
    """True if a word continues the word before it."""
    if len(before) > _MAX_GLUED:
        return False
    name, equals, value = before.partition("=")
    if equals:
        return bool(name) and not value and _may_be_value(word)
    return word[0] in "=/." or (before[-1] in "/." and bool(_KEYWORD.fullmatch(before[:-1])))


def _may_be_value(word: str) -> bool:
    """True unless the word is another assignment; encoded words (RFC 2047 §2) begin with `=`."""
    return word.startswith("=?") or (word[0] != "=" and _ASSIGNMENT.fullmatch(word) is None)


def _begins_result(method: str, value: str, *, is_first: bool) -> bool:
    """True if `method=result` begins a result.

    At the start of a segment any keyword does, except _NO_METHODS. Within a segment only a known
    method with a known result does.
    """
    if not _KEYWORD.fullmatch(method) or not _KEYWORD.fullmatch(value):
        return False
    if method in _METHODS:
        return is_first or value.lower() in _RESULTS
    return is_first and method not in _NO_METHODS


def _words(items: Iterable[Item]) -> list[str]:
    return [item.text.lower() for item in items if item.kind is Kind.WORD]


def _is_only(items: Iterable[Item], name: str) -> bool:
    """True for a segment that is one assignment to `name` and nothing else."""
    words = _words(items)
    return len(words) == 1 and words[0].startswith(f"{name}=")


def _instance(items: Iterable[Item]) -> int | None:
    """The instance, RFC 8617 §4.2.1: 1 to 50; larger numbers of up to four digits are read too."""
    number = next(_assigned(items), "")
    return int(number) if re.fullmatch(r"[0-9]{1,4}", number) else None


def _assigned(items: Iterable[Item]) -> Iterator[str]:
    return (word.partition("=")[2] for word in _words(items))
