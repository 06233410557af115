"""A server whose delay is known: every reply comes late, and EHLO under TLS says by how much."""

import asyncio
import functools
import ssl
import time

from bench.target import Smtp
from bench.worker import main, serve


class Delaying(Smtp):
    """Every reply comes `delay` seconds late, as far as this process gets round to it.

    The name in its answer to EHLO under TLS is `took-N`: N microseconds went from reading the
    command to writing the reply.
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
        came = time.perf_counter()
        asyncio.get_running_loop().call_later(self._delay, self._late, transport, verb, came)

    def _late(self, transport: asyncio.Transport, verb: bytes, came: float) -> None:
        if transport.is_closing():
            return
        if verb == b"EHLO" and self._is_secure:
            took = round((time.perf_counter() - came) * 1e6)
            transport.write(f"250-took-{took}\r\n250 SIZE 1000\r\n".encode())
        else:
            super()._answer(transport, verb)


async def run(pem: str, delay: float) -> None:
    """Say the port, and serve until the parent is gone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Delaying(context, delay), "127.0.0.1", 0, backlog=4096
    )

    async def nothing(request: dict[str, object]) -> dict[str, object]:
        return request

    await serve(nothing, {"port": server.sockets[0].getsockname()[1]})
    server.close()


if __name__ == "__main__":
    main(run)
