"""The statements behind the snapshots of jobs' targets and their changes."""

import json
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, select

from exporter.analysis.target_changes import Key, Seen, Snapshot, Values, advance
from exporter.ledger.encoding import from_micros, to_micros
from exporter.ledger.statements import Prepared, upsert
from exporter.ledger.tables import CHANGES, RUNS, SNAPSHOTS
from exporter.model import Run, TargetChange
from probes.result import Aspect

CHANGES_KEPT = 200
"""Changes kept of one job: one lies in the slot of its number modulo this."""

GOOD_RUN_AMONG = 100
"""Runs among which the last good one is looked for."""


class SnapshotStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        dialect = connection.dialect
        here = SNAPSHOTS.c.name == bindparam("of_name")
        row = select(SNAPSHOTS.c.document, SNAPSHOTS.c.changes).where(here)
        self._select = Prepared(row, dialect)
        self._upsert = Prepared(upsert(SNAPSHOTS), dialect)
        self._upsert_change = Prepared(upsert(CHANGES), dialect)

    def observe(self, run: Run) -> tuple[TargetChange, ...]:
        """Update the snapshot from a job's run, which is stored already; return the changes.

        A run that was the newest and is observed again changes nothing.
        """
        row = self._select.run(self._cursor, {"of_name": run.name}).fetchone()
        before = None if row is None else _decoded(row[0])
        before_this = partial(self.good_run_at, run.name, run.result.started_at)
        after, changes = advance(before, run, before_this)
        if after is None or after is before:
            return ()
        count = 0 if row is None else row[1]
        self._upsert_change.run_many(
            self._cursor, (_change_row(one, count + n) for n, one in enumerate(changes))
        )
        values = {"name": run.name, "changes": count + len(changes), "document": _encoded(after)}
        self._upsert.run(self._cursor, values)
        return changes

    def snapshot(self, name: str) -> Snapshot | None:
        """Return the snapshot of a job's target; None if the job has none yet."""
        row = self._select.run(self._cursor, {"of_name": name}).fetchone()
        return None if row is None else _decoded(row[0])

    def differing(self) -> tuple[str, ...]:
        """Return the jobs whose snapshot has an earlier good state."""
        is_good = SNAPSHOTS.c.document.contains('"good":null', autoescape=True)
        return tuple(self._connection.execute(select(SNAPSHOTS.c.name).where(~is_good)).scalars())

    def good_run_at(self, name: str, before: datetime | None = None) -> datetime | None:
        """When the newest good run began, that began before an instant if one is given.

        None where none of the latest GOOD_RUN_AMONG was good.
        """
        query = select(RUNS.c.started_at, RUNS.c.result).where(RUNS.c.name == name)
        if before is not None:
            query = query.where(RUNS.c.started_at < to_micros(before))
        newest = query.order_by(RUNS.c.started_at.desc()).limit(GOOD_RUN_AMONG)
        rows = self._connection.execute(newest)
        return next((_instant(row[0]) for row in rows if json.loads(row[1])["ok"]), None)

    def changes(self, name: str, limit: int) -> tuple[TargetChange, ...]:
        """A job's changes, the newest first."""
        query = select(CHANGES).where(CHANGES.c.name == name)
        order = (CHANGES.c.at.desc(), CHANGES.c.aspect, CHANGES.c.subject)
        rows = self._connection.execute(query.order_by(*order).limit(limit))
        return tuple(_change(row) for row in rows)

    def forget(self) -> int:
        """Delete snapshots and changes of jobs of which no run is kept; return how many rows."""
        rows = 0
        for table in (SNAPSHOTS, CHANGES):
            has_run = exists().where(RUNS.c.name == table.c.name)
            rows += self._connection.execute(delete(table).where(~has_run)).rowcount
        return rows


def _encoded(snapshot: Snapshot) -> str:
    good = snapshot.good
    document = {
        "is_good": snapshot.is_good,
        "values": _rows(snapshot.values),
        "good": None if good is None else _rows(good),
        "good_at": to_micros(snapshot.good_at),
    }
    return json.dumps(document, separators=(",", ":"))


def _rows(values: Values) -> list[list[Any]]:
    return [
        [*key, seen.value, to_micros(seen.since), seen.lifetime] for key, seen in values.items()
    ]


def _decoded(text: str) -> Snapshot:
    document = json.loads(text)
    good = document["good"]
    return Snapshot(
        _values(document["values"]),
        document["is_good"],
        None if good is None else _values(good),
        from_micros(document["good_at"]),
    )


def _values(rows: Iterable[list[Any]]) -> Values:
    return {
        Key(Aspect(aspect), subject): Seen(value, _instant(since), lifetime)
        for aspect, subject, value, since, lifetime in rows
    }


def _change_row(change: TargetChange, number: int) -> dict[str, Any]:
    return {
        "name": change.name,
        "slot": number % CHANGES_KEPT,
        "tick": change.tick,
        "at": to_micros(change.at),
        "aspect": change.aspect.value,
        "subject": change.subject,
        "before": change.before,
        "after": change.after,
        "since": to_micros(change.since),
        "visible_by": to_micros(change.visible_by),
    }


def _change(row: Any) -> TargetChange:
    return TargetChange(
        row.name,
        row.tick,
        _instant(row.at),
        Aspect(row.aspect),
        row.subject,
        row.before,
        row.after,
        _instant(row.since),
        from_micros(row.visible_by),
    )


def _instant(micros: int) -> datetime:
    instant = from_micros(micros)
    if instant is None:
        raise ValueError("an instant that is none")
    return instant
