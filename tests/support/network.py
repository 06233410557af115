"""Networks to probe with, where the test needs no names resolved."""

from probes.clock import SYSTEM_CLOCK
from probes.net import Net
from probes.net.address_limiter import AddressLimiter
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore


def net(trust: TrustStore, limiter: AddressLimiter | None = None) -> Net:
    """Return a Net whose resolver is never asked: targets name addresses."""
    resolver = Resolver((("127.0.0.1", 9),))
    limiter = limiter or AddressLimiter()
    return Net(resolver, Dialer(allow_loopback=True), trust, SYSTEM_CLOCK, "probe.test", limiter)
