"""`mailcanary history`: the latest canaries of a path, or runs of a job, one a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.analysis.judgement import (
    PathState,
    matters,
    state_of_canary,
    state_of_result,
    verdict,
)
from exporter.analysis.latency import is_measured, usual_pause
from exporter.ledger.canary_findings import canary_findings
from exporter.ledger.reader import LedgerReader
from exporter.model import CanaryRecord, Config, Run, TargetChange
from exporter.reports.exit_codes import STATE_CODES, ExitCode
from probes.documents import to_json
from probes.result import Failure, Finding, ProbeResult, all_findings

HISTORY_VERSION = 1
"""The version of the documents that `history_json` makes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One canary or run; `run` is for `mailcanary show`: a token, or NAME/TICK of a job.

    `outcome` is a canary's outcome (its state as long as it has none), or a run's verdict.
    `seconds` is the round trip (None if a gap of ours hides it), or the duration of the run.
    `slowest_hop` is the relay it took longest to reach, None where nothing tells. `state` is the
    judgement on it, `findings` those that count in it. `code` is the exit code it deserves, None
    for a canary in flight.
    """

    run: str
    at: datetime
    outcome: str
    is_by_hand: bool
    failure: Failure | None
    seconds: float | None
    placement: str | None
    slowest_hop: str | None
    code: ExitCode | None
    state: PathState = PathState.UNKNOWN
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """The newest entries of a path or job, and the newest changes of a job's target.

    The changes may be older than the entries.
    """

    name: str
    entries: tuple[Entry, ...]
    changes: tuple[TargetChange, ...] = ()


def take_history(reader: LedgerReader, config: Config, name: str, limit: int) -> History:
    """The newest first, `limit` of each at the most. Raises LedgerError."""
    if name in config.jobs:
        runs = reader.runs(name, limit)
        return History(name, tuple(map(_of_run, runs)), reader.changes(name, limit))
    records = reader.recent(name, limit)
    pause = usual_pause(config.paths[name].mailbox if name in config.paths else None)
    sent = {run.tick: run.result for run in reader.runs(name, limit)}
    return History(
        name, tuple(_of_canary(reader, one, sent.get(one.tick), pause) for one in records)
    )


def _of_canary(
    reader: LedgerReader, record: CanaryRecord, sent: ProbeResult | None, pause: float
) -> Entry:
    evidence = reader.evidence(record.token) if record.place is not None else ()
    is_open = record.outcome is None
    findings = tuple(filter(matters, canary_findings(sent, evidence)))
    state = state_of_canary(record, findings)
    return Entry(
        run=record.token,
        at=record.sending_at or record.planned_at,
        outcome=record.state if record.outcome is None else record.outcome,
        is_by_hand=record.tick < 0,
        failure=record.failure,
        seconds=record.round_trip if is_measured(record, pause) else None,
        placement=record.placement,
        slowest_hop=slowest_hop(evidence),
        code=None if is_open else STATE_CODES[state],
        state=state,
        findings=findings,
    )


def _of_run(run: Run) -> Entry:
    result = run.result
    state = state_of_result(result)
    return Entry(
        run=f"{run.name}/{run.tick}",
        at=result.started_at,
        outcome=verdict(state),
        is_by_hand=run.tick < 0,
        failure=result.failure,
        seconds=result.seconds,
        placement=None,
        slowest_hop=None,
        code=STATE_CODES[state],
        state=state,
        findings=tuple(filter(matters, all_findings(result))),
    )


def slowest_hop(evidence: Sequence[dict[str, Any]]) -> str | None:
    """The relay that the first copy took longest to reach, None where no delay is surely one."""
    for document in evidence[:1]:
        for hop in document["hops"]:
            if hop["position"] == document["slowest_hop"]:
                return hop["by"] or f"hop {hop['position']}"
    return None


def history_json(history: History) -> dict[str, Any]:
    """The document of `history --json`; see HISTORY_VERSION."""
    documents = [to_json(entry) for entry in history.entries]
    for document in documents:
        del document["code"]
    return {
        "version": HISTORY_VERSION,
        "name": history.name,
        "entries": documents,
        "changes": to_json(history.changes),
    }
