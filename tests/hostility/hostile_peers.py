"""A process with every hostile peer and a healthy mail world; the service has its own process.

`python -m tests.hostility.hostile_peers FOLDER` writes FOLDER/config.yaml (the healthy world's) and
FOLDER/ca.pem (the peers' authority), says one line of JSON, fault -> port, and serves until its
standard input ends.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from exporter.demo.world import MailWorld
from exporter.testbed.faults.all_faults import FAULTS
from exporter.testbed.faults.fault import DOMAIN, ZONE, Fault, ProbeUnderTest
from exporter.testbed.faults.harness import well_mannered
from exporter.testbed.servers.certificates import Authority
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from probes.options import Port

LOOPBACK = "127.0.0.1"
UNCONFIGURED = frozenset({ProbeUnderTest.DIRECT, ProbeUnderTest.FETCH})
"""Probes that no kind of a configuration runs, or that need port 25 of an address of their own."""

SERVED = [fault for fault in FAULTS.values() if fault.under_test not in UNCONFIGURED]


@dataclass(frozen=True, slots=True)
class HostilePeer:
    """The server of one fault; its records in DNS stand under a domain of its own."""

    fault: Fault
    name: str
    port: Port

    @property
    def domain(self) -> str:
        return f"{self.name}.test"


def peers_at(ports: Mapping[str, int]) -> list[HostilePeer]:
    """Return the peers at these ports; `ports` is by the name of the fault."""
    return [
        HostilePeer(fault, f"fault{number}", Port(ports[fault.name]))
        for number, fault in enumerate(SERVED)
    ]


@asynccontextmanager
async def _hostile_peers(authority: Authority, dns: DnsServer) -> AsyncIterator[dict[str, int]]:
    """Serve every fault that a configuration can meet at once; `dns` has those of DNS."""
    ports = {}
    async with AsyncExitStack() as stack:
        for fault in SERVED:
            server = (fault.server or well_mannered(fault.under_test))(authority)
            ports[fault.name] = (await stack.enter_async_context(server)).port
        dns.load(DOMAIN, _on_loopback(ZONE))
        for peer in peers_at(ports):
            dns.load(peer.domain, _on_loopback(peer.fault.zone))
            dns.faults.update(_faults(peer))
        yield ports


def _on_loopback(zone: str) -> str:
    for number in range(1, 5):
        zone = zone.replace(f" A 192.0.2.{number}", f" A {LOOPBACK}")
    return zone


def _faults(peer: HostilePeer) -> Mapping[tuple[str, str], DnsFault]:
    return {
        (name.replace(DOMAIN, peer.domain), rdtype): fault
        for (name, rdtype), fault in peer.fault.dns.items()
    }


async def serve(folder: Path) -> None:
    """Serve until standard input ends."""
    async with MailWorld() as world, _hostile_peers(Authority(folder), world.dns) as ports:
        ledger = str(folder / "ledger.sqlite")
        text = world.config_text(ledger=ledger, listen=f"{LOOPBACK}:0")
        (folder / "config.yaml").write_text(text)
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
