"""The SPF part of kind `sender`: the policy itself, and its result for every sending address."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

from probes.catalogue import spf
from probes.catalogue.entry import Entry
from probes.kinds.sender.looked_up import not_looked_up, remember_texts
from probes.records import RecordError
from probes.records.looked_up import LookedUp, Lookup, texts
from probes.records.spf.check_host import DEFAULT_LIMITS, check_host
from probes.records.spf.cost import SpfCost, Trouble, worst_case
from probes.records.spf.lint import Flaw, lint
from probes.records.spf.record import SpfRecord, SpfResult, is_nearly_spf, is_spf, parse_spf
from probes.records.spf.verdict import SpfVerdict
from probes.result import Aspect, Finding, Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace

_MAX_LINES = 200
_MAX_TEXT = 4096
_LOOKUPS = DEFAULT_LIMITS.lookups
_VOIDS = DEFAULT_LIMITS.voids
_MAX_TROUBLES = 20
_UNKNOWN = "unknown"
"""Value of %{h} without a known EHLO name, as RFC 7208 §7.3 has it for %{p}."""

FLAWS: Mapping[Flaw, tuple[Entry, Status]] = {
    Flaw.ALL_MISSING: (spf.ALL_MISSING, Status.NOTICE),
    Flaw.TERMS_AFTER_ALL: (spf.TERMS_AFTER_ALL, Status.NOTICE),
    Flaw.REDIRECT_IGNORED: (spf.REDIRECT_IGNORED, Status.WARNING),
    Flaw.ALL_PERMISSIVE: (spf.ALL_PERMISSIVE, Status.FAILURE),
    Flaw.ALL_NEUTRAL: (spf.ALL_NEUTRAL, Status.NOTICE),
    Flaw.PTR_USED: (spf.PTR_USED, Status.NOTICE),
    Flaw.NETWORK_WIDE: (spf.NETWORK_WIDE, Status.WARNING),
    Flaw.TERM_REPEATED: (spf.TERM_REPEATED, Status.NOTICE),
    Flaw.MODIFIER_UNKNOWN: (spf.MODIFIER_UNKNOWN, Status.INFO),
    Flaw.RECORD_LONG: (spf.RECORD_LONG, Status.INFO),
}
"""The entry of each flaw of a record, and how bad it is."""

TROUBLES: Mapping[Trouble, tuple[Entry, Status]] = {
    Trouble.INCLUDE_MISSING: (spf.INCLUDE_MISSING, Status.FAILURE),
    Trouble.INCLUDE_BROKEN: (spf.INCLUDE_BROKEN, Status.FAILURE),
    Trouble.INCLUDE_PERMISSIVE: (spf.INCLUDE_PERMISSIVE, Status.FAILURE),
    Trouble.MX_TOO_MANY: (spf.MX_TOO_MANY, Status.FAILURE),
    Trouble.TERM_VOID: (spf.TERM_VOID, Status.NOTICE),
    Trouble.LOOKUP_FAILED: (spf.LOOKUP_FAILED, Status.WARNING),
}
"""The entry of each trouble that an evaluation ends in, and how bad it is."""


@dataclass(frozen=True, slots=True)
class SpfQuestion:
    """One sending address and the session it would begin. `domain` is that of `mail_from`.

    `helo` is None where the EHLO name is not known.
    """

    ip: str
    mail_from: str
    helo: str | None
    domain: str


async def probe_policy(trace: Trace, domain: str, lookup: Lookup) -> None:
    """Probe the record: its existence, its syntax, and unwise terms in it."""
    with trace.part(domain, None) as part, part.phase(Phase.EVALUATE):
        found = await lookup(domain, "TXT")
        remember_texts(part, Aspect.SPF, domain, found, is_spf)
        record = _only_record(part, domain, found)
        part.facts["spf.record"] = record.text[:_MAX_TEXT]
        for remark in lint(record):
            entry, status = FLAWS[remark.flaw]
            part.findings.append(entry.found(status, domain, remark.evidence[:300]))
        cost = await worst_case(domain, record, lookup)
        part.facts["spf.worst_case_lookups"] = cost.lookups
        part.facts["spf.worst_case_void_lookups"] = max(cost.voids)
        part.facts["spf.policies"] = cost.domains
        part.findings.extend(_about_cost(domain, cost))
        part.findings.extend(_about_troubles(cost))


async def probe_spf(trace: Trace, question: SpfQuestion, lookup: Lookup) -> None:
    """Evaluate one address as a receiver does, for the envelope sender and for the EHLO name."""
    with trace.part(question.domain, question.ip) as part, part.phase(Phase.EVALUATE):
        if question.helo is not None:
            await _probe_helo(part, question.ip, question.helo, lookup)
        helo = question.helo or _UNKNOWN
        verdict = await check_host(question.ip, question.mail_from, helo, lookup)
        _take_down(part, verdict)
        if verdict.result is SpfResult.NONE:
            _no_record(part, question.domain, await lookup(question.domain, "TXT"))
        _require_pass(part, question, verdict)


async def _probe_helo(part: Trace, ip: str, helo: str, lookup: Lookup) -> None:
    verdict = await check_host(ip, "", helo, lookup)
    part.facts["spf.helo_result"] = verdict.result
    if verdict.result in (SpfResult.FAIL, SpfResult.PERMERROR):
        evidence = f"{verdict.result} for {ip}: {(verdict.matched or verdict.problem)[:300]}"
        part.findings.append(spf.HELO_FAILS.found(Status.WARNING, helo, evidence))


def _only_record(part: Trace, domain: str, found: LookedUp) -> SpfRecord:
    if found.failed:
        _look_up_failed(part, domain, found, f"TXT of {domain}: {found.detail}")
    records = [text for text in texts(found) if is_spf(text)]
    part.facts["spf.records"] = len(records)
    if not records:
        _no_record(part, domain, found)
    if len(records) > 1:
        evidence = " | ".join(text[:100] for text in records[:4])
        _fail(part, spf.RECORD_MULTIPLE, Reason.RECORD_MULTIPLE, domain, evidence)
    try:
        return parse_spf(records[0])
    except RecordError as error:
        _fail(part, spf.RECORD_SYNTAX, Reason.RECORD_SYNTAX, domain, str(error))


def _no_record(part: Trace, domain: str, found: LookedUp) -> NoReturn:
    """None at all, or one that was meant as a record: there, another one is no remedy."""
    nearly = next(filter(is_nearly_spf, texts(found)), None)
    if nearly is not None:
        evidence = f"{nearly[:200]!r} does not begin with v=spf1 and a space"
        _fail(part, spf.RECORD_IGNORED, Reason.RECORD_SYNTAX, domain, evidence)
    evidence = f"TXT of {domain}: {found.status}, none begins with v=spf1"
    _fail(part, spf.RECORD_MISSING, Reason.RECORD_MISSING, domain, evidence)


def _about_cost(domain: str, cost: SpfCost) -> Iterator[Finding]:
    evidence = f"{cost.lookups} terms that need look-ups, in {len(cost.domains)} policies"
    if cost.loops:
        yield spf.LOOP.found(Status.FAILURE, domain, f"{cost.loops} leads to itself")
    if cost.lookups > _LOOKUPS:
        yield spf.COST_TOO_HIGH.found(Status.WARNING, domain, evidence)
    elif cost.lookups >= _LOOKUPS - 1:
        yield spf.COST_HIGH.found(Status.NOTICE, domain, evidence)
    if max(cost.voids) > _VOIDS:
        is_any = min(cost.voids) > _VOIDS
        clients = "" if is_any else f" for clients over {_family_of(cost)}"
        evidence = f"{max(cost.voids)} terms find nothing{clients}, {_VOIDS} are allowed"
        status = Status.WARNING if is_any else Status.NOTICE
        yield spf.VOIDS_TOO_MANY.found(status, domain, evidence)


def _family_of(cost: SpfCost) -> str:
    v4, v6 = cost.voids
    return "IPv4" if v4 > v6 else "IPv6"


def _about_troubles(cost: SpfCost) -> Iterator[Finding]:
    for one in cost.troubles[:_MAX_TROUBLES]:
        entry, theirs = TROUBLES[one.trouble]
        status = Status.UNTESTABLE if one.is_ours else theirs
        yield entry.found(status, one.subject, one.evidence[:400])


def _take_down(part: Trace, verdict: SpfVerdict) -> None:
    part.facts["spf.result"] = verdict.result
    part.facts["spf.matched"] = None if verdict.matched is None else verdict.matched[:300]
    part.facts["spf.path"] = tuple(step[:300] for step in verdict.path)
    part.facts["spf.lookups"] = verdict.lookups
    part.facts["spf.void_lookups"] = verdict.void_lookups
    part.facts["spf.explanation"] = verdict.explanation
    part.facts["spf.problem"] = verdict.problem
    if verdict.tree is not None:
        part.facts["spf.tree"] = tuple(line[:300] for line in islice(_lines(verdict), _MAX_LINES))


def _lines(verdict: SpfVerdict) -> Iterator[str]:
    if verdict.tree is not None:
        yield from verdict.tree.lines()


def _require_pass(part: Trace, question: SpfQuestion, verdict: SpfVerdict) -> None:
    """Anything but pass is a failure where a receiver could refuse the mail for it."""
    result, subject = verdict.result, question.domain
    if result is SpfResult.PASS:
        return
    if result is SpfResult.TEMPERROR:
        _look_up_failed(part, subject, verdict, verdict.problem)
    elif result is SpfResult.PERMERROR:
        reason = Reason.RECORD_SYNTAX
        if verdict.lookups > _LOOKUPS or verdict.void_lookups > DEFAULT_LIMITS.voids:
            reason = Reason.TOO_MANY_LOOKUPS
        _fail(part, spf.PERMERROR, reason, subject, verdict.problem)
    else:
        matched = " > ".join(verdict.path) or "nothing in the policy matches"
        evidence = f"{result} for {question.ip}: {matched}"
        _not_authorised(part, subject, evidence, result)


def _not_authorised(part: Trace, subject: str, evidence: str, result: SpfResult) -> None:
    section = {"fail": "4", "softfail": "5"}.get(result, "2")
    reference = f"RFC 7208 §2.6.{section}"
    if result is SpfResult.NEUTRAL:
        part.findings.append(
            spf.NOT_AUTHORISED.found(Status.WARNING, subject, evidence[:400], reference=reference)
        )
        return
    reason = Reason.AUTHENTICATION_FAILED
    _fail(part, spf.NOT_AUTHORISED, reason, subject, evidence[:400], reference)


def _look_up_failed(
    part: Trace, subject: str, failed: LookedUp | SpfVerdict, detail: str
) -> NoReturn:
    status = Status.UNTESTABLE if failed.is_ours else Status.FAILURE
    part.findings.append(spf.LOOKUP_FAILED.found(status, subject, detail[:400]))
    raise not_looked_up(failed.failure, detail, is_ours=failed.is_ours)


def _fail(
    part: Trace,
    entry: Entry,
    reason: Reason,
    subject: str,
    evidence: str,
    reference: str | None = None,
) -> NoReturn:
    found = entry.found(Status.FAILURE, subject, evidence[:400], reference=reference)
    part.findings.append(found)
    raise ProbeFailure(reason, evidence, owner=Owner.SENDER, is_transient=False)
