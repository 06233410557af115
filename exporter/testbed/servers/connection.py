"""One client being served: hears every line the moment it comes, performs steps."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from exporter.testbed.servers.script import (
    SOUND,
    Close,
    Deaf,
    Flood,
    HalfClose,
    Line,
    Read,
    Repeat,
    Say,
    Send,
    Signal,
    StartTls,
    Step,
    Steps,
    Wait,
    WaitFor,
)

MAX_LINES = 4096
"""Lines of a client that wait to be read; a client that says more is not read on."""

PATIENCE = 10.0
"""Seconds `Wait()` waits for a client to go."""

_TURNS = 10


async def stop_serving(server: asyncio.Server) -> None:
    """Close a server, and let each connection that it accepted a moment ago come to its protocol.

    Closed in between, the server would refuse to know the connection, which then stays open and is
    nobody's.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    try:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
    finally:
        server.close()


class Hangup(Exception):
    """The script or the client ended the connection."""


class Signals:
    """Named events between a script and its runner."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def __getitem__(self, name: str) -> asyncio.Event:
        return self._events.setdefault(name, asyncio.Event())


class Connection:
    """The server's side of one connection, for any protocol.

    `on_line` hears every line (without line end, with the monotonic time) at once, `read` gives
    them in order. `sent` counts octets; `ended` is set when the client has gone.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        line: Line = SOUND,
        tls: ssl.SSLContext | None = None,
        is_secure: bool = False,
        on_line: Callable[[float, bytes], None] | None = None,
        cues: Signals | None = None,
        tells: Signals | None = None,
    ) -> None:
        self.is_secure = is_secure
        self.ended = asyncio.Event()
        self.sent = 0
        self._reader = reader
        self._writer = writer
        self._line = line
        self._tls = tls
        self._on_line = on_line
        self._cues = cues or Signals()
        self._tells = tells or Signals()
        self._hears = asyncio.Event()
        self._hears.set()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_LINES)
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Connection":
        self._pump = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await self._pump

    async def read(self) -> bytes:
        """The next line with its line end. Raises Hangup when the client has gone."""
        line = await self._lines.get()
        if line is None:
            raise Hangup
        return line

    async def answer(self, acts: Steps, fill: Mapping[str, str] | None = None) -> None:
        """Perform the steps after the line's latency."""
        if self._line.latency:
            await asyncio.sleep(self._line.latency)
        await self.perform(acts, fill)

    async def perform(self, acts: Steps, fill: Mapping[str, str] | None = None) -> None:
        """Do one act after the other. Raises Hangup when one of them, or the client, ends it."""
        for act in acts:
            await self._perform(act, fill or {})

    async def send(self, data: bytes) -> None:
        """Write as the line permits."""
        piece = self._line.piece or len(data)
        for start in range(0, len(data), piece or 1):
            if start and self._line.gap:
                await asyncio.sleep(self._line.gap)
            await self._write(data[start : start + piece])

    def hang_up(self, *, reset: bool = False) -> None:
        """End the connection; always raises Hangup."""
        sock = self._writer.get_extra_info("socket")
        if reset and sock is not None:  # None: it is gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        else:
            self._writer.close()
        raise Hangup

    async def start_tls(self) -> None:
        """Begin TLS as a server."""
        if self._tls is None:
            raise ValueError("a script that begins TLS needs a context")
        await self._writer.start_tls(self._tls)
        self.is_secure = True

    async def _perform(self, act: Step, fill: Mapping[str, str]) -> None:
        match act:
            case Send(data, None):
                await self.send(_filled(data, fill))
            case Send(data, gap, piece):
                await self._drip(_filled(data, fill), piece, gap or 0.0)
            case Say(lines):
                await self.send(_filled("".join(f"{line}\r\n" for line in lines).encode(), fill))
            case Repeat(line, count):
                await self._repeat(_filled(line.encode(), fill), count)
            case Flood(data, limit):
                while self.sent < limit:
                    await self.send(data)
                    await asyncio.sleep(0)  # a client that reads as fast as we write has its turn
            case Close(reset):
                self.hang_up(reset=reset)
            case HalfClose():
                self._half_close()
            case StartTls():
                await self.start_tls()
            case _:
                await self._pause(act)

    def _half_close(self) -> None:
        """On the socket itself: neither TLS nor every event loop has a word for it."""
        sock = self._writer.get_extra_info("socket")
        with socket.fromfd(sock.fileno(), sock.family, sock.type) as same:
            same.shutdown(socket.SHUT_WR)

    async def _pause(self, act: Wait | Read | Deaf | WaitFor | Signal) -> None:
        match act:
            case Wait(None):
                await asyncio.wait_for(self.ended.wait(), PATIENCE)
                raise Hangup
            case Wait(seconds):
                await asyncio.sleep(seconds or 0)
            case Read():
                await self.read()
            case Deaf(seconds):
                self._hears.clear()
                asyncio.get_running_loop().call_later(seconds, self._hears.set)
            case WaitFor(name):
                await self._cues[name].wait()
            case Signal(name):
                self._tells[name].set()

    async def _drip(self, data: bytes, piece: int, gap: float) -> None:
        for start in range(0, len(data), piece):
            if start:
                await asyncio.sleep(gap)
            await self._write(data[start : start + piece])

    async def _repeat(self, line: bytes, count: int) -> None:
        """In chunks, so that a hundred thousand lines do not hold the loop."""
        for first in range(1, count + 1, 500):
            numbers = range(first, min(first + 500, count + 1))
            await self.send(b"".join(line.replace(b"{n}", b"%d" % n) + b"\r\n" for n in numbers))
            await asyncio.sleep(0)

    async def _write(self, data: bytes) -> None:
        if self._writer.transport.is_closing():
            raise Hangup
        cut = self._line.cut_after
        if cut is not None and self.sent + len(data) >= cut:
            self._writer.write(data[: max(0, cut - self.sent)])
            await self._writer.drain()
            self.hang_up(reset=self._line.cut_resets)
        self.sent += len(data)
        self._writer.write(data)
        await self._writer.drain()

    async def _listen(self) -> None:
        """Receive every line the moment it comes, during any step of the script."""
        try:
            while line := await self._next_line():
                if self._on_line is not None:
                    self._on_line(time.monotonic(), line.rstrip(b"\r\n"))
                await self._lines.put(line)
        except OSError:
            pass  # gone without a word
        finally:
            self.ended.set()
            with suppress(asyncio.QueueFull):
                self._lines.put_nowait(None)

    async def _next_line(self) -> bytes:
        await self._hears.wait()
        try:
            return await self._reader.readline()
        except ValueError:  # longer than the reader's limit: no client of ours says that
            return b""


def _filled(data: bytes, fill: Mapping[str, str]) -> bytes:
    for name, value in fill.items():
        data = data.replace(b"{%s}" % name.encode(), value.encode())
    return data
