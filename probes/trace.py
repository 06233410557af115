"""The notebook and stopwatch of one run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from probes.clock import Clock
from probes.result import (
    Failure,
    Finding,
    Part,
    Phase,
    PhaseTiming,
    ProbeFailure,
    Reason,
    owner_of,
)

MAX_PARTS = 64
"""Parts one run may have; a kind that finds more measures the first ones and says so."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a watcher of a live run is told: a phase began (`timing` None) or ended."""

    phase: Phase
    host: str | None
    address: str | None
    timing: PhaseTiming | None
    failure: Failure | None = None


Listener = Callable[[Step], None]


class Trace:
    """Collects timings, facts, findings and parts while a kind walks through its protocol.

    A listener hears every phase as it begins and ends; it must return at once and never raise.
    """

    def __init__(
        self,
        clock: Clock,
        listener: Listener | None = None,
        *,
        origin: float | None = None,
        host: str | None = None,
        address: str | None = None,
    ) -> None:
        self.clock = clock
        self.origin = clock.monotonic() if origin is None else origin
        self.timings: list[PhaseTiming] = []
        self.findings: list[Finding] = []
        self.facts: dict[str, Any] = {}
        self.current = Phase.EVALUATE
        self._parts: list[Part | None] = []
        self._listener = listener
        self._host = host
        self._address = address

    @property
    def parts(self) -> tuple[Part, ...]:
        """The finished parts in the order in which they were begun."""
        return tuple(part for part in self._parts if part is not None)

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Time one step. What is raised inside is recorded with the time it took and passes on."""
        self.current = phase
        began = self.clock.monotonic()
        self._tell(phase, None, None)
        failure: Failure | None = None
        try:
            yield
        except ProbeFailure as error:
            failure = error.to_failure(phase)
            raise
        finally:
            timing = PhaseTiming(phase, began - self.origin, self.clock.monotonic() - began)
            self.timings.append(timing)
            self._tell(phase, timing, failure)

    @contextmanager
    def part(self, host: str, address: str | None) -> Iterator["Trace"]:
        """A notebook for one of several things measured side by side.

        A ProbeFailure inside ends the part, not the run; anything else passes on, the part being
        recorded as cut short in the phase it had reached.
        """
        child = Trace(self.clock, self._listener, origin=self.origin, host=host, address=address)
        slot = len(self._parts)
        self._parts.append(None)
        failure: Failure | None = None
        try:
            yield child
        except ProbeFailure as error:
            failure = error.to_failure(child.current)
        except BaseException as error:
            failure = interrupted(child.current, error)
            raise
        finally:
            self._parts[slot] = Part(
                host,
                address,
                tuple(child.timings),
                failure,
                tuple(child.findings),
                dict(child.facts),
            )

    def _tell(self, phase: Phase, timing: PhaseTiming | None, failure: Failure | None) -> None:
        if self._listener is not None:
            self._listener(Step(phase, self._host, self._address, timing, failure))


def interrupted(phase: Phase, error: BaseException) -> Failure:
    """What an unfinished phase is recorded as: cut off by the deadline, or a bug."""
    if isinstance(error, Exception) and not isinstance(error, TimeoutError):
        detail = f"unexpected {type(error).__name__}: {error}"
        return Failure(
            phase, Reason.UNEXPECTED, detail, owner_of(phase, Reason.UNEXPECTED), is_transient=False
        )
    detail = f"no end of {phase} within the deadline"
    return Failure(
        phase, Reason.TIMEOUT, detail, owner_of(phase, Reason.TIMEOUT), is_transient=True
    )
