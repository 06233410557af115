"""Runs inside the chain: our verdict on a domain's policies, and Postfix' own.

`python -m tests.integration.chain.policies ROOT DOMAIN...` prints one JSON object, domain by
domain. `tampered:DOMAIN` is looked up through a second unbound, whose way to the name server
passes somebody who changes a bit of every TLSA record.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.rdatatype

from probes.clock import SYSTEM_CLOCK
from probes.documents import to_json
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from tests.integration.chain import layout
from tests.integration.chain.kinds import run_kind
from tests.integration.chain.layout import Layout
from tests.integration.chain.resolvers import CURT, unbound
from tests.servers.real import SEARCH_PATH, program

TAMPERED = "tampered:"
FORGER = ("127.0.0.1", 5353)
DECEIVED = ("127.0.0.1", 5354)
WITHIN = 20


class Forger(asyncio.DatagramProtocol):
    """Hands queries on to the name server, and its answers back with one bit changed."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.create_task(self._relay(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _relay(self, query: bytes, client: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*layout.DNS)
        try:
            writer.write(len(query).to_bytes(2, "big") + query)
            size = int.from_bytes(await reader.readexactly(2), "big")
            self._transport.sendto(forged(await reader.readexactly(size)), client)
        finally:
            writer.close()
            await writer.wait_closed()


def forged(answer: bytes) -> bytes:
    """The message with the last octet of every TLSA record changed."""
    octets = bytearray(answer)
    for rrset in dns.message.from_wire(answer).answer:
        for record in rrset if rrset.rdtype == dns.rdatatype.TLSA else ():
            octets[answer.index(record.cert) + len(record.cert) - 1] ^= 1
    return bytes(octets)


@asynccontextmanager
async def deceived(place: Layout) -> AsyncIterator[None]:
    """An unbound that validates, asks the forger, and says of what is bogus only that it fails."""
    by_way = {f"stub-addr: {layout.DNS[0]}": f"stub-addr: {FORGER[0]}@{FORGER[1]}"}
    loop = asyncio.get_running_loop()
    transport, forger = await loop.create_datagram_endpoint(Forger, local_addr=FORGER)
    try:
        async with unbound(place, DECEIVED, {**by_way, **CURT}):
            yield
    finally:
        transport.close()
        await asyncio.gather(*forger.tasks, return_exceptions=True)


async def probed(net: Net, domain: str) -> dict[str, Any]:
    """Both kinds' results, for the test outside to read."""
    kinds = ("policy", "nameservers")
    return {kind: to_json(await run_kind(net, kind, {"domain": domain})) for kind in kinds}


def finger(place: Layout, domain: str, level: str) -> str:
    """What Postfix' own client says when it makes the same connection."""
    done = subprocess.run(
        [program("posttls-finger"), "-c", "-l", level, domain],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
        env={**os.environ, "PATH": SEARCH_PATH, "MAIL_CONFIG": str(place.postfix("out"))},
    )
    return done.stdout + done.stderr


async def main(root: str, *domains: str) -> None:
    """The command line of this file."""
    place = Layout(Path(root))
    trust = TrustStore(str(place.ca_file))
    told: dict[str, Any] = {}
    async with deceived(place):
        for typed in domains:
            domain = typed.removeprefix(TAMPERED)
            server = layout.RESOLVER if domain == typed else DECEIVED
            net = Net(Resolver((server,)), Dialer(), trust, SYSTEM_CLOCK, layout.CANARY_HOST)
            told[typed] = await probed(net, domain)
            if domain == typed:
                told[typed]["dane"] = finger(place, domain, "dane")
                told[typed]["dane_only"] = finger(place, domain, "dane-only")
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
