"""A scripted IMAP server: well-mannered unless told otherwise, its misbehaviour given as data.

    async with ImapPeer({"NOOP": (Say("* BYE tired"), Close())}) as peer:
        session = await ImapSession.connect(Dialer(), peer.address, peer.port)

What is given for a command replaces its polite answer; a list of answers is for its first, second,
... use, the last one staying. `{tag}` in a text is the command's tag.
"""

import asyncio
import socket
import ssl
import struct
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Say:
    """Send the lines together, each with CRLF."""

    lines: tuple[str, ...]

    def __init__(self, *lines: str) -> None:
        object.__setattr__(self, "lines", lines)


@dataclass(frozen=True, slots=True)
class Raw:
    """Send these octets as they are."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Send a line `size` octets at a time, each a write of its own."""

    line: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class Repeat:
    """Send a line `count` times; `{n}` counts from 1."""

    line: str
    count: int


@dataclass(frozen=True, slots=True)
class Flood:
    """Send these octets until the other side is gone."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """Wait for one line of the client's."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Wait until the test calls `peer.cue(name)`."""

    name: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Let the test that awaits `peer.told(name)` go on."""

    name: str


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing more until the client is gone."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection."""


@dataclass(frozen=True, slots=True)
class UpgradeTls:
    """Begin TLS as a server."""


Act = Say | Raw | Drip | Repeat | Flood | Read | Cue | Tell | Hang | Close | Reset | UpgradeTls
Answer = Sequence[Act]
Answers = Mapping[str, Answer | list[Answer]]

CAPABILITIES = "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN IDLE UIDPLUS ID SPECIAL-USE LIST-EXTENDED"
OK = Say("{tag} OK done")
OPENED = (
    Say(
        "* FLAGS (\\Seen \\Deleted)",
        "* 0 EXISTS",
        "* OK [UIDVALIDITY 7] valid",
        "* OK [UIDNEXT 1] next",
        "{tag} OK [READ-ONLY] open",
    ),
)
MANNERS: Answers = {
    "CAPABILITY": (Say(f"* CAPABILITY {CAPABILITIES}", "{tag} OK done"),),
    "ID": (Say('* ID ("name" "peer")', "{tag} OK done"),),
    "LOGIN": (OK,),
    "AUTHENTICATE": (OK,),
    "STARTTLS": (OK, UpgradeTls()),
    "LIST": (Say('* LIST () "/" INBOX', '* LIST (\\Junk) "/" Junk', "{tag} OK done"),),
    "EXAMINE": OPENED,
    "SELECT": OPENED,
    "NOOP": (OK,),
    "IDLE": (Say("+ idling"), Read(), OK),
    "UID SEARCH": (Say("* SEARCH", "{tag} OK done"),),
    "UID FETCH": (OK,),
    "UID STORE": (OK,),
    "UID EXPUNGE": (OK,),
    "LOGOUT": (Say("* BYE bye", "{tag} OK done"), Close()),
}
GREETING: Answer = (Say("* OK ready"),)


class _Gone(Exception):
    """The connection is over."""


class ImapPeer:
    """The server; `heard` has every line it was sent, `sessions` how often it was connected to."""

    def __init__(
        self,
        answers: Answers | None = None,
        *,
        greeting: Answer = GREETING,
        context: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
    ) -> None:
        self.heard: list[str] = []
        self.sessions = 0
        self._answers = {**MANNERS, **(answers or {})}
        self._greeting = greeting
        self._context = context
        self._implicit = context if implicit_tls else None
        self._cues: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._told: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._uses: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, ssl=self._implicit, limit=2**20
        )
        self.address, self.port = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cue(self, name: str) -> None:
        """Let every `Cue(name)` go on, now and later."""
        self._cues[name].set()

    async def told(self, name: str) -> None:
        """Wait until a `Tell(name)` was reached."""
        async with asyncio.timeout(10):
            await self._told[name].wait()

    def count(self, verb: str) -> int:
        """How often a command was given."""
        return self._uses[verb]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.sessions += 1
        try:
            with suppress(_Gone, OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()  # the test is over
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._act(self._greeting, "*", reader, writer)
        while True:
            tag, verb = self._command(await self._line(reader))
            self._uses[verb] += 1
            answer = self._answers.get(verb, (Say("{tag} BAD unknown"),))
            if isinstance(answer, list):
                answer = answer[min(self._uses[verb], len(answer)) - 1]
            await self._act(answer, tag, reader, writer)

    async def _line(self, reader: asyncio.StreamReader) -> str:
        line = await reader.readline()
        if not line:
            raise _Gone
        self.heard.append(line.decode("latin-1").rstrip("\r\n"))
        return self.heard[-1]

    def _command(self, line: str) -> tuple[str, str]:
        tag, _, rest = line.partition(" ")
        words = rest.upper().split(" ")
        return tag, " ".join(words[: 2 if words[0] == "UID" else 1])

    async def _act(
        self,
        answer: Answer,
        tag: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        for act in answer:
            match act:
                case Read():
                    await self._line(reader)
                case Cue(name):
                    await self._cues[name].wait()
                case Tell(name):
                    self._told[name].set()
                case Hang():
                    await reader.read(-1)
                    raise _Gone
                case Close():
                    raise _Gone
                case Reset():
                    _reset(writer)
                    raise _Gone
                case UpgradeTls():
                    assert self._context is not None
                    await writer.start_tls(self._context)
                case _:
                    await _send(act, tag, writer)


async def _send(
    act: Say | Raw | Drip | Repeat | Flood, tag: str, writer: asyncio.StreamWriter
) -> None:
    for octets in _pieces(act, tag):
        writer.write(octets)
        await writer.drain()
    while isinstance(act, Flood):
        writer.write(act.octets)
        await writer.drain()


def _pieces(act: Say | Raw | Drip | Repeat | Flood, tag: str) -> list[bytes]:
    if isinstance(act, Say):
        text = "".join(f"{line}\r\n" for line in act.lines)
        return [text.replace("{tag}", tag).encode("latin-1")]
    if isinstance(act, Raw):
        return [act.octets.replace(b"{tag}", tag.encode())]
    if isinstance(act, Drip):
        octets = f"{act.line}\r\n".replace("{tag}", tag).encode("latin-1")
        return [octets[at : at + act.size] for at in range(0, len(octets), act.size)]
    if isinstance(act, Repeat):
        lines = (act.line.replace("{n}", str(n)) + "\r\n" for n in range(1, act.count + 1))
        return ["".join(lines).encode("latin-1")]
    return []


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
