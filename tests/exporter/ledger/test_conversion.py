"""A ledger that a program of schema version 4 wrote, as `sqlite3 FILE .dump` shows it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from exporter.analysis.mailbox_state import MailboxState
from exporter.ledger.reader import reading
from exporter.ledger.tables import SCHEMA_VERSION
from probes.canary.lifecycle import Event, State
from probes.mailboxes.imap import places
from probes.mailboxes.interface import Cursor, Message, Place
from tests.support.clock import FakeClock
from tests.support.ledger_rig import BEGIN, opened, sighting

WRITTEN_BY_4 = Path(__file__).with_name("schema_4.sql")
ARRIVED = Message("arrived", places.place("INBOX", 7, 5))
BOUNCE = Message("bounced", places.place("INBOX", 7, 2**32 - 1))


def older(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(WRITTEN_BY_4.read_text())
    return path


def later() -> FakeClock:
    time = FakeClock(BEGIN)
    time.elapse(10.0)
    return time


async def test_places_and_cursors_of_imap_become_those_of_any_mailbox(tmp_path: Path) -> None:
    async with opened(older(tmp_path / "ledger.sqlite"), later()) as rig:
        record = await rig.ledger.find("arrived")
        assert record is not None
        assert record.place == ARRIVED.place
        assert record.place is not None
        assert record.place.position == 5
        assert await rig.ledger.cursors("m") == {
            "INBOX": places.cursor("INBOX", 7, 2**32 - 1),
            "Junk": Cursor("Junk", "8:9"),
        }
        assert set(await rig.ledger.unexamined("m")) == {
            Message("arrived", places.place("Junk", 8, 9)),
            BOUNCE,
        }
        assert len(await rig.ledger.evidence("arrived")) == 1
        removable = await rig.ledger.removable("m", rig.time.utc)
        assert {one.place for one in removable} == {ARRIVED.place, Place("Junk", "8", "9")}
        assert [run.tick for run in await rig.ledger.runs("job", 5)] == [1]


async def test_what_was_seen_before_the_conversion_counts_no_second_time(tmp_path: Path) -> None:
    async with opened(older(tmp_path / "ledger.sqlite"), later()) as rig:
        now = rig.time.now()
        again = await rig.see(sighting("arrived", now, epoch=7, position=5))
        assert again.outcome is None
        bounce = sighting("bounced", now, epoch=7, position=2**32 - 1, header=b"other")
        change = await rig.ledger.record("bounced", Event.BOUNCE_SEEN, now, sighting=bounce)
        assert change is not None
        assert change.outcome is None
        (waiting,) = await rig.ledger.in_flight()
        assert (waiting.token, waiting.state) == ("waiting", State.ACCEPTED)


async def test_states_of_mailboxes_that_were_runs_are_dropped(tmp_path: Path) -> None:
    old = older(tmp_path / "ledger.sqlite")
    with closing(sqlite3.connect(old)) as database:
        assert _run_names(database) == {"job", "mailbox:m", "p"}
    state = MailboxState("m", BEGIN, True, None, None)
    async with opened(old, later()) as rig:
        assert await rig.ledger.runs("mailbox:m", 1) == ()
        with closing(sqlite3.connect(old)) as database:
            assert _run_names(database) == {"job", "p"}
        with reading(str(old)) as reader:
            assert reader.mailbox_state("m") is None
            await rig.ledger.save_mailbox_states([state])
            assert reader.mailbox_state("m") == state


async def test_a_converted_ledger_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    old, new = older(tmp_path / "old.sqlite"), tmp_path / "new.sqlite"
    for path in (old, new):
        async with opened(path, later()):
            pass
    assert _schema(old) == _schema(new)
    with reading(str(old)) as reader:
        assert reader.find("arrived") is not None
    with closing(sqlite3.connect(old)) as database:
        assert database.execute("SELECT version FROM ledger_schema").fetchone() == (SCHEMA_VERSION,)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def _run_names(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM runs")}


def _schema(path: Path) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return {(kind, name, " ".join((sql or "").split())) for kind, name, sql in rows}
