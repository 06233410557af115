"""Every address of every MX host as a sender that cares for TLS meets it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from probes.catalogue import mx
from probes.kinds.policy.consequences import DaneState, HostView, TlsState
from probes.lookups.dane import DaneVerdict, TlsaSet, find_tlsa, judge
from probes.lookups.dnssec import Dnssec, ResolverState
from probes.lookups.mx_hosts import MxHost, find_addresses
from probes.mx.dialogue import refusal_findings
from probes.mx.session import MxOptions, at_most, is_starttls, mx_session, starttls_failed
from probes.net import Net, SessionOutcome
from probes.net.certificates import read_chain
from probes.net.dns_answer import DnsStatus
from probes.net.tls import TlsFacts
from probes.records.ehlo import Ehlo
from probes.records.mta_sts import StsPolicy, covers
from probes.records.mx import MxRecord
from probes.records.subject import Subject
from probes.result import Failure, Finding, Phase, ProbeFailure, Reason, Status
from probes.sessions.slots import exclusive_visit, session_slot, sharing_failure
from probes.sessions.submission import say_quit
from probes.tasks import TaskSet, together
from probes.trace import Trace


class HostOptions(MxOptions, Protocol):
    """Options of a visit."""

    @property
    def address_timeout(self) -> float:
        """The longest handshake with one address."""

    @property
    def max_concurrent(self) -> int:
        """Addresses that are visited at the same time."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host with its addresses and TLSA records."""

    mx: MxHost
    tlsa: TlsaSet

    @property
    def name(self) -> str:
        """As the MX record has it."""
        return self.mx.record.exchange


@dataclass(frozen=True, slots=True)
class Visit:
    """Result of a visit to one address; `address` is None where the host has none.

    `is_early` is True where we ended the wait before senders would.
    """

    host: Host
    address: str | None
    failure: Failure | None = None
    tls: TlsFacts | None = None
    offer: Ehlo | None = None
    dane: DaneVerdict | None = None
    is_early: bool = False

    @property
    def subject(self) -> Subject:
        """The subject of a finding about it."""
        return Subject.place(self.host.name, self.address)

    def view(self, policy: StsPolicy | None) -> HostView:
        """The same as the table of consequences wants it."""
        return HostView(
            str(self.subject),
            self.tls_state,
            is_trusted=self.tls is not None and self.tls.trusted,
            sts_covers=policy is not None and covers(policy, self.host.name),
            dane=self.dane_state,
            requiretls=self.offer is not None and self.offer.offers("REQUIRETLS"),
            trouble="" if self.failure is None else self.failure.detail,
            weak="" if self.tls is None else ", ".join(self.tls.weaknesses),
            dane_why=self._dane_why,
        )

    @property
    def tls_state(self) -> TlsState:
        """How far a sender comes."""
        failure = self.failure
        if failure is None:
            return TlsState.WORKS if self.tls is not None else TlsState.NOT_OFFERED
        if failure.is_untestable:
            return TlsState.UNTESTABLE
        if failure.phase in (Phase.STARTTLS, Phase.TLS):
            return TlsState.FAILED
        if self.is_early:
            return TlsState.TOO_SLOW
        if failure.phase is Phase.DNS_ADDRESS:
            return TlsState.NO_ADDRESS if failure.reason in _NOWHERE else TlsState.UNRESOLVED
        if failure.reply is None or failure.reply.is_positive:
            return TlsState.UNREACHABLE
        return TlsState.REFUSED_FOR_NOW if failure.is_transient else TlsState.REFUSED

    @property
    def _dane_why(self) -> str:
        """Why no TLSA record counts, or is known; of no use where one does."""
        tlsa = self.host.tlsa
        if tlsa.failure is not None:
            return f"its TLSA records cannot be looked up: {tlsa.failure}"
        if tlsa.is_published:
            return "its TLSA records are not signed"
        if tlsa.state is Dnssec.INSECURE:
            return "no signed TLSA record"
        return "no TLSA record"

    @property
    def dane_state(self) -> DaneState:
        """State of DANE at this address, for a sender that honours it."""
        tlsa = self.host.tlsa
        if tlsa.state is Dnssec.UNTESTABLE:
            return DaneState.UNTESTABLE
        if tlsa.state is Dnssec.BOGUS or (tlsa.failure and tlsa.state is Dnssec.SECURE):
            return DaneState.LOOKUP_FAILED
        if not tlsa.applies:
            return DaneState.ABSENT
        if not tlsa.usable:
            return DaneState.UNUSABLE
        is_matched = self.dane is not None and self.dane.matched
        return DaneState.MATCH if is_matched else DaneState.MISMATCH


_NOWHERE = frozenset({Reason.NXDOMAIN, Reason.NO_DATA})


async def find_hosts(
    net: Net, records: Sequence[MxRecord], port: int, state: ResolverState
) -> tuple[Host, ...]:
    """Addresses and TLSA records of every host, side by side; no outcome is an exception."""
    hosts = await find_addresses(net.resolver, records)
    return await together(lambda host: _host(net, host, port, state), hosts)


async def _host(net: Net, host: MxHost, port: int, state: ResolverState) -> Host:
    answered = [answer for answer in host.lookups if answer.status is DnsStatus.ANSWERED]
    # Where one family cannot be looked up, senders go by the other one.
    addresses = answered[0] if host.half_failed is not None else host.addresses
    state = state.having_heard(host.lookups)
    return Host(host, await find_tlsa(net.resolver, host.record.exchange, port, addresses, state))


async def visit_all(
    net: Net, options: HostOptions, domain: str, hosts: Sequence[Host], trace: Trace, most: int
) -> tuple[Visit, ...]:
    """Shake hands with every address, `most` at the most, in the order of preference."""
    wanted: list[Visit] = []
    for host in hosts:
        addresses: Sequence[str | None] = host.mx.addresses.records or (None,)
        wanted += [Visit(host, address) for address in addresses]
    if len(wanted) > most:
        trace.findings.append(_left_out(domain, len(wanted) - most))
    limit = asyncio.Semaphore(options.max_concurrent)
    async with TaskSet() as group:
        tasks = [
            group.start(_visit(net, options, domain, visit, trace, limit))
            for visit in wanted[:most]
        ]
    return tuple(task.result() for task in tasks)


def _left_out(domain: str, count: int) -> Finding:
    evidence = f"{count} addresses were not probed"
    return mx.HOSTS_LEFT_OUT.found(Status.INFO, domain, evidence)


def _no_address(host: Host, trace: Trace) -> Visit:
    failure: Failure | None = None
    with trace.part(host.name, None):
        try:
            host.mx.addresses.require(Phase.DNS_ADDRESS)
        except ProbeFailure as error:
            failure = error.to_failure(Phase.DNS_ADDRESS)
            raise
    return Visit(host, None, failure)


async def _visit(
    net: Net,
    options: HostOptions,
    domain: str,
    visit: Visit,
    trace: Trace,
    limit: asyncio.Semaphore,
) -> Visit:
    if visit.address is None:
        return _no_address(visit.host, trace)
    name, address = visit.host.name, visit.address
    failure: Failure | None = None
    async with limit:
        with trace.part(name, address) as part:
            try:
                async with exclusive_visit(net, address, options.port, part):
                    sessions = await _meet(net, options, name, address, part)
                visit = replace(visit, tls=sessions.tls, offer=sessions.offer)
            except ProbeFailure as error:
                failure = error.to_failure(part.current)
                part.findings.extend(_said(visit.subject, failure, error))
                raise
            finally:
                visit = _judged(net, domain, visit)
                part.facts.note(_facts(net, visit))
    is_early = failure is not None and _is_early(failure, options.address_timeout)
    return replace(visit, failure=failure, is_early=is_early)


_SENDERS_WAIT: Mapping[Phase, float] = {
    Phase.CONNECT: 30.0,  # what usual senders do; no standard says it
    Phase.GREETING: 300.0,  # RFC 5321 §4.5.3.2.1
    Phase.EHLO: 300.0,
}
"""Seconds after which senders give up."""


def _is_early(failure: Failure, patience: float) -> bool:
    is_wait = failure.reason is Reason.TIMEOUT
    return is_wait and patience < _SENDERS_WAIT.get(failure.phase, 0.0)


def _said(subject: Subject, failure: Failure, error: ProbeFailure) -> Iterator[Finding]:
    """Yield the findings about a failure, the same as in the kind `mx`."""
    if is_starttls(error, failure.phase):
        yield starttls_failed(subject, failure.detail)
    yield from refusal_findings(subject, failure.phase, error)


async def _meet(
    net: Net, options: HostOptions, name: str, address: str, part: Trace
) -> SessionOutcome:
    """A handshake, unless another probe of the same purpose had it or failed at it."""
    known = None if net.sessions is None else net.sessions.of(name, address, options.port)
    if known is not None and known.failure is not None:
        raise ProbeFailure.again(known.failure)
    if known is not None:
        return known
    with sharing_failure(net, name, address, options.port, part):
        async with (
            session_slot(net, address, options.port, part) as turn,
            at_most(options.address_timeout, part),
            mx_session(net, options, name, address, turn, part) as session,
        ):
            sessions = SessionOutcome(session.tls, session.offer)
            await say_quit(session, part)
    return sessions


def _judged(net: Net, domain: str, visit: Visit) -> Visit:
    tlsa = visit.host.tlsa
    if visit.tls is None or not tlsa.usable:
        return visit
    names = (tlsa.base, visit.host.name, domain)  # RFC 7672 §3.2.2
    verdict = judge(tlsa.usable, visit.tls.chain_der, names, net.clock.utc())
    return replace(visit, dane=verdict)


def _facts(net: Net, visit: Visit) -> dict[str, object]:
    facts: dict[str, object] = {
        "mx.preference": visit.host.mx.record.preference,
        "dane.state": visit.dane_state.value,
        "dane.tlsa_name": visit.host.tlsa.name,
        "dane.tlsa": tuple(str(record) for record in visit.host.tlsa.records),
        "dnssec.tlsa": visit.host.tlsa.state.value,
    }
    if visit.tls is not None:
        chain = read_chain(visit.tls.chain_der)
        now = net.clock.utc()
        facts["tls.chain"] = tuple(one.subject for one in chain)
        facts["tls.keys"] = tuple(one.key for one in chain)
        facts["tls.signatures"] = tuple(one.signature for one in chain)
        facts["tls.sha256"] = tuple(one.sha256 for one in chain)
        facts["tls.key_sha256"] = tuple(one.key_sha256 for one in chain)
        facts["tls.days_left"] = tuple(one.days_left(now) for one in chain)
    return facts
