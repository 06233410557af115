"""Measurements while a probe meets a fault: memory, the loop, open files, and a neighbour."""

import asyncio
import gc
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from exporter.testbed.faults.fault import Fault, ProbeUnderTest, fine
from exporter.testbed.faults.harness import Harness
from exporter.testbed.servers.certificates import Authority
from probes.net.tls import TrustStore
from probes.result import ProbeResult

HEALTHY = Fault("no fault", ProbeUnderTest.MX, fine())


class Neighbour:
    """A healthy probe of a healthy server, again and again, on the loop where a fault is met."""

    def __init__(self, authority: Authority, trust: TrustStore) -> None:
        self.results: list[ProbeResult] = []
        self._harness = Harness(HEALTHY, authority, trust)
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    async def runs(self, count: int) -> None:
        """Wait until so many further runs have begun and ended."""
        wanted = len(self.results) + count + 1  # the one under way may have begun long ago
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: len(self.results) >= wanted)

    @property
    def median(self) -> float:
        """Seconds of a run."""
        return statistics.median(result.seconds for result in self.results)

    @property
    def worst(self) -> float:
        """Seconds of the slowest run."""
        return max(result.seconds for result in self.results)

    async def __aenter__(self) -> Self:
        await self._harness.__aenter__()
        self._task = asyncio.create_task(self._live(), name="neighbour")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._harness.__aexit__(kind, error, traceback)

    async def _live(self) -> None:
        while True:
            result = await self._harness.run()
            async with self._news:
                self.results.append(result)
                self._news.notify_all()
            await asyncio.sleep(0.005)


class Pulse:
    """The longest time the loop was held at one go: our processor time between two beats.

    Other processes of a busy machine do not count; every callback of this loop does, and so does
    the collector of garbage. What was collected before the first test is kept away from it (see
    tests/conftest.py).
    """

    def __init__(self) -> None:
        self.longest_hold = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        gc.collect()
        self._task = asyncio.create_task(self._beat(), name="pulse")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _beat(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.002)
            self.longest_hold = max(self.longest_hold, time.thread_time() - before)


@dataclass
class Memory:
    """Bytes this process held at most, above what it held before."""

    peak: int = 0


@contextmanager
def measured_memory() -> Iterator[Memory]:
    """The peak is in the value when the block has ended."""
    memory = Memory()
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins anew
    before = _resident("VmRSS")
    yield memory
    memory.peak = _resident("VmHWM") - before


def _resident(line: str) -> int:
    """A line of this process's status, in bytes."""
    for words in map(str.split, Path("/proc/self/status").read_text().splitlines()):
        if words[0] == f"{line}:":
            return int(words[1]) * 1024
    raise LookupError(line)


def open_files() -> dict[str, str]:
    """This process's file descriptors and what they are."""
    found = {}
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are what is wanted
        with suppress(OSError):  # the one of the listing itself
            found[number] = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
    return found


def sockets() -> set[str]:
    """The sockets this process holds."""
    return {what for what in open_files().values() if what.startswith("socket:")}


async def settled() -> None:
    """Let what has been closed be gone: a few turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)
