"""The network as a configuration or a request describes it."""

from dataclasses import replace

from exporter.model import Config
from probes.clock import SYSTEM_CLOCK, Clock
from probes.net import Net
from probes.net.address_limiter import AddressLimiter
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.resolver_check import ResolverCheck
from probes.net.tls import TrustStore


def build_net(config: Config, clock: Clock = SYSTEM_CLOCK) -> Net:
    """The network as the configuration describes it."""
    service = config.service
    if service.resolvers is None:
        resolver = Resolver.from_system()
    else:
        servers = tuple((server.address, server.port) for server in service.resolvers)
        resolver = Resolver(servers)
    return Net(
        resolver=replace(resolver, check=ResolverCheck(service.resolver_check)),
        dialer=_dialer(service.source_address),
        trust=TrustStore(service.ca_file, clock),
        clock=clock,
        ehlo_name=service.ehlo_name,
        limiter=AddressLimiter(service.max_concurrent_per_host),
    )


def _dialer(source: str | None) -> Dialer:
    if source is None:
        return Dialer()
    return Dialer(source_v6=source) if ":" in source else Dialer(source_v4=source)
