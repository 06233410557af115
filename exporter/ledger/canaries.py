"""The canaries of the ledger: the statements behind them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from exporter.ledger.encoding import canary_record, canary_row, changed_columns, to_micros
from exporter.ledger.statements import Prepared
from exporter.ledger.tables import CANARIES, COPIES, PLACE
from exporter.model import CanaryRecord


def _found() -> Select[Any]:
    """Canaries with the place of their first copy."""
    is_first = and_(
        COPIES.c.token == CANARIES.c.token, COPIES.c.number == 0, COPIES.c.is_bounce == 0
    )
    return select(CANARIES, *PLACE).select_from(CANARIES.outerjoin(COPIES, is_first))


class CanaryStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        dialect = connection.dialect
        columns: dict[str, Any] = {column.name: bindparam(column.name) for column in CANARIES.c}
        self._insert = Prepared(insert(CANARIES).values(columns).on_conflict_do_nothing(), dialect)
        self._find = Prepared(_found().where(CANARIES.c.token == bindparam("token")), dialect)
        self._updates: dict[tuple[str, ...], Prepared] = {}

    def add(self, record: CanaryRecord) -> bool:
        """False when its (path, tick) is taken."""
        rows: int = self._insert.run(self._cursor, canary_row(record)).rowcount
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

    def change(self, before: CanaryRecord, after: CanaryRecord) -> None:
        """Store the changed columns only, so that only their indexes are touched."""
        values = changed_columns(before, after)
        if values:
            self._update(tuple(values)).run(self._cursor, values | {"key": after.token})

    def _update(self, names: tuple[str, ...]) -> Prepared:
        if names not in self._updates:
            values: dict[str, Any] = {name: bindparam(name) for name in names}
            statement = update(CANARIES).where(CANARIES.c.token == bindparam("key")).values(values)
            self._updates[names] = Prepared(statement, self._connection.dialect)
        return self._updates[names]

    def unsettled(self, mailbox: str | None, limit: int) -> tuple[CanaryRecord, ...]:
        """Canaries without an outcome, the oldest first."""
        query = _found().where(CANARIES.c.settled_at.is_(None))
        if mailbox is not None:
            query = query.where(CANARIES.c.mailbox == mailbox)
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

    def forget(self, before: datetime, limit: int) -> int:
        """Delete canaries settled before that instant, at most `limit`; return how many."""
        old = CANARIES.c.settled_at < to_micros(before)
        tokens = select(CANARIES.c.token).where(old).limit(limit)
        query = delete(CANARIES).where(CANARIES.c.token.in_(tokens))
        return self._connection.execute(query).rowcount

    def _records(self, query: Select[Any]) -> tuple[CanaryRecord, ...]:
        return tuple(canary_record(row) for row in self._connection.execute(query))
