"""Whether our own resolver works: asked before a time-out or SERVFAIL is called anybody's fault.

A recursive resolver answers SERVFAIL, or not at all, both where a domain's name servers are down
and where it is cut off itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from probes.net.dns_answer import Answer, DnsStatus
from probes.result import Owner
from probes.tasks import cancel

CHECK_SECONDS = 5.0
"""Seconds for which a verdict on the resolver stands; all questions share it."""

ROOT = (".", "NS")

Ask = Callable[[str, str], Awaitable[Iterable[DnsStatus]]]
"""Puts a question, a name and a type, to the servers, and says how each of them ended."""


class ResolverHealth(StrEnum):
    """The verdict on the resolver; `unsure` where it answers, but proves nothing."""

    WORKS = "works"
    BROKEN = "broken"
    UNSURE = "unsure"


_FAILED = frozenset({DnsStatus.TIMEOUT, DnsStatus.UNREACHABLE, DnsStatus.SERVFAIL})
_CONCLUSIVE = frozenset({DnsStatus.ANSWERED, DnsStatus.NXDOMAIN, DnsStatus.NO_DATA})


def health_by_root(statuses: Iterable[DnsStatus]) -> ResolverHealth:
    """Judge by the answers to a question about the root zone, one of each server asked."""
    heard = set(statuses)
    if DnsStatus.ANSWERED in heard:
        return ResolverHealth.WORKS
    return ResolverHealth.BROKEN if heard <= _FAILED else ResolverHealth.UNSURE


def health_by_domain(statuses: Iterable[DnsStatus]) -> ResolverHealth:
    """Judge by the answers about a domain that is known to work, one of each server asked."""
    heard = set(statuses)
    if heard & _CONCLUSIVE:
        return ResolverHealth.WORKS
    return ResolverHealth.BROKEN if heard <= _FAILED else ResolverHealth.UNSURE


@dataclass(slots=True)
class ResolverCheck:
    """The last verdict on one resolver. One test runs at a time, and the others wait for it.

    `domain` is a domain known to work; without one the root zone alone is asked for.
    """

    domain: str | None = None
    _health: ResolverHealth = ResolverHealth.UNSURE
    _until: float = 0.0
    _testing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def blamed(
        self, answers: Awaitable[Sequence[Answer[Any]]], ask: Ask, begin: float, until: float
    ) -> Sequence[Answer[Any]]:
        """Await the answers; where they leave it open who failed, a test of the resolver tells.

        The test begins at `begin` (the loop's clock), or as soon as the answers show that it is
        needed. It ends by `until`, and is dropped if all answers are clear.
        """
        is_needed = asyncio.Event()

        async def test() -> ResolverHealth:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(begin):
                    await is_needed.wait()
            return await self.health(ask, until)

        testing = asyncio.create_task(test(), name="resolver check")
        try:
            heard = await answers
            if not any(map(is_ambiguous, heard)):
                return heard
            is_needed.set()
            health = await testing
            return [_blamed(answer, health) for answer in heard]
        finally:
            await cancel([testing])

    async def health(self, ask: Ask, until: float) -> ResolverHealth:
        """Return the verdict, tested anew if it is old; the last one where no time is left."""
        now = asyncio.get_running_loop().time
        with suppress(TimeoutError):  # the last verdict stands
            async with asyncio.timeout_at(until), self._testing:
                if now() >= self._until:
                    self._health = await self._test(ask)
                    self._until = now() + CHECK_SECONDS
        return self._health

    async def _test(self, ask: Ask) -> ResolverHealth:
        if self.domain is not None:
            return health_by_domain(await ask(self.domain, "SOA"))
        return health_by_root(await ask(*ROOT))


def is_ambiguous(answer: Answer[Any]) -> bool:
    """True where the domain's name servers may have failed, or our own resolver."""
    return answer.status in (DnsStatus.TIMEOUT, DnsStatus.SERVFAIL)


_BLAMED = {
    ResolverHealth.WORKS: (Owner.RECEIVER_DNS, "the resolver answers other questions"),
    ResolverHealth.BROKEN: (Owner.RESOLVER, "the resolver fails for other questions too"),
}


def _blamed(answer: Answer[Any], health: ResolverHealth) -> Answer[Any]:
    """Return the answer with the party that failed, as far as the test told."""
    if not is_ambiguous(answer) or health not in _BLAMED:
        return answer
    owner, said = _BLAMED[health]
    return replace(answer, owner=owner, note=f"{answer.note}; {said}" if answer.note else said)
