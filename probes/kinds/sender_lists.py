"""The block list part of kind `sender`: is the list in order, and are our addresses on it?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from probes.options import Secret
from probes.records.dnsbl import (
    NO_ENTRY,
    TEST_ENTRY,
    ListAnswer,
    ListHealth,
    Listing,
    health,
    query_name,
    read_answer,
    reasons,
)
from probes.records.looked_up import Lookup, is_domain_name, texts
from probes.result import Finding, Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace

_TEST = "RFC 5782 §5"
_ENTRY = "RFC 5782 §2.1"


@dataclass(frozen=True, slots=True)
class BlockList:
    """A list: `zone` is asked, `shown` is what may be said of it where the zone holds a key."""

    zone: Secret = field(repr=False)
    shown: str


async def probe_list(
    trace: Trace, block_list: BlockList, ips: Sequence[str], lookup: Lookup
) -> None:
    """Health first, address family by address family; a list that fails there lists nobody."""
    with trace.part(block_list.shown, None) as part, part.phase(Phase.EVALUATE):
        asked = _Asked(block_list, lookup)
        listed: list[str] = []
        unhealthy: list[str] = []
        for version in (4, 6):
            ours = [ip for ip in ips if ip_address(ip).version == version]
            if not ours:
                continue
            state = await asked.health(version)
            part.facts[f"dnsbl.health_v{version}"] = state.problem or "ok"
            if state.is_healthy:
                listed += [ip for ip in ours if await _is_listed(part, asked, ip, unhealthy)]
            elif not state.is_supported:
                part.findings.append(
                    _finding("dnsbl.family_unsupported", Status.INFO, block_list, "no IPv6 entries")
                )
            else:
                unhealthy.append(state.problem)
        part.facts["dnsbl.listed"] = tuple(listed)
        _judge(part, block_list, listed, unhealthy)


@dataclass(frozen=True, slots=True)
class _Asked:
    block_list: BlockList
    lookup: Lookup

    async def entry(self, ip: str) -> ListAnswer:
        name = query_name(ip, self.block_list.zone.reveal())
        if not is_domain_name(name):
            return ListAnswer(Listing.FAILED, detail="the zone's name is too long or malformed")
        answer = read_answer(await self.lookup(name, "A"))
        return ListAnswer(answer.listing, answer.codes, self._shown(answer.detail))

    async def health(self, version: int) -> ListHealth:
        return health(
            await self.entry(TEST_ENTRY[version]),
            await self.entry(NO_ENTRY[version]),
            version=version,
        )

    async def reason(self, ip: str) -> str:
        name = query_name(ip, self.block_list.zone.reveal())
        return self._shown(reasons(texts(await self.lookup(name, "TXT"))))

    def _shown(self, text: str) -> str:
        """A text of the resolver or the list without the key, in whatever case it is repeated."""
        zone = self.block_list.zone.reveal()
        key = zone.partition(".")[0]
        if zone == self.block_list.shown or not key:
            return text
        return _replaced(text, key)


def _replaced(text: str, key: str) -> str:
    place = text.lower().find(key.lower())
    while place >= 0:
        text = f"{text[:place]}***{text[place + len(key) :]}"
        place = text.lower().find(key.lower(), place + 3)
    return text


async def _is_listed(part: Trace, asked: _Asked, ip: str, unhealthy: list[str]) -> bool:
    answer = await asked.entry(ip)
    if answer.listing is Listing.NOT_LISTED:
        return False
    if answer.listing is not Listing.LISTED:
        unhealthy.append(f"{ip}: {answer.detail or answer.listing}")
        return False
    reason = await asked.reason(ip)
    evidence = f"{asked.block_list.shown} says {', '.join(answer.codes)}"
    if reason:
        evidence = f"{evidence}: {reason}"
    part.findings.append(Finding("dnsbl.listed", Status.FAILURE, ip, evidence[:400], _ENTRY))
    return True


def _judge(
    part: Trace, block_list: BlockList, listed: Sequence[str], unhealthy: Sequence[str]
) -> None:
    """A listing stands even where another question failed."""
    if unhealthy:
        detail = "; ".join(unhealthy)[:400]
        part.findings.append(
            _finding("dnsbl.list_unhealthy", Status.UNTESTABLE, block_list, detail)
        )
    if listed:
        detail = f"{', '.join(listed)} listed at {block_list.shown}"
        raise ProbeFailure(Reason.LISTED, detail, owner=Owner.THEIR_FILTER, is_transient=False)
    if unhealthy:
        raise ProbeFailure(Reason.LIST_UNHEALTHY, unhealthy[0])


def _finding(code: str, status: Status, block_list: BlockList, evidence: str) -> Finding:
    return Finding(code, status, block_list.shown, evidence, _TEST)
