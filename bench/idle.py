"""The peer of a watch: a client that waits for its mail in IDLE, RFC 2177, and does nothing else.

Enough for one well-behaved server and one message at a time; how other clients wait.
"""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_EXISTS = re.compile(rb"\* \d+ EXISTS\r\n", re.IGNORECASE)


class Idle:
    """One connection with INBOX selected."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    async def command(self, text: str) -> None:
        """Say it and wait for its OK."""
        self._number += 1
        tag = f"a{self._number}"
        self._writer.write(f"{tag} {text}\r\n".encode())
        await self._until(re.compile(rf"{tag} OK ".encode()))

    async def begin(self) -> None:
        """IDLE and its `+`."""
        self._number += 1
        self._writer.write(f"a{self._number} IDLE\r\n".encode())
        await self._until(re.compile(rb"\+ "))

    async def arrival(self) -> float:
        """The monotonic time of the next EXISTS, after which IDLE is over."""
        await self._until(_EXISTS)
        seen = time.perf_counter()
        self._writer.write(b"DONE\r\n")
        await self._until(re.compile(rf"a{self._number} OK ".encode()))
        return seen

    async def _until(self, wanted: re.Pattern[bytes]) -> None:
        while not wanted.match(line := await self._reader.readline()):
            if not line:
                raise ConnectionResetError("the IMAP server closed the connection")


@asynccontextmanager
async def idle(port: int, user: str, password: str) -> AsyncIterator[Idle]:
    """Log in over TLS and open INBOX."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        client = Idle(reader, writer)
        await client.command(f"LOGIN {user} {password}")
        await client.command("SELECT INBOX")
        yield client
    finally:
        writer.close()
