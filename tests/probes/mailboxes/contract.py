"""The contract of a mailbox type: these tests hold for each of them.

A test module imports them and has a fixture `box`, a `MailboxUnderTest`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from probes.mailboxes.interface import (
    Content,
    Cursor,
    Following,
    Look,
    Message,
    Placement,
    Sighting,
    message_of,
)
from probes.net.tls import TrustStore
from probes.registry.rows import MAILBOXES
from probes.result import ProbeFailure
from tests.support.network import net
from tests.support.watching import WAIT, Told, Waiting, canary

FOREIGN = b"From: a@b.test\r\nSubject: hello\r\nMessage-ID: <x@b.test>\r\n\r\nhello\r\n"
NET = net(TrustStore())


class MailboxUnderTest(Protocol):
    """A mailbox on a server of its own, empty at first."""

    kind: str
    """Its row in `probes.registry.rows.MAILBOXES`."""
    target: Any

    async def deliver(self, content: bytes) -> None:
        """Put a message into the mailbox, where mail belongs."""

    async def marks(self) -> list[str]:
        """Every message of the mailbox with its flags, as its server tells others."""

    async def unread(self) -> int:
        """Messages of the mailbox that nobody has read."""

    async def go_away(self) -> None:
        """End the server."""


@asynccontextmanager
async def watching(
    box: MailboxUnderTest, waiting: Waiting, cursors: Mapping[str, Cursor] | None = None
) -> AsyncIterator[Told]:
    """A watch that runs meanwhile; its failure is the test's."""
    told = Told()

    async def watch() -> None:
        await MAILBOXES[box.kind].watch(NET, box.target, waiting, cursors or {}, told)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch())
        await told.until(lambda told: bool(told.of(Look)))
        yield told
        task.cancel()


def waiting_for(*tokens: str) -> Waiting:
    return Waiting(dict.fromkeys(tokens, datetime.now(UTC)), fresh=True)


def cursors_of(told: Told) -> dict[str, Cursor]:
    return {cursor.folder: cursor for cursor in told.of(Cursor)}


async def has_read(told: Told, count: int) -> None:
    """Wait until a cursor covers the `count`th sighting and a later look has ended."""
    await told.until(lambda told: len(told.of(Sighting)) >= count)
    last = told.reports.index(told.of(Sighting)[count - 1])
    await told.until(lambda told: any(isinstance(r, Cursor) for r in told.reports[last:]))
    await told.looks(2)


async def whole(told: Told, waiting: Waiting, message: Message) -> Content:
    waiting.wanted.put_nowait(message)
    await told.until(lambda told: any(c.message == message for c in told.of(Content)))
    return next(c for c in told.of(Content) if c.message == message)


async def test_a_look_a_sighting_and_then_the_cursor_are_reported(box: MailboxUnderTest) -> None:
    token, content = canary()
    async with watching(box, waiting_for(token)) as told:
        await box.deliver(FOREIGN)
        await box.deliver(content)
        sighting = await told.sighting(token)
        await has_read(told, 1)
    assert isinstance(told.reports[0], Following)
    assert {look.folder for look in told.of(Look)} <= told.reports[0].folders
    assert (sighting.placement, sighting.bounce) == (Placement.INBOX, None)
    assert sighting.header
    assert content.startswith(sighting.header)
    assert sighting.not_before is not None, "there was a look before it came"
    seen = told.reports.index(sighting)
    folder = sighting.place.folder
    assert any(isinstance(r, Look) and r.folder == folder for r in told.reports[:seen])
    assert any(isinstance(r, Cursor) and r.folder == folder for r in told.reports[seen:])


async def test_the_whole_message_is_had_as_it_was_delivered(box: MailboxUnderTest) -> None:
    token, content = canary()
    waiting = waiting_for(token)
    async with watching(box, waiting) as told:
        await box.deliver(content)
        message = message_of(await told.sighting(token))
        had = await whole(told, waiting, message)
        nowhere = Message(token, replace(message.place, epoch=f"{message.place.epoch}1"))
        gone = await whole(told, waiting, nowhere)
    assert (had.octets, had.is_header_only) == (content, False)
    assert gone.octets is None
    assert gone.why


async def test_nothing_is_marked_or_moved(box: MailboxUnderTest) -> None:
    token, content = canary()
    await box.deliver(FOREIGN)
    await box.deliver(content)
    before = await box.marks()
    waiting = waiting_for(token)
    async with watching(box, waiting) as told:
        await whole(told, waiting, message_of(await told.sighting(token)))
        await has_read(told, 1)
    assert await box.marks() == before


async def test_a_restart_goes_on_at_the_cursor(box: MailboxUnderTest) -> None:
    (first, one), (second, two), (third, three) = canary(), canary(), canary()
    waiting = waiting_for(first, second, third)
    async with watching(box, waiting) as told:
        await box.deliver(one)
        await has_read(told, 1)
    await box.deliver(two)
    async with watching(box, waiting, cursors_of(told)) as again:
        await again.sighting(second)
        await box.deliver(three)
        await has_read(again, 2)
    assert [sighting.token for sighting in told.of(Sighting)] == [first]
    assert [sighting.token for sighting in again.of(Sighting)] == [second, third]
    assert again.of(Sighting)[0].place != told.of(Sighting)[0].place


async def test_a_cursor_that_another_type_wrote_costs_no_canary(box: MailboxUnderTest) -> None:
    token, content = canary()
    await box.deliver(content)
    async with watching(box, Waiting()) as told:
        await told.until(lambda told: bool(told.of(Cursor)))
    foreign = {name: Cursor(name, "?") for name in cursors_of(told)}
    async with watching(box, waiting_for(token), foreign) as told:
        await told.sighting(token)


async def test_each_copy_is_seen_once(box: MailboxUnderTest) -> None:
    canaries = [canary() for _ in range(5)]
    async with watching(box, waiting_for(*(token for token, _ in canaries))) as told:
        for _, content in canaries:
            await box.deliver(content)
            await told.looks(1)
        await box.deliver(canaries[0][1])
        await has_read(told, 6)
    seen = told.of(Sighting)
    assert sorted(s.token for s in seen) == sorted([*(t for t, _ in canaries), canaries[0][0]])
    assert len({sighting.place for sighting in seen}) == 6
    positions = [s.place.position for s in seen if s.place.position is not None]
    assert positions in ([], sorted(positions))


async def test_only_our_own_canaries_are_removed(box: MailboxUnderTest) -> None:
    (ours, content), (other, kept), (absent, _) = canary(), canary(), canary()
    await box.deliver(FOREIGN)
    async with watching(box, waiting_for(ours, other)) as told:
        await box.deliver(content)
        await box.deliver(kept)
        mine, others = await told.sighting(ours), await told.sighting(other)
    assert await box.unread() == 3
    remove, place = MAILBOXES[box.kind].remove, mine.place
    named = {place.id: ours, others.place.id: absent}
    gone = await remove(NET, box.target, place.folder, place.epoch, named)
    assert gone == {ours}
    assert len(await box.marks()) == await box.unread() == 2
    async with watching(box, waiting_for(ours, other)) as told:
        await told.sighting(other)
    assert [sighting.token for sighting in told.of(Sighting)] == [other]


async def test_a_mailbox_that_cannot_be_reached_is_a_failure(box: MailboxUnderTest) -> None:
    await box.go_away()
    with pytest.raises(ProbeFailure):
        async with asyncio.timeout(WAIT):
            await MAILBOXES[box.kind].watch(NET, box.target, Waiting(), {}, Told())
