"""The connection under an SMTP session: bytes in order, replies whole, strays kept apart.

The only file that knows aiosmtplib, whose protocol carries the connection. How replies are read
and bounded, and what counts as an answer, is decided here.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from aiosmtplib import SMTPException, SMTPServerDisconnected, SMTPTimeoutError
from aiosmtplib.protocol import COMMAND_INJECTION_REGEX, SMTPProtocol

from probes.net.errors import NetError, Row, net_error
from probes.net.tcp import OwnTime, quickack
from probes.records import RecordError
from probes.records.reply import Reply, ReplyAssembler
from probes.result import Owner, ProbeFailure, Reason

MAX_STRAY = 4096
"""Octets kept of what a server says without being asked."""

LINGER = 2.0
"""Seconds a session that has said QUIT waits, in the background, for the server to answer it."""

_CHUNK = 64 * 1024

SMTP_ROWS = (
    Row(SMTPServerDisconnected, Reason.CONNECTION_CLOSED, "the server closed the connection"),
    Row(SMTPTimeoutError, Reason.TIMEOUT, "timed out"),
    Row(SMTPException, Reason.MALFORMED_REPLY, "not SMTP"),
)
"""What aiosmtplib raises, most specific first."""


class SmtpWire(SMTPProtocol):
    """What was written, what is awaited, what came without being asked for.

    `ended` is why nothing can be said any more, `closing` a 421 that was said unasked, `stray` the
    first MAX_STRAY of `stray_total` octets that were no answer to anything.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_reply: Callable[[float, float], None] | None = None,
    ) -> None:
        """`on_reply` is told when an awaited reply is whole: for how many seconds what it answers
        waited for us to send it, and how many ago it came."""
        super().__init__(loop=loop)
        self.loop = loop
        self.is_expecting = True  # the greeting
        self.ended: ProbeFailure | None = None
        self.reply: Reply | None = None
        self.closing: Reply | None = None
        self.gone = asyncio.Event()
        self.stray = bytearray()
        self.stray_total = 0
        self._assembler = ReplyAssembler()
        self._outcome: Reply | ProbeFailure | None = None
        self._wake: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_mid_stray = False
        self._is_leaving = False
        self._linger: asyncio.TimerHandle | None = None
        self._socket: socket.socket | None = None
        self._tcp: asyncio.Transport | None = None
        self._on_gone: Callable[[], None] | None = None
        self._on_reply = on_reply
        self._own_time: OwnTime | None = None

    def heard_ago(self, late: float) -> None:
        """Say that what was awaited came `late` seconds ago; what was done since is our time."""
        if self._on_reply is not None:
            self._on_reply(0.0, late)

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not the library's way: what it prepares here is for its own reading and taking of turns.
        self.transport = self._tcp = cast(asyncio.Transport, transport)
        self._socket = transport.get_extra_info("socket")
        self._own_time = OwnTime(self.loop, self._socket)

    def data_received(self, data: bytes) -> None:
        if self._is_leaving:
            self.close()
            return
        if self._is_mid_stray and self.is_expecting:
            line, newline, data = data.partition(b"\n")
            self._keep_stray(line + newline)
        if not data:
            return
        if not self.is_expecting or self._outcome is not None:
            self._keep_stray(data)
            return
        try:
            reply = self._assembler.feed(data)
        except RecordError as error:
            self._end(ProbeFailure(Reason.MALFORMED_REPLY, str(error), owner=Owner.THEIR_MX))
            self.abort()
            return
        if reply is not None:
            if self._on_reply is not None and self._own_time is not None:
                self._on_reply(*self._own_time.answered())
            self._settle(reply)
            if self._assembler.rest:
                self._keep_stray(self._assembler.rest)

    def eof_received(self) -> bool:
        where = " within a reply" if self._assembler.has_begun else ""
        words = f"the server closed the connection{where}"
        self._end(NetError(Reason.CONNECTION_CLOSED, words))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._linger is not None:
            self._linger.cancel()
        error = net_error(exc, "the connection") if exc is not None else None
        self._end(error or NetError(Reason.CONNECTION_CLOSED, "the connection was closed"))
        super().connection_lost(exc)
        self._is_gone()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._awake()

    # -- what the session calls

    def write(self, data: bytes) -> None:
        """Send; from now on the next reply is the answer. Raises what ended the connection."""
        if self.ended is not None:
            raise self.ended
        self.is_expecting = True
        if self._own_time is not None:
            self._own_time.asked()
        super().write(data)
        quickack(self._socket)

    async def write_all(self, data: bytes) -> bool:
        """Send as fast as the peer takes it; False when it answered before it had taken all."""
        for start in range(0, len(data), _CHUNK):
            self.write(data[start : start + _CHUNK])
            while self._is_paused and self._outcome is None:
                await self._sleep()
            if self._outcome is not None and start + _CHUNK < len(data):
                return False
        return True

    async def ask(self, *words: bytes) -> Reply:
        """Send one command and read its reply.

        Raises ValueError for a control character: no word brings a command of its own along.
        """
        line = b" ".join(words)
        if COMMAND_INJECTION_REGEX.search(line):
            raise ValueError("a control character in a command")
        self.write(line + b"\r\n")
        return await self.answer()

    async def answer(self) -> Reply:
        """The next reply, also kept in `reply`; the caller's deadline is the only timeout."""
        while self._outcome is None:
            await self._sleep()
        outcome, self._outcome = self._outcome, None
        self.is_expecting = False
        if isinstance(outcome, ProbeFailure):
            raise outcome
        self.reply = outcome
        return outcome

    def forget(self) -> None:
        """TLS begins: nothing said in clear counts any more, RFC 3207 §4.2."""
        self._assembler = ReplyAssembler()
        self._is_mid_stray = False

    def secured(self, transport: asyncio.Transport) -> None:
        """Go on over TLS; what the server has said under it already is kept."""
        self.transport = transport
        quickack(self._socket)

    def leave(self, *, awaits_answer: bool) -> None:
        """Say QUIT and close: at once, or when it is answered; after LINGER in any case.

        The caller never waits for it.
        """
        if not self.is_connected or self.has_unsent:
            self.abort()
            return
        self._is_leaving = True
        super().write(b"QUIT\r\n")
        quickack(self._socket)
        self._linger = self.loop.call_later(LINGER, self.abort)
        if not awaits_answer and self.transport is not None:
            self.transport.close()

    def close(self) -> None:
        """Close in good order, which for TLS waits for the peer, SHUTDOWN_TIMEOUT at the most."""
        if self.has_unsent:
            self.abort()
        elif self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Drop the connection now with all that was not sent."""
        if self._tcp is not None:
            self._tcp.abort()

    def lose(self) -> None:
        """Drop the connection within a TLS handshake, of whose end no loop tells us."""
        self.abort()
        self._end(NetError(Reason.CONNECTION_CLOSED, "the connection was dropped"))
        self._is_gone()

    def when_gone(self, call: Callable[[], None]) -> None:
        """Have it called once, when nothing is left of the connection."""
        self._on_gone = call
        if self.gone.is_set():
            self._is_gone()

    @property
    def has_heard(self) -> bool:
        """True when the server has said anything that was not read as an answer."""
        begun = self._assembler.has_begun or isinstance(self._outcome, Reply)
        return begun or self.stray_total > 0

    @property
    def has_unsent(self) -> bool:
        """True when the peer has not taken everything we wrote."""
        return self._tcp is not None and self._tcp.get_write_buffer_size() > 0

    # -- within

    def _is_gone(self) -> None:
        self.gone.set()
        call, self._on_gone = self._on_gone, None
        if call is not None:
            call()

    async def _sleep(self) -> None:
        self._wake = self.loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _settle(self, outcome: Reply | ProbeFailure) -> None:
        if self.is_expecting and self._outcome is None:
            self._outcome = outcome
        self._awake()

    def _end(self, failure: ProbeFailure) -> None:
        if self.ended is None:
            self.ended = failure
        self._settle(self.ended)

    def _keep_stray(self, data: bytes) -> None:
        self.stray += data[: MAX_STRAY - len(self.stray)]
        self.stray_total += len(data)
        self._is_mid_stray = not data.endswith(b"\n")
        try:
            reply = ReplyAssembler().feed(data)
        except RecordError:
            return
        if reply is not None and reply.code == 421:  # RFC 5321 §3.8: may be said at any time
            self.closing = reply
