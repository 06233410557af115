"""Which canary overtook which: only what is certain is called out of order."""

from pathlib import Path

import pytest

from probes.canary.lifecycle import Event, Outcome
from probes.clock import Instant
from tests.support.ledger_rig import LOST, Rig, opened, sighting

OVERTAKEN = (Outcome.OUT_OF_ORDER,)


async def two_sent(rig: Rig) -> None:
    """`a`, then `b` after `a` had been accepted."""
    await rig.send("a")
    rig.time.elapse(5.0)
    await rig.send("b")


async def beside(rig: Rig, token: str, **where: object) -> tuple[Outcome, ...]:
    """See a copy now; what it is counted as beside its outcome."""
    return (await rig.see(sighting(token, rig.time.now(), **where))).beside  # type: ignore[arg-type]


async def test_a_canary_that_comes_after_a_later_one_is_out_of_order(path: Path) -> None:
    async with opened(path) as rig:
        await two_sent(rig)
        rig.time.elapse(1.0)
        assert await beside(rig, "b", uid=1) == ()
        rig.time.elapse(1.0)
        change = await rig.see(sighting("a", rig.time.now(), uid=2))
        assert (change.outcome, change.beside) == (Outcome.ARRIVED, OVERTAKEN)


async def test_canaries_that_come_in_their_order_are_not(path: Path) -> None:
    async with opened(path) as rig:
        await two_sent(rig)
        for uid, token in enumerate("ab", 1):
            rig.time.elapse(1.0)
            assert await beside(rig, token, uid=uid) == ()


async def test_of_two_found_by_one_look_the_folder_knows_the_order(path: Path) -> None:
    async with opened(path) as rig:
        await two_sent(rig)
        rig.time.elapse(1.0)
        assert await beside(rig, "b", uid=2) == ()
        assert await beside(rig, "a", uid=1) == ()
        await rig.send("c")
        await rig.send("d")
        assert await beside(rig, "d", uid=3) == ()
        assert await beside(rig, "c", uid=4) == OVERTAKEN


@pytest.mark.parametrize(("looked", "expected"), [(True, OVERTAKEN), (False, ())])
async def test_in_another_folder_only_a_look_that_missed_it_proves_the_order(
    path: Path,
    looked: bool,  # noqa: FBT001 - a parameter of the test
    expected: tuple[Outcome, ...],
) -> None:
    async with opened(path) as rig:
        await two_sent(rig)
        earlier = rig.time.now()
        rig.time.elapse(1.0)
        assert await beside(rig, "b", uid=9) == ()
        missed: Instant = rig.time.elapse(1.0) if looked else earlier
        rig.time.elapse(1.0)
        assert await beside(rig, "a", uid=1, folder="Junk", not_before=missed) == expected


async def test_sendings_that_overlapped_have_no_order(path: Path) -> None:
    async with opened(path) as rig:
        for token in "ab":
            await rig.plan(token)
            await rig.happen(token, Event.SEND_STARTED)
        for token in "ba":
            rig.time.elapse(1.0)
            await rig.happen(token, Event.HANDED_OVER)
        assert await beside(rig, "b", uid=1) == ()
        assert await beside(rig, "a", uid=2) == ()


async def test_a_calendar_set_back_makes_no_order(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("a")
        rig.time.step(-3600.0)
        await rig.send("b")
        rig.time.elapse(1.0)
        assert await beside(rig, "a", uid=1) == ()
        assert await beside(rig, "b", uid=2) == ()


async def test_another_path_is_not_overtaken(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("a", path="p")
        rig.time.elapse(1.0)
        await rig.send("b", path="q")
        assert await beside(rig, "b", uid=1) == ()
        assert await beside(rig, "a", uid=2) == ()


async def test_one_that_was_lost_and_is_found_again_is_recovered_and_out_of_order(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await two_sent(rig)
        assert await beside(rig, "b", uid=1) == ()
        now = rig.time.elapse(LOST + 1)
        assert len(await rig.ledger.expire(now, {"m": now})) == 1
        change = await rig.see(sighting("a", rig.time.elapse(1.0), uid=2))
        assert (change.outcome, change.beside) == (Outcome.RECOVERED, OVERTAKEN)
        again = await rig.see(sighting("a", rig.time.elapse(1.0), uid=3, header=b"x"))
        assert (again.outcome, again.beside) == (Outcome.DUPLICATED, ())
