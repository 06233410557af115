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
    """Outcome of one SMTP session with an address of a mail host.

    `tls` is None where the address does not offer STARTTLS, or TLS fails. `failure` is the reason
    the session ended early; where mail is taken in clear, it is the failure of TLS.
    """

    tls: TlsFacts | None
    offer: Ehlo | None
    failure: Failure | None = None


_BEHIND_EHLO = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.QUIT})


class SessionCache:
    """Sessions already held with MX hosts during one diagnosis. No entry expires."""

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
        """Record the failure that ended a session, unless an earlier session came to EHLO.

        If the earlier session came to EHLO only in clear, after its TLS failed, a failure before
        MAIL is recorded all the same.
        """
        known = self.of(host, address, port)
        if known is None or (known.failure is not None and failure.phase not in _BEHIND_EHLO):
            self._met[host, address, port] = SessionOutcome(None, None, failure)


@dataclass(frozen=True, slots=True)
class Net:
    """Everything a probe needs to touch the network, injected.

    `ehlo_name` is our name in EHLO (RFC 5321 §4.1.1.1: a fully qualified domain name or an address
    literal) where a target does not set another. `limiter` bounds the SMTP sessions with one
    address at a time. `sessions` is shared by probes that run at the same time for one purpose, so
    that none repeats a session of another. None: each probe holds its own sessions.
    """

    resolver: Resolver
    dialer: Dialer
    trust: TrustStore
    clock: Clock
    ehlo_name: str
    limiter: AddressLimiter = field(default_factory=AddressLimiter)
    sessions: SessionCache | None = None
