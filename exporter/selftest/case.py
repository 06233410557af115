"""A case: a small world, a run in it, and exactly the findings that must come."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from exporter.testbed.servers.world import WorldSpec
from probes.canary.hops import OurTimes
from probes.canary.message import Canary
from probes.catalogue import ENTRIES
from probes.result import Status

BRIEF = 0.8
"""Seconds our resolver waits for an answer in the worlds in which somebody is silent."""

Told = tuple[str, Status]
"""A finding's code, and how bad it is."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A kind runs against its target, `times` times at once.

    `port_option` names the option that is the port of the world's name servers. `holds` are the
    seconds for which the event loop is held up meanwhile, and its lag measured.
    """

    kind: str
    target: Any
    times: int = 1
    port_option: str | None = None
    holds: float | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """A canary is handed over along a route."""

    route: str
    target: Any
    canary: Canary


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy is fetched from a mailbox, examined, and its evidence kept.

    `sent` is the sent message, None if it is no longer known; `times` are our own instants.
    """

    target: Any
    sent: bytes | None
    times: OurTimes


Step = Probe | HandOver | Copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One world and one run. `name` is a sentence.

    `expected` is exactly the set of findings: with fewer a code does not fire where it should, with
    more a code is not silent. A case that `is_healthy` must also end in success.
    """

    area: str
    name: str
    spec: WorldSpec
    act: Step
    expected: frozenset[Told] = frozenset()
    is_healthy: bool = False

    @property
    def codes(self) -> frozenset[str]:
        """The codes that are expected."""
        return frozenset(code for code, _ in self.expected)

    @property
    def is_alone(self) -> bool:
        """Whether nothing else may run beside it."""
        return isinstance(self.act, Probe) and self.act.holds is not None


def telling(*told: str | Told) -> frozenset[Told]:
    """Expected findings; a code alone stands for itself with the one status it can have.

    Raises ValueError for a code that can have several, and for a status that a code cannot have.
    """
    return frozenset(map(_told, told))


def _told(one: str | Told) -> Told:
    if isinstance(one, tuple):
        code, status = one
        if status not in ENTRIES[code].severity:
            raise ValueError(f"{code} is never {status}")
        return one
    statuses = tuple(ENTRIES[one].severity)
    if len(statuses) > 1:
        raise ValueError(f"{one} can be {', '.join(statuses)}")
    return one, statuses[0]


def chosen(cases: Iterable[Case], word: str) -> tuple[Case, ...]:
    """Return the cases of an area or of a code; else those with the word in their name or codes."""
    wanted, known = word.strip().casefold(), tuple(cases)
    exact = tuple(case for case in known if wanted == case.area or wanted in case.codes)
    return exact or tuple(case for case in known if wanted and _mentions(case, wanted))


def _mentions(case: Case, wanted: str) -> bool:
    return wanted in case.name.casefold() or any(wanted in code for code in case.codes)


def expected_by(cases: Iterable[Case]) -> frozenset[str]:
    """Every code that at least one of the cases expects."""
    return frozenset(code for case in cases for code in case.codes)
