"""Remarks on SPF records that are valid by RFC 7208 but unwise."""

from collections.abc import Iterator
from dataclasses import dataclass

from probes.records.spf.record import Directive, Mechanism, SpfRecord, SpfResult

WIDEST = {4: 8, 6: 19}
"""Shorter prefixes are wider than the network of any organisation, by IP version."""

_REPORTING = frozenset({"ra", "rp", "rr"})  # RFC 6652 §3
_COMFORTABLE = 450


@dataclass(frozen=True, slots=True)
class Unwise:
    """One remark; `code` is a finding's, `evidence` is quoted from the record."""

    code: str
    evidence: str
    reference: str


def lint(record: SpfRecord) -> Iterator[Unwise]:
    """The remarks on one record, in no particular order."""
    yield from _about_all(record)
    yield from _about_terms(record)
    if len(record.text) > _COMFORTABLE:
        # RFC 7208 §3.4: an answer over 512 octets needs TCP, or is not received
        yield Unwise("spf.record_long", f"{len(record.text)} octets", "RFC 7208 §3.4")


def _about_all(record: SpfRecord) -> Iterator[Unwise]:
    places = [i for i, one in enumerate(record.directives) if one.mechanism is Mechanism.ALL]
    if not places:
        if record.redirect is None:
            yield Unwise("spf.all_missing", record.text[-60:], "RFC 7208 §4.7")
        return
    first = record.directives[places[0]]
    behind = record.directives[places[0] + 1 :]
    if behind:
        yield Unwise("spf.terms_after_all", " ".join(one.text for one in behind), "RFC 7208 §5.1")
    if record.redirect is not None:
        yield Unwise("spf.redirect_ignored", f"redirect={record.redirect.text}", "RFC 7208 §6.1")
    if first.qualifier is SpfResult.PASS:
        yield Unwise("spf.all_permissive", first.text, "RFC 7208 §5.1")
    elif first.qualifier is SpfResult.NEUTRAL:
        yield Unwise("spf.all_neutral", first.text, "RFC 7208 §2.6.2")


def _about_terms(record: SpfRecord) -> Iterator[Unwise]:
    seen: set[str] = set()
    for directive in record.directives:
        if directive.mechanism is Mechanism.PTR:
            yield Unwise("spf.ptr_used", directive.text, "RFC 7208 §5.5")
        if _is_wide(directive):
            yield Unwise("spf.network_wide", directive.text, "RFC 7208 §11.4")
        if directive.text.lower() in seen:
            yield Unwise("spf.term_repeated", directive.text, "RFC 7208 §4.6.2")
        seen.add(directive.text.lower())
    unknown = [f"{name}={value}" for name, value in record.modifiers if name not in _REPORTING]
    if unknown:
        yield Unwise("spf.modifier_unknown", " ".join(unknown), "RFC 7208 §6")


def _is_wide(directive: Directive) -> bool:
    network = directive.network
    if network is None or directive.qualifier is not SpfResult.PASS:
        return False
    return network.prefixlen < WIDEST[network.version]
