"""Whether the event loop gets round to its work in time."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from itertools import islice
from operator import itemgetter
from types import TracebackType
from typing import Self

from exporter.metrics.rolling_maximum import RollingMaximum
from exporter.service.supervision import UNHEARD, Supervisor
from probes.clock import SYSTEM_CLOCK, Clock
from probes.tasks import cancel

LAG_INTERVAL = 0.02
"""Seconds between two wake-ups of the loop monitor: no longer lag escapes it by more than that."""

LAG_LIMIT = 5.0
"""Seconds; a loop that was held up for longer falsifies every deadline and every measurement."""

NOTABLE_LAG = 0.001
"""Seconds; a shorter lag is not remembered."""

MOST_LAGS = 10_000
"""Lags that are remembered, each greater than all that came after it."""

LAG_MEMORY = 10.0
"""Seconds for which, at least, a long lag keeps the process unhealthy; twice that at most."""


class LoopMonitor:
    """Wakes up often, while its block runs, and tells how much later than asked for it did.

    Healthy means: no wake-up of the last moments was later than `limit` seconds, and none is
    overdue. While the loop is blocked nothing answers at all, which a supervisor sees as a timeout.
    """

    def __init__(
        self,
        on_lag: Callable[[float], None],
        clock: Clock = SYSTEM_CLOCK,
        *,
        limit: float = LAG_LIMIT,
        supervisor: Supervisor = UNHEARD,
    ) -> None:
        self._supervisor = supervisor
        self._is_measuring = False
        self._on_lag = on_lag
        self._clock = clock
        self._limit = limit
        self._worst = RollingMaximum(clock, LAG_MEMORY)
        self._lags: deque[tuple[float, float]] = deque(maxlen=MOST_LAGS)
        self._expected = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._expected = self._clock.monotonic() + LAG_INTERVAL
        self._is_measuring = True
        kept = self._supervisor.keep("loop monitor", self._measure)
        self._task = asyncio.create_task(kept, name="keep loop monitor")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if task is not None:
            await cancel((task,))
        self._is_measuring = False

    def problem(self) -> str | None:
        """One line for people, None while all is well."""
        if not self._is_measuring:
            return "the event loop is not being measured"
        overdue = self._clock.monotonic() - self._expected
        worst = max(self._worst.value(), overdue)
        if worst <= self._limit:
            return None
        return f"the event loop was blocked for {worst:.1f} s"

    def worst_since(self, since: float) -> float:
        """The greatest lag, in seconds, in which any moment after `since` (monotonic) had a part.

        One that is still going on counts as far as it has come.
        """
        now = self._clock.monotonic()
        later = bisect_right(self._lags, since, key=itemgetter(0))
        worst = now - max(self._expected, since) if self._task is not None else 0.0
        for woke, lag in islice(self._lags, later, later + 2):
            worst = max(worst, min(lag, woke - since))
        return max(worst, 0.0)

    async def _measure(self) -> None:
        self._is_measuring = True
        try:
            while True:
                await asyncio.sleep(LAG_INTERVAL)
                self._woke(self._clock.monotonic())
        finally:
            self._is_measuring = False

    def _woke(self, now: float) -> None:
        lag = max(0.0, now - self._expected)
        self._expected = now + LAG_INTERVAL
        self._worst.add(lag)
        self._remember(now, lag)
        self._on_lag(lag)

    def _remember(self, woke: float, lag: float) -> None:
        """Keep a lag, and of those before it only the greater ones."""
        if lag < NOTABLE_LAG:
            return
        while self._lags and self._lags[-1][1] <= lag:
            self._lags.pop()
        self._lags.append((woke, lag))
