"""SASL over SMTP, RFC 4954: PLAIN and LOGIN, with secrets removed from the server's replies."""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Protocol

from aiosmtplib.auth import auth_login_encode, auth_plain_encode

from probes.net.sasl import require_sendable
from probes.options import Secret
from probes.records.reply import Reply
from probes.records.smtp_command import MAX_COMMAND
from probes.result import ProbeFailure, Reason


class Exchange(Protocol):
    """Say the words and return the reply if it has the wanted code; else raise ProbeFailure."""

    def __call__(self, wanted: int, *words: bytes) -> Awaitable[Reply]: ...


async def authenticate(
    exchange: Exchange, offered: tuple[str, ...], username: str, password: Secret
) -> Reply:
    """Authenticate by PLAIN, else LOGIN, whichever is `offered` (upper case).

    Raises ProbeFailure: `extension_missing` where neither is offered. A failure of `exchange`
    passes on, with the credentials removed from the reply.
    """
    require_sendable(username, password)
    plain = auth_plain_encode(username, password.reveal())
    login = auth_login_encode(username, password.reveal())
    secrets = (plain.decode(), login[1].decode(), password.reveal())
    try:
        if "PLAIN" in offered:
            return await _plain(exchange, plain)
        if "LOGIN" in offered:
            return await _login(exchange, *login)
    except ProbeFailure as failure:
        raise _struck_out(failure, secrets) from None
    listed = " ".join(offered) or "none"
    raise ProbeFailure(
        Reason.EXTENSION_MISSING, f"neither AUTH PLAIN nor AUTH LOGIN is offered, but {listed}"
    )


async def _plain(exchange: Exchange, message: bytes) -> Reply:
    if len(b"AUTH PLAIN \r\n") + len(message) <= MAX_COMMAND:
        return await exchange(235, b"AUTH", b"PLAIN", message)
    # RFC 4954 §4: an initial response that does not fit the line is sent by itself
    await exchange(334, b"AUTH", b"PLAIN")
    return await exchange(235, message)


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
