"""A scripted SMTP peer: behaves as its script says, well or badly, and writes down what it hears.

A script is data. Without one the peer is a plain good server; each entry of `on` replaces what it
does at one moment (`connect`, a command's verb, `content`, or the same after TLS as `tls EHLO`).
"""

import asyncio
import base64
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_MAX_HEARD = 4096
_MAX_LINE = 64 * 1024
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Send:
    """Write bytes, in one go or (`gap` seconds apart) byte by byte."""

    data: bytes
    gap: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long, or (None) until the client has gone."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Deaf:
    """Read nothing for so long, so that the client's writing fills every buffer on the way."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Flood:
    """Write the same again and again until the client has gone or `limit` bytes were written."""

    data: bytes
    limit: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection with FIN, or with RST."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin TLS with the script's context."""


Act = Send | Wait | Deaf | Flood | Close | StartTls


@dataclass(frozen=True, slots=True)
class Script:
    """What a peer is like. `cut_after` closes (`cut_resets`: resets) after so many bytes sent."""

    on: Mapping[str, tuple[Act, ...]] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("8BITMIME", "SIZE 1000000", "ENHANCEDSTATUSCODES")
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    users: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    cut_after: int | None = None
    cut_resets: bool = False


@dataclass(slots=True)
class Conversation:
    """One connection as the peer saw it; times are monotonic."""

    heard: list[tuple[float, bytes]] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    greeted_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    overflowed: bool = False

    @property
    def lines(self) -> list[bytes]:
        """The commands, in order, without line ends."""
        return [line for _, line in self.heard]

    @property
    def verbs(self) -> list[str]:
        """The first word of each command."""
        return [line.split(b" ")[0].decode("ascii", "replace").upper() for line in self.lines]

    @property
    def spoke_early(self) -> bool:
        """True when the client said anything before the whole greeting was out."""
        return any(self.greeted_at is None or at < self.greeted_at for at, _ in self.heard)


class _Hangup(Exception):
    """The script or the client ended the connection."""


class SmtpPeer:
    """`async with SmtpPeer(script) as peer`: listens on 127.0.0.1, `peer.port`."""

    def __init__(self, script: Script | None = None, address: str = "127.0.0.1") -> None:
        self.script = script or Script()
        self.address = address
        self.port = 0
        self.conversations: list[Conversation] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def conversation(self) -> Conversation:
        """The only conversation there was."""
        (only,) = self.conversations
        return only

    async def __aenter__(self) -> Self:
        context = self.script.tls if self.script.implicit_tls else None
        self._server = await asyncio.start_server(
            self._serve, self.address, 0, limit=_MAX_LINE, ssl=context
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        _, late = await asyncio.wait(self._tasks, timeout=3) if self._tasks else (None, set())
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        conversation = Conversation()
        self.conversations.append(conversation)
        try:
            await _Connection(self.script, conversation, reader, writer).run()
        except (_Hangup, OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # the end of every conversation, in whichever way
        finally:
            conversation.ended.set()
            writer.transport.abort()
            self._tasks.discard(task)


class _Connection:
    """One client being served."""

    def __init__(
        self,
        script: Script,
        conversation: Conversation,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._script = script
        self._conversation = conversation
        self._reader = reader
        self._writer = writer
        self._is_secure = script.implicit_tls
        self._hears = asyncio.Event()
        self._hears.set()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_HEARD)

    async def run(self) -> None:
        pump = asyncio.create_task(self._listen())
        try:
            if not await self._scripted("connect"):
                await self._send(b"220 peer.test ESMTP\r\n")
            self._conversation.greeted_at = time.monotonic()
            while (line := await self._lines.get()) is not None:
                await self._answer(line)
        finally:
            pump.cancel()
            with suppress(asyncio.CancelledError, OSError, asyncio.LimitOverrunError):
                await pump

    async def _listen(self) -> None:
        """Hear every line the moment it comes, whatever we are doing."""
        try:
            while line := await self._next_line():
                if len(self._conversation.heard) < _MAX_HEARD:
                    self._conversation.heard.append((time.monotonic(), line.rstrip(b"\r\n")))
                else:
                    self._conversation.overflowed = True
                await self._lines.put(line)
        except ValueError:  # a line longer than any command or line of content may be
            self._conversation.overflowed = True
        except OSError:
            pass  # gone without a word
        finally:
            self._conversation.ended.set()
            with suppress(asyncio.QueueFull):
                self._lines.put_nowait(None)

    async def _next_line(self) -> bytes:
        await self._hears.wait()
        return await self._reader.readline()

    async def _answer(self, line: bytes) -> None:
        verb = line.split(b" ")[0].strip().decode("ascii", "replace").upper()
        await asyncio.sleep(self._script.latency)
        if await self._scripted(verb):
            return
        handler = getattr(self, f"_on_{verb.lower()}", None)
        if handler is not None:
            await handler(line.rstrip(b"\r\n"))
        elif verb in ("MAIL", "RCPT", "RSET", "NOOP"):
            await self._send(b"250 2.0.0 ok\r\n")
        else:
            await self._send(b"500 5.5.1 what?\r\n")

    async def _scripted(self, moment: str) -> bool:
        keys = (f"tls {moment}", moment) if self._is_secure else (moment,)
        acts = next((self._script.on[key] for key in keys if key in self._script.on), None)
        for act in acts or ():
            await self._act(act)
        return acts is not None

    async def _act(self, act: Act) -> None:
        match act:
            case Send(data, gap):
                await self._say(data, gap)
            case Wait(seconds):
                await self._wait(seconds)
            case Deaf(seconds):
                self._hears.clear()
                asyncio.get_running_loop().call_later(seconds, self._hears.set)
            case Flood(data, limit):
                while self._conversation.sent < limit:
                    await self._send(data)
            case Close(reset):
                self._hang_up(reset=reset)
            case StartTls():
                await self._start_tls()

    async def _wait(self, seconds: float | None) -> None:
        if seconds is not None:
            await asyncio.sleep(seconds)
            return
        await asyncio.wait_for(self._conversation.ended.wait(), _PATIENCE)
        raise _Hangup

    async def _say(self, data: bytes, gap: float | None) -> None:
        if gap is None:
            await self._send(data)
            return
        await self._send(data[:1])
        for index in range(1, len(data)):
            await asyncio.sleep(gap)
            await self._send(data[index : index + 1])

    async def _send(self, data: bytes) -> None:
        cut = self._script.cut_after
        if cut is not None and self._conversation.sent + len(data) >= cut:
            self._writer.write(data[: max(0, cut - self._conversation.sent)])
            await self._writer.drain()
            self._hang_up(reset=self._script.cut_resets)
        self._conversation.sent += len(data)
        self._writer.write(data)
        await self._writer.drain()

    def _hang_up(self, *, reset: bool) -> None:
        if reset:
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        else:
            self._writer.close()
        raise _Hangup

    async def _start_tls(self) -> None:
        assert self._script.tls is not None, "a script with TLS needs a context"
        await self._writer.start_tls(self._script.tls)
        self._is_secure = True

    async def _on_ehlo(self, _: bytes) -> None:
        offers = list(self._script.extensions)
        if self._script.tls is not None and not self._is_secure:
            offers.append("STARTTLS")
        lines = ["peer.test at your service", *offers]
        await self._send(
            b"".join(
                f"250{' ' if index == len(lines) - 1 else '-'}{line}\r\n".encode()
                for index, line in enumerate(lines)
            )
        )

    async def _on_helo(self, _: bytes) -> None:
        await self._send(b"250 peer.test\r\n")

    async def _on_starttls(self, _: bytes) -> None:
        if self._script.tls is None or self._is_secure:
            await self._send(b"502 5.5.1 no TLS here\r\n")
            return
        await self._send(b"220 2.0.0 go ahead\r\n")
        await self._start_tls()

    async def _on_auth(self, line: bytes) -> None:
        _, mechanism, *initial = line.decode().split(" ")
        if mechanism.upper() == "PLAIN":
            text = initial[0] if initial else await self._challenge(b"")
            _, user, password = base64.b64decode(text).decode().split("\0")
        else:
            user = base64.b64decode(await self._challenge(b"Username:")).decode()
            password = base64.b64decode(await self._challenge(b"Password:")).decode()
        known = self._script.users.get(user) == password
        await self._send(b"235 2.7.0 welcome\r\n" if known else b"535 5.7.8 who are you?\r\n")

    async def _challenge(self, text: bytes) -> str:
        await self._send(b"334 " + base64.b64encode(text) + b"\r\n")
        line = await self._lines.get()
        if line is None:
            raise _Hangup
        return line.strip().decode()

    async def _on_data(self, _: bytes) -> None:
        await self._send(b"354 end with a dot\r\n")
        lines: list[bytes] = []
        while (line := await self._lines.get()) is not None and line != b".\r\n":
            lines.append(line)
        if line is None:
            raise _Hangup
        self._conversation.content.append(b"".join(lines))
        if not await self._scripted("content"):
            await self._send(b"250 2.0.0 queued as 4711\r\n")

    async def _on_quit(self, _: bytes) -> None:
        await self._send(b"221 2.0.0 bye\r\n")
        self._hang_up(reset=False)
