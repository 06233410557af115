"""A process with a ledger, for tests that kill it or take its disk away.

`python -m tests.support.ledger_child kill FILE ROUND`: lives many canaries' lives and writes a
line for every step after it was awaited; runs until it is killed.
`python -m tests.support.ledger_child full FILE BALLAST`: claims until the disk is full, deletes
the ballast, goes on, and says what became of it all.
`python -m tests.support.ledger_child open FILE`: opens the ledger and says how that went.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from probes.canary.lifecycle import Event
from probes.clock import SYSTEM_CLOCK
from probes.mailboxes.interface import Place, Placement, Sighting


def say(*words: object) -> None:
    """One line, written at once and in one piece."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def lives(ledger: Ledger, name: str, numbers: Iterator[int]) -> None:
    for number in numbers:
        token = f"{name}-{number}"
        assert await ledger.claim(name, "m", number, token, 60.0, 900.0)
        say("planned", token)
        await ledger.record(token, Event.SEND_STARTED, SYSTEM_CLOCK.now())
        say("sending", token)
        await ledger.record(token, Event.HANDED_OVER, SYSTEM_CLOCK.now())
        say("accepted", token)
        now = SYSTEM_CLOCK.now()
        copy = Sighting(
            token,
            Place("INBOX", "1", str(number), number),
            Placement.INBOX,
            9,
            None,
            b"x",
            None,
            now,
        )
        change = await ledger.record(token, Event.SEEN, now, sighting=copy)
        say("arrived", token, change and change.outcome)


async def until_killed(path: str, name: str) -> None:
    ledger = await Ledger.open(path, SYSTEM_CLOCK)
    numbers = itertools.count(1)
    await asyncio.gather(*(lives(ledger, name, numbers) for _ in range(50)))


async def until_full(path: str, ballast: str) -> None:
    ledger = await Ledger.open(path, SYSTEM_CLOCK)
    claimed = 0
    try:
        for number in itertools.count(1):
            await ledger.claim("p" * 500, "m", number, f"token-{number}", 60.0, 900.0)
            claimed = number
    except LedgerError as error:
        say("full", error)
    await asyncio.to_thread(os.unlink, ballast)
    again = await ledger.claim("p" * 500, "m", claimed + 1, f"token-{claimed + 1}", 60.0, 900.0)
    await ledger.close()
    ledger = await Ledger.open(path, SYSTEM_CLOCK)
    kept = len(await ledger.recent("p" * 500, 10**6))
    await ledger.close()
    say("went on", again, kept == claimed + 1, claimed > 0)


async def open_it(path: str) -> None:
    try:
        ledger = await Ledger.open(path, SYSTEM_CLOCK)
    except LedgerError as error:
        say("error", error)
        return
    await ledger.close()
    say("opened", Path(path).name)


def main() -> None:
    what, *arguments = sys.argv[1:]
    work = {"kill": until_killed, "full": until_full, "open": open_it}[what]
    asyncio.run(work(*arguments))  # type: ignore[operator]


if __name__ == "__main__":
    main()
