"""The notebook and stopwatch of one run."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from types import TracebackType

from probes.catalogue import monitor, owner_of_finding
from probes.catalogue.exhaustion import exhausted
from probes.catalogue.facts import FactSheet
from probes.catalogue.parties import RECEIVER, Party
from probes.clock import Clock
from probes.result import (
    DNS_PHASES,
    Aspect,
    Failure,
    Finding,
    Handover,
    Known,
    Owner,
    Part,
    Phase,
    PhaseTiming,
    ProbeFailure,
    Reason,
    Status,
    one_line,
    owner_of,
)

NOTABLE_WAIT = 0.1
"""Seconds of waiting for ourselves from which on a result says so."""

MAX_PARTS = 64
"""Parts one run may have; a kind that finds more measures the first ones and says so."""

MAX_KNOWN = 256
"""Things that are remembered of one run; further ones are not compared."""

MAX_VALUE = 1000
"""Characters of a remembered value; a longer one is cut and told from others by its digest."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a live run, for its listener: a phase began (`timing` None) or ended."""

    phase: Phase
    host: str | None
    address: str | None
    timing: PhaseTiming | None
    failure: Failure | None = None


Listener = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a dialogue, for people: seconds since the begin of the run, receiver, and text.

    It is the peer's text: a view makes it visible.
    """

    at: float
    host: str | None
    address: str | None
    text: str


LineListener = Callable[[Line], None]

SilentParty = Callable[[], tuple[Owner, str]]
"""Names the owner of a look-up in DNS that a limit of ours ended, and why it is that one."""


class Standstill:
    """The spans in which a run or a part of it waits for ourselves, together.

    `give_back` is told the seconds of each span that came to a good end: the run's deadline is put
    off by them.
    """

    def __init__(self, clock: Clock, give_back: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._give_back = give_back
        self._waiting = 0
        self._began = 0.0

    @contextmanager
    def during(self) -> Iterator[None]:
        """One wait; those that overlap are one span."""
        if not self._waiting:
            self._began = self._clock.monotonic()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
        if not self._waiting and self._give_back is not None:
            self._give_back(self._clock.monotonic() - self._began)


class Trace:
    """Collects timings, facts, findings, parts and what is known of the target, while a kind walks
    through its protocol.

    A route sets `handover` as soon as the receiver may have the message, and again with its answer:
    the last report counts, whatever ends the run.

    `party` is the party at the other end: it owns the failures and findings of its own doing, also
    in the parts begun afterwards. `silent_party` tells whose servers were silent where a limit of
    ours ends a look-up.

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
        standstill: "Standstill | None" = None,
        known: list[Known] | None = None,
        on_line: LineListener | None = None,
    ) -> None:
        self.clock = clock
        self.origin = clock.monotonic() if origin is None else origin
        self.timings: list[PhaseTiming] = []
        self.findings: list[Finding] = []
        self.facts = FactSheet()
        self.known: list[Known] = [] if known is None else known
        self.handover: Handover | None = None
        self.party: Party = RECEIVER
        self.silent_party: SilentParty | None = None
        self.hint: tuple[str, Owner | None] = ("", None)
        """What would explain it if the open phase never ended, and whose mistake that would be."""
        self.current = Phase.EVALUATE
        self._children: list[Trace] = []
        self._listener = listener
        self._on_line = on_line
        self._host = host
        self._address = address
        self._failure: Failure | None = None
        self._is_cut = False
        self._is_broken = False
        self._deadline_passed = False
        self._waits: list[str] = []
        self._peer: Owner | None = None
        self._held = 0.0
        self._heard: float | None = None
        self._standstill = standstill or Standstill(clock)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts in the order in which they were begun, one that still runs as it stands."""
        return tuple(child._as_part(by_deadline=self._deadline_passed) for child in self._children)

    @property
    def told(self) -> tuple[Finding, ...]:
        """The findings, each with its party where that is not the owner of its code."""
        return tuple(map(self._placed, self.findings))

    def _placed(self, finding: Finding) -> Finding:
        if self.party is RECEIVER:
            return finding
        usual = owner_of_finding(finding)
        owner = self.party.owner(usual, Reason.REJECTED)
        return finding if owner is usual else replace(finding, owner=owner)

    @property
    def reached(self) -> Phase:
        """The phase that was broken off: of the part that had a bug or was cut short, else ours."""
        return self._broken_off.current

    @property
    def _awaited(self) -> str | None:
        return self._waits[-1] if self._waits else None

    @property
    def _broken_off(self) -> "Trace":
        broken = [child for child in self._children if child._is_broken]
        cut = [child for child in self._children if child._is_cut]
        in_dialogue = [child for child in cut if child._awaited is None]
        return (broken or in_dialogue or cut or [self])[0]

    def deadline_passed(self, *, by_us: bool = False) -> Failure:
        """Record that the deadline ended the run; the failure names the phase that hung.

        With `by_us` our own process stood still: the run is untestable.
        """
        self._deadline_passed = not by_us
        cut = self._broken_off
        if cut._awaited is not None:
            return _waited_in_vain(cut.current, cut._awaited)
        return cut._cut_short(by_deadline=not by_us)

    @contextmanager
    def waiting(self, phase: Phase, awaited: str, *, is_told: bool = True) -> Iterator[None]:
        """Wait, before `phase`, for something of our own: no phase's time, no peer's fault.

        The run's deadline stands still meanwhile and bounds the waiting; a run that it ends here is
        untestable. `awaited` names the awaited thing for people; a long wait is a finding unless it
        is not to be told.
        """
        self.current, self._peer = phase, None
        self._waits.append(awaited)
        began = self.clock.monotonic()
        try:
            with self._standstill.during():
                yield
        except asyncio.CancelledError:
            raise  # it was cut short in this wait, which it says
        except BaseException:
            self._waits.remove(awaited)
            raise
        self._waits.remove(awaited)
        waited = self.clock.monotonic() - began
        if is_told and waited >= NOTABLE_WAIT:
            self.findings.append(monitor.WAITED.found(Status.NOTICE, awaited, f"{waited:.3f} s"))

    def phase(self, phase: Phase, peer: Owner | None = None) -> AbstractContextManager[None]:
        """Time one step. An exception inside is recorded with the time it took and passes on.

        `peer` is the owner of the wait, if it is not the phase's own.
        """
        return _Timed(self, phase, peer)

    def heard(self, held: float, late: float) -> None:
        """Record that the answer which ends the current phase came `late` seconds ago, and that its
        question waited `held` seconds for us to send it.

        Called where the answer is read. The phase lasts from the sending to the coming, not until
        its task reads it: time that other probes take is not the peer's time.
        """
        self._held = held
        self._heard = self.clock.monotonic() - late

    @property
    def line_listener(self) -> Callable[[str], None] | None:
        """Return the listener for a session's dialogue, None if nobody listens."""
        return None if self._on_line is None else self._said

    def _said(self, text: str) -> None:
        if self._on_line is not None:
            at = self.clock.monotonic() - self.origin
            self._on_line(Line(at, self._host, self._address, text))

    def remember(
        self, aspect: Aspect, subject: str, value: str, lifetime: int | None = None
    ) -> None:
        """Record a value that later runs are compared with; see `Known`.

        A part remembers for the whole run.
        """
        if len(self.known) < MAX_KNOWN:
            self.known.append(Known(aspect, subject, _bounded(value), lifetime))

    @contextmanager
    def part(self, host: str, address: str | None) -> Iterator["Trace"]:
        """A notebook for one of several things measured side by side.

        A ProbeFailure inside (alone or in the ExceptionGroup of a task group) ends the part, not
        the run; anything else passes on, the part being recorded as cut short in the phase it had
        reached.
        """
        child = Trace(
            self.clock,
            self._listener,
            origin=self.origin,
            host=host,
            address=address,
            standstill=self._standstill,
            known=self.known,
            on_line=self._on_line,
        )
        child.party, child.silent_party = self.party, self.silent_party
        self._children.append(child)
        try:
            yield child
        except asyncio.CancelledError:
            child._is_cut = True
            raise
        except Exception as error:
            child._failure = failure_of(error, child.current, child.party)
            child._is_broken = not isinstance(cause_of(error), ProbeFailure)
            if child._is_broken:
                raise

    def _as_part(self, *, by_deadline: bool) -> Part:
        failure = self._failure
        if self._is_cut and self._awaited is not None:
            failure = _waited_in_vain(self.current, self._awaited)
        elif self._is_cut:
            failure = self._cut_short(by_deadline=by_deadline)
        return Part(
            self._host or "",
            self._address,
            tuple(self.timings),
            failure,
            self.told,
            dict(self.facts),
        )

    def _cut_short(self, *, by_deadline: bool) -> Failure:
        """The failure of the unfinished phase; without a deadline only the run is at fault."""
        phase, owner = self.current, None
        reason, why = Reason.UNTESTABLE, "before the run was broken off"
        if by_deadline:
            reason, why = Reason.TIMEOUT, "within the deadline"
        detail = f"no end of {phase} {why}"
        if by_deadline:
            owner, told = self.silence()
            detail += told
        if by_deadline and self.hint[0]:
            detail, owner = f"{detail}: {self.hint[0]}", self.hint[1] or owner
        owner = self.party.owner(owner or owner_of(phase, reason), reason)
        return Failure(phase, reason, detail, owner, is_transient=True)

    def silence(self) -> tuple[Owner | None, str]:
        """Return the owner of the open phase if a limit of ours ends it, and what tells that.

        None: the phase tells. A look-up is only the resolver's or the domain's if a test told.
        """
        if self._peer is not None or self.current not in DNS_PHASES:
            return self._peer, ""
        if self.silent_party is None:
            return Owner.MONITOR, ""
        owner, told = self.silent_party()
        return owner, f"; {told}"

    def _tell(self, phase: Phase, timing: PhaseTiming | None, failure: Failure | None) -> None:
        if self._listener is not None:
            self._listener(Step(phase, self._host, self._address, timing, failure))


class _Timed:
    """One step being timed; a class, because a generator would cost as much as all it does."""

    __slots__ = ("_began", "_peer", "_phase", "_trace")

    def __init__(self, trace: Trace, phase: Phase, peer: Owner | None) -> None:
        self._trace = trace
        self._phase = phase
        self._peer = peer
        self._began = 0.0

    def __enter__(self) -> None:
        trace = self._trace
        trace.current = self._phase
        trace._peer = self._peer
        trace._heard = None
        self._began = trace.clock.monotonic()
        if trace._listener is not None:
            trace._tell(self._phase, None, None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        trace, phase, began = self._trace, self._phase, self._began
        # what fails may do so long after it heard something
        heard = trace._heard if error is None else None
        if heard is None:
            ended = trace.clock.monotonic()
        else:
            began += trace._held
            ended = max(began, heard)
        timing = PhaseTiming(phase, began - trace.origin, ended - began)
        trace.timings.append(timing)
        if isinstance(error, ProbeFailure):
            error.owner = trace.party.owner_of(error, phase)
        if error is None and trace._listener is None:
            return
        failure: Failure | None = None
        if isinstance(error, ProbeFailure | ExceptionGroup):
            failure = failure_of(error, phase, trace.party)
        trace._tell(phase, timing, failure)


def _bounded(value: str) -> str:
    if len(value) <= MAX_VALUE:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{value[:MAX_VALUE]}… (SHA-256 {digest[:16]})"


def cause_of(error: Exception) -> Exception:
    """The exception that matters: of a task group's the first bug, else the first ProbeFailure.

    A machine out of resources is no bug.
    """
    if not isinstance(error, ExceptionGroup):
        return exhausted(error) or error
    causes = [cause_of(inner) for inner in error.exceptions]
    return next((cause for cause in causes if not isinstance(cause, ProbeFailure)), causes[0])


def failure_of(error: Exception, current: Phase, party: Party = RECEIVER) -> Failure:
    """Return the failure for `error` in the phase `current`; all but a ProbeFailure is a bug."""
    cause = cause_of(error)
    if isinstance(cause, ProbeFailure):
        cause.owner = party.owner_of(cause, current)
        return cause.to_failure(current)
    detail = one_line(f"unexpected {type(cause).__name__}: {cause}")
    owner = owner_of(current, Reason.UNEXPECTED)
    return Failure(current, Reason.UNEXPECTED, detail, owner, is_transient=False)


def _waited_in_vain(phase: Phase, awaited: str) -> Failure:
    """The failure of a wait for ourselves that did not end: nothing was asked of the peer."""
    detail = one_line(f"never came to {phase}: waited for {awaited}")
    return Failure(phase, Reason.UNTESTABLE, detail, Owner.MONITOR, is_transient=True)
