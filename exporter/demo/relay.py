"""The relay behind the submission server: a queue in memory, delivery by MX, retries, bounces."""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import aiosmtplib

from exporter.demo.bounces import Bounce, compose
from exporter.demo.lookups import LookupFailed, Lookups
from exporter.service.supervision import log_error

MAX_QUEUE = 1_000
"""Messages that may wait; further ones are deferred at the door."""
_MAX_SESSIONS = 20
_REPLY_TIMEOUT = 15.0
_MAX_REPLY = 500
_GOODBYE = 0.1

LocalDelivery = Callable[[str, bytes], Awaitable[bool]]
"""Puts a message into a recipient's mailbox; False when there is no such recipient."""


class QueueFull(Exception):
    """There is no room for another message."""


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """`mx_port` is where MX hosts of the world listen. Times in seconds."""

    host_name: str
    local_domain: str
    mx_port: int
    retry_after: float = 2.0
    lifetime: float = 300.0


@dataclass(frozen=True, slots=True)
class _Queued:
    queue_id: str
    sender: str
    recipient: str
    content: bytes
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class _Failed:
    """An attempt that did not deliver; `status` is an enhanced status code (RFC 3463)."""

    is_permanent: bool
    status: str
    reason: str
    reply: str | None = None
    remote_host: str | None = None


class Relay:
    """Delivers its messages, or returns them to the envelope sender."""

    def __init__(self, options: RelayOptions, lookups: Lookups, local: LocalDelivery) -> None:
        self._options = options
        self._lookups = lookups
        self._local = local
        self._sessions = asyncio.Semaphore(_MAX_SESSIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        # RFC 7435: encryption where it is offered, whoever it is that offers it.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def enqueue(self, sender: str, recipients: list[str], content: bytes, queue_id: str) -> None:
        """Take a message over, one delivery per recipient; sender "" gets no bounce.

        Raises QueueFull, and then nothing of it was taken.
        """
        if len(self._tasks) + len(recipients) > MAX_QUEUE:
            raise QueueFull
        for recipient in recipients:
            message = _Queued(queue_id, sender, recipient, content, datetime.now(UTC))
            task = asyncio.create_task(self._run(message), name=f"relay {queue_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(log_error)

    async def close(self) -> None:
        """Give up the messages that are still queued.

        Before Python 3.12 `asyncio.wait_for`, on which the clients used here rely, can swallow a
        cancellation; so the tasks are told until they are gone.
        """
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=_GOODBYE)

    async def _run(self, message: _Queued) -> None:
        loop = asyncio.get_running_loop()
        expires = loop.time() + self._options.lifetime
        while (failed := await self._attempt(message)) is not None:
            if failed.is_permanent or loop.time() >= expires:
                await self._return_to_sender(message, failed)
                return
            await asyncio.sleep(self._options.retry_after)

    async def _attempt(self, message: _Queued) -> _Failed | None:
        domain = message.recipient.rpartition("@")[2].lower()
        if domain == self._options.local_domain:
            if await self._local(message.recipient, message.content):
                return None
            return _Failed(True, "5.1.1", "there is no such user here")
        try:
            return await self._relay(message, await self._lookups.mx(domain))
        except LookupFailed as error:
            status = "4.4.3" if error.is_transient else "5.4.4"
            return _Failed(not error.is_transient, status, str(error))

    async def _relay(self, message: _Queued, hosts: tuple[str, ...]) -> _Failed | None:
        """Try every MX host and address until one takes the message or refuses it for good."""
        if hosts == ("",):
            return _Failed(True, "5.1.10", "the domain takes no mail (null MX)")  # RFC 7505 §4.2
        failed: _Failed | None = None
        for host in hosts:
            for address in await self._lookups.addresses(host):
                failed = await self._hand_over(message, host, address)
                if failed is None or failed.is_permanent:
                    return failed
        return failed

    async def _hand_over(self, message: _Queued, host: str, address: str) -> _Failed | None:
        client = aiosmtplib.SMTP(
            hostname=address,
            port=self._options.mx_port,
            local_hostname=self._options.host_name,
            timeout=_REPLY_TIMEOUT,
            start_tls=False,
        )
        try:
            async with self._sessions:
                await self._dialogue(client, message, host)
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error, host)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _Failed(False, "4.4.2", f"{host}: {error}", remote_host=host)
        finally:
            client.close()
        return None

    async def _dialogue(self, client: aiosmtplib.SMTP, message: _Queued, host: str) -> None:
        await client.connect()
        await client.ehlo()
        if client.supports_extension("starttls"):
            await client.starttls(server_hostname=host, tls_context=self._tls)
            await client.ehlo()
        await client.mail(message.sender)
        await client.rcpt(message.recipient)
        await client.data(message.content)
        # The message is theirs now; how they say goodbye does not change that.
        with suppress(aiosmtplib.SMTPException):
            await client.quit()

    async def _return_to_sender(self, message: _Queued, failed: _Failed) -> None:
        if not message.sender:  # RFC 5321 §6.1: never a notification about a notification
            return
        status = failed.status if failed.is_permanent else "4.4.7"
        bounce = Bounce(
            reporting_host=self._options.host_name,
            queue_id=message.queue_id,
            sender=message.sender,
            recipient=message.recipient,
            arrived_at=message.arrived_at,
            now=datetime.now(UTC),
            status=status,
            reason=failed.reason,
            reply=failed.reply,
            remote_host=failed.remote_host,
            original=message.content,
        )
        await self._run(
            _Queued(secrets.token_hex(5).upper(), "", message.sender, compose(bounce), bounce.now)
        )


def _refused(error: aiosmtplib.SMTPResponseException, host: str) -> _Failed:
    text = " ".join(error.message.split())[:_MAX_REPLY]
    reply = f"{error.code} {text}"
    first = text.split(" ", 1)[0]
    has_status = first[:2] in ("4.", "5.") and first.replace(".", "").isdigit()
    is_permanent = error.code >= 500
    status = first if has_status else ("5.0.0" if is_permanent else "4.0.0")
    return _Failed(is_permanent, status, f"{host} said: {reply}", reply, host)
