"""A scripted SMTP server: follows its script, good or bad, and records the lines it receives.

Without a script it is a plain good server. Each entry of `on` replaces its steps at one moment
(`connect`, a command's verb, `content`, or the same after TLS as `tls EHLO`). A list is for the
first, second, ... time in a conversation, the last of it staying.
"""

import asyncio
import base64
import ssl
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.testbed.servers.connection import Connection
from exporter.testbed.servers.peer import LOOPBACK, Peer
from exporter.testbed.servers.script import Line, Step

_MAX_HEARD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Script(Line):
    """Behaviour of a server; `users` maps names to passwords."""

    on: Mapping[str, tuple[Step, ...] | list[tuple[Step, ...]]] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("8BITMIME", "SIZE 1000000", "ENHANCEDSTATUSCODES")
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    users: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Conversation:
    """One connection as the server saw it; times are monotonic, `sent` octets count at its end."""

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

    def hear(self, at: float, line: bytes) -> None:
        """Write a line down."""
        if len(self.heard) < _MAX_HEARD:
            self.heard.append((at, line))
        else:
            self.overflowed = True


class SmtpPeer(Peer):
    """`async with SmtpPeer(script) as peer`; every connection is one of `conversations`."""

    def __init__(self, script: Script | None = None, address: str = LOOPBACK) -> None:
        self.script = script or Script()
        super().__init__(address, implicit=self.script.tls if self.script.implicit_tls else None)
        self.conversations: list[Conversation] = []

    @property
    def conversation(self) -> Conversation:
        """The only conversation there was."""
        (only,) = self.conversations
        return only

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        conversation = Conversation()
        self.conversations.append(conversation)
        connection = Connection(
            reader,
            writer,
            line=self.script,
            tls=self.script.tls,
            is_secure=self.script.implicit_tls,
            on_line=conversation.hear,
            cues=self.cues,
            tells=self.tells,
        )
        connection.ended = conversation.ended
        try:
            async with connection:
                await _Dialogue(self.script, conversation, connection).run()
        finally:
            conversation.sent = connection.sent
            conversation.ended.set()


class _Dialogue:
    """SMTP as the script has it, else as RFC 5321 does."""

    def __init__(self, script: Script, conversation: Conversation, connection: Connection) -> None:
        self._script = script
        self._conversation = conversation
        self._connection = connection
        self._uses: Counter[str] = Counter()

    async def run(self) -> None:
        if not await self._scripted("connect"):
            await self._say("220 peer.test ESMTP")
        self._conversation.greeted_at = time.monotonic()
        while True:
            await self._answer(await self._connection.read())

    async def _answer(self, line: bytes) -> None:
        verb = line.split(b" ")[0].strip().decode("ascii", "replace").upper()
        await asyncio.sleep(self._script.latency)
        if await self._scripted(verb):
            return
        handler = getattr(self, f"_on_{verb.lower()}", None)
        if handler is not None:
            await handler(line.rstrip(b"\r\n"))
        elif verb in ("MAIL", "RCPT", "RSET", "NOOP"):
            await self._say("250 2.0.0 ok")
        else:
            await self._say("500 5.5.1 what?")

    async def _scripted(self, moment: str) -> bool:
        keys = (f"tls {moment}", moment) if self._connection.is_secure else (moment,)
        key = next((key for key in keys if key in self._script.on), None)
        if key is None:
            return False
        acts = self._script.on[key]
        if isinstance(acts, list):
            acts = acts[min(self._uses[key], len(acts) - 1)]
        self._uses[key] += 1
        await self._connection.perform(acts)
        return True

    async def _say(self, *lines: str) -> None:
        await self._connection.send("".join(f"{line}\r\n" for line in lines).encode())

    async def _on_ehlo(self, _: bytes) -> None:
        offers = list(self._script.extensions)
        if self._script.tls is not None and not self._connection.is_secure:
            offers.append("STARTTLS")
        lines = ["peer.test at your service", *offers]
        marks = ["-"] * (len(lines) - 1) + [" "]
        await self._say(*(f"250{mark}{line}" for mark, line in zip(marks, lines, strict=True)))

    async def _on_helo(self, _: bytes) -> None:
        await self._say("250 peer.test")

    async def _on_starttls(self, _: bytes) -> None:
        if self._script.tls is None or self._connection.is_secure:
            await self._say("502 5.5.1 no TLS here")
            return
        await self._say("220 2.0.0 go ahead")
        await self._connection.start_tls()

    async def _on_auth(self, line: bytes) -> None:
        _, mechanism, *initial = line.decode().split(" ")
        if mechanism.upper() == "PLAIN":
            text = initial[0] if initial else await self._challenge(b"")
            _, user, password = base64.b64decode(text).decode().split("\0")
        else:
            user = base64.b64decode(await self._challenge(b"Username:")).decode()
            password = base64.b64decode(await self._challenge(b"Password:")).decode()
        is_known = self._script.users.get(user) == password
        await self._say("235 2.7.0 welcome" if is_known else "535 5.7.8 who are you?")

    async def _challenge(self, text: bytes) -> str:
        await self._say(f"334 {base64.b64encode(text).decode()}")
        return (await self._connection.read()).strip().decode()

    async def _on_data(self, _: bytes) -> None:
        await self._say("354 end with a dot")
        lines: list[bytes] = []
        while (line := await self._connection.read()) != b".\r\n":
            lines.append(line)
        self._conversation.content.append(b"".join(lines))
        if not await self._scripted("content"):
            await self._say("250 2.0.0 queued as 4711")

    async def _on_quit(self, _: bytes) -> None:
        await self._say("221 2.0.0 bye")
        self._connection.hang_up()
