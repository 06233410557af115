"""The newest state of each mailbox: the statements behind it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from exporter.analysis.mailbox_state import MailboxState
from exporter.ledger.encoding import decode_failure, encode, from_micros, to_micros
from exporter.ledger.statements import Prepared, upsert
from exporter.ledger.tables import MAILBOX_STATES


class MailboxStateStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        self._upsert = Prepared(upsert(MAILBOX_STATES), connection.dialect)

    def put(self, states: Iterable[MailboxState]) -> None:
        """Store each state in the place of the one before."""
        self._upsert.run_many(self._cursor, map(_row, states))

    def find(self, mailbox: str) -> MailboxState | None:
        """Return the newest state of a mailbox, None if none is kept."""
        query = select(MAILBOX_STATES).where(MAILBOX_STATES.c.mailbox == mailbox)
        row = self._connection.execute(query).first()
        return None if row is None else _state(row)

    def all(self) -> dict[str, MailboxState]:
        """Return the newest state of every mailbox."""
        return {
            row.mailbox: _state(row) for row in self._connection.execute(select(MAILBOX_STATES))
        }

    def forget(self, before: datetime) -> int:
        """Delete the states of before that instant; return how many rows went."""
        old = MAILBOX_STATES.c.at < to_micros(before)
        return self._connection.execute(delete(MAILBOX_STATES).where(old)).rowcount


def _row(state: MailboxState) -> dict[str, Any]:
    return {
        "mailbox": state.mailbox,
        "at": to_micros(state.at),
        "is_up": int(state.is_up),
        "looked_at": to_micros(state.looked_at),
        "failure": None if state.failure is None else encode(state.failure),
    }


def _state(row: Any) -> MailboxState:
    at = from_micros(row.at)
    if at is None:
        raise ValueError("a state of no instant")
    looked_at, failure = from_micros(row.looked_at), decode_failure(row.failure)
    return MailboxState(row.mailbox, at, bool(row.is_up), looked_at, failure)
