"""A canary's life in the ledger: counted exactly once, on true time, through restarts."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger.recorder import MAX_COPIES
from exporter.model import Run
from probes.canary.lifecycle import Event, ImpossibleEvent, Outcome, State
from probes.mailboxes.interface import Place, Placement
from probes.result import Failure, Owner, Phase, Reason
from tests.support.clock import FakeClock
from tests.support.ledger_rig import BEGIN, LATE, LOST, failure, opened, result, sighting


async def test_a_canary_that_arrives_is_counted_once_and_its_times_are_kept(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        before = rig.time.elapse(2.0)
        seen = rig.time.elapse(0.5)
        change = await rig.see(sighting("t", seen, not_before=before, position=7))
        assert (change.event, change.outcome, change.at) == (
            Event.SEEN,
            Outcome.ARRIVED,
            seen.utc,
        )
        record = await rig.ledger.find("t")
        assert record == change.record
    assert (record.state, record.outcome, record.failure) == (
        State.ARRIVED,
        Outcome.ARRIVED,
        None,
    )
    assert record.round_trip == pytest.approx(3.5)
    assert record.resolution == pytest.approx(0.5)
    assert (record.placement, record.place) == (Placement.INBOX, Place("INBOX", "1", "7"))
    assert record.place is not None
    assert record.place.position == 7
    assert (record.planned_at, record.sending_at) == (BEGIN, BEGIN)
    assert record.accepted_at == BEGIN + timedelta(seconds=1)
    assert record.settled_at == seen.utc


async def test_a_tick_of_a_path_is_claimed_once(path: Path) -> None:
    async with opened(path) as rig:
        claims = [rig.ledger.claim("p", "m", 7, f"t{n}", LATE, LOST) for n in range(20)]
        assert sorted(await asyncio.gather(*claims)) == [False] * 19 + [True]
        assert await rig.ledger.claim("q", "m", 7, "q", LATE, LOST)
        assert await rig.ledger.claim("p", "m", 8, "p8", LATE, LOST)
        assert await rig.ledger.claim("p", "m", -8, "manual run", LATE, LOST)
        assert await rig.ledger.last_ticks() == {"p": 8, "q": 7}
    async with opened(path) as rig:
        assert not await rig.ledger.claim("p", "m", 8, "again", LATE, LOST)


async def test_a_token_we_never_issued_is_nobodys(path: Path) -> None:
    async with opened(path) as rig:
        forged = sighting("forged", rig.time.now())
        change = await rig.ledger.record("forged", Event.SEEN, forged.seen, sighting=forged)
        assert change is None
        assert await rig.ledger.find("forged") is None


@pytest.mark.parametrize(
    ("event", "why", "state", "outcome"),
    [
        (Event.REFUSED_FOR_GOOD, failure(), State.REJECTED, Outcome.REJECTED),
        (Event.REFUSED_FOR_NOW, failure(), State.DEFERRED, Outcome.DEFERRED),
        (Event.SEND_BROKE, failure(Phase.EHLO), State.SEND_FAILED, Outcome.SEND_FAILED),
        (Event.COULD_NOT_SEND, failure(Phase.AUTH), State.SEND_FAILED, Outcome.UNTESTABLE),
        (Event.OUTCOME_UNKNOWN, failure(Phase.END_OF_DATA), State.UNCERTAIN, None),
    ],
)
async def test_how_a_sending_ended_is_kept_with_its_failure_and_its_run(
    path: Path, event: Event, why: Failure, state: State, outcome: Outcome | None
) -> None:
    async with opened(path) as rig:
        await rig.plan("t")
        await rig.happen("t", Event.SEND_STARTED)
        change = await rig.happen("t", event, why=why)
        assert (change.record.state, change.outcome) == (state, outcome)
        assert (await rig.ledger.find("t")) == change.record
        assert change.record.failure == why
        assert (await rig.ledger.runs("p", 5)) == (Run("p", 1, result(why)),)


async def test_an_event_that_cannot_happen_is_an_error_and_changes_nothing(path: Path) -> None:
    async with opened(path) as rig:
        await rig.plan("t")
        with pytest.raises(ImpossibleEvent):
            await rig.happen("t", Event.HANDED_OVER)
        record = await rig.ledger.find("t")
        assert record is not None
        assert record.state is State.PLANNED
        assert await rig.ledger.runs("p", 5) == ()


async def test_one_callers_error_does_not_touch_the_others_of_its_transaction(path: Path) -> None:
    async with opened(path) as rig:
        for n in range(50):
            await rig.plan(f"t{n}")
        events = [Event.SEEN if n % 10 == 0 else Event.SEND_STARTED for n in range(50)]
        now = rig.time.now()
        answers = await asyncio.gather(
            *(
                rig.ledger.record(f"t{n}", event, now, sighting=sighting(f"t{n}", now))
                if event is Event.SEEN
                else rig.ledger.record(f"t{n}", event, now)
                for n, event in enumerate(events)
            ),
            return_exceptions=True,
        )
        errors = [n for n, answer in enumerate(answers) if isinstance(answer, ImpossibleEvent)]
        assert errors == [0, 10, 20, 30, 40]
        states = Counter(record.state for record in await rig.ledger.recent("p", 100))
        assert states == {State.SENDING: 45, State.PLANNED: 5}


async def test_a_caller_that_is_cancelled_leaves_a_ledger_that_works(path: Path) -> None:
    async with opened(path) as rig:
        await rig.plan("t")
        task = asyncio.create_task(rig.ledger.record("t", Event.SEND_STARTED, rig.time.now()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        record = await rig.ledger.find("t")
        assert record is not None
        assert record.state is State.SENDING


# Late, junk, and what the clocks say


@pytest.mark.parametrize(
    ("took", "since_last_look", "dated", "outcome"),
    [
        (59.0, 1.0, None, Outcome.ARRIVED),
        (90.0, 1.0, None, Outcome.LATE),
        (90.0, 1.0, 5.0, Outcome.LATE),
        (600.0, 590.0, 5.0, Outcome.ARRIVED),
        (600.0, 590.0, 300.0, Outcome.LATE),
        (600.0, 590.0, None, Outcome.ARRIVED),
        (600.0, 590.0, 4000.0, Outcome.ARRIVED),
        (600.0, None, None, Outcome.ARRIVED),
        (600.0, None, 300.0, Outcome.LATE),
        (600.0, None, 5.0, Outcome.ARRIVED),
    ],
)
async def test_late_is_what_the_path_took_and_not_what_our_looking_took(
    path: Path,
    took: float,
    since_last_look: float | None,
    dated: float | None,
    outcome: Outcome,
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        rig.time.elapse(took - 1.0 - (since_last_look or 0.0))
        before = rig.time.now()
        seen = rig.time.elapse(since_last_look or 0.0)
        change = await rig.see(
            sighting(
                "t",
                seen,
                not_before=None if since_last_look is None else before,
                internal_date=None if dated is None else BEGIN + timedelta(seconds=dated),
            )
        )
        assert change.outcome is outcome
        assert change.record.round_trip == pytest.approx(took)
        assert change.record.resolution == pytest.approx(since_last_look or took)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
async def test_setting_the_calendar_changes_no_round_trip_and_loses_nothing(
    path: Path, step: float
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        rig.time.step(step)
        rig.time.elapse(2.0)
        assert await rig.ledger.expire(rig.time.now(), {"m": rig.time.now()}) == ()
        change = await rig.see(sighting("t", rig.time.now(), not_before=None))
        assert change.outcome is Outcome.ARRIVED
        assert change.record.round_trip == pytest.approx(3.0)


async def test_after_a_restart_the_round_trip_goes_by_the_calendar_and_is_never_negative(
    path: Path,
) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("t")
        await rig.send("u")
    time.restart()
    time.elapse(20.0)
    async with opened(path, time) as rig:
        change = await rig.see(sighting("t", time.elapse(5.0)))
        assert change.record.round_trip == pytest.approx(27.0)
    time.step(-3600.0)
    async with opened(path, time) as rig:
        change = await rig.see(sighting("u", time.now()))
        assert change.record.round_trip == 1.0  # as long as the sending took


async def test_a_copy_in_junk_is_counted_as_junked_and_says_whose_filter_it_was(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        junk = sighting("t", rig.time.elapse(1.0), folder="Junk", placement=Placement.JUNK)
        change = await rig.see(junk)
        assert change.outcome is Outcome.JUNKED
        assert change.record.failure is not None
        assert change.record.failure.reason is Reason.JUNKED
        assert change.record.failure.owner is Owner.RECEIVER_FILTER


# Exactly once


async def test_a_copy_read_again_is_no_duplicate_not_even_after_a_restart(path: Path) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("t")
        copy = sighting("t", time.elapse(1.0), position=5)
        assert (await rig.see(copy)).outcome is Outcome.ARRIVED
        assert (await rig.see(copy)).outcome is None
    async with opened(path, time) as rig:
        again = await rig.see(copy)
        assert again.outcome is None
        assert again.record == await rig.ledger.find("t")


async def test_many_readers_of_one_copy_count_it_once(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        copy = sighting("t", rig.time.elapse(1.0))
        changes = await asyncio.gather(*(rig.see(copy) for _ in range(50)))
        assert Counter(change.outcome for change in changes) == {Outcome.ARRIVED: 1, None: 49}


async def test_every_further_delivery_is_a_duplicate_once(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(1.0)
        copies = [
            sighting("t", now, position=1, header=b"Received: id 1"),
            sighting("t", now, position=2, header=b"Received: id 2"),
            sighting("t", now, position=3, header=b"Received: id 1"),
            sighting("t", now, position=9, folder="Other", header=b"Received: id 9"),
            sighting("t", now, position=10, folder="Other", header=b""),
        ]
        outcomes = [(await rig.see(copy)).outcome for copy in copies + copies]
        assert outcomes == [Outcome.ARRIVED] + [Outcome.DUPLICATED] * 4 + [None] * 5


async def test_a_mail_loop_is_not_followed_for_ever(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(1.0)
        changes = [
            await rig.see(sighting("t", now, position=uid, header=b"%d" % uid))
            for uid in range(1, 40)
        ]
        outcomes = Counter(change.outcome for change in changes)
        assert outcomes[Outcome.DUPLICATED] == MAX_COPIES - 1
        rig.time.elapse(10.0)
        assert len(await rig.ledger.removable("m", rig.time.utc)) == MAX_COPIES


async def test_a_copy_that_was_moved_is_followed_and_not_counted(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(1.0)
        await rig.see(sighting("t", now, position=5))
        moved = await rig.see(
            sighting("t", now, position=77, folder="Junk", placement=Placement.JUNK)
        )
        assert moved.outcome is None
        record = await rig.ledger.find("t")
        assert record is not None
        assert record.place == Place("Junk", "1", "77")
        assert record.placement is Placement.INBOX, "where it was delivered"


async def test_a_folder_that_was_renumbered_brings_no_duplicates(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(1.0)
        same = b"Received: the same bytes delivered twice"
        first = [sighting("t", now, position=uid, header=same) for uid in (5, 6)]
        assert [(await rig.see(copy)).outcome for copy in first] == [
            Outcome.ARRIVED,
            Outcome.DUPLICATED,
        ]
        anew = [sighting("t", now, epoch=2, position=uid, header=same) for uid in (1, 2)]
        assert [(await rig.see(copy)).outcome for copy in anew] == [None, None]


async def test_a_bounce_read_twice_is_counted_once(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(1.0)
        await rig.see(sighting("t", now, position=1))
        outcomes = []
        for uid in (2, 2, 3):
            bounce = sighting("t", now, position=uid, header=b"From: MAILER-DAEMON %d" % uid)
            change = await rig.ledger.record("t", Event.BOUNCE_SEEN, now, sighting=bounce)
            outcomes.append(change and change.outcome)
        counted = Outcome.BOUNCED_AFTER_ARRIVAL
        assert outcomes == [counted, None, counted]
        rig.time.elapse(10.0)
        (removable,) = await rig.ledger.removable("m", rig.time.utc)
        assert removable.place == Place("INBOX", "1", "1"), "a bounce is not our canary to remove"


async def test_a_bounce_settles_and_says_so(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        change = await rig.ledger.record("t", Event.BOUNCE_SEEN, rig.time.elapse(1.0))
        assert change is not None
        assert change.outcome is Outcome.BOUNCED
        assert change.record.failure is not None
        assert change.record.failure.reason is Reason.BOUNCED


async def test_a_notice_of_delay_settles_nothing_and_counts_once(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        outcomes = []
        for uid in (1, 1, 2):
            now = rig.time.elapse(1.0)
            notice = sighting("t", now, position=uid, header=b"From: MAILER-DAEMON %d" % uid)
            change = await rig.ledger.record("t", Event.DELAY_SEEN, now, sighting=notice)
            assert change is not None
            outcomes.append(change.outcome)
            assert change.record.state is State.ACCEPTED
        assert outcomes == [Outcome.DELAYED, None, Outcome.DELAYED]
        assert len(await rig.ledger.in_flight("m")) == 1
        arrival = await rig.see(sighting("t", rig.time.elapse(1.0), position=3))
        assert arrival.outcome is Outcome.ARRIVED


async def test_no_flood_of_notices_keeps_a_bounce_from_settling(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(1.0)
        for uid in range(1, MAX_COPIES + 9):
            notice = sighting("t", now, position=uid, header=b"delayed %d" % uid)
            await rig.ledger.record("t", Event.DELAY_SEEN, now, sighting=notice)
        bounce = sighting("t", now, position=99, header=b"failed")
        change = await rig.ledger.record("t", Event.BOUNCE_SEEN, now, sighting=bounce)
        assert change is not None
        assert change.outcome is Outcome.BOUNCED
