"""Clients of the mail world that share no code with it: raw IMAP, aiosmtplib for SMTP."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message

import aiosmtplib

from exporter.demo.scenario import SENDER, SUBMISSION_HOST, Access

PATIENCE = 15.0
"""Seconds after which something that was to happen counts as missing."""


def trusting(access: Access) -> ssl.SSLContext:
    """A context that trusts the world's authority, and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(access.ca_file)
    return context


def letter(to: str, text: str = "Hello.") -> bytes:
    """A small message."""
    return f"From: <{SENDER}>\r\nTo: <{to}>\r\nSubject: a letter\r\n\r\n{text}\r\n".encode()


@asynccontextmanager
async def submission(access: Access) -> AsyncIterator[aiosmtplib.SMTP]:
    """A session with the submission server, inside TLS and logged in."""
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=access.submission_port, start_tls=False)
    await client.connect()
    try:
        await client.starttls(server_hostname=SUBMISSION_HOST, tls_context=trusting(access))
        await client.login(access.username, access.password)
        yield client
    finally:
        client.close()


async def submit(access: Access, to: str, text: str = "Hello.") -> None:
    """Hand a letter to the submission server."""
    async with submission(access) as client:
        await client.sendmail(SENDER, [to], letter(to, text))


@asynccontextmanager
async def smtp(port: int) -> AsyncIterator[aiosmtplib.SMTP]:
    """A session in clear with the server on `port`."""
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
    await client.connect()
    try:
        yield client
    finally:
        client.close()


class MailReader:
    """A raw IMAP session that reads a folder without changing it, in clear on loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def open(cls, access: Access) -> AsyncIterator["MailReader"]:
        """Connect and log in."""
        reader, writer = await asyncio.open_connection("127.0.0.1", access.imap_port)
        try:
            session = cls(reader, writer)
            await session._line()
            await session.command(f"LOGIN {access.username} {access.password}")
            yield session
        finally:
            writer.transport.abort()

    async def command(self, text: str) -> list[bytes]:
        """The untagged lines of an answer, literals in place; an answer but OK is an error."""
        self._writer.write(f"a {text}\r\n".encode())
        lines: list[bytes] = []
        while not (line := await self._line()).startswith(b"a "):
            lines.append(line)
        assert line.startswith(b"a OK"), line
        return lines

    async def count(self, folder: str) -> int:
        """How many messages the folder holds."""
        return _exists(await self.command(f"EXAMINE {folder}"))[-1]

    async def messages(self, folder: str, at_least: int) -> list[Message]:
        """What the folder holds, as soon as it is `at_least` so many; waits in IDLE for them."""
        if await self.count(folder) < at_least:
            await self._idle_until(at_least)
        lines = await self.command("UID FETCH 1:* (BODY.PEEK[])")
        return [message_from_bytes(_literal(line)) for line in lines if b"BODY[]" in line]

    async def _idle_until(self, at_least: int) -> None:
        self._writer.write(b"a IDLE\r\n")
        while not any(count >= at_least for count in _exists([await self._line()])):
            continue
        self._writer.write(b"DONE\r\n")
        while not (await self._line()).startswith(b"a OK"):
            continue

    async def _line(self) -> bytes:
        """One line, with the literals it has."""
        async with asyncio.timeout(PATIENCE):
            line = await self._reader.readuntil(b"\r\n")
            while (literal := re.search(rb"\{(\d+)\}\r\n\Z", line)) is not None:
                line += await self._reader.readexactly(int(literal[1]))
                line += await self._reader.readuntil(b"\r\n")
            return line


def _literal(line: bytes) -> bytes:
    """The content of the first literal in an untagged answer."""
    announced = re.search(rb"\{(\d+)\}\r\n", line)
    assert announced is not None
    return line[announced.end() : announced.end() + int(announced[1])]


def _exists(lines: list[bytes]) -> list[int]:
    found = (re.match(rb"\* (\d+) EXISTS", line) for line in lines)
    return [int(match[1]) for match in found if match is not None]


async def inbox(access: Access, at_least: int = 1, folder: str = "INBOX") -> list[Message]:
    """The messages of a folder, once there are `at_least` so many."""
    async with MailReader.open(access) as reader:
        return await reader.messages(folder, at_least)


async def count(access: Access, folder: str = "INBOX") -> int:
    """How many messages a folder holds now."""
    async with MailReader.open(access) as reader:
        return await reader.count(folder)
