"""The kernel's data about one TCP connection, and its options, through the socket."""

import asyncio
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Protocol

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
# Other systems have an option of that name that tells other things.
_INFO: int | None = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_BareSocket = socket.SocketType
_INET, _STREAM, _TCP = int(socket.AF_INET), int(socket.SOCK_STREAM), int(socket.IPPROTO_TCP)

# Of struct tcp_info, linux/tcp.h: tcpi_last_data_sent, tcpi_last_data_recv, tcpi_total_retrans.
_INFO_WORDS = struct.Struct("=8x36xI4xI44xI")
_COARSE_CLOCK = 6  # CLOCK_MONOTONIC_COARSE, which goes by the kernel's ticks

_CLOCK_STEP = 0.001
"""Step of uvloop's clock, in seconds. The clock stands still while uvloop handles the events of one
wake-up. The standard loop's clock does not, so it shows nothing.
"""

KERNEL_STEP: float = time.clock_getres(_COARSE_CLOCK) if _INFO is not None else 0.0
"""Seconds between two ticks of the kernel clock that dates the data sent and received."""


class HasDescriptor(Protocol):
    """A socket of any library."""

    def fileno(self) -> int:
        """Its descriptor; negative when it is closed."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """When data last went either way: seconds before the asking, give or take KERNEL_STEP.

    `was_repeated` is True when anything of ours had to be sent a second time.
    """

    sent_ago: float
    heard_ago: float
    was_repeated: bool


class OwnTime:
    """The part of the time between a question and its answer that was ours, not the peer's.

    A busy event loop writes and reads later than it could. The kernel knows both true times, in
    steps of KERNEL_STEP. It is believed where it shows that our clock is wrong by more than a step.
    """

    __slots__ = ("_asked_at", "_loop", "_socket", "_went_by")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: HasDescriptor | None) -> None:
        self._loop = loop
        self._socket = sock
        self._asked_at = time.monotonic()
        self._went_by: float | None = None

    def asked(self) -> None:
        """To be called when a question is given to the loop to write."""
        self._asked_at = time.monotonic()
        self._went_by = None
        # What is written in this turn has gone by the next, through TLS by the one after it.
        self._loop.call_soon(self._loop.call_soon, self._has_gone)

    def _has_gone(self) -> None:
        if self._went_by is None:
            self._went_by = time.monotonic()

    def answered(self) -> tuple[float, float]:
        """To be called where the answer is read: how many seconds the question waited for us to
        send it, and how many ago its answer came."""
        now = time.monotonic()
        waited = now - self._asked_at
        behind = max(0.0, now - self._loop.time() - _CLOCK_STEP)
        # What was answered within a step of the kernel's clock, that clock knows no better.
        exchange = last_exchange(self._socket) if waited > KERNEL_STEP else None
        if exchange is None:
            return 0.0, behind
        held = 0.0
        if self._went_by is not None and not exchange.was_repeated:
            # Not beyond our own turn: what a peer does not take from the kernel is the peer's time.
            held = min(max(0.0, waited - exchange.sent_ago), self._went_by - self._asked_at)
        late = max(behind, exchange.heard_ago)
        is_proven = held + late > behind + KERNEL_STEP
        return (held, late) if is_proven else (0.0, behind)


def quickack(sock: HasDescriptor | None) -> None:
    """Ask the kernel to acknowledge the next data at once, where that is possible.

    Linux forgets the option after every exchange, so it is set again after each write and after the
    TLS handshake. A server under Nagle's rule (Postfix after its TLS 1.3 session tickets) waits for
    our acknowledgement. Without the option, 40 ms of our kernel's delay would be measured as the
    server's.
    """
    if _QUICKACK is None:
        return
    borrowed = _borrow(sock)
    if borrowed is None:
        return
    try:
        borrowed.setsockopt(_TCP, _QUICKACK, 1)
    except OSError:
        return  # gone: the next read or write says it better
    finally:
        borrowed.detach()


def last_exchange(sock: HasDescriptor | None) -> Exchange | None:
    """Return the kernel's times; None where it keeps none and when the connection is gone."""
    if _INFO is None:
        return None
    borrowed = _borrow(sock)
    if borrowed is None:
        return None
    try:
        told = borrowed.getsockopt(_TCP, _INFO, _INFO_WORDS.size)
    except OSError:
        return None
    finally:
        borrowed.detach()
    if len(told) < _INFO_WORDS.size:
        return None
    sent, heard, repeated = _INFO_WORDS.unpack(told)
    return Exchange(sent / 1000, heard / 1000, repeated > 0)


def _borrow(sock: HasDescriptor | None) -> socket.SocketType | None:
    """A socket object for the same connection, to be detached; None when that is gone.

    Made by hand, and the socket's kind not asked for: event loops' own way to an option costs twice
    as much, at every command.
    """
    if sock is None:
        return None
    try:
        return _BareSocket(_INET, _STREAM, 0, sock.fileno())
    except (OSError, ValueError):
        return None
