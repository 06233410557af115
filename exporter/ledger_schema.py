"""The ledger's tables, how its database is opened, and what its errors mean to people."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

SCHEMA_VERSION = 4

_CONVERTIBLE = frozenset({1, 2, 3})
"""Older versions that are brought up to ours when the service opens them."""

_BUSY_MILLISECONDS = 5_000

METADATA = MetaData()
VERSION = Table(
    "ledger_schema",
    METADATA,
    Column("version", Integer, nullable=False),
    Column("openings", Integer, nullable=False, comment="how often it was opened"),
)
CANARIES = Table(
    "canaries",
    METADATA,
    Column("token", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("mailbox", Text, nullable=False),
    Column("tick", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("planned_at", BigInteger, nullable=False, comment="microseconds since 1970 UTC"),
    Column("sending_at", BigInteger),
    Column("accepted_at", BigInteger),
    Column("settled_at", BigInteger),
    Column("late_after", Float, nullable=False),
    Column("lost_after", Float, nullable=False),
    Column("failure", Text, comment="JSON"),
    Column("placement", Text),
    Column("round_trip", Float),
    Column("resolution", Float),
    UniqueConstraint("path", "tick"),
    sqlite_with_rowid=False,
)
_UNSETTLED = CANARIES.c.settled_at.is_(None)
Index("canaries_recent", CANARIES.c.path, CANARIES.c.planned_at)
Index(
    "canaries_unsettled",
    CANARIES.c.mailbox,
    sqlite_where=_UNSETTLED,
    postgresql_where=_UNSETTLED,
)
_SETTLED = CANARIES.c.settled_at.is_not(None)
Index(
    "canaries_settled",
    CANARIES.c.settled_at,
    sqlite_where=_SETTLED,
    postgresql_where=_SETTLED,
)
COPIES = Table(
    "copies",
    METADATA,
    Column("token", Text, ForeignKey("canaries.token", ondelete="CASCADE"), primary_key=True),
    Column("is_bounce", Integer, primary_key=True, comment="1: a bounce that quotes the token"),
    Column("number", Integer, primary_key=True, comment="0 = the first"),
    Column("mailbox", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("uid_validity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("digest", Text, nullable=False, comment="of the header"),
    Column("gone_at", BigInteger, comment="when we removed it"),
    Column("missed_at", BigInteger, comment="the look before the one that found it"),
    Column("seen_at", BigInteger),
    Column("placement", Text),
)
_PRESENT = COPIES.c.gone_at.is_(None)
Index("copies_present", COPIES.c.mailbox, sqlite_where=_PRESENT, postgresql_where=_PRESENT)
SENT = Table(
    "sent",
    METADATA,
    Column("token", Text, ForeignKey("canaries.token", ondelete="CASCADE"), primary_key=True),
    Column("kept_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="the message we sent, by zlib"),
)
Index("sent_kept", SENT.c.kept_at)
EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("token", Text, ForeignKey("canaries.token", ondelete="CASCADE"), primary_key=True),
    Column("is_bounce", Integer, primary_key=True),
    Column("number", Integer, primary_key=True, comment="of the copy"),
    Column("path", Text, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False, comment="JSON by zlib, docs/json.md"),
)
Index("evidence_slots", EVIDENCE.c.path, EVIDENCE.c.slot)
SELECTORS = Table(
    "selectors",
    METADATA,
    Column("author", Text, primary_key=True, comment="the author domain of the canaries"),
    Column("domain", Text, primary_key=True, comment="d= of the signature"),
    Column("selector", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False, comment="when the last such canary was sent"),
    sqlite_with_rowid=False,
)
CURSORS = Table(
    "cursors",
    METADATA,
    Column("mailbox", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("uid_validity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
)
RUNS = Table(
    "runs",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("tick", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("result", Text, nullable=False, comment="JSON"),
)
Index("runs_started", RUNS.c.started_at)
SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("name", Text, primary_key=True, comment="of the job"),
    Column("changes", BigInteger, nullable=False, comment="how many there were so far"),
    Column("document", Text, nullable=False, comment="JSON: what is known, what was when good"),
)
CHANGES = Table(
    "changes",
    METADATA,
    Column("name", Text, primary_key=True, comment="of the job"),
    Column("slot", Integer, primary_key=True),
    Column("tick", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False, comment="microseconds since 1970 UTC"),
    Column("aspect", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("since", BigInteger, nullable=False, comment="when `before` was seen first"),
    Column("visible_by", BigInteger),
)


class LedgerError(Exception):
    """The ledger cannot be used; the message names it and says what to do."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"ledger {name}: {remedy}")


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
    """Turn what the database says into LedgerError; `name` is the file or a URL without password.

    Sees SQLAlchemy's exceptions as well as the driver's own.
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
    """An engine on a SQLite file whose tables are ours; None = a database in memory.

    A missing file is made (readable for its owner only); one that is damaged, newer than us or not
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
    engine = _engine(_url(path, "ro"), is_read_only=True)
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
        _verify(path)


def _verify(path: Path) -> None:
    """Look at a file through a connection that cannot write, so that a bad one is left alone."""
    engine = _engine(_url(path, "ro"), is_read_only=True)
    name = str(path)
    try:
        with named_errors(name, engine), engine.connect() as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            if verdict != "ok":
                where = " ".join(str(verdict).split())
                raise LedgerError(name, f"{_REMEDIES['SQLITE_CORRUPT']} ({where})")
            _recognise(name, connection, is_new_allowed=True)
    finally:
        engine.dispose()


def _recognise(name: str, connection: Connection, *, is_new_allowed: bool) -> None:
    """Raises LedgerError for what is not a ledger of this version, or of one to be converted."""
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
        if connection.execute(select(VERSION.c.version)).scalar() in _CONVERTIBLE:
            _convert(connection)
        connection.execute(update(VERSION).values(openings=VERSION.c.openings + 1))
        return
    METADATA.create_all(connection)
    connection.execute(insert(VERSION).values(version=SCHEMA_VERSION, openings=1))


def _convert(connection: Connection) -> None:
    """Version 1 did not know when a copy was seen, what was sent, what copies prove; version 2 no
    selectors; version 3 not what was known of targets."""
    known = {column["name"] for column in inspect(connection).get_columns(COPIES.name)}
    for name, kind in (("missed_at", "BIGINT"), ("seen_at", "BIGINT"), ("placement", "TEXT")):
        if name not in known:
            connection.exec_driver_sql(f"ALTER TABLE {COPIES.name} ADD COLUMN {name} {kind}")
    METADATA.create_all(connection)
    connection.execute(update(VERSION).values(version=SCHEMA_VERSION))


def _url(path: Path, mode: str) -> URL:
    query = {"mode": mode, "uri": "true"}
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
                cursor.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")

    return engine
