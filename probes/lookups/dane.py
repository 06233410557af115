"""DANE for SMTP, RFC 7672: the look-up of a host's TLSA records, and their match with a chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from probes.lookups.dnssec import Dnssec, ResolverState, settled, state_of
from probes.net.certificates import Certificate, read_chain, vouched_by
from probes.net.dns_answer import Answer, DnsStatus
from probes.net.resolver import Resolver
from probes.net.tls import matches_name
from probes.records import RecordError
from probes.records.tlsa import TlsaRecord, Usage, parse_tlsa

MAX_TLSA = 64
"""Records of one set that are read."""


@dataclass(frozen=True, slots=True)
class TlsaSet:
    """The TLSA records of one host.

    `base` is the name of the look-up, `state` the DNSSEC state of the answer and of the host's
    addresses. `unreadable` are malformed records. `failure` is the reason of a failed look-up, else
    None. `lifetime` is the number of seconds for which the answer may be reused.
    """

    base: str
    name: str
    state: Dnssec
    records: tuple[TlsaRecord, ...] = ()
    unreadable: tuple[str, ...] = ()
    failure: str | None = None
    lifetime: int | None = None

    @property
    def is_published(self) -> bool:
        """True if there are any records, signed or not."""
        return bool(self.records or self.unreadable)

    @property
    def applies(self) -> bool:
        """True if a sender that supports DANE has to use them."""
        return self.is_published and self.state is Dnssec.SECURE

    @property
    def usable(self) -> tuple[TlsaRecord, ...]:
        """The records that a sender can compare with a certificate."""
        return tuple(record for record in self.records if record.problem is None)


@dataclass(frozen=True, slots=True)
class DaneVerdict:
    """The usable records that match a chain, the others, and the reasons for those of usage 2."""

    matched: tuple[TlsaRecord, ...]
    unmatched: tuple[TlsaRecord, ...]
    detail: str


async def find_tlsa(
    resolver: Resolver, host: str, port: int, addresses: Answer[str], state: ResolverState
) -> TlsaSet:
    """Look up the records of `host`; `addresses` is its address look-up (after `settled`)."""
    secure = state_of(addresses, state)
    target = addresses.canonical_name or host
    if target != host and secure is Dnssec.SECURE:
        # RFC 7672 §2.2.3: of an alias the records under its target count, if there are any
        found = await _look_up(resolver, target, port, secure, state)
        if found.is_published or found.failure is not None:
            return found
    elif target != host and secure is Dnssec.INSECURE:
        # RFC 7672 §2.2.2: an alias out of a signed zone still has a signed name of its own
        secure = state_of(await settled(resolver, await resolver.query(host, "CNAME")), state)
    return await _look_up(resolver, host, port, secure, state)


async def _look_up(
    resolver: Resolver, base: str, port: int, host: Dnssec, state: ResolverState
) -> TlsaSet:
    name = f"_{port}._tcp.{base}"
    try:
        answer = await settled(resolver, await resolver.query(name, "TLSA"))
    except RecordError as error:  # the host's name leaves no room for two more labels
        return TlsaSet(base, str(error), Dnssec.INSECURE)
    said = state_of(answer, state)
    combined = said if host is Dnssec.SECURE else host
    if answer.status in (DnsStatus.NXDOMAIN, DnsStatus.NO_DATA):
        return TlsaSet(base, name, combined, lifetime=answer.lifetime)
    if answer.status is not DnsStatus.ANSWERED:
        failed = Dnssec.UNTESTABLE if answer.is_ours else host
        return TlsaSet(base, name, failed, failure=answer.explain())
    return _read(base, name, combined, answer)


def _read(base: str, name: str, state: Dnssec, answer: Answer[Any]) -> TlsaSet:
    records: list[TlsaRecord] = []
    unreadable: list[str] = []
    for text in answer.records[:MAX_TLSA]:
        try:
            records.append(parse_tlsa(text))
        except RecordError as error:
            unreadable.append(str(error))
    return TlsaSet(base, name, state, tuple(records), tuple(unreadable), lifetime=answer.lifetime)


def judge(
    records: Sequence[TlsaRecord], chain_der: Sequence[bytes], names: Sequence[str], now: datetime
) -> DaneVerdict:
    """Compare usable records with a served chain; `names` are the valid certificate names."""
    chain = read_chain(chain_der)
    matched: list[TlsaRecord] = []
    unmatched: list[TlsaRecord] = []
    details: list[str] = []
    for record in records:
        problem = _problem(record, chain, names, now)
        (matched if problem is None else unmatched).append(record)
        if problem:
            details.append(f"{str(record)[:40]}: {problem}")
    return DaneVerdict(tuple(matched), tuple(unmatched), "; ".join(details))


def _problem(
    record: TlsaRecord, chain: Sequence[Certificate], names: Sequence[str], now: datetime
) -> str | None:
    if not chain:
        return "no certificate was served"
    if record.usage == Usage.DANE_EE:
        # RFC 7672 §3.1.1: only the key counts; names and dates are not checked
        is_it = record.speaks_of(chain[0].der, chain[0].public_key)
        return None if is_it else "it is not the server's certificate"
    return _anchor_problem(record, chain, names, now)


def _anchor_problem(
    record: TlsaRecord, chain: Sequence[Certificate], names: Sequence[str], now: datetime
) -> str | None:
    """The problem of a trust anchor record, RFC 7672 §3.1.2; None without one.

    The authority must be in the served chain, and the chain must pass PKIX validation.
    """
    leaf, *others = chain
    served = [one.der for one in others if record.speaks_of(one.der, one.public_key)]
    if record.selector == 0 and record.matching == 0:
        served.append(record.data)  # the record has the whole certificate
    if not served:
        return "no authority in the served chain is it"
    problems = [vouched_by([one.der for one in chain], anchor, now) for anchor in served]
    if all(problems):
        return f"the chain does not lead to it ({problems[0]})"
    # RFC 7672 §3.2.3: the name of the records, of the host or of the domain
    if not any(matches_name(known, name) for known in leaf.names for name in names):
        return f"the certificate names none of {', '.join(names)}"
    return None
