"""The tables of the ledger and the version of their schema."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 6

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
WAITING = Table(
    "waiting",
    METADATA,
    Column("token", Text, ForeignKey("canaries.token", ondelete="CASCADE"), primary_key=True),
    Column("mailbox", Text, nullable=False),
    Column("began", BigInteger, nullable=False, comment="microseconds of steady time, as below"),
    Column("due", BigInteger, nullable=False, comment="lost if a look after this is in vain"),
    Column("give_up", BigInteger, nullable=False, comment="waits no longer for its mailbox"),
    Column("is_sending", Integer, nullable=False, comment="1: not handed over yet"),
    sqlite_with_rowid=False,
)
Index("waiting_due", WAITING.c.mailbox, WAITING.c.due)
STEADY_TIME = Table(
    "steady_time",
    METADATA,
    Column("ahead", BigInteger, nullable=False, comment="microseconds ahead of the calendar"),
)
COPIES = Table(
    "copies",
    METADATA,
    Column("token", Text, ForeignKey("canaries.token", ondelete="CASCADE"), primary_key=True),
    Column("is_bounce", Integer, primary_key=True, comment="1: a bounce that quotes the token"),
    Column("number", Integer, primary_key=True, comment="0 = the first"),
    Column("mailbox", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("epoch", Text, nullable=False, comment="in which the id means something"),
    Column("id", Text, nullable=False, comment="of the message, in its mailbox's words"),
    Column("position", BigInteger, comment="in the order of delivery, if there is one"),
    Column("digest", Text, nullable=False, comment="of the header"),
    Column("gone_at", BigInteger, comment="when we removed it"),
    Column("missed_at", BigInteger, comment="the look before the one that found it"),
    Column("seen_at", BigInteger),
    Column("placement", Text),
)
PLACE = (COPIES.c.folder, COPIES.c.epoch, COPIES.c.id, COPIES.c.position)
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
    Column("text", Text, nullable=False, comment="only its mailbox type reads it"),
)
MAILBOX_STATES = Table(
    "mailbox_states",
    METADATA,
    Column("mailbox", Text, primary_key=True),
    Column("at", BigInteger, nullable=False, comment="microseconds since 1970 UTC"),
    Column("is_up", Integer, nullable=False, comment="1: it can be read"),
    Column("looked_at", BigInteger),
    Column("failure", Text, comment="JSON"),
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
RUNS_NEWEST = Index("runs_newest", RUNS.c.name, RUNS.c.started_at)
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
