"""The files of an open ledger, and whether they are still those at their place."""

from pathlib import Path

from exporter.ledger.errors import LedgerGoneError

_REMEDY = (
    "its file was deleted or replaced while it was in use, and nothing is written to it any more; "
    "put the file back or leave the new one there, then restart the service"
)


class OpenFiles:
    """The database and the log beside it, as they were when they were opened.

    SQLite goes on writing to a file that was deleted, and nobody ever reads it again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = {one: _identity(one) for one in (path, path.with_name(f"{path.name}-wal"))}

    def require_in_place(self) -> None:
        """Raise LedgerGoneError if one of them is gone or another one now."""
        if any(_identity(one) != known for one, known in self._files.items()):
            raise LedgerGoneError(str(self._path), _REMEDY)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
