"""One HTTPS exchange, RFC 9112: one connection, one GET, a bounded answer, no redirect followed.

Each step is a method of its own, so that the caller can time it. h11 reads and writes the messages;
names, addresses, trust and waiting are the caller's.
"""

import asyncio
from types import TracebackType
from typing import Any, Self, cast

import h11

from probes.net.dial import Dialer
from probes.net.errors import NetError, Row, mapped
from probes.net.tls import (
    HANDSHAKE_TIMEOUT,
    SHUTDOWN_TIMEOUT,
    ClientContext,
    TlsFacts,
    finished_handshake,
)
from probes.records.https_response import HttpsResponse
from probes.result import Owner, Reason

MAX_BODY = 64 * 1024
"""Octets of a body that are kept where the caller does not say; RFC 8461 §3.3 suggests as many."""

MAX_HEAD = 16 * 1024
"""Octets of status line and header fields together, and of a body's trailers."""

MAX_INTERIM = 8
"""Interim (1xx) responses before the final one, RFC 9110 §15.2."""

_TURN = 512  # octets read before others get their turn: of chunks of one octet a millisecond
_HIGH_WATER = 64 * 1024

HTTP_ROWS = (
    Row(h11.LocalProtocolError, Reason.UNTESTABLE, "this cannot be asked in HTTP", Owner.US),
    Row(h11.RemoteProtocolError, Reason.MALFORMED_REPLY, "not HTTP"),
)
"""What h11 raises."""


class HttpsSession:
    """A client's side of one connection, in the order connect, handshake, get.

    Every step raises NetError. As a context manager it closes on the way out, within
    SHUTDOWN_TIMEOUT.
    """

    def __init__(self, wire: "_Wire", name: str) -> None:
        self._wire = wire
        self._name = name

    @classmethod
    async def connect(
        cls, dialer: Dialer, address: str, port: int, *, source: str | None = None
    ) -> Self:
        """TCP only."""
        return cls(await dialer.open(_Wire, address, port, source=source), f"{address} port {port}")

    async def handshake(self, context: ClientContext, server_name: str) -> TlsFacts:
        """TLS as `server_name`; under `TrustStore.verifying` it fails where the certificate does.

        What the server says in clear is never read as anything but a failed handshake.
        """
        with mapped(f"TLS with {server_name}"):
            secure = await self._wire.start_tls(context, server_name)
            ssl_object = finished_handshake(secure)
        return context.store.judge(ssl_object, server_name)

    async def get(self, host: str, target: str, *, max_body: int = MAX_BODY) -> HttpsResponse:
        """The answer to `GET target` for `host`, whatever its status; redirects are not followed.

        A body without end is broken off after `max_body` octets: then `is_whole` is False.
        """
        exchange = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        with mapped(self._name, HTTP_ROWS):
            self._wire.write(_request(exchange, host, target))
            head = await self._head(exchange)
            body, is_whole = await self._body(exchange, max_body)
        headers = tuple((_text(name), _text(value)) for name, value in head.headers)
        return HttpsResponse(head.status_code, headers, body, is_whole)

    async def close(self) -> None:
        """Take leave of TLS, SHUTDOWN_TIMEOUT at the most, then drop the connection."""
        await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._wire.abort()
        await self.close()

    async def _head(self, exchange: h11.Connection) -> h11.Response:
        for _ in range(MAX_INTERIM + 1):
            event = await self._event(exchange)
            if isinstance(event, h11.Response):
                return event
        raise NetError(
            Reason.MALFORMED_REPLY, f"{self._name}: more than {MAX_INTERIM} interim responses"
        )

    async def _body(self, exchange: h11.Connection, max_body: int) -> tuple[bytes, bool]:
        body = bytearray()
        while isinstance(event := await self._event(exchange), h11.Data):
            body += event.data
            if len(body) > max_body:
                return bytes(body[:max_body]), False
        return bytes(body), True

    async def _event(self, exchange: h11.Connection) -> Any:
        """The next thing the server said, read in turns with everybody else on the loop."""
        try:
            while (event := exchange.next_event()) is h11.NEED_DATA:
                exchange.receive_data(await self._wire.read(_TURN))
        except h11.RemoteProtocolError as error:
            if exchange.trailing_data[1]:  # RFC 9112 §8: the end came before it was due
                words = f"{self._name}: the server closed the connection within its answer"
                raise NetError(Reason.CONNECTION_CLOSED, words) from error
            raise
        return event


def _request(exchange: h11.Connection, host: str, target: str) -> bytes:
    headers = [
        ("Host", host),
        ("User-Agent", "mailcanary"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    head = exchange.send(h11.Request(method="GET", target=target, headers=headers)) or b""
    return head + (exchange.send(h11.EndOfMessage()) or b"")


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


class _Wire(asyncio.Protocol):
    """Octets in both directions, those that came bounded; paused until TLS begins."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._is_over = False
        self._error: Exception | None = None
        self._wake: asyncio.Future[None] | None = None
        self._gone = asyncio.get_running_loop().create_future()

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read nothing yet: what comes is for the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Keep it until it is read."""
        self._received += data
        if len(self._received) > _HIGH_WATER and self._transport is not None:
            self._transport.pause_reading()
        self._awake()

    def eof_received(self) -> bool:
        """Nothing more will come."""
        self._is_over = True
        self._awake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, `exc` says why where that was not our wish."""
        self._is_over = True
        self._error = exc
        if not self._gone.done():
            self._gone.set_result(None)
        self._awake()

    # -- what the session calls

    async def start_tls(self, context: ClientContext, server_name: str) -> asyncio.Transport | None:
        """The handshake; a failed one drops the connection."""
        plain = self._transport
        if plain is None or self._is_over:
            raise self._error or ConnectionError("the connection is gone")
        try:
            secure = await asyncio.get_running_loop().start_tls(
                plain,
                self,
                context,
                server_hostname=server_name,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
        except BaseException:
            plain.abort()
            if not self._gone.done():  # a failed handshake has taken the transport along
                self._gone.set_result(None)
            raise
        self._transport = secure or plain
        return secure

    def write(self, data: bytes) -> None:
        """Send; a request is small enough for any buffer."""
        if self._transport is not None:
            self._transport.write(data)

    async def read(self, size: int) -> bytes:
        """The next octets, b"" at the end; raises what ended the connection."""
        await asyncio.sleep(0)
        while not self._received and not self._is_over:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        if not self._received and self._error is not None:
            raise self._error
        data = bytes(self._received[:size])
        del self._received[:size]
        self._resume()
        return data

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close in good order, bounded."""
        if self._transport is not None:
            self._transport.close()
        try:
            async with asyncio.timeout(SHUTDOWN_TIMEOUT):
                await asyncio.shield(self._gone)
        except TimeoutError:
            self.abort()
            await asyncio.sleep(0)  # the loop lets go of it in its next turn

    def _resume(self) -> None:
        transport = self._transport
        if transport is None or self._is_over or transport.is_closing():
            return
        if not transport.is_reading() and len(self._received) < _HIGH_WATER:
            transport.resume_reading()

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
