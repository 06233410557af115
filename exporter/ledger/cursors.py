"""How far each folder of a mailbox has been read: the statements behind it."""

from typing import Any

from sqlalchemy import Connection, select

from exporter.ledger.statements import Prepared, upsert
from exporter.ledger.tables import CURSORS
from probes.mailboxes.interface import Cursor


class CursorStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        self._upsert = Prepared(upsert(CURSORS), connection.dialect)

    def put(self, mailbox: str, cursor: Cursor) -> None:
        """Store how far a folder has been read."""
        values = {
            "mailbox": mailbox,
            "folder": cursor.folder,
            "text": cursor.text,
        }
        self._upsert.run(self._cursor, values)

    def all(self, mailbox: str) -> dict[str, Cursor]:
        """Folder to cursor."""
        columns = (CURSORS.c.folder, CURSORS.c.text)
        rows = self._connection.execute(select(*columns).where(CURSORS.c.mailbox == mailbox))
        return {row.folder: Cursor(*row) for row in rows}
