"""What the tests of a watch share: somebody who waits for canaries, and what a watch told them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from probes.mailboxes.imap.watch import ImapMailbox, watch
from probes.mailboxes.interface import Content, Cursor, Look, Message, News, Sighting
from probes.net import Net
from tests.support.messages import composed

_T = TypeVar("_T", Look, Sighting, Cursor, Content)

WAIT = 15.0
"""Seconds after which what was waited for will not come."""


@dataclass(slots=True)
class Waiting:
    """An Interest whose answers the test sets."""

    in_flight: dict[str, datetime] = field(default_factory=dict)
    fresh: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Semaphore = field(default_factory=asyncio.Semaphore)
    wanted: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)

    async def next_copy(self) -> Message:
        return await self.wanted.get()

    def tokens(self) -> Mapping[str, datetime]:
        return self.in_flight

    def is_fresh(self) -> bool:
        return self.fresh

    def expect(self, token: str, *, fresh: bool = True) -> None:
        self.in_flight[token] = datetime.now(UTC)
        self.fresh = fresh
        self.changed.set()


class Told:
    """Every report in its order."""

    def __init__(self) -> None:
        self.reports: list[News] = []
        self._news = asyncio.Condition()

    async def __call__(self, report: News) -> None:
        async with self._news:
            self.reports.append(report)
            self._news.notify_all()

    def of(self, kind: type[_T]) -> list[_T]:
        return [report for report in self.reports if isinstance(report, kind)]

    async def until(self, is_so: Callable[["Told"], bool]) -> None:
        async with asyncio.timeout(WAIT), self._news:
            await self._news.wait_for(lambda: is_so(self))

    async def sighting(self, token: str) -> Sighting:
        await self.until(lambda told: any(s.token == token for s in told.of(Sighting)))
        return next(s for s in self.of(Sighting) if s.token == token)

    async def looks(self, count: int) -> None:
        """Wait for `count` further looks."""
        wanted = len(self.of(Look)) + count
        await self.until(lambda told: len(told.of(Look)) >= wanted)


def canary(token: str | None = None) -> tuple[str, bytes]:
    """A token and the message that bears it."""
    message = composed(token=token)
    return message.token, message.content


@asynccontextmanager
async def watched(
    net: Net,
    target: ImapMailbox,
    waiting: Waiting,
    cursors: Mapping[str, Cursor] | None = None,
) -> AsyncIterator[Told]:
    """A watch that runs meanwhile; its failure is the test's."""
    told = Told()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch(net, target, waiting, cursors or {}, told))
        yield told
        task.cancel()
