"""What the ledger keeps of what was sent and of what the copies prove."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger.encoding import MAX_EVIDENCE_CHARACTERS, pack_message, unpack
from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import SENT_KEPT, Ledger
from exporter.ledger.runs import RUNS_KEPT
from exporter.ledger.store import Store
from exporter.ledger.tables import SCHEMA_VERSION as SCHEMA_VERSION_OF_TABLES
from exporter.model import ArrivedCopy
from probes.canary.evidence import SCHEMA_VERSION, Evidence, ExaminationContext, examine, unread
from probes.canary.hops import OurTimes
from probes.canary.lifecycle import Event
from probes.clock import Instant
from probes.mailboxes.interface import Message, Sighting
from probes.records.raw_message import MAX_MESSAGE
from probes.result import Phase, PhaseTiming, ProbeResult
from tests.support.clock import FakeClock
from tests.support.ledger_rig import BEGIN, LATE, LOST, Rig, as_version_4, message, opened, sighting

CONTENT = b"Subject: x [t]\r\nX-Mailcanary: t\r\n\r\nbody\r\n"
INBOX = message("t", "INBOX", 5)
JUNK = message("t", "Junk", 6)


async def send(rig: Rig, token: str = "t", tick: int = 1, content: bytes = CONTENT) -> None:
    """The sending begins now; half a second later the end of data is answered."""
    assert await rig.ledger.claim("p", "m", tick, token, LATE, LOST, content)
    await rig.happen(token, Event.SEND_STARTED)
    timings = (PhaseTiming(Phase.END_OF_DATA, 0.3, 0.2), PhaseTiming(Phase.QUIT, 0.5, 0.5))
    ended = ProbeResult("submission", rig.time.utc, 1.0, timings, None)
    at = rig.time.elapse(1.0)
    await rig.ledger.record(token, Event.HANDED_OVER, at, result=ended)


def seen(message: Message, at: Instant, not_before: Instant | None = None) -> Sighting:
    header = f"Received: by {message.place.folder}\r\n".encode()
    return sighting(
        message.token,
        at,
        not_before=not_before,
        folder=message.place.folder,
        position=int(message.place.id),
        header=header,
    )


def proof(message: bytes = CONTENT) -> Evidence:
    return examine(message, CONTENT, ExaminationContext(BEGIN, placement="inbox"))


async def copy_at(rig: Rig, message: Message) -> ArrivedCopy:
    copy = await rig.ledger.copy_at(message)
    assert copy is not None
    return copy


async def test_what_was_sent_and_when_is_known_after_a_restart(path: Path) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await send(rig)
        looked = rig.time.elapse(2.0)
        await rig.see(seen(INBOX, rig.time.elapse(1.0), looked))
    time.restart()
    async with opened(path, time) as rig:
        assert await rig.ledger.unexamined("m") == (INBOX,)
        copy = await copy_at(rig, INBOX)
        assert (copy.number, copy.is_bounce, copy.sent) == (0, False, CONTENT)
        assert copy.placement == "inbox"
        assert copy.times == OurTimes(
            began_at=BEGIN,
            accepted_at=BEGIN + timedelta(seconds=0.5),
            missed_at=BEGIN + timedelta(seconds=3),
            seen_at=BEGIN + timedelta(seconds=4),
        )
        assert await rig.ledger.copy_at(JUNK) is None
        assert await rig.ledger.copy_at(message("never issued", "INBOX", 5)) is None


async def test_evidence_is_read_back_by_copy_and_then_by_bounce(path: Path) -> None:
    async with opened(path) as rig:
        await send(rig)
        await rig.see(seen(INBOX, rig.time.elapse(1.0)))
        await rig.see(seen(JUNK, rig.time.elapse(1.0)))
        news = message("t", "INBOX", 9)
        now = rig.time.elapse(1.0)
        await rig.ledger.record(
            "t", Event.BOUNCE_SEEN, now, sighting=seen(news, now), mailbox="senders"
        )
        assert set(await rig.ledger.unexamined("m")) == {INBOX, JUNK}
        assert await rig.ledger.unexamined("senders") == (news,)
        bounce, second, first = [await copy_at(rig, place) for place in (news, JUNK, INBOX)]
        assert [(c.number, c.is_bounce) for c in (first, second)] == [(0, False), (1, False)]
        assert (bounce.is_bounce, bounce.sent) == (True, None)
        for copy, evidence in ((bounce, unread("it is gone", "junk")), (second, proof())):
            assert (await rig.ledger.add_evidence(copy, evidence)).is_new
        altered = proof(CONTENT.replace(b"body", b"another"))
        assert (await rig.ledger.add_evidence(first, altered)).is_new
        assert not (await rig.ledger.add_evidence(first, altered)).is_new
        assert await rig.ledger.unexamined("m") == await rig.ledger.unexamined("senders") == ()
    async with opened(path) as rig:
        documents = await rig.ledger.evidence("t")
        assert [document["version"] for document in documents] == [SCHEMA_VERSION] * 3
        assert [m["kind"] for m in documents[0]["mutations"]] == ["body_changed"]
        assert documents[1]["mutations"] == []
        assert documents[2]["findings"][0]["code"] == "arrival.copy.unread"
        assert await rig.ledger.evidence("never issued") == ()


async def test_a_copy_that_moved_keeps_the_time_at_which_it_was_first_seen(path: Path) -> None:
    async with opened(path) as rig:
        await send(rig)
        first = rig.time.elapse(1.0)
        await rig.see(seen(INBOX, first))
        again = rig.time.elapse(60.0)
        moved = sighting("t", again, folder="Lists", position=3, header=seen(INBOX, first).header)
        assert (await rig.see(moved)).outcome is None
        copy = await copy_at(rig, message("t", "Lists", 3))
        assert (copy.number, copy.times.seen_at) == (0, first.utc)


async def test_of_each_path_the_evidence_of_the_last_ticks_is_kept(path: Path) -> None:
    async with opened(path) as rig:
        for token, tick in (("old", 1), ("other", 2), ("new", 1 + RUNS_KEPT)):
            await send(rig, token, tick)
            place = message(token, "INBOX", tick)
            await rig.see(seen(place, rig.time.elapse(1.0)))
            await rig.ledger.add_evidence(await copy_at(rig, place), proof())
        kept = {token: await rig.ledger.evidence(token) for token in ("old", "other", "new")}
        assert {token: len(found) for token, found in kept.items()} == {
            "old": 0,
            "other": 1,
            "new": 1,
        }


@pytest.mark.parametrize(("before", "after"), [(1, 1 + RUNS_KEPT), (-1, RUNS_KEPT - 1)])
async def test_an_old_copy_neither_takes_the_slot_of_a_later_canary_nor_is_wanted_for_ever(
    path: Path, before: int, after: int
) -> None:
    async with opened(path) as rig:
        places = [message("old", "INBOX", 5), message("new", "INBOX", 6)]
        for place, tick in zip(places, (before, after), strict=True):
            await send(rig, place.token, tick)
            await rig.see(seen(place, rig.time.elapse(1.0)))
        assert set(await rig.ledger.unexamined("m")) == set(places)
        old, new = [await copy_at(rig, place) for place in places]
        assert (await rig.ledger.add_evidence(new, proof())).is_new
        assert not (await rig.ledger.add_evidence(old, proof())).is_new
        assert [len(await rig.ledger.evidence(token)) for token in ("old", "new")] == [0, 1]
        assert await rig.ledger.unexamined("m") == ()


async def test_what_was_sent_is_forgotten_a_day_later_but_not_before_it_is_settled(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await send(rig, "t", 1)
        await rig.see(seen(INBOX, rig.time.elapse(1.0)))
        await send(rig, "waiting", 2)
        rig.time.elapse(SENT_KEPT - 10)
        await rig.ledger.forget(BEGIN)
        assert (await copy_at(rig, INBOX)).sent == CONTENT
        rig.time.elapse(20)
        await rig.ledger.forget(BEGIN)
        assert (await copy_at(rig, INBOX)).sent is None
        late = message("waiting", "INBOX", 8)
        await rig.see(seen(late, rig.time.elapse(1.0)))
        assert (await copy_at(rig, late)).sent == CONTENT


async def test_with_a_canary_goes_what_was_sent_and_what_it_proved(path: Path) -> None:
    async with opened(path) as rig:
        await send(rig)
        await rig.see(seen(INBOX, rig.time.elapse(1.0)))
        await rig.ledger.add_evidence(await copy_at(rig, INBOX), proof())
        await rig.ledger.forget(rig.time.elapse(1.0).utc)
        assert await rig.ledger.evidence("t") == ()
    with closing(sqlite3.connect(path)) as reader:
        counts = [reader.execute(f"select count(*) from {t}").fetchone() for t in TABLES]
    assert counts == [(0,)] * len(TABLES)


TABLES = ("canaries", "copies", "sent", "evidence")


async def test_a_tick_that_was_claimed_before_keeps_what_its_canary_was(path: Path) -> None:
    async with opened(path) as rig:
        await send(rig)
        assert not await rig.ledger.claim("p", "m", 1, "again", LATE, LOST, b"something else")
        await rig.see(seen(INBOX, rig.time.elapse(1.0)))
        assert (await copy_at(rig, INBOX)).sent == CONTENT


async def test_a_message_without_bound_is_kept_up_to_the_bound_of_what_is_read() -> None:
    packed = await pack_message(b"x" * (MAX_MESSAGE + 1000))
    assert len(packed) < 200_000
    assert len(unpack(packed)) == MAX_MESSAGE + 1
    assert await pack_message(b"") == b""


async def test_evidence_of_monstrous_size_is_shortened_and_says_so(path: Path) -> None:
    numbers = os.urandom(20_000).hex().encode()
    field = b"Received: by %d.test (" + numbers + b"); Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    monster = proof(b"".join(field % number for number in range(20)) + CONTENT)
    async with opened(path) as rig:
        await send(rig)
        await rig.see(seen(INBOX, rig.time.elapse(1.0)))
        await rig.ledger.add_evidence(await copy_at(rig, INBOX), monster)
        (document,) = await rig.ledger.evidence("t")
    assert len(str(document)) < MAX_EVIDENCE_CHARACTERS
    assert len(document["hops"]) == 10
    assert document["findings"][-1]["code"] == "arrival.evidence.shortened"


# A ledger of the version before


def make_older(path: Path) -> None:
    """What version 1 had: no times of copies, nothing of what was sent, no evidence."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for table in ("sent", "evidence", "selectors", "snapshots", "changes"):
            old.execute(f"drop table {table}")
        for column in ("missed_at", "seen_at", "placement"):
            old.execute(f"alter table copies drop column {column}")
        as_version_4(old)
        old.execute("update ledger_schema set version = 1")


async def test_a_ledger_of_the_version_before_is_converted_and_loses_nothing(path: Path) -> None:
    async with opened(path) as rig:
        await send(rig)
        await rig.see(seen(INBOX, rig.time.elapse(1.0)))
    make_older(path)
    async with opened(path) as rig:
        (record,) = await rig.ledger.recent("p", 5)
        assert (record.token, record.place) == ("t", INBOX.place)
        copy = await copy_at(rig, INBOX)
        assert (copy.sent, copy.times.seen_at) == (None, None)
        assert (await rig.ledger.add_evidence(copy, proof())).is_new
        await send(rig, "next", 2)
    async with opened(path) as rig:
        assert len(await rig.ledger.evidence("t")) == 1
    with closing(sqlite3.connect(path)) as reader:
        version = reader.execute("select version from ledger_schema").fetchone()
    assert version == (SCHEMA_VERSION_OF_TABLES,)


async def test_a_ledger_that_knew_no_selectors_is_converted_and_keeps_its_evidence(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await send(rig)
        await rig.see(seen(INBOX, rig.time.elapse(1.0)))
        await rig.ledger.add_evidence(await copy_at(rig, INBOX), proof())
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for table in ("selectors", "snapshots", "changes"):
            old.execute(f"drop table {table}")
        as_version_4(old)
        old.execute("update ledger_schema set version = 2")
    async with opened(path) as rig:
        assert len(await rig.ledger.evidence("t")) == 1
        copy = await copy_at(rig, INBOX)
        assert copy.times.seen_at is not None
        assert await rig.ledger.selectors("example.test", rig.time.utc) == ()


async def test_who_only_reads_a_ledger_of_the_version_before_leaves_it_as_it_is(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await send(rig)
    make_older(path)
    with pytest.raises(LedgerError, match="start the service once, which converts it"):
        Store(path, is_read_only=True)
    beside = await Ledger.open(str(path), FakeClock(BEGIN).clock, exclusive=False)
    await beside.close()
