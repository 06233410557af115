"""Whole messages over IMAP, on a connection of their own.

The connections that watch the folders are left alone: a message of 16 MiB, or a server that chokes
on one, delays no look and ends no watch.
"""

import asyncio
from dataclasses import replace

from probes.mailboxes.imap.gmail import sorting_of
from probes.mailboxes.imap.places import uid_of, uid_validity_of
from probes.mailboxes.interface import Content, Interest, Message, Place, Report
from probes.net import Net
from probes.net.imap import ImapSession
from probes.records.raw_message import MAX_HEADER, MAX_MESSAGE
from probes.result import Phase, ProbeFailure
from probes.sessions.imap import ImapServer, open_session, step

SLICE_OCTETS = 1024 * 1024
"""Octets that one command asks for."""

LINGER = 15.0
"""Seconds the connection stays open after a message, in case another one is wanted."""

LONGEST = 120.0
"""Seconds that one message may take, however large it is and however slow the server."""


async def fetch_copies(net: Net, server: ImapServer, interest: Interest, report: Report) -> None:
    """Answer every `interest.next_copy` with a Content, until cancelled.

    A message that cannot be read is reported so; no failure ends the fetching.
    """
    while True:
        message: Message | None = await interest.next_copy()
        reader = _Reader(net, server)
        try:
            while message is not None:
                async with interest.room:
                    await report(await reader.read(message))
                message = await _soon(interest)
        finally:
            await reader.close()


async def _soon(interest: Interest) -> Message | None:
    """The next message, None where none is wanted for a while."""
    try:
        async with asyncio.timeout(LINGER):
            return await interest.next_copy()
    except TimeoutError:
        return None


class _Reader:
    """Reads messages one after the other on a connection that is made when it is needed."""

    def __init__(self, net: Net, server: ImapServer) -> None:
        self._net = net
        self._server = server
        self._session: ImapSession | None = None
        self._folder: tuple[str, int] | None = None

    async def close(self) -> None:
        """Give the connection back, if there is one."""
        session, self._session, self._folder = self._session, None, None
        if session is not None:
            await session.close()

    async def read(self, message: Message) -> Content:
        """The message there; without it where the server does not give it."""
        kept = self._session
        try:
            return await self._read(message)
        except ProbeFailure as failure:
            await self.close()
            if kept is None or not kept.has_ended:
                return Content(message, None, why=failure.detail)
        try:  # the connection that was kept had been closed meanwhile
            return await self._read(message)
        except ProbeFailure as failure:
            await self.close()
            return Content(message, None, why=failure.detail)

    async def _read(self, message: Message) -> Content:
        place = message.place
        async with step(Phase.FETCH, LONGEST):
            session = await self._opened(place)
            if self._folder != (place.folder, uid_validity_of(place)):
                return Content(message, None, why=f"{place.folder} was numbered anew")
            content = await self._whole(session, message)
            sorting = await sorting_of(session, uid_of(place), self._server.timeout)
        if sorting is None or content.octets is None:
            return content
        return replace(content, labels=sorting.labels, category=sorting.category)

    async def _opened(self, place: Place) -> ImapSession:
        """A session in which that folder is open and up to date."""
        if self._session is None:
            self._session = await open_session(self._net, self._server)
        session = self._session
        async with step(Phase.FETCH, self._server.timeout):
            if self._folder == (place.folder, uid_validity_of(place)):
                await session.noop()  # servers show new mail only to those who ask
            else:
                self._folder = None
                opened = await session.examine(place.folder)
                self._folder = (opened.name, opened.uid_validity)
        return session

    async def _whole(self, session: ImapSession, message: Message) -> Content:
        """The sizes that servers tell are not relied on: a short answer is the message's end."""
        octets = bytearray()
        while True:
            size, some = await self._slice(session, message.place, len(octets))
            if some is None and (not octets or size != len(octets)):
                return Content(message, None, why="it is gone")
            octets += some or b""
            if max(size, len(octets)) > MAX_MESSAGE:
                return await self._header(session, message)
            if some is None or len(some) < SLICE_OCTETS:
                return Content(message, bytes(octets))

    async def _slice(
        self, session: ImapSession, place: Place, start: int
    ) -> tuple[int, bytes | None]:
        """The size of the message and some of it from `start` on; None where nothing was given."""
        async with step(Phase.FETCH, self._server.timeout):
            fetched = await session.uid_fetch(place.id, "", SLICE_OCTETS, start=start)
        ours = [one for one in fetched if one.uid == uid_of(place)]
        size = max((one.size or 0 for one in ours), default=0)
        return size, next((m.sections[""] or b"" for m in ours if "" in m.sections), None)

    async def _header(self, session: ImapSession, message: Message) -> Content:
        async with step(Phase.FETCH, self._server.timeout):
            fetched = await session.uid_fetch(message.place.id, "HEADER", MAX_HEADER)
        for one in fetched:
            header = one.sections.get("HEADER") if one.uid == uid_of(message.place) else None
            if header is not None:
                return Content(message, header, is_header_only=True)
        return Content(message, None, why="it is gone")
