"""Kind `nameservers`: does every authoritative server say the same, over UDP and over TCP?"""

import errno
import os
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from probes.catalogue import nameservers, tls_policies
from probes.clock import Clock
from probes.lookups.dnssec import settled
from probes.net import Net
from probes.net.dns_answer import Answer, DnsStatus, ServerAddress
from probes.net.errors import NetError
from probes.net.resolver import Resolver
from probes.options import Count, Domain, Port, option
from probes.records.mx import MxRecord
from probes.records.subject import Subject
from probes.result import Aspect, Owner, Phase, ProbeFailure, Reason, Status
from probes.tasks import together
from probes.trace import MAX_PARTS, Trace

MAX_LABELS = 16
"""Names that are asked on the way up to the zone."""

MAX_NAMES = 64
"""Names of name servers of one zone that are looked up."""

MAX_AT_ONCE = 32
"""Addresses of name servers that are asked at the same time."""

MAX_TLSA_HOSTS = 4
"""Limit of MX hosts within the zone for the comparison of TLSA records."""

_SILENCE = (DnsStatus.TIMEOUT, DnsStatus.UNREACHABLE)
_SPOKEN = frozenset({DnsStatus.ANSWERED, DnsStatus.NO_DATA, DnsStatus.NXDOMAIN})


@dataclass(frozen=True, slots=True)
class NameserversTarget:
    """A mail domain."""

    domain: Domain = option("The mail domain whose name servers are asked.")
    dns_port: Port = option("UDP and TCP port of the name servers.", Port(53))
    max_servers: Count = option("Addresses of name servers that are asked.", Count(32))


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    rdtype: str

    @property
    def subject(self) -> Subject:
        return Subject.records(self.rdtype, self.name)


@dataclass(slots=True)
class _Said:
    """Answers of one address of one name server."""

    subject: Subject
    answers: dict[_Question, Answer[Any]] = field(default_factory=dict)


def host(target: NameserversTarget) -> str:
    """Return the domain that a run puts load on."""
    return target.domain


async def probe(net: Net, target: NameserversTarget, trace: Trace) -> None:
    """Ask every name server; the faults of a single server are findings.

    Fails when no server answers with authority.
    """
    resolver = net.resolver
    with trace.phase(Phase.DNS_ADDRESS):
        zone, names, lifetime = await _find_zone(resolver, target.domain, trace)
        trace.remember(Aspect.NAMESERVERS, zone, ", ".join(names), lifetime)
        known = names[:MAX_NAMES]
        addresses = await together(resolver.addresses, known)
    trace.facts["nameservers.zone"] = zone
    trace.facts["nameservers.names"] = names
    servers = list(_servers(known, addresses, trace))
    most = min(target.max_servers, MAX_PARTS)
    _note_left_out(zone, len(names) - len(known), len(servers) - most, trace)
    questions = await _questions(resolver, target.domain, zone)

    async def ask(server: tuple[str, str]) -> _Said:
        return await _ask(net, *server, target.dns_port, questions, trace)

    said = await together(ask, servers[:most], MAX_AT_ONCE)
    _compare([one for one in said if one.answers], questions, zone, trace)
    if not any(one.answers for one in said):
        raise _nobody(zone, trace)


def _note_left_out(zone: str, names: int, addresses: int, trace: Trace) -> None:
    """Add a finding if there are names or addresses beyond what one run looks at."""
    left_out = [
        *([f"{names} names were not looked up"] if names > 0 else ()),
        *([f"{addresses} addresses were not asked"] if addresses > 0 else ()),
    ]
    if left_out:
        evidence = ", ".join(left_out)
        trace.findings.append(nameservers.LEFT_OUT.found(Status.INFO, zone, evidence))


async def _find_zone(
    resolver: Resolver, domain: str, trace: Trace
) -> tuple[str, tuple[str, ...], int | None]:
    """The zone a domain is in, the names of its servers, and how long others keep these."""
    name = domain
    for _ in range(MAX_LABELS):
        answer = await settled(resolver, await resolver.query(name, "NS"))
        if answer.status is DnsStatus.ANSWERED and answer.canonical_name == name:
            return name, tuple(sorted(set(answer.records))), answer.lifetime
        if answer.status is DnsStatus.DNSSEC_BOGUS:
            evidence = answer.explain()
            trace.findings.append(tls_policies.DNSSEC_BOGUS.found(Status.FAILURE, name, evidence))
        if answer.status not in _SPOKEN:
            answer.require(Phase.DNS_ADDRESS)
        name = name.partition(".")[2]
        if "." not in name:  # the servers of a top level domain are not the domain's
            break
    raise ProbeFailure(
        Reason.NXDOMAIN, f"{domain} is in no zone of its own", phase=Phase.DNS_ADDRESS
    )


def _servers(
    names: Sequence[str], addresses: Sequence[Answer[str]], trace: Trace
) -> Iterator[tuple[str, str]]:
    """Name and address of every server; one without an address is a finding."""
    if len(names) == 1:
        # RFC 1034 §4.1: a zone is to be available in spite of a failure
        evidence = "the zone has one name server only"
        trace.findings.append(nameservers.SINGLE.found(Status.NOTICE, names[0], evidence))
    for name, answer in zip(names, addresses, strict=True):
        if answer.status is not DnsStatus.ANSWERED:
            status = Status.UNTESTABLE if answer.is_ours else Status.WARNING
            trace.findings.append(nameservers.UNRESOLVED.found(status, name, answer.explain()))
        for address in answer.records:
            yield name, address


async def _questions(resolver: Resolver, domain: str, zone: str) -> tuple[_Question, ...]:
    """Return the questions to compare: records of the domain, TLSA of hosts in the same zone."""
    hosts = [record.exchange for record in (await resolver.mx(domain)).records]
    inside = [name for name in hosts if name == zone or name.endswith(f".{zone}")]
    return (
        _Question(zone, "SOA"),
        _Question(domain, "MX"),
        _Question(domain, "TXT"),
        *(_Question(f"_25._tcp.{name}", "TLSA") for name in inside[:MAX_TLSA_HOSTS]),
    )


async def _ask(
    net: Net,
    name: str,
    address: str,
    port: int,
    questions: Sequence[_Question],
    trace: Trace,
) -> _Said:
    """Every question over UDP, the first over TCP too; the part fails where nothing is of use."""
    said = _Said(Subject.place(name, address))
    server, resolver = (address, port), net.resolver
    with trace.part(name, address) as part, part.phase(Phase.EVALUATE, Owner.NETWORK):
        first, *rest = questions
        _require_elsewhere(net, name, address, said.subject, trace)
        soa, part.facts["dns.udp_seconds"] = await _asked(resolver, server, first, part.clock)
        _require_authority(soa, said.subject, trace)
        said.answers[first] = soa
        if not soa.edns:
            evidence = "it answers a query with EDNS without it, or not before it is left out"
            trace.findings.append(nameservers.NO_EDNS.found(Status.NOTICE, said.subject, evidence))
        tcp, part.facts["dns.tcp_seconds"] = await _timed(
            resolver.ask(server, first.name, first.rdtype, recursive=False, over_tcp=True),
            part.clock,
        )
        part.facts["dns.serial"] = _serial(soa)
        if tcp.status not in _SPOKEN:
            # RFC 7766 §5: TCP is no fallback one may leave out
            evidence = tcp.explain()
            trace.findings.append(
                nameservers.TCP_FAILED.found(Status.WARNING, said.subject, evidence)
            )
        for question in rest:
            answer, _ = await _asked(resolver, server, question, part.clock)
            said.answers[question] = answer
            if answer.status in _SILENCE:
                evidence = answer.explain()
                trace.findings.append(
                    nameservers.UNREACHABLE.found(Status.WARNING, said.subject, evidence)
                )
    return said


def _require_elsewhere(net: Net, name: str, address: str, subject: Subject, trace: Trace) -> None:
    """Raise ProbeFailure, and add a finding, for an address that is no other machine's."""
    try:
        net.dialer.require_elsewhere(address, name)
    except NetError as error:
        trace.findings.append(
            nameservers.SPECIAL_ADDRESS.found(Status.WARNING, subject, error.detail)
        )
        raise


async def _asked(
    resolver: Resolver, server: ServerAddress, question: _Question, clock: Clock
) -> tuple[Answer[Any], float]:
    """The answer over UDP and the seconds it took; a datagram may be lost once."""
    asking = partial(resolver.ask, server, question.name, question.rdtype, recursive=False)
    answer, seconds = await _timed(asking(), clock)
    if answer.status is not DnsStatus.TIMEOUT:
        return answer, seconds
    return await _timed(asking(), clock)


async def _timed(asking: Awaitable[Answer[Any]], clock: Clock) -> tuple[Answer[Any], float]:
    began = clock.monotonic()
    return await asking, clock.monotonic() - began


def _require_authority(answer: Answer[Any], subject: Subject, trace: Trace) -> None:
    """Raise ProbeFailure, and add a finding, for a server without an authoritative answer."""
    if answer.status is DnsStatus.ANSWERED and answer.authoritative:
        return
    is_silent = answer.status in _SILENCE
    # RFC 1912 §2.8: lame is who is delegated to and does not answer with authority
    entry = nameservers.UNREACHABLE if is_silent else nameservers.LAME
    is_ours = answer.status is DnsStatus.UNREACHABLE and answer.note in _OUR_ERRORS
    status = Status.UNTESTABLE if is_ours else Status.WARNING
    trace.findings.append(entry.found(status, subject, answer.explain()))
    raise ProbeFailure(
        _REASONS.get(answer.status, Reason.UNEXPECTED_REPLY),
        answer.explain(),
        phase=Phase.EVALUATE,
        owner=Owner.MONITOR if is_ours else Owner.RECEIVER_DNS,
        is_transient=True,
    )


_OUR_ERRORS = frozenset(
    os.strerror(code)
    for code in (
        *(errno.ENETUNREACH, errno.ENETDOWN, errno.EAFNOSUPPORT),
        *(errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM),
        *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
    )
)
"""System error texts for queries that never left this machine, for example without IPv6."""

_REASONS: Mapping[DnsStatus, Reason] = {
    DnsStatus.TIMEOUT: Reason.TIMEOUT,
    DnsStatus.UNREACHABLE: Reason.UNREACHABLE,
    DnsStatus.SERVFAIL: Reason.SERVFAIL,
    DnsStatus.REFUSED: Reason.REFUSED,
    DnsStatus.MALFORMED: Reason.MALFORMED_REPLY,
    DnsStatus.NXDOMAIN: Reason.NXDOMAIN,
    DnsStatus.NO_DATA: Reason.NO_DATA,
}


def _compare(
    said: Sequence[_Said], questions: Sequence[_Question], zone: str, trace: Trace
) -> None:
    serials = {one.subject: _serial(one.answers[questions[0]]) for one in said}
    if len(set(serials.values())) > 1:
        shown = ", ".join(f"{subject} {serial}" for subject, serial in serials.items())
        # RFC 1034 §4.3.5: until the next refresh a spread is usual, for long it is not
        trace.findings.append(nameservers.SERIALS_DIFFER.found(Status.NOTICE, zone, shown))
    for question in questions[1:]:
        heard: defaultdict[str, list[str]] = defaultdict(list)
        for one in said:
            if one.answers[question].status not in _SILENCE:
                heard[_content(one.answers[question])].append(str(one.subject))
        if len(heard) > 1:
            shown = "; ".join(f"{', '.join(who)}: {what}" for what, who in heard.items())
            trace.findings.append(
                nameservers.ANSWERS_DIFFER.found(Status.WARNING, question.subject, shown[:1000])
            )


def _content(answer: Answer[Any]) -> str:
    """An answer for comparison: its records in order, or why there are none."""
    if answer.status is not DnsStatus.ANSWERED:
        return str(answer.status)
    return ", ".join(sorted(map(_shown, answer.records)))


def _shown(record: Any) -> str:
    if isinstance(record, MxRecord):
        return f"{record.preference} {record.exchange}"
    return record.decode("utf-8", "backslashreplace") if isinstance(record, bytes) else str(record)


def _serial(soa: Answer[Any]) -> int | None:
    words = str(soa.records[0]).split() if soa.records else []
    return int(words[2]) if len(words) > 2 and words[2].isdigit() else None


def _nobody(zone: str, trace: Trace) -> ProbeFailure:
    failures = [part.failure for part in trace.parts if part.failure is not None]
    if not failures:
        return ProbeFailure(
            Reason.NO_DATA,
            f"no name server of {zone} has an address",
            phase=Phase.DNS_ADDRESS,
            owner=Owner.RECEIVER_DNS,
        )
    told = min(failures, key=lambda failure: failure.is_untestable)
    is_silent = all(one.reason in (Reason.TIMEOUT, Reason.UNREACHABLE) for one in failures)
    return ProbeFailure(
        told.reason,
        f"no name server of {zone} answers with authority: {told.detail}",
        phase=Phase.EVALUATE,
        owner=Owner.NETWORK if is_silent and not told.is_untestable else told.owner,
        is_transient=True,
    )
