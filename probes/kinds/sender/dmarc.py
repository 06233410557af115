"""The DMARC part of kind `sender`: the policy for receivers, and the destination of reports."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NoReturn

from probes.catalogue import dmarc
from probes.kinds.sender.looked_up import not_looked_up, remember_texts
from probes.records.dmarc.discovery import (
    Discovery,
    WalkStep,
    discover,
    older_readers_differ,
    walk_up,
)
from probes.records.dmarc.record import DmarcRecord, Policy, ReportUri, is_dmarc
from probes.records.dmarc.reports import Authorisation, authorisation
from probes.records.looked_up import Lookup, texts
from probes.result import Aspect, Finding, Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace

MAX_DESTINATIONS = 8
"""Domains of report addresses that are asked whether they agree."""


async def probe_dmarc(
    trace: Trace, domain: str, identifiers: tuple[str, str], lookup: Lookup
) -> None:
    """The policy of `domain`; `identifiers` are the domains SPF and DKIM would authenticate."""
    with trace.part(f"_dmarc.{domain}", None) as part, part.phase(Phase.EVALUATE):
        found = await discover(domain, lookup)
        _take_down(part, found)
        for step in found.walk.steps:  # asked already: nobody is asked again
            name = f"_dmarc.{step.domain}"
            remember_texts(part, Aspect.DMARC, name, await lookup(name, "TXT"), is_dmarc)
        part.findings.extend(_about_walk(found))
        record = found.record or await _missing(part, found, lookup)
        part.findings.extend(_about_policy(found, record))
        part.findings.extend(_about_tags(found, record))
        part.findings.extend(await _about_alignment(found, record, identifiers, lookup))
        part.findings.extend(await _about_reports(found, record, lookup))


def _take_down(part: Trace, found: Discovery) -> None:
    part.facts["dmarc.organisational_domain"] = found.organisational_domain
    part.facts["dmarc.asked"] = tuple(f"_dmarc.{step.domain}" for step in found.walk.steps)
    part.facts["dmarc.found_at"] = found.found_at
    part.facts["dmarc.policy"] = found.policy
    part.facts["dmarc.record"] = None if found.record is None else found.record.text[:4096]


async def _missing(part: Trace, found: Discovery, lookup: Lookup) -> NoReturn:
    """A domain without a record that holds fails the run, and is told why it has none."""
    failed = found.walk.failed
    if failed is not None:
        part.findings.append(_look_up_failed(failed, Status.FAILURE))
        detail = f"TXT of _dmarc.{failed.domain}: {failed.detail}"
        raise not_looked_up(failed.failure, detail, is_ours=failed.is_ours)
    names = ", ".join(f"_dmarc.{step.domain}" for step in found.walk.steps)
    evidence, reason = f"none that counts at {names}", _why_missing(found)
    if reason is Reason.RECORD_MISSING:
        evidence = f"none at {names}"
        part.findings.append(await _absent(found, evidence, lookup))
    raise ProbeFailure(reason, evidence, owner=Owner.SENDER, is_transient=False)


def _why_missing(found: Discovery) -> Reason:
    """Return the reason why no record applies.

    A faulty record met on the walk has its own finding. Its remedy is not one more record.
    """
    if any(step.count > 1 for step in found.walk.steps):
        return Reason.RECORD_MULTIPLE
    is_ignored = any(step.ignored for step in found.walk.steps)
    return Reason.RECORD_SYNTAX if is_ignored else Reason.RECORD_MISSING


async def _absent(found: Discovery, evidence: str, lookup: Lookup) -> Finding:
    """None anywhere, or one at the domain itself, where nobody looks for it."""
    beside = filter(is_dmarc, texts(await lookup(found.domain, "TXT")))
    if misplaced := next(beside, None):
        return dmarc.RECORD_MISPLACED.found(Status.FAILURE, found.domain, misplaced[:200])
    return dmarc.RECORD_MISSING.found(Status.FAILURE, found.domain, evidence[:400])


def _look_up_failed(step: WalkStep, theirs: Status) -> Finding:
    """With status `theirs`, unless it is our own resolver that failed."""
    status = Status.UNTESTABLE if step.is_ours else theirs
    subject = f"_dmarc.{step.domain}"
    return dmarc.LOOKUP_FAILED.found(status, subject, step.detail)


def _about_walk(found: Discovery) -> Iterator[Finding]:
    for step in found.walk.steps:
        subject = f"_dmarc.{step.domain}"
        if step.count > 1:
            evidence = f"{step.count} DMARC records: none of them counts"
            yield dmarc.RECORD_MULTIPLE.found(Status.FAILURE, subject, evidence)
        if step.ignored:
            status = Status.FAILURE if found.record is None else Status.WARNING
            evidence = f"{step.ignored[0][:200]!r} does not begin with v=DMARC1;"
            yield dmarc.RECORD_IGNORED.found(status, subject, evidence)


def _about_policy(found: Discovery, record: DmarcRecord) -> Iterator[Finding]:
    subject = f"_dmarc.{found.found_at}"
    if not record.is_applied:
        problems = "; ".join(text for _, text in record.problems)[:300]
        yield dmarc.NOT_APPLIED.found(Status.FAILURE, subject, problems)
        return
    if found.policy is Policy.NONE:
        evidence = f"{found.tag}=none holds for {found.domain}"
        yield dmarc.POLICY_NONE.found(Status.NOTICE, subject, evidence)
    if record.is_testing:
        evidence = f"t=y: {found.policy} is not applied"
        yield dmarc.TESTING.found(Status.NOTICE, subject, evidence)
    yield from _about_weaker(subject, record)


def _about_weaker(subject: str, record: DmarcRecord) -> Iterator[Finding]:
    order = list(Policy)
    own = order.index(record.policy or Policy.NONE)
    for tag, policy in (("sp", record.subdomain_policy), ("np", record.nonexistent_policy)):
        if policy is not None and order.index(policy) < own:
            evidence = f"{tag}={policy} is weaker than p={record.policy}"
            yield dmarc.SUBDOMAINS_WEAKER.found(Status.NOTICE, subject, evidence)


def _about_tags(found: Discovery, record: DmarcRecord) -> Iterator[Finding]:
    subject = f"_dmarc.{found.found_at}"
    for _, problem in record.problems[:10]:
        yield dmarc.TAG_INVALID.found(Status.WARNING, subject, problem)
    if record.unknown:
        evidence = ", ".join(record.unknown)[:200]
        yield dmarc.TAG_UNKNOWN.found(Status.INFO, subject, evidence)
    for name, value in record.retired:
        yield dmarc.TAG_RETIRED.found(Status.INFO, subject, f"{name}={value[:40]}")
    for difference in older_readers_differ(found):
        yield dmarc.OLDER_READERS_DIFFER.found(Status.INFO, subject, difference)


async def _about_alignment(
    found: Discovery, record: DmarcRecord, identifiers: Sequence[str], lookup: Lookup
) -> list[Finding]:
    """Return findings about the alignment with the author domain, RFC 9989 §4.4.

    After a failed look-up of an organisation, the finding is about the look-up and not about
    alignment.
    """
    findings: list[Finding] = []
    strict = (record.is_spf_strict, record.is_dkim_strict)
    for method, identifier, is_strict in zip(("SPF", "DKIM"), identifiers, strict, strict=True):
        if identifier == found.domain:
            continue
        walk = await walk_up(identifier, lookup)
        failed = None if is_strict else walk.failed or found.walk.failed
        if failed is not None:
            findings.append(_look_up_failed(failed, Status.WARNING))
        elif is_strict or walk.organisational_domain != found.organisational_domain:
            mode = "strictly" if is_strict else "relaxed"
            evidence = f"{method} authenticates {identifier}, {mode} not {found.domain}"
            findings.append(dmarc.UNALIGNED.found(Status.WARNING, found.domain, evidence))
    return findings


async def _about_reports(found: Discovery, record: DmarcRecord, lookup: Lookup) -> list[Finding]:
    subject = f"_dmarc.{found.found_at}"
    findings: list[Finding] = []
    if not any(uri.domain for uri in record.aggregate):
        evidence = "no rua= with an address"
        findings.append(dmarc.REPORTS_MISSING.found(Status.NOTICE, subject, evidence))
    sized = [uri.text for uri in (*record.aggregate, *record.failure) if uri.size is not None]
    if sized:
        evidence = ", ".join(sized)[:200]
        findings.append(dmarc.REPORT_SIZE_RETIRED.found(Status.INFO, subject, evidence))
    for destination in _destinations((*record.aggregate, *record.failure)):
        findings += await _about_destination(found, destination, lookup)
        if await _takes_no_mail(destination, lookup):
            evidence = f"{destination} has no MX record to take mail by and no address"
            findings.append(
                dmarc.REPORTS_UNDELIVERABLE.found(Status.WARNING, destination, evidence)
            )
    return findings


async def _takes_no_mail(domain: str, lookup: Lookup) -> bool:
    """A null MX (RFC 7505 §3), or neither MX nor address (RFC 5321 §5.1); False in doubt."""
    found = await lookup(domain, "MX")
    if found.records:
        return all(one.exchange in ("", ".") for one in found.records)
    if not found.is_void:
        return False
    addresses = await asyncio.gather(lookup(domain, "A"), lookup(domain, "AAAA"))
    return all(one.is_void for one in addresses)


def _destinations(uris: Sequence[ReportUri]) -> list[str]:
    domains = dict.fromkeys(uri.domain for uri in uris if uri.domain is not None)
    return list(domains)[:MAX_DESTINATIONS]


async def _about_destination(found: Discovery, destination: str, lookup: Lookup) -> list[Finding]:
    ours = found.found_at or found.domain
    agreed = await authorisation(ours, destination, lookup)
    if agreed.status is Authorisation.REFUSED:
        evidence = f"no DMARC record at {agreed.name} ({agreed.detail})"
        status = Status.WARNING
    elif agreed.status is Authorisation.UNKNOWN:
        evidence = f"{agreed.name}: {agreed.detail}"
        status = Status.UNTESTABLE if agreed.is_ours else Status.NOTICE
    else:
        return []
    subject = f"{ours}._report._dmarc.{destination}"
    return [dmarc.REPORTS_UNAUTHORISED.found(status, subject, evidence[:400])]
