"""A small world on loopback, as data: zones, and the server at each address.

    async with running(WorldSpec(zones=..., servers=...)) as world:
        result = await run_once("mx", lambda trace: probe(world.net, target, trace), ...)

Addresses are those of the zones (RFC 5737, RFC 3849); every connection to one of them is redirected
to the server that stands there, or to a port that refuses. Nothing leaves the machine.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from exporter.testbed.servers.dns_server import DnsServer, Faults
from exporter.testbed.servers.https import HttpsPeer
from exporter.testbed.servers.imap import GREETING, Answers, ImapPeer
from exporter.testbed.servers.peer import LOOPBACK, Peer
from exporter.testbed.servers.script import SOUND, Line, Steps
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.clock import SYSTEM_CLOCK
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore

T = TypeVar("T")

EHLO_NAME = "probe.example.test"

_ATTEMPTS = 16
_NO_WAY = "255.255.255.255"
"""The system refuses to connect there, with the words it has where there is no route."""


@dataclass(frozen=True, slots=True)
class Pages:
    """An HTTPS server: its answers by request target."""

    pages: Mapping[str, Steps]
    context: ssl.SSLContext | None
    line: Line = SOUND


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An IMAP server: its answers by command, normal ones for all others."""

    answers: Answers = field(default_factory=dict)
    greeting: Steps = GREETING
    context: ssl.SSLContext | None = None
    implicit_tls: bool = True
    line: Line = SOUND


Server = Script | Pages | Mailbox
"""Any server that may stand at an address."""


@dataclass(frozen=True, slots=True)
class NameServer:
    """An authoritative server for example.test and its like."""

    zones: Mapping[str, str]
    faults: Faults = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """Specification of a world.

    `zones` (origin -> master file text), `faults` and `signed` (the origins that are answered with
    AD) are the recursive server's. It waits `patience` seconds for an answer and twice that in all.
    `servers` stand at their address on every port; each other address refuses. `name_servers` stand
    at loopback addresses of their own, all on one port. `source_v6` is our source address for IPv6
    addresses, which are then not redirected. To the addresses `out_of_reach` this machine has no
    route. Without `allow_loopback` no server is looked for at this machine's own addresses.
    """

    trust: TrustStore
    zones: Mapping[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)
    signed: tuple[str, ...] = ()
    servers: Mapping[str, Server] = field(default_factory=dict)
    name_servers: Mapping[str, NameServer] = field(default_factory=dict)
    source_v6: str | None = None
    out_of_reach: frozenset[str] = frozenset()
    allow_loopback: bool = True
    patience: float = 3.0


@dataclass(frozen=True, slots=True)
class World:
    """A running world: the network to probe it with, and its servers."""

    net: Net
    dns: DnsServer
    peers: Mapping[str, Peer]
    name_servers: Mapping[str, DnsServer]

    @property
    def name_server_port(self) -> int:
        """That of all name servers, 0 where there is none."""
        return next((server.port for server in self.name_servers.values()), 0)


@asynccontextmanager
async def running(spec: WorldSpec) -> AsyncIterator[World]:
    """The world while the block runs. Raises OSError where this machine has no such ports.

    It is set up and torn down to the end even where its task is cancelled meanwhile: a server that
    is half open would be nobody's.
    """
    stack = AsyncExitStack()
    try:
        yield await _to_its_end(_set_up(stack, spec))
    except BaseException as error:
        await _to_its_end(stack.__aexit__(type(error), error, error.__traceback__))
        raise
    await _to_its_end(stack.aclose())


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`; a cancellation of ours is passed on when it is over."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


async def _set_up(stack: AsyncExitStack, spec: WorldSpec) -> World:
    dns = await stack.enter_async_context(
        DnsServer(spec.zones, spec.faults, authenticated=spec.signed)
    )
    peers: dict[str, Peer] = {}
    for address, server in spec.servers.items():
        peers[address] = await stack.enter_async_context(_peer(server))
    name_servers = await _name_servers(stack, spec.name_servers)
    nobody = stack.enter_context(socket.socket())
    nobody.bind((LOOPBACK, 0))
    closed = int(nobody.getsockname()[1])

    def route(address: str, port: int) -> tuple[str, int]:
        if ":" in address and spec.source_v6 is not None:
            return address, port
        if address in spec.out_of_reach:
            return _NO_WAY, port
        return LOOPBACK, peers[address].port if address in peers else closed

    patience = spec.patience
    resolver = Resolver(((dns.address, dns.port),), timeout=patience, lifetime=2 * patience)
    dialer = Dialer(None, spec.source_v6, route, spec.allow_loopback)
    net = Net(resolver, dialer, spec.trust, SYSTEM_CLOCK, EHLO_NAME)
    return World(net, dns, peers, name_servers)


def _peer(server: Server) -> Peer:
    match server:
        case Script():
            return SmtpPeer(server)
        case Pages(pages, context, line):
            return HttpsPeer(pages, context=context, line=line)
        case Mailbox(answers, greeting, context, implicit_tls, line):
            return ImapPeer(
                answers, greeting=greeting, context=context, implicit_tls=implicit_tls, line=line
            )


async def _name_servers(
    stack: AsyncExitStack, wanted: Mapping[str, NameServer]
) -> dict[str, DnsServer]:
    """Start them on a port that is free at each of their addresses."""
    for attempt in range(_ATTEMPTS):
        async with AsyncExitStack() as trying:
            running: dict[str, DnsServer] = {}
            port = 0
            try:
                for address, one in wanted.items():
                    server = DnsServer(one.zones, one.faults, address=address, port=port)
                    running[address] = await trying.enter_async_context(server)
                    port = server.port
            except OSError as error:
                if error.errno != errno.EADDRINUSE or attempt == _ATTEMPTS - 1:
                    raise
                continue
            stack.push_async_exit(trying.pop_all())
            return running
    raise AssertionError("the loop returns or raises")
