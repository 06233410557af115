"""Findings about a domain's TLS policies, host by host; pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from probes.catalogue import tls_policies as policies
from probes.kinds.policy.consequences import DaneState, StsState, TlsState
from probes.kinds.policy.hosts import Host, Visit
from probes.kinds.policy.records import Sts
from probes.lookups.dnssec import Dnssec, ResolverState
from probes.net.certificates import Certificate, read_chain
from probes.records.mta_sts import covers, matches_mx
from probes.result import Finding, Status

_NOT_TLS = {TlsState.NOT_OFFERED: "is not offered", TlsState.FAILED: "fails"}


def resolver_findings(resolver: ResolverState, name: str) -> Iterator[Finding]:
    """Yield the limits of our own resolver; the domain's DNSSEC is then not judged."""
    if resolver.validates is not True:
        yield policies.DNSSEC_RESOLVER_NOT_VALIDATING.found(Status.UNTESTABLE, name, resolver.proof)
    if resolver.rewrites_nxdomain:
        evidence = "it has an answer for a name under .invalid, which cannot exist"
        yield policies.DNSSEC_RESOLVER_REWRITES.found(Status.WARNING, name, evidence)


def dnssec_finding(domain: str, state: Dnssec) -> Iterator[Finding]:
    """The state of the domain's MX records."""
    if state is Dnssec.INSECURE:
        evidence = "its MX records are not signed: DANE cannot protect its mail"
        yield policies.DNSSEC_INSECURE.found(Status.INFO, domain, evidence)


def sts_findings(sts: Sts, visits: Sequence[Visit]) -> Iterator[Finding]:
    """Policy against hosts, in both directions."""
    policy = sts.policy
    if policy is None:
        return
    status = Status.FAILURE if sts.state is StsState.ENFORCE else Status.WARNING
    names = dict.fromkeys(visit.host.name for visit in visits)
    for name in names:
        if not covers(policy, name):
            evidence = f"none of {', '.join(policy.mx[:8])} matches it"
            yield policies.STS_HOST_NOT_COVERED.found(status, name, evidence)
    for pattern in policy.mx:
        if not any(matches_mx(pattern, name) for name in names):
            evidence = "no MX host matches the pattern"
            yield policies.STS_PATTERN_UNUSED.found(Status.NOTICE, pattern, evidence)
    for visit in visits:
        if visit.tls is not None and not visit.tls.trusted:
            yield policies.STS_HOST_UNTRUSTED.found(status, visit.subject, visit.tls.detail)
        elif visit.tls_state in _NOT_TLS:
            evidence = f"STARTTLS {_NOT_TLS[visit.tls_state]}"
            yield policies.STS_HOST_UNTRUSTED.found(status, visit.subject, evidence)


def dane_findings(hosts: Sequence[Host], visits: Sequence[Visit]) -> Iterator[Finding]:
    """Yield findings about the TLSA records alone, then about their match with the certificates."""
    for host in hosts:
        yield from _record_findings(host)
    with_records = [host for host in hosts if host.tlsa.applies]
    without = [host.name for host in hosts if host.tlsa.state is Dnssec.SECURE]
    without = [name for name in without if name not in {host.name for host in with_records}]
    if with_records and without:
        evidence = f"other hosts of the domain have them; {', '.join(without[:8])} not"
        yield policies.DANE_PARTIAL.found(Status.NOTICE, without[0], evidence)
    if hosts and not any(host.tlsa.is_published or host.tlsa.failure for host in hosts):
        yield policies.DANE_ABSENT.found(Status.INFO, hosts[0].tlsa.name, "no TLSA record")
    for visit in visits:
        yield from _match_findings(visit)


def _record_findings(host: Host) -> Iterator[Finding]:
    tlsa = host.tlsa
    if tlsa.failure is not None or tlsa.state is Dnssec.BOGUS:
        is_heeded = tlsa.state in (Dnssec.SECURE, Dnssec.BOGUS)
        status = Status.FAILURE if is_heeded else Status.NOTICE
        status = Status.UNTESTABLE if tlsa.state is Dnssec.UNTESTABLE else status
        evidence = tlsa.failure or "bogus"
        yield policies.DANE_LOOKUP_FAILED.found(status, tlsa.name, evidence)
    if tlsa.is_published and tlsa.state is Dnssec.INSECURE:
        evidence = "TLSA records without DNSSEC: nobody heeds them"
        yield policies.DANE_NOT_SIGNED.found(Status.WARNING, tlsa.name, evidence)
    problems = [f"{record.problem}" for record in tlsa.records if record.problem]
    for problem in (*tlsa.unreadable, *problems):
        status = Status.NOTICE if tlsa.usable else Status.WARNING
        yield policies.DANE_UNUSABLE.found(status, tlsa.name, problem)
    odd = [record for record in tlsa.usable if (record.usage, record.selector) not in _USUAL]
    odd += [record for record in tlsa.usable if record.matching != 1 and record not in odd]
    for record in odd:
        evidence = f"{record.usage} {record.selector} {record.matching} is not 3 1 1 or 2 0 1"
        yield policies.DANE_UNUSUAL.found(Status.NOTICE, tlsa.name, evidence)


_USUAL = {(3, 1), (2, 0), (2, 1)}


def _match_findings(visit: Visit) -> Iterator[Finding]:
    tlsa, verdict = visit.host.tlsa, visit.dane
    if tlsa.applies and visit.tls_state in _NOT_TLS:
        evidence = f"TLSA records exist and STARTTLS {_NOT_TLS[visit.tls_state]}"
        yield policies.DANE_NO_STARTTLS.found(Status.FAILURE, visit.subject, evidence)
    if verdict is None or not tlsa.applies:
        return
    if visit.dane_state is DaneState.MISMATCH:
        yield policies.DANE_MISMATCH.found(Status.FAILURE, visit.subject, verdict.detail)
    elif verdict.unmatched:
        evidence = f"{len(verdict.matched)} records match; the next or an old key: {verdict.detail}"
        yield policies.DANE_ROLLOVER.found(Status.INFO, visit.subject, evidence)


def certificate_findings(
    visits: Sequence[Visit], now: datetime, margin: timedelta
) -> Iterator[Finding]:
    """Yield findings about certificates that expire soon or are weak."""
    for visit in visits:
        chain = read_chain(visit.tls.chain_der) if visit.tls is not None else ()
        for depth, one in enumerate(chain):
            yield from _expiry(visit, one, depth, now, margin)
            for weakness in one.weaknesses:
                evidence = f"{one.subject}: {weakness}"
                yield policies.TLS_WEAK_CERTIFICATE.found(Status.WARNING, visit.subject, evidence)


def _expiry(
    visit: Visit, one: Certificate, depth: int, now: datetime, margin: timedelta
) -> Iterator[Finding]:
    if one.not_after - now > margin:
        return
    is_leaf = depth == 0
    entry = policies.TLS_CERTIFICATE_EXPIRES if is_leaf else policies.TLS_INTERMEDIATE_EXPIRES
    ended = "ended" if one.not_after < now else "ends"
    evidence = (
        f"{one.subject} {ended} on {one.not_after:%F %H:%M}Z ({_distance(one.not_after - now)})"
    )
    yield entry.found(Status.WARNING, visit.subject, evidence)


def _distance(left: timedelta) -> str:
    days = abs(int(left / timedelta(days=1)))
    count = f"{days} day{'' if days == 1 else 's'}"
    return f"in {count}" if left > timedelta(0) else f"{count} ago"
