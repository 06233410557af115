"""Waiting for a state that nobody announces, and what the event loop does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")

PATIENCE = 15.0
"""Seconds after which something that was to happen counts as missing."""


async def until(
    is_so: Callable[[], object], *, within: float = PATIENCE, every: float = 0.01
) -> None:
    """Let the loop work until it is so."""
    async with asyncio.timeout(within):
        while not is_so():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(every)


async def answered(
    ask: Callable[[], Awaitable[_T]], *, within: float = PATIENCE, every: float = 0.02
) -> _T:
    """Ask again and again until an answer is true, and return it."""
    async with asyncio.timeout(within):
        while not (answer := await ask()):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(every)
    return answer


async def listens(port: int, host: str = "127.0.0.1") -> bool:
    """True if somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@dataclass
class Turns:
    """How often the event loop came round."""

    count: int = 0


@asynccontextmanager
async def counting_turns() -> AsyncIterator[Turns]:
    """Count the turns of the loop during the block: others could have worked in each of them."""
    turns = Turns()

    async def count() -> None:
        while True:
            await asyncio.sleep(0)
            turns.count += 1

    task = asyncio.create_task(count())
    try:
        yield turns
    finally:
        task.cancel()
