"""A scripted HTTPS server: answers every request as its script says, well or badly."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence

from exporter.testbed.servers.connection import Connection
from exporter.testbed.servers.peer import Peer
from exporter.testbed.servers.script import SOUND, Line, Send, Steps

MAX_HEARD = 1000
"""Requests a server writes down."""


def page(body: bytes, *, status: str = "200 OK", head: str = "") -> Steps:
    """A sound answer; `head` is further header lines, each with CRLF."""
    start = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return (Send(f"{start}{head}\r\n".encode() + body),)


def sts_policy(
    mode: str = "enforce", mx: Sequence[str] = ("mx.example.test",), max_age: int = 2_000_000
) -> bytes:
    """An MTA-STS policy as it is served, RFC 8461 §3.2."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in mx)]
    return "\r\n".join([*lines, f"max_age: {max_age}", ""]).encode()


NOT_FOUND = page(b"no such page\n", status="404 Not Found")


class HttpsPeer(Peer):
    """Serves `pages` (request target -> steps) under TLS; `requests` are the targets it was asked.

    `greeting` is done before the first request is read. Without `context` it speaks in clear.
    """

    farewell = 0.0

    def __init__(
        self,
        pages: Mapping[str, Steps] | None = None,
        *,
        context: ssl.SSLContext | None = None,
        greeting: Steps = (),
        line: Line = SOUND,
    ) -> None:
        super().__init__(implicit=context)
        self.requests: list[str] = []
        self._pages = dict(pages or {})
        self._greeting = greeting
        self._line = line

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client: requests without a body, one after the other."""
        connection = Connection(
            reader,
            writer,
            line=self._line,
            is_secure=self._implicit is not None,
            cues=self.cues,
            tells=self.tells,
        )
        async with connection:
            await connection.perform(self._greeting)
            while True:
                target = await _request(connection)
                if len(self.requests) < MAX_HEARD:
                    self.requests.append(target)
                await connection.answer(self._pages.get(target, NOT_FOUND))


async def _request(connection: Connection) -> str:
    """The target of the next request, its header fields read and forgotten."""
    words = (await connection.read()).split(b" ")
    while (await connection.read()).strip():
        continue
    return words[1].decode("latin-1") if len(words) > 1 else ""
