"""From a host to a session with the first of its addresses that takes a connection."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from probes.catalogue.entry import Entry
from probes.catalogue.parties import Party
from probes.lookups.dnssec import addresses_of
from probes.net import Net
from probes.net.dial import canonical
from probes.net.dns_answer import merged
from probes.net.errors import NetError
from probes.result import OURS, Finding, Owner, Phase, ProbeFailure, Status
from probes.trace import Trace

SessionT = TypeVar("SessionT")


@dataclass(frozen=True, slots=True)
class Connected(Generic[SessionT]):
    """A session, the address it is with, and why the addresses before did not take one."""

    session: SessionT
    address: str
    failures: tuple[ProbeFailure, ...]


async def first_that_connects(
    addresses: Sequence[str], connect: Callable[[str], Awaitable[SessionT]]
) -> Connected[SessionT]:
    """Try at least one address, in their order, until `connect` returns a session.

    Raises the first ProbeFailure where none does, one of a peer's before one of our own side:
    it tells more.
    """
    failures: list[ProbeFailure] = []
    for address in addresses:
        try:
            session = await connect(address)
        except ProbeFailure as failure:
            failures.append(failure)
            continue
        return Connected(session, address, tuple(failures))
    told = [failure for failure in failures if failure.owner not in OURS]
    raise (told or failures)[0]


async def host_addresses(net: Net, host: str, trace: Trace) -> tuple[str, ...]:
    """Return the addresses of a host in the order to try them; an IP address stands for itself."""
    if is_address(host):
        return (host,)
    with trace.phase(Phase.DNS_ADDRESS):
        return await looked_up(net, host, trace.party)


async def looked_up(net: Net, name: str, party: Party) -> tuple[str, ...]:
    """Ask for the addresses of a party's host, one at least. Raises NetError."""
    answer = merged(*await addresses_of(net.resolver, name))
    try:
        return answer.require().records
    except NetError as error:
        error.owner = party.owner(error.owner or Owner.RECEIVER_DNS, error.reason)
        if error.owner is Owner.CONFIGURATION:
            error.detail = f"{error.detail}; check the spelling of `host: {name}`"
        raise


def is_address(host: str) -> bool:
    """True for an IP address in any of its spellings."""
    try:
        canonical(host)
    except ValueError:
        return False
    return True


def source_for(source: str | None, address: str) -> str | None:
    """`source` where it is of the same family as `address`, else None: the dialer's choice."""
    return source if source is not None and (":" in source) == (":" in address) else None


def address_unusable(entry: Entry, host: str, failure: ProbeFailure) -> Finding:
    """Return the finding that an address did not connect while a later one did.

    Untestable if the reason is ours, else a warning; the owner is that of the failure.
    """
    is_ours = failure.owner in OURS
    status = Status.UNTESTABLE if is_ours else Status.WARNING
    owner = failure.to_failure(Phase.CONNECT).owner
    return entry.found(status, host, failure.detail, owner=owner)
