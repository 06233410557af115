"""Report of `mailcanary status`: every path, mailbox and job as of now, and the suspects."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any

from exporter.analysis.judgement import (
    PathKnowledge,
    PathState,
    is_handed_over,
    matters,
    state_of_canary,
    state_of_path,
    state_of_result,
)
from exporter.analysis.latency import measured, usual_pause
from exporter.analysis.mailbox_state import FRESH, MailboxState
from exporter.analysis.observations import (
    KEPT,
    Observation,
    attempts_of,
    horizon,
    of_canary,
    of_run,
)
from exporter.analysis.suspects import Suspect, find_suspects, has_failed
from exporter.analysis.target_changes import LastGood
from exporter.ledger.canary_findings import canary_findings
from exporter.ledger.lock import Holder
from exporter.ledger.reader import LedgerReader
from exporter.ledger.runs import StoredRun
from exporter.model import CanaryRecord, Config, Job, Mailbox, Path
from exporter.reports.exit_codes import STATE_CODES, ExitCode
from exporter.reports.in_flight import HandRun, newest_by_hand
from probes.canary.lifecycle import Outcome
from probes.documents import to_json
from probes.result import Failure, Finding, all_findings

STATUS_VERSION = 2
"""The version of the documents that `status_json` makes."""

_RECENT = 50
"""Canaries of a path that are read: the median is theirs."""

_MOST_RUNS = 100
"""Sendings of a path that are read, to know the hosts its canaries went to."""


@dataclass(frozen=True, slots=True)
class PathStatus:
    """One path. Durations in seconds; None where nothing is known of it.

    `outcome` is that of the newest settled canary, `outcome_at` when it was settled, `token` which
    one it is, `findings` those of its findings that count. `median_round_trip` is of its last
    canaries that were found. `by_hand` is its newest canary sent by hand, which decides nothing.
    """

    name: str
    route: str
    mailbox: str
    state: PathState
    outcome: Outcome | None
    outcome_at: datetime | None
    token: str | None
    failure: Failure | None
    in_flight: int
    oldest_in_flight: float | None
    round_trip: float | None
    median_round_trip: float | None
    findings: tuple[Finding, ...] = ()
    by_hand: HandRun | None = None
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

    `findings` are those that count. `last_good` has the differences since its target was good, None
    where it is good or never was.
    """

    name: str
    kind: str
    state: PathState
    ran_at: datetime | None
    seconds: float | None
    failure: Failure | None
    last_good: LastGood | None = None
    findings: tuple[Finding, ...] = ()
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
    states = reader.mailbox_states()
    mailboxes = tuple(
        _mailbox(reader, one, states.get(one.name), now) for one in config.mailboxes.values()
    )
    readable = {one.name: one.is_readable for one in mailboxes}
    unreadable = {one.name for one in mailboxes if one.is_readable is False}
    flying: defaultdict[str, list[CanaryRecord]] = defaultdict(list)
    for record in reader.in_flight():
        flying[record.path].append(record)
    paths, seen = [], list[Observation]()
    recent = reader.recent_of(config.paths, _RECENT)
    for path in config.paths.values():
        records = [one for one in recent[path.name] if one.tick >= 0]
        newest = next((one for one in records if one.outcome is not None), None)
        judged = _judged(reader, newest)
        one = _path(path, records, flying[path.name], judged, readable[path.mailbox.name], now)
        paths.append(replace(one, by_hand=newest_by_hand(recent[path.name], now)))
        seen += _observed(reader, path, records, now, len(flying[path.name]))
    stored, last_goods = reader.newest_runs(config.jobs, KEPT), reader.last_goods(config.jobs)
    jobs = [_job(job, stored[name], last_goods.get(name), now) for name, job in config.jobs.items()]
    is_quiet = all(run.is_quiet for runs in stored.values() for run in runs)
    if not is_quiet or any(map(has_failed, seen)):
        seen += _observed_jobs(config, stored, now)
    suspects = find_suspects(seen, unreadable)
    return Status(now, config.source, reader.holder, tuple(paths), mailboxes, tuple(jobs), suspects)


def status_code(status: Status) -> ExitCode:
    """Return the code of the gravest state: failing, untestable or unknown, then degraded."""
    states = {one.state for one in status.paths} | {one.state for one in status.jobs}
    if any(one.is_readable is False for one in status.mailboxes):
        states.add(PathState.UNTESTABLE)
    if status.holder is not None and not status.holder.is_there:
        states.add(PathState.UNKNOWN)
    return next((code for state, code in STATE_CODES.items() if state in states), ExitCode.OK)


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


def _mailbox(
    reader: LedgerReader, one: Mailbox, told: MailboxState | None, now: datetime
) -> MailboxStatus:
    if told is None:
        return MailboxStatus(one.name, None, None, None, None, one.team)
    is_gone = reader.holder is not None and not reader.holder.is_there
    is_readable = None if is_gone or now - told.at > FRESH else told.is_up
    return MailboxStatus(one.name, is_readable, told.at, told.looked_at, told.failure, one.team)


def _judged(reader: LedgerReader, newest: CanaryRecord | None) -> tuple[Finding, ...]:
    """The findings that count of the newest settled canary."""
    if newest is None:
        return ()
    run = reader.run_at(newest.path, newest.tick)
    evidence = () if newest.place is None else reader.evidence(newest.token)
    found = canary_findings(None if run is None else run.result, evidence)
    return tuple(one for one in found if matters(one))


def _path(
    path: Path,
    records: Sequence[CanaryRecord],
    flying: Iterable[CanaryRecord],
    findings: tuple[Finding, ...],
    is_readable: bool | None,  # noqa: FBT001
    now: datetime,
) -> PathStatus:
    newest = next((one for one in records if one.outcome is not None), None)
    known = _known(path, newest, [one for one in flying if one.tick >= 0], now)
    state = PathState.UNKNOWN if newest is None else state_of_canary(newest, findings)
    trips = measured(records, usual_pause(path.mailbox))
    return PathStatus(
        name=path.name,
        route=path.route.name,
        mailbox=path.mailbox.name,
        state=state_of_path(replace(known, state=state, is_readable=is_readable)),
        outcome=None if newest is None else newest.outcome,
        outcome_at=None if newest is None else newest.settled_at,
        token=None if newest is None else newest.token,
        failure=None if newest is None else newest.failure,
        in_flight=sum(one.tick >= 0 for one in flying),
        oldest_in_flight=known.oldest_in_flight,
        round_trip=trips[0] if trips else None,
        median_round_trip=median(trips) if trips else None,
        findings=findings,
        team=path.team,
    )


def _known(
    path: Path, newest: CanaryRecord | None, flying: Sequence[CanaryRecord], now: datetime
) -> PathKnowledge:
    return PathKnowledge(
        record=newest,
        state=PathState.UNKNOWN,
        age=0.0 if newest is None else _age(newest, now),
        horizon=horizon(path).total_seconds(),
        late_after=path.late_after,
        is_readable=None,
        is_followed=newest is not None
        and any(is_handed_over(one) and one.tick > newest.tick for one in flying),
        oldest_in_flight=max((_age(one, now) for one in flying), default=None),
    )


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


def _job(
    job: Job, runs: Sequence[StoredRun], last_good: LastGood | None, now: datetime
) -> JobStatus:
    if not runs:
        return JobStatus(job.name, job.kind, PathState.UNKNOWN, None, None, None, team=job.team)
    last = runs[0].outline().result
    is_recent = now - last.started_at <= horizon(job)
    state = state_of_result(last) if is_recent else PathState.UNKNOWN
    return JobStatus(
        *(job.name, job.kind, state, last.started_at, last.seconds, last.failure),
        last_good=last_good,
        findings=tuple(filter(matters, all_findings(last))),
        team=job.team,
    )


def _observed_jobs(
    config: Config, stored: Mapping[str, Iterable[StoredRun]], now: datetime
) -> Iterable[Observation]:
    """The observations of jobs; only wanted if something failed: else nothing is suspected."""
    for name, runs in stored.items():
        for one in runs:
            observation = of_run(one.outline())
            if now - observation.at <= horizon(config.jobs[name]):
                yield observation
