"""The transport below an IMAP session: octets in, whole responses out, nothing kept in between."""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from probes.net.errors import NetError, mapped, net_error
from probes.net.tcp import quickack
from probes.net.tls import (
    HANDSHAKE_TIMEOUT,
    SHUTDOWN_TIMEOUT,
    ClientContext,
    TlsFacts,
    finished_handshake,
)
from probes.records import RecordError
from probes.records.imap.framing import Framer, Raw
from probes.records.imap.reader import read_response
from probes.records.imap.responses import Response
from probes.result import Reason

RESPONSES_PER_TURN = 50
"""Responses read before others get their turn: of a flood half a millisecond, which a probe beside
it, that needs some sixty turns, has to wait for each time."""


class Wire(asyncio.Protocol):
    """One connection. Responses go to `on_response` in their order, its end to `on_end`.

    A held wire reads nothing out of what it receives; it is so from the beginning until `release`,
    and again after `hold`. TLS begins only on a held wire that has received nothing: what a peer
    (or somebody between) said in clear is never taken for something said under TLS.
    """

    def __init__(
        self,
        name: str,
        sock: socket.socket,
        on_response: Callable[[Response], None],
        on_end: Callable[[NetError], None],
    ) -> None:
        self.framer = Framer()
        self._name = name
        self._on_response = on_response
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._socket = sock
        self._failure: NetError | None = None
        self._secrets: list[str] = []
        self._is_held = True
        self._is_pumping = False
        self._gone = asyncio.get_running_loop().create_future()

    @property
    def failure(self) -> NetError | None:
        """Why nothing more can be said or heard; None while the connection stands."""
        return self._failure

    # The event loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._failure is None:
            self.framer.feed(data)
            if not self._is_pumping:
                self._pump()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop once, at the end."""
        if not self._gone.done():
            self._gone.set_result(None)
        if self._failure is None:
            self._end(self._reason_of(error))

    # The session's side

    def hold(self) -> None:
        """Read no response after the one that is being read."""
        self._is_held = True

    def release(self) -> None:
        """Read what was received and what will be."""
        if self._is_held:
            self._is_held = False
            self._pump()

    def hide(self, secret: str) -> None:
        """Show `***` wherever the peer repeats this text to us."""
        if secret:
            self._secrets.append(secret)

    def without_secrets(self, text: str) -> str:
        """`text` as it may be shown."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def write(self, data: bytes) -> None:
        """Send; raises the NetError that ended the connection, if one did."""
        if self._failure is not None:
            raise self._failure
        if self._transport is not None:
            self._transport.write(data)
            quickack(self._socket)

    async def start_tls(self, context: ClientContext, server_name: str) -> TlsFacts:
        """The TLS handshake. Raises NetError, also for plaintext that was sent to precede it."""
        if not self.framer.is_empty:
            self.fail(self.injected())
        if self._failure is not None or self._transport is None:
            raise self._failure or NetError(Reason.CONNECTION_CLOSED, self._closed())
        try:
            with mapped(self._name):
                upgraded = await self._upgrade(self._transport, context, server_name)
        except BaseException as error:
            self._abandon(error)
            raise
        self._transport = upgraded
        quickack(self._socket)
        return context.store.judge(upgraded.get_extra_info("ssl_object"), server_name)

    async def _upgrade(
        self, transport: asyncio.Transport, context: ClientContext, server_name: str
    ) -> asyncio.Transport:
        upgraded = await asyncio.get_running_loop().start_tls(
            transport,
            self,
            context,
            server_hostname=server_name,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        finished_handshake(upgraded)
        return cast(asyncio.Transport, upgraded)

    def _abandon(self, error: BaseException) -> None:
        """A handshake that failed has taken the transport along; no `connection_lost` follows."""
        self.abort()
        if not self._gone.done():
            self._gone.set_result(None)
        if not isinstance(error, NetError):
            error = NetError(Reason.CONNECTION_CLOSED, self._closed())
        self._end(error)

    def injected(self) -> NetError:
        """Plaintext where TLS had to begin, which TLS would have made look authentic."""
        return NetError(
            Reason.VALIDATION_FAILURE,
            f"{self._name}: plaintext was sent where TLS had to begin (CVE-2011-0411)",
        )

    def fail(self, failure: NetError) -> None:
        """Give the connection up at once, for this reason."""
        self.abort()
        self._end(failure)

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self, seconds: float) -> None:
        """Wait at most `seconds` for the peer to close, then drop the connection."""
        try:
            if seconds > 0 and self._failure is None:
                async with asyncio.timeout(seconds):
                    await asyncio.shield(self._gone)
        except TimeoutError:
            pass  # it had its time
        finally:
            self.abort()
        await asyncio.shield(self._gone)

    def _pump(self) -> None:
        """Read what was received, in turns, so that a flood never holds the loop."""
        self._is_pumping = False
        try:
            for _ in range(RESPONSES_PER_TURN):
                if self._is_held or self._failure is not None:
                    self._pause()
                    return
                raw = self.framer.next()
                if raw is None:
                    self._resume()
                    return
                self._on_response(self._read(raw))
        except RecordError as error:
            self.fail(NetError(Reason.MALFORMED_REPLY, f"{self._name}: {error}"))
            return
        self._is_pumping = True
        self._pause()
        asyncio.get_running_loop().call_soon(self._pump)

    def _read(self, raw: Raw) -> Response:
        try:
            return read_response(raw)
        except RecordError:
            said = b" ".join(raw).decode("utf-8", "replace")
            if self.without_secrets(said) != said:
                raise RecordError("not an IMAP response, but our password") from None
            raise

    def _pause(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def _resume(self) -> None:
        transport = self._transport
        if transport is not None and not (transport.is_reading() or transport.is_closing()):
            transport.resume_reading()

    def _end(self, failure: NetError) -> None:
        if self._failure is None:
            self._failure = failure
            self._on_end(failure)

    def _reason_of(self, error: Exception | None) -> NetError:
        named = None if error is None else net_error(error, self._name)
        return named or NetError(Reason.CONNECTION_CLOSED, self._closed())

    def _closed(self) -> str:
        return f"{self._name}: the peer closed the connection"
