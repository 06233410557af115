"""Ways to see a canary arrive. One file = one protocol; all speak the words of this page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from probes.clock import Instant
from probes.records.bounces.values import Bounce


class Placement(StrEnum):
    """Where in the mailbox a copy was found."""

    INBOX = "inbox"
    JUNK = "junk"
    QUARANTINE = "quarantine"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read: every UID up to `last_uid` has been looked at.

    Stored by the caller, so that a restart goes on where the last look ended. A changed
    `uid_validity` makes it worthless (RFC 3501 §2.3.1.1).
    """

    folder: str
    uid_validity: int
    last_uid: int


@dataclass(frozen=True, slots=True)
class Look:
    """One completed look at a folder: what was in it when `began` has been seen."""

    folder: str
    placement: Placement
    began: Instant
    ended: Instant


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message that carries a canary's token: a copy of it or, with `bounce`, news about it.

    It was not there at the look that began at `not_before` (None: there was no earlier look) and
    was there at `seen`. `internal_date` is the server's word (its clock, 1 s resolution). `header`
    is the message header as it came, at most the protocol's bound.
    """

    token: str
    folder: str
    placement: Placement
    uid_validity: int
    uid: int
    size: int
    internal_date: datetime | None
    header: bytes
    not_before: Instant | None
    seen: Instant
    bounce: Bounce | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """Which folders this session watches from now on, by the names of their Looks.

    Reported before the first Look of a session and whenever a folder joins: a mailbox has been
    looked at when each of them has.
    """

    folders: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message about a canary lies, for as long as its folder keeps its UIDVALIDITY."""

    token: str
    folder: str
    uid_validity: int
    uid: int


def place_of(sighting: Sighting) -> Place:
    """Where the message lies that was seen."""
    return Place(sighting.token, sighting.folder, sighting.uid_validity, sighting.uid)


@dataclass(frozen=True, slots=True)
class Content:
    """A message that was wanted, as its octets; None where it cannot be had, and `why` not.

    `is_header_only`: the message is larger than MAX_MESSAGE, this is its header. `labels` and
    `category` (`primary`, `promotions`, ...) say how Gmail sorted it, where the server is Gmail's.
    """

    place: Place
    octets: bytes | None
    is_header_only: bool = False
    why: str = ""
    labels: tuple[str, ...] = ()
    category: str | None = None


News = Following | Look | Sighting | Cursor | Content
Report = Callable[[News], Awaitable[None]]
"""Where a watch says what it saw. A Cursor is reported after the sightings it covers, so that a
caller who stores each report before returning never skips a message. Contents come beside all
other reports, one at a time."""


class Interest(Protocol):
    """What a watch asks the caller: is anybody waiting, and how eagerly?"""

    changed: asyncio.Event
    """Set by the caller whenever an answer below may have changed; cleared by the watch."""

    def tokens(self) -> Mapping[str, datetime]:
        """Every canary in flight whose copy or whose bounce may come to this mailbox, with the UTC
        instant its sending began."""

    def is_fresh(self) -> bool:
        """True while a canary is young enough for fast looks to be worth their cost."""

    room: asyncio.Semaphore
    """Held from before a whole message is fetched until its report was heard: it bounds how many
    are in memory at a time, whatever the number of mailboxes."""

    async def next_copy(self) -> Place:
        """Wait until a whole message is wanted, and say which; a Content answers."""
