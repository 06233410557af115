"""The server that everybody talks to: SMTP with and without STARTTLS, and the DNS to find it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
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
        with suppress(ConnectionError):  # a client that was ended within its handshake
            self._transport = await loop.start_tls(transport, self, context, server_side=True)


class Dns(asyncio.DatagramProtocol):
    """Answers for bench.test, WIDE, and any name below bench.test, which is its own MX host.

    Every host has A records and no AAAA record; the hosts of WIDE have two addresses each.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12) + 5
        question = data[12:end]
        (kind,) = struct.unpack_from("!H", data, end - 4)
        answers = _RECORDS.get((question[:-4].lower(), kind), _OF_OTHERS.get(kind, ()))
        has_opt = data[11]
        counts = (1, len(answers), 0 if answers else 1, has_opt)
        head = data[:2] + b"\x81\x80" + struct.pack("!HHHH", *counts)
        opt = struct.pack("!BHHIH", 0, 41, 1232, 0, 0) if has_opt else b""
        body = question + (b"".join(answers) or _SOA) + opt
        self._transport.sendto(head + body, addr)


WIDE = "wide.bench.test"
"""A domain with four MX hosts with two addresses each."""

WIDE_ADDRESSES = tuple(f"127.0.1.{number}" for number in range(1, 9))

_MX, _A, _TO_QUESTION = 15, 1, b"\xc0\x0c"


def _record(kind: int, data: bytes) -> bytes:
    return _TO_QUESTION + struct.pack("!HHIH", kind, 1, 300, len(data)) + data


def _mx(label: str) -> bytes:
    """The host of that label below the name asked for; "" for that name itself."""
    first = bytes((len(label),)) + label.encode() if label else b""
    return _record(_MX, struct.pack("!H", 10) + first + _TO_QUESTION)


def _addresses(*addresses: str) -> tuple[bytes, ...]:
    return tuple(_record(_A, socket.inet_aton(address)) for address in addresses)


def _wire(name: str) -> bytes:
    labels = (bytes((len(label),)) + label.encode() for label in name.split("."))
    return b"".join(labels) + b"\0"


_SOA = _record(6, b"\x02ns" + _TO_QUESTION * 2 + struct.pack("!IIIII", 1, 3600, 600, 86400, 300))
_HOSTS = ("mx1", "mx2", "mx3", "mx4")
_RECORDS = {
    (_wire("bench.test"), _MX): (_mx("mx"),),
    (_wire(WIDE), _MX): tuple(_mx(host) for host in _HOSTS),
    **{
        (_wire(f"{host}.{WIDE}"), _A): _addresses(*WIDE_ADDRESSES[2 * number : 2 * number + 2])
        for number, host in enumerate(_HOSTS)
    },
}
_OF_OTHERS = {_MX: (_mx(""),), _A: _addresses("127.0.0.1")}


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
