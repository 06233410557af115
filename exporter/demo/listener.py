"""A loopback port that stays ours while nothing answers on it."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from exporter.testbed.servers.connection import stop_serving

LOOPBACK = "127.0.0.1"


class Listener:
    """Reserves a port at once and listens on it between `open` and `close`.

    While it is not open, connections to the port are refused and nobody else can bind it: a server
    can go down and come back where its clients look for it.
    """

    def __init__(
        self, factory: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None = None
    ) -> None:
        self._factory = factory
        self._tls = tls
        self._reserved = _bound(0)
        self._server: asyncio.Server | None = None
        self.port: int = self._reserved.getsockname()[1]

    @property
    def is_open(self) -> bool:
        """True while connections are accepted."""
        return self._server is not None

    async def open(self) -> None:
        """Accept connections; nothing happens when they are accepted already."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            sock = _bound(self.port)
            self._server = await loop.create_server(self._factory, sock=sock, ssl=self._tls)

    async def close(self) -> None:
        """Refuse new connections; those that are open stay with their protocols."""
        server, self._server = self._server, None
        if server is not None:
            await stop_serving(server)

    async def release(self) -> None:
        """Close and give the port back."""
        await self.close()
        self._reserved.close()


def _bound(port: int) -> socket.socket:
    """A socket that shares its port with others of this process; only those that listen count."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setblocking(False)
    sock.bind((LOOPBACK, port))
    return sock
