"""The evidence in an arrived copy: its hops, all verdicts, and the changes on the way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from probes.canary.bounce import owner_of_recipient
from probes.canary.clocks import Interval
from probes.canary.evidence_findings import findings, unreadable
from probes.canary.hops import Chain, Hop, OurTimes, place_hops
from probes.canary.mutation import Mutation, mutations
from probes.canary.trust import (
    Alignment,
    Authentication,
    OrganisationalDomain,
    alignment,
    authentications,
    last_two_labels,
)
from probes.documents import to_json
from probes.records.bounces.dsn import parse_dsn
from probes.records.bounces.values import Bounce
from probes.records.raw_message import RawMessage, read_message
from probes.records.received import parse_received
from probes.records.received_spf import ReceivedSpf, parse_received_spf
from probes.records.signatures.arc import ArcChain, arc_sets
from probes.records.signatures.dkim_verification import DkimVerdict, KeyLookup, verify_raw
from probes.records.spam.values import SpamVerdict
from probes.records.spam.verdicts import spam_verdicts
from probes.result import Finding

SCHEMA_VERSION = 1
"""The version of the documents from `evidence_json`."""

_MAX_RECEIVED = 200
_MAX_SPF = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of one copy; tuples of fields are top down, hops in travel order.

    `dkim` is None if no keys could be looked up, empty without signatures. `arc` is reported and
    never scored. `placement`, `folder` and `category` (Gmail's) are the caller's knowledge of its
    location. `is_cut` is True if not all of the message was read. Nothing is then said about its
    body or about signatures, which cover the body.
    """

    chain: Chain
    authentication: tuple[Authentication, ...]
    received_spf: tuple[ReceivedSpf, ...]
    spam: tuple[SpamVerdict, ...]
    arc: ArcChain
    dkim: tuple[DkimVerdict, ...] | None
    alignment: Alignment
    mutations: tuple[Mutation, ...]
    placement: str | None
    folder: str | None
    category: str | None
    bounce: Bounce | None
    findings: tuple[Finding, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class ExaminationContext:
    """The input of an examination beside the copy; `at` is the aware time for signature expiry.

    `lookup` gives the DKIM keys, None if no look-ups are allowed. `trusted_ids` are the trusted
    authserv-ids; without any the receiver's is learnt from the header. `is_header_only` is True if
    the octets are only a header, as of a message too large to be fetched.
    """

    at: datetime
    times: OurTimes = OurTimes()  # noqa: RUF009 - frozen
    lookup: KeyLookup | None = None
    trusted_ids: Collection[str] = ()
    organisation: OrganisationalDomain = last_two_labels
    placement: str | None = None
    folder: str | None = None
    category: str | None = None
    is_header_only: bool = False


def examine(message: bytes, sent: bytes | None, known: ExaminationContext) -> Evidence:
    """Examine a copy; any bytes give Evidence, the first 16 MiB of them are read.

    `sent` is the content of the canary it is a copy of. It is None for any other message: nothing
    is then said about changes. Only `known.lookup` can raise, and KeyUnavailable becomes a verdict.
    """
    raw = read_message(message)
    raw = replace(raw, is_cut=raw.is_cut or known.is_header_only)
    pairs = [(field.name, field.value) for field in raw.fields if field.name]
    received = tuple(parse_received(one.value) for one in raw.all("received")[:_MAX_RECEIVED])
    chain = place_hops(received, known.times)
    lookup = None if raw.is_cut else known.lookup
    verdicts = None if lookup is None else verify_raw(raw, lookup, known.at)
    results = authentications(raw, received, known.trusted_ids, known.organisation)
    aligned = alignment(raw, verdicts or (), results, known.organisation)
    changed = _mutations(raw, sent, verdicts or (), results)
    spam = spam_verdicts(pairs)
    return Evidence(
        chain=chain,
        authentication=results,
        received_spf=tuple(
            parse_received_spf(one.value) for one in raw.all("received-spf")[:_MAX_SPF]
        ),
        spam=spam,
        arc=arc_sets(pairs),
        dkim=verdicts,
        alignment=aligned,
        mutations=changed,
        placement=known.placement,
        folder=known.folder,
        category=known.category,
        bounce=parse_dsn(message),
        findings=findings(chain, verdicts, results, aligned, changed, spam, is_cut=raw.is_cut),
        is_cut=raw.is_cut,
    )


def unread(why: str, placement: str | None) -> Evidence:
    """The evidence of an unreadable message: nothing but the reason."""
    return Evidence(
        chain=Chain(),
        authentication=(),
        received_spf=(),
        spam=(),
        arc=ArcChain(),
        dkim=None,
        alignment=Alignment(),
        mutations=(),
        placement=placement,
        folder=None,
        category=None,
        bounce=None,
        findings=(unreadable(why),),
        is_cut=True,
    )


def _mutations(
    raw: RawMessage,
    sent: bytes | None,
    verdicts: Sequence[DkimVerdict],
    results: Sequence[Authentication],
) -> tuple[Mutation, ...]:
    return () if sent is None else mutations(sent, raw, verdicts, _intact_at(results))


def _intact_at(results: Sequence[Authentication]) -> dict[str, int]:
    """The last hop, by signature label, with a trusted result that the signature is valid."""
    found: dict[str, int] = {}
    for one in results:
        domain, selector = one.result.value("header", "d"), one.result.value("header", "s")
        said = (one.result.method, one.result.result)
        if one.is_trusted and said == ("dkim", "pass") and domain and selector:
            label = f"d={domain.lower()} s={selector.lower()}"
            found[label] = max(found.get(label, 0), one.hops_below)
    return found


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """The document of `explain --json` and of a run, in JSON types; see SCHEMA_VERSION."""
    return {
        "version": SCHEMA_VERSION,
        "hops": [_hop_json(hop) for hop in evidence.chain.hops],
        "slowest_hop": evidence.chain.slowest,
        "is_slowest_hop_sure": evidence.chain.is_slowest_sure,
        "arrival_seconds": _seconds(evidence.chain.arrival),
        "authentication": [_authentication_json(one) for one in evidence.authentication],
        "received_spf": to_json(evidence.received_spf),
        "arc": to_json(evidence.arc),
        "dkim": None if evidence.dkim is None else [_dkim_json(one) for one in evidence.dkim],
        "alignment": to_json(evidence.alignment) | {"is_aligned": evidence.alignment.is_aligned},
        "spam": to_json(evidence.spam),
        "placement": evidence.placement,
        "folder": evidence.folder,
        "category": evidence.category,
        "mutations": to_json(evidence.mutations),
        "bounce": _bounce_json(evidence.bounce),
        "findings": to_json(evidence.findings),
        "is_cut": evidence.is_cut,
    }


def _hop_json(hop: Hop) -> dict[str, Any]:
    return {
        "position": hop.position,
        "from": hop.from_,
        "by": hop.by,
        "with": hop.with_,
        "tls": hop.tls,
        "id": hop.id_,
        "for": hop.for_,
        "date": to_json(hop.date),
        "delay_seconds": _seconds(hop.delay),
        "certain_delay_seconds": _seconds(hop.certain_delay),
        "clock_offset_seconds": _seconds(hop.clock_offset),
        "is_skewed": hop.is_skewed,
        "raw": hop.raw,
    }


def _seconds(interval: Interval | None) -> dict[str, float | None] | None:
    return None if interval is None else {"min": interval.min, "max": interval.max}


def _authentication_json(one: Authentication) -> dict[str, Any]:
    properties = [
        {"type": item.ptype, "name": item.name, "value": item.value}
        for item in one.result.properties
    ]
    return {
        "authserv_id": one.authserv_id,
        "trusted": one.is_trusted,
        "method": one.result.method,
        "result": one.result.result,
        "reason": one.result.reason,
        "properties": properties,
    }


def _dkim_json(one: DkimVerdict) -> dict[str, Any]:
    signature = one.signature
    return {
        "domain": None if signature is None else signature.domain,
        "selector": None if signature is None else signature.selector,
        "algorithm": None if signature is None else signature.algorithm,
        "result": one.result,
        "status": one.status.value,
        "detail": one.detail,
        "key_bits": one.key_bits,
        "is_body_intact": one.is_body_intact,
        "is_header_intact": one.is_header_intact,
        "is_testing": one.is_testing,
    }


_RECIPIENT_KEYS = ("recipient", "action", "status", "reply", "remote_mta", "reason", "owner")


def _bounce_json(bounce: Bounce | None) -> dict[str, Any] | None:
    """The first failed recipient, else the first; the others are in `recipients`."""
    if bounce is None:
        return None
    recipients = [
        {
            "recipient": one.recipient,
            "action": to_json(one.action),
            "status": None if one.status is None else ".".join(map(str, one.status)),
            "reply": one.reply,
            "remote_mta": one.remote_mta,
            "reason": to_json(one.reason),
            "owner": None if one.reason is None else owner_of_recipient(one).value,
        }
        for one in (*bounce.failed, *(r for r in bounce.recipients if r not in bounce.failed))
    ]
    nobody = dict.fromkeys(_RECIPIENT_KEYS)
    first = recipients[0] if recipients else nobody
    return {**first, "reporting_mta": bounce.reporting_mta, "recipients": recipients}
