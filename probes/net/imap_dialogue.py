"""Commands and answers of one IMAP connection, and the server's unsolicited responses.

News of the folder is kept from any response: `exists`, `uid_validity` and `changes` are up to date
after every step. A caller waits for news by comparing `changes` with its value before the last
look. So no news is missed because it came at another time.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TypeVar

from probes.net.errors import NetError
from probes.net.imap_refusal import PASSING, owner_of_refusal
from probes.net.imap_wire import Wire
from probes.net.tls import TlsFacts
from probes.records.imap.framing import SMALL_LITERAL
from probes.records.imap.responses import (
    Capability,
    Code,
    Condition,
    Continuation,
    Exists,
    Expunge,
    Fetch,
    FolderStatus,
    Identity,
    Listed,
    Quota,
    Response,
    Search,
    Status,
    Unread,
)
from probes.result import ProbeFailure, Reason

MAX_RESPONSES = 100_000
"""Untagged responses to one command, IDLE among them."""

MAX_COLLECTED = 24 * 1024 * 1024
"""Octets, roughly, that the answers to one command may take: the largest literal, and some."""

MAX_UNREAD = 1_000
"""Responses of one connection that cannot be read, before it is given up as no IMAP."""

MAX_REMARKS = 20
"""Oddities of a server that are kept for one connection."""

IDLE_ANSWER = 10.0
"""Seconds a server may take for its `+` to IDLE and for its answer to DONE."""

_SHOWN = 200
_OVERHEAD = 512  # octets that the smallest response takes when it is kept, generously
_NUMBER = 36  # a number and its place in a tuple

_R = TypeVar("_R", Fetch, Identity, Quota, Listed, Search)


_KEYWORDS: Mapping[type, frozenset[str]] = {
    Fetch: frozenset({"FETCH"}),
    Search: frozenset({"SEARCH", "ESEARCH"}),
}
"""Responses that the command which awaits them cannot do without."""


class Refused(ProbeFailure):
    """The server answered a command with NO or BAD: the connection goes on.

    `answer` is its answer.
    """

    answer: Status | Continuation


class Command:
    """A command on its way: its answers so far, and its waiting caller."""

    __slots__ = ("collected", "found", "is_idle", "missed", "name", "replies", "tag", "wanted")

    def __init__(self, tag: str, name: str, wanted: type | None) -> None:
        self.tag = tag
        self.name = name
        self.wanted = wanted
        self.is_idle = name == "IDLE"
        self.found: list[Response] = []
        self.missed: Unread | None = None
        self.collected = 0
        self.replies: list[Status | Continuation] = []

    def needs(self, unread: Unread) -> bool:
        """True if this is what the command was given for: not the news of another message."""
        if self.wanted is None or unread.name not in _KEYWORDS.get(self.wanted, ()):
            return False
        # RFC 3501 §6.4.8: what answers UID FETCH names the UID; news of flags need not
        return self.wanted is not Fetch or b"UID " in unread.octets.upper()


class Dialogue:
    """One connection: one command at a time, and everything the server said."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.name = f"{address} port {port}"
        self.capabilities: frozenset[str] | None = None
        """The server's capabilities, None until it sent them (again, after STARTTLS and login)."""
        self.tls: TlsFacts | None = None
        self.exists: int | None = None
        self.uid_validity: int | None = None
        self.uid_next: int | None = None
        self.expunged = 0
        """Messages that went away since the connection was made."""
        self.changes = 0
        """Grows whenever a message may have come or the folder became another one."""
        self.changed_folders: dict[str, FolderStatus] = {}
        """The latest unasked STATUS of every folder that NOTIFY was asked to tell of."""
        self.identity: Mapping[str, str] = {}
        """The server's ID, RFC 2971; empty until it sent one."""
        self.remarks: list[str] = []
        """The server's oddities that stopped nothing: each once, MAX_REMARKS at the most."""
        self._unread_count = 0
        self.idle_answer = IDLE_ANSWER
        self._notified: frozenset[str] = frozenset()
        self._is_read_only = False
        self._greeting: Status | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._command: Command | None = None
        self._nudge: asyncio.Future[None] | None = None
        self._serial = 0
        self._said = 0
        self._is_leaving = False
        self._wire = Wire(self.name, self._take, self._ended)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can be said or heard on this connection."""
        return self._wire.failure is not None

    def interrupt(self) -> None:
        """End the `idle` that is running; without one, nothing happens."""
        if self._nudge is not None and not self._nudge.done():
            self._nudge.set_result(None)

    def remark(self, text: str) -> None:
        """Note an oddity of the server, without our secrets."""
        shown = self._wire.without_secrets(text)
        if shown not in self.remarks and len(self.remarks) < MAX_REMARKS:
            self.remarks.append(shown)

    # Commands

    def _send(self, line: bytes, name: str, wanted: type | None = None) -> Command:
        if self._command is not None and self._wire.failure is None:
            raise RuntimeError(f"{name} while {self._command.name} is under way")
        self._serial += 1
        self._said = 0
        command = Command(f"c{self._serial}", name, wanted)
        self._wire.write(b"%s %s\r\n" % (command.tag.encode("ascii"), line))
        self._command = command
        return command

    async def _reply(self, command: Command) -> Status | Continuation:
        while not command.replies:
            await self._woken()
        return command.replies.pop(0)

    async def _status(self, command: Command) -> Status:
        reply = await self._reply(command)
        if isinstance(reply, Continuation):
            error = NetError(Reason.UNEXPECTED_REPLY, f"{self.name}: `+` to {command.name}")
            self._wire.fail(error)
            raise error
        return reply

    async def _promptly(self, command: Command) -> Status | Continuation:
        try:
            async with asyncio.timeout(self.idle_answer):
                return await self._reply(command)
        except TimeoutError:
            error = NetError(Reason.TIMEOUT, f"{self.name}: no answer in IDLE")
            self._wire.fail(error)
            raise error from None

    async def _ask(
        self, line: str, wanted: type | None = None, tolerated: Collection[str] = ()
    ) -> Command:
        words = line.split(" ", 2)
        name = " ".join(words[:2]) if words[0] == "UID" else words[0]
        command = self._send(line.encode("latin-1"), name, wanted)
        status = await self._status(command)
        self._wire.framer.max_literal = SMALL_LITERAL
        if status.code is None or status.code.name not in tolerated:
            self._require_ok(status, name)
        return command

    async def _collect(self, wanted: type[_R], line: str) -> tuple[_R, ...]:
        # RFC 5530 §3: EXPUNGEISSUED answers for messages that are gone, the others were fetched
        command = await self._ask(line, wanted, tolerated=("EXPUNGEISSUED",))
        if command.missed is not None:
            missed = f"{command.missed.name} cannot be read: {command.missed.why}"
            raise ProbeFailure(
                Reason.MALFORMED_REPLY, self._wire.without_secrets(f"{self.name}: {missed}")
            )
        return tuple(each for each in command.found if isinstance(each, wanted))

    def _require_ok(self, reply: Status | Continuation, name: str) -> None:
        if isinstance(reply, Continuation) or reply.condition is not Condition.OK:
            raise self._refused(reply, name)

    def _refused(self, reply: Status | Continuation, name: str) -> Refused:
        detail = f"{self.name}: {name} was answered {self._shown(reply)}"
        code = reply.code.name if isinstance(reply, Status) and reply.code is not None else ""
        reason = Reason.UNEXPECTED_REPLY
        if isinstance(reply, Status) and reply.condition is Condition.NO:
            reason = Reason.DEFERRED if code in PASSING else Reason.REJECTED
        refused = Refused(reason, detail, owner=owner_of_refusal(reply))
        refused.answer = reply
        return refused

    def _forget_folder(self) -> None:
        self.exists = self.uid_validity = self.uid_next = None
        self._is_read_only = False
        self.changes += 1

    def _says_goodbye(self) -> bool:
        """LOGOUT, unless the server waits for something else from us."""
        if self._wire.failure is not None or self._greeting is None:
            return False
        if self._command is not None and not self._command.is_idle:
            return False
        done = b"DONE\r\n" if self._command is not None else b""
        self._is_leaving = True
        with suppress(NetError):
            self._wire.write(done + b"bye LOGOUT\r\n")
        return True

    # What the server says

    def _take(self, response: Response) -> None:
        self._said += 1
        if self._said > MAX_RESPONSES:
            self._wire.fail(
                NetError(Reason.MALFORMED_REPLY, f"{self.name}: more than {self._said - 1} answers")
            )
        elif isinstance(response, Status):
            self._take_status(response)
        elif isinstance(response, Exists):
            self._take_exists(response.count)
        elif isinstance(response, Continuation):
            self._take_reply(response)
        elif isinstance(response, Expunge):
            self.exists = max(0, (self.exists or 0) - 1)
            self.expunged += 1
        elif isinstance(response, Capability):
            self.capabilities = response.names
        elif isinstance(response, FolderStatus):
            self._take_folder_status(response)
        elif isinstance(response, Unread):
            self._take_unread(response)
        if self._command is not None and self._command.wanted is type(response):
            self._keep(self._command, response)

    def _take_unread(self, unread: Unread) -> None:
        """Go on without it; it is a failure of the step that cannot do without it.

        The greeting is needed by everybody, and a server of which nothing can be read is no IMAP
        server.
        """
        self._unread_count += 1
        if self._greeting is None or self._unread_count > MAX_UNREAD:
            words = self._wire.without_secrets(f"{unread.why}: {unread.octets[:80]!r}")
            self._wire.fail(NetError(Reason.MALFORMED_REPLY, f"{self.name}: {words}"))
            return
        command = self._command
        if command is not None and command.needs(unread):
            command.missed = command.missed or unread
        elif self._unread_count == 1:
            self.remark(f"a response cannot be read and is ignored: {unread.octets[:80]!r}")

    def _keep(self, command: Command, response: Response) -> None:
        command.found.append(response)
        command.collected += _weight(response)
        if command.collected > MAX_COLLECTED:
            self._wire.fail(
                NetError(Reason.MALFORMED_REPLY, f"{self.name}: more than was asked for")
            )

    def _take_exists(self, count: int) -> None:
        if count != self.exists:
            self.exists = count
            self._changed()

    def _take_folder_status(self, status: FolderStatus) -> None:
        """Keep a report of NOTIFY about a folder that is not open, RFC 5465 §5.2."""
        if status.name in self._notified:
            self.changed_folders[status.name] = status
            self._changed()

    def _take_status(self, status: Status) -> None:
        if status.code is not None:
            self._take_code(status.code)
        if status.tag is not None:
            self._take_reply(status)
        elif status.condition is Condition.BYE and not self._is_leaving:
            self._wire.fail(NetError(Reason.SERVICE_CLOSING, f"{self.name}: {self._shown(status)}"))
        elif self._greeting is None:
            self._take_greeting(status)

    def _take_greeting(self, status: Status) -> None:
        if status.condition not in (Condition.OK, Condition.PREAUTH):  # RFC 3501 §7.1
            self._wire.fail(
                NetError(Reason.UNEXPECTED_REPLY, f"{self.name}: {self._shown(status)}")
            )
            return
        self._greeting = status
        self._wake()

    def _take_code(self, code: Code) -> None:
        if code.name == "CAPABILITY":
            self.capabilities = frozenset(word.upper() for word in code.words)
        elif code.name == "UIDNEXT":
            self.uid_next = code.number
        elif code.name == "UIDVALIDITY" and code.number != self.uid_validity:
            self.uid_validity = code.number
            self._changed()
        elif code.name == "CLOSED":  # RFC 7162 §3.2.11: what follows is about the next folder
            self._forget_folder()
        elif code.name in ("READ-ONLY", "READ-WRITE"):
            self._is_read_only = code.name == "READ-ONLY"

    def _take_reply(self, reply: Status | Continuation) -> None:
        command = self._command
        if self._is_leaving and command is None:
            return
        is_ours = command is not None and (
            isinstance(reply, Continuation) or reply.tag == command.tag
        )
        if command is None or not is_ours or len(command.replies) > 1:
            self._wire.fail(
                NetError(Reason.UNEXPECTED_REPLY, f"{self.name}: unasked for: {self._shown(reply)}")
            )
            return
        command.replies.append(reply)
        if isinstance(reply, Status):
            self._command = None
            if command.name == "STARTTLS" and reply.condition is Condition.OK:
                self._wire.hold()
            self.interrupt()
        self._wake()

    def _changed(self) -> None:
        self.changes += 1
        self.interrupt()

    def _ended(self) -> None:
        self._wake()
        self.interrupt()

    async def _woken(self) -> None:
        if self._wire.failure is not None:
            raise self._wire.failure
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _shown(self, reply: Status | Continuation) -> str:
        text = str(reply) if isinstance(reply, Status) else f"+ {reply.text}"
        return repr(self._wire.without_secrets(text)[:_SHOWN])


def _weight(response: Response) -> int:
    """How many octets, roughly, a response takes that is kept."""
    match response:
        case Fetch():
            return _OVERHEAD + sum(len(text or b"") for text in response.sections.values())
        case Search():
            return _OVERHEAD + _NUMBER * len(response.numbers)
        case Listed():
            return _OVERHEAD + 4 * (len(response.name) + sum(map(len, response.attributes)))
        case Identity():
            return _OVERHEAD + 4 * sum(len(k) + len(v) for k, v in response.fields.items())
    return _OVERHEAD
