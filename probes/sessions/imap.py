"""From a mailbox's options to an IMAP session that is logged in, and the bound of every step."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from probes.catalogue.parties import MAILBOX
from probes.net import Net
from probes.net.imap import ImapSession
from probes.net.imap_dialogue import Refused
from probes.net.imap_refusal import is_not_understood
from probes.net.sasl import Login, Plain
from probes.net.tls import TrustStore
from probes.options import FilePath, Host, IpAddress, Port, Seconds, Secret, option
from probes.records.imap.responses import Condition, Status
from probes.result import Phase, ProbeFailure, Reason
from probes.sessions.connecting import first_that_connects, is_address, looked_up
from probes.sessions.tls_way import explained


@dataclass(frozen=True, slots=True)
class ImapServer:
    """The IMAP server of a mailbox, RFC 3501, and our credentials there."""

    host: Host = option("The IMAP server.")
    username: str = option("User to log in as.")
    password: Secret = option("Password of that user.")
    port: Port = option("993 for implicit TLS (RFC 8314), 143 for STARTTLS.", Port(993))
    tls: Literal["implicit", "starttls", "none"] = option(
        "How TLS begins; `none` sends everything in clear.", "implicit"
    )
    timeout: Seconds = option("The longest one answer of the server may take.", Seconds(30))
    source_address: IpAddress | None = option("Local address to connect from.", None)
    ca_file: FilePath | None = option("PEM file of the authorities to trust here.", None)
    verify: bool = option("Whether an untrusted certificate is a failure.", True)
    insecure: bool = option(
        "Send the password even in clear, or to a server whose certificate is not trusted.", False
    )


@asynccontextmanager
async def step(phase: Phase, timeout: float) -> AsyncIterator[None]:
    """Limit one step to `timeout` seconds, and add the phase and the owner to its failure."""
    try:
        async with asyncio.timeout(timeout):
            yield
    except TimeoutError:
        late = ProbeFailure(Reason.TIMEOUT, f"no answer within {timeout:g} s")
        raise placed(late, phase) from None
    except ProbeFailure as failure:
        raise placed(failure, phase) from failure.__cause__


def placed(failure: ProbeFailure, phase: Phase) -> ProbeFailure:
    """Return the failure with its phase, and with its owner where that is the mailbox."""
    failure.owner = MAILBOX.owner_of(failure, phase)
    failure.phase = failure.phase or phase
    return failure


async def open_session(net: Net, server: ImapServer) -> ImapSession:
    """Resolved, connected, secured, greeted, logged in. The caller closes it.

    Tries the addresses in their order until one takes the connection. Raises ProbeFailure.
    """
    session = await _connect(net, server)
    try:
        await _introduce(net, server, session)
    except BaseException:
        await session.close()
        raise
    session.idle_answer = server.timeout
    return session


async def _connect(net: Net, server: ImapServer) -> ImapSession:
    async def connect(address: str) -> ImapSession:
        async with step(Phase.CONNECT, server.timeout):
            return await ImapSession.connect(
                net.dialer, address, server.port, source=server.source_address
            )

    return (await first_that_connects(await _addresses(net, server), connect)).session


async def _addresses(net: Net, server: ImapServer) -> tuple[str, ...]:
    if is_address(server.host):
        return (server.host,)
    async with step(Phase.DNS_ADDRESS, server.timeout):
        return await looked_up(net, server.host, MAILBOX)


async def _introduce(net: Net, server: ImapServer, session: ImapSession) -> None:
    if server.tls == "implicit":
        await handshake(net, server, session)
    with explained(server.tls, server.port, Phase.GREETING):
        async with step(Phase.GREETING, server.timeout):
            greeting = await session.greeting()
    if server.tls == "starttls":
        async with step(Phase.STARTTLS, server.timeout):
            await session.starttls()
        await handshake(net, server, session)
    async with step(Phase.AUTH, server.timeout):
        await enter(server, session, greeting)


async def enter(server: ImapServer, session: ImapSession, greeting: Status) -> None:
    """Log in unless the greeting says that we are, and say who we are where that is offered.

    Some servers open no folder for a client that has not given its ID.
    """
    if greeting.condition is not Condition.PREAUTH:
        await log_in(server, session)
    await session.introduce()


async def handshake(net: Net, server: ImapServer, session: ImapSession) -> None:
    """TLS as the options want it; an untrusted certificate is a failure where `verify` is on."""
    store = net.trust.with_ca(server.ca_file)
    with explained(server.tls, server.port, Phase.TLS):
        await _secured(store, server, session)


async def _secured(store: TrustStore, server: ImapServer, session: ImapSession) -> None:
    async with step(Phase.TLS, server.timeout):
        await session.handshake(store.verifying if server.verify else store.recording, server.host)


async def log_in(server: ImapServer, session: ImapSession) -> None:
    """Log in by the first way the server offers and understands.

    The next one is tried only where the server did not understand the last: never after it refused
    the password.
    """
    failure: ProbeFailure | None = None
    for way in await _ways(server, session):
        try:
            return await way(insecure=server.insecure)
        except Refused as refused:
            if not is_not_understood(refused.answer):
                raise
            session.remark(f"offered and not understood: {refused.detail}")
            failure = failure or refused
    raise failure or ProbeFailure(
        Reason.EXTENSION_MISSING, f"{session.name} offers no way to log in by a password"
    )


async def _ways(server: ImapServer, session: ImapSession) -> list[Callable[..., Awaitable[None]]]:
    """The ways to log in that the server offers, in the order to try them."""
    offered = await session.known_capabilities()
    name, password = server.username, server.password
    ways: list[Callable[..., Awaitable[None]]] = []
    if "AUTH=PLAIN" in offered:
        ways.append(partial(session.authenticate, Plain(name, password)))
    if "LOGINDISABLED" not in offered:
        ways.append(partial(session.login, name, password))
    if "AUTH=LOGIN" in offered:
        ways.append(partial(session.authenticate, Login(name, password)))
    if "AUTH=PLAIN" in offered and "SASL-IR" in offered:
        plain = Plain(name, password)
        ways.append(partial(session.authenticate, plain, initial_response=False))
    return ways or [partial(session.login, name, password)]
