"""The look-up for evaluations of records, on top of the resolver."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from probes.lookups.dnssec import settled
from probes.net.dns_answer import Answer, DnsStatus
from probes.net.resolver import Resolver
from probes.records import RecordError
from probes.records.looked_up import LookedUp, LookupStatus

MAX_QUESTIONS = 1000
"""Different queries of one run; any further query fails."""

_MAX_AT_ONCE = 16

_STATUS = {
    DnsStatus.ANSWERED: LookupStatus.FOUND,
    DnsStatus.NXDOMAIN: LookupStatus.NXDOMAIN,
    DnsStatus.NO_DATA: LookupStatus.NO_DATA,
}
_IS_SPECIAL = frozenset('\\"();@$')


@dataclass(slots=True)
class Lookups:
    """A Lookup that sends every query of a run once; later callers get the same answer.

    Names are plain text, see `probes.records.looked_up.Lookup`.
    """

    resolver: Resolver
    _asked: dict[tuple[str, str], "asyncio.Future[LookedUp]"] = field(default_factory=dict)
    _limit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_AT_ONCE))

    async def __call__(self, name: str, rdtype: str) -> LookedUp:
        key = (name.lower(), rdtype)
        known = self._asked.get(key)
        if known is not None and not known.cancelled():
            return await asyncio.shield(known)
        if len(self._asked) >= MAX_QUESTIONS:
            detail = f"this run asked {MAX_QUESTIONS} questions already"
            return LookedUp(LookupStatus.FAILED, detail=detail, is_ours=True)
        future = self._asked[key] = asyncio.get_running_loop().create_future()
        try:
            found = await self._ask(name, rdtype)
        except BaseException:
            future.cancel()
            raise
        future.set_result(found)
        return found

    async def _ask(self, name: str, rdtype: str) -> LookedUp:
        async with self._limit:
            try:
                answer = await self.resolver.query(_presentation(name), rdtype)
                return _looked_up(await settled(self.resolver, answer))
            except RecordError as error:
                return LookedUp(LookupStatus.NXDOMAIN, detail=str(error))


def _looked_up(answer: Answer[Any]) -> LookedUp:
    status = _STATUS.get(answer.status, LookupStatus.FAILED)
    detail = str(answer.status)
    if status is LookupStatus.FAILED and answer.note:
        detail = f"{detail} ({answer.note})"
    failure = str(answer.status) if status is LookupStatus.FAILED else ""
    return LookedUp(
        status, answer.records, detail, answer.is_ours, failure, lifetime=answer.lifetime
    )


def _presentation(name: str) -> str:
    """The name in master file form, RFC 1035 §5.1, with special characters escaped."""
    octets = name.encode("utf-8", "surrogatepass")
    return "".join(
        f"\\{octet:03}" if not 0x21 <= octet <= 0x7E or chr(octet) in _IS_SPECIAL else chr(octet)
        for octet in octets
    )
