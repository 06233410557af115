"""The whole course: lives that end at random, one that is left in peace, then the proof."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from signal import SIGTERM

from tests.integration.nothing_lost import proof
from tests.integration.nothing_lost.mailbox import Snapshot, flag_foreign, post_foreign, snapshot
from tests.integration.nothing_lost.plan import LOST_AFTER, config_text
from tests.integration.nothing_lost.rig import Life, Rig

SNAPSHOT_EVERY = 20
LONGEST_REST = LOST_AFTER * 3


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in one course. `most_in_flight` is the most that was found after a life."""

    kills: int
    deaths: Mapping[str, int]
    canaries: int
    given: int
    outcomes: Mapping[str, int]
    most_in_flight: int
    removed: int
    seconds: float


async def run(
    folder: Path, *, kills: int, seed: int, longest: float = 1.2, given: int = 0
) -> Figures:
    """Kill a service `kills` times, then prove that nothing was lost. Raises AssertionError.

    On a busy machine few canaries get out between two kills: the service is then killed more often,
    after longer lives, until servers were given `given` of them.
    """
    began, rng = time.monotonic(), Random(seed)
    async with Rig.up(folder) as rig:
        await post_foreign(rig.access, "first")
        await flag_foreign(rig.access)
        foreign, most = await snapshot(rig.access), 0
        for number in count(1):
            if number > kills and len(proof.read_book(rig.world_log).tokens) >= given:
                break
            await rig.live(rng, longest=longest if number <= kills else 3 * longest)
            most = max(most, proof.unsettled(rig.ledger) if rig.ledger.exists() else 0)
            if number % SNAPSHOT_EVERY == 0:
                await post_foreign(rig.access, f"after {number}")
                foreign = await snapshot(rig.access) | foreign
        last = await rest(rig)
        after = await snapshot(rig.access)
        return prove(rig, last, foreign, after, most, time.monotonic() - began)


async def rest(rig: Rig) -> Life:
    """A life that sends nothing new and lasts until all is settled."""
    rig.config.write_text(config_text(rig.access, rig.ledger, rig.port, every="10d"))
    life = await rig.be_born("rest")
    async with asyncio.timeout(LONGEST_REST):
        while await _is_busy(rig, life):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.2)
    await asyncio.sleep(0.2)
    await rig.scrape(life)
    await rig.die(life, SIGTERM)
    assert life.status == 0
    return life


async def _is_busy(rig: Rig, life: Life) -> bool:
    return await rig.scrape(life) is None or proof.unsettled(rig.ledger) > 0


def prove(
    rig: Rig, last: Life, before: Snapshot, after: Snapshot, most_in_flight: int, seconds: float
) -> Figures:
    """Every sentence of `proof`, then the figures."""
    rows, book = proof.read_ledger(rig.ledger), proof.read_book(rig.world_log)
    proof.nothing_was_sent_twice(book)
    proof.what_was_given_is_written_down(rows, book)
    proof.each_is_settled_as_it_went(rows, book)
    proof.each_was_told_once(rows, rig.service_log)
    proof.counters_count_each_once(rows, rig.lives)
    proof.last_life_counted_all(rows, last)
    proof.nothing_foreign_changed(before, after, rows)
    proof.the_mailbox_holds_what_was_delivered(after, rows, book, time.time())
    assert "Traceback" not in rig.service_log.read_text()
    present = {stored.token for stored in after.values()}
    return Figures(
        kills=len(rig.lives) - 1,
        deaths=dict(Counter(life.death for life in rig.lives)),
        canaries=len(rows),
        given=len(book.tokens),
        outcomes=dict(Counter(str(row.outcome) for row in rows.values())),
        most_in_flight=most_in_flight,
        removed=len(book.delivered.keys() - present),
        seconds=seconds,
    )
