"""SMTP servers that can change their behaviour while they run; a handler serves their clients."""

import asyncio
import logging
import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from ssl import SSLContext
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP, Envelope, Session, TLSSetupException

from exporter.demo.behaviours import ServerBehaviour
from exporter.demo.listener import Listener

MAX_MESSAGE = 32 * 1024 * 1024
MAX_RECIPIENTS = 100  # RFC 5321 §4.5.3.1.8: the least a server must take
MAX_CONNECTIONS = 500
_GOODBYE = 2.0
_SOFTWARE = "mailcanary demo"
_log = logging.getLogger(__name__)


class SmtpConnection(SMTP):
    """One client's session. Its server's behaviour is read anew at every step."""

    def __init__(self, server: "SmtpServer", **options: Any) -> None:
        self._server = server
        super().__init__(server.handler, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once for the connection and once more for TLS inside it."""
        super().connection_made(transport)
        if self.is_encrypted:
            self._auth_require_tls = False  # the library knows of TLS by STARTTLS only
        task = self._handler_coroutine
        if task is not None and task not in self._server.connections:
            self._server.connections[task] = self
            task.add_done_callback(self._server.ended)
            if len(self._server.connections) > MAX_CONNECTIONS:
                self.cut()

    def eof_received(self) -> bool:
        """A client that says no more is let go: its session ends here, and so does the connection.

        The library ends the session and leaves a plain connection half open, for nobody.
        """
        super().eof_received()
        return False

    async def push(self, status: Any) -> None:
        """Send one line; the last one of a reply waits as long as the server's behaviour says."""
        delay = self._server.behaviour().reply_delay
        if delay and status[3:4] not in ("-", b"-"):
            await asyncio.sleep(delay)
        await super().push(status)

    async def handle_exception(self, error: Exception) -> str:
        """A handshake the client gave up is no error of ours; anything else is the library's."""
        if isinstance(error, TLSSetupException | ConnectionError):
            return "421 4.4.2 The connection failed"
        return await super().handle_exception(error)

    def cut(self) -> None:
        """Close the connection at once, with unsent octets or without."""
        transport = self._raw_transport()
        if transport is not None:
            transport.abort()

    async def reset(self) -> None:
        """Reset the connection; returns never, for the session ends with it."""
        transport = self._raw_transport()
        if transport is not None:
            _linger_not(transport.get_extra_info("socket"))
            transport.abort()
        await asyncio.get_running_loop().create_future()

    def _raw_transport(self) -> Any:
        """The transport under TLS; uvloop's are not of asyncio's classes. None when it is lost."""
        return self._original_transport or self.transport

    @property
    def is_encrypted(self) -> bool:
        """True inside TLS, however it began."""
        transport = self.transport
        return transport is not None and transport.get_extra_info("sslcontext") is not None


def _linger_not(sock: Any) -> None:
    """Make the closing of `sock` a RST, not a FIN: a linger time of zero."""
    with socket.socket(fileno=os.dup(sock.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class SmtpHandler(Protocol):
    """The methods that the library looks for, by name, in the logic behind a server."""

    async def handle_RCPT(  # noqa: N802
        self,
        server: SmtpConnection,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
        /,
    ) -> str:
        """The reply to RCPT; a recipient that is taken is appended to the envelope here."""

    async def handle_DATA(  # noqa: N802
        self, server: SmtpConnection, session: Session, envelope: Envelope, /
    ) -> str:
        """The reply to the final dot."""


class SmtpServer:
    """A listener that speaks SMTP on every connection, with the logic of `handler`.

    `options` are the library's own (authentication, TLS); `implicit_tls` begins with the handshake.
    """

    def __init__(
        self,
        handler: SmtpHandler,
        behaviour: Callable[[], ServerBehaviour],
        *,
        host_name: str,
        implicit_tls: SSLContext | None = None,
        **options: Any,
    ) -> None:
        self.handler = handler
        self.behaviour = behaviour
        self.connections: dict[asyncio.Task[None], SmtpConnection] = {}
        self._options = {
            "hostname": host_name,
            "ident": f"ESMTP {_SOFTWARE}",
            "data_size_limit": MAX_MESSAGE,
            **options,
        }
        self._listener = Listener(self._protocol, implicit_tls)
        self.port = self._listener.port

    async def open(self) -> None:
        """Listen, on the same port as ever, if it does not yet."""
        await self._listener.open()

    async def go_down(self) -> None:
        """Refuse new connections and cut those there are."""
        await self._listener.close()
        await self._cut()

    async def close(self) -> None:
        """Cut every session and give the port back."""
        await self._listener.release()
        await self._cut()

    def ended(self, task: asyncio.Task[None]) -> None:
        """Forget a session; an error that ended it was the loss of its connection."""
        del self.connections[task]
        if not task.cancelled() and task.exception() is not None:
            _log.debug("session ended: %r", task.exception())

    def _protocol(self) -> SmtpConnection:
        return SmtpConnection(self, loop=asyncio.get_running_loop(), **self._options)

    async def _cut(self) -> None:
        for connection in self.connections.values():
            connection.cut()
        if self.connections:
            await asyncio.wait(list(self.connections), timeout=_GOODBYE)


def client_address(session: Session) -> str:
    """The address the client connects from."""
    peer: Any = session.peer
    return str(peer[0])


def envelope_sender(envelope: Envelope) -> str:
    """The envelope sender, "" for the null reverse-path."""
    sender = envelope.mail_from
    return "" if sender in (None, "", "<>") else str(sender)


def message_content(envelope: Envelope) -> bytes:
    """The message as it came, CRLF lines."""
    return envelope.original_content or b""


def new_queue_id() -> str:
    """A name for one message at one server."""
    return secrets.token_hex(5).upper()


def received_field(
    connection: SmtpConnection, host_name: str, queue_id: str, recipients: list[str]
) -> bytes:
    """The trace field of this hop, RFC 5321 §4.4; `for` only with one recipient (§7.2)."""
    session = connection.session
    assert session is not None  # noqa: S101 - there is one from the first byte on
    protocol = "ESMTP" + "S" * connection.is_encrypted + "A" * bool(session.authenticated)
    reason = f"\r\n\tfor <{recipients[0]}>" if len(recipients) == 1 else ""
    return (
        f"Received: from {session.host_name} ([{client_address(session)}])\r\n"
        f"\tby {host_name} ({_SOFTWARE}) with {protocol} id {queue_id}{reason};\r\n"
        f"\t{format_datetime(datetime.now(UTC))}\r\n"
    ).encode("ascii")


@contextmanager
def without_deprecation_notice() -> Iterator[None]:
    """Keep the library from warning, at every AUTH, of a property of its own that it sets."""
    library = logging.getLogger("mail.log")
    library.addFilter(_is_wanted)
    try:
        yield
    finally:
        library.removeFilter(_is_wanted)


def _is_wanted(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Session.login_data is deprecated")
