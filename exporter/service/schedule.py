"""The slots of the configured paths and jobs, on the scheduler."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from exporter.model import Config
from exporter.service.runs import log_bug, path_host
from exporter.service.scheduler import Entry, Scheduler, tick_at
from exporter.service.supervision import Supervisor, log_error
from probes.clock import Clock
from probes.registry.rows import KINDS

Start = Callable[[str, int], Coroutine[Any, Any, None]]
"""Runs the path or job of this name in this slot, to its end."""


class Schedule:
    """Starts every path and job of a configuration in its slots.

    How many run at the same time is that of the first configuration: it changes with a restart.
    """

    def __init__(
        self, config: Config, start: Start, missed: Callable[[str, int], None], clock: Clock
    ) -> None:
        self._start = start
        self._clock = clock
        self._scheduler = Scheduler(
            start,
            clock=clock,
            max_concurrent=config.service.max_concurrent,
            max_concurrent_per_host=config.service.max_concurrent_per_host,
            on_missed=missed,
            on_bug=log_bug,
        )

    def replace(self, config: Config, last_ticks: Mapping[str, int]) -> None:
        """Run this configuration's entries from now on, each from the next slot after its last."""
        self._scheduler.replace(_entries(config), last_ticks)

    def next_due(self, most: int) -> tuple[tuple[str, float], ...]:
        """Return the names that come first, at most so many, and the seconds until then."""
        return self._scheduler.next_due(most)

    def start_now(self, config: Config) -> list[asyncio.Task[None]]:
        """Start everything in the current slot, beside the scheduler."""
        return [self._start_one(entry) for entry in _entries(config)]

    async def run(self, supervisor: Supervisor) -> None:
        """Start due entries until `stop`."""
        await supervisor.keep(
            "scheduler", self._scheduler.run, may_end=lambda: self._scheduler.is_stopping
        )

    async def stop(self, seconds: float) -> None:
        """Start nothing more, and give the runs under way so many seconds to end."""
        await self._scheduler.stop(seconds)

    def _start_one(self, entry: Entry) -> asyncio.Task[None]:
        tick = tick_at(entry, self._clock.utc().timestamp())
        task = asyncio.create_task(self._start(entry.name, tick), name=f"run {entry.name}")
        task.add_done_callback(log_error)
        return task


def _entries(config: Config) -> Iterator[Entry]:
    for path in config.paths.values():
        yield Entry(path.name, path.every, path_host(path))
    for job in config.jobs.values():
        yield Entry(job.name, job.every, KINDS[job.kind].host(job.target))
