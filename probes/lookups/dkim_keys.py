"""Look-up of the public keys that signatures name, before the signatures are verified."""

import asyncio
from collections.abc import Mapping, Sequence

from probes.net.dns_answer import DnsStatus
from probes.net.resolver import Resolver
from probes.records import RecordError
from probes.records.signatures.dkim_verification import KeyLookup, KeyUnavailable, key_names
from probes.tasks import TaskSet

LONGEST = 15.0
"""Seconds that all look-ups for one message may take together."""

_Answer = Sequence[str] | KeyUnavailable


async def keys_for(message: bytes, resolver: Resolver) -> KeyLookup:
    """A look-up that knows the records at every key name of the message's signatures.

    The names, a bounded number, are queried in parallel. A name without an answer in time raises
    KeyUnavailable when it is looked up: it is no verdict on the signature.
    """
    names = await asyncio.to_thread(key_names, message)
    found: dict[str, _Answer] = dict.fromkeys(names, KeyUnavailable("no answer in time"))
    try:
        async with asyncio.timeout(LONGEST), TaskSet() as tasks:
            for name in names:
                tasks.start(_find(name, resolver, found))
    except TimeoutError:
        pass  # a missing name raises KeyUnavailable
    return _lookup_in(found)


def _lookup_in(found: Mapping[str, _Answer]) -> KeyLookup:
    def lookup(name: str) -> Sequence[str]:
        answer = found.get(name, ())
        if isinstance(answer, KeyUnavailable):
            raise answer
        return answer

    return lookup


async def _find(name: str, resolver: Resolver, found: dict[str, _Answer]) -> None:
    found[name] = await _ask(name, resolver)


async def _ask(name: str, resolver: Resolver) -> _Answer:
    try:
        answer = await resolver.query(name, "TXT")
    except RecordError:
        return ()  # no domain name: it has no records
    if answer.status in (DnsStatus.ANSWERED, DnsStatus.NXDOMAIN, DnsStatus.NO_DATA):
        return [text.decode("utf-8", "replace") for text in answer.records]
    return KeyUnavailable(answer.explain())
