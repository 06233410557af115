"""What the ledger does with time: expiry, restarts, histories, removal, retention."""

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger.encoding import decode_finding
from exporter.ledger.ledger import Ledger
from exporter.ledger.runs import RUNS_KEPT
from exporter.ledger.waiting import GIVE_UP_AFTER
from exporter.model import Run
from probes.canary.lifecycle import Event, ImpossibleEvent, Outcome, State
from probes.mailboxes.interface import Cursor
from probes.records.reply import Reply
from probes.records.subject import Subject
from probes.result import Failure, Finding, Owner, Part, Phase, ProbeResult, Reason, Status
from tests.support.clock import FakeClock
from tests.support.ledger_rig import BEGIN, LATE, LOST, Rig, failure, opened, result, sighting


async def test_a_canary_is_lost_only_after_a_look_that_began_after_its_time(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        too_early = rig.time.elapse(LOST - 0.1)
        assert await rig.ledger.expire(too_early, {"m": too_early}) == ()
        rig.time.elapse(LOST / 2)
        assert await rig.ledger.expire(rig.time.now(), {"m": too_early}) == ()
        assert await rig.ledger.expire(rig.time.now(), {"other": rig.time.now()}) == ()
        (change,) = await rig.ledger.expire(rig.time.now(), {"m": rig.time.now()})
        assert (change.event, change.outcome) == (Event.LOOKED_IN_VAIN, Outcome.LOST)
        assert change.record.failure is not None
        assert (change.record.failure.phase, change.record.failure.reason) == (
            Phase.TRANSIT,
            Reason.LOST,
        )
        assert await rig.ledger.expire(rig.time.now(), {"m": rig.time.now()}) == ()
        back = await rig.see(sighting("t", rig.time.elapse(1.0)))
        assert back.outcome is Outcome.RECOVERED
        assert (back.record.state, back.record.outcome) == (State.RECOVERED, Outcome.LOST)
        assert back.record.is_recovered
        assert back.record.failure is None


async def test_a_mailbox_nobody_can_read_makes_canaries_untestable_and_never_lost(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        rig.time.elapse(LOST * GIVE_UP_AFTER - 1.0)
        assert await rig.ledger.expire(rig.time.now(), {}) == ()
        (change,) = await rig.ledger.expire(rig.time.elapse(2.0), {})
        assert (change.event, change.outcome) == (Event.COULD_NOT_LOOK, Outcome.UNTESTABLE)
        assert change.record.failure is not None
        assert change.record.failure.is_untestable


async def test_a_lost_canary_names_the_folders_that_were_read(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(LOST + 1.0)
        words = {"m": "no Junk folder known, folders read: INBOX", "other": "folders read: X"}
        (change,) = await rig.ledger.expire(now, {"m": now}, folders=words)
        assert change.record.failure is not None
        assert "no Junk folder known, folders read: INBOX" in change.record.failure.detail


async def test_an_untestable_canary_names_the_trouble_of_its_mailbox(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(LOST * GIVE_UP_AFTER + 1.0)
        words = {"m": "UID SEARCH was answered 'NO'"}
        (change,) = await rig.ledger.expire(now, {}, folders=words)
        assert change.record.failure is not None
        assert change.record.failure.detail.endswith("UID SEARCH was answered 'NO'")


async def test_an_untestable_canary_has_the_owner_of_its_mailbox_and_a_lost_one_has_not(
    path: Path,
) -> None:
    owners = {"m": Owner.RECEIVER_MAILBOX}
    async with opened(path) as rig:
        await rig.send("t")
        now = rig.time.elapse(LOST * GIVE_UP_AFTER + 1.0)
        (change,) = await rig.ledger.expire(now, {}, owners=owners)
        assert change.record.outcome is Outcome.UNTESTABLE
        assert change.record.failure is not None
        assert change.record.failure.owner is Owner.RECEIVER_MAILBOX
        await rig.send("u")
        now = rig.time.elapse(LOST + 1.0)
        (change,) = await rig.ledger.expire(now, {"m": now}, owners=owners)
        assert change.record.failure is not None
        assert change.record.failure.owner is not Owner.RECEIVER_MAILBOX


async def test_a_silent_sender_is_taken_for_gone_and_may_still_speak(path: Path) -> None:
    async with opened(path) as rig:
        await rig.plan("never sent")
        await rig.plan("sending")
        await rig.happen("sending", Event.SEND_STARTED)
        changes = await rig.ledger.expire(rig.time.elapse(LOST + 1.0), {"m": rig.time.now()})
        assert {(c.record.token, c.record.state, c.outcome) for c in changes} == {
            ("never sent", State.SEND_FAILED, Outcome.UNTESTABLE),
            ("sending", State.UNCERTAIN, None),
        }
        with pytest.raises(ImpossibleEvent):
            await rig.happen("never sent", Event.SEND_STARTED)
        spoken = await rig.happen("sending", Event.HANDED_OVER)
        assert spoken.record.state is State.ACCEPTED
        assert await rig.ledger.expire(rig.time.now(), {"m": rig.time.now()}) == ()
        (lost,) = await rig.ledger.expire(rig.time.elapse(LOST), {"m": rig.time.now()})
        assert lost.outcome is Outcome.LOST


async def test_many_overdue_canaries_are_settled_a_bounded_number_at_a_time(path: Path) -> None:
    async with opened(path) as rig:
        await asyncio.gather(*(rig.send(f"t{n}") for n in range(1100)))
        now = rig.time.elapse(2 * LOST + 1100.0)
        counts = [len(await rig.ledger.expire(now, {"m": now})) for _ in range(3)]
        assert counts == [1000, 100, 0]


# Restart


async def test_a_restart_never_resends_and_looks_for_what_may_have_been_sent(path: Path) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        await rig.send("accepted")
        await rig.plan("planned")
        await rig.plan("sending")
        await rig.happen("sending", Event.SEND_STARTED)
    time.restart()
    async with opened(path, time) as rig:
        changes = {change.record.token: change for change in await rig.ledger.resume()}
        assert {token: change.outcome for token, change in changes.items()} == {
            "planned": Outcome.UNTESTABLE,
            "sending": None,
        }
        assert await rig.ledger.resume() == ()
        waiting = {record.token: record.state for record in await rig.ledger.in_flight("m")}
        assert waiting == {"accepted": State.ACCEPTED, "sending": State.UNCERTAIN}
        assert await rig.ledger.in_flight("elsewhere") == ()
        time.elapse(LOST + 1.0)
        settled = await rig.ledger.expire(time.now(), {"m": time.now()})
        outcomes = {change.record.token: change.outcome for change in settled}
        assert outcomes == {"accepted": Outcome.LOST, "sending": Outcome.UNTESTABLE}
    async with opened(path, time) as rig:
        assert await rig.ledger.resume() == ()
        assert await rig.ledger.in_flight() == ()


async def test_cursors_survive(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.save_cursor("m", Cursor("INBOX", "1:5"))
        await rig.ledger.save_cursor("m", Cursor("INBOX", "1:9"))
        await rig.ledger.save_cursor("m", Cursor("Junk", "3:4294967295"))
        await rig.ledger.save_cursor("n", Cursor("INBOX", "4:4"))
    async with opened(path) as rig:
        assert await rig.ledger.cursors("m") == {
            "INBOX": Cursor("INBOX", "1:9"),
            "Junk": Cursor("Junk", "3:4294967295"),
        }
        assert await rig.ledger.cursors("unknown") == {}


async def test_the_service_settles_a_canary_whose_manual_run_went_away(path: Path) -> None:
    time = FakeClock(BEGIN)
    async with opened(path, time) as rig:
        beside = await Ledger.open(str(path), time.clock, exclusive=False)
        try:
            assert await beside.claim("p", "m", -5, "manual run", LATE, LOST)
            await beside.record("manual run", Event.SEND_STARTED, time.now())
            assert await rig.ledger.expire(time.elapse(1.0), {"m": time.now()}) == ()
            await beside.record("manual run", Event.HANDED_OVER, time.now(), result=result())
            assert await beside.claim("p", "m", -6, "settled by a manual run", LATE, LOST)
            await beside.record("settled by a manual run", Event.SEND_STARTED, time.now())
            assert await rig.ledger.expire(time.elapse(1.0), {"m": time.now()}) == ()
            copy = sighting("settled by a manual run", time.now(), position=3)
            await beside.record("settled by a manual run", Event.SEEN, time.now(), sighting=copy)
        finally:
            await beside.close()
        (change,) = await rig.ledger.expire(time.elapse(LOST + 1.0), {"m": time.now()})
        assert (change.record.token, change.outcome) == ("manual run", Outcome.LOST)


async def test_a_restart_of_the_service_does_not_disturb_a_manual_run(path: Path) -> None:
    time = FakeClock(BEGIN)
    beside = await Ledger.open(str(path), time.clock, exclusive=False)
    try:
        assert await beside.claim("p", "m", -5, "manual run", LATE, LOST)
        async with opened(path, time) as rig:
            assert await rig.ledger.resume() == ()
        change = await beside.record("manual run", Event.SEND_STARTED, time.now())
        assert change is not None
    finally:
        await beside.close()


# Runs, removal, retention


async def test_a_run_is_read_back_as_it_was_written(path: Path) -> None:
    why = Failure(
        Phase.RCPT,
        Reason.REJECTED,
        "no such user",
        Owner.RECEIVER_MX,
        False,
        Reply(550, ("no", "such user \udcff"), (5, 1, 1)),
    )
    finding = Finding("smtp.x", Status.WARNING, Subject.of("a.test"), "evidence", "RFC 5321 §4.2")
    owned = replace(finding, owner=Owner.NETWORK)
    part = Part("a.test", None, result().timings, why, (finding, owned), {"a": (1, ("b", None))})
    whole = ProbeResult(
        "mx", BEGIN, 1.5, result().timings, why, (finding,), (part,), {"x": ("y", 2.5, True)}
    )
    async with opened(path) as rig:
        await rig.ledger.add_runs([Run("job", 3, whole)])
        assert await rig.ledger.runs("job", 10) == (Run("job", 3, whole),)


def test_a_finding_of_before_there_were_owners_is_read() -> None:
    document = {"code": "a.b", "status": "info", "subject": "s", "evidence": "e", "reference": ""}
    assert decode_finding(document) == Finding("a.b", Status.INFO, Subject.of("s"), "e", "")


async def test_a_result_of_monstrous_size_is_shortened(path: Path) -> None:
    monster = ProbeResult("mx", BEGIN, 1.0, (), failure(), facts={"big": "x" * 1_000_000})
    async with opened(path) as rig:
        await rig.ledger.add_runs([Run("job", 3, monster)])
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
        await rig.ledger.add_runs(runs)
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
        now = rig.time.elapse(1.0)
        await rig.see(sighting("t", now, position=5))
        await rig.see(sighting("t", now, position=6, folder="Junk", header=b"another"))
        assert await rig.ledger.removable("m", now.utc) == (), "its keep time has not passed"
        later = rig.time.elapse(1.0).utc
        places = await removable(rig, later)
        assert places == {("t", "INBOX", 5), ("t", "Junk", 6)}
        await rig.ledger.removed(["t"], folder="INBOX")
        assert await removable(rig, later) == {("t", "Junk", 6)}
        await rig.ledger.removed(["t"])
        assert await removable(rig, later) == set()
        again = await rig.see(sighting("t", rig.time.now(), position=5))
        assert again.outcome is None, "read from the mailbox before it was gone"


async def removable(rig: Rig, before: object) -> set[tuple[str, str | None, int | None]]:
    records = await rig.ledger.removable("m", before)  # type: ignore[arg-type]
    return {(r.token, r.place.folder, r.place.position) for r in records if r.place is not None}


@pytest.mark.slow("writes thousands of rows")
async def test_old_settled_rows_are_forgotten_and_unsettled_ones_never(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("waiting")
        for n in range(2100):
            rig.ticks["p"] = n + 1
        old = [f"old{n}" for n in range(1500)]
        await asyncio.gather(*(rig.send(token) for token in old))
        now = rig.time.elapse(1.0)
        await asyncio.gather(
            *(rig.see(sighting(token, now, position=n)) for n, token in enumerate(old))
        )
        moment = rig.time.elapse(1.0).utc
        await rig.send("new")
        await rig.see(sighting("new", rig.time.elapse(1.0), position=9999))
        await rig.ledger.add_runs([Run("job", 1, result(at=moment))])
        assert await rig.ledger.forget(moment) == 1500 + RUNS_KEPT
        tokens = {record.token for record in await rig.ledger.recent("p", 5000)}
        assert tokens == {"waiting", "new"}
        assert len(await rig.ledger.runs("job", 5)) == 1
        assert await removable(rig, rig.time.elapse(1.0).utc) == {("new", "INBOX", 9999)}
        assert await rig.ledger.forget(moment) == 0


async def test_a_ledger_can_be_kept_in_memory() -> None:
    async with opened(Path(":memory:")) as rig:
        await rig.send("t")
        assert (await rig.see(sighting("t", rig.time.elapse(1.0)))).outcome is Outcome.ARRIVED


async def test_a_stepped_calendar_does_not_age_the_canary_of_a_manual_run(path: Path) -> None:
    async with opened(path) as rig:
        beside = await Ledger.open(str(path), rig.time.clock, exclusive=False)
        assert await beside.claim("p", "m", -1, "manual run", LATE, LOST)
        await beside.record("manual run", Event.SEND_STARTED, rig.time.now())
        assert await rig.ledger.expire(rig.time.now(), {"m": rig.time.now()}) == ()
        await beside.record("manual run", Event.HANDED_OVER, rig.time.elapse(1.0))
        await beside.close()
        rig.time.step(3600.0)
        assert await rig.ledger.expire(rig.time.now(), {"m": rig.time.now()}) == ()
        (lost,) = await rig.ledger.expire(rig.time.elapse(LOST), {"m": rig.time.now()})
        assert (lost.record.token, lost.outcome) == ("manual run", Outcome.LOST)
