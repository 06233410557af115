"""A signed mail domain with MX hosts, a policy host and name servers, all of it on loopback."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from exporter.testbed.servers.dns_server import Faults
from exporter.testbed.servers.script import Steps
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import Pages, Server, WorldSpec, running
from probes.clock import SYSTEM_CLOCK
from probes.kinds.policy.probe import PolicyTarget, probe
from probes.net import Net
from probes.net.tls import TrustStore
from probes.options import Domain, Seconds
from probes.result import Finding, ProbeResult
from probes.run import run_once

DOMAIN = "example.test"
MX, POLICY = "mx.example.test", "mta-sts.example.test"
MX_ADDRESS, POLICY_ADDRESS = "192.0.2.1", "192.0.2.8"
PATH = "/.well-known/mta-sts.txt"
TARGET = PolicyTarget(Domain(DOMAIN), address_timeout=Seconds(5.0), policy_timeout=Seconds(5.0))
SIGNED = (".", DOMAIN)
ZONE = f"@ MX 10 mx\nmx A {MX_ADDRESS}\nmta-sts A {POLICY_ADDRESS}\n"
STS_RECORD = '_mta-sts TXT "v=STSv1; id=20261123;"\n'


@asynccontextmanager
async def policy_world(
    zone: str,
    *,
    trust: TrustStore,
    hosts: Mapping[str, Script] | None = None,
    pages: Mapping[str, Steps] | None = None,
    policy_context: ssl.SSLContext | None = None,
    signed: Sequence[str] = SIGNED,
    faults: Faults | None = None,
    zones: Mapping[str, str] | None = None,
) -> AsyncIterator[Net]:
    """A network that reaches these servers and nobody else; `signed` origins answer with AD."""
    servers: dict[str, Server] = dict(hosts or {})
    if policy_context is not None:
        servers[POLICY_ADDRESS] = Pages(pages or {}, policy_context)
    spec = WorldSpec(
        trust=trust,
        zones={".": "", DOMAIN: zone, **(zones or {})},
        faults=faults or {},
        signed=tuple(signed),
        servers=servers,
        patience=0.5,
    )
    async with running(spec) as world:
        yield world.net


async def run(net: Net, target: PolicyTarget = TARGET) -> ProbeResult:
    """The kind `policy` as the service runs it."""
    return await run_once(
        "policy", lambda trace: probe(net, target, trace), clock=SYSTEM_CLOCK, deadline=30
    )


def found(result: ProbeResult, code: str) -> list[Finding]:
    """The run's findings of that code."""
    return [finding for finding in result.findings if finding.code == code]


def outcomes(result: ProbeResult) -> list[str]:
    """What opportunistic, MTA-STS, DANE and REQUIRETLS senders do, in that order."""
    senders = ("opportunistic", "mta_sts", "dane", "requiretls")
    return [result.facts[f"consequence.{sender}"] for sender in senders]
