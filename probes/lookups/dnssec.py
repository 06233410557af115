"""DNSSEC as our resolver reports it: the resolver is tested before its answers count."""

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from probes.net.dns_answer import Answer, DnsStatus
from probes.net.resolver import Resolver

RecordT = TypeVar("RecordT")

_SPOKEN = frozenset({DnsStatus.ANSWERED, DnsStatus.NO_DATA, DnsStatus.NXDOMAIN})


class Dnssec(StrEnum):
    """The security state of an answer, RFC 4035 §4.3."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    UNTESTABLE = "untestable"
    """Our resolver does not validate, or has no answer: the state is not known."""


@dataclass(frozen=True, slots=True)
class ResolverState:
    """The properties of our own resolver.

    `validates` and `rewrites_nxdomain` are None if the test had no outcome; `proof` is the evidence
    for the first, in words.
    """

    validates: bool | None
    proof: str
    rewrites_nxdomain: bool | None

    def having_heard(self, answers: Iterable[Answer[Any]]) -> "ResolverState":
        """The state after further answers, some of which may carry an AD flag missing so far."""
        if self.validates is None and any(answer.authenticated for answer in answers):
            return replace(self, validates=True, proof="it says that an answer is authenticated")
        return self


async def examine(resolver: Resolver, broken_name: str | None) -> ResolverState:
    """Test the resolver: a name with broken signatures, or the root, and a name that cannot exist.

    Without `broken_name` the test is the AD flag of the root zone, RFC 4035 §3.2.3.
    """
    nobody = f"mailcanary-{secrets.token_hex(8)}.invalid"  # RFC 6761 §6.4: it cannot exist
    (validates, proof), missing = await asyncio.gather(
        _by_broken_name(resolver, broken_name) if broken_name else _by_root(resolver),
        resolver.query(nobody, "A"),
    )
    rewrites = {DnsStatus.ANSWERED: True, DnsStatus.NXDOMAIN: False, DnsStatus.NO_DATA: False}
    return ResolverState(validates, proof, rewrites.get(missing.status))


async def _by_broken_name(resolver: Resolver, name: str) -> tuple[bool | None, str]:
    answer = await settled(resolver, await resolver.query(name, "A"))
    if answer.status is DnsStatus.ANSWERED:
        return False, f"it answers for {name}, whose signatures are broken"
    if answer.status is DnsStatus.DNSSEC_BOGUS:
        return True, f"it refuses {name}, whose signatures are broken"
    return None, f"{name} cannot be tested with: {answer.explain()}"


async def _by_root(resolver: Resolver) -> tuple[bool | None, str]:
    answer = await resolver.query(".", "SOA")
    if answer.status is not DnsStatus.ANSWERED:
        return None, answer.explain()
    if answer.authenticated:
        return True, "it says that the root zone is authenticated"
    return False, "it does not say that the root zone is authenticated"


async def settled(resolver: Resolver, answer: Answer[RecordT]) -> Answer[RecordT]:
    """The answer, with a validation failure marked as bogus.

    SERVFAIL is bogus if the data is available without validation and, on a second query, still not
    with it. A server that failed for a moment is thus not mistaken for bogus data.
    """
    if answer.status is not DnsStatus.SERVFAIL:
        return answer
    # RFC 4035 §3.2.2: with CD set the resolver returns data that did not validate
    unchecked = await resolver.ask(answer.server, answer.name, answer.rdtype, check_disabled=True)
    if unchecked.status not in _SPOKEN:
        return answer
    again = await resolver.ask(answer.server, answer.name, answer.rdtype)
    if again.status not in (DnsStatus.SERVFAIL, DnsStatus.DNSSEC_BOGUS):
        return answer
    note = f"{answer.note or 'failed'}; it answers where validation is switched off"
    return replace(answer, status=DnsStatus.DNSSEC_BOGUS, note=note)


async def addresses_of(resolver: Resolver, host: str) -> tuple[Answer[str], Answer[str]]:
    """The look-ups of a host's IPv4 and IPv6 addresses, each `settled`."""
    first, second = await resolver.both_addresses(host)
    if DnsStatus.SERVFAIL not in (first.status, second.status):
        return first, second
    return await asyncio.gather(settled(resolver, first), settled(resolver, second))


def state_of(answer: Answer[Any], resolver: ResolverState) -> Dnssec:
    """The state of `answer` (after `settled`), as far as our resolver is reliable."""
    if answer.status is DnsStatus.DNSSEC_BOGUS:
        return Dnssec.BOGUS
    if answer.status not in _SPOKEN or resolver.validates is not True:
        return Dnssec.UNTESTABLE
    return Dnssec.SECURE if answer.authenticated else Dnssec.INSECURE
