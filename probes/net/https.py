"""One HTTPS exchange, RFC 9112: one connection, one GET, a bounded answer, no redirect followed.

Each step is a method of its own, so that the caller can time it. h11 reads and writes the messages;
names, addresses, trust and waiting are the caller's.
"""

from types import TracebackType
from typing import Any, Self

import h11

from probes.net.dial import Dialer
from probes.net.errors import NetError, Row, mapped
from probes.net.stream import OctetStream
from probes.net.tls import SHUTDOWN_TIMEOUT, ClientContext, TlsFacts
from probes.records.https_response import HttpsResponse
from probes.result import Owner, Reason

MAX_BODY = 64 * 1024
"""Octets of a body that are kept where the caller does not say; RFC 8461 §3.3 suggests as many."""

MAX_HEAD = 16 * 1024
"""Octets of status line and header fields together, and of a body's trailers."""

MAX_INTERIM = 8
"""Interim (1xx) responses before the final one, RFC 9110 §15.2."""

_TURN = 512  # octets read before others get their turn: of chunks of one octet a millisecond

HTTP_ROWS = (
    Row(
        h11.LocalProtocolError,
        Reason.UNTESTABLE,
        "this cannot be asked in HTTP",
        Owner.CONFIGURATION,
    ),
    Row(h11.RemoteProtocolError, Reason.MALFORMED_REPLY, "not HTTP"),
)
"""The errors that h11 raises."""


class HttpsSession:
    """A client's side of one connection, in the order connect, handshake, get.

    Every step raises NetError. As a context manager it closes on the way out, within
    SHUTDOWN_TIMEOUT.
    """

    def __init__(self, wire: OctetStream) -> None:
        self._wire = wire
        self._name = wire.name

    @classmethod
    async def connect(
        cls, dialer: Dialer, address: str, port: int, *, source: str | None = None
    ) -> Self:
        """TCP only."""
        name = f"{address} port {port}"
        return cls(await dialer.open(lambda: OctetStream(name), address, port, source=source))

    async def handshake(self, context: ClientContext, server_name: str) -> TlsFacts:
        """Do the TLS handshake as `server_name`; `TrustStore.verifying` refuses a bad certificate.

        Octets that the server sends in clear always make the handshake fail.
        """
        return await self._wire.start_tls(context, server_name)

    async def get(self, host: str, target: str, *, max_body: int = MAX_BODY) -> HttpsResponse:
        """Return the answer to `GET target` for `host`, with any status; follow no redirect.

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
        self._wire.close()
        await self._wire.wait_gone(SHUTDOWN_TIMEOUT)

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
