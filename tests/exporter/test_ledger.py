"""A canary's life in the ledger: counted exactly once, on true time, through restarts."""

import asyncio
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger import GIVE_UP_SECONDS, MAX_COPIES, Ledger
from exporter.ledger_store import RUNS_KEPT
from exporter.model import Run
from probes.canary.lifecycle import Event, ImpossibleEvent, Outcome, State
from probes.mailboxes import Cursor, Placement
from probes.records.reply import Reply
from probes.result import Failure, Finding, Owner, Part, Phase, ProbeResult, Reason, Status
from tests.exporter.ledger_rig import (
    BEGIN,
    LATE,
    LOST,
    Hands,
    Rig,
    failure,
    opened,
    result,
    sighting,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


async def test_a_canary_that_arrives_is_counted_once_and_its_times_are_kept(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        before = rig.hands.elapse(2.0)
        seen = rig.hands.elapse(0.5)
        change = await rig.see(sighting("t", seen, not_before=before, uid=7))
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
    assert (record.placement, record.folder, record.uid_validity, record.uid) == (
        Placement.INBOX,
        "INBOX",
        1,
        7,
    )
    assert (record.planned_at, record.sending_at) == (BEGIN, BEGIN)
    assert record.accepted_at == BEGIN + timedelta(seconds=1)
    assert record.settled_at == seen.utc


async def test_a_tick_of_a_path_is_claimed_once(path: Path) -> None:
    async with opened(path) as rig:
        claims = [rig.ledger.claim("p", "m", 7, f"t{n}", LATE, LOST) for n in range(20)]
        assert sorted(await asyncio.gather(*claims)) == [False] * 19 + [True]
        assert await rig.ledger.claim("q", "m", 7, "q", LATE, LOST)
        assert await rig.ledger.claim("p", "m", 8, "p8", LATE, LOST)
        assert await rig.ledger.claim("p", "m", -8, "by hand", LATE, LOST)
        assert await rig.ledger.last_ticks() == {"p": 8, "q": 7}
    async with opened(path) as rig:
        assert not await rig.ledger.claim("p", "m", 8, "again", LATE, LOST)


async def test_a_token_we_never_issued_is_nobodys(path: Path) -> None:
    async with opened(path) as rig:
        forged = sighting("forged", rig.hands.now())
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
        now = rig.hands.now()
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
        task = asyncio.create_task(rig.ledger.record("t", Event.SEND_STARTED, rig.hands.now()))
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
        (600.0, 590.0, None, Outcome.LATE),
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
        rig.hands.elapse(took - 1.0 - (since_last_look or 0.0))
        before = rig.hands.now()
        seen = rig.hands.elapse(since_last_look or 0.0)
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
        rig.hands.step(step)
        rig.hands.elapse(2.0)
        assert await rig.ledger.expire(rig.hands.now(), {"m": rig.hands.now()}) == ()
        change = await rig.see(sighting("t", rig.hands.now(), not_before=None))
        assert change.outcome is Outcome.ARRIVED
        assert change.record.round_trip == pytest.approx(3.0)


async def test_after_a_restart_the_round_trip_goes_by_the_calendar_and_is_never_negative(
    path: Path,
) -> None:
    hands = Hands()
    async with opened(path, hands) as rig:
        await rig.send("t")
        await rig.send("u")
    hands.restart()
    hands.elapse(20.0)
    async with opened(path, hands) as rig:
        change = await rig.see(sighting("t", hands.elapse(5.0)))
        assert change.record.round_trip == pytest.approx(27.0)
    hands.step(-3600.0)
    async with opened(path, hands) as rig:
        change = await rig.see(sighting("u", hands.now()))
        assert change.record.round_trip == 0.0


async def test_a_copy_in_junk_is_counted_as_junked_and_says_whose_filter_it_was(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        junk = sighting("t", rig.hands.elapse(1.0), folder="Junk", placement=Placement.JUNK)
        change = await rig.see(junk)
        assert change.outcome is Outcome.JUNKED
        assert change.record.failure is not None
        assert change.record.failure.reason is Reason.JUNKED
        assert change.record.failure.owner is Owner.THEIR_FILTER


# Exactly once


async def test_a_copy_read_again_is_no_duplicate_not_even_after_a_restart(path: Path) -> None:
    hands = Hands()
    async with opened(path, hands) as rig:
        await rig.send("t")
        copy = sighting("t", hands.elapse(1.0), uid=5)
        assert (await rig.see(copy)).outcome is Outcome.ARRIVED
        assert (await rig.see(copy)).outcome is None
    async with opened(path, hands) as rig:
        again = await rig.see(copy)
        assert again.outcome is None
        assert again.record == await rig.ledger.find("t")


async def test_many_readers_of_one_copy_count_it_once(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        copy = sighting("t", rig.hands.elapse(1.0))
        changes = await asyncio.gather(*(rig.see(copy) for _ in range(50)))
        assert Counter(change.outcome for change in changes) == {Outcome.ARRIVED: 1, None: 49}


async def test_every_further_delivery_is_a_duplicate_once(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.hands.elapse(1.0)
        copies = [
            sighting("t", now, uid=1, header=b"Received: id 1"),
            sighting("t", now, uid=2, header=b"Received: id 2"),
            sighting("t", now, uid=3, header=b"Received: id 1"),
            sighting("t", now, uid=9, folder="Other", header=b"Received: id 9"),
            sighting("t", now, uid=10, folder="Other", header=b""),
        ]
        outcomes = [(await rig.see(copy)).outcome for copy in copies + copies]
        assert outcomes == [Outcome.ARRIVED] + [Outcome.DUPLICATED] * 4 + [None] * 5


async def test_a_mail_loop_is_not_followed_for_ever(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.hands.elapse(1.0)
        changes = [
            await rig.see(sighting("t", now, uid=uid, header=b"%d" % uid)) for uid in range(1, 40)
        ]
        outcomes = Counter(change.outcome for change in changes)
        assert outcomes[Outcome.DUPLICATED] == MAX_COPIES - 1
        rig.hands.elapse(10.0)
        assert len(await rig.ledger.removable("m", rig.hands.utc)) == MAX_COPIES


async def test_a_copy_that_was_moved_is_followed_and_not_counted(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.hands.elapse(1.0)
        await rig.see(sighting("t", now, uid=5))
        moved = await rig.see(sighting("t", now, uid=77, folder="Junk", placement=Placement.JUNK))
        assert moved.outcome is None
        record = await rig.ledger.find("t")
        assert record is not None
        assert (record.folder, record.uid) == ("Junk", 77)
        assert record.placement is Placement.INBOX, "where it was delivered"


async def test_a_folder_that_was_renumbered_brings_no_duplicates(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.hands.elapse(1.0)
        same = b"Received: the same bytes delivered twice"
        first = [sighting("t", now, uid=uid, header=same) for uid in (5, 6)]
        assert [(await rig.see(copy)).outcome for copy in first] == [
            Outcome.ARRIVED,
            Outcome.DUPLICATED,
        ]
        anew = [sighting("t", now, uid_validity=2, uid=uid, header=same) for uid in (1, 2)]
        assert [(await rig.see(copy)).outcome for copy in anew] == [None, None]


async def test_a_bounce_read_twice_is_counted_once(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.hands.elapse(1.0)
        await rig.see(sighting("t", now, uid=1))
        outcomes = []
        for uid in (2, 2, 3):
            bounce = sighting("t", now, uid=uid, header=b"From: MAILER-DAEMON %d" % uid)
            change = await rig.ledger.record("t", Event.BOUNCE_SEEN, now, sighting=bounce)
            outcomes.append(change and change.outcome)
        counted = Outcome.BOUNCED_AFTER_ARRIVAL
        assert outcomes == [counted, None, counted]
        rig.hands.elapse(10.0)
        (removable,) = await rig.ledger.removable("m", rig.hands.utc)
        assert removable.uid == 1, "a bounce is not our canary to remove"


async def test_a_bounce_settles_and_says_so(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        change = await rig.ledger.record("t", Event.BOUNCE_SEEN, rig.hands.elapse(1.0))
        assert change is not None
        assert change.outcome is Outcome.BOUNCED
        assert change.record.failure is not None
        assert change.record.failure.reason is Reason.BOUNCED


# Expiry


async def test_a_canary_is_lost_only_after_a_look_that_began_after_its_time(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        too_early = rig.hands.elapse(LOST - 0.1)
        assert await rig.ledger.expire(too_early, {"m": too_early}) == ()
        rig.hands.elapse(3600.0)
        assert await rig.ledger.expire(rig.hands.now(), {"m": too_early}) == ()
        assert await rig.ledger.expire(rig.hands.now(), {"other": rig.hands.now()}) == ()
        (change,) = await rig.ledger.expire(rig.hands.now(), {"m": rig.hands.now()})
        assert (change.event, change.outcome) == (Event.LOOKED_IN_VAIN, Outcome.LOST)
        assert change.record.failure is not None
        assert (change.record.failure.phase, change.record.failure.reason) == (
            Phase.TRANSIT,
            Reason.LOST,
        )
        assert await rig.ledger.expire(rig.hands.now(), {"m": rig.hands.now()}) == ()
        back = await rig.see(sighting("t", rig.hands.elapse(1.0)))
        assert back.outcome is Outcome.RECOVERED
        assert (back.record.state, back.record.outcome) == (State.RECOVERED, Outcome.RECOVERED)
        assert back.record.failure is None


async def test_a_mailbox_nobody_can_read_makes_canaries_untestable_and_never_lost(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        rig.hands.elapse(LOST + GIVE_UP_SECONDS - 1.0)
        assert await rig.ledger.expire(rig.hands.now(), {}) == ()
        (change,) = await rig.ledger.expire(rig.hands.elapse(2.0), {})
        assert (change.event, change.outcome) == (Event.COULD_NOT_LOOK, Outcome.UNTESTABLE)
        assert change.record.failure is not None
        assert change.record.failure.is_untestable


async def test_a_silent_sender_is_taken_for_gone_and_may_still_speak(path: Path) -> None:
    async with opened(path) as rig:
        await rig.plan("never sent")
        await rig.plan("sending")
        await rig.happen("sending", Event.SEND_STARTED)
        changes = await rig.ledger.expire(rig.hands.elapse(LOST + 1.0), {"m": rig.hands.now()})
        assert {(c.record.token, c.record.state, c.outcome) for c in changes} == {
            ("never sent", State.SEND_FAILED, Outcome.UNTESTABLE),
            ("sending", State.UNCERTAIN, None),
        }
        with pytest.raises(ImpossibleEvent):
            await rig.happen("never sent", Event.SEND_STARTED)
        spoken = await rig.happen("sending", Event.HANDED_OVER)
        assert spoken.record.state is State.ACCEPTED
        assert await rig.ledger.expire(rig.hands.now(), {"m": rig.hands.now()}) == ()
        (lost,) = await rig.ledger.expire(rig.hands.elapse(LOST), {"m": rig.hands.now()})
        assert lost.outcome is Outcome.LOST


async def test_many_overdue_canaries_are_settled_a_bounded_number_at_a_time(path: Path) -> None:
    async with opened(path) as rig:
        await asyncio.gather(*(rig.send(f"t{n}") for n in range(1100)))
        now = rig.hands.elapse(2 * LOST + 1100.0)
        counts = [len(await rig.ledger.expire(now, {"m": now})) for _ in range(3)]
        assert counts == [1000, 100, 0]


# Restart


async def test_a_restart_never_resends_and_looks_for_what_may_have_been_sent(path: Path) -> None:
    hands = Hands()
    async with opened(path, hands) as rig:
        await rig.send("accepted")
        await rig.plan("planned")
        await rig.plan("sending")
        await rig.happen("sending", Event.SEND_STARTED)
    hands.restart()
    async with opened(path, hands) as rig:
        changes = {change.record.token: change for change in await rig.ledger.resume()}
        assert {token: change.outcome for token, change in changes.items()} == {
            "planned": Outcome.UNTESTABLE,
            "sending": None,
        }
        assert await rig.ledger.resume() == ()
        waiting = {record.token: record.state for record in await rig.ledger.in_flight("m")}
        assert waiting == {"accepted": State.ACCEPTED, "sending": State.UNCERTAIN}
        assert await rig.ledger.in_flight("elsewhere") == ()
        hands.elapse(LOST + 1.0)
        lost = await rig.ledger.expire(hands.now(), {"m": hands.now()})
        assert Counter(change.outcome for change in lost) == {Outcome.LOST: 2}
    async with opened(path, hands) as rig:
        assert await rig.ledger.resume() == ()
        assert await rig.ledger.in_flight() == ()


async def test_cursors_survive(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.save_cursor("m", Cursor("INBOX", 1, 5))
        await rig.ledger.save_cursor("m", Cursor("INBOX", 1, 9))
        await rig.ledger.save_cursor("m", Cursor("Junk", 3, 2**32 - 1))
        await rig.ledger.save_cursor("n", Cursor("INBOX", 4, 4))
    async with opened(path) as rig:
        assert await rig.ledger.cursors("m") == {
            "INBOX": Cursor("INBOX", 1, 9),
            "Junk": Cursor("Junk", 3, 2**32 - 1),
        }
        assert await rig.ledger.cursors("unknown") == {}


async def test_the_service_settles_a_canary_whose_sender_by_hand_went_away(path: Path) -> None:
    hands = Hands()
    async with opened(path, hands) as rig:
        beside = await Ledger.open(str(path), hands.clock(), exclusive=False)
        try:
            assert await beside.claim("p", "m", -5, "by hand", LATE, LOST)
            await beside.record("by hand", Event.SEND_STARTED, hands.now())
            assert await rig.ledger.expire(hands.elapse(1.0), {"m": hands.now()}) == ()
            await beside.record("by hand", Event.HANDED_OVER, hands.now(), result=result())
            assert await beside.claim("p", "m", -6, "settled by hand", LATE, LOST)
            await beside.record("settled by hand", Event.SEND_STARTED, hands.now())
            assert await rig.ledger.expire(hands.elapse(1.0), {"m": hands.now()}) == ()
            copy = sighting("settled by hand", hands.now(), uid=3)
            await beside.record("settled by hand", Event.SEEN, hands.now(), sighting=copy)
        finally:
            await beside.close()
        (change,) = await rig.ledger.expire(hands.elapse(LOST + 1.0), {"m": hands.now()})
        assert (change.record.token, change.outcome) == ("by hand", Outcome.LOST)


async def test_a_restart_of_the_service_does_not_disturb_a_sender_by_hand(path: Path) -> None:
    hands = Hands()
    beside = await Ledger.open(str(path), hands.clock(), exclusive=False)
    try:
        assert await beside.claim("p", "m", -5, "by hand", LATE, LOST)
        async with opened(path, hands) as rig:
            assert await rig.ledger.resume() == ()
        change = await beside.record("by hand", Event.SEND_STARTED, hands.now())
        assert change is not None
    finally:
        await beside.close()


# Runs, removal, retention


async def test_a_run_is_read_back_as_it_was_written(path: Path) -> None:
    why = Failure(
        Phase.RCPT,
        Reason.REJECTED,
        "no such user",
        Owner.THEIR_MX,
        False,
        Reply(550, ("no", "such user \udcff"), (5, 1, 1)),
    )
    finding = Finding("smtp.x", Status.WARNING, "a.test", "evidence", "RFC 5321 §4.2")
    part = Part("a.test", None, result().timings, why, (finding,), {"a": (1, ("b", None))})
    whole = ProbeResult(
        "mx", BEGIN, 1.5, result().timings, why, (finding,), (part,), {"x": ("y", 2.5, True)}
    )
    async with opened(path) as rig:
        await rig.ledger.add_run(Run("job", 3, whole))
        assert await rig.ledger.runs("job", 10) == (Run("job", 3, whole),)


async def test_a_result_of_monstrous_size_is_shortened(path: Path) -> None:
    monster = ProbeResult("mx", BEGIN, 1.0, (), failure(), facts={"big": "x" * 1_000_000})
    async with opened(path) as rig:
        await rig.ledger.add_run(Run("job", 3, monster))
        (run,) = await rig.ledger.runs("job", 1)
    assert run.result.failure == failure()
    assert run.result.facts == {"ledger.shortened": True}
    assert await asyncio.to_thread(os.path.getsize, path) < 200_000


async def test_the_history_of_a_job_is_bounded_and_read_newest_first(path: Path) -> None:
    count = RUNS_KEPT + 50
    async with opened(path) as rig:
        runs = [
            Run("job", tick, result(at=BEGIN + timedelta(seconds=tick))) for tick in range(count)
        ]
        await asyncio.gather(*(rig.ledger.add_run(run) for run in runs))
        assert await rig.ledger.runs("job", 3) == (runs[-1], runs[-2], runs[-3])
        assert len(await rig.ledger.runs("job", 10 * count)) == RUNS_KEPT


async def test_the_canaries_of_a_path_are_read_newest_first(path: Path) -> None:
    async with opened(path) as rig:
        for n in range(5):
            await rig.send(f"t{n}")
        await rig.send("other", path="q")
        assert [record.token for record in await rig.ledger.recent("p", 3)] == ["t4", "t3", "t2"]


async def test_settled_copies_are_removable_until_they_were_removed(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("waiting")
        await rig.send("t")
        now = rig.hands.elapse(1.0)
        await rig.see(sighting("t", now, uid=5))
        await rig.see(sighting("t", now, uid=6, folder="Junk", header=b"another"))
        assert await rig.ledger.removable("m", now.utc) == (), "its keep time has not passed"
        later = rig.hands.elapse(1.0).utc
        places = await removable(rig, later)
        assert places == {("t", "INBOX", 5), ("t", "Junk", 6)}
        await rig.ledger.removed(["t"], folder="INBOX")
        assert await removable(rig, later) == {("t", "Junk", 6)}
        await rig.ledger.removed(["t"])
        assert await removable(rig, later) == set()
        again = await rig.see(sighting("t", rig.hands.now(), uid=5))
        assert again.outcome is None, "read from the mailbox before it was gone"


async def removable(rig: Rig, before: object) -> set[tuple[str, str | None, int | None]]:
    records = await rig.ledger.removable("m", before)  # type: ignore[arg-type]
    return {(record.token, record.folder, record.uid) for record in records}


async def test_old_settled_rows_are_forgotten_and_unsettled_ones_never(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("waiting")
        for n in range(2100):
            rig.ticks["p"] = n + 1
        old = [f"old{n}" for n in range(1500)]
        await asyncio.gather(*(rig.send(token) for token in old))
        now = rig.hands.elapse(1.0)
        await asyncio.gather(*(rig.see(sighting(token, now, uid=n)) for n, token in enumerate(old)))
        moment = rig.hands.elapse(1.0).utc
        await rig.send("new")
        await rig.see(sighting("new", rig.hands.elapse(1.0), uid=9999))
        await rig.ledger.add_run(Run("job", 1, result(at=moment)))
        assert await rig.ledger.forget(moment) == 1500 + RUNS_KEPT
        tokens = {record.token for record in await rig.ledger.recent("p", 5000)}
        assert tokens == {"waiting", "new"}
        assert len(await rig.ledger.runs("job", 5)) == 1
        assert await removable(rig, rig.hands.elapse(1.0).utc) == {("new", "INBOX", 9999)}
        assert await rig.ledger.forget(moment) == 0


async def test_a_ledger_can_be_kept_in_memory() -> None:
    async with opened(Path(":memory:")) as rig:
        await rig.send("t")
        assert (await rig.see(sighting("t", rig.hands.elapse(1.0)))).outcome is Outcome.ARRIVED
