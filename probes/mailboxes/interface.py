"""Ways to see a canary arrive. One file = one protocol; all speak the words of this page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
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
    """How far a folder has been read, in a `text` that only its mailbox type writes and reads.

    Stored by the caller, so that a restart goes on where the last look ended.
    """

    folder: str
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """The location of a message. Only the mailbox type that made it knows more than these words.

    `id` names the message in its folder for as long as the folder keeps its `epoch`. It is an IMAP
    UID under a UIDVALIDITY, a POP3 UIDL, or the id of an HTTP API. A type that never gives an id
    twice has one epoch, perhaps "". Of two messages in one folder and epoch the one with the lower
    `position` was delivered first; None where a type has no such order.
    """

    folder: str
    epoch: str
    id: str
    position: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message about a canary: the canary's token, and where the message lies."""

    token: str
    place: Place


@dataclass(frozen=True, slots=True)
class Look:
    """One completed look at a folder: all messages in it at `began` have been seen."""

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
    place: Place
    placement: Placement
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
    has_junk: bool = True
    """False where no folder is known into which the server puts what it takes for junk."""


@dataclass(frozen=True, slots=True)
class Remark:
    """An oddity of the server that limits a watch and does not stop it; may be reported again."""

    text: str


def message_of(sighting: Sighting) -> Message:
    """Return the message that was seen."""
    return Message(sighting.token, sighting.place)


@dataclass(frozen=True, slots=True)
class Content:
    """A message that was wanted, as its octets; None where it cannot be had, and `why` not.

    `is_header_only`: the message is larger than MAX_MESSAGE, this is its header. `labels` and
    `category` (`primary`, `promotions`, ...) say how Gmail sorted it, where the server is Gmail's.
    """

    message: Message
    octets: bytes | None
    is_header_only: bool = False
    why: str = ""
    labels: tuple[str, ...] = ()
    category: str | None = None


News = Following | Look | Sighting | Cursor | Content | Remark
Report = Callable[[News], Awaitable[None]]
"""Callback for the reports of a watch. A Cursor is reported after the sightings it covers. So a
caller that stores each report before returning never skips a message. Contents come beside all
other reports, one at a time.
"""


class Interest(Protocol):
    """The caller's wishes, read by a watch: the canaries awaited, and how urgent they are."""

    changed: asyncio.Event
    """Set by the caller whenever an answer below may have changed; cleared by the watch."""

    def tokens(self) -> Mapping[str, datetime]:
        """Return every canary in flight with a copy or bounce that may come to this mailbox.

        The values are the UTC instants at which the sendings began.
        """

    def is_fresh(self) -> bool:
        """True while a canary is young enough for fast looks to be worth their cost."""

    room: asyncio.Semaphore
    """Held from before a whole message is fetched until its report was heard. It bounds how many
    are in memory at a time, for any number of mailboxes.
    """

    async def next_copy(self) -> Message:
        """Wait until a whole message is wanted, and say which; a Content answers."""
