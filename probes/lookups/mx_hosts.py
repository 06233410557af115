"""The hosts that take a domain's mail, and their addresses."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from probes.lookups.dnssec import addresses_of, settled
from probes.net.dns_answer import Answer, DnsStatus, merged
from probes.net.errors import NetError
from probes.net.resolver import Resolver
from probes.records.mx import MxRecord, hosts_of, is_null_mx
from probes.result import Reason
from probes.tasks import together

_ABSENCE = frozenset({DnsStatus.ANSWERED, DnsStatus.NO_DATA, DnsStatus.NXDOMAIN})


@dataclass(frozen=True, slots=True)
class MxHosts:
    """A domain's hosts, lowest preference first, each once.

    `is_implicit` is True without an MX record: the domain itself is then the host. `answer` is the
    look-up of the MX records.
    """

    hosts: tuple[MxRecord, ...]
    is_implicit: bool
    answer: Answer[MxRecord]


@dataclass(frozen=True, slots=True)
class MxHost:
    """One host with the look-ups of its A and AAAA records; `addresses` combines both."""

    record: MxRecord
    addresses: Answer[str]
    lookups: tuple[Answer[str], ...]

    @property
    def half_failed(self) -> Answer[str] | None:
        """The look-up that failed (not: found nothing), if the other one found addresses."""
        if self.addresses.status is not DnsStatus.ANSWERED:
            return None
        return next((answer for answer in self.lookups if answer.status not in _ABSENCE), None)


async def find_mx(resolver: Resolver, domain: str) -> MxHosts:
    """Find the hosts that take mail for `domain`.

    Raises NetError: null_mx if the domain takes no mail, the resolver's reason if it has no hosts
    or they cannot be found.
    """
    return hosts_in(await mx_records(resolver, domain), domain)


async def mx_records(resolver: Resolver, domain: str) -> Answer[MxRecord]:
    """Look up the MX records; bogus data is told from a failing server."""
    return await settled(resolver, await resolver.mx(domain))


def hosts_in(answer: Answer[MxRecord], domain: str) -> MxHosts:
    """The hosts in the answer to `domain`'s MX look-up; raises like `find_mx`."""
    if answer.status is DnsStatus.NO_DATA:
        # RFC 5321 §5.1: an empty list of MXs, and only that, makes the domain its own host
        return MxHosts((MxRecord(0, answer.canonical_name or domain),), True, answer)
    records = answer.require().records
    hosts = hosts_of(records)
    if is_null_mx(records) or not hosts:
        raise NetError(Reason.NULL_MX, f"{domain} says that it takes no mail (null MX, RFC 7505)")
    return MxHosts(hosts, False, answer)


async def find_addresses(resolver: Resolver, hosts: Iterable[MxRecord]) -> tuple[MxHost, ...]:
    """Look up every host's addresses, side by side within bounds; no answer raises."""
    records = tuple(hosts)
    if len(records) == 1:  # the usual case: no task is needed
        return (await _find_address(resolver, records[0]),)
    return await together(partial(_find_address, resolver), records)


async def _find_address(resolver: Resolver, record: MxRecord) -> MxHost:
    lookups = await addresses_of(resolver, record.exchange)
    return MxHost(record, merged(*lookups), lookups)
