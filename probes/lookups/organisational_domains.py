"""Organisational Domains of the names in a message; alignment compares them."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

from probes.canary.trust import OrganisationalDomain, author_domain, last_two_labels
from probes.lookups.lookups import Lookups
from probes.net.resolver import Resolver
from probes.records import RecordError
from probes.records.address import parse_domain
from probes.records.authentication_results import parse_authentication_results
from probes.records.dmarc.discovery import walk_up
from probes.records.raw_message import RawMessage, read_message
from probes.records.received import parse_received
from probes.records.signatures.dkim_records import parse_signature
from probes.records.signatures.dkim_verification import MAX_SIGNATURES, SIGNATURE_FIELD
from probes.tasks import TaskSet

LONGEST = 10.0
"""Seconds that all look-ups for one message may take together."""

MAX_DOMAINS = 16
"""Domains of one message that are looked up; the identifiers that DMARC compares come first."""

_MAX_FIELDS = 20


async def organisations_for(message: bytes, resolver: Resolver) -> OrganisationalDomain:
    """The Organizational Domain (RFC 9989 §4.10.2) of every domain in the message.

    Without a DMARC record, or without an answer in time, the last two labels are used.
    """
    domains = await asyncio.to_thread(named_domains, message)
    lookup = Lookups(resolver)
    known: dict[str, str] = {}
    try:
        async with asyncio.timeout(LONGEST), TaskSet() as tasks:
            for domain in domains:
                tasks.start(_find(domain, lookup, known))
    except TimeoutError:
        pass  # a missing domain falls back to its last two labels

    def organisation(domain: str) -> str:
        name = domain.lower().rstrip(".")
        return known.get(name) or last_two_labels(name)

    return organisation


def named_domains(message: bytes) -> tuple[str, ...]:
    """The domains of the author, the signers, the envelope senders and the relays, each once."""
    raw = read_message(message)
    author = author_domain(raw)
    names = (*(() if author is None else (author,)), *_signers(raw), *_senders(raw), *_relays(raw))
    return tuple(islice(dict.fromkeys(_proper(names)), MAX_DOMAINS))


async def _find(domain: str, lookup: Lookups, known: dict[str, str]) -> None:
    walk = await walk_up(domain, lookup)
    if walk.failed is None and any(step.record is not None for step in walk.steps):
        known[domain] = walk.organisational_domain


def _signers(raw: RawMessage) -> Iterator[str]:
    for field in raw.all(SIGNATURE_FIELD)[:MAX_SIGNATURES]:
        try:
            yield parse_signature(field.value).domain
        except RecordError:
            continue


def _senders(raw: RawMessage) -> Iterator[str]:
    for field in raw.all("authentication-results")[:_MAX_FIELDS]:
        for result in parse_authentication_results(field.value).results:
            said = result.value("smtp", "mailfrom") or result.value("smtp", "helo")
            if result.method == "spf" and said:
                yield said.rpartition("@")[2].strip("<>")


def _relays(raw: RawMessage) -> Iterator[str]:
    for field in raw.all("received")[:_MAX_FIELDS]:
        yield parse_received(field.value).by or ""


def _proper(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            domain = parse_domain(name.removesuffix("."))
        except RecordError:
            continue
        if "." in domain and not domain.rpartition(".")[2].isdigit():
            yield domain
