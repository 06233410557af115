"""The only rooms that open sockets or import a client library, and Net, the bundle of them."""

from dataclasses import dataclass, field

from probes.clock import Clock
from probes.net.dial import Dialer
from probes.net.gate import Gate
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore


@dataclass(frozen=True, slots=True)
class Net:
    """Everything a probe needs to touch the network, injected.

    `ehlo_name` is how we introduce ourselves (RFC 5321 §4.1.1.1: a fully qualified domain name
    or an address literal) where a target does not say otherwise. `gate` bounds the SMTP sessions
    with one address at a time.
    """

    resolver: Resolver
    dialer: Dialer
    trust: TrustStore
    clock: Clock
    ehlo_name: str
    gate: Gate = field(default_factory=Gate)
