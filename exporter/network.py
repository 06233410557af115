"""The network as a configuration or a request describes it."""

import logging
from dataclasses import replace
from functools import cache

from exporter.model import Config
from probes.clock import SYSTEM_CLOCK, Clock
from probes.net import Net
from probes.net.address_limiter import AddressLimiter
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.resolver_check import ResolverCheck
from probes.net.tls import TrustStore

LOG = logging.getLogger("mailcanary")


def system_resolver() -> Resolver:
    """The system's resolver; lines of its file that name no server are told once."""
    resolver = Resolver.from_system()
    for line in resolver.ignored:
        _tell_ignored(line)
    return resolver


@cache
def _tell_ignored(line: str) -> None:
    LOG.warning("/etc/resolv.conf: ignored, as the C library does: %s", line)


def build_net(config: Config, clock: Clock = SYSTEM_CLOCK) -> Net:
    """The network as the configuration describes it."""
    service = config.service
    if service.resolvers is None:
        resolver = system_resolver()
    else:
        servers = tuple((server.address, server.port) for server in service.resolvers)
        resolver = Resolver(servers)
    return Net(
        resolver=replace(resolver, check=ResolverCheck(service.resolver_check)),
        dialer=dialer_from(service.source_address, allow_loopback=service.allow_loopback),
        trust=TrustStore(service.ca_file, clock),
        clock=clock,
        ehlo_name=service.ehlo_name,
        limiter=AddressLimiter(service.max_concurrent_per_host),
    )


def dialer_from(source: str | None, *, allow_loopback: bool) -> Dialer:
    """Connections from that address, for its family; None: as the system chooses."""
    is_v6 = source is not None and ":" in source
    return Dialer(
        source_v4=None if is_v6 else source,
        source_v6=source if is_v6 else None,
        allow_loopback=allow_loopback,
    )
