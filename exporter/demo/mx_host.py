"""The MX host's logic: known recipients, greylisting, and its verdict on a message."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiosmtpd.smtp import Envelope, Session

from exporter.demo.behaviours import AfterData, Greylisting, Treatment
from exporter.demo.lookups import Lookups
from exporter.demo.smtp_servers import (
    MAX_RECIPIENTS,
    SmtpConnection,
    client_address,
    envelope_sender,
    message_content,
    new_queue_id,
    received_field,
)
from exporter.demo.verdicts import Origin, authentication_results, without_forged_results
from exporter.service.supervision import log_error
from probes.mailboxes.interface import Placement

MAX_DELAYED = 1_000
MAX_GREYLIST = 10_000

Deliver = Callable[[str, Placement, bytes], Awaitable[None]]
"""Puts a message into an account's mailbox: account, where in it, content."""

Triplet = tuple[str, str, str]
"""Client address, envelope sender, envelope recipient."""


class Greylist:
    """Clients with sender and recipient, and their first attempt; the oldest go beyond
    MAX_GREYLIST.
    """

    def __init__(self) -> None:
        self._first_seen: dict[Triplet, float] = {}

    def passes(self, triplet: Triplet, rule: Greylisting, now: float) -> bool:
        """Whether the triplet may pass at `now` (seconds, any origin); if so it is forgotten."""
        first_seen = self._first_seen.get(triplet)
        if first_seen is None or now - first_seen > rule.window:
            self._first_seen.pop(triplet, None)
            self._first_seen[triplet] = now
            if len(self._first_seen) > MAX_GREYLIST:
                del self._first_seen[next(iter(self._first_seen))]
            return False
        if now - first_seen < rule.wait:
            return False
        del self._first_seen[triplet]
        return True


class MxHandler:
    """Takes mail for the addresses it knows and delivers it, each as its treatment says.

    A message with `spam_marker` in it is spam.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        treatment: Callable[[str], Treatment],
        host_name: str,
        lookups: Lookups,
        deliver: Deliver,
        spam_marker: bytes,
    ) -> None:
        self._addresses = addresses
        self._domains = {address.rpartition("@")[2] for address in addresses}
        self._treatment = treatment
        self._host_name = host_name
        self._lookups = lookups
        self._deliver = deliver
        self._spam_marker = spam_marker
        self._greylist = Greylist()
        self._delayed: set[asyncio.Task[None]] = set()

    async def handle_EHLO(  # noqa: N802
        self,
        _server: SmtpConnection,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """The library's capabilities without AUTH: an MX host knows no users."""
        session.host_name = hostname
        return [line for line in responses if not line.startswith("250-AUTH")]

    async def handle_RCPT(  # noqa: N802
        self,
        _server: SmtpConnection,
        session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take a recipient, or refuse it for good or for now."""
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        triplet = (client_address(session), envelope_sender(envelope), address.lower())
        refusal = self._refusal(triplet)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802
        self, server: SmtpConnection, session: Session, envelope: Envelope
    ) -> str:
        """Deliver to every recipient, or treat the client as one recipient's treatment says."""
        treatments = {address: self._treatment(address) for address in envelope.rcpt_tos}
        after_data = {treatment.after_data for treatment in treatments.values()}
        if AfterData.RESET_LOST in after_data:
            await server.reset()
        if len(self._delayed) + len(treatments) > MAX_DELAYED:
            return "452 4.3.1 Too many messages are waiting for delivery"
        queue_id = new_queue_id()
        is_spam, content = await self._filtered(session, envelope)
        for address, treatment in treatments.items():
            trace = received_field(server, self._host_name, queue_id, [address])
            placement = Placement.JUNK if is_spam or treatment.is_junk else Placement.INBOX
            await self._hand_on(address, treatment, placement, _stamped(envelope, trace, content))
        if AfterData.RESET_KEPT in after_data:
            await server.reset()
        return f"250 2.0.0 Ok: queued as {queue_id}"

    async def close(self) -> None:
        """Give up the deliveries that are still waiting."""
        tasks = list(self._delayed)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refusal(self, triplet: Triplet) -> str | None:
        address = triplet[2]
        if address.rpartition("@")[2] not in self._domains:
            return "550 5.7.1 Relaying denied"
        if address not in self._addresses:
            return f"550 5.1.1 <{address}>: no such user here"
        treatment = self._treatment(address)
        if treatment.reject is not None:
            return treatment.reject
        now = asyncio.get_running_loop().time()
        rule = treatment.greylisting
        if rule is not None and not self._greylist.passes(triplet, rule, now):
            return f"451 4.7.1 <{address}>: greylisted, please try again later"
        return None

    async def _filtered(self, session: Session, envelope: Envelope) -> tuple[bool, bytes]:
        """Return True if it is spam, and the content under the fields with the results."""
        content = message_content(envelope)
        origin = Origin(client_address(session), session.host_name or "", envelope_sender(envelope))
        verdict = await authentication_results(self._host_name, content, origin, self._lookups)
        is_spam = self._spam_marker in content
        found = f"Authentication-Results: {verdict}\r\n" + "X-Spam: Yes\r\n" * is_spam
        return is_spam, found.encode("ascii") + without_forged_results(content, self._host_name)

    async def _hand_on(
        self, address: str, treatment: Treatment, placement: Placement, content: bytes
    ) -> None:
        if treatment.discard:
            return
        account = self._addresses[address.lower()]
        if not treatment.delivery_delay:
            await self._deliver(account, placement, content)
            return
        task = asyncio.create_task(
            self._deliver_later(treatment.delivery_delay, account, placement, content)
        )
        self._delayed.add(task)
        task.add_done_callback(self._delayed.discard)
        task.add_done_callback(log_error)

    async def _deliver_later(
        self, delay: float, account: str, placement: Placement, content: bytes
    ) -> None:
        await asyncio.sleep(delay)
        await self._deliver(account, placement, content)


def _stamped(envelope: Envelope, trace: bytes, content: bytes) -> bytes:
    """The final delivery's fields on top, RFC 5321 §4.4: Return-Path first."""
    return f"Return-Path: <{envelope_sender(envelope)}>\r\n".encode("ascii") + trace + content
