"""Which file a ledger is, and the lock beside it that one service holds."""

import errno
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from exporter.ledger.errors import LedgerError
from exporter.ledger.sqlite import DISK_FULL

_TRIES, _PAUSE = 5, 0.02
"""Tries, and seconds between them: a process that only asks for the lock holds it for a moment."""


def sqlite_path(url_or_path: str) -> Path | None:
    """The file meant, absolute; None for `:memory:`. Raises LedgerError for another database."""
    scheme, separator, rest = url_or_path.partition("://")
    if not separator:
        name = url_or_path
    elif scheme == "sqlite":
        name = rest.removeprefix("/") or ":memory:"
    else:
        raise LedgerError(f"{scheme}://...", "only SQLite is known here: write sqlite:///FILE")
    return None if name == ":memory:" else Path(name).resolve()


def lock_file(path: Path) -> int:
    """Hold the file beside the ledger for this process alone. Raises LedgerError."""
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        remedy = "its directory must exist and the service's user must have the right to write it"
        raise LedgerError(str(path), f"{remedy} ({error.strerror})") from error
    try:
        _take(descriptor)
    except OSError as error:
        holder = _process(descriptor) or "unknown"
        os.close(descriptor)
        remedy = f"another mailcanary (process {holder}) uses it; stop that one or use another file"
        raise LedgerError(str(path), remedy) from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
    except OSError as error:
        os.close(descriptor)
        remedy = DISK_FULL if error.errno == errno.ENOSPC else "its lock cannot be written"
        raise LedgerError(str(path), f"{remedy} ({error.strerror})") from error
    return descriptor


def unlock(descriptor: int | None) -> None:
    """Give the lock back; None: there was none."""
    if descriptor is not None:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whether a service holds the ledger. `process` is its id, None where that is not told."""

    is_there: bool
    process: int | None


def holder(path: Path) -> Holder | None:
    """Return the present holder of the lock; None if we have no right to ask."""
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Holder(is_there=False, process=None)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = _process(descriptor)
        return Holder(is_there=True, process=int(text) if text.isdecimal() else None)
    else:
        return Holder(is_there=False, process=None)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if attempt == _TRIES:
                raise
        else:
            return
        time.sleep(_PAUSE)


def _process(descriptor: int) -> str:
    return os.read(descriptor, 20).decode("ascii", "replace").strip()
