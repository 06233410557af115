"""Watching one folder on one IMAP connection.

The folder is opened with EXAMINE and read with BODY.PEEK: nothing in it changes. A look is a NOOP
and one FETCH of the new messages; servers show new mail only when asked. Between looks the
connection waits for a moment while a canary is fresh, and else in IDLE.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from probes.canary.bounce import bounced_token
from probes.canary.message import MARKER, recognise, recognise_body
from probes.clock import Clock, Instant
from probes.mailboxes.imap import places
from probes.mailboxes.interface import (
    Cursor,
    Interest,
    Look,
    Placement,
    Remark,
    Report,
    Sighting,
)
from probes.net.errors import NetError
from probes.net.imap import Folder, ImapSession, quote, uid_set
from probes.net.imap_dialogue import Refused
from probes.records.bounces.values import Bounce
from probes.records.imap.responses import Fetch
from probes.result import Phase, ProbeFailure, Reason
from probes.sessions.imap import placed, step
from probes.tasks import TaskSet

CHUNK = 100
"""Messages in one FETCH of headers."""

SLICE = 1000
"""Of a crowd of more than CHUNK messages, so many are searched for our marker by one command: a
server that reads them all from disk answers in time, and the cursor moves on with every answer."""

UNSEARCHED = 20
"""Messages whose text is fetched at once where the server cannot search texts."""

HEADER_OCTETS = 64 * 1024
TEXT_OCTETS = 64 * 1024

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait between looks, in seconds, and for one answer.

    `fast` while a canary is fresh, `slow` while one is in flight or where IDLE is missing, `idle`
    while no canary is awaited. Never less than `least`, however often the server reports news.
    """

    least: float
    fast: float
    slow: float
    idle: float
    answer: float


TOLD_TOGETHER = 100
"""Sightings that are reported at a time."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """At `at`, the server had said that there are `exists` messages, `expunged` having gone."""

    exists: int
    expunged: int
    at: Instant


class _Ours(NamedTuple):
    """Which canary a message is, or is a bounce about."""

    token: str
    bounce: Bounce | None = None


class FolderWatch:
    """Follows one folder from its cursor on; `run` ends only by an exception."""

    def __init__(
        self,
        name: str,
        placement: Placement,
        pace: Pace,
        clock: Clock,
        interest: Interest,
        report: Report,
        cursor: Cursor | None,
    ) -> None:
        self.name = name
        self.placement = placement
        self._pace = pace
        self._clock = clock
        self._interest = interest
        self._report = report
        self._cursor = cursor
        self._session: ImapSession | None = None
        self._wake = asyncio.Event()
        self._can_idle = True
        self._uid_validity = 0
        self._last_uid = 0
        self._known = 0
        self._counted = 0
        self._not_before: Instant | None = None

    @property
    def next_uid(self) -> int:
        """The lowest UID that has not been read."""
        return self._last_uid + 1

    def wake(self) -> None:
        """Look now: the interest has changed."""
        self._wake.set()
        if self._session is not None:
            self._session.interrupt()

    async def open(self, session: ImapSession, *, again: bool = False) -> None:
        """Open the folder on `session` and look for the first time.

        With `again` it was open before, and another folder since. As long as its UIDs hold, a
        message absent at the look before is known to have come after it.
        """
        self._session = session
        began = self._clock.now()
        async with step(Phase.FETCH, self._pace.answer):
            folder = await session.examine(self.name)
            self._can_idle = "IDLE" in await session.known_capabilities()
        self._known = session.changes
        self._counted = folder.exists + session.expunged
        if not again or folder.uid_validity != self._uid_validity:
            self._not_before = None
        self._uid_validity = folder.uid_validity
        await self._first_read(session, folder)
        await self._tell([], began)

    async def look(self) -> None:
        """One look, and its reports. A changed UIDVALIDITY opens the folder anew."""
        session = self._opened()
        self._wake.clear()
        began = self._clock.now()
        marks = [self._mark(session, began)]
        async with step(Phase.FETCH, self._pace.answer):
            await session.noop()
        found: list[Sighting] = []
        if session.changes != self._known and session.uid_validity == self._uid_validity:
            marks.append(self._mark(session, self._clock.now()))
            found = await self._read_new(session, marks)
        if session.uid_validity != self._uid_validity:  # RFC 3501 §2.3.1.1: every UID is void
            self._cursor = None
            await self.open(session)
            return
        await self._tell(found, began)

    async def wait(self) -> None:
        """Until the next look is due: soon, when something was said since the last one."""
        session = self._opened()
        if session.changes == self._known and not self._wake.is_set():
            await self._wait_for_news(session)
        await asyncio.sleep(self._until(self._pace.least))

    async def _wait_for_news(self, session: ImapSession) -> None:
        if self._interest.is_fresh() and self.placement is Placement.INBOX:
            await asyncio.sleep(self._until(self._pace.fast))
        elif self._can_idle:
            await self._idle(session)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._wake.wait()

    def _opened(self) -> ImapSession:
        if self._session is None:
            raise RuntimeError(f"{self.name} was not opened")
        return self._session

    def _until(self, seconds: float) -> float:
        """Return the seconds that remain of `seconds` since the last look began."""
        if self._not_before is None:
            return 0
        return max(0.0, self._not_before.monotonic + seconds - self._clock.monotonic())

    def _patience(self) -> float:
        if self._interest.is_fresh():
            return self._pace.fast
        return self._pace.slow if self._interest.tokens() or not self._can_idle else self._pace.idle

    async def _idle(self, session: ImapSession) -> None:
        try:
            await session.idle(self._known, self._patience())
        except ProbeFailure as failure:
            is_refused = failure.reason in (Reason.REJECTED, Reason.UNEXPECTED_REPLY)
            if isinstance(failure, NetError) or not is_refused:
                raise placed(failure, Phase.FETCH) from failure.__cause__
            self._can_idle = False  # it offers IDLE and will not do it: ask instead

    # Reading

    async def _first_read(self, session: ImapSession, folder: Folder) -> None:
        read = None if self._cursor is None else places.read_cursor(self._cursor)
        if read is not None and read[0] == folder.uid_validity:
            self._last_uid = read[1]
            if folder.uid_next is None or folder.uid_next > self._last_uid + 1:
                await self._read_since(session, [self._mark(session, self._clock.now())])
            return
        self._last_uid = 0
        newest = await self._newest(session, folder)
        tokens = self._interest.tokens()
        if tokens:
            # RFC 3501 §6.4.4: SINCE disregards time and zone, hence a day's margin
            since = min(tokens.values()).astimezone(UTC) - timedelta(days=1)
            uids = await self._search(session, f"SINCE {_date(since)}")
            if uids is None:
                uids = await self._listed(session, f"{max(1, newest - SLICE + 1)}:{max(1, newest)}")
            marks = [self._mark(session, self._clock.now())]
            await self._read_slices(session, [uid for uid in uids if uid <= newest], marks)
        self._last_uid = newest

    async def _newest(self, session: ImapSession, folder: Folder) -> int:
        if folder.uid_next is not None:
            return folder.uid_next - 1
        if folder.exists == 0:
            return 0
        uids = await self._search(session, "UID *")
        return max(await self._listed(session, "*") if uids is None else uids, default=0)

    async def _listed(self, session: ImapSession, uids: str) -> tuple[int, ...]:
        """The UIDs that exist among these, where the server refuses to search."""
        async with step(Phase.FETCH, self._pace.answer):
            fetched = await session.uid_fetch(uids)
        return tuple({each.uid for each in fetched if each.uid is not None})

    async def _read_new(self, session: ImapSession, marks: list[_Mark]) -> list[Sighting]:
        self._known = session.changes
        counted = (session.exists or 0) + session.expunged
        arrived, self._counted = counted - self._counted, counted
        if arrived > CHUNK:
            await self._read_since(session, marks)
            return []
        async with step(Phase.FETCH, self._pace.answer):
            fetched = await session.uid_fetch(f"{self._last_uid + 1}:*", "HEADER", HEADER_OCTETS)
        # RFC 3501 §6.4.8: `n:*` always has the last message, even an older one
        messages = {uid: each for uid, each in _by_uid(fetched).items() if uid > self._last_uid}
        return await self._sightings(session, messages, marks)

    async def _read_since(self, session: ImapSession, marks: list[_Mark]) -> None:
        """Read and report everything above the last UID, however much that is."""
        uids = await self._search(session, f"UID {self._last_uid + 1}:*")
        if uids is None:
            uids = await self._listed(session, f"{self._last_uid + 1}:*")
        await self._read_slices(session, [uid for uid in uids if uid > self._last_uid], marks)

    async def _read_slices(
        self, session: ImapSession, uids: Sequence[int], marks: list[_Mark]
    ) -> None:
        """Read and report these messages; of a crowd only those that bear our marker."""
        ordered = sorted(uids)
        for start in range(0, len(ordered), SLICE):
            some = ordered[start : start + SLICE]
            last = some[-1]
            if len(ordered) > CHUNK:
                some = await self._bearing(session, some)
            found = await self._read(session, some, marks)
            self._last_uid = last
            await self._tell_found(found)

    async def _bearing(self, session: ImapSession, uids: Sequence[int]) -> list[int]:
        span = f"{uids[0]}:{uids[-1]}"
        hits = await self._search(session, f"UID {span} TEXT {quote(MARKER)}")
        return list(uids) if hits is None else sorted(set(hits) & set(uids))

    async def _read(
        self, session: ImapSession, uids: Sequence[int], marks: list[_Mark]
    ) -> list[Sighting]:
        found: list[Sighting] = []
        for start in range(0, len(uids), CHUNK):
            some = uid_set(uids[start : start + CHUNK])
            async with step(Phase.FETCH, self._pace.answer):
                fetched = await session.uid_fetch(some, "HEADER", HEADER_OCTETS)
            found += await self._sightings(session, _by_uid(fetched), marks)
        return found

    async def _sightings(
        self, session: ImapSession, messages: Mapping[int, Fetch], marks: Sequence[_Mark]
    ) -> list[Sighting]:
        """The canaries among `messages` (by UID, headers fetched); all of them count as read."""
        fetched_at = self._clock.now()
        known = {uid: _by_header(message) for uid, message in messages.items()}
        unknown = [uid for uid, ours in known.items() if ours is None]
        if unknown and self._interest.tokens():
            known.update(await self._recognise_bodies(session, messages, unknown))
        self._last_uid = max([self._last_uid, *messages])
        return [
            self._sighting(messages[uid], ours, _seen(messages[uid], session, marks) or fetched_at)
            for uid, ours in known.items()
            if ours is not None
        ]

    async def _recognise_bodies(
        self, session: ImapSession, messages: Mapping[int, Fetch], unknown: Sequence[int]
    ) -> dict[int, _Ours | None]:
        """Find bounces, and canaries with no trace in the header, by our marker in the text.

        The server is searched for it; one that cannot search texts is asked for the texts.
        """
        hits = await self._search(session, f"UID {uid_set(unknown)} BODY {quote(MARKER)}")
        if hits is not None:
            return await self._read_texts(session, messages, set(hits) & set(unknown))
        known: dict[int, _Ours | None] = {}
        for start in range(0, len(unknown), UNSEARCHED):
            some = set(unknown[start : start + UNSEARCHED])
            try:
                known.update(await self._read_texts(session, messages, some))
            except Refused as refused:
                session.remark(f"bounces cannot be told from other mail: {refused.detail}")
                break
        return known

    async def _read_texts(
        self, session: ImapSession, messages: Mapping[int, Fetch], uids: Set[int]
    ) -> dict[int, _Ours | None]:
        if not uids:
            return {}
        async with step(Phase.FETCH, self._pace.answer):
            texts = await session.uid_fetch(uid_set(uids), "TEXT", TEXT_OCTETS)
        return {
            uid: await asyncio.to_thread(_by_body, _header(messages[uid]) + text)
            for uid, text in sections(texts, "TEXT").items()
            if uid in uids
        }

    async def _search(self, session: ImapSession, criteria: str) -> tuple[int, ...] | None:
        """The UIDs that match; None where the server refuses the search, which is remarked."""
        try:
            async with step(Phase.FETCH, self._pace.answer):
                return await session.uid_search(criteria)
        except Refused as refused:
            session.remark(f"a search is not possible: {refused.detail}")
            return None

    def _sighting(self, message: Fetch, ours: _Ours, seen: Instant) -> Sighting:
        return Sighting(
            token=ours.token,
            bounce=ours.bounce,
            place=places.place(self.name, self._uid_validity, message.uid or 0),
            placement=self.placement,
            size=message.size or 0,
            internal_date=message.internal_date,
            header=_header(message),
            not_before=self._not_before,
            seen=seen,
        )

    async def _tell(self, found: Sequence[Sighting], began: Instant) -> None:
        """Report the sightings, then the look: it says that nothing else was there."""
        ended = self._clock.now()
        await self._tell_found(found)
        for text in self._opened().remarks:
            await self._report(Remark(text))
        await self._report(Look(self.name, self.placement, began, ended))
        self._not_before = began

    async def _tell_found(self, found: Sequence[Sighting]) -> None:
        for start in range(0, len(found), TOLD_TOGETHER):
            # side by side: whoever stores them pays for one commit instead of one for each
            async with TaskSet() as tasks:
                for sighting in found[start : start + TOLD_TOGETHER]:
                    tasks.start(_told(self._report, sighting))
        cursor = places.cursor(self.name, self._uid_validity, self._last_uid)
        if cursor != self._cursor:
            await self._report(cursor)
            self._cursor = cursor

    def _mark(self, session: ImapSession, at: Instant) -> _Mark:
        return _Mark(session.exists or 0, session.expunged, at)


async def _told(report: Report, sighting: Sighting) -> None:
    await report(sighting)


def _by_header(message: Fetch) -> _Ours | None:
    token = recognise(_header(message))
    return None if token is None else _Ours(token)


def _by_body(message: bytes) -> _Ours | None:
    token = recognise_body(message)
    if token is not None:
        return _Ours(token)
    bounced = bounced_token(message)
    return None if bounced is None else _Ours(bounced.token, bounced.bounce)


def _seen(message: Fetch, session: ImapSession, marks: Sequence[_Mark]) -> Instant | None:
    """The first instant at which the server had counted this message, if that is certain.

    Sequence numbers move when something goes: a mark from before that proves nothing.
    """
    for mark in marks:
        if mark.expunged == session.expunged and message.sequence <= mark.exists:
            return mark.at
    return None


def _header(message: Fetch) -> bytes:
    return message.sections.get("HEADER") or b""


def _by_uid(fetched: Iterable[Fetch]) -> dict[int, Fetch]:
    """Return the messages with a fetched header; responses with flags alone are left out."""
    return {
        message.uid: message
        for message in fetched
        if message.uid is not None and "HEADER" in message.sections
    }


def sections(fetched: Iterable[Fetch], name: str) -> dict[int, bytes]:
    """The octets of a section by UID; b"" where the server says NIL."""
    return {
        message.uid: message.sections[name] or b""
        for message in fetched
        if message.uid is not None and name in message.sections
    }


def _date(instant: datetime) -> str:
    """A date as RFC 3501 §9 writes it, in no locale."""
    return f"{instant.day}-{_MONTHS[instant.month - 1]}-{instant.year:04}"
