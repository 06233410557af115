"""Kind `policy`: a domain's policies for senders (MTA-STS, DANE), and its servers' compliance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from probes.catalogue import mx, tls_policies
from probes.kinds.policy.consequences import (
    Consequence,
    DaneState,
    DomainView,
    HostView,
    MxState,
    Outcome,
    Sender,
    StsState,
    TlsState,
    consequences,
)
from probes.kinds.policy.findings import (
    certificate_findings,
    dane_findings,
    dnssec_finding,
    resolver_findings,
    sts_findings,
)
from probes.kinds.policy.hosts import Visit, find_hosts, visit_all
from probes.kinds.policy.records import Sts, find_sts, find_tlsrpt
from probes.lookups.dnssec import Dnssec, ResolverState, examine, state_of
from probes.lookups.mx_hosts import MxHosts, hosts_in, mx_records
from probes.mx.records import remember_mx
from probes.net import Net
from probes.options import Count, Domain, Host, IpAddress, Port, Seconds, option
from probes.result import NOTHING, Aspect, Owner, Phase, ProbeFailure, Reason, Status
from probes.tasks import TaskSet
from probes.trace import MAX_PARTS, Trace

_WITHOUT_HOSTS = MAX_PARTS - 4
"""Addresses that are visited; the policy host is a part as well."""


@dataclass(frozen=True, slots=True)
class PolicyTarget:
    """A mail domain."""

    domain: Domain = option("The mail domain whose policies are probed.")
    port: Port = option("SMTP port of its hosts.", Port(25))
    ehlo_name: Host | None = option("EHLO name here instead of the service's.", None)
    source_address: IpAddress | None = option(
        "Local address to connect from, for addresses of its family.", None
    )
    address_timeout: Seconds = option("Longest handshake with one address.", Seconds(15.0))
    policy_timeout: Seconds = option("Longest fetch of the MTA-STS policy.", Seconds(20.0))
    max_hosts: Count = option("Hosts that are probed, the most preferred ones.", Count(16))
    max_concurrent: Count = option("Addresses that are probed at the same time.", Count(8))
    broken_name: Host | None = option(
        "A name whose DNSSEC signatures are broken on purpose, to test our own resolver with; "
        "unset: only its answer about the root zone counts.",
        None,
    )
    expiry_margin: Seconds = option(
        "How long before its end a certificate is reported.", Seconds(14 * 86_400.0)
    )


def host(target: PolicyTarget) -> str:
    """Return the domain that a run puts load on."""
    return target.domain


async def probe(net: Net, target: PolicyTarget, trace: Trace) -> None:
    """Probe the policies and the servers of a domain.

    Fails when a sender that honours the published policies could not deliver.
    """
    resolver = await examine(net.resolver, target.broken_name)
    mx_hosts = await _find_mx(net, target.domain, trace)
    resolver = resolver.having_heard([mx_hosts.answer])
    state = state_of(mx_hosts.answer, resolver)
    server = "{}:{}".format(*mx_hosts.answer.server)
    trace.facts["dnssec.resolver_validates"] = resolver.validates
    trace.facts["dnssec.mx"] = state.value
    trace.findings.extend(resolver_findings(resolver, server))
    trace.findings.extend(dnssec_finding(target.domain, state))
    async with TaskSet() as group:
        policy = group.start(
            find_sts(net, target.domain, target.policy_timeout, trace), name="MTA-STS"
        )
        group.start(find_tlsrpt(net, target.domain, trace), name="TLS-RPT")
        visiting = group.start(_visits(net, target, mx_hosts, resolver, trace), name="hosts")
    sts, visits = policy.result(), visiting.result()
    trace.findings.extend(sts_findings(sts, visits))
    margin = timedelta(seconds=target.expiry_margin)
    trace.findings.extend(certificate_findings(visits, net.clock.utc(), margin))
    secure = {Dnssec.SECURE: True, Dnssec.INSECURE: False}.get(state)
    hosts = tuple(visit.view(sts.policy) for visit in visits)
    view = DomainView(
        MxState.FOUND,
        secure,
        sts.state,
        hosts,
        mx_doubt=f"our resolver does not validate: {resolver.proof}",
        sts_why=sts.why,
        sts_may_be_kept=sts.may_be_kept,
    )
    _judge(view, sts, visits, trace)


async def _find_mx(net: Net, domain: str, trace: Trace) -> MxHosts:
    """The hosts; without them the table says so, and the run ends."""
    try:
        with trace.phase(Phase.DNS_MX):
            answer = await mx_records(net.resolver, domain)
            remember_mx(trace, domain, answer)
            mx_hosts = hosts_in(answer, domain)
    except ProbeFailure as failure:
        _tell(consequences(DomainView(_mx_state(failure))), trace)
        if failure.reason is Reason.DNSSEC_BOGUS:
            trace.findings.append(
                tls_policies.DNSSEC_BOGUS.found(Status.FAILURE, domain, failure.detail)
            )
        raise
    trace.facts["mx.hosts"] = tuple(record.exchange for record in mx_hosts.hosts)
    return mx_hosts


def _mx_state(failure: ProbeFailure) -> MxState:
    if failure.reason is Reason.NXDOMAIN:
        return MxState.NO_DOMAIN
    if failure.reason is Reason.NULL_MX:
        return MxState.NONE
    is_ours = failure.to_failure(Phase.DNS_MX).is_untestable
    return MxState.UNTESTABLE if is_ours else MxState.FAILED


async def _visits(
    net: Net, target: PolicyTarget, mx_hosts: MxHosts, resolver: ResolverState, trace: Trace
) -> tuple[Visit, ...]:
    with trace.phase(Phase.DNS_ADDRESS):
        hosts = await find_hosts(net, mx_hosts.hosts[: target.max_hosts], target.port, resolver)
    for host in hosts:
        if host.tlsa.failure is None:
            records = sorted(map(str, host.tlsa.records)) + sorted(host.tlsa.unreadable)
            value = ", ".join(records) or NOTHING
            trace.remember(Aspect.TLSA, host.name, value, host.tlsa.lifetime)
    if len(mx_hosts.hosts) > len(hosts):
        evidence = f"{len(mx_hosts.hosts) - len(hosts)} hosts were not probed"
        trace.findings.append(mx.HOSTS_LEFT_OUT.found(Status.INFO, target.domain, evidence))
    visits = await visit_all(net, target, target.domain, hosts, trace, _WITHOUT_HOSTS)
    trace.findings.extend(dane_findings(hosts, visits))
    return visits


def _tell(rows: Sequence[Consequence], trace: Trace) -> None:
    for row in rows:
        trace.facts[f"consequence.{row.sender}"] = row.outcome.value
        trace.facts[f"consequence.{row.sender}.why"] = f"{row.why} ({row.rule})"


def _judge(view: DomainView, sts: Sts, visits: Sequence[Visit], trace: Trace) -> None:
    rows = consequences(view)
    _tell(rows, trace)
    by_sender = {row.sender: row for row in rows}
    plain = by_sender[Sender.OPPORTUNISTIC]
    if not plain.outcome.is_delivery:
        raise _nobody_delivers(plain, visits)
    for sender, reason in (
        (Sender.DANE, _dane_reason(view.hosts)),
        (Sender.MTA_STS, _sts_reason(sts, visits)),
    ):
        row = by_sender[sender]
        if row.outcome in (Outcome.DEFERRED, Outcome.BOUNCED):
            owner = Owner.RECEIVER_DNS if reason is Reason.DNSSEC_INVALID else Owner.RECEIVER_MX
            raise ProbeFailure(
                reason,
                f"a sender that honours {_WORDS[sender]} cannot deliver: {row.why} ({row.rule})",
                phase=Phase.EVALUATE,
                owner=owner,
            )


_WORDS = {Sender.DANE: "DANE", Sender.MTA_STS: "MTA-STS"}


def _nobody_delivers(row: Consequence, visits: Sequence[Visit]) -> ProbeFailure:
    failures = [visit.failure for visit in visits if visit.failure is not None]
    if not failures:
        return ProbeFailure(Reason.UNTESTABLE, row.why, phase=Phase.EVALUATE)
    told = min(failures, key=lambda failure: failure.is_untestable)
    if row.outcome is Outcome.UNTESTABLE:
        told = max(failures, key=lambda failure: failure.is_untestable)
    return ProbeFailure.again(told, f"no host can be tried: {told.detail}")


def _dane_reason(hosts: Sequence[HostView]) -> Reason:
    """Return the result type of RFC 8460 §4.3 for the failure of DANE senders."""
    states = {view.dane for view in hosts}
    if DaneState.MISMATCH in states:
        broken = [view for view in hosts if view.dane is DaneState.MISMATCH]
        if any(view.tls is TlsState.NOT_OFFERED for view in broken):
            return Reason.STARTTLS_NOT_SUPPORTED
        return Reason.VALIDATION_FAILURE
    return Reason.DNSSEC_INVALID if DaneState.LOOKUP_FAILED in states else Reason.TLSA_INVALID


def _sts_reason(sts: Sts, visits: Sequence[Visit]) -> Reason:
    if sts.state is not StsState.ENFORCE or sts.policy is None:
        return Reason.VALIDATION_FAILURE
    for visit in visits:
        if visit.tls_state is TlsState.NOT_OFFERED:
            return Reason.STARTTLS_NOT_SUPPORTED
        if visit.tls is not None and visit.tls.untrusted_reason is not None:
            return visit.tls.untrusted_reason
    return Reason.STS_POLICY_INVALID
