"""Report of `mailcanary status`: every path, mailbox and job as of now, and the suspects."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import median
from typing import Any

from exporter.analysis.mailbox_state import FRESH
from exporter.analysis.observations import (
    KEPT,
    Observation,
    attempts_of,
    horizon,
    of_canary,
    of_run,
)
from exporter.analysis.suspects import Suspect, find_suspects
from exporter.analysis.target_changes import LastGood
from exporter.analysis.verdicts import Verdict, path_verdict, verdict_of
from exporter.ledger.lock import Holder
from exporter.ledger.reader import LedgerReader
from exporter.model import CanaryRecord, Config, Job, Mailbox, Path
from exporter.reports.exit_codes import ExitCode
from probes.canary.lifecycle import Outcome
from probes.documents import to_json
from probes.result import Failure

STATUS_VERSION = 1
"""The version of the documents that `status_json` makes."""

_RECENT = 50
"""Canaries of a path that are read: the median is theirs."""

_MOST_RUNS = 100
"""Sendings of a path that are read, to know the hosts its canaries went to."""


class State(StrEnum):
    """How a path, job or mailbox is now; `unknown`: nothing that was seen still speaks of now."""

    OK = "ok"
    LATE = "late"
    FAILING = "failing"
    UNTESTABLE = "untestable"
    UNKNOWN = "unknown"


_OF_VERDICT = {
    Verdict.OK: State.OK,
    Verdict.FAILED: State.FAILING,
    Verdict.UNTESTABLE: State.UNTESTABLE,
}
_CODES = {
    State.FAILING: ExitCode.FAILURE,
    State.UNTESTABLE: ExitCode.UNTESTABLE,
    State.UNKNOWN: ExitCode.UNTESTABLE,
    State.LATE: ExitCode.WARNING,
}
"""Exit codes by state, from the gravest to the least; any other state is OK."""


@dataclass(frozen=True, slots=True)
class PathStatus:
    """One path. Durations in seconds; None where nothing is known of it.

    `outcome` is that of the newest settled canary, `outcome_at` when it was settled, `token` which
    one it is; `median_round_trip` is of its last canaries that were found.
    """

    name: str
    route: str
    mailbox: str
    state: State
    outcome: Outcome | None
    outcome_at: datetime | None
    token: str | None
    failure: Failure | None
    in_flight: int
    oldest_in_flight: float | None
    round_trip: float | None
    median_round_trip: float | None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """One mailbox; `is_readable` is None where the service has not told it lately."""

    name: str
    is_readable: bool | None
    told_at: datetime | None
    looked_at: datetime | None
    failure: Failure | None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job and its last run; `seconds` is the duration of that run.

    `last_good` has the differences since its target was good, None where it is good or never was.
    """

    name: str
    kind: str
    state: State
    ran_at: datetime | None
    seconds: float | None
    failure: Failure | None
    last_good: LastGood | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """All of it `at` one instant. `holder` is None where nobody may know if the service runs."""

    at: datetime
    config: str
    holder: Holder | None
    paths: tuple[PathStatus, ...]
    mailboxes: tuple[MailboxStatus, ...]
    jobs: tuple[JobStatus, ...]
    suspects: tuple[Suspect, ...]


def take_status(reader: LedgerReader, config: Config, now: datetime) -> Status:
    """Read the ledger once. Raises LedgerError."""
    mailboxes = tuple(_mailbox(reader, one, now) for one in config.mailboxes.values())
    unreadable = {one.name for one in mailboxes if one.is_readable is False}
    flying: defaultdict[str, list[CanaryRecord]] = defaultdict(list)
    for record in reader.in_flight():
        flying[record.path].append(record)
    paths, jobs, seen = [], [], list[Observation]()
    for path in config.paths.values():
        records = [one for one in reader.recent(path.name, _RECENT) if one.tick >= 0]
        paths.append(_path(path, records, flying[path.name], unreadable, now))
        seen += _observed(reader, path, records, now, len(flying[path.name]))
    for job in config.jobs.values():
        status, observed = _job(reader, job, now)
        jobs.append(status)
        seen += observed
    suspects = find_suspects(seen, unreadable)
    return Status(now, config.source, reader.holder, tuple(paths), mailboxes, tuple(jobs), suspects)


def status_code(status: Status) -> ExitCode:
    """Return the code of the gravest state: failing, then untestable or unknown, then late."""
    states = {one.state for one in status.paths} | {one.state for one in status.jobs}
    if any(one.is_readable is False for one in status.mailboxes):
        states.add(State.UNTESTABLE)
    if status.holder is not None and not status.holder.is_there:
        states.add(State.UNKNOWN)
    return next((code for state, code in _CODES.items() if state in states), ExitCode.OK)


def status_json(status: Status) -> dict[str, Any]:
    """The document of `status --json`; see STATUS_VERSION."""
    holder = status.holder
    return {
        "version": STATUS_VERSION,
        "at": to_json(status.at),
        "config": status.config,
        "service": {
            "is_running": None if holder is None else holder.is_there,
            "process": None if holder is None else holder.process,
        },
        "paths": to_json(status.paths),
        "mailboxes": to_json(status.mailboxes),
        "jobs": to_json(status.jobs),
        "suspects": to_json(status.suspects),
    }


def _mailbox(reader: LedgerReader, one: Mailbox, now: datetime) -> MailboxStatus:
    told = reader.mailbox_state(one.name)
    if told is None:
        return MailboxStatus(one.name, None, None, None, None, one.team)
    is_gone = reader.holder is not None and not reader.holder.is_there
    is_readable = None if is_gone or now - told.at > FRESH else told.is_up
    return MailboxStatus(one.name, is_readable, told.at, told.looked_at, told.failure, one.team)


def _path(
    path: Path,
    records: Sequence[CanaryRecord],
    flying: Iterable[CanaryRecord],
    unreadable: set[str],
    now: datetime,
) -> PathStatus:
    newest = next((one for one in records if one.outcome is not None), None)
    ages = [_age(one, now) for one in flying if one.tick >= 0]
    oldest = max(ages, default=None)
    trips = [one.round_trip for one in records if one.round_trip is not None]
    return PathStatus(
        name=path.name,
        route=path.route.name,
        mailbox=path.mailbox.name,
        state=_state(path, newest, oldest, now, is_readable=path.mailbox.name not in unreadable),
        outcome=None if newest is None else newest.outcome,
        outcome_at=None if newest is None else newest.settled_at,
        token=None if newest is None else newest.token,
        failure=None if newest is None else newest.failure,
        in_flight=len(ages),
        oldest_in_flight=oldest,
        round_trip=trips[0] if trips else None,
        median_round_trip=median(trips) if trips else None,
        team=path.team,
    )


def _state(
    path: Path,
    newest: CanaryRecord | None,
    oldest: float | None,
    now: datetime,
    *,
    is_readable: bool,
) -> State:
    """Return the state by the newest settled canary, unless that is too old to tell of now."""
    if not is_readable:
        return State.UNTESTABLE
    if newest is None or newest.outcome is None or newest.settled_at is None:
        return State.UNKNOWN
    if now - (newest.sending_at or newest.planned_at) > horizon(path):
        return State.UNKNOWN
    is_overdue = oldest is not None and oldest > path.late_after
    if newest.outcome in (Outcome.LATE, Outcome.RECOVERED):
        return State.LATE
    state = _OF_VERDICT[path_verdict(newest, newest.outcome)]
    return State.LATE if state is State.OK and is_overdue else state


def _age(record: CanaryRecord, now: datetime) -> float:
    return max(0.0, (now - (record.sending_at or record.planned_at)).total_seconds())


def _observed(
    reader: LedgerReader, path: Path, records: Iterable[CanaryRecord], now: datetime, flying: int
) -> Iterable[Observation]:
    """The observations the service holds in its memory, from the ledger.

    `flying` canaries have runs that are newer than those of the settled ones.
    """
    settled = [one for one in records if one.outcome is not None][:KEPT]
    most = min(KEPT + flying, _MOST_RUNS)
    runs = {run.tick: run.result for run in reader.runs(path.name, most)} if settled else {}
    for record in settled:
        result = runs.get(record.tick)
        attempts = () if result is None else attempts_of(result)
        observation = of_canary(record, path.route.name, attempts)
        if observation is not None and now - observation.at <= horizon(path):
            yield observation


def _job(reader: LedgerReader, job: Job, now: datetime) -> tuple[JobStatus, list[Observation]]:
    runs = reader.runs(job.name, KEPT)
    seen = [one for one in map(of_run, runs) if now - one.at <= horizon(job)]
    if not runs:
        return JobStatus(job.name, job.kind, State.UNKNOWN, None, None, None, team=job.team), []
    last = runs[0].result
    state = _OF_VERDICT[verdict_of(last.failure)] if seen else State.UNKNOWN
    status = JobStatus(
        *(job.name, job.kind, state, last.started_at, last.seconds, last.failure),
        last_good=reader.last_good(job.name),
        team=job.team,
    )
    return status, seen
