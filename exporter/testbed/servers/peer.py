"""Listeners: a server that follows scripts, and ports that do not serve at all."""

import asyncio
import socket
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Self

from exporter.testbed.servers.connection import Hangup, Signals, stop_serving

LOOPBACK = "127.0.0.1"

_MAX_LINE = 64 * 1024
_FLUSH_SECONDS = 1.0


class Peer:
    """`async with` one of its kinds: it listens on `address` and `port`, `sessions` counts.

    On the way out it waits `farewell` seconds for the conversations there are (not when its task is
    cancelled), then cuts them, and raises the bug of its own that ended one of them, if any did.
    """

    farewell = 3.0

    def __init__(self, address: str = LOOPBACK, *, implicit: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.port = 0
        self.sessions = 0
        self.cues = Signals()
        self.tells = Signals()
        self._implicit = implicit
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._bug: Exception | None = None

    async def idle(self) -> None:
        """Wait until no connection is being served."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cue(self, name: str) -> None:
        """Let every `WaitFor(name)` go on, now and later."""
        self.cues[name].set()

    async def told(self, name: str) -> None:
        """Wait until a `Signal(name)` was reached; ten seconds at most."""
        async with asyncio.timeout(10):
            await self.tells[name].wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, self.address, 0, limit=_MAX_LINE, ssl=self._implicit
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            await stop_serving(self._server)
        if self._tasks and not isinstance(error, asyncio.CancelledError):
            await asyncio.wait(self._tasks, timeout=self.farewell)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the event loop drops aborted connections in its next turn
        if self._bug is not None and error is None:
            raise self._bug

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(lambda _: writer.transport.abort())  # it may end before it begins
        task.add_done_callback(self._tasks.discard)
        self.sessions += 1

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(Hangup, OSError, TimeoutError, asyncio.IncompleteReadError):
                await self.serve(reader, writer)  # it ends in whichever way
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _FLUSH_SECONDS)
        except Exception as bug:  # noqa: BLE001 - raised where the peer is left
            self._bug = bug
        except asyncio.CancelledError:
            pass  # the peer is going down; nobody awaits this task's result


class NobodyThere:
    """A port that is taken and refuses every connection."""

    address = LOOPBACK

    async def __aenter__(self) -> Self:
        self._socket = socket.socket()
        self._socket.bind((self.address, 0))
        self.port: int = self._socket.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()


class FullQueue:
    """A port with a full accept queue: a connection to it is neither made nor refused."""

    address = LOOPBACK

    async def __aenter__(self) -> Self:
        self._listener = socket.socket()
        self._listener.bind((self.address, 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._filling = [self._knock() for _ in range(4)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for sock in (*self._filling, self._listener):
            sock.close()

    def _knock(self) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect((self.address, self.port))
        return sock
