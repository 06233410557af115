"""One TCP connection, in clear and then under TLS: the part that no protocol above has to write.

SMTP, IMAP and HTTPS sessions stand on it. It guards the beginning of TLS, dates questions and
answers by the kernel's clock, and tells the end of a connection once and with its reason.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from probes.net.errors import NetError, mapped, net_error
from probes.net.tcp import HasDescriptor, OwnTime, quickack
from probes.net.tls import (
    HANDSHAKE_TIMEOUT,
    SHUTDOWN_TIMEOUT,
    ClientContext,
    TlsFacts,
    finished_handshake,
)
from probes.result import ProbeFailure, Reason

MAX_UNREAD = 64 * 1024
"""Octets that an OctetStream keeps unread, give or take one read of the event loop."""

OnReply = Callable[[float, float], None]
"""Callback for an answer as it is read, with two times in seconds.

The first is the wait of the answered octets until we sent them, the second the age of the answer.

"""


class Stream(asyncio.Protocol):
    """Octets out, octets in, one change to TLS, and one end.

    A subclass takes octets in `data_received` and bounds the number it keeps. `has_unread` is True
    when it has octets that answered nothing: TLS does not begin behind those, RFC 3207 §4.2.
    """

    def __init__(self, name: str, on_reply: OnReply | None = None) -> None:
        self.name = name
        self.loop = asyncio.get_running_loop()
        self.failure: ProbeFailure | None = None
        """Why nothing more can be said or heard; None while the connection stands."""
        self.gone = self.loop.create_future()
        """Done when nothing is left of the connection."""
        self._on_reply = on_reply
        self._transport: asyncio.Transport | None = None
        self._tcp: asyncio.Transport | None = None
        self._socket: HasDescriptor | None = None
        self._own_time: OwnTime | None = None
        self._is_full = False
        self._wake: asyncio.Future[None] | None = None

    # -- what a subclass adds

    @property
    def has_unread(self) -> bool:
        """True when octets came that are no answer to anything."""
        return False

    def forget(self) -> None:
        """Forget the octets received in clear; called at the beginning of TLS."""

    def ended(self, failure: ProbeFailure) -> None:
        """Called once, when `failure` is set."""

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop once; TLS does not call it again."""
        self._transport = self._tcp = cast(asyncio.Transport, transport)
        self._socket = transport.get_extra_info("socket")
        if self._on_reply is not None:
            self._own_time = OwnTime(self.loop, self._socket)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop once, at the end."""
        self._end(self._reason_of(exc))
        self._set_gone()

    def pause_writing(self) -> None:
        """Called when the peer takes less than we write."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Called when the peer has caught up."""
        self._is_full = False
        self._notify()

    # -- what the session calls

    @property
    def peer_address(self) -> str | None:
        """The address at the other end, None when there is no connection."""
        peer = self._tcp.get_extra_info("peername") if self._tcp is not None else None
        return None if peer is None else str(peer[0])

    @property
    def is_open(self) -> bool:
        """True while something can be said."""
        transport = self._transport
        return self.failure is None and transport is not None and not transport.is_closing()

    @property
    def has_unsent(self) -> bool:
        """True when the peer has not taken everything we wrote."""
        return self._tcp is not None and self._tcp.get_write_buffer_size() > 0

    def write(self, data: bytes) -> None:
        """Send. Raises the failure that ended the connection."""
        if self.failure is not None:
            raise self.failure
        if self._own_time is not None:
            self._own_time.asked()
        self._send(data)

    def answered(self) -> None:
        """Report that the octets read just now are an answer."""
        if self._on_reply is not None and self._own_time is not None:
            self._on_reply(*self._own_time.answered())

    async def start_tls(self, context: ClientContext, server_name: str) -> TlsFacts:
        """Do the TLS handshake as `server_name`. Raises NetError and drops the connection then.

        Octets sent in clear by the peer (or an attacker between) are never taken as sent under TLS.
        """
        if self.has_unread:
            self.fail(self.injected())
        if self.failure is not None or self._transport is None:
            raise self.failure or self._closed()
        self.forget()
        try:
            with mapped(f"TLS with {server_name}"):
                ssl_object = await self._upgrade(self._transport, context, server_name)
        except BaseException as error:
            self._abandon(error)
            raise
        finished = time.monotonic()
        facts = context.store.judge(ssl_object, server_name)  # a chain never seen takes a while
        if self._on_reply is not None:
            self._on_reply(0.0, time.monotonic() - finished)
        return facts

    def injected(self) -> NetError:
        """The failure for octets in clear where TLS had to begin."""
        return NetError(
            Reason.VALIDATION_FAILURE,
            f"{self.name}: plaintext was sent where TLS had to begin (CVE-2011-0411)",
        )

    def fail(self, failure: ProbeFailure) -> None:
        """Give the connection up at once, for this reason."""
        self.abort()
        self._end(failure)

    def close(self) -> None:
        """Close in good order, which for TLS waits for the peer, SHUTDOWN_TIMEOUT at the most."""
        if self.has_unsent:
            self.abort()
        elif self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection now with all that was not sent."""
        if self._tcp is not None:
            self._tcp.abort()

    async def wait_gone(self, seconds: float) -> None:
        """Wait at most `seconds` for the end of the connection, then drop it."""
        try:
            if seconds > 0 and not self.gone.done():
                await asyncio.wait((self.gone,), timeout=seconds)
        finally:
            self.abort()
        await asyncio.wait((self.gone,))

    # -- for subclasses

    def _send(self, data: bytes) -> None:
        """Write without saying that it is a question."""
        if self._transport is None or self._transport.is_closing():
            raise self._closed()
        self._transport.write(data)
        quickack(self._socket)

    def _pause(self) -> None:
        """Take nothing more from the kernel for now."""
        transport = self._transport
        if transport is not None and transport.is_reading():
            transport.pause_reading()

    def _resume(self) -> None:
        transport = self._transport
        if transport is not None and not (transport.is_reading() or transport.is_closing()):
            transport.resume_reading()

    async def _sleep(self) -> None:
        """Wait until `_notify` is called."""
        self._wake = self.loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _end(self, failure: ProbeFailure) -> None:
        if self.failure is None:
            self.failure = failure
            self.ended(failure)
        self._notify()

    # -- within

    async def _upgrade(
        self, transport: asyncio.Transport, context: ClientContext, server_name: str
    ) -> Any:
        """The SSL object of the finished handshake."""
        secure = await self.loop.start_tls(
            transport,
            self,
            context,
            server_hostname=server_name,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        ssl_object = finished_handshake(secure)
        self._transport = cast(asyncio.Transport, secure)
        quickack(self._socket)
        return ssl_object

    def _abandon(self, error: BaseException) -> None:
        """Close the connection after a failed handshake: no `connection_lost` follows it."""
        self.abort()
        self._end(error if isinstance(error, ProbeFailure) else self._closed())
        self._set_gone()

    def _set_gone(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)

    def _reason_of(self, error: Exception | None) -> NetError:
        named = None if error is None else net_error(error, self.name)
        return named or self._closed()

    def _closed(self) -> NetError:
        words = f"{self.name}: the peer closed the connection"
        return NetError(Reason.CONNECTION_CLOSED, words)


class OctetStream(Stream):
    """A stream read on request; it keeps up to MAX_UNREAD octets until then.

    Nothing is read before the first `read`: octets that come before TLS are for the handshake.
    """

    def __init__(self, name: str, on_reply: OnReply | None = None) -> None:
        super().__init__(name, on_reply)
        self._unread = bytearray()
        self._is_over = False

    @property
    def has_unread(self) -> bool:
        """True when octets came that were not asked for."""
        return bool(self._unread)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        super().connection_made(transport)
        self._pause()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: keep it until it is asked for."""
        self._unread += data
        if len(self._unread) > MAX_UNREAD:
            self._pause()
        self._notify()

    def eof_received(self) -> bool:
        """Called by the event loop: nothing more will come."""
        self._is_over = True
        self._notify()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop once, at the end."""
        self._is_over = self._is_over or exc is None
        super().connection_lost(exc)

    async def read(self, size: int) -> bytes:
        """Return the next octets, `size` at the most; b"" at the end.

        Raises the error that broke the connection. Other tasks of the loop run first.
        """
        await asyncio.sleep(0)
        while not (self._unread or self._is_over or self.failure is not None):
            self._resume()
            await self._sleep()
        if not self._unread and self.failure is not None and not self._is_over:
            raise self.failure
        data = bytes(self._unread[:size])
        del self._unread[:size]
        if len(self._unread) < MAX_UNREAD and not self._is_over:
            self._resume()
        return data
