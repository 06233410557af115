"""DMARC records as text, RFC 9989 §4.7, §4.8: read tag by tag, without look-ups.

`discovery` finds the record of a domain.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from probes.records import RecordError
from probes.records.address import parse_address

MAX_RECORD = 65_535
"""Octets of one record; DNS carries no more."""

MAX_REPORT_URIS = 20
"""Report addresses of one tag that are read; any more are a problem of the record."""

_MAX_TAGS = 100
# RFC 9989 §4.8: the version comes first, its value in exactly these letters
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_NEARLY = re.compile(
    r"dmarc[ \t]*1|v\s*=\s*dmarc|(?:^|;)\s*p\s*=\s*(?:none|quarantine|reject)\b", re.I
)
_TAG = re.compile(r"([A-Za-z]+)[ \t]*=[ \t]*+(.*)")
_TAG_NAME = re.compile(r"[ \t]*[pP][ \t]*=")
_SIZE = re.compile(r"(.*)!([0-9]{1,15}[kmgtKMGT]?)")

RETIRED = frozenset({"pct", "rf", "ri"})
"""Tags of RFC 7489 §6.3 that RFC 9989 dropped."""


class Policy(StrEnum):
    """The policy of a domain for mail that fails, weakest first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class ReportUri:
    """One address for reports; `domain` is None if it is unusable, and `problem` says why.

    `size` is the limit behind `!`, which RFC 9989 dropped; None without one.
    """

    text: str
    domain: str | None
    size: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record, without its broken tags as RFC 9989 §4.7 requires.

    The policies are None if the tag is missing or broken. `problems` are pairs of a tag and its
    fault. `retired` are tags that only older readers use, `unknown` tags that none uses.
    """

    text: str
    policy: Policy | None = None
    subdomain_policy: Policy | None = None
    nonexistent_policy: Policy | None = None
    psd: str = "u"
    is_testing: bool = False
    is_dkim_strict: bool = False
    is_spf_strict: bool = False
    aggregate: tuple[ReportUri, ...] = ()
    failure: tuple[ReportUri, ...] = ()
    failure_options: str = "0"
    problems: tuple[tuple[str, str], ...] = ()
    retired: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_policy_broken(self) -> bool:
        """True if p=, sp= or np= has an unknown value."""
        return any(tag in ("p", "sp", "np") for tag, _ in self.problems)

    @property
    def is_applied(self) -> bool:
        """False for a record that receivers treat as absent, RFC 9989 §4.10.1."""
        return not self.is_policy_broken or any(uri.domain for uri in self.aggregate)

    @property
    def is_policy_in_front(self) -> bool:
        """True if p= directly follows the version or is missing, RFC 7489 §6.4."""
        first = self.text.split(";")[1:2]
        return self.policy is None or not first or _TAG_NAME.match(first[0]) is not None

    @property
    def is_seen_by_older_readers(self) -> bool:
        """True if RFC 7489 readers accept it: a valid p= or a report address, RFC 7489 §6.6.3."""
        has_policy = self.policy is not None and not self.is_policy_broken
        return has_policy or any(uri.domain for uri in self.aggregate)

    def policy_for(self, *, is_own: bool, exists: bool = True) -> tuple[Policy, str]:
        """The policy for the domain itself or for a subdomain, and the tag that states it."""
        if self.is_policy_broken:
            return Policy.NONE, "p"
        own = (self.policy or Policy.NONE, "p")
        if is_own:
            return own
        if not exists and self.nonexistent_policy is not None:
            return self.nonexistent_policy, "np"
        return own if self.subdomain_policy is None else (self.subdomain_policy, "sp")


def is_dmarc(text: str) -> bool:
    """True for a record of version DMARC1; all others are ignored."""
    return _VERSION.match(text) is not None


def is_nearly_dmarc(text: str) -> bool:
    """True for a text that resembles a record but is none: receivers do not see it."""
    return not is_dmarc(text) and _NEARLY.search(text) is not None


def parse_dmarc(text: str) -> DmarcRecord:
    """Read one record. Raises RecordError for a text that is no DMARC record at all."""
    if not is_dmarc(text):
        raise RecordError(f"no DMARC record: {text[:40]!r}")
    if len(text) > MAX_RECORD:
        raise RecordError("a record longer than DNS carries")
    problems: list[tuple[str, str]] = []
    tags = _tags(text, problems)
    return DmarcRecord(
        text=text,
        policy=_policy(tags, "p", problems),
        subdomain_policy=_policy(tags, "sp", problems),
        nonexistent_policy=_policy(tags, "np", problems),
        psd=_word(tags, "psd", ("u", "y", "n"), problems),
        is_testing=_word(tags, "t", ("n", "y"), problems) == "y",
        is_dkim_strict=_word(tags, "adkim", ("r", "s"), problems) == "s",
        is_spf_strict=_word(tags, "aspf", ("r", "s"), problems) == "s",
        aggregate=_uris(tags, "rua", problems),
        failure=_uris(tags, "ruf", problems),
        failure_options=_failure_options(tags, problems),
        problems=tuple(problems),
        retired=tuple((name, tags[name]) for name in sorted(RETIRED & tags.keys())),
        unknown=tuple(name for name in tags if name not in _KNOWN),
    )


_KNOWN = RETIRED | {"p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo"}


def _tags(text: str, problems: list[tuple[str, str]]) -> dict[str, str]:
    """The tags behind the version; of a repeated tag the first."""
    pieces = text.split(";")[1:]
    if len(pieces) > _MAX_TAGS:
        problems.append(("", f"{len(pieces)} tags: only the first {_MAX_TAGS} are read"))
    tags: dict[str, str] = {}
    for piece in pieces[:_MAX_TAGS]:
        found = _TAG.fullmatch(piece.strip(" \t"))
        if found is None:
            if piece.strip(" \t"):
                problems.append(("", f"no tag: {piece.strip()[:40]!r}"))
        elif found[1].lower() in tags:
            problems.append(("", f"{found[1].lower()[:20]}= is there twice"))
        else:
            tags[found[1].lower()] = found[2]
    return tags


def _policy(tags: Mapping[str, str], name: str, problems: list[tuple[str, str]]) -> Policy | None:
    value = tags.get(name)
    if value is None:
        return None
    try:
        return Policy(value.lower())
    except ValueError:
        problems.append((name, f"{name}={value[:40]} is not none, quarantine or reject"))
        return None


def _word(
    tags: Mapping[str, str],
    name: str,
    words: tuple[str, ...],
    problems: list[tuple[str, str]],
) -> str:
    """The tag's value, one of `words`; the first of them if the tag is missing or broken."""
    value = tags.get(name, words[0]).lower()
    if "".join(value.split()) in words:
        return "".join(value.split())
    problems.append((name, f"{name}={value[:40]} is not one of {', '.join(words)}"))
    return words[0]


def _failure_options(tags: Mapping[str, str], problems: list[tuple[str, str]]) -> str:
    """The value of fo=, RFC 9989 §4.7: each option at most once, and not both 0 and 1."""
    value = "".join(tags.get("fo", "0").lower().split())
    options = value.split(":")
    is_known = set(options) <= {"0", "1", "d", "s"} and not {"0", "1"} <= set(options)
    if is_known and len(set(options)) == len(options):
        return value
    problems.append(("fo", f"fo={value[:40]} is no list of 0, 1, d and s"))
    return "0"


def _uris(
    tags: Mapping[str, str], name: str, problems: list[tuple[str, str]]
) -> tuple[ReportUri, ...]:
    if name not in tags:
        return ()
    texts = [text.strip(" \t") for text in tags[name].split(",")]
    if len(texts) > MAX_REPORT_URIS:
        problems.append((name, f"{len(texts)} addresses: {MAX_REPORT_URIS} of them are read"))
    uris = tuple(_uri(text) for text in texts[:MAX_REPORT_URIS])
    problems.extend((name, uri.problem) for uri in uris if uri.problem)
    return uris


def _uri(text: str) -> ReportUri:
    """Read one report URI; mailto is the only scheme every receiver knows, RFC 9989 §4.6."""
    sized = _SIZE.fullmatch(text)
    plain, size = (sized[1], sized[2]) if sized is not None else (text, None)
    scheme, colon, address = plain.partition(":")
    if not colon or scheme.lower() != "mailto":
        return ReportUri(text, None, size, f"{text[:60]!r} is no mailto: address")
    try:
        mailbox = parse_address(unquote(address.partition("?")[0]))
    except RecordError as error:
        return ReportUri(text, None, size, str(error))
    if mailbox.literal is not None:
        return ReportUri(text, None, size, f"{text[:60]!r} has no domain")
    return ReportUri(text, mailbox.domain, size)
