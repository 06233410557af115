"""The name look-ups of the world's own servers, asked of the world's own DNS."""

from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

_LIFETIME = 3.0


class LookupFailed(Exception):
    """No answer to work with; `is_transient` says whether asking again may help."""

    def __init__(self, detail: str, *, is_transient: bool) -> None:
        super().__init__(detail)
        self.is_transient = is_transient


class Lookups:
    """A resolver that asks one server and keeps nothing."""

    def __init__(self, address: str, port: int) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.nameservers = [address]
        self._resolver.port = port
        self._resolver.lifetime = _LIFETIME

    async def mx(self, domain: str) -> tuple[str, ...]:
        """The MX hosts in the order of their preference; the domain itself if there is no MX.

        A null MX (RFC 7505) gives the one host "". Raises LookupFailed.
        """
        records = await self._records(domain, "MX")
        found = sorted((r.preference, r.exchange) for r in records if isinstance(r, MX))
        # RFC 5321 §5.1: "an implicit MX"
        return tuple(str(host).rstrip(".") for _, host in found) or (domain,)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The IPv4 addresses of a host. Raises LookupFailed; having none is permanent."""
        records = await self._records(host, "A")
        if not records:
            raise LookupFailed(f"{host} has no address", is_transient=False)
        return tuple(str(record) for record in records)

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, their strings joined; empty where there are none."""
        try:
            records = await self._records(name, "TXT")
        except LookupFailed as error:
            if error.is_transient:
                raise
            return ()
        return tuple(b"".join(record.strings) for record in records if isinstance(record, TXT))

    async def _records(self, name: str, kind: str) -> Sequence[object]:
        """The records of a type, none when the name has no such record. Raises LookupFailed."""
        try:
            answer = await self._resolver.resolve(name, kind, raise_on_no_answer=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN) as error:
            raise LookupFailed(f"{name} does not exist", is_transient=False) from error
        except dns.exception.DNSException as error:
            raise LookupFailed(f"{kind} of {name}: {error}", is_transient=True) from error
        return tuple(answer.rrset or ())
