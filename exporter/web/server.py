"""The HTTP server: uvicorn inside our own event loop, bounded in connections and in time."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import uvicorn
from starlette.types import ASGIApp

from exporter.service.loop_monitor import LoopMonitor
from exporter.service.supervision import UNHEARD, Supervisor
from exporter.web.application import HttpState, create_app
from exporter.web.connections import Places, connection_limit, protocol_with
from exporter.web.log_limit import few_lines

__all__ = ["HttpState", "ListenError", "LoopMonitor", "serve"]

REQUEST_DEADLINE = 30.0
"""Seconds within which a connection has to make a request, or to read some of its answer."""

MAX_BACKLOG = 100
"""Connections that the system takes for us before we do; we take as many in one go."""

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
    connections: int | None = None,
    tls: ssl.SSLContext | None = None,
    supervisor: Supervisor = UNHEARD,
) -> AsyncIterator[int]:
    """Answer on the IP address `host` while the block runs; signals are left alone.

    `connections` at once are taken, as many as the descriptors allow where it is None. Yields the
    port, which is the real one where 0 was asked for. On the way out requests under way
    get three seconds to finish. With `tls` nothing is answered in clear. Raises ListenError.
    """
    limit = connection_limit() if connections is None else connections
    places = Places(limit, request_deadline, state.metrics.connection_dropped)
    with closing(_listen(host, port)) as listener, few_lines():
        port = listener.getsockname()[1]
        pages = _Pages(_config(create_app(state), places, tls), listener)
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


def _config(app: ASGIApp, places: Places, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol_with(places),
        ssl_context_factory=None if tls is None else lambda *_: tls,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=MAX_BACKLOG,
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
