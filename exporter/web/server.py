"""The HTTP server: uvicorn inside our own event loop, bounded in connections and in time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.web.application import HttpState, create_app
from exporter.web.health import LoopMonitor

__all__ = ["HttpState", "ListenError", "LoopMonitor", "serve"]

MAX_CONNECTIONS = 100
"""More than this at once are answered 503."""

REQUEST_DEADLINE = 30.0
"""Seconds a connection may live without completing a response: from accept or the last one on."""

_KEEP_ALIVE = 5
_GRACE = 3


class ListenError(OSError):
    """The address to listen on could not be had; the message says which and what to do."""


@asynccontextmanager
async def serve(
    state: HttpState, host: str, port: int, *, request_deadline: float = REQUEST_DEADLINE
) -> AsyncIterator[int]:
    """Answer on the IP address `host` while the block runs; signals are left alone.

    Yields the port, which is the real one where 0 was asked for. On the way out requests under way
    get three seconds to finish. Raises ListenError.
    """
    with closing(_listen(host, port)) as listener:
        port = listener.getsockname()[1]
        server = _Server(_config(create_app(state), request_deadline))
        task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        try:
            await _until_ready(server, task)
            yield port
        finally:
            server.should_exit = True
            await task
            server.abort_connections()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dualstack = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=dualstack)
    except OSError as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        problem = (error.strerror or str(error)).lower()
        raise ListenError(
            f"cannot listen on {shown}: {problem}; free it or set another `listen` address"
        ) from error


def _config(app: ASGIApp, request_deadline: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_bounded_protocol(request_deadline),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )


async def _until_ready(server: "_Server", task: asyncio.Task[None]) -> None:
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ready.cancel()
    if task.done():
        await task
        raise ListenError("the HTTP server ended while it was starting")


class _Server(uvicorn.Server):
    """uvicorn that tells when it is ready and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    def abort_connections(self) -> None:
        """Drop what did not end by itself: clients that do not read their answer."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _bounded_protocol(deadline: float) -> type[H11Protocol]:
    """An HTTP protocol that drops a connection which completes no response within `deadline`.

    uvicorn bounds the idle time between requests only: a client that sends its request byte by
    byte, or does not read the answer, would hold its place for ever.
    """

    class BoundedProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._restart()

        def on_response_complete(self) -> None:
            self._restart()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _restart(self) -> None:
            self._stop()
            self._deadline = self.loop.call_later(deadline, self.transport.abort)

        def _stop(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return BoundedProtocol
