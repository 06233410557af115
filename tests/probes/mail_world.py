"""Domains with MX hosts at documentation addresses, all of it on loopback."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from exporter.liars.dns_server import DnsServer, Faults
from probes.clock import SYSTEM_CLOCK
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from tests.servers.smtp import Script, SmtpPeer

DOMAIN = "example.test"


@dataclass(frozen=True, slots=True)
class MailWorld:
    """What a test holds of the world: the network to probe it with, and its servers."""

    net: Net
    dns: DnsServer
    peers: Mapping[str, SmtpPeer]

    def verbs(self, address: str) -> list[list[str]]:
        """The commands of every conversation with the server at `address`."""
        return [conversation.verbs for conversation in self.peers[address].conversations]

    def content(self, address: str) -> list[bytes]:
        """Every message the server at `address` was given."""
        return [text for talk in self.peers[address].conversations for text in talk.content]


@asynccontextmanager
async def mail_world(
    zone: str,
    peers: Mapping[str, Script],
    *,
    trust: TrustStore,
    faults: Faults | None = None,
    source_v6: str | None = None,
) -> AsyncIterator[MailWorld]:
    """`zone` is that of example.test; each of `peers` stands at its address, on every port.

    Every other address refuses connections. `source_v6` is where we connect from to IPv6
    addresses, which are then not redirected to IPv4.
    """
    async with AsyncExitStack() as stack:
        dns = await stack.enter_async_context(DnsServer({DOMAIN: zone}, faults))
        running = {
            address: await stack.enter_async_context(SmtpPeer(script))
            for address, script in peers.items()
        }
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))

        def route(address: str, port: int) -> tuple[str, int]:
            if ":" in address and source_v6 is not None:
                return address, port
            if address in running:
                return "127.0.0.1", running[address].port
            return "127.0.0.1", nobody.getsockname()[1]

        resolver = Resolver(((dns.address, dns.port),), timeout=0.3, lifetime=0.6)
        dialer = Dialer(source_v6=source_v6, route=route)
        net = Net(resolver, dialer, trust, SYSTEM_CLOCK, "probe.example.test")
        yield MailWorld(net, dns, running)
