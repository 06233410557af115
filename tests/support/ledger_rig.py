"""A ledger on a scratch file, with a clock that the test moves, and what canaries do in it."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from exporter.ledger.ledger import Ledger
from exporter.model import Change
from probes.canary.lifecycle import Event
from probes.clock import Instant
from probes.mailboxes.interface import Message, Place, Placement, Sighting
from probes.result import Failure, Owner, Phase, PhaseTiming, ProbeResult, Reason
from tests.support.clock import FakeClock

BEGIN = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
LATE, LOST = 60.0, 900.0


def as_version_5(database: sqlite3.Connection) -> None:
    """Drop what version 5 did not have."""
    database.execute("drop table waiting")
    database.execute("drop table steady_time")
    database.execute("drop index runs_newest")
    database.execute("update ledger_schema set version = 5")


def as_version_4(database: sqlite3.Connection) -> None:
    """Give the tables of places and cursors the columns that they had until version 4."""
    as_version_5(database)
    for change in (
        "copies rename column epoch to uid_validity",
        "copies rename column id to uid",
        "copies drop column position",
        "cursors rename column text to uid_validity",
        "cursors add column last_uid bigint",
    ):
        database.execute(f"alter table {change}")


def message(token: str, folder: str, position: int) -> Message:
    """A message in the epoch in which `sighting` sees."""
    return Message(token, Place(folder, "1", str(position), position))


def sighting(
    token: str,
    seen: Instant,
    *,
    not_before: Instant | None = None,
    folder: str = "INBOX",
    placement: Placement = Placement.INBOX,
    epoch: int = 1,
    position: int = 1,
    header: bytes = b"Received: by mx.test id 1\r\n",
    internal_date: datetime | None = None,
) -> Sighting:
    return Sighting(
        token,
        Place(folder, str(epoch), str(position), position),
        placement,
        1000,
        internal_date,
        header,
        not_before,
        seen,
    )


def result(failure: Failure | None = None, at: datetime = BEGIN) -> ProbeResult:
    timings = (PhaseTiming(Phase.CONNECT, 0.0, 0.1), PhaseTiming(Phase.END_OF_DATA, 0.1, 0.2))
    return ProbeResult("submission", at, 0.3, timings, failure, facts={"tls.version": "TLSv1.3"})


def failure(phase: Phase = Phase.RCPT, reason: Reason = Reason.REJECTED) -> Failure:
    return Failure(phase, reason, "so it is", Owner.RECEIVER_MX, is_transient=False)


@dataclass
class Rig:
    """One open ledger and what a test does with it."""

    ledger: Ledger
    time: FakeClock
    ticks: dict[str, int] = field(default_factory=dict)

    async def plan(self, token: str, path: str = "p", mailbox: str = "m") -> None:
        tick = self.ticks[path] = self.ticks.get(path, 0) + 1
        assert await self.ledger.claim(path, mailbox, tick, token, LATE, LOST)

    async def happen(self, token: str, event: Event, *, why: Failure | None = None) -> Change:
        outcome = None if event is Event.SEND_STARTED else result(why)
        change = await self.ledger.record(token, event, self.time.now(), result=outcome)
        assert change is not None
        return change

    async def send(self, token: str, path: str = "p", mailbox: str = "m") -> None:
        """Plan, send and hand over; the sending takes a second."""
        await self.plan(token, path, mailbox)
        await self.happen(token, Event.SEND_STARTED)
        self.time.elapse(1.0)
        await self.happen(token, Event.HANDED_OVER)

    async def see(self, copy: Sighting) -> Change:
        change = await self.ledger.record(copy.token, Event.SEEN, copy.seen, sighting=copy)
        assert change is not None
        return change


@asynccontextmanager
async def opened(path: Path, time: FakeClock | None = None) -> AsyncIterator[Rig]:
    time = time or FakeClock(BEGIN)
    ledger = await Ledger.open(str(path), time.clock)
    try:
        yield Rig(ledger, time)
    finally:
        await ledger.close()
