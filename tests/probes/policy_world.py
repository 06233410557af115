"""A signed mail domain with MX hosts, a policy host and name servers, all of it on loopback."""

import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from exporter.liars.acts import Acts
from exporter.liars.dns_server import DnsServer, Faults
from exporter.liars.https import HttpsPeer
from probes.clock import SYSTEM_CLOCK
from probes.kinds.policy import PolicyTarget, probe
from probes.net import Net
from probes.net.certificates import read_chain
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.options import Domain, Seconds
from probes.result import Finding, ProbeResult
from probes.run import run_once
from tests.servers.smtp import Script, SmtpPeer

DOMAIN = "example.test"
MX, POLICY = "mx.example.test", "mta-sts.example.test"
MX_ADDRESS, POLICY_ADDRESS = "192.0.2.1", "192.0.2.8"
PATH = "/.well-known/mta-sts.txt"
TARGET = PolicyTarget(Domain(DOMAIN), address_timeout=Seconds(5.0), policy_timeout=Seconds(5.0))
SIGNED = (".", DOMAIN)
ZONE = f"@ MX 10 mx\nmx A {MX_ADDRESS}\nmta-sts A {POLICY_ADDRESS}\n"
STS_RECORD = '_mta-sts TXT "v=STSv1; id=20261123;"\n'


def policy_text(
    mode: str = "enforce", mx: Sequence[str] = (MX,), max_age: int = 2_000_000
) -> bytes:
    """A policy as it is served."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in mx)]
    return "\r\n".join([*lines, f"max_age: {max_age}", ""]).encode()


@dataclass(frozen=True, slots=True)
class Identity:
    """A server's context and the chain it serves."""

    context: ssl.SSLContext
    chain: tuple[bytes, ...]

    def tlsa(self, usage: int = 3, selector: int = 1, depth: int = 0) -> str:
        """A record of the zone for a certificate of the chain, by SHA-256."""
        one = read_chain(self.chain)[depth]
        digest = one.key_sha256 if selector else one.sha256
        return f"_25._tcp.mx TLSA {usage} {selector} 1 {digest}\n"


def identity(pem: bytes, extra: bytes = b"") -> Identity:
    """From a key with its certificate, and further certificates to serve."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(prefix="mailcanary-tests-") as file:
        file.write(pem + extra)
        file.flush()
        context.load_cert_chain(file.name)
    blocks = (pem + extra).decode().split("-----BEGIN CERTIFICATE-----")[1:]
    chain = (ssl.PEM_cert_to_DER_cert("-----BEGIN CERTIFICATE-----" + block) for block in blocks)
    return Identity(context, tuple(chain))


@asynccontextmanager
async def policy_world(
    zone: str,
    *,
    trust: TrustStore,
    hosts: Mapping[str, Script] | None = None,
    pages: Mapping[str, Acts] | None = None,
    policy_context: ssl.SSLContext | None = None,
    signed: Sequence[str] = SIGNED,
    faults: Faults | None = None,
    zones: Mapping[str, str] | None = None,
) -> AsyncIterator[Net]:
    """A network that reaches these servers and nobody else; `signed` origins answer with AD."""
    async with AsyncExitStack() as stack:
        all_zones = {".": "", DOMAIN: zone, **(zones or {})}
        dns = await stack.enter_async_context(DnsServer(all_zones, faults, authenticated=signed))
        ports = {}
        for address, script in (hosts or {}).items():
            ports[address] = (await stack.enter_async_context(SmtpPeer(script))).port
        if policy_context is not None:
            peer = HttpsPeer(pages, context=policy_context)
            ports[POLICY_ADDRESS] = (await stack.enter_async_context(peer)).port
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        closed = int(nobody.getsockname()[1])
        dialer = Dialer(route=lambda address, _: ("127.0.0.1", ports.get(address, closed)))
        resolver = Resolver(((dns.address, dns.port),), timeout=0.5, lifetime=1.0)
        yield Net(resolver, dialer, trust, SYSTEM_CLOCK, "probe.example.test")


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
