"""Scripts of a server: one vocabulary for every protocol. A script is a value.

A step is one thing done to the client; a `Line` applies to everything that is sent, in any step.
`{name}` in the text of `Say`, `Send` and `Repeat` is filled in by the protocol (IMAP: `{tag}`).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Send:
    """Write these octets: in one go, or `piece` octets at a time and `gap` seconds apart."""

    data: bytes
    gap: float | None = None
    piece: int = 1


@dataclass(frozen=True, slots=True, init=False)
class Say:
    """Write the lines together, each with CRLF."""

    lines: tuple[str, ...]

    def __init__(self, *lines: str) -> None:
        object.__setattr__(self, "lines", lines)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Write a line with CRLF `count` times; `{n}` counts from 1."""

    line: str
    count: int


@dataclass(frozen=True, slots=True)
class Flood:
    """Write the same again and again until the client has gone or `limit` octets were written."""

    data: bytes
    limit: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long, or (None) until the client has gone."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Wait for one line of the client's, and forget it."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """Read nothing for so long, so that the client's writing fills every buffer on the way."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait until `peer.cue(name)` is called."""

    name: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Resume the code that awaits `peer.told(name)`."""

    name: str


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection with FIN, or with RST."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Send FIN and stay: the connection is open in one direction only."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin TLS as a server, with the script's context."""


Step = (
    Send
    | Say
    | Repeat
    | Flood
    | Wait
    | Read
    | Deaf
    | WaitFor
    | Signal
    | Close
    | HalfClose
    | StartTls
)
Steps = Sequence[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The way to the client: the treatment of everything that is sent.

    Every answer comes `latency` seconds late. Every write goes out `piece` octets at a time and
    `gap` seconds apart (None: whole). After `cut_after` octets the connection ends, with RST where
    `cut_resets`.
    """

    latency: float = 0.0
    piece: int | None = None
    gap: float = 0.0
    cut_after: int | None = None
    cut_resets: bool = False


SOUND = Line()
