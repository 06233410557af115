"""The only rooms that open sockets or import a client library, and Net, the bundle of them."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from probes.clock import Clock
from probes.net.address_limiter import AddressLimiter
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TlsFacts, TrustStore
from probes.records.ehlo import Ehlo
from probes.result import Failure, Phase


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """How an address of a mail host met us.

    `tls` is None where it does not offer STARTTLS, or TLS fails. `failure` is what stopped us: that
    of TLS where mail is taken in clear.
    """

    tls: TlsFacts | None
    offer: Ehlo | None
    failure: Failure | None = None


_BEHIND_EHLO = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.QUIT})


class SessionCache:
    """Who met us how, for as long as one person looks at one domain: nothing ages in it."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, str, int], SessionOutcome] = {}
        self._visits: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    def visit(self, address: str, port: int) -> asyncio.Lock:
        """Held by the one probe that is there."""
        return self._visits[address, port]

    def of(self, host: str, address: str, port: int) -> SessionOutcome | None:
        """How it met one of us; None: nobody was there under that host's name."""
        return self._met.get((host, address, port))

    def spoke(self, host: str, address: str, port: int, met: SessionOutcome) -> None:
        """Take a session down that came to EHLO, under TLS where that is offered."""
        self._met[host, address, port] = met

    def failed(self, host: str, address: str, port: int, failure: Failure) -> None:
        """Take down what ended a session; one that came to EHLO before counts for more.

        So does the failed TLS of one that came to EHLO in clear then.
        """
        known = self.of(host, address, port)
        if known is None or (known.failure is not None and failure.phase not in _BEHIND_EHLO):
            self._met[host, address, port] = SessionOutcome(None, None, failure)


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
    gate: AddressLimiter = field(default_factory=AddressLimiter)
    met: SessionCache | None = None
