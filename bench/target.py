"""The server that everybody talks to: SMTP with and without STARTTLS, and the DNS to find it."""

import asyncio
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

from bench.worker import main, serve

_EXTENSIONS = ("PIPELINING", "SIZE 10240000", "ETRN", "STARTTLS", "ENHANCEDSTATUSCODES")
_MORE = ("8BITMIME", "DSN", "SMTPUTF8", "CHUNKING")


def _ehlo(*extensions: str) -> bytes:
    lines = ("mx.bench.test", *extensions)
    marks = ["-"] * (len(lines) - 1) + [" "]
    return "".join(f"250{m}{line}\r\n" for m, line in zip(marks, lines, strict=True)).encode()


_WITH_STARTTLS = _ehlo(*_EXTENSIONS, *_MORE)
_WITHOUT = _ehlo(*(word for word in _EXTENSIONS if word != "STARTTLS"), *_MORE)


class Smtp(asyncio.Protocol):
    """One session. With `is_holding`, EHLO under TLS is never answered."""

    def __init__(self, context: ssl.SSLContext | None, *, is_holding: bool = False) -> None:
        self._context = context
        self._is_holding = is_holding
        self._transport: asyncio.Transport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_secure = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._is_secure:
            self._transport.write(b"220 mx.bench.test ESMTP ready\r\n")

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        for line in data.splitlines():
            self._answer(self._transport, line[:4].upper())

    def _answer(self, transport: asyncio.Transport, verb: bytes) -> None:
        if verb == b"EHLO":
            if self._is_secure and self._is_holding:
                return
            is_offered = self._context is not None and not self._is_secure
            transport.write(_WITH_STARTTLS if is_offered else _WITHOUT)
        elif verb == b"STAR" and self._context is not None:
            transport.pause_reading()
            transport.write(b"220 2.0.0 Ready to start TLS\r\n")
            task = asyncio.ensure_future(self._secure(transport, self._context))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif verb == b"QUIT":
            transport.write(b"221 2.0.0 Bye\r\n")
            transport.close()
        else:
            transport.write(b"502 5.5.2 Error: command not recognized\r\n")

    async def _secure(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        self._is_secure = True
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(transport, self, context, server_side=True)


class Dns(asyncio.DatagramProtocol):
    """Answers for bench.test: one MX host, which has one A record and no AAAA record."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        question = data[12:end]
        (kind,) = struct.unpack_from("!H", data, end - 4)
        answers, authority = _RECORDS.get(kind, (b"", b""))
        has_opt = data[11]
        counts = (1, bool(answers), 0 if answers else 1, has_opt)
        head = data[:2] + b"\x81\x80" + struct.pack("!HHHH", *counts)
        opt = struct.pack("!BHHIH", 0, 41, 1232, 0, 0) if has_opt else b""
        body = question + (answers or authority or _SOA) + opt
        self._transport.sendto(head + body, addr)


def _record(kind: int, data: bytes) -> bytes:
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 300, len(data)) + data


_SOA = _record(6, b"\x02ns\xc0\x0c\xc0\x0c" + struct.pack("!IIIII", 1, 3600, 600, 86400, 300))
_RECORDS = {
    15: (_record(15, struct.pack("!H", 10) + b"\x02mx\xc0\x0c"), b""),
    1: (_record(1, bytes((127, 0, 0, 1))), b""),
}


async def run(pem: str) -> None:
    """Listen on loopback, say the ports, and answer until the parent is gone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(pem))
    loop = asyncio.get_running_loop()

    async def listen(factory: Callable[[], Smtp]) -> int:
        server = await loop.create_server(factory, "127.0.0.1", 0, backlog=2048)
        port: int = server.sockets[0].getsockname()[1]
        return port

    transport, _ = await loop.create_datagram_endpoint(Dns, ("127.0.0.1", 0))
    ports = {
        "starttls": await listen(lambda: Smtp(context)),
        "plain": await listen(lambda: Smtp(None)),
        "holding": await listen(lambda: Smtp(context, is_holding=True)),
        "dns": transport.get_extra_info("sockname")[1],
    }

    async def nothing(request: dict[str, object]) -> dict[str, object]:
        return request

    await serve(nothing, ports)


if __name__ == "__main__":
    main(run)
