"""The connections to the pages: a number of places, and the time within which each has to go on."""

import asyncio
import fcntl
import resource
import struct
import termios
from collections.abc import Callable
from enum import StrEnum

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 100
"""Connections at once; for one more, the one that has waited longest for a request is closed."""

DESCRIPTORS_SHARE = 8
"""Descriptors of the process for each connection to the pages; the others are the probes'."""

MIN_CONNECTIONS = 8
"""Connections at once, however few descriptors there are."""


class Drop(StrEnum):
    """Why a connection was dropped by us; the value is a metric label."""

    MALFORMED = "malformed"
    NO_REQUEST = "no_request"
    SLOW_READER = "slow_reader"
    CROWDED = "crowded"


_INT = struct.Struct("i")

Told = Callable[[Drop], None]


def connection_limit() -> int:
    """Return how many connections the pages may have with the descriptors that there are."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, soft // DESCRIPTORS_SHARE))


class Places:
    """The connections that are open, and which of them has to leave for a new one.

    A connection without a whole request leaves first, the one that has waited longest. One that is
    being answered leaves only after `deadline` seconds: a scrape is never cut short for a stranger.
    """

    def __init__(self, limit: int, deadline: float, told: Told) -> None:
        self.deadline = deadline
        self.told = told
        self._limit = limit
        self._asking: dict[BoundedProtocol, None] = {}
        self._answering: dict[BoundedProtocol, float] = {}

    def enter(self, one: "BoundedProtocol") -> None:
        """Give a new connection its place, or drop it or another."""
        if len(self._asking) + len(self._answering) >= self._limit:
            victim = self._victim(one.loop.time())
            if victim is None:
                one.drop(Drop.CROWDED)
                return
            self.leave(victim)
            victim.drop(Drop.NO_REQUEST if victim.is_asking else Drop.SLOW_READER)
        self._asking[one] = None

    def asks(self, one: "BoundedProtocol") -> None:
        """Take down that it waits for a request, again."""
        if self._answering.pop(one, None) is not None:
            self._asking[one] = None

    def is_answered(self, one: "BoundedProtocol") -> None:
        """Take down that its request is being answered."""
        if one in self._asking:
            del self._asking[one]
            self._answering[one] = one.loop.time()

    def leave(self, one: "BoundedProtocol") -> None:
        """Free its place, if it has one."""
        self._asking.pop(one, None)
        self._answering.pop(one, None)

    def _victim(self, now: float) -> "BoundedProtocol | None":
        for one in self._asking:
            return one
        oldest = next(iter(self._answering.items()), None)
        if oldest is not None and now - oldest[1] > self.deadline:
            return oldest[0]
        return None


class BoundedProtocol(H11Protocol):
    """HTTP of one connection that may not stand still.

    It is dropped if it makes no request within the deadline, from accept or the last response on.
    While it is answered, it is dropped if it reads nothing for the deadline. uvicorn bounds the
    idle time between requests only.
    """

    places: Places
    """Set by `protocol_with`."""

    _timer: asyncio.TimerHandle | None = None
    _unsent = 0

    @property
    def is_asking(self) -> bool:
        """True if no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def drop(self, why: Drop) -> None:
        """Close the connection at once."""
        self.places.told(why)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._restart()
        self.places.enter(self)

    def handle_events(self) -> None:
        super().handle_events()
        if not self.is_asking:
            self.places.is_answered(self)

    def send_400_response(self, msg: str) -> None:
        self.places.told(Drop.MALFORMED)
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        self._restart()
        self.places.asks(self)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self.places.leave(self)
        super().connection_lost(exc)

    def _check(self) -> None:
        """Drop a connection that stands still; the time of one that goes on begins anew."""
        if self.is_asking:
            self.drop(Drop.NO_REQUEST)
        elif self.flow.write_paused and self._octets_left() == self._unsent:
            self.drop(Drop.SLOW_READER)
        else:
            self._restart()

    def _restart(self) -> None:
        self._stop()
        self._unsent = self._octets_left()
        self._timer = self.loop.call_later(self.places.deadline, self._check)

    def _octets_left(self) -> int:
        """Octets that the client's system has not taken yet: ours, and those of our kernel.

        The kernel takes more from us only once a third of its own, some megabytes, is free.
        """
        sock = self.transport.get_extra_info("socket")
        try:
            told = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
        except OSError:  # the connection is gone
            told = bytes(_INT.size)
        (in_kernel,) = _INT.unpack(told)
        return self.transport.get_write_buffer_size() + int(in_kernel)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol_with(shared: Places) -> type[BoundedProtocol]:
    """Return the protocol class of a server whose connections share these places."""

    class SharingProtocol(BoundedProtocol):
        places = shared

    return SharingProtocol
