"""A server of one test's own making that leaves nothing behind, however the test ends."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from exporter.testbed.servers.connection import stop_serving

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def conversing(
    converse: Conversation, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve `converse` on 127.0.0.1 and yield the port.

    On the way out every conversation is cut and its connection gone: also one that was accepted a
    moment ago, whose task has not begun and so would close nothing.
    """
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):  # the client has gone
            await converse(reader, writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks[asyncio.get_running_loop().create_task(serve(reader, writer))] = writer

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_serving(server)
        for task, writer in tasks.items():
            task.cancel()
            writer.transport.abort()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the event loop drops aborted connections in its next turn
    for error in ended:
        if isinstance(error, Exception):
            raise error
