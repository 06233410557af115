"""The block list part of kind `sender`: is the list in order, and are we on it?

Lists of addresses are asked for our addresses, lists of domains for the domains our mail shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from probes.catalogue import sender
from probes.catalogue.entry import Entry
from probes.options import Secret
from probes.records.dnsbl import (
    NO_DOMAIN,
    NO_ENTRY,
    TEST_DOMAIN,
    TEST_ENTRY,
    ListAnswer,
    ListHealth,
    Listing,
    domain_health,
    domain_query_name,
    health,
    query_name,
    read_answer,
    read_domain_answer,
    reasons,
)
from probes.records.looked_up import Lookup, is_domain_name, texts
from probes.records.subject import Subject
from probes.result import Aspect, Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace


@dataclass(frozen=True, slots=True)
class BlockList:
    """One block list: `zone` is asked, `shown` is its name for output, without the zone's key."""

    zone: Secret = field(repr=False)
    shown: str


def questions(block_list: BlockList, ips: Sequence[str]) -> tuple[str, ...]:
    """Return the names that are asked for about these addresses, the test entries first."""
    zone = block_list.zone.reveal()
    versions = sorted({ip_address(ip).version for ip in ips})
    tests = [entry[version] for version in versions for entry in (TEST_ENTRY, NO_ENTRY)]
    names = (query_name(ip, zone) for ip in (*tests, *ips))
    return tuple(name for name in names if is_domain_name(name))


async def is_sound(block_list: BlockList, ips: Sequence[str], lookup: Lookup) -> bool:
    """True for a list whose test entries are right for a family of these addresses."""
    asked = _Asked(block_list, lookup)
    versions = sorted({ip_address(ip).version for ip in ips})
    return any([(await _health(asked, version)).is_healthy for version in versions])


async def probe_list(
    trace: Trace,
    block_list: BlockList,
    ips: Sequence[str],
    lookup: Lookup,
    *,
    are_senders: bool = True,
) -> None:
    """Health first, address family by address family; a list that fails there lists nobody.

    Addresses of which it is not known that they send are told as a warning, and a list that is
    out of order is then told by its facts alone.
    """
    listed_as = _SENDING if are_senders else _RECEIVING
    with trace.part(block_list.shown, None) as part, part.phase(Phase.EVALUATE):
        asked = _Asked(block_list, lookup)
        listed: list[str] = []
        unhealthy: list[str] = []
        for version in (4, 6):
            ours = [ip for ip in ips if ip_address(ip).version == version]
            if not ours:
                continue
            state = await _health(asked, version)
            part.facts[f"dnsbl.health_v{version}"] = state.problem or "ok"
            if state.is_healthy:
                listed += [
                    ip for ip in ours if await _is_ip_listed(part, asked, ip, unhealthy, listed_as)
                ]
            elif not state.is_supported:
                part.findings.append(
                    sender.DNSBL_FAMILY_UNSUPPORTED.found(
                        Status.INFO, block_list.shown, "no IPv6 entries"
                    )
                )
            else:
                unhealthy.append(state.problem)
        part.facts["dnsbl.listed"] = tuple(listed)
        if are_senders:
            _judge(part, sender.DNSBL_LIST_UNHEALTHY, block_list, listed, unhealthy)


async def probe_domain_list(
    trace: Trace, block_list: BlockList, domains: Sequence[str], lookup: Lookup
) -> None:
    """Health first; a list that fails there lists nobody."""
    with trace.part(block_list.shown, None) as part, part.phase(Phase.EVALUATE):
        asked = _Asked(block_list, lookup)
        state = await _domain_health(asked)
        part.facts["rhsbl.health"] = state.problem or "ok"
        unhealthy = [] if state.is_healthy else [state.problem]
        listed: list[str] = []
        if state.is_healthy:
            listed = [
                one for one in domains if await _is_domain_listed(part, asked, one, unhealthy)
            ]
        part.facts["rhsbl.listed"] = tuple(listed)
        _judge(part, sender.RHSBL_LIST_UNHEALTHY, block_list, listed, unhealthy)


@dataclass(frozen=True, slots=True)
class _Asked:
    block_list: BlockList
    lookup: Lookup

    async def ip(self, ip: str) -> ListAnswer:
        name = query_name(ip, self.block_list.zone.reveal())
        if not is_domain_name(name):
            return _UNASKABLE
        return self._shown_answer(read_answer(await self.lookup(name, "A")))

    async def domain(self, domain: str) -> ListAnswer:
        name = domain_query_name(domain, self.block_list.zone.reveal())
        if not is_domain_name(name):
            return _UNASKABLE
        return self._shown_answer(read_domain_answer(await self.lookup(name, "A")))

    async def ip_reason(self, ip: str) -> str:
        return await self._reason(query_name(ip, self.block_list.zone.reveal()))

    async def domain_reason(self, domain: str) -> str:
        return await self._reason(domain_query_name(domain, self.block_list.zone.reveal()))

    async def _reason(self, name: str) -> str:
        return self._shown(reasons(texts(await self.lookup(name, "TXT"))))

    def _shown_answer(self, answer: ListAnswer) -> ListAnswer:
        return replace(answer, detail=self._shown(answer.detail))

    def _shown(self, text: str) -> str:
        """Return a text of the resolver or the list without the key, in upper or lower case."""
        zone = self.block_list.zone.reveal()
        key = zone.partition(".")[0]
        if zone == self.block_list.shown or not key:
            return text
        return _replaced(text, key)


_UNASKABLE = ListAnswer(Listing.FAILED, detail="the name to ask for is too long or malformed")


def _replaced(text: str, key: str) -> str:
    place = text.lower().find(key.lower())
    while place >= 0:
        text = f"{text[:place]}***{text[place + len(key) :]}"
        place = text.lower().find(key.lower(), place + 3)
    return text


async def _health(asked: _Asked, version: int) -> ListHealth:
    return health(
        await asked.ip(TEST_ENTRY[version]), await asked.ip(NO_ENTRY[version]), version=version
    )


async def _domain_health(asked: _Asked) -> ListHealth:
    test_entry = address_entry = await asked.domain(TEST_DOMAIN)
    if test_entry.listing is Listing.NOT_LISTED:
        address_entry = await asked.ip(TEST_ENTRY[4])
    return domain_health(test_entry, await asked.domain(NO_DOMAIN), address_entry)


@dataclass(frozen=True, slots=True)
class _ListedAs:
    """How a listed address is told: its status, the owner, and what else there is to say."""

    status: Status
    owner: Owner | None
    note: str


_SENDING = _ListedAs(Status.FAILURE, None, "")
_RECEIVING = _ListedAs(
    Status.WARNING,
    Owner.RECEIVER_MX,
    "an address of an MX host, of which it is not known that it sends; ",
)


async def _is_ip_listed(
    part: Trace, asked: _Asked, ip: str, unhealthy: list[str], listed_as: _ListedAs
) -> bool:
    answer = await asked.ip(ip)
    if not _is_listing(part, asked, ip, answer, unhealthy):
        return False
    evidence = _evidence(asked, answer, await asked.ip_reason(ip))
    where = Subject.listing(ip, asked.block_list.shown)
    evidence = f"{listed_as.note}{evidence}"
    found = sender.DNSBL_LISTED.found(listed_as.status, where, evidence, owner=listed_as.owner)
    part.findings.append(found)
    return True


async def _is_domain_listed(part: Trace, asked: _Asked, domain: str, unhealthy: list[str]) -> bool:
    answer = await asked.domain(domain)
    if not _is_listing(part, asked, domain, answer, unhealthy):
        return False
    evidence = _evidence(asked, answer, await asked.domain_reason(domain))
    where = Subject.listing(domain, asked.block_list.shown)
    part.findings.append(sender.RHSBL_LISTED.found(Status.FAILURE, where, evidence))
    return True


def _is_listing(
    part: Trace, asked: _Asked, subject: str, answer: ListAnswer, unhealthy: list[str]
) -> bool:
    """True if the answer says listed; one that is neither yes nor no goes to `unhealthy`."""
    if answer.listing not in (Listing.LISTED, Listing.NOT_LISTED):
        unhealthy.append(f"{subject}: {answer.detail or answer.listing}")
        return False
    is_listed = answer.listing is Listing.LISTED
    value = f"listed ({', '.join(answer.codes)})" if is_listed else "not listed"
    where = Subject.listing(subject, asked.block_list.shown)
    part.remember(Aspect.LISTING, str(where), value, answer.lifetime)
    return is_listed


def _evidence(asked: _Asked, answer: ListAnswer, reason: str) -> str:
    said = f"{asked.block_list.shown} says {', '.join(answer.codes)}"
    return (f"{said}: {reason}" if reason else said)[:400]


def _judge(
    part: Trace,
    entry: Entry,
    block_list: BlockList,
    listed: Sequence[str],
    unhealthy: Sequence[str],
) -> None:
    """A listing stands even where another question failed."""
    if unhealthy:
        detail = "; ".join(unhealthy)[:400]
        part.findings.append(entry.found(Status.UNTESTABLE, block_list.shown, detail))
    if listed:
        detail = f"{', '.join(listed)} listed at {block_list.shown}"
        raise ProbeFailure(Reason.LISTED, detail, owner=Owner.SENDER, is_transient=False)
    if unhealthy:
        raise ProbeFailure(Reason.LIST_UNHEALTHY, unhealthy[0])
