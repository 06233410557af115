"""SASL over SMTP, RFC 4954: PLAIN and LOGIN, with secrets removed from the server's replies."""

from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import Protocol

from aiosmtplib.auth import auth_login_encode, auth_plain_encode

from probes.net.sasl import require_sendable
from probes.net.smtp_refusal import is_not_understood
from probes.options import Secret
from probes.records.reply import Reply
from probes.records.smtp_command import MAX_COMMAND
from probes.result import ProbeFailure, Reason


class Exchange(Protocol):
    """Say the words and return the reply if it has the wanted code; else raise ProbeFailure."""

    def __call__(self, wanted: int, *words: bytes) -> Awaitable[Reply]: ...


class NotUnderstood(Protocol):
    """Hear of a mechanism that was offered and not understood, with the server's reply."""

    def __call__(self, mechanism: str, reply: Reply, /) -> None: ...


async def authenticate(
    exchange: Exchange,
    offered: tuple[str, ...],
    username: str,
    password: Secret,
    on_odd: NotUnderstood | None = None,
) -> Reply:
    """Authenticate by PLAIN, else LOGIN, whichever is `offered` (upper case).

    The next one is tried only where the server did not understand the first: never after it refused
    the password, or could not judge it. Raises ProbeFailure: `extension_missing` where neither is
    offered. A failure of `exchange` passes on, with the credentials removed from the reply.
    """
    require_sendable(username, password)
    plain = auth_plain_encode(username, password.reveal())
    login = auth_login_encode(username, password.reveal())
    secrets = (plain.decode(), login[1].decode(), password.reveal())
    ways = {"PLAIN": partial(_plain, exchange, plain), "LOGIN": partial(_login, exchange, *login)}
    first: ProbeFailure | None = None
    for name, way in ways.items():
        if name not in offered:
            continue
        try:
            return await way()
        except ProbeFailure as failure:
            told = _struck_out(failure, secrets)
            if told.reply is None or not is_not_understood(told.reply):
                raise told from None
            if on_odd is not None:
                on_odd(name, told.reply)
            first = first or told
    if first is not None:
        raise first
    listed = " ".join(offered) or "none"
    raise ProbeFailure(
        Reason.EXTENSION_MISSING, f"neither AUTH PLAIN nor AUTH LOGIN is offered, but {listed}"
    )


async def _plain(exchange: Exchange, message: bytes) -> Reply:
    if len(b"AUTH PLAIN \r\n") + len(message) <= MAX_COMMAND:
        try:
            return await exchange(235, b"AUTH", b"PLAIN", message)
        except ProbeFailure as failure:
            reply = failure.reply
            if reply is None or not (_asks_again(reply) or _wants_no_initial(reply)):
                raise
            if reply.code == 334:  # it took no notice of the initial response and asks for it
                return await exchange(235, message)
    # RFC 4954 §4: an initial response that does not fit the line is sent by itself
    await exchange(334, b"AUTH", b"PLAIN")
    return await exchange(235, message)


def _asks_again(reply: Reply) -> bool:
    """True for an empty challenge, as the one before the first response, RFC 4954 §4."""
    return reply.code == 334 and not reply.text.strip()


def _wants_no_initial(reply: Reply) -> bool:
    """True for 501, RFC 4954 §4: a server from before it takes no argument behind the mechanism."""
    return reply.code == 501 and is_not_understood(reply)


async def _login(exchange: Exchange, username: bytes, password: bytes) -> Reply:
    await exchange(334, b"AUTH", b"LOGIN")
    await exchange(334, username)
    return await exchange(235, password)


def _struck_out(failure: ProbeFailure, secrets: tuple[str, ...]) -> ProbeFailure:
    """The same failure without the words a server may have repeated."""
    reply = failure.reply
    if reply is None or not any(secret and secret in str(reply) for secret in secrets):
        return failure
    shown = replace(reply, lines=tuple(_strike(line, secrets) for line in reply.lines))
    return ProbeFailure(
        failure.reason,
        f"the answer to AUTH was {shown}"[:300],
        phase=failure.phase,
        reply=shown,
        owner=failure.owner,
        is_transient=failure.is_transient,
    )


def _strike(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
