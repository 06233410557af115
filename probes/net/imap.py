"""One IMAP session, RFC 3501, every step awaitable by itself."""

import asyncio
import base64
import binascii
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from probes.net.dial import Dialer
from probes.net.errors import NetError
from probes.net.imap_dialogue import Dialogue, Refused
from probes.net.imap_refusal import is_not_understood, says_no_such_folder, wants_id
from probes.net.sasl import Mechanism
from probes.net.tls import ClientContext, TlsFacts
from probes.options import Secret
from probes.records.imap.framing import MAX_LITERAL, SMALL_LITERAL
from probes.records.imap.names import octets_of
from probes.records.imap.responses import (
    Condition,
    Continuation,
    Fetch,
    Identity,
    Listed,
    Quota,
    Search,
    Status,
)
from probes.result import Owner, ProbeFailure, Reason

MAX_IDLE = 28 * 60.0
"""Seconds after which IDLE is renewed at the latest: servers may hang up at 30 min, RFC 2177 §3."""

GOODBYE = 1.0
"""Seconds a server may take to close the connection after LOGOUT."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it was when it was opened; `uid_next` is None where the server does not say."""

    name: str
    uid_validity: int
    uid_next: int | None
    exists: int
    is_read_only: bool


class ImapSession(Dialogue):
    """A connection in the order connect, [handshake], greeting, [starttls, handshake], login.

    As a context manager it says LOGOUT on the way out where that is still possible. A step raises
    NetError when the connection ends and ProbeFailure when the server refuses it. One step at a
    time.
    """

    @classmethod
    async def connect(
        cls, dialer: Dialer, address: str, port: int, *, source: str | None = None
    ) -> Self:
        """TCP only."""
        session = cls(address, port)
        await dialer.open(lambda: session._wire, address, port, source=source)
        return session

    async def handshake(self, context: ClientContext, server_name: str) -> TlsFacts:
        """Do the TLS handshake, straight after connect or after starttls.

        The capabilities sent before it are forgotten.
        """
        self.tls = await self._wire.start_tls(context, server_name)
        self.capabilities = None  # RFC 3501 §6.2.1
        if self._greeting is not None:
            self._wire.release()
        return self.tls

    async def greeting(self) -> Status:
        """The server's first words: OK, or PREAUTH where no login is needed."""
        self._wire.release()
        while self._greeting is None:
            await self._woken()
        return self._greeting

    async def capability(self) -> frozenset[str]:
        """Ask for the server's capabilities."""
        await self._ask("CAPABILITY")
        if self.capabilities is None:
            raise ProbeFailure(Reason.UNEXPECTED_REPLY, f"{self.name}: no capabilities were named")
        return self.capabilities

    async def known_capabilities(self) -> frozenset[str]:
        """Return the server's capabilities; asks only if the server has not sent them."""
        return await self.capability() if self.capabilities is None else self.capabilities

    async def id(self) -> Mapping[str, str]:
        """Exchange ID, RFC 2971: return the server's fields, empty where it does not send any."""
        said = 'ID ("name" "mailcanary")'
        found = await self._collect(Identity, said)
        return found[-1].fields if found else {}

    async def introduce(self, *, is_wanted: bool = False) -> None:
        """Give our ID where the server offers that, or with `is_wanted`; a refusal is no harm."""
        if is_wanted or "ID" in await self.known_capabilities():
            try:
                self.identity = await self.id()
            except Refused as refused:
                self.remark(refused.detail)

    async def starttls(self) -> None:
        """The command only; `handshake` must follow. Raises when plaintext follows the answer."""
        if "STARTTLS" not in await self.known_capabilities():
            raise ProbeFailure(Reason.STARTTLS_NOT_SUPPORTED, f"{self.name} offers no STARTTLS")
        await self._ask("STARTTLS")
        if self._wire.has_unread:
            error = self._wire.injected()
            self._wire.fail(error)
            raise error

    async def login(self, username: str, password: Secret, *, insecure: bool = False) -> None:
        """Send LOGIN, RFC 3501 §6.2.3.

        `insecure` sends the password also to a server that did not prove its identity. Without it
        that is done on loopback only.
        """
        self._guard(insecure)
        if "LOGINDISABLED" in await self.known_capabilities():
            raise ProbeFailure(Reason.EXTENSION_MISSING, f"{self.name} has LOGIN disabled")
        segments = _login(username, password)
        self._wire.hide(password.reveal())
        self.capabilities = None
        command = self._send(segments[0], "LOGIN")
        for segment in segments[1:]:
            reply = await self._reply(command)
            if isinstance(reply, Status):
                raise self._login_refused(reply)
            self._wire.write(segment + b"\r\n")
        self._logged_in(await self._status(command))

    async def authenticate(
        self, mechanism: Mechanism, *, insecure: bool = False, initial_response: bool = True
    ) -> None:
        """AUTHENTICATE, RFC 3501 §6.2.2; `insecure` as in `login`.

        Without `initial_response` the server's `+` is waited for even where SASL-IR is offered.
        """
        self._guard(insecure)
        offered = await self.known_capabilities()
        if f"AUTH={mechanism.name}" not in offered:
            raise ProbeFailure(
                Reason.EXTENSION_MISSING, f"{self.name} offers no AUTH={mechanism.name}"
            )
        initial = base64.b64encode(mechanism.initial())
        self._wire.hide(initial.decode("ascii"))
        self._wire.hide(mechanism.secret.reveal())
        line = f"AUTHENTICATE {mechanism.name}".encode("ascii")
        may_begin = initial_response and mechanism.takes_initial
        has_begun = may_begin and "SASL-IR" in offered  # RFC 4959
        self.capabilities = None
        command = self._send(line + b" " + (initial or b"=") if has_begun else line, "AUTHENTICATE")
        reply = await self._reply(command)
        while isinstance(reply, Continuation):
            answer = base64.b64encode(mechanism.respond(_challenge(reply)))
            self._wire.write((answer if has_begun else initial) + b"\r\n")
            has_begun = True
            reply = await self._reply(command)
        self._logged_in(reply)

    async def list(self) -> tuple[Listed, ...]:
        """All folders; special uses are among the attributes where the server knows them."""
        offered = await self.known_capabilities()
        # RFC 6154 §5.2: RETURN needs LIST-EXTENDED, which IMAP4rev2 includes
        if {"SPECIAL-USE", "LIST-EXTENDED"} <= offered or "IMAP4REV2" in offered:
            with suppress(Refused):
                return await self._collect(Listed, 'LIST "" "*" RETURN (SPECIAL-USE)')
        elif "XLIST" in offered and "SPECIAL-USE" not in offered:  # what there was before RFC 6154
            with suppress(Refused):
                return await self._collect(Listed, 'XLIST "" "*"')
        return await self._collect(Listed, 'LIST "" "*"')

    async def examine(self, name: str) -> Folder:
        """Open a folder for reading only: nothing in it changes, not even \\Recent."""
        return await self._open("EXAMINE", name)

    async def close_folder(self) -> None:
        """Leave a folder that was opened for reading only; nothing is removed, RFC 3501 §6.4.2.

        A server that refuses keeps it open: that is remarked.
        """
        try:
            await self._ask("CLOSE")
        except Refused as refused:
            self.remark(refused.detail)

    async def notify(self, names: Collection[str]) -> None:
        """Ask the server to report mail that comes to these folders, RFC 5465 §3.1.

        The server reports in any of its answers, IDLE among them. `changed_folders` has the latest
        report of each folder, and every folder has one when this returns. Raises ValueError for no
        names.
        """
        if not names:
            raise ValueError("no folder to be told of")
        self._notified, self.changed_folders = frozenset(names), {}
        listed = " ".join(folder_name(name) for name in names)
        await self._ask(f"NOTIFY SET STATUS (mailboxes ({listed}) (MessageNew MessageExpunge))")

    async def select(self, name: str) -> Folder:
        """Open a folder for changing it."""
        return await self._open("SELECT", name)

    async def quota(self, name: str) -> tuple[Quota, ...]:
        """Return the usage of the folder's quota roots; () where the server has no QUOTA or no
        limit.
        """
        offered = await self.known_capabilities()
        if not any(word == "QUOTA" or word.startswith("QUOTA=") for word in offered):
            return ()
        # RFC 9208 §4.1.2
        return await self._collect(Quota, f"GETQUOTAROOT {folder_name(name)}")

    async def noop(self) -> None:
        """Send NOOP, so that the server can report news."""
        await self._ask("NOOP")

    async def idle(self, known: int, renew: float = MAX_IDLE) -> None:
        """Wait until `changes` differs from `known`, `interrupt` is called or `renew` is over.

        `renew` (seconds) is cut to MAX_IDLE; a caller that still waits calls again. Raises NetError
        (timeout) when `+` or the answer to DONE does not come within `idle_answer`.
        """
        if self.changes != known:
            return
        self._nudge = asyncio.get_running_loop().create_future()
        try:
            command = self._send(b"IDLE", "IDLE")
            reply = await self._promptly(command)
            if isinstance(reply, Status):
                raise self._refused(reply, "IDLE")
            if self.changes == known and self._command is command:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(renew, MAX_IDLE)):
                        await self._nudge
            if self._command is command:
                self._wire.write(b"DONE\r\n")
            self._require_ok(await self._promptly(command), "IDLE")
        finally:
            self._nudge = None

    async def uid_search(self, criteria: str) -> tuple[int, ...]:
        """The UIDs that match search keys of RFC 3501 §6.4.4, US-ASCII, in no certain order."""
        found = await self._collect(Search, f"UID SEARCH {criteria}")
        return tuple(number for each in found for number in each.numbers)

    async def uid_fetch(
        self, uids: str, section: str | None = None, octets: int = SMALL_LITERAL, *, start: int = 0
    ) -> tuple[Fetch, ...]:
        """UID, size, internal date and `octets` of `section`, without marking it read.

        The octets are those from `start` on; a section of "" is the whole message.
        `uids` is a sequence set; a message may come twice, or not at all when it is gone. Others
        than those asked for may be among them, RFC 3501 §7.4.2.
        """
        octets = min(octets, MAX_LITERAL)
        items = "UID INTERNALDATE RFC822.SIZE"
        if section is not None:
            items += f" BODY.PEEK[{section}]<{start}.{octets}>"
        self._wire.framer.max_literal = max(octets, SMALL_LITERAL)
        return await self._collect(Fetch, f"UID FETCH {uids} ({items})")

    async def uid_fetch_labels(self, uids: str) -> tuple[Fetch, ...]:
        """UID and Gmail's labels; needs X-GM-EXT-1 among the capabilities."""
        return await self._collect(Fetch, f"UID FETCH {uids} (UID X-GM-LABELS)")

    async def uid_store(self, uids: str, flags: Iterable[str]) -> None:
        """Add flags."""
        await self._ask(f"UID STORE {uids} +FLAGS.SILENT ({' '.join(flags)})")

    async def uid_expunge(self, uids: str) -> None:
        """Remove those of `uids` that are marked \\Deleted, and no others (RFC 4315 §2.1).

        Where the server cannot do that, raises ProbeFailure (extension_missing) and removes none.
        """
        await self.require_uidplus()
        await self._ask(f"UID EXPUNGE {uids}")

    async def require_uidplus(self) -> None:
        """Raise ProbeFailure (extension_missing) where single messages cannot be removed."""
        if not {"UIDPLUS", "IMAP4REV2"} & await self.known_capabilities():
            raise ProbeFailure(Reason.EXTENSION_MISSING, f"{self.name} offers no UIDPLUS")

    async def logout(self) -> None:
        """LOGOUT; a connection that is closed instead of answered is answer enough."""
        self._is_leaving = True
        try:
            await self._ask("LOGOUT")
        except Refused as refused:
            self.remark(refused.detail)
        except NetError as error:
            if error.reason is not Reason.CONNECTION_CLOSED:
                raise

    async def close(self) -> None:
        """Say LOGOUT where nothing is in the way, then close within GOODBYE seconds."""
        await self._wire.wait_gone(GOODBYE if self._says_goodbye() else 0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _open(self, verb: str, name: str) -> Folder:
        try:
            await self._ask_to_open(verb, name)
        except Refused as refused:
            if not wants_id(refused.answer):
                raise
            # RFC 2971 forbids to make anything depend on ID: some servers do all the same
            await self.introduce(is_wanted=True)
            await self._ask_to_open(verb, name)
        if self.exists is None or self.uid_validity is None:
            # RFC 3501 §6.3.1: both are required; without UIDVALIDITY there are no lasting UIDs
            missing = "EXISTS" if self.exists is None else "UIDVALIDITY"
            raise ProbeFailure(
                Reason.UNEXPECTED_REPLY, f"{self.name}: {verb} of {name!r} said no {missing}"
            )
        return Folder(name, self.uid_validity, self.uid_next, self.exists, self._is_read_only)

    async def _ask_to_open(self, verb: str, name: str) -> None:
        self._forget_folder()
        try:
            await self._ask(f"{verb} {folder_name(name)}")
        except Refused as refused:
            if refused.reason is Reason.REJECTED and refused.owner is None:
                is_there = not wants_id(refused.answer) and await self._is_there(name, refused)
                refused.owner = Owner.RECEIVER_MAILBOX if is_there else Owner.CONFIGURATION
            raise

    async def _is_there(self, name: str, refused: Refused) -> bool:
        """True unless a folder that was not opened does not exist: its name is ours to mend."""
        if says_no_such_folder(refused.answer) or name.upper() == "INBOX":
            return not says_no_such_folder(refused.answer)  # RFC 3501 §5.1: there is an INBOX
        with suppress(Refused):
            listed = await self._collect(Listed, f'LIST "" {folder_name(name)}')
            return any("\\noselect" not in folder.attributes for folder in listed)
        return True

    def _guard(self, insecure: bool) -> None:  # noqa: FBT001 - handed through
        is_proven = self.tls is not None and self.tls.trusted
        if is_proven or insecure or ipaddress.ip_address(self.address).is_loopback:
            return
        how = "in clear" if self.tls is None else "under a certificate that is not trusted"
        raise ProbeFailure(
            Reason.UNTESTABLE,
            f"no password is sent to {self.name} {how}",
            owner=Owner.CONFIGURATION,
        )

    def _logged_in(self, status: Status) -> None:
        if status.condition is not Condition.OK:
            raise self._login_refused(status)

    def _login_refused(self, status: Status) -> Refused:
        refusal = self._refused(status, "login")
        if refusal.reason is Reason.REJECTED and refusal.owner is not Owner.RECEIVER_MAILBOX:
            is_judged = not is_not_understood(status)
            refusal.reason = Reason.AUTHENTICATION_FAILED if is_judged else Reason.REJECTED
        return refusal


def quote(text: str) -> str:
    """Return a quoted string, RFC 3501 §4.3. Raises ValueError for text that needs a literal."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("not printable US-ASCII")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def folder_name(name: str) -> str:
    """Return the name as an argument of a command, one character for each octet.

    Raises ProbeFailure for a name with a line end or a NUL in it, which no command can carry.
    """
    octets = octets_of(name)
    if set(octets) & {0, 10, 13}:
        raise ProbeFailure(
            Reason.UNTESTABLE, f"no folder can be called {name!r}", owner=Owner.CONFIGURATION
        )
    escaped = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return f'"{escaped.decode("latin-1")}"'


def uid_set(uids: Iterable[int]) -> str:
    """A sequence set of the UIDs, neighbours as ranges."""
    ranges: list[list[int]] = []
    for uid in sorted(set(uids)):
        if ranges and ranges[-1][1] == uid - 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(f"{low}:{high}" if high > low else str(low) for low, high in ranges)


def _login(username: str, password: Secret) -> tuple[bytes, ...]:
    """The command cut where a literal's octets wait for the server's `+`."""
    segments = []
    text = b"LOGIN"
    for argument in (username, password.reveal()):
        if "\0" in argument:
            raise ProbeFailure(
                Reason.UNTESTABLE, "a user name or password with a NUL", owner=Owner.CONFIGURATION
            )
        if argument.isascii() and argument.isprintable():
            text += b" " + quote(argument).encode("ascii")
        else:
            octets = argument.encode()
            segments.append(text + b" {%d}" % len(octets))
            text = octets
    return (*segments, text)


def _challenge(reply: Continuation) -> bytes:
    try:
        return base64.b64decode(reply.text)
    except (binascii.Error, ValueError):
        return b""
