"""The ledger's tables and statements: one schema, synchronous, to be used by one thread."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.expression import Executable

from exporter.ledger.encoding import (
    Copy,
    canary_record,
    canary_row,
    changed_columns,
    decode_result,
    encode_result,
    place_columns,
    to_micros,
)
from exporter.ledger.errors import LedgerError
from exporter.ledger.evidence import EvidenceStore
from exporter.ledger.mailbox_states import MailboxStateStore
from exporter.ledger.snapshots import SnapshotStore
from exporter.ledger.sqlite import named_errors, open_for_reading, open_sqlite
from exporter.ledger.statements import Prepared, upsert
from exporter.ledger.tables import CANARIES, COPIES, CURSORS, PLACE, RUNS
from exporter.model import CanaryRecord, Run, TargetChange
from probes.canary.lifecycle import State
from probes.mailboxes.interface import Cursor, Place, Placement, Sighting

RUNS_KEPT = 1_000
"""Runs kept of one job or path: a run lies in the slot `tick` modulo this."""


def _found() -> Select[Any]:
    """Canaries with the place of their first copy."""
    is_first = and_(
        COPIES.c.token == CANARIES.c.token, COPIES.c.number == 0, COPIES.c.is_bounce == 0
    )
    return select(CANARIES, *PLACE).select_from(CANARIES.outerjoin(COPIES, is_first))


def _overtaker() -> Select[Any]:
    """A canary that overtook another one, see `Store.is_overtaken`."""
    is_first = and_(
        COPIES.c.token == CANARIES.c.token, COPIES.c.number == 0, COPIES.c.is_bounce == 0
    )
    lies_before = and_(
        COPIES.c.folder == bindparam("in_folder"),
        COPIES.c.epoch == bindparam("in_epoch"),
        COPIES.c.position < bindparam("below_position"),
    )
    was_seen_before = and_(
        CANARIES.c.state == State.ARRIVED.value,
        CANARIES.c.settled_at <= bindparam("missed_at"),
    )
    return (
        select(CANARIES.c.token)
        .join_from(CANARIES, COPIES, is_first)
        .where(CANARIES.c.path == bindparam("of_path"), CANARIES.c.tick > bindparam("after_tick"))
        .where(CANARIES.c.sending_at >= bindparam("accepted_at"), or_(lies_before, was_seen_before))
        .limit(1)
    )


class Store:
    """One database connection; every method but `transaction` and `close` runs inside one."""

    def __init__(self, path: Path | None, *, is_read_only: bool = False) -> None:
        """Open a SQLite file, made if it is missing; None = a database in memory.

        With `is_read_only` it is never made nor written, and a service may be writing it meanwhile.
        Raises LedgerError; a file that is damaged, newer than us or not ours stays as it is.
        """
        self.name = "in memory" if path is None else str(path)
        self._engine = (
            open_for_reading(path) if is_read_only and path is not None else open_sqlite(path)
        )
        self._connection = self._engine.connect()
        driver = self._connection.connection.dbapi_connection
        if driver is None:
            raise LedgerError(self.name, "its connection was closed")
        self._cursor = driver.cursor()
        self._prepare(self._engine.dialect)
        self.evidence = EvidenceStore(self._connection, self._cursor)
        self.snapshots = SnapshotStore(self._connection, self._cursor)
        self.mailbox_states = MailboxStateStore(self._connection, self._cursor)

    def close(self) -> None:
        """Give the database back, and with it the log beside the file."""
        if self._connection.closed:
            return
        self._cursor.close()  # a statement of it that was not read to its end keeps the file open
        self._connection.close()
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all of a block durably, or nothing. Raises LedgerError for database errors."""
        with named_errors(self.name, self._engine), self._connection.begin():
            yield

    def _prepare(self, dialect: Dialect) -> None:
        def prepared(statement: Executable) -> Prepared:
            return Prepared(statement, dialect)

        canary_columns: dict[str, Any] = {
            column.name: bindparam(column.name) for column in CANARIES.c
        }
        self._insert_canary = prepared(
            sqlite_insert(CANARIES).values(canary_columns).on_conflict_do_nothing()
        )
        self._find = prepared(_found().where(CANARIES.c.token == bindparam("token")))
        self._updates: dict[tuple[str, ...], Prepared] = {}
        self._select_copies = prepared(
            select(*PLACE, COPIES.c.digest)
            .where(COPIES.c.token == bindparam("token"))
            .where(COPIES.c.is_bounce == bindparam("is_bounce"))
            .order_by(COPIES.c.number)
        )
        self._overtaker = prepared(_overtaker())
        self._upsert_copy = prepared(upsert(COPIES))
        self._upsert_cursor = prepared(upsert(CURSORS))
        self._upsert_run = prepared(upsert(RUNS))

    def add_canary(self, record: CanaryRecord) -> bool:
        """False when its (path, tick) is taken."""
        rows: int = self._insert_canary.run(self._cursor, canary_row(record)).rowcount
        return rows == 1

    def last_ticks(self) -> dict[str, int]:
        """Path to the highest tick among its canaries, those sent by hand apart."""
        highest = select(CANARIES.c.path, func.max(CANARIES.c.tick)).group_by(CANARIES.c.path)
        rows = self._connection.execute(highest.where(CANARIES.c.tick >= 0))
        return {row[0]: row[1] for row in rows}

    def find(self, token: str) -> CanaryRecord | None:
        """The canary with this token."""
        row = self._find.run(self._cursor, {"token": token}).fetchone()
        return None if row is None else canary_record(row)

    def change_canary(self, before: CanaryRecord, after: CanaryRecord) -> None:
        """Store the changed columns only, so that only their indexes are touched."""
        values = changed_columns(before, after)
        if values:
            self._update(tuple(values)).run(self._cursor, values | {"key": after.token})

    def _update(self, names: tuple[str, ...]) -> Prepared:
        if names not in self._updates:
            values: dict[str, Any] = {name: bindparam(name) for name in names}
            statement = update(CANARIES).where(CANARIES.c.token == bindparam("key")).values(values)
            self._updates[names] = Prepared(statement, self._engine.dialect)
        return self._updates[names]

    def copies(self, token: str, *, is_bounce: bool) -> list[Copy]:
        """Every copy (or bounce) of a canary that was seen, the first one first."""
        values = {"token": token, "is_bounce": int(is_bounce)}
        rows = self._select_copies.run(self._cursor, values).fetchall()
        return [Copy(Place(*row[:4]), row[4]) for row in rows]

    def put_copy(
        self,
        token: str,
        number: int,
        copy: Copy,
        sighting: Sighting,
        *,
        mailbox: str,
        is_bounce: bool,
    ) -> None:
        """Store the copy as the canary's `number`th; it lies in `mailbox`."""
        missed = sighting.not_before
        values = {
            "token": token,
            "is_bounce": int(is_bounce),
            "number": number,
            "mailbox": mailbox,
            **place_columns(copy.place),
            "digest": copy.digest,
            "gone_at": None,
            "missed_at": to_micros(None if missed is None else missed.utc),
            "seen_at": to_micros(sighting.seen.utc),
            "placement": sighting.placement.value,
        }
        self._upsert_copy.run(self._cursor, values)

    def move_copy(
        self, token: str, number: int, copy: Copy, placement: Placement, *, is_bounce: bool
    ) -> None:
        """The copy lies elsewhere now; when it was seen first stays as it is."""
        where = (COPIES.c.token == token, COPIES.c.number == number)
        change = update(COPIES).where(*where, COPIES.c.is_bounce == int(is_bounce))
        values = {"placement": placement.value, "digest": copy.digest, "gone_at": None}
        values |= place_columns(copy.place)
        self._connection.execute(change.values(values))

    def is_overtaken(self, record: CanaryRecord, sighting: Sighting) -> bool:
        """True if a later canary of the path came before this copy of `record`.

        That must be certain: the other one was sent by a later tick, after this one had been
        accepted. It also has a lower position in the same folder, or was seen when this one was
        looked for and not there.
        """
        if record.accepted_at is None or record.tick < 0:
            return False
        missed = sighting.not_before
        values = {
            "of_path": record.path,
            "after_tick": record.tick,
            "accepted_at": to_micros(record.accepted_at),
            "in_folder": sighting.place.folder,
            "in_epoch": sighting.place.epoch,
            "below_position": sighting.place.position,
            "missed_at": to_micros(None if missed is None else missed.utc),
        }
        return self._overtaker.run(self._cursor, values).fetchone() is not None

    def unsettled(self, mailbox: str | None, limit: int) -> tuple[CanaryRecord, ...]:
        """Canaries without an outcome, the oldest first."""
        query = _found().where(CANARIES.c.settled_at.is_(None))
        if mailbox is not None:
            query = query.where(CANARIES.c.mailbox == mailbox)
        return self._records(query.order_by(CANARIES.c.planned_at).limit(limit))

    def unsettled_by_hand(self, limit: int) -> tuple[CanaryRecord, ...]:
        """Canaries without an outcome that were sent by hand: their tick is negative."""
        query = _found().where(CANARIES.c.settled_at.is_(None), CANARIES.c.tick < 0)
        return self._records(query.order_by(CANARIES.c.planned_at).limit(limit))

    def recent(self, path: str, limit: int) -> tuple[CanaryRecord, ...]:
        """A path's canaries, the newest first."""
        query = _found().where(CANARIES.c.path == path)
        return self._records(query.order_by(CANARIES.c.planned_at.desc()).limit(limit))

    def beginning_with(self, beginning: str, limit: int) -> tuple[CanaryRecord, ...]:
        """Return canaries with this beginning of their token."""
        bounds = CANARIES.c.token.between(beginning, beginning + "\N{DELETE}")
        return self._records(_found().where(bounds).limit(limit))

    def at_tick(self, path: str, tick: int) -> tuple[CanaryRecord, ...]:
        """The path's canary of that tick, if there is one."""
        return self._records(_found().where(CANARIES.c.path == path, CANARIES.c.tick == tick))

    def removable(self, mailbox: str, before: datetime, limit: int) -> tuple[CanaryRecord, ...]:
        """One record for every copy that is still in the mailbox, with that copy's place."""
        query = (
            select(CANARIES, *PLACE)
            .join_from(COPIES, CANARIES, COPIES.c.token == CANARIES.c.token)
            .where(COPIES.c.mailbox == mailbox, COPIES.c.is_bounce == 0, COPIES.c.gone_at.is_(None))
            .where(CANARIES.c.settled_at < to_micros(before))
            .limit(limit)
        )
        return self._records(query)

    def _records(self, query: Select[Any]) -> tuple[CanaryRecord, ...]:
        return tuple(canary_record(row) for row in self._connection.execute(query))

    def mark_gone(self, tokens: Iterable[str], folder: str | None, at: datetime) -> None:
        """The canaries' copies (those in one folder, or all) are no longer in the mailbox."""
        change = update(COPIES).where(COPIES.c.token == bindparam("key"), COPIES.c.is_bounce == 0)
        if folder is not None:
            change = change.where(COPIES.c.folder == folder)
        keys = [{"key": token} for token in tokens]
        if keys:
            self._connection.execute(change.values(gone_at=to_micros(at)), keys)

    def put_cursor(self, mailbox: str, cursor: Cursor) -> None:
        """Store how far a folder has been read."""
        values = {
            "mailbox": mailbox,
            "folder": cursor.folder,
            "text": cursor.text,
        }
        self._upsert_cursor.run(self._cursor, values)

    def cursors(self, mailbox: str) -> dict[str, Cursor]:
        """Folder to cursor."""
        columns = (CURSORS.c.folder, CURSORS.c.text)
        rows = self._connection.execute(select(*columns).where(CURSORS.c.mailbox == mailbox))
        return {row.folder: Cursor(*row) for row in rows}

    def put_runs(self, runs: Iterable[Run]) -> None:
        """Store each run in its slot; the run that lay there is gone."""
        self._upsert_run.run_many(self._cursor, map(_run_row, runs))

    def put_job_runs(self, runs: Iterable[Run]) -> tuple[TargetChange, ...]:
        """Store each run of a job in its slot; return the changes found about their targets."""
        kept = tuple(runs)
        self.put_runs(kept)
        return tuple(change for run in kept for change in self.snapshots.observe(run))

    def run_of(self, record: CanaryRecord) -> Run | None:
        """The run of the canary's sending, None before it ended and when its slot was taken."""
        query = select(RUNS.c.tick, RUNS.c.result).where(RUNS.c.name == record.path)
        slot = RUNS.c.slot == record.tick % RUNS_KEPT
        row = self._connection.execute(query.where(slot, RUNS.c.tick == record.tick)).first()
        return None if row is None else Run(record.path, row.tick, decode_result(row.result))

    def runs(self, name: str, limit: int) -> tuple[Run, ...]:
        """A job's or path's runs, the newest first."""
        query = select(RUNS.c.tick, RUNS.c.result).where(RUNS.c.name == name)
        rows = self._connection.execute(query.order_by(RUNS.c.started_at.desc()).limit(limit))
        return tuple(Run(name, row.tick, decode_result(row.result)) for row in rows)

    def run_at(self, name: str, tick: int) -> tuple[Run, ...]:
        """The run of that tick, if it is still kept."""
        query = select(RUNS.c.result).where(
            RUNS.c.name == name, RUNS.c.slot == tick % RUNS_KEPT, RUNS.c.tick == tick
        )
        rows = self._connection.execute(query)
        return tuple(Run(name, tick, decode_result(row.result)) for row in rows)

    def forget(self, before: datetime, limit: int) -> int:
        """Delete at most `limit` old settled canaries, as many old runs, and old states of
        mailboxes; return how many rows went."""
        moment = to_micros(before)
        old = select(CANARIES.c.token).where(CANARIES.c.settled_at < moment).limit(limit)
        canaries = delete(CANARIES).where(CANARIES.c.token.in_(old))
        name_and_slot = (
            select(RUNS.c.name, RUNS.c.slot).where(RUNS.c.started_at < moment).limit(limit)
        )
        runs = delete(RUNS).where(tuple_(RUNS.c.name, RUNS.c.slot).in_(name_and_slot))
        gone = sum(self._connection.execute(statement).rowcount for statement in (canaries, runs))
        return gone + self.snapshots.forget() + self.mailbox_states.forget(before)


def _run_row(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "slot": run.tick % RUNS_KEPT,
        "tick": run.tick,
        "started_at": to_micros(run.result.started_at),
        "result": encode_result(run.result),
    }
