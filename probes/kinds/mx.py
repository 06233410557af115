"""Kind `mx`: can a domain's mail be taken? Every MX host, every address, up to EHLO under TLS."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from probes.catalogue import mx
from probes.lookups.mx_hosts import MxHost, find_addresses, hosts_in, mx_records
from probes.mx.dialogue import (
    answered,
    dialogue_findings,
    differing_certificates,
    inconsistent_starttls,
    refusal_findings,
    slowness,
)
from probes.mx.recipients import Question, ask_recipients, deferral
from probes.mx.records import (
    host_findings,
    record_findings,
    remember_mx,
    special_findings,
    unresolved_finding,
)
from probes.mx.session import address_unusable, at_most, in_clear_where_tls_fails, mx_session
from probes.net import Net
from probes.net.dns_answer import Answer, DnsStatus
from probes.net.smtp_session import SmtpSession
from probes.options import Count, Domain, EmailAddress, Host, IpAddress, Port, Seconds, option
from probes.records.subject import Subject
from probes.result import Failure, Finding, Part, Phase, ProbeFailure, Status
from probes.sessions.slots import exclusive_visit, session_slot, sharing_failure
from probes.sessions.submission import say_quit
from probes.tasks import TaskSet
from probes.trace import MAX_PARTS, Trace


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
    slow_reply: Seconds = option("From which wait on a reply is called slow.", Seconds(2.0))
    mail_from: EmailAddress | None = option(
        "Envelope sender of the questions below; unset: the null sender.", None
    )
    recipient: EmailAddress | None = option(
        "Ask every address whether it takes mail for this recipient; nothing is sent.", None
    )
    postmaster: bool = option(
        "Ask whether postmaster@ the domain is taken (RFC 5321 §4.5.1).", False
    )
    catch_all: bool = option("Ask whether a recipient that cannot exist is taken.", False)
    open_relay: bool = option(
        "Ask whether mail for postmaster@ our EHLO name is taken, unless that is near the domain.",
        False,
    )


def host(target: MxTarget) -> str:
    """Return the domain that a run puts load on."""
    return target.domain


async def probe(net: Net, target: MxTarget, trace: Trace) -> None:
    """Fails when no address of any host does; one that fails beside one that works is a finding."""
    with trace.phase(Phase.DNS_MX):
        answer = await mx_records(net.resolver, target.domain)
        trace.findings.extend(record_findings(target.domain, answer))
        remember_mx(trace, target.domain, answer)
        mx = hosts_in(answer, target.domain)
    trace.facts["mx.implicit"] = mx.is_implicit
    trace.facts["mx.hosts"] = tuple(record.exchange for record in mx.hosts)
    trace.facts["dns.authenticated"] = mx.answer.authenticated
    with trace.phase(Phase.DNS_ADDRESS):
        hosts = await find_addresses(net.resolver, mx.hosts[: target.max_hosts])
    trace.findings.extend(host_findings(hosts))
    _note_unresolved(hosts, trace)
    found = [(host, address) for host in hosts for address in host.addresses.records]
    visits = found[: MAX_PARTS - len(trace.parts)]
    left_out = len(mx.hosts) - len(hosts) + len(found) - len(visits)
    if left_out:
        trace.findings.append(_left_out(target, left_out))
    by_address: defaultdict[str, list[MxHost]] = defaultdict(list)
    for mx_host, address in visits:
        by_address[address].append(mx_host)
    await _visit_all(net, target, trace, by_address)
    _judge(trace, [mx_host.record.exchange for mx_host in hosts])


async def _visit_all(
    net: Net, target: MxTarget, trace: Trace, by_address: Mapping[str, Iterable[MxHost]]
) -> None:
    """Every address side by side, `max_concurrent` at a time; one alone needs no task."""
    if len(by_address) == 1:
        for address, hosts in by_address.items():
            await _visit(net, target, trace, address, hosts)
        return
    limit = asyncio.Semaphore(target.max_concurrent)

    async def in_turn(address: str, hosts: Iterable[MxHost]) -> None:
        async with limit:
            await _visit(net, target, trace, address, hosts)

    async with TaskSet() as group:
        for address, hosts in by_address.items():
            group.start(in_turn(address, hosts))


async def _visit(
    net: Net, target: MxTarget, trace: Trace, address: str, hosts: Iterable[MxHost]
) -> None:
    """One address under each of its names, one session after the other."""
    async with exclusive_visit(net, address, target.port, trace):
        for mx_host in hosts:
            name = mx_host.record.exchange
            with trace.part(name, address) as part:
                part.facts["mx.preference"] = mx_host.record.preference
                await _talk(net, target, name, address, part)


async def _talk(net: Net, target: MxTarget, name: str, address: str, part: Trace) -> None:
    """Hold a session up to EHLO, as senders do; add its findings however it ended."""
    where = Subject.place(name, address)
    session = partial(_session, net, target, name, address, part)
    try:
        _raise_known(net, target, name, address)
        await in_clear_where_tls_fails(session, where, part)
    except ProbeFailure as failure:
        phase = failure.phase or part.current
        is_reached = bool({t.phase for t in part.timings} - {Phase.CONNECT})
        part.findings.extend(special_findings(where, address, is_reached=is_reached))
        part.findings.extend(refusal_findings(where, phase, failure))
        heard = answered(part.timings, phase, failure)
        part.findings.extend(slowness(where, heard, target.slow_reply))
        raise
    part.findings.extend(special_findings(where, address, is_reached=True))
    part.findings.extend(dialogue_findings(where, part.facts, part.timings, target.slow_reply))


def _raise_known(net: Net, target: MxTarget, name: str, address: str) -> None:
    """Raise the failure that kept another probe of the same purpose from a session.

    A failure of STARTTLS or TLS is not raised: this probe sees more of the session.
    """
    known = None if net.sessions is None else net.sessions.of(name, address, target.port)
    failure = None if known is None else known.failure
    if failure is not None and failure.phase not in (Phase.STARTTLS, Phase.TLS):
        raise ProbeFailure.again(failure)


async def _session(
    net: Net, target: MxTarget, name: str, address: str, part: Trace, *, use_tls: bool
) -> None:
    with sharing_failure(net, name, address, target.port, part):
        async with (
            session_slot(net, address, target.port, part, is_again=not use_tls) as turn,
            at_most(target.address_timeout, part),
            mx_session(net, target, name, address, turn, part, use_tls=use_tls) as session,
        ):
            await _ask(net, target, session, (name, address), part)
            await say_quit(session, part)


async def _ask(
    net: Net, target: MxTarget, session: SmtpSession, server: tuple[str, str], trace: Trace
) -> None:
    """Ask only the questions enabled by the user; `server` is the host's name and its address."""
    name, address = server
    ehlo_name = target.ehlo_name or net.ehlo_name
    wanted = {
        Question.RECIPIENT: target.recipient,
        Question.POSTMASTER: f"postmaster@{target.domain}" if target.postmaster else None,
        Question.CATCH_ALL: (
            f"no-such-user-{secrets.token_hex(8)}@{target.domain}" if target.catch_all else None
        ),
        Question.OPEN_RELAY: f"postmaster@{ehlo_name}" if target.open_relay else None,
    }
    recipients = tuple((why, who) for why, who in wanted.items() if who is not None)
    if recipients:
        own_names = (target.domain, name, address, str(trace.facts.get("ehlo.name", "")))
        where, mail_from = Subject.place(name, address), target.mail_from or ""
        await ask_recipients(session, mail_from, recipients, where, trace, own_names=own_names)


def _note_unresolved(hosts: Iterable[MxHost], trace: Trace) -> None:
    """A part for every host without an address; a finding where half of a look-up failed."""
    for mx_host in hosts:
        name = mx_host.record.exchange
        if mx_host.addresses.status is not DnsStatus.ANSWERED:
            with trace.part(name, None) as part:
                part.facts["mx.preference"] = mx_host.record.preference
                part.findings.append(unresolved_finding(mx_host))
                mx_host.addresses.require(Phase.DNS_ADDRESS)
        if mx_host.half_failed is not None:
            trace.findings.append(_half_failed(name, mx_host.half_failed))


def _half_failed(name: str, answer: Answer[str]) -> Finding:
    status = Status.UNTESTABLE if answer.is_ours else Status.WARNING
    return mx.ADDRESS_LOOKUP_FAILED.found(status, name, answer.explain())


def _left_out(target: MxTarget, count: int) -> Finding:
    evidence = f"{count} hosts or addresses were not probed"
    return mx.HOSTS_LEFT_OUT.found(Status.INFO, target.domain, evidence)


def _judge(trace: Trace, by_preference: list[str]) -> None:
    """One address that works is enough; without one, the best host's failure is the run's."""
    parts = trace.parts
    trace.findings.extend(inconsistent_starttls(parts))
    trace.findings.extend(differing_certificates(parts))
    trace.findings.extend(deferral(parts))
    failed = [(part, part.failure) for part in parts if part.failure is not None]
    if len(failed) == len(parts):
        raise _most_telling(failed, by_preference)
    for part, failure in failed:
        trace.findings.append(address_unusable(part.subject, failure.owner, failure.detail))


def _most_telling(failed: list[tuple[Part, Failure]], by_preference: list[str]) -> ProbeFailure:
    """Return the most preferred host's failure; failures untestable from this machine come last."""
    part, failure = min(
        failed, key=lambda pair: (pair[1].is_untestable, by_preference.index(pair[0].host))
    )
    return ProbeFailure.again(failure, f"{part.subject}: {failure.detail}")
