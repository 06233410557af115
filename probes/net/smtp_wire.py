"""The connection under an SMTP session: replies whole, strays kept apart."""

import asyncio
import re
from collections.abc import Callable

from probes.net.errors import NetError
from probes.net.stream import OnReply, Stream
from probes.records import RecordError
from probes.records.reply import Reply, ReplyAssembler
from probes.result import Owner, ProbeFailure, Reason

MAX_STRAY = 4096
"""Octets kept of a server's unsolicited data."""

PATIENCE = 2.0
"""Seconds that a server may take for its reply after a line that is none. Without one it speaks no
SMTP, and nobody has to wait for it any longer."""

LINGER = 2.0
"""Seconds a session that has said QUIT waits, in the background, for the server to answer it."""

_CHUNK = 64 * 1024
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class SmtpWire(Stream):
    """The SMTP connection: written octets, the awaited reply, and unsolicited octets.

    `closing` is an unsolicited 421. `stray` is the first MAX_STRAY of `stray_total` octets that
    answered nothing.
    """

    def __init__(self, name: str, on_reply: OnReply | None = None) -> None:
        super().__init__(name, on_reply)
        self.is_expecting = True  # the greeting
        self.reply: Reply | None = None
        self.closing: Reply | None = None
        self.stray = bytearray()
        self.stray_total = 0
        self._stray_taken = 0
        self._assembler = ReplyAssembler()
        self._outcome: Reply | ProbeFailure | None = None
        self._is_mid_stray = False
        self._is_leaving = False
        self._linger: asyncio.TimerHandle | None = None
        self._impatience: asyncio.TimerHandle | None = None
        self.skipped = bytearray()
        """The lines before the newest replies that are no replies, until the session takes them."""

    # -- what the event loop calls

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._is_leaving:
            self.close()
            return
        if self._is_mid_stray and self.is_expecting:
            line, newline, data = data.partition(b"\n")
            self._keep_stray(line + newline)
        if not data:
            return
        if not self.is_expecting or self._outcome is not None:
            self._keep_stray(data)
            return
        try:
            reply = self._assembler.feed(data)
        except RecordError as error:
            self._give_up(str(error))
            return
        if reply is not None:
            self._take_skipped()
            self.answered()
            self._outcome = reply
            self._notify()
            if self._assembler.rest:
                self._keep_stray(self._assembler.rest)
        elif self._assembler.skipped.strip() and self._impatience is None:
            shown = self._assembler.skipped.strip()[:80]
            words = f"not an SMTP reply line: {shown!r}"
            self._impatience = self.loop.call_later(PATIENCE, self._give_up, words)

    def _take_skipped(self) -> None:
        self.skipped += self._assembler.skipped
        self._assembler.skipped = b""
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _give_up(self, words: str) -> None:
        """End a dialogue in which no reply can come any more."""
        self._end(ProbeFailure(Reason.MALFORMED_REPLY, words, owner=Owner.RECEIVER_MX))
        self.abort()

    def eof_received(self) -> bool:
        """Called by the event loop: nothing more will come."""
        where = " within a reply" if self._assembler.has_begun else ""
        words = f"the server closed the connection{where}"
        self._end(NetError(Reason.CONNECTION_CLOSED, words))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop once, at the end."""
        for timer in (self._linger, self._impatience):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    # -- what Stream asks

    @property
    def has_unread(self) -> bool:
        """True when the server said anything that was not taken, as an answer or as a stray."""
        begun = self._assembler.has_begun or isinstance(self._outcome, Reply)
        return begun or self.stray_total > self._stray_taken

    def forget(self) -> None:
        """Forget the octets received in clear, RFC 3207 §4.2."""
        self._assembler = ReplyAssembler()
        self._is_mid_stray = False

    def ended(self, failure: ProbeFailure) -> None:
        """Give the end of the connection to the caller that awaits a reply."""
        if self.is_expecting and self._outcome is None:
            self._outcome = failure

    # -- what the session calls

    def write(self, data: bytes) -> None:
        """Send; the next reply is the answer from now on. Raises the error that ended the
        connection.
        """
        if self.failure is None:
            self.is_expecting = True
        super().write(data)

    async def write_all(self, data: bytes) -> bool:
        """Send as fast as the peer takes it; False when it answered before it had taken all."""
        for start in range(0, len(data), _CHUNK):
            self.write(data[start : start + _CHUNK])
            while self._is_full and self._outcome is None:
                await self._sleep()
            if self._outcome is not None and start + _CHUNK < len(data):
                return False
        return True

    async def ask(self, *words: bytes) -> Reply:
        """Send one command and read its reply.

        Raises ValueError for a control character: no word brings a command of its own along.
        """
        line = b" ".join(words)
        if _CONTROL.search(line):
            raise ValueError("a control character in a command")
        self.write(line + b"\r\n")
        return await self.answer()

    async def answer(self) -> Reply:
        """The next reply, also kept in `reply`; the caller's deadline is the only timeout."""
        while self._outcome is None:
            await self._sleep()
        outcome, self._outcome = self._outcome, None
        self.is_expecting = False
        if isinstance(outcome, ProbeFailure):
            raise outcome
        self.reply = outcome
        return outcome

    def take_skipped(self) -> bytes:
        """Return the lines that stood before replies and are none, since the last call."""
        fresh = bytes(self.skipped)
        self.skipped.clear()
        return fresh

    def take_stray(self) -> bytes:
        """Return the kept octets that came unasked since the last call."""
        fresh = bytes(self.stray)[self._stray_taken :]
        self._stray_taken = self.stray_total
        return fresh

    @property
    def has_new_stray(self) -> bool:
        """True when something came unasked since `take_stray`."""
        return self.stray_total > self._stray_taken

    def leave(self, *, awaits_answer: bool) -> None:
        """Say QUIT and close: at once, or when it is answered; after LINGER in any case.

        The caller never waits for it.
        """
        if not self.is_open or self.has_unsent:
            self.abort()
            return
        self._is_leaving = True
        self._send(b"QUIT\r\n")
        self._linger = self.loop.call_later(LINGER, self.abort)
        if not awaits_answer:
            self.close()

    def when_gone(self, call: Callable[[], None]) -> None:
        """Have it called once, when nothing is left of the connection."""
        self.gone.add_done_callback(lambda _: call())

    # -- within

    def _keep_stray(self, data: bytes) -> None:
        self.stray += data[: MAX_STRAY - len(self.stray)]
        self.stray_total += len(data)
        self._is_mid_stray = not data.endswith(b"\n")
        try:
            reply = ReplyAssembler().feed(data)
        except RecordError:
            return
        if reply is not None and reply.code == 421:  # RFC 5321 §3.8: may be said at any time
            self.closing = reply
