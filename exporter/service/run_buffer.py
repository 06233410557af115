"""Gather finished runs of jobs in memory and write them to the ledger together.

A run is a report of the past, and no later decision depends on it. So no run waits for the disk. A
killed process loses the runs not written yet, one second of them at most. Canaries never pass
through here.
"""

import asyncio
import logging
from contextlib import suppress
from types import TracebackType
from typing import Self

from exporter.ledger.ledger import Ledger
from exporter.model import Run, TargetChange
from exporter.service.publisher import Publisher
from exporter.service.supervision import UNHEARD, Supervisor

LOG = logging.getLogger("mailcanary")

SPAN = 1.0
"""Seconds a run waits at most for others to be written with."""

TOGETHER = 500
"""Runs that are written at once, without waiting for more."""

MOST_WAITING = 10_000
"""Runs that are kept while the ledger refuses them; beyond that the oldest are dropped."""

PAUSE = 5.0
"""Seconds between two tries while the ledger refuses."""


class RunBuffer:
    """Writes added runs while its block is open, and the rest when the block ends.

    Runs that the ledger refused are tried again. Changes that the runs found about their targets
    are published once they are on the disk.
    """

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        *,
        span: float = SPAN,
        supervisor: Supervisor = UNHEARD,
    ) -> None:
        self._supervisor = supervisor
        self._ledger = ledger
        self._publisher = publisher
        self._span = span
        self._runs: list[Run] = []
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._is_ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        kept = self._supervisor.keep("run book", self._write_on, may_end=self._is_ending.is_set)
        self._task = asyncio.create_task(kept, name="keep run book")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_ending.set()
        self._some.set()
        self._many.set()
        task, self._task = self._task, None
        if task is not None:  # what it is writing is written, and its changes are told
            await asyncio.wait((task,))
        if not await self.write():
            LOG.error("%d finished runs could not be stored", len(self._runs))

    def add(self, run: Run) -> None:
        """Take a run down; it is on the disk a little later."""
        self._runs.append(run)
        self._drop_oldest()
        self._some.set()
        if len(self._runs) >= TOGETHER:
            self._many.set()

    async def _write_on(self) -> None:
        while not self._is_ending.is_set():
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._span):
                    await self._many.wait()
            if not await self.write():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE):
                        await self._is_ending.wait()

    async def write(self) -> bool:
        """Write all there is; False when the ledger refused, and all is kept.

        Its runs are kept as well where it is cancelled half-way; nobody here does that.
        """
        self._some.clear()
        self._many.clear()
        runs, self._runs = self._runs, []
        with self._publisher.attempting("finished runs are not stored yet") as attempt:
            for change in await self._add(runs):
                self._publisher.target_changed(change)
        return attempt.refusal is None

    async def _add(self, runs: list[Run]) -> tuple[TargetChange, ...]:
        try:
            return await self._ledger.add_runs(runs)
        except BaseException:
            self._runs = runs + self._runs
            self._drop_oldest()
            self._some.set()
            raise

    def _drop_oldest(self) -> None:
        """Runs that came while a write was refused come on top of those that it gives back."""
        for run in self._runs[:-MOST_WAITING]:
            LOG.error("a finished run of %s is not stored: too many wait", run.name)
        del self._runs[:-MOST_WAITING]
