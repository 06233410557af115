"""The one judgement of results, canaries, paths and jobs.

Metrics, reports, exit codes and `/probe` all tell this judgement, so that none contradicts another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from exporter.model import CanaryRecord
from probes.canary.lifecycle import IN_FLIGHT, Outcome
from probes.catalogue import owner_of_finding, smtp_answers
from probes.result import Failure, Finding, Owner, ProbeResult, Status, all_findings

SUCCESS = frozenset({Outcome.ARRIVED, Outcome.LATE})
"""Outcomes of a canary that came to where it belongs."""

_LATE_SUCCESS = frozenset({Outcome.LATE, Outcome.RECOVERED, Outcome.JUNKED})
_ABOUT_US = frozenset({Owner.MONITOR, Owner.RESOLVER})
"""Owners of findings about the monitor itself. A configuration of ours that spoils mail is not one:
a missing DKIM key or a listed address is seen by every receiver."""

_REFUSED = frozenset({Outcome.REJECTED, Outcome.DEFERRED, Outcome.SEND_FAILED})


class PathState(StrEnum):
    """The state of a path, job, canary or run.

    `degraded`: mail arrives, but late, as junk, greylisted or with a warning. `untestable`: the
    monitor's own side failed. `unknown`: nothing that was seen speaks of now.
    """

    __hash__ = str.__hash__

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"
    UNTESTABLE = "untestable"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """How a run or a part of it ended: a state in one of three words."""

    OK = "ok"
    FAILED = "failed"
    UNTESTABLE = "untestable"


_VERDICTS = {
    PathState.OK: Verdict.OK,
    PathState.DEGRADED: Verdict.OK,
    PathState.FAILING: Verdict.FAILED,
    PathState.UNTESTABLE: Verdict.UNTESTABLE,
    PathState.UNKNOWN: Verdict.UNTESTABLE,
}


def verdict(state: PathState) -> Verdict:
    """Return the state as a verdict; a state that is not known is untestable."""
    return _VERDICTS[state]


def is_up(state: PathState) -> bool | None:
    """True if mail gets through, False if not, None if that is not known."""
    said = _VERDICTS[state]
    return None if said is Verdict.UNTESTABLE else said is Verdict.OK


def verdict_of(failure: Failure | None) -> Verdict:
    """Return the verdict on one step or part by its failure alone; findings are not asked."""
    if failure is None:
        return Verdict.OK
    return Verdict.UNTESTABLE if failure.is_untestable else Verdict.FAILED


def delivery_verdict(record: CanaryRecord, outcome: Outcome) -> Verdict:
    """Return the verdict on a canary's delivery: whether the parts of its way carried it.

    Findings are not asked: a bad signature says nothing about a route or a host.
    """
    if outcome in SUCCESS:
        return Verdict.OK
    if outcome is Outcome.UNTESTABLE or _is_end_unknown(record, outcome):
        return Verdict.UNTESTABLE
    if outcome in (Outcome.JUNKED, Outcome.BOUNCED):
        return Verdict.FAILED
    is_ours = verdict_of(record.failure) is Verdict.UNTESTABLE
    return Verdict.UNTESTABLE if is_ours else Verdict.FAILED


def _is_end_unknown(record: CanaryRecord, outcome: Outcome) -> bool:
    """The sender died: nobody knows whether it was handed over."""
    return outcome is Outcome.LOST and record.accepted_at is None and record.failure is None


def state_of_findings(findings: Iterable[Finding]) -> PathState:
    """Return failing, degraded or OK by the gravest finding.

    Notices, and findings about the monitor's own side, change nothing.
    """
    statuses = {one.status for one in findings if owner_of_finding(one) not in _ABOUT_US}
    if Status.FAILURE in statuses:
        return PathState.FAILING
    return PathState.DEGRADED if Status.WARNING in statuses else PathState.OK


def matters(finding: Finding) -> bool:
    """True for a finding that can change the judgement on a canary or a run."""
    if _is_greylisting(finding):
        return True
    is_grave = finding.status in (Status.WARNING, Status.FAILURE)
    return is_grave and owner_of_finding(finding) not in _ABOUT_US


def state_of_result(result: ProbeResult) -> PathState:
    """Judge a one-shot result by its failure, then by its findings and those of its parts."""
    ended = verdict_of(result.failure)
    if ended is Verdict.OK:
        return state_of_findings(all_findings(result))
    return PathState.UNTESTABLE if ended is Verdict.UNTESTABLE else PathState.FAILING


def state_of_canary(record: CanaryRecord, findings: Iterable[Finding] = ()) -> PathState:
    """Judge a canary by its outcome, then by the findings of its sending and of its copies.

    A canary without an outcome is unknown.
    """
    outcome = record.outcome
    if outcome is None:
        return PathState.UNKNOWN
    if outcome in SUCCESS or outcome in _LATE_SUCCESS:
        known = tuple(findings)
        state = state_of_findings(known)
        is_slowed = outcome in _LATE_SUCCESS or any(map(_is_greylisting, known))
        return PathState.DEGRADED if state is PathState.OK and is_slowed else state
    ended = delivery_verdict(record, outcome)
    return PathState.FAILING if ended is Verdict.FAILED else PathState.UNTESTABLE


def _is_greylisting(finding: Finding) -> bool:
    return finding.code == smtp_answers.GREYLISTED.code


@dataclass(frozen=True, slots=True)
class PathKnowledge:
    """Everything that decides the state of a path now. Ages and limits in seconds.

    `record` is the newest settled canary and `state` the judgement on it; None where there is none.
    `age` counts from the beginning of its sending, `horizon` is the age at which it says nothing
    of now. `is_readable` is None where nobody has told yet whether the mailbox can be read.
    `is_followed`: a later canary was handed over. `is_remembered`: an earlier process settled the
    record, and this one reads the mailbox itself. `oldest_in_flight` is None where none is.
    """

    record: CanaryRecord | None
    state: PathState
    age: float
    horizon: float
    late_after: float
    is_readable: bool | None
    is_followed: bool = False
    is_remembered: bool = False
    oldest_in_flight: float | None = None


def state_of_path(known: PathKnowledge) -> PathState:
    """Judge a path.

    A sending that was refused needs no mailbox to be proven. Everything else is proven only while
    the mailbox can be read.
    """
    is_fresh = known.record is not None and known.age <= known.horizon
    if not (is_fresh and _is_sending_refused(known)):
        if known.is_readable is False:
            return PathState.UNTESTABLE
        if not is_fresh or (known.is_remembered and known.is_readable is None):
            return PathState.UNKNOWN
    oldest = known.oldest_in_flight
    is_overdue = oldest is not None and oldest > known.late_after
    return PathState.DEGRADED if known.state is PathState.OK and is_overdue else known.state


def _is_sending_refused(known: PathKnowledge) -> bool:
    """Whether the newest sending definitely failed, and no later one was handed over."""
    record = known.record
    if record is None or known.is_followed:
        return False
    return record.outcome in _REFUSED and known.state is PathState.FAILING


def is_handed_over(record: CanaryRecord) -> bool:
    """True for a canary that the route took, or perhaps took, and of which nothing is seen yet."""
    return record.state in IN_FLIGHT
