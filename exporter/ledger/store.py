"""The ledger's database: one connection, and the parts that hold the statements."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from exporter.ledger.canaries import CanaryStore
from exporter.ledger.copies import CopyStore
from exporter.ledger.cursors import CursorStore
from exporter.ledger.errors import LedgerError
from exporter.ledger.evidence import EvidenceStore
from exporter.ledger.mailbox_states import MailboxStateStore
from exporter.ledger.open_files import OpenFiles
from exporter.ledger.runs import RunStore
from exporter.ledger.snapshots import SnapshotStore
from exporter.ledger.sqlite import (
    can_give_back,
    give_back,
    is_large,
    named_errors,
    open_for_reading,
    open_sqlite,
    rewrite,
)
from exporter.ledger.steady_time import SteadyTimeStore
from exporter.ledger.waiting import WaitingList
from exporter.model import Run, TargetChange


class Store:
    """One database connection; every method but `transaction` and `close` runs inside one."""

    def __init__(self, path: Path | None, *, is_read_only: bool = False) -> None:
        """Open a SQLite file, made if it is missing; None = a database in memory.

        With `is_read_only` it is never made nor written, and a service may be writing it meanwhile.
        Raises LedgerError; a file that is damaged, newer than us or not ours stays as it is.
        """
        self.name = "in memory" if path is None else str(path)
        self.path = path
        self._engine = (
            open_for_reading(path) if is_read_only and path is not None else open_sqlite(path)
        )
        self._connection = self._engine.connect()
        driver = self._connection.connection.dbapi_connection
        if driver is None:
            raise LedgerError(self.name, "its connection was closed")
        self._cursor = driver.cursor()
        self._files = None if path is None or is_read_only else OpenFiles(path)
        parts = self._connection, self._cursor
        self.canaries = CanaryStore(*parts)
        self.waiting = WaitingList(*parts)
        self.steady_time = SteadyTimeStore(*parts)
        self.copies = CopyStore(*parts)
        self.cursors = CursorStore(*parts)
        self.runs = RunStore(*parts)
        self.evidence = EvidenceStore(*parts)
        self.snapshots = SnapshotStore(*parts)
        self.mailbox_states = MailboxStateStore(*parts)

    def close(self) -> None:
        """Give the database back, and with it the log beside the file."""
        if self._connection.closed:
            return
        self._cursor.close()  # a statement of it that was not read to its end keeps the file open
        self._connection.close()
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all of a block durably, or nothing. Raises LedgerError for database errors.

        Raises LedgerError also when the file was deleted or replaced: what SQLite wrote to it then
        would be gone with the next restart.
        """
        if self._files is not None:
            self._files.require_in_place()
        with named_errors(self.name, self._engine), self._connection.begin():
            yield

    def rewrite_small(self) -> None:
        """Rewrite a small file of an older version, so that it can give pages back.

        One that another process uses, or that finds no room on the disk, stays as it is.
        """
        if self.path is None or is_large(self.path) or can_give_back(self._cursor):
            return
        with suppress(LedgerError), named_errors(self.name, self._engine):
            rewrite(self._cursor)

    def give_back(self) -> bool:
        """Give some free pages back to the file system; False if there are few left."""
        return give_back(self._cursor)

    def put_job_runs(self, runs: Iterable[Run]) -> tuple[TargetChange, ...]:
        """Store each run of a job in its slot; return the changes found about their targets."""
        kept = tuple(runs)
        self.runs.put(kept)
        return tuple(change for run in kept for change in self.snapshots.observe(run))

    def forget(self, before: datetime, limit: int) -> int:
        """Delete at most `limit` old settled canaries, as many old runs, and old states of
        mailboxes; return how many rows went."""
        gone = self.canaries.forget(before, limit) + self.runs.forget(before, limit)
        return gone + self.snapshots.forget() + self.mailbox_states.forget(before)
