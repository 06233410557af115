"""A server whose every reply comes late."""

import asyncio
import functools
import ssl
from collections.abc import Sequence

from bench.target import Smtp
from bench.worker import main, serve


class Delaying(Smtp):
    """Every reply comes `delay` seconds late, as far as this process gets round to it.

    The name in its answer to EHLO under TLS is `port-N`, N being the client's port.
    """

    def __init__(self, context: ssl.SSLContext, delay: float) -> None:
        super().__init__(context)
        self._delay = delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        greet = functools.partial(super().connection_made, transport)
        if self._is_secure:
            greet()
        else:
            asyncio.get_running_loop().call_later(self._delay, greet)

    def _answer(self, transport: asyncio.Transport, verb: bytes) -> None:
        asyncio.get_running_loop().call_later(self._delay, self._late, transport, verb)

    def _late(self, transport: asyncio.Transport, verb: bytes) -> None:
        if transport.is_closing():
            return
        if verb == b"EHLO" and self._is_secure:
            _, port = transport.get_extra_info("peername")
            transport.write(f"250-port-{port}\r\n250 SIZE 1000\r\n".encode())
        else:
            super()._answer(transport, verb)


async def run(pem: str, delay: float, addresses: Sequence[str] = ("127.0.0.1",)) -> None:
    """Say the port, which is the same at every address, and serve until the parent is gone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    port = 0
    for address in addresses:
        server = await loop.create_server(
            lambda: Delaying(context, delay), address, port, backlog=4096
        )
        servers.append(server)
        port = server.sockets[0].getsockname()[1]

    async def nothing(request: dict[str, object]) -> dict[str, object]:
        return request

    await serve(nothing, {"port": port})
    for server in servers:
        server.close()


if __name__ == "__main__":
    main(run)
