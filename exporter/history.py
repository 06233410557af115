"""`mailcanary history`: the latest canaries of a path, or runs of a job, one a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.change_view import changes_view
from exporter.ledger.reader import LedgerReader
from exporter.metrics.result_values import verdict_of
from exporter.model import CanaryRecord, Config, Run, TargetChange
from exporter.terminal import milliseconds, outcome_code, result_code, style_of, visible
from probes.canary.message import MARKER
from probes.result import Failure, to_json

HISTORY_VERSION = 1
"""The version of the documents that `history_json` makes."""

_SHORT = 8
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Entry:
    """One canary or run; `run` is what `mailcanary show` takes: a token, or NAME/TICK of a job.

    `outcome` is a canary's outcome (its state as long as it has none), or a run's verdict;
    `seconds` the round trip, or how long the run took; `slowest_hop` the relay it took longest to
    reach, None where nothing tells.
    """

    run: str
    at: datetime
    outcome: str
    is_by_hand: bool
    failure: Failure | None
    seconds: float | None
    placement: str | None
    slowest_hop: str | None
    style: str


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
    return History(name, tuple(_of_canary(reader, record) for record in records))


def _of_canary(reader: LedgerReader, record: CanaryRecord) -> Entry:
    evidence = reader.evidence(record.token) if record.uid is not None else ()
    is_open = record.outcome is None
    return Entry(
        run=record.token,
        at=record.sending_at or record.planned_at,
        outcome=record.state if record.outcome is None else record.outcome,
        is_by_hand=record.tick < 0,
        failure=record.failure,
        seconds=record.round_trip,
        placement=record.placement,
        slowest_hop=slowest_hop(evidence),
        style="cyan" if is_open else style_of(outcome_code(record.outcome)),
    )


def _of_run(run: Run) -> Entry:
    result = run.result
    return Entry(
        run=f"{run.name}/{run.tick}",
        at=result.started_at,
        outcome=verdict_of(result.failure),
        is_by_hand=run.tick < 0,
        failure=result.failure,
        seconds=result.seconds,
        placement=None,
        slowest_hop=None,
        style=style_of(result_code(result)),
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
        del document["style"]
    return {
        "version": HISTORY_VERSION,
        "name": history.name,
        "entries": documents,
        "changes": to_json(history.changes),
    }


def history_view(history: History) -> RenderableType:
    """A table of one line an entry, then what changed about the target of a job.

    Names of somebody else's making are cut, not folded.
    """
    entries = history.entries
    if not entries:
        return Text("nothing is kept of it yet", style="dim")
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    for heading, width in (("sent (UTC)", 14), ("run", 8), ("outcome", 11)):
        table.add_column(heading, no_wrap=True, min_width=min(width, 12))
    table.add_column("took", justify="right", no_wrap=True, min_width=7)
    table.add_column("what and whose", no_wrap=True, overflow="ellipsis", ratio=3)
    if any(entry.placement for entry in entries):
        table.add_column("placed", no_wrap=True)
    has_hops = any(entry.slowest_hop for entry in entries)
    if has_hops:
        table.add_column("slowest hop", no_wrap=True, overflow="ellipsis", ratio=2)
    for entry in entries:
        cells = [*_cells(entry)]
        if any(one.placement for one in entries):
            cells.append(Text(entry.placement or _NOTHING))
        if has_hops:
            cells.append(Text(visible(entry.slowest_hop or _NOTHING)))
        table.add_row(*cells)
    if not history.changes:
        return table
    title = Text("\nwhat changed about the target", style="bold underline")
    return Group(table, title, Padding(changes_view(history.changes), (0, 0, 0, 2)))


def _cells(entry: Entry) -> tuple[Text, ...]:
    by_hand = " (hand)" if entry.is_by_hand else ""
    failure = entry.failure
    why = Text("")
    if failure is not None:
        why.append(f"{failure.phase} {failure.reason}").append(f", {failure.owner}", style="dim")
    return (
        Text(f"{entry.at:%m-%d %H:%M:%S}", style="dim"),
        Text(short(entry.run), style="bold"),
        Text(f"{entry.outcome}{by_hand}", style=entry.style),
        Text(_NOTHING if entry.seconds is None else milliseconds(entry.seconds)),
        why,
    )


def short(run: str) -> str:
    """What is enough of a token for `mailcanary show`; a job's run as the number of its tick."""
    if run.startswith(MARKER):
        return run.removeprefix(MARKER)[:_SHORT]
    return run.rpartition("/")[2]
