"""The HTTP server: uvicorn inside our own event loop, bounded in connections and in time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.service.loop_monitor import LoopMonitor
from exporter.service.supervision import UNHEARD, Supervisor
from exporter.web.application import HttpState, create_app

__all__ = ["HttpState", "ListenError", "LoopMonitor", "serve"]

MAX_CONNECTIONS = 100
"""More than this at once are answered 503."""

REQUEST_DEADLINE = 30.0
"""Seconds a connection may live without completing a response: from accept or the last one on."""

_KEEP_ALIVE = 5
_GRACE = 3


class ListenError(OSError):
    """The address cannot be listened on; the message names it and the remedy."""


@asynccontextmanager
async def serve(
    state: HttpState,
    host: str,
    port: int,
    *,
    request_deadline: float = REQUEST_DEADLINE,
    supervisor: Supervisor = UNHEARD,
) -> AsyncIterator[int]:
    """Answer on the IP address `host` while the block runs; signals are left alone.

    Yields the port, which is the real one where 0 was asked for. On the way out requests under way
    get three seconds to finish. Raises ListenError.
    """
    with closing(_listen(host, port)) as listener:
        port = listener.getsockname()[1]
        pages = _Pages(_config(create_app(state), request_deadline), listener)
        kept = supervisor.keep("http", pages.answer, may_end=lambda: pages.is_ending)
        task = asyncio.create_task(kept, name="keep http")
        try:
            await pages.ready.wait()
            yield port
        finally:
            pages.end()
            await task


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


class _Pages:
    """One server after the other on the same listening socket, which this does not close."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        self.is_ending = False
        self.ready = asyncio.Event()
        self._config = config
        self._listener = listener
        self._server: _Server | None = None

    async def answer(self) -> None:
        """Answer until `end` is called."""
        if self.is_ending:
            return
        server = self._server = _Server(self._config, self.ready)
        try:
            await server.serve(sockets=[self._listener.dup()])  # uvicorn closes it at its end
        finally:
            server.abort_connections()

    def end(self) -> None:
        """Let the server finish the requests under way, for a bounded time."""
        self.is_ending = True
        if self._server is not None:
            self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn that tells when it is ready and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self.ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    def abort_connections(self) -> None:
        """Drop the connections that did not end by themselves: clients that do not read their
        answer.
        """
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
