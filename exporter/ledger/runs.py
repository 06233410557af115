"""The runs of jobs and paths: the statements behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from exporter.ledger.encoding import decode_outline, decode_result, encode_result, to_micros
from exporter.ledger.statements import Prepared, upsert
from exporter.ledger.tables import RUNS
from exporter.model import CanaryRecord, Run
from probes.catalogue import mx, smtp

RUNS_KEPT = 1_000
"""Runs kept of one job or path: a run lies in the slot `tick` modulo this."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it lies in the ledger; to read all of it costs more than to find it."""

    name: str
    tick: int
    text: str

    @property
    def is_quiet(self) -> bool:
        """True if no failure is in it, nor a finding about an address that was given up."""
        return not any(mark in self.text for mark in _LOUD)

    def read(self) -> Run:
        """Return the whole run."""
        return Run(self.name, self.tick, decode_result(self.text))

    def outline(self) -> Run:
        """Return the run with what a judgement needs, for a good one without timings."""
        if self.is_quiet:
            return Run(self.name, self.tick, decode_outline(self.text))
        return self.read()


_LOUD = ('"failure":{', mx.ADDRESS_UNUSABLE.code, smtp.ADDRESS_UNUSABLE.code)


class RunStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        self._upsert = Prepared(upsert(RUNS), connection.dialect)
        newest = select(RUNS.c.tick, RUNS.c.result).where(RUNS.c.name == bindparam("of_name"))
        latest_first = (RUNS.c.started_at.desc(), RUNS.c.tick.desc())
        newest = newest.order_by(*latest_first).limit(bindparam("most"))
        self._newest = Prepared(newest, connection.dialect)

    def put(self, runs: Iterable[Run]) -> None:
        """Store each run in its slot; the run that lay there is gone."""
        self._upsert.run_many(self._cursor, map(_run_row, runs))

    def sending_of(self, record: CanaryRecord) -> Run | None:
        """The run of the canary's sending, None before it ended and when its slot was taken."""
        query = select(RUNS.c.tick, RUNS.c.result).where(RUNS.c.name == record.path)
        slot = RUNS.c.slot == record.tick % RUNS_KEPT
        row = self._connection.execute(query.where(slot, RUNS.c.tick == record.tick)).first()
        return None if row is None else Run(record.path, row.tick, decode_result(row.result))

    def newest(self, name: str, limit: int) -> tuple[Run, ...]:
        """A job's or path's runs, the newest first."""
        return tuple(one.read() for one in self.stored(name, limit))

    def stored(self, name: str, limit: int) -> tuple[StoredRun, ...]:
        """A job's or path's runs as they are stored, the newest first."""
        values = {"of_name": name, "most": limit}
        rows = self._newest.run(self._cursor, values).fetchall()
        return tuple(StoredRun(name, *row) for row in rows)

    def at(self, name: str, tick: int) -> tuple[Run, ...]:
        """The run of that tick, if it is still kept."""
        query = select(RUNS.c.result).where(
            RUNS.c.name == name, RUNS.c.slot == tick % RUNS_KEPT, RUNS.c.tick == tick
        )
        rows = self._connection.execute(query)
        return tuple(Run(name, tick, decode_result(row.result)) for row in rows)

    def forget(self, before: datetime, limit: int) -> int:
        """Delete runs begun before that instant, at most `limit`; return how many."""
        old = select(RUNS.c.name, RUNS.c.slot).where(RUNS.c.started_at < to_micros(before))
        query = delete(RUNS).where(tuple_(RUNS.c.name, RUNS.c.slot).in_(old.limit(limit)))
        return self._connection.execute(query).rowcount


def _run_row(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "slot": run.tick % RUNS_KEPT,
        "tick": run.tick,
        "started_at": to_micros(run.result.started_at),
        "result": encode_result(run.result),
    }
