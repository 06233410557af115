"""DMARC records as text, RFC 9989 §4.7, §4.8: read tag by tag, nothing looked up.

`dmarc_discovery` finds the record that holds for a domain.
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
"""Report addresses of one tag that are read; the others are a problem of the record."""

_MAX_TAGS = 100
# RFC 9989 §4.8: the version stands first, its value in exactly these letters
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_NEARLY = re.compile(
    r"dmarc[ \t]*1|v\s*=\s*dmarc|(?:^|;)\s*p\s*=\s*(?:none|quarantine|reject)\b", re.I
)
_TAG = re.compile(r"([A-Za-z]+)[ \t]*=[ \t]*+(.*)")
_TAG_NAME = re.compile(r"[ \t]*[pP][ \t]*=")
_SIZE = re.compile(r"(.*)!([0-9]{1,15}[kmgtKMGT]?)")

RETIRED = frozenset({"pct", "rf", "ri"})
"""Tags of RFC 7489 §6.3 that RFC 9989 no longer has."""


class Policy(StrEnum):
    """What a domain wants done with mail that fails, least first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class ReportUri:
    """One address for reports. `domain` is None where no mail can go, and `problem` says why.

    `size` is the limit behind `!`, which RFC 9989 no longer has; None without one.
    """

    text: str
    domain: str | None
    size: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record, broken tags left out as RFC 9989 §4.7 has it.

    The policies are None where the tag is missing or broken. `problems` is what is wrong with
    which tag; `retired` are tags only older readers heed, `unknown` those nobody does.
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
        """True when p=, sp= or np= is there and says nothing that is known."""
        return any(tag in ("p", "sp", "np") for tag, _ in self.problems)

    @property
    def is_applied(self) -> bool:
        """False for a record receivers do as if it were not there, RFC 9989 §4.10.1."""
        return not self.is_policy_broken or any(uri.domain for uri in self.aggregate)

    @property
    def is_policy_in_front(self) -> bool:
        """RFC 7489 §6.4: p= stands behind the version, where it is there at all."""
        first = self.text.split(";")[1:2]
        return self.policy is None or not first or _TAG_NAME.match(first[0]) is not None

    @property
    def is_seen_by_older_readers(self) -> bool:
        """RFC 7489 §6.6.3: without a valid p= there has to be an address for reports."""
        has_policy = self.policy is not None and not self.is_policy_broken
        return has_policy or any(uri.domain for uri in self.aggregate)

    def policy_for(self, *, is_own: bool, exists: bool = True) -> tuple[Policy, str]:
        """What holds for the domain itself or for one below it, and the tag that says so."""
        if self.is_policy_broken:
            return Policy.NONE, "p"
        own = (self.policy or Policy.NONE, "p")
        if is_own:
            return own
        if not exists and self.nonexistent_policy is not None:
            return self.nonexistent_policy, "np"
        return own if self.subdomain_policy is None else (self.subdomain_policy, "sp")


def is_dmarc(text: str) -> bool:
    """True for a record of the version everybody reads; all others are to be ignored."""
    return _VERSION.match(text) is not None


def is_nearly_dmarc(text: str) -> bool:
    """True for a text that was meant as a record and is none: receivers do not see it."""
    return not is_dmarc(text) and _NEARLY.search(text) is not None


def parse_dmarc(text: str) -> DmarcRecord:
    """Read one record. Raises RecordError for what is no DMARC record at all."""
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
    """Every tag behind the version, of one that is there twice the first."""
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
    """One of `words`; the first of them where the tag is missing or broken."""
    value = tags.get(name, words[0]).lower()
    if "".join(value.split()) in words:
        return "".join(value.split())
    problems.append((name, f"{name}={value[:40]} is not one of {', '.join(words)}"))
    return words[0]


def _failure_options(tags: Mapping[str, str], problems: list[tuple[str, str]]) -> str:
    """RFC 9989 §4.7: each option at most once, and not both 0 and 1."""
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
    """RFC 9989 §4.6: mailto is what every receiver has to know."""
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
