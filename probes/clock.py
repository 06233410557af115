"""The injected clock: durations from a monotonic counter, instants in aware UTC."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment read from both clocks.

    `monotonic` (seconds, arbitrary origin) is comparable within one process only; `utc` survives a
    restart but may be stepped. Measure with `monotonic`, show and store `utc`.
    """

    utc: datetime
    monotonic: float


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _elapsed() -> float:
    """Seconds that also pass while the machine is suspended, where the system counts them."""
    return time.clock_gettime(_ELAPSED)


_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_MONOTONIC stands still in a suspended machine: a canary would be younger than it is."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where every measurement reads the time; tests inject their own two callables."""

    monotonic: Callable[[], float] = field(default=_elapsed)
    utc: Callable[[], datetime] = field(default=_utc_now)

    def now(self) -> Instant:
        """Both clocks, read one after the other."""
        return Instant(self.utc(), self.monotonic())


SYSTEM_CLOCK = Clock()
