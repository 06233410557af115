"""The only rooms that open sockets or import a client library, and Net, the bundle of them."""

from dataclasses import dataclass, field

from probes.clock import Clock
from probes.net.dial import Dialer
from probes.net.gate import Gate
from probes.net.resolver import Resolver
from probes.net.tls import TlsFacts, TrustStore
from probes.records.ehlo import Ehlo
from probes.result import Failure


@dataclass(frozen=True, slots=True)
class Met:
    """How an address of a mail host met us; `tls` is None where it does not offer STARTTLS.

    With a `failure` there was no session, and nothing else is known.
    """

    tls: TlsFacts | None = None
    offer: Ehlo | None = None
    failure: Failure | None = None


Acquaintances = dict[tuple[str, str, int], Met]
"""By host, address and port. For as long as one person looks at one domain: nothing ages in it."""


@dataclass(frozen=True, slots=True)
class Net:
    """Everything a probe needs to touch the network, injected.

    `ehlo_name` is how we introduce ourselves (RFC 5321 §4.1.1.1: a fully qualified domain name
    or an address literal) where a target does not say otherwise. `gate` bounds the SMTP sessions
    with one address at a time. `met` is shared by probes that run at the same time for one purpose:
    what one has seen the next need not ask again; None: each looks for itself.
    """

    resolver: Resolver
    dialer: Dialer
    trust: TrustStore
    clock: Clock
    ehlo_name: str
    gate: Gate = field(default_factory=Gate)
    met: Acquaintances | None = None
