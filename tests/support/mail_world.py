"""Domains with MX hosts at documentation addresses, all of it on loopback."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from exporter.testbed.servers.dns_server import DnsServer, Faults
from exporter.testbed.servers.smtp import Script, SmtpPeer
from exporter.testbed.servers.world import WorldSpec, running
from probes.net import Net
from probes.net.tls import TrustStore

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
    others: Mapping[str, str] | None = None,
) -> AsyncIterator[MailWorld]:
    """`zone` is that of example.test, beside `others`; each of `peers` stands at its address.

    It does so on every port. Every other address refuses connections. `source_v6` is where we
    connect from to IPv6 addresses, which are then not redirected to IPv4.
    """
    spec = WorldSpec(
        trust=trust,
        zones={DOMAIN: zone, **(others or {})},
        faults=faults or {},
        servers=peers,
        source_v6=source_v6,
        patience=0.3,
    )
    async with running(spec) as world:
        hosts = {at: peer for at, peer in world.peers.items() if isinstance(peer, SmtpPeer)}
        yield MailWorld(world.net, world.dns, hosts)
