"""The place of a ledger: whether it can be written there, and who may read it."""

import grp
import os
from pathlib import Path

from exporter.ledger.errors import LedgerError
from exporter.ledger.lock import sqlite_path

_READABLE = 0o640
_BESIDE = ("", "-wal", "-shm", ".lock")
"""Endings of the files of a ledger."""


def require_place(url_or_path: str) -> None:
    """Raise LedgerError if this user cannot keep a ledger there; nothing is made or written."""
    path = sqlite_path(url_or_path)
    if path is None:
        return
    folder = path.parent
    if not folder.exists():
        raise LedgerError(str(path), f"there is no directory {folder}; make it for the service")
    if not folder.is_dir():
        raise LedgerError(str(path), f"{folder} is no directory")
    if path.is_dir():
        raise LedgerError(str(path), "it is a directory; name a file in it")
    locked = [one for one in (folder, path) if one.exists() and not os.access(one, os.W_OK)]
    if locked:
        remedy = f"{locked[0]} cannot be written by this user; the service's user must own it"
        raise LedgerError(str(path), remedy)


def share(path: Path, group: str) -> None:
    """Give the members of a group the right to read the files of an open ledger.

    SQLite makes the files beside it with the same rights, but not for the same group.
    """
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        raise LedgerError(str(path), f"there is no group {group}; see ledger_group") from None
    try:
        for ending in _BESIDE:
            file = path.with_name(path.name + ending)
            if file.exists():
                os.chown(file, -1, number)
                file.chmod(_READABLE)
    except OSError as error:
        remedy = f"it cannot be shared with the group {group}; add the service's user to it"
        raise LedgerError(str(path), f"{remedy} ({error.strerror})") from error
