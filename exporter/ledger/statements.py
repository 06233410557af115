"""Statements that are compiled once and run on the driver's cursor.

SQLAlchemy's own execution costs ten times as much as SQLite's.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Table, bindparam
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.expression import Executable


class Prepared:
    """A statement compiled once; its parameters are the bind names."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self._sql = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        self._constants: dict[str, Any] = compiled.params

    def run(self, cursor: Any, parameters: Mapping[str, Any]) -> Any:
        """Execute on the driver's cursor, which is returned."""
        cursor.execute(self._sql, self._values(parameters))
        return cursor

    def run_many(self, cursor: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each row."""
        cursor.executemany(self._sql, map(self._values, rows))

    def _values(self, parameters: Mapping[str, Any]) -> Any:
        values = {**self._constants, **parameters}
        return values if self._order is None else [values[name] for name in self._order]


def upsert(table: Table) -> Executable:
    """Insert a row or replace the one with its primary key."""
    statement = insert(table).values({c.name: bindparam(c.name) for c in table.c})
    keys = set(table.primary_key.columns)
    rest = {c.name: statement.excluded[c.name] for c in table.c if c not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=rest)
