"""A clock that the test moves."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from probes.clock import Clock, Instant

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    """Both clocks of a `Clock`; they stand still until the test moves them."""

    utc: datetime = START
    monotonic: float = 1000.0
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(lambda: self.monotonic, lambda: self.utc)

    def now(self) -> Instant:
        """Return the moment that both clocks show."""
        return self.clock.now()

    def elapse(self, seconds: float) -> Instant:
        """Let time pass, and return the new moment."""
        self.utc += timedelta(seconds=seconds)
        self.monotonic += seconds
        return self.now()

    def step(self, seconds: float) -> None:
        """Set the wall clock; no time passes."""
        self.utc += timedelta(seconds=seconds)

    def restart(self) -> None:
        """Begin a new process: its monotonic clock begins anywhere."""
        self.monotonic = 7.0
