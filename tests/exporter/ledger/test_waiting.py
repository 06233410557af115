"""The waiting list: shared by processes, and moved by no step of the calendar."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exporter.ledger.ledger import Ledger
from exporter.ledger.waiting import GIVE_UP_AFTER
from probes.canary.lifecycle import Event, Outcome, State
from tests.support.clock import FakeClock
from tests.support.ledger_rig import BEGIN, LATE, LOST, Rig, as_version_5, opened, result, sighting

HOUR = 3_600.0
STEPS = (HOUR, -HOUR, 50 * 365 * 24 * HOUR, -50 * 365 * 24 * HOUR, 0.4)


async def settled(rig: Rig, *readable: str) -> dict[str, Outcome | None]:
    now = rig.time.now()
    changes = await rig.ledger.expire(now, dict.fromkeys(readable, now))
    return {change.record.token: change.outcome for change in changes}


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_of_the_calendar_neither_loses_a_canary_nor_holds_it(
    path: Path, step: float
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        rig.time.elapse(LOST / 2)
        rig.time.step(step)
        assert await settled(rig, "m") == {}
        rig.time.elapse(LOST / 2 - 1.0)
        assert await settled(rig, "m") == {}
        rig.time.elapse(1.0)
        assert await settled(rig, "m") == {"t": Outcome.LOST}


@pytest.mark.parametrize("step", STEPS)
async def test_a_restart_after_a_step_waits_on_from_where_the_service_was(
    path: Path, step: float
) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("t")
        time.elapse(LOST / 2)
        time.step(step)
        assert await settled(rig, "m") == {}
    time.restart()
    async with opened(path, time) as rig:
        time.elapse(LOST / 2 - 2.0)
        assert await settled(rig, "m") == {}
        time.elapse(2.0)
        assert await settled(rig, "m") == {"t": Outcome.LOST}


async def test_the_time_for_which_no_service_ran_counts(path: Path) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("t")
    time.restart()
    time.utc += (time.utc - BEGIN) * LOST  # the sending took a second
    async with opened(path, time) as rig:
        assert await settled(rig, "m") == {"t": Outcome.LOST}


async def test_a_calendar_set_back_while_no_service_ran_holds_nothing_longer_than_its_limit(
    path: Path,
) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("t")
    time.restart()
    time.step(-20 * 365 * 24 * HOUR)
    async with opened(path, time) as rig:
        time.elapse(LOST - 1.0)
        assert await settled(rig, "m") == {}
        time.elapse(1.0)
        assert await settled(rig, "m") == {"t": Outcome.LOST}


@pytest.mark.parametrize("step", STEPS)
async def test_a_round_trip_is_measured_across_a_step(path: Path, step: float) -> None:
    async with opened(path) as rig:
        await rig.plan("t")
        await rig.happen("t", Event.SEND_STARTED)
        rig.time.step(step)
        seen = rig.time.elapse(12.5)
        change = await rig.see(sighting("t", seen))
        assert (change.outcome, change.record.round_trip) == (Outcome.ARRIVED, 12.5)


@pytest.mark.parametrize("step", STEPS)
async def test_two_processes_share_one_list_across_a_step(path: Path, step: float) -> None:
    time, other = FakeClock(BEGIN), FakeClock(BEGIN, monotonic=77.0)
    async with opened(path, time) as rig:
        beside = await Ledger.open(str(path), other.clock, exclusive=False)
        try:
            for one in (time, other):
                one.step(step)
            assert await settled(rig, "m") == {}
            assert await beside.claim("p", "m", -1, "by hand", LATE, LOST)
            await beside.record("by hand", Event.SEND_STARTED, other.now())
            await beside.record("by hand", Event.HANDED_OVER, other.now(), result=result())
            await rig.send("t")
            other.elapse(1.0)
            for one in (time, other):
                one.elapse(LOST - 2.0)
            looks = {"m": other.now()}
            assert await settled(rig, "m") == {}
            assert await beside.expire(other.now(), looks, only={"by hand", "t"}) == ()
            for one in (time, other):
                one.elapse(2.0)
            looks = {"m": other.now()}
            (mine,) = await beside.expire(other.now(), looks, only={"by hand"})
            assert (mine.record.token, mine.outcome) == ("by hand", Outcome.LOST)
            assert await settled(rig, "m") == {"t": Outcome.LOST}
            assert await beside.expire(other.now(), looks, only={"by hand", "t"}) == ()
        finally:
            await beside.close()


async def test_a_process_that_begins_after_a_step_reads_the_same_time(path: Path) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("t")
        time.step(HOUR)
        assert await settled(rig, "m") == {}
        beside = await Ledger.open(str(path), time.clock, exclusive=False)
        try:
            looks = {"m": time.now()}
            assert await beside.expire(time.now(), looks, only={"t"}) == ()
            time.elapse(LOST)
            (lost,) = await beside.expire(time.now(), {"m": time.now()}, only={"t"})
            assert lost.outcome is Outcome.LOST
        finally:
            await beside.close()


async def test_an_unreadable_mailbox_does_not_keep_another_ones_canaries_waiting(
    path: Path,
) -> None:
    async with opened(path) as rig:
        for number in range(1_500):
            await rig.ledger.claim("p", "dead", number, f"dead {number}", LATE, LOST)
            await rig.ledger.record(f"dead {number}", Event.SEND_STARTED, rig.time.now())
            await rig.ledger.record(f"dead {number}", Event.HANDED_OVER, rig.time.now())
        await rig.send("t", path="q")
        rig.time.elapse(LOST)
        assert await settled(rig, "m") == {"t": Outcome.LOST}
        rig.time.elapse(LOST * (GIVE_UP_AFTER - 1.0))
        given_up = await settled(rig, "m")
        assert set(given_up.values()) == {Outcome.UNTESTABLE}
        assert len(given_up) == 1_000
        assert len(await settled(rig, "m")) == 500


async def test_version_5_had_no_list_and_every_unsettled_canary_waits_on(path: Path) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("accepted")
        await rig.send("arrived")
        await rig.see(sighting("arrived", time.now()))
        await rig.plan("sending")
        await rig.happen("sending", Event.SEND_STARTED)
        await rig.plan("planned")
    with closing(sqlite3.connect(path)) as old, old:
        as_version_5(old)
    time.restart()
    async with opened(path, time) as rig:
        changes = {change.record.token: change.outcome for change in await rig.ledger.resume()}
        assert changes == {"planned": Outcome.UNTESTABLE, "sending": None}
        states = {record.token: record.state for record in await rig.ledger.in_flight()}
        assert states == {"accepted": State.ACCEPTED, "sending": State.UNCERTAIN}
        time.elapse(LOST - 2.0)
        assert await settled(rig, "m") == {}
        time.elapse(2.0)
        assert await settled(rig, "m") == {
            "accepted": Outcome.LOST,
            "sending": Outcome.UNTESTABLE,
        }
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("select * from waiting").fetchall() == []
