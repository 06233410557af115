"""Findings about a domain's MX records and its hosts' addresses, without further questions."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_address

from probes.catalogue import mx, tls_policies
from probes.lookups.mx_hosts import MxHost
from probes.net.dns_answer import Answer, DnsStatus
from probes.records.mx import MxRecord
from probes.records.special_addresses import danger_of, special_use
from probes.records.subject import Subject
from probes.result import NOTHING, Aspect, Finding, Status, one_line
from probes.trace import Trace

_SHOWN = 5
"""Names that an evidence quotes."""


def record_findings(domain: str, answer: Answer[MxRecord]) -> Iterator[Finding]:
    """Findings about the MX records themselves, regardless of the hosts they name."""
    records = answer.records
    if answer.status is DnsStatus.NO_DATA:
        evidence = f"no MX record; {answer.canonical_name or domain} itself is the host"
        yield mx.IMPLICIT.found(Status.NOTICE, domain, evidence)
    if answer.status is DnsStatus.DNSSEC_BOGUS:
        evidence = answer.explain()
        yield tls_policies.DNSSEC_BOGUS.found(Status.FAILURE, domain, evidence)
    yield from _null_findings(domain, records)
    counted = Counter(record.exchange for record in records)
    for exchange in [name for name, count in counted.items() if count > 1][:_SHOWN]:
        evidence = f"{one_line(exchange)} is named {counted[exchange]} times"
        yield mx.RECORDS_DUPLICATE.found(Status.NOTICE, domain, evidence)
    for record in [record for record in records if _is_address(record.exchange)][:_SHOWN]:
        evidence = f"MX {record.preference} {one_line(record.exchange)}: an address is no name"
        yield mx.HOST_IS_ADDRESS.found(Status.FAILURE, domain, evidence)


def remember_mx(trace: Trace, domain: str, answer: Answer[MxRecord]) -> None:
    """The MX records in a form that does not depend on their order."""
    if answer.status is DnsStatus.ANSWERED or answer.is_nothing:
        records = sorted((record.preference, record.exchange) for record in answer.records)
        value = ", ".join(f"{preference} {exchange}" for preference, exchange in records)
        trace.remember(Aspect.MX, domain, value or NOTHING, answer.lifetime)


def _null_findings(domain: str, records: Sequence[MxRecord]) -> Iterator[Finding]:
    """RFC 7505 §3: one record, preference 0, and no other beside it."""
    nulls = [record for record in records if record.exchange == "."]
    if nulls and len(records) > 1:
        evidence = f"`MX {nulls[0].preference} .` stands beside {len(records) - 1} other records"
        yield mx.NULL_WITH_OTHERS.found(Status.WARNING, domain, evidence)
    elif nulls and nulls[0].preference != 0:
        evidence = f"`MX {nulls[0].preference} .`: the preference is not 0"
        yield mx.NULL_PREFERENCE.found(Status.NOTICE, domain, evidence)


def host_findings(hosts: Sequence[MxHost]) -> Iterator[Finding]:
    """Hosts that are aliases, and hosts that share an address."""
    for host in hosts:
        name = host.record.exchange
        found = {answer.canonical_name for answer in host.lookups if answer.canonical_name}
        for target in sorted(found - {name})[:1]:
            evidence = one_line(f"it is an alias (CNAME) of {target}")
            yield mx.HOST_IS_CNAME.found(Status.WARNING, name, evidence)
    yield from _shared(hosts)


def _shared(hosts: Iterable[MxHost]) -> Iterator[Finding]:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for host in hosts:
        for address in host.addresses.records:
            names[address].append(host.record.exchange)
    for address, sharing in list(names.items())[:64]:
        if len(set(sharing)) > 1:
            evidence = one_line("is the address of " + ", ".join(sharing[:_SHOWN]))
            yield mx.ADDRESSES_SHARED.found(Status.INFO, address, evidence)


def unresolved_finding(host: MxHost) -> Finding:
    """A host without any address: nobody can deliver to it."""
    answer = host.addresses
    status = Status.UNTESTABLE if answer.is_ours else Status.WARNING
    name = host.record.exchange
    return mx.HOST_UNRESOLVED.found(status, name, answer.explain())


def special_findings(where: Subject, address: str, *, is_reached: bool) -> Iterator[Finding]:
    """An address that is no host's on the Internet.

    If it took our connection it serves an internal mail path; if not, senders on the Internet fail
    there too.
    """
    use = special_use(address)
    if use is not None:
        status = Status.NOTICE if is_reached else Status.WARNING
        evidence = f"{address} is reserved: {use}; nobody on the Internet reaches a host there"
        if not is_reached and danger_of(address) is not None:
            evidence = f"the MX host points to {address} ({use}); senders cannot deliver there"
        yield mx.HOST_SPECIAL_ADDRESS.found(status, where, evidence)


@lru_cache(maxsize=4096)
def _is_address(exchange: str) -> bool:
    """Asked of the same hosts by every run of a job; to find that a name is none takes long."""
    try:
        ip_address(exchange.strip("[]"))
    except ValueError:
        return False
    return True
