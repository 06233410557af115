"""All cases executed, a bounded number at a time, and their outcomes."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.selftest.case import Case, Told
from exporter.selftest.execution import perform
from probes.result import Failure, Finding, Reason, all_findings
from probes.tasks import TaskSet

AT_A_TIME = 12
"""Worlds that stand at the same time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one case. `failures` are those of its runs.

    `untried` says why its world could not run on this machine, `bug` is an error of ours; "" if
    there is none.
    """

    case: Case
    found: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0
    untried: str = ""
    bug: str = ""

    @property
    def told(self) -> frozenset[Told]:
        """The findings, for comparison."""
        return frozenset((finding.code, finding.status) for finding in self.found)

    @property
    def missing(self) -> tuple[Told, ...]:
        """The expected findings that were not found."""
        return () if self.untried else tuple(sorted(self.case.expected - self.told))

    @property
    def unexpected(self) -> tuple[Finding, ...]:
        """The findings that were not expected."""
        return tuple(f for f in self.found if (f.code, f.status) not in self.case.expected)

    @property
    def stopped(self) -> Failure | None:
        """The failure of a run that had to succeed, or a bug that ended any run."""
        is_told = self.case.is_healthy
        return next((f for f in self.failures if is_told or f.reason is Reason.UNEXPECTED), None)

    @property
    def is_right(self) -> bool:
        """Whether everything is as the case has it; one that was not tried is not wrong."""
        return not (self.bug or self.missing or self.unexpected or self.stopped)


async def run_all(cases: Iterable[Case], heard: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
    """Every outcome, in the order of the cases; `heard` is told of each as it comes.

    Cases that measure ourselves are performed when the others are over, each alone.
    """
    known = tuple(cases)
    outcomes: dict[int, Outcome] = {}
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int) -> None:
        async with room:
            outcomes[number] = await _outcome(known[number])
        heard(outcomes[number])

    async with TaskSet() as tasks:
        for number, case in enumerate(known):
            if not case.is_alone:
                tasks.start(one(number))
    for number, case in enumerate(known):
        if case.is_alone:
            await one(number)
    return tuple(outcomes[number] for number in range(len(known)))


async def _outcome(case: Case) -> Outcome:
    began = time.monotonic()
    try:
        results = await perform(case)
    except OSError as error:
        return Outcome(case, untried=str(error))
    except Exception as bug:  # noqa: BLE001 - a world that breaks is told like a code that is wrong
        return Outcome(case, bug=f"{type(bug).__name__}: {bug}")
    return Outcome(
        case,
        tuple(finding for result in results for finding in all_findings(result)),
        tuple(result.failure for result in results if result.failure is not None),
        time.monotonic() - began,
    )
