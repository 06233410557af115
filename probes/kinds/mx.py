"""Kind `mx`: can a domain's mail be taken? Every MX host, every address, up to EHLO under TLS."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from probes.mx_session import address_unusable, at_most, mx_session
from probes.net import Net
from probes.net.dns_answer import Answer, DnsStatus
from probes.net.mx_hosts import MxHost, find_addresses, find_mx
from probes.options import Count, Domain, Host, IpAddress, Port, Seconds, option
from probes.result import Failure, Finding, Part, Phase, ProbeFailure, Status
from probes.sessions import say_quit
from probes.trace import MAX_PARTS, Trace
from probes.turns import turn_at


@dataclass(frozen=True, slots=True)
class MxTarget:
    """A mail domain."""

    domain: Domain = option("The mail domain whose MX hosts are probed.")
    port: Port = option("SMTP port of the hosts.", Port(25))
    ehlo_name: Host | None = option("EHLO name here instead of the service's.", None)
    source_address: IpAddress | None = option(
        "Local address to connect from, for addresses of its family.", None
    )
    address_timeout: Seconds = option("Longest handshake with one address.", Seconds(15.0))
    max_hosts: Count = option("Hosts that are probed, the most preferred ones.", Count(16))
    max_concurrent: Count = option("Addresses that are probed at the same time.", Count(8))


def host(target: MxTarget) -> str:
    """Whom a run loads."""
    return target.domain


async def probe(net: Net, target: MxTarget, trace: Trace) -> None:
    """Fails when no address of any host does; one that fails beside one that works is a finding."""
    with trace.phase(Phase.DNS_MX):
        mx = await find_mx(net.resolver, target.domain)
    trace.facts["mx.implicit"] = mx.is_implicit
    trace.facts["mx.hosts"] = tuple(record.exchange for record in mx.hosts)
    trace.facts["dns.authenticated"] = mx.answer.authenticated
    with trace.phase(Phase.DNS_ADDRESS):
        hosts = await find_addresses(net.resolver, mx.hosts[: target.max_hosts])
    _note_unresolved(hosts, trace)
    found = [(host, address) for host in hosts for address in host.addresses.records]
    visits = found[: MAX_PARTS - len(trace.parts)]
    left_out = len(mx.hosts) - len(hosts) + len(found) - len(visits)
    if left_out:
        trace.findings.append(_left_out(target, left_out))
    by_address: defaultdict[str, list[MxHost]] = defaultdict(list)
    for mx_host, address in visits:
        by_address[address].append(mx_host)
    limit = asyncio.Semaphore(target.max_concurrent)
    async with asyncio.TaskGroup() as group:
        for address, names in by_address.items():
            group.create_task(_visit(net, target, trace, address, names, limit))
    _judge(trace, [mx_host.record.exchange for mx_host in hosts])


async def _visit(
    net: Net,
    target: MxTarget,
    trace: Trace,
    address: str,
    hosts: Iterable[MxHost],
    limit: asyncio.Semaphore,
) -> None:
    """One address under each of its names, one session after the other."""
    async with limit:
        for mx_host in hosts:
            name = mx_host.record.exchange
            with trace.part(name, address) as part:
                part.facts["mx.preference"] = mx_host.record.preference
                async with (
                    turn_at(net, address, target.port, part) as turn,
                    at_most(target.address_timeout, part),
                    mx_session(net, target, name, address, turn, part) as session,
                ):
                    await say_quit(session, part)


def _note_unresolved(hosts: Iterable[MxHost], trace: Trace) -> None:
    """A part for every host without an address; a finding where half of a look-up failed."""
    for mx_host in hosts:
        name = mx_host.record.exchange
        if mx_host.addresses.status is not DnsStatus.ANSWERED:
            with trace.part(name, None) as part:
                part.facts["mx.preference"] = mx_host.record.preference
                mx_host.addresses.require(Phase.DNS_ADDRESS)
        if mx_host.half_failed is not None:
            trace.findings.append(_half_failed(name, mx_host.half_failed))


def _half_failed(name: str, answer: Answer[str]) -> Finding:
    status = Status.UNTESTABLE if answer.is_ours else Status.WARNING
    code = "mx.address_lookup_failed"
    return Finding(code, status, name, answer.explain(), "RFC 5321 §5.1")


def _left_out(target: MxTarget, count: int) -> Finding:
    evidence = f"{count} hosts or addresses were not probed"
    return Finding("mx.hosts_left_out", Status.INFO, target.domain, evidence, "RFC 5321 §5.1")


def _judge(trace: Trace, by_preference: list[str]) -> None:
    """One address that works is enough; without one, the best host's failure is the run's."""
    failed = [(part, part.failure) for part in trace.parts if part.failure is not None]
    if len(failed) == len(trace.parts):
        raise _most_telling(failed, by_preference)
    for part, failure in failed:
        trace.findings.append(address_unusable(_where(part), failure.owner, failure.detail))


def _most_telling(failed: list[tuple[Part, Failure]], by_preference: list[str]) -> ProbeFailure:
    """The most preferred host's failure; what this machine could not test comes last."""
    part, failure = min(
        failed, key=lambda pair: (pair[1].is_untestable, by_preference.index(pair[0].host))
    )
    return ProbeFailure(
        failure.reason,
        f"{_where(part)}: {failure.detail}",
        phase=failure.phase,
        reply=failure.reply,
        owner=failure.owner,
        is_transient=failure.is_transient,
    )


def _where(part: Part) -> str:
    return part.host if part.address is None else f"{part.host} [{part.address}]"
