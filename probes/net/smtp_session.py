"""One SMTP session, RFC 5321: one connection, one command at a time, every reply kept whole.

Each step is a method of its own, so that the caller can time it.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self

from probes.catalogue import smtp
from probes.catalogue.entry import Entry
from probes.net.address_limiter import Slot
from probes.net.dial import Dialer
from probes.net.smtp_auth import authenticate
from probes.net.smtp_refusal import refusal
from probes.net.smtp_wire import SmtpWire
from probes.net.stream import OnReply
from probes.net.tls import ClientContext, TlsFacts
from probes.options import Secret
from probes.records.ehlo import Ehlo, parse_ehlo, parse_helo
from probes.records.reply import Reply
from probes.records.smtp_command import parameters, path, stuffed
from probes.records.xtext import encode_xtext
from probes.result import Finding, Owner, Phase, ProbeFailure, Reason, Status

_EHLO_UNKNOWN = frozenset({500, 502, 504, 550})


class SmtpSession:
    """A client's side of one SMTP connection.

    Every step raises ProbeFailure: with the reply where the server gave an unwelcome one, NetError
    where the connection ended. Defects that stop nothing are added to `findings`. Used as
    `async with`, it says QUIT on the way out where the dialogue still permits it, never waits
    there, and never raises there.
    """

    def __init__(
        self,
        wire: SmtpWire,
        where: str,
        findings: list[Finding],
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.findings = findings
        self._on_line = on_line
        self.offer: Ehlo | None = None
        self.tls: TlsFacts | None = None
        self._wire = wire
        self._where = where
        self._may_quit = False
        self._awaits_tls = False

    @classmethod
    async def connect(
        cls,
        dialer: Dialer,
        address: str,
        port: int,
        source: str | None = None,
        *,
        findings: list[Finding] | None = None,
        turn: Slot | None = None,
        on_reply: OnReply | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Self:
        """Open the TCP connection only. `findings` is the list to add to, for example the trace's.

        `on_reply` is called with every awaited reply as it is read. It gets two times in seconds:
        the wait of the answered command until we sent it, and the age of the reply.

        `on_line` gets the dialogue, for people: `C: ` and a command, `S: ` and a line of a reply,
        `-- ` and a remark. The content is left out, and all of AUTH
        but its mechanism and reply codes.

        A `turn` at the address is kept until nothing is left of the connection. Without one the
        caller has to bound the number of sessions.
        """
        where = f"{address} port {port}"
        wire = await dialer.open(lambda: SmtpWire(where, on_reply), address, port, source=source)
        if turn is not None:
            turn.keep()
            wire.when_gone(turn.end)
        return cls(wire, where, [] if findings is None else findings, on_line)

    @property
    def unsolicited(self) -> bytes:
        """The first MAX_STRAY octets that the server sent unasked."""
        return bytes(self._wire.stray)

    async def greeting(self) -> Reply:
        """The whole greeting; nothing is said before it has been read."""
        await self._wire.answer()
        self._may_quit = True  # RFC 5321 §3.1: after a 554 the server waits for our QUIT
        return self._expect(Phase.GREETING, (220,))

    async def handshake(self, context: ClientContext, server_name: str) -> TlsFacts:
        """Do the TLS handshake, at once (implicit TLS) or after `starttls`.

        Raises NetError. Under `TrustStore.recording` the certificate is never the reason; the facts
        say whether it is trusted.
        """
        self._refuse_plaintext()
        self.tls = await self._wire.start_tls(context, server_name)
        self._may_quit = self._awaits_tls
        self._awaits_tls = False
        self.offer = None  # RFC 3207 §4.2: what was offered in clear is forgotten
        self._tell(f"-- {self.tls.version} {self.tls.cipher}")
        return self.tls

    async def ehlo(self, name: str, *, or_helo: bool = True) -> Ehlo:
        """Introduce ourselves as `name`; HELO instead where EHLO is unknown and `or_helo`."""
        with _our_fault():
            encoded = name.encode("ascii")
        try:
            reply = await self._command(Phase.EHLO, (250,), b"EHLO", encoded)
        except ProbeFailure as failure:
            if not or_helo or failure.reply is None or failure.reply.code not in _EHLO_UNKNOWN:
                raise
            self._note(smtp.EHLO_REFUSED, str(failure.reply))
            reply = await self._command(Phase.EHLO, (250,), b"HELO", encoded)
            self.offer = parse_helo(reply)
            return self.offer
        self.offer = parse_ehlo(reply)
        return self.offer

    async def starttls(self) -> Reply:
        """The command and its 220 alone; `handshake` comes next, RFC 3207 §4."""
        if self.offer is None or not self.offer.offers("STARTTLS"):
            raise ProbeFailure(Reason.STARTTLS_NOT_SUPPORTED, "the server does not offer STARTTLS")
        reply = await self._command(Phase.STARTTLS, (220,), b"STARTTLS")
        self._awaits_tls = True
        self._may_quit = False
        self._refuse_plaintext()
        return reply

    async def auth(self, username: str, password: Secret, *, insecure: bool = False) -> Reply:
        """Authenticate by PLAIN, else LOGIN, whichever is offered, RFC 4954.

        Without TLS, or with TLS to a peer that was not proven, the password goes to a loopback
        address only, unless `insecure`.
        """
        is_proven = self.tls is not None and self.tls.trusted
        if not (is_proven or insecure or self._is_loopback()):
            what = "without TLS" if self.tls is None else "to a server that proved no identity"
            raise ProbeFailure(
                Reason.UNTESTABLE, f"a password is not sent {what}", owner=Owner.CONFIGURATION
            )
        offered = self.offer.auth_mechanisms if self.offer is not None else ()
        return await authenticate(
            self._auth_step, offered, username, password, self._note_mechanism
        )

    def _note_mechanism(self, mechanism: str, reply: Reply) -> None:
        self._note(smtp.MECHANISM_REFUSED, f"AUTH {mechanism}: {reply}")

    async def mail(
        self,
        address: str,
        *,
        size: int | None = None,
        body: Literal["7BIT", "8BITMIME"] | None = None,
        smtputf8: bool = False,
        envid: str | None = None,
        ret: Literal["FULL", "HDRS"] | None = None,
    ) -> Reply:
        """MAIL FROM; "" is the null sender.

        `size` (octets) is told where SIZE is offered. `body`, `smtputf8` and the DSN parameters
        `envid` and `ret` need their extension: `extension_missing` where it is not offered.
        SMTPUTF8 is asked for when `address` needs it; say `smtputf8` when the recipient does.
        """
        needs_utf8 = smtputf8 or not address.isascii()
        if body == "8BITMIME":
            self._require("8BITMIME")
        if needs_utf8:
            self._require("SMTPUTF8")
        if envid is not None or ret is not None:
            self._require("DSN")
        told = parameters(
            (
                ("SIZE", size if self._offers("SIZE") else None),
                ("BODY", body if self._offers("8BITMIME") else None),
                ("SMTPUTF8", "" if needs_utf8 else None),
                ("RET", ret),
                ("ENVID", encode_xtext(envid) if envid is not None else None),
            )
        )
        with _our_fault():
            reverse_path = path(address)
        return await self._command(Phase.MAIL, (250,), b"MAIL", b"FROM:" + reverse_path, *told)

    async def rcpt(
        self, address: str, *, notify: str | None = None, orcpt: str | None = None
    ) -> Reply:
        """RCPT TO with the DSN parameters `notify` ("NEVER", "SUCCESS,FAILURE") and `orcpt`.

        RFC 3461 §4.1 and §4.2; `orcpt` is given with its type and in xtext.
        """
        if notify is not None or orcpt is not None:
            self._require("DSN")
        told = parameters((("NOTIFY", notify), ("ORCPT", orcpt)))
        with _our_fault():
            forward_path = path(address)
        # RFC 5321 §3.3: 251 takes the message, 252 does not refuse it
        return await self._command(
            Phase.RCPT, (250, 251, 252), b"RCPT", b"TO:" + forward_path, *told
        )

    async def data(self) -> Reply:
        """DATA and its 354."""
        reply = await self._command(Phase.DATA, (354,), b"DATA")
        self._may_quit = False  # what is said now is content
        return reply

    async def end_of_data(self, content: bytes) -> Reply:
        """The message and its final dot; the reply says whether the server took it.

        Line ends become CRLF and dots are stuffed. A failure without a reply leaves the outcome
        unknown, RFC 5321 §4.5.3.2.6 and RFC 1047.
        """
        self._tell(f"-- {len(content)} octets of content")
        is_whole = await self._wire.write_all(stuffed(content))
        await self._wire.answer()
        self._may_quit = is_whole
        return self._expect(Phase.END_OF_DATA, (250,) if is_whole else ())

    async def rset(self) -> Reply:
        """Forget the transaction."""
        return await self._command(Phase.MAIL, (250,), b"RSET")

    async def quit(self) -> Reply:
        """QUIT and its 221, then the connection is closed."""
        try:
            return await self._command(Phase.QUIT, (221,), b"QUIT")
        finally:
            self._may_quit = False
            self._wire.close()

    def close(self) -> None:
        """Drop the connection without a word; does nothing when it is gone."""
        self._may_quit = False
        self._wire.close()

    async def wait_closed(self) -> None:
        """Wait until the connection that was left is gone: LINGER and the end of TLS at most."""
        await asyncio.shield(self._wire.gone)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._note_stray()
        wire = self._wire
        if self._may_quit and wire.failure is None and wire.closing is None:
            # a run that was cut short leaves at once
            wire.leave(awaits_answer=error is None or isinstance(error, ProbeFailure))
            return
        self.close()

    # -- within

    async def _command(self, phase: Phase, wanted: tuple[int, ...], *words: bytes) -> Reply:
        self._note_stray()
        wire = self._wire
        if wire.closing is not None:
            raise refusal(wire.closing, phase)
        if wire.failure is not None:
            raise wire.failure
        if wire.is_expecting:
            raise RuntimeError("an answer is still outstanding")
        if self._on_line is not None:
            self._tell(f"C: {_shown(phase, words)}")
        await wire.ask(*words)
        return self._expect(phase, wanted)

    def _tell(self, line: str) -> None:
        if self._on_line is not None:
            self._on_line(line)

    def _expect(self, phase: Phase, wanted: tuple[int, ...]) -> Reply:
        """The reply that was just read, if its code is wanted."""
        reply = self._wire.reply
        if reply is None:
            raise RuntimeError("no reply has been read")
        if skipped := self._wire.take_skipped():
            self._note(smtp.UNSOLICITED_REPLY, repr(skipped[:200]))
        if self._on_line is not None:
            for line in _reply_lines(phase, reply):
                self._tell(f"S: {line}")
        if reply.code == 421:
            self._may_quit = False  # RFC 5321 §3.8: the server closes the connection
        if reply.code not in wanted:
            raise refusal(reply, phase)
        return reply

    async def _auth_step(self, wanted: int, *words: bytes) -> Reply:
        """One step of AUTH; within the exchange a QUIT would be taken for an answer."""
        self._may_quit = False
        try:
            return await self._command(Phase.AUTH, (wanted,), *words)
        finally:
            reply = self._wire.reply
            self._may_quit = reply is not None and reply.code not in (334, 421)

    def _offers(self, keyword: str) -> bool:
        return self.offer is not None and self.offer.offers(keyword)

    def _require(self, keyword: str) -> None:
        if not self._offers(keyword):
            raise ProbeFailure(Reason.EXTENSION_MISSING, f"{keyword} is needed and not offered")

    def _is_loopback(self) -> bool:
        peer = self._wire.peer_address
        return peer is not None and ipaddress.ip_address(peer).is_loopback

    def _refuse_plaintext(self) -> None:
        """Nothing may stand between the 220 (or the connection) and TLS, RFC 3207 §4.2."""
        wire = self._wire
        if not self._awaits_tls and wire.has_unread:
            raise ProbeFailure(
                Reason.VALIDATION_FAILURE, "the server speaks in clear where TLS was to begin"
            )
        if self._awaits_tls and wire.has_new_stray:
            evidence = f"after the 220: {wire.take_stray()[:200]!r}"
            self._note(smtp.STARTTLS_PLAINTEXT_INJECTED, evidence, Status.FAILURE)
            raise ProbeFailure(
                Reason.VALIDATION_FAILURE, f"plaintext was injected before TLS, {evidence}"
            )

    def _note_stray(self) -> None:
        """Report unsolicited octets once; a 421 is permitted at any time, RFC 5321 §3.8."""
        wire = self._wire
        if not wire.has_new_stray:
            return
        fresh = wire.take_stray()
        if wire.closing is None:
            self._note(smtp.UNSOLICITED_REPLY, repr(fresh[:200]))

    def _note(self, entry: Entry, evidence: str, status: Status = Status.WARNING) -> None:
        self.findings.append(entry.found(status, self._where, evidence))


@contextmanager
def _our_fault() -> Iterator[None]:
    """Turn ValueError into a failure of ours: text that SMTP cannot carry is not the server's
    mistake.
    """
    try:
        yield
    except ValueError as error:
        raise ProbeFailure(Reason.UNTESTABLE, str(error), owner=Owner.CONFIGURATION) from error


def _shown(phase: Phase, words: Sequence[bytes]) -> str:
    """A command for people; of AUTH no more than its mechanism."""
    if phase is Phase.AUTH:
        return " ".join((*(word.decode() for word in words[:2] if words[0] == b"AUTH"), "***"))
    return b" ".join(words).decode("utf-8", "backslashreplace")


def _reply_lines(phase: Phase, reply: Reply) -> Iterator[str]:
    """A reply as it came; in AUTH, where a server may repeat secrets, its codes alone."""
    if phase is Phase.AUTH:
        yield f"{reply.code} {'.'.join(map(str, reply.enhanced or ()))}".rstrip()
        return
    for number, line in enumerate(reply.lines, 1):
        yield f"{reply.code}{' ' if number == len(reply.lines) else '-'}{line}"
