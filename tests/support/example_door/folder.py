"""Route and mailbox `folder`: a message is a file, written by one and found by the other."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probes.canary.message import Canary, recognise
from probes.mailboxes.interface import (
    Content,
    Cursor,
    Following,
    Interest,
    Look,
    Message,
    Place,
    Placement,
    Report,
    Sighting,
)
from probes.net import Net
from probes.options import Seconds, option
from probes.registry.row_types import MailboxKind, RouteKind
from probes.result import Handover, HandoverState, Phase, ProbeFailure, Reason
from probes.tasks import TaskSet
from probes.trace import Trace


@dataclass(frozen=True, slots=True)
class FolderRoute:
    """Messages are written into a folder."""

    folder: str = option("The folder.")


@dataclass(frozen=True, slots=True)
class FolderMailbox:
    """Messages are found in a folder."""

    folder: str = option("The folder.")
    poll: Seconds = option("Pause between looks.", Seconds(0.02))


async def hand_over(net: Net, target: FolderRoute, canary: Canary, trace: Trace) -> None:
    """Write the message under a name that is complete from the start."""
    folder = Path(target.folder)
    with trace.phase(Phase.END_OF_DATA):
        try:
            partial = folder / f".{canary.token}"
            partial.write_bytes(canary.content)
            partial.rename(folder / f"{canary.token}.eml")
        except OSError as error:
            raise ProbeFailure(Reason.REFUSED, str(error)) from error
    trace.handover = Handover(HandoverState.HANDED_OVER)


async def watch(
    net: Net,
    target: FolderMailbox,
    interest: Interest,
    cursors: Mapping[str, Cursor],
    report: Report,
) -> None:
    """Look again and again; give the messages that are wanted."""
    await report(Following(frozenset({target.folder})))
    async with TaskSet() as tasks:
        tasks.start(_look(net, target, interest, report))
        tasks.start(_read(target, interest, report))


async def _look(net: Net, target: FolderMailbox, interest: Interest, report: Report) -> None:
    seen: set[str] = set()
    before = None
    while True:
        began = net.clock.now()
        for file in await asyncio.to_thread(_files, target):
            header = file.read_bytes().partition(b"\r\n\r\n")[0]
            token = recognise(header)
            if token is not None and file.name not in seen:
                place, size = Place(target.folder, "", file.name), file.stat().st_size
                await report(
                    Sighting(
                        *(token, place, Placement.INBOX, size, None, header),
                        not_before=before,
                        seen=net.clock.now(),
                    )
                )
            seen.add(file.name)
        await report(Look(target.folder, Placement.INBOX, began, net.clock.now()))
        before = began
        with suppress(TimeoutError):
            async with asyncio.timeout(target.poll):
                await interest.changed.wait()
                interest.changed.clear()


def _files(target: FolderMailbox) -> list[Path]:
    return sorted(Path(target.folder).glob("*.eml"))


async def _read(target: FolderMailbox, interest: Interest, report: Report) -> None:
    while True:
        message = await interest.next_copy()
        async with interest.room:
            await report(_content(target, message))


def _content(target: FolderMailbox, message: Message) -> Content:
    file = Path(target.folder, message.place.id)
    if file.exists():
        return Content(message, file.read_bytes())
    return Content(message, None, why="it is gone")


async def remove(*_: object) -> frozenset[str]:
    """Nothing is ever removed."""
    return frozenset()


ROUTE = RouteKind(
    FolderRoute,
    hand_over,
    host=lambda target, canary: "localhost",
    phases=(Phase.END_OF_DATA,),
)
MAILBOX = MailboxKind(
    FolderMailbox,
    watch,
    remove,
    keep=lambda target: None,
    host=lambda target: "localhost",
    trusted_authserv_ids=lambda target: (),
)
