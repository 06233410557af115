"""A SQLite file as the ledger: opening, checking, converting, and its errors in words."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from exporter.ledger.errors import LedgerError
from exporter.ledger.tables import COPIES, METADATA, RUNS_NEWEST, SCHEMA_VERSION, VERSION

_CONVERTIBLE = frozenset({1, 2, 3, 4, 5})
"""Older versions that are brought up to ours when the service opens them."""

_OF_IMAP = frozenset({1, 2, 3, 4})

_BEFORE_TABLES = (
    "DROP INDEX copies_present",
    "ALTER TABLE copies RENAME TO copies_of_imap",
    "ALTER TABLE cursors RENAME TO cursors_of_imap",
)
_AFTER_TABLES = (
    """INSERT INTO copies (token, is_bounce, number, mailbox, folder, epoch, id, position, digest,
        gone_at, missed_at, seen_at, placement)
    SELECT token, is_bounce, number, mailbox, folder, CAST(uid_validity AS TEXT),
        CAST(uid AS TEXT), uid, digest, gone_at, missed_at, seen_at, placement
    FROM copies_of_imap""",
    """INSERT INTO cursors (mailbox, folder, text)
    SELECT mailbox, folder, uid_validity || ':' || last_uid FROM cursors_of_imap""",
    "DROP TABLE copies_of_imap",
    "DROP TABLE cursors_of_imap",
    "DELETE FROM runs WHERE name GLOB 'mailbox:*'",
)
"""Until version 4 places and cursors were columns of IMAP: see `probes.mailboxes.imap.places`.

The state of a mailbox was a run; it speaks of the next 30 seconds only, so it is not carried over.
"""

_WAITING = """INSERT INTO waiting (token, mailbox, began, due, give_up, is_sending)
    SELECT token, mailbox, coalesce(sending_at, planned_at), since + wait, since + 2 * wait,
        state NOT IN ('accepted', 'uncertain')
    FROM (SELECT *, coalesce(accepted_at, sending_at, planned_at) AS since,
        CAST(lost_after * 1000000 AS INTEGER) AS wait FROM canaries WHERE settled_at IS NULL)"""
"""Until version 5 the waiting list was in the memory of the service."""

_BUSY_MILLISECONDS = 5_000

QUICK_BYTES = 64 * 1024 * 1024
"""A file up to this size is checked, and if need be rewritten, before it is used: in a second."""

FREE_SHARE = 16
"""Free pages are given back beyond one in so many; the rest is filled again soon."""

_PAGES_AT_ONCE = 1_000
_STEPS = 10_000
"""Steps of SQLite's machine, a millisecond or so, after which a check may be given up."""


DISK_FULL = "the disk is full; free some space, what was recorded is safe"

_REMEDIES = {
    "SQLITE_FULL": DISK_FULL,
    "SQLITE_READONLY": "it cannot be written; give the service's user the right to write the file "
    "and its directory",
    "SQLITE_CANTOPEN": "it cannot be opened; the directory must exist and the service's user must "
    "have the right to write it",
    "SQLITE_PERM": "it cannot be opened; give the service's user the right to read and write it",
    "SQLITE_BUSY": "another program keeps it locked; close that program",
    "SQLITE_CORRUPT": "it is damaged and was left as it is; move it aside together with its -wal "
    "and -shm files to start afresh, or restore it with `sqlite3 FILE .recover`",
    "SQLITE_NOTADB": "it is not a ledger (or its beginning is damaged) and was left as it is; move "
    "it aside to start afresh, or name another file",
    "SQLITE_IOERR": "the disk failed to read or write it; look at the system's log",
}


@contextmanager
def named_errors(name: str, engine: Engine) -> Iterator[None]:
    """Turn database errors into LedgerError; `name` is the file or a URL without password.

    Catches SQLAlchemy's exceptions as well as the driver's own.
    """
    try:
        yield
    except (DBAPIError, engine.dialect.loaded_dbapi.Error) as error:
        cause = (error.orig if isinstance(error, DBAPIError) else None) or error
        symbol = str(getattr(cause, "sqlite_errorname", ""))
        remedies = [text for prefix, text in _REMEDIES.items() if symbol.startswith(prefix)]
        words = f"{remedies[0]} ({cause})" if remedies else str(cause)
        raise LedgerError(name, words) from error


def open_sqlite(path: Path | None) -> Engine:
    """Return an engine on a SQLite file with our tables; None = a database in memory.

    A missing file is made (readable for its owner only). One that is damaged, newer than us or not
    ours stays as it is. Raises LedgerError.
    """
    if path is None:
        engine = _engine("sqlite://")
    else:
        _create_or_verify(path)
        engine = _engine(_url(path, "rw"))
    name = "in memory" if path is None else str(path)
    try:
        with named_errors(name, engine), engine.begin() as connection:
            _make_or_touch(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_for_reading(path: Path) -> Engine:
    """An engine that cannot write, on a ledger that a service may be writing meanwhile.

    Raises LedgerError: the file is missing, no ledger, of another version, or cannot be read.
    """
    try:
        path.stat()
    except FileNotFoundError:
        remedy = "there is none: no service has run with this configuration yet"
        raise LedgerError(str(path), remedy) from None
    except OSError as error:
        raise LedgerError(str(path), f"it cannot be read ({error.strerror})") from error
    try:
        return _recognised(path, _engine(_url(path, "ro"), is_read_only=True))
    except LedgerError:
        if not _is_at_rest(path):
            raise
    return _recognised(path, _engine(_url(path, "ro", immutable="1"), is_read_only=True))


def _is_at_rest(path: Path) -> bool:
    """True for a whole file that nobody has open, in a directory that we may not write.

    SQLite makes the files beside it even for reading. It can do without them if nothing is in them.
    """
    beside = [path.with_name(f"{path.name}-{ending}") for ending in ("wal", "shm")]
    is_ours = os.access(path.parent, os.W_OK)
    return os.access(path, os.R_OK) and not is_ours and not any(one.exists() for one in beside)


def _recognised(path: Path, engine: Engine) -> Engine:
    try:
        with named_errors(str(path), engine), engine.connect() as connection:
            _recognise(str(path), connection, is_new_allowed=False)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _create_or_verify(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        is_new = path.stat().st_size == 0
    except OSError as error:
        remedy = "the service's user must have the right to write the file and its directory"
        raise LedgerError(str(path), f"{remedy} ({error.strerror})") from error
    if not is_new:
        _verify(path, is_large=is_large(path))


def _verify(path: Path, *, is_large: bool) -> None:
    """Look at a file through a connection that cannot write, so that a bad one is left alone."""
    engine = _engine(_url(path, "ro"), is_read_only=True)
    name = str(path)
    try:
        with named_errors(name, engine), engine.connect() as connection:
            if not is_large:
                _check_pages(name, connection)
            _recognise(name, connection, is_new_allowed=True)
    finally:
        engine.dispose()


def is_large(path: Path) -> bool:
    """True for a file whose pages are not all looked at when it is opened."""
    return path.stat().st_size > QUICK_BYTES


def check_file(path: Path, is_over: Callable[[], bool]) -> None:
    """Look at every page of a ledger, also of one in use; takes long for a large one.

    Ends early once `is_over` is true. Raises LedgerError if the file is damaged.
    """
    engine = _engine(_url(path, "ro"), is_read_only=True)
    try:
        with named_errors(str(path), engine), engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.set_progress_handler(is_over, _STEPS)
            _check_pages(str(path), connection)
    finally:
        engine.dispose()


def _check_pages(name: str, connection: Connection) -> None:
    verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if verdict != "ok":
        where = " ".join(str(verdict).split())
        raise LedgerError(name, f"{_REMEDIES['SQLITE_CORRUPT']} ({where})")


def can_give_back(cursor: Any) -> bool:
    """True if the file can be made smaller a few pages at a time."""
    return _pragma(cursor, "auto_vacuum") != 0


def rewrite(cursor: Any) -> None:
    """Write a file anew, so that it can give pages back; needs its size on the disk once more."""
    cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
    cursor.execute("VACUUM")


def give_back(cursor: Any) -> bool:
    """Make the file smaller by free pages; False if few are left, or none can be given back."""
    free = _pragma(cursor, "freelist_count")
    if not can_give_back(cursor) or free <= _pragma(cursor, "page_count") // FREE_SHARE:
        return False
    # each page is a row of the statement: it has to be read to its end
    cursor.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
    return True


def _pragma(cursor: Any, name: str) -> int:
    return int(cursor.execute(f"PRAGMA {name}").fetchone()[0])


def _recognise(name: str, connection: Connection, *, is_new_allowed: bool) -> None:
    """Raise LedgerError if it is no ledger, or one of a version that cannot be used.

    With `is_new_allowed` an empty file passes, and a version that is to be converted.
    """
    tables = inspect(connection).get_table_names()
    if VERSION.name not in tables and (tables or not is_new_allowed):
        remedy = "it is the database of another program and was left as it is"
        raise LedgerError(name, f"{remedy}; name another file")
    version = connection.execute(select(VERSION.c.version)).scalar() if tables else None
    if version in _CONVERTIBLE:
        if is_new_allowed:
            return
        remedy = f"it has schema version {version}: start the service once, which converts it"
        raise LedgerError(name, remedy)
    if version not in (None, SCHEMA_VERSION):
        remedy = f"it has schema version {version}, this program knows {SCHEMA_VERSION}"
        raise LedgerError(name, f"{remedy}; start the program that wrote it")


def _make_or_touch(connection: Connection) -> None:
    """Make the tables; where they are, write all the same, to know now whether that is possible."""
    if inspect(connection).has_table(VERSION.name):
        version = connection.execute(select(VERSION.c.version)).scalar()
        if version in _CONVERTIBLE:
            _convert(connection, version)
        connection.execute(update(VERSION).values(openings=VERSION.c.openings + 1))
        return
    METADATA.create_all(connection)
    connection.execute(insert(VERSION).values(version=SCHEMA_VERSION, openings=1))


def _convert(connection: Connection, version: int) -> None:
    """Convert a ledger of an older version to ours.

    Version 1 did not store when a copy was seen, the sent messages or evidence. Version 2 had no
    selectors, version 3 no snapshots of targets. Version 4 had no places but those of IMAP
    and no table of mailbox states. Version 5 had no waiting list
    and no index of the newest runs.
    """
    if version in _OF_IMAP:
        _convert_places(connection)
    METADATA.create_all(connection)
    RUNS_NEWEST.create(connection)
    connection.exec_driver_sql(_WAITING)
    connection.execute(update(VERSION).values(version=SCHEMA_VERSION))


def _convert_places(connection: Connection) -> None:
    known = {column["name"] for column in inspect(connection).get_columns(COPIES.name)}
    for name, kind in (("missed_at", "BIGINT"), ("seen_at", "BIGINT"), ("placement", "TEXT")):
        if name not in known:
            connection.exec_driver_sql(f"ALTER TABLE {COPIES.name} ADD COLUMN {name} {kind}")
    for statement in _BEFORE_TABLES:
        connection.exec_driver_sql(statement)
    METADATA.create_all(connection)
    for statement in _AFTER_TABLES:
        connection.exec_driver_sql(statement)


def _url(path: Path, mode: str, **more: str) -> URL:
    query = {"mode": mode, "uri": "true", **more}
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


def _engine(url: str | URL, *, is_read_only: bool = False) -> Engine:
    """Everything that is SQLite's own, but for the words ON CONFLICT, which PostgreSQL shares.

    One connection that stays open: with the last one SQLite would tidy its log away each time.
    """
    # Opened and closed by other threads than the one that uses it, never by two at a time.
    any_thread = {"check_same_thread": False}
    engine = create_engine(url, poolclass=StaticPool, connect_args=any_thread)

    @event.listens_for(engine, "connect")
    def set_up(driver: Any, _record: object) -> None:
        driver.isolation_level = None  # transactions begin below, not in the driver
        with closing(driver.cursor()) as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA foreign_keys = ON")
            if not is_read_only:
                cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file
                cursor.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")

    return engine
