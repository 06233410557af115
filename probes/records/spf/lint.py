"""Remarks on SPF records that are valid by RFC 7208 but unwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from probes.records.spf.record import Directive, Mechanism, SpfRecord, SpfResult

WIDEST = {4: 8, 6: 19}
"""Shorter prefixes are wider than the network of any organisation, by IP version."""

_REPORTING = frozenset({"ra", "rp", "rr"})  # RFC 6652 §3
_COMFORTABLE = 450


class Flaw(StrEnum):
    """The kinds of unwise things; each is the end of a finding's code."""

    ALL_MISSING = "all_missing"
    ALL_NEUTRAL = "all_neutral"
    ALL_PERMISSIVE = "all_permissive"
    MODIFIER_UNKNOWN = "modifier_unknown"
    NETWORK_WIDE = "network_wide"
    PTR_USED = "ptr_used"
    RECORD_LONG = "record_long"
    REDIRECT_IGNORED = "redirect_ignored"
    TERM_REPEATED = "term_repeated"
    TERMS_AFTER_ALL = "terms_after_all"


@dataclass(frozen=True, slots=True)
class Unwise:
    """One remark; `evidence` is quoted from the record."""

    flaw: Flaw
    evidence: str


def lint(record: SpfRecord) -> Iterator[Unwise]:
    """The remarks on one record, in no particular order."""
    yield from _about_all(record)
    yield from _about_terms(record)
    if len(record.text) > _COMFORTABLE:
        # RFC 7208 §3.4: an answer over 512 octets needs TCP, or is not received
        yield Unwise(Flaw.RECORD_LONG, f"{len(record.text)} octets")


def _about_all(record: SpfRecord) -> Iterator[Unwise]:
    places = [i for i, one in enumerate(record.directives) if one.mechanism is Mechanism.ALL]
    if not places:
        if record.redirect is None:
            yield Unwise(Flaw.ALL_MISSING, record.text[-60:])
        return
    first = record.directives[places[0]]
    behind = record.directives[places[0] + 1 :]
    if behind:
        yield Unwise(Flaw.TERMS_AFTER_ALL, " ".join(one.text for one in behind))
    if record.redirect is not None:
        yield Unwise(Flaw.REDIRECT_IGNORED, f"redirect={record.redirect.text}")
    if first.qualifier is SpfResult.PASS:
        yield Unwise(Flaw.ALL_PERMISSIVE, first.text)
    elif first.qualifier is SpfResult.NEUTRAL:
        yield Unwise(Flaw.ALL_NEUTRAL, first.text)


def _about_terms(record: SpfRecord) -> Iterator[Unwise]:
    seen: set[str] = set()
    for directive in record.directives:
        if directive.mechanism is Mechanism.PTR:
            yield Unwise(Flaw.PTR_USED, directive.text)
        if _is_wide(directive):
            yield Unwise(Flaw.NETWORK_WIDE, directive.text)
        if directive.text.lower() in seen:
            yield Unwise(Flaw.TERM_REPEATED, directive.text)
        seen.add(directive.text.lower())
    unknown = [f"{name}={value}" for name, value in record.modifiers if name not in _REPORTING]
    if unknown:
        yield Unwise(Flaw.MODIFIER_UNKNOWN, " ".join(unknown))


def _is_wide(directive: Directive) -> bool:
    network = directive.network
    if network is None or directive.qualifier is not SpfResult.PASS:
        return False
    return network.prefixlen < WIDEST[network.version]
