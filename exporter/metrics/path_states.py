"""The knowledge of one path from which its state is judged at every scrape."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.analysis.judgement import (
    PathKnowledge,
    PathState,
    is_handed_over,
    matters,
    state_of_canary,
    state_of_path,
)
from exporter.analysis.latency import DEFAULT_PAUSE, usual_pause
from exporter.analysis.observations import horizon
from exporter.model import CanaryRecord, Path
from probes.result import Finding

_TICKS = 64
"""Canaries of which findings are kept, the newest ones; those without findings cost nothing."""

_Key = tuple[int, int]
"""Of two canaries the one with the greater key was sent later: its tick, then its serial number."""


@dataclass(slots=True)
class Flight:
    """A canary under way: when its sending began (monotonic), and its place in their order."""

    began: float
    key: _Key
    is_handed_over: bool = False


@dataclass(slots=True)
class PathTracker:
    """One path: its canaries under way, its newest settled canary with its findings."""

    in_flight: dict[str, Flight] = field(default_factory=dict)
    newest_examined: int = -1
    horizon: float = 0.0
    late_after: float = 0.0
    pause: float = DEFAULT_PAUSE
    is_readable: bool | None = None
    shown: PathState | None = None
    _newest: CanaryRecord | None = None
    _key: _Key = (-1, -1)
    _began: float = 0.0
    _is_remembered: bool = False
    _findings: dict[int, tuple[Finding, ...]] = field(default_factory=dict)

    def configure(self, path: Path) -> None:
        """Take over the limits of the path."""
        self.horizon = horizon(path).total_seconds()
        self.late_after = path.late_after
        self.pause = usual_pause(path.mailbox)

    def settle(self, record: CanaryRecord, flight: Flight, *, is_remembered: bool = False) -> None:
        """Take over a canary's outcome, unless a later canary has one."""
        if flight.key > self._key:
            self._newest, self._key, self._began = record, flight.key, flight.began
            self._is_remembered = is_remembered

    def correct(self, record: CanaryRecord) -> None:
        """Take over another outcome of the newest settled canary: it came after all."""
        if self._newest is not None and self._newest.token == record.token:
            self._newest = record

    def found(self, tick: int, findings: Iterable[Finding]) -> None:
        """Remember the findings that count of the sending or of a copy of that canary."""
        known = self._findings.pop(tick, ())
        fresh = tuple(one for one in findings if matters(one) and one not in known)
        if known or fresh:
            self._findings[tick] = (*known, *fresh)
        while len(self._findings) > _TICKS:
            del self._findings[next(iter(self._findings))]

    def oldest(self, now: float) -> float | None:
        """Seconds since the oldest sending under way began, None if there is none."""
        began = min((flight.began for flight in self.in_flight.values()), default=None)
        return None if began is None else max(0.0, now - began)

    def state(self, now: float) -> PathState:
        """Judge the path as of now (monotonic)."""
        newest = self._newest
        findings = () if newest is None else self._findings.get(newest.tick, ())
        return state_of_path(
            PathKnowledge(
                record=newest,
                state=PathState.UNKNOWN if newest is None else state_of_canary(newest, findings),
                age=now - self._began,
                horizon=self.horizon,
                late_after=self.late_after,
                is_readable=self.is_readable,
                is_followed=any(
                    one.is_handed_over and one.key > self._key for one in self.in_flight.values()
                ),
                is_remembered=self._is_remembered,
                oldest_in_flight=self.oldest(now),
            )
        )


def followed(flight: Flight, record: CanaryRecord) -> Flight:
    """Return the flight after a step of its canary."""
    flight.is_handed_over = is_handed_over(record)
    return flight
