"""A scripted IMAP server: well-behaved by default, with its misbehaviour given as data.

    async with ImapPeer({"NOOP": (Say("* BYE tired"), Close())}) as peer:
        session = await ImapSession.connect(Dialer(), peer.address, peer.port)

Steps given for a command replace its normal answer. A list of answers is for its first, second,
... use, the last one staying. `{tag}` in a text is the command's tag.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from exporter.testbed.servers.connection import Connection
from exporter.testbed.servers.peer import Peer
from exporter.testbed.servers.script import SOUND, Close, Line, Read, Say, StartTls, Steps

Answers = Mapping[str, Steps | Sequence[Steps]]

MAX_HEARD = 100_000
"""Lines a server writes down."""

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
    "STARTTLS": (OK, StartTls()),
    "LIST": (Say('* LIST () "/" INBOX', '* LIST (\\Junk) "/" Junk', "{tag} OK done"),),
    "EXAMINE": OPENED,
    "SELECT": OPENED,
    "CLOSE": (OK,),
    "NOOP": (OK,),
    "IDLE": (Say("+ idling"), Read(), OK),
    "UID SEARCH": (Say("* SEARCH", "{tag} OK done"),),
    "UID FETCH": (OK,),
    "UID STORE": (OK,),
    "UID EXPUNGE": (OK,),
    "LOGOUT": (Say("* BYE bye", "{tag} OK done"), Close()),
}
GREETING: Steps = (Say("* OK ready"),)


class ImapPeer(Peer):
    """The server; `heard` has every line it was sent."""

    farewell = 0.0

    def __init__(
        self,
        answers: Answers | None = None,
        *,
        greeting: Steps = GREETING,
        context: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        line: Line = SOUND,
    ) -> None:
        super().__init__(implicit=context if implicit_tls else None)
        self.heard: list[str] = []
        self._answers = {**MANNERS, **(answers or {})}
        self._greeting = greeting
        self._context = context
        self._line = line
        self._uses: Counter[str] = Counter()

    def count(self, verb: str) -> int:
        """How often a command was given."""
        return self._uses[verb]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        connection = Connection(
            reader,
            writer,
            line=self._line,
            tls=self._context,
            is_secure=self._implicit is not None,
            on_line=self._hear,
            cues=self.cues,
            tells=self.tells,
        )
        async with connection:
            await connection.answer(self._greeting, {"tag": "*"})
            while True:
                tag, verb = _command((await connection.read()).decode("latin-1"))
                self._uses[verb] += 1
                await connection.answer(self._answer(verb), {"tag": tag})

    def _answer(self, verb: str) -> Steps:
        answer: Sequence[Any] = self._answers.get(verb, (Say("{tag} BAD unknown"),))
        if isinstance(answer, list):
            chosen: Steps = answer[min(self._uses[verb], len(answer)) - 1]
            return chosen
        return answer

    def _hear(self, _: float, line: bytes) -> None:
        if len(self.heard) < MAX_HEARD:
            self.heard.append(line.decode("latin-1"))


def _command(line: str) -> tuple[str, str]:
    tag, _, rest = line.rstrip("\r\n").partition(" ")
    words = rest.upper().split(" ")
    return tag, " ".join(words[: 2 if words[0] == "UID" else 1])
