"""The SPF part of kind `sender`: the policy itself, and what it says of every sending address."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

from probes.kinds.sender.looked_up import not_looked_up, remember_texts
from probes.records import RecordError
from probes.records.looked_up import LookedUp, Lookup, texts
from probes.records.spf.check_host import DEFAULT_LIMITS, check_host
from probes.records.spf.cost import SpfCost, worst_case
from probes.records.spf.lint import lint
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
"""What %{h} stands for where the EHLO name is not known, as RFC 7208 §7.3 has it for %{p}."""

_STATUS = {
    "spf.all_missing": Status.NOTICE,
    "spf.terms_after_all": Status.NOTICE,
    "spf.redirect_ignored": Status.WARNING,
    "spf.all_permissive": Status.FAILURE,
    "spf.all_neutral": Status.NOTICE,
    "spf.ptr_used": Status.NOTICE,
    "spf.network_wide": Status.WARNING,
    "spf.term_repeated": Status.NOTICE,
    "spf.modifier_unknown": Status.INFO,
    "spf.record_long": Status.INFO,
}
_TROUBLE = {
    "spf.include_missing": Status.FAILURE,
    "spf.include_broken": Status.FAILURE,
    "spf.include_permissive": Status.FAILURE,
    "spf.mx_too_many": Status.FAILURE,
    "spf.term_void": Status.NOTICE,
    "spf.lookup_failed": Status.WARNING,
}


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
    """The record: that there is one, that it can be read, and what is unwise in it."""
    with trace.part(domain, None) as part, part.phase(Phase.EVALUATE):
        found = await lookup(domain, "TXT")
        remember_texts(part, Aspect.SPF, domain, found, is_spf)
        record = _only_record(part, domain, found)
        part.facts["spf.record"] = record.text[:_MAX_TEXT]
        for remark in lint(record):
            evidence = remark.evidence[:300]
            status = _STATUS[remark.code]
            part.findings.append(Finding(remark.code, status, domain, evidence, remark.reference))
        cost = await worst_case(domain, record, lookup)
        part.facts["spf.worst_case_lookups"] = cost.lookups
        part.facts["spf.worst_case_void_lookups"] = max(cost.voids)
        part.facts["spf.policies"] = cost.domains
        part.findings.extend(_about_cost(domain, cost))
        part.findings.extend(_about_troubles(cost))


async def probe_spf(trace: Trace, question: SpfQuestion, lookup: Lookup) -> None:
    """What a receiver comes to for one address, for the envelope sender and for the EHLO name."""
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
        part.findings.append(
            Finding("spf.helo_fails", Status.WARNING, helo, evidence, "RFC 7208 §2.3")
        )


def _only_record(part: Trace, domain: str, found: LookedUp) -> SpfRecord:
    if found.failed:
        _look_up_failed(part, domain, found, f"TXT of {domain}: {found.detail}")
    records = [text for text in texts(found) if is_spf(text)]
    part.facts["spf.records"] = len(records)
    if not records:
        _no_record(part, domain, found)
    if len(records) > 1:
        evidence = " | ".join(text[:100] for text in records[:4])
        _fail(
            part, "spf.record_multiple", Reason.RECORD_MULTIPLE, domain, evidence, "RFC 7208 §4.5"
        )
    try:
        return parse_spf(records[0])
    except RecordError as error:
        _fail(part, "spf.record_syntax", Reason.RECORD_SYNTAX, domain, str(error), "RFC 7208 §4.6")


def _no_record(part: Trace, domain: str, found: LookedUp) -> NoReturn:
    """None at all, or one that was meant as a record: there, another one is no remedy."""
    nearly = next(filter(is_nearly_spf, texts(found)), None)
    if nearly is not None:
        evidence = f"{nearly[:200]!r} does not begin with v=spf1 and a space"
        _fail(part, "spf.record_ignored", Reason.RECORD_SYNTAX, domain, evidence, "RFC 7208 §4.5")
    evidence = f"TXT of {domain}: {found.status}, none begins with v=spf1"
    _fail(part, "spf.record_missing", Reason.RECORD_MISSING, domain, evidence, "RFC 7208 §4.5")


def _about_cost(domain: str, cost: SpfCost) -> Iterator[Finding]:
    evidence = f"{cost.lookups} terms that need look-ups, in {len(cost.domains)} policies"
    if cost.loops:
        yield Finding(
            "spf.loop", Status.FAILURE, domain, f"{cost.loops} leads to itself", "RFC 7208 §4.6.4"
        )
    if cost.lookups > _LOOKUPS:
        yield Finding("spf.cost_too_high", Status.WARNING, domain, evidence, "RFC 7208 §4.6.4")
    elif cost.lookups >= _LOOKUPS - 1:
        yield Finding("spf.cost_high", Status.NOTICE, domain, evidence, "RFC 7208 §4.6.4")
    if max(cost.voids) > _VOIDS:
        is_any = min(cost.voids) > _VOIDS
        clients = "" if is_any else f" for clients over {_family_of(cost)}"
        evidence = f"{max(cost.voids)} terms find nothing{clients}, {_VOIDS} are allowed"
        status = Status.WARNING if is_any else Status.NOTICE
        yield Finding("spf.voids_too_many", status, domain, evidence, "RFC 7208 §4.6.4")


def _family_of(cost: SpfCost) -> str:
    v4, v6 = cost.voids
    return "IPv4" if v4 > v6 else "IPv6"


def _about_troubles(cost: SpfCost) -> Iterator[Finding]:
    for one in cost.troubles[:_MAX_TROUBLES]:
        status = _TROUBLE[one.code]
        if one.is_ours:
            status = Status.UNTESTABLE
        yield Finding(one.code, status, one.subject, one.evidence[:400], one.reference)


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
        _fail(part, "spf.permerror", reason, subject, verdict.problem, "RFC 7208 §2.6.7")
    else:
        matched = " > ".join(verdict.path) or "nothing in the policy matches"
        evidence = f"{result} for {question.ip}: {matched}"
        _not_authorised(part, subject, evidence, result)


def _not_authorised(part: Trace, subject: str, evidence: str, result: SpfResult) -> None:
    section = {"fail": "4", "softfail": "5"}.get(result, "2")
    reference = f"RFC 7208 §2.6.{section}"
    if result is SpfResult.NEUTRAL:
        part.findings.append(
            Finding("spf.not_authorised", Status.WARNING, subject, evidence[:400], reference)
        )
        return
    _fail(
        part, "spf.not_authorised", Reason.AUTHENTICATION_FAILED, subject, evidence[:400], reference
    )


def _look_up_failed(
    part: Trace, subject: str, failed: LookedUp | SpfVerdict, detail: str
) -> NoReturn:
    status = Status.UNTESTABLE if failed.is_ours else Status.FAILURE
    part.findings.append(
        Finding("spf.lookup_failed", status, subject, detail[:400], "RFC 7208 §2.6.6")
    )
    raise not_looked_up(failed.failure, detail, is_ours=failed.is_ours)


def _fail(
    part: Trace, code: str, reason: Reason, subject: str, evidence: str, reference: str
) -> NoReturn:
    part.findings.append(Finding(code, Status.FAILURE, subject, evidence[:400], reference))
    raise ProbeFailure(reason, evidence, owner=Owner.THEIR_DNS, is_transient=False)
