"""Pages of a service on 127.0.0.1, asked for without an HTTP client."""

import asyncio
from contextlib import suppress

PATIENCE = 30.0


async def fetch(port: int, path: str) -> str:
    """Return the text of one HTTP answer. Raises OSError or EOFError if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        head, separator, body = answer.partition(b"\r\n\r\n")
        if not separator:
            raise EOFError(head)
        return body.decode()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
