"""Discovery of the DMARC record of a domain: the tree walk of RFC 9989 §4.10.

The DNS look-ups are injected.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from probes.records.dmarc.record import DmarcRecord, Policy, is_dmarc, is_nearly_dmarc, parse_dmarc
from probes.records.looked_up import LookedUp, Lookup, LookupStatus, texts

MOST_QUESTIONS = 8
"""The limit of RFC 9989 §4.10: longer names are shortened, so that no walk asks more."""


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One name of the walk.

    `count` is its number of DMARC records; several count as none. `ignored` are texts that resemble
    a record, if no record counts.
    """

    domain: str
    status: LookupStatus
    count: int = 0
    record: DmarcRecord | None = None
    detail: str = ""
    is_ours: bool = False
    failure: str = ""
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk from a domain towards the root, up to its end."""

    domain: str
    steps: tuple[WalkStep, ...]

    @property
    def failed(self) -> WalkStep | None:
        """The step with a failed look-up: the records there and above are not known."""
        last = self.steps[-1]
        return last if last.status is LookupStatus.FAILED else None

    @property
    def organisational_domain(self) -> str:
        """The Organizational Domain, RFC 9989 §4.10.2; the domain itself if no record was found."""
        found = [step for step in self.steps if step.record is not None]
        for step in found:
            if step.record is None:
                continue
            if step.record.psd == "n":
                return step.domain
            if step.record.psd == "y" and step.domain != self.domain:
                return _one_below(step.domain, self.domain)
        return found[-1].domain if found else self.domain

    def at(self, domain: str) -> DmarcRecord | None:
        """The record of one of the walk's names; None without one."""
        return next((step.record for step in self.steps if step.domain == domain), None)


class Source(StrEnum):
    """The owner of the record that applies, RFC 9989 §4.10.1."""

    DOMAIN = "domain"
    ORGANISATION = "organisation"
    PUBLIC_SUFFIX = "public_suffix"


@dataclass(frozen=True, slots=True)
class Discovery:
    """The DMARC policy of one author domain.

    `record` is None if there is none, or if a look-up failed before it was found (`walk.failed`).
    `policy` is the policy that receivers are asked to apply, None if DMARC does not apply. `tag` is
    the tag that states it. `exists` is None if the existence of the domain did not matter (np=).
    """

    domain: str
    walk: Walk
    organisational_domain: str
    found_at: str | None = None
    source: Source | None = None
    record: DmarcRecord | None = None
    policy: Policy | None = None
    tag: str = ""
    exists: bool | None = None


async def walk_up(domain: str, lookup: Lookup) -> Walk:
    """Query the names from `domain` (lower case A-labels, no final dot) up to the top label."""
    steps: list[WalkStep] = []
    for name in _names(domain):
        step = _step(name, await lookup(f"_dmarc.{name}", "TXT"))
        steps.append(step)
        if step.status is LookupStatus.FAILED or _is_last(step):
            break
    return Walk(domain, tuple(steps))


async def discover(domain: str, lookup: Lookup) -> Discovery:
    """Find the policy for mail with the author domain `domain`."""
    walk = await walk_up(domain, lookup)
    organisation = walk.organisational_domain
    if walk.failed is not None and walk.at(domain) is None:
        return Discovery(domain, walk, organisation)
    places = [(domain, Source.DOMAIN), (organisation, Source.ORGANISATION)]
    top = walk.steps[-1]
    if top.record is not None and top.record.psd == "y":
        places.append((top.domain, Source.PUBLIC_SUFFIX))
    for place, source in places:
        record = walk.at(place)
        if record is not None:
            return await _holding(walk, record, (place, source), lookup)
    return Discovery(domain, walk, organisation)


def older_readers_differ(discovery: Discovery) -> Iterator[str]:
    """The differences for a receiver that still reads RFC 7489, a sentence each."""
    record = discovery.record
    if record is None:
        return
    for name, value in record.retired:
        yield _RETIRED[name].format(value=value[:20])
    if record.is_testing:
        yield "t=y means nothing to them: they apply the policy in full"
    if record.nonexistent_policy is not None:
        yield "np= means nothing to most of them: sp= or p= holds for names that do not exist"
    if record.psd != "u":
        yield f"psd={record.psd} means nothing to them: they use a list of public suffixes"
    if not record.is_policy_in_front:
        yield "p= does not stand behind the version: some of them take the record for none"
    if record.is_applied and not record.is_seen_by_older_readers:
        yield "without p= and without an address for reports there is no policy for them"
    if discovery.source is Source.PUBLIC_SUFFIX:
        yield "they do not ask the public suffix for a policy and find none"


_RETIRED = {
    "pct": "pct={value} is retired: they apply the policy to that percentage of the mail only",
    "rf": "rf={value} is retired: they take it for the format of failure reports",
    "ri": "ri={value} is retired: they take it for the seconds between reports",
}


def _names(domain: str) -> Iterator[str]:
    """The names of the walk, RFC 9989 §4.10: the domain, then at most seven labels and fewer."""
    labels = domain.split(".")
    yield domain
    start = max(1, len(labels) - (MOST_QUESTIONS - 1))
    for index in range(start, len(labels)):
        yield ".".join(labels[index:])


def _is_last(step: WalkStep) -> bool:
    """True for a record that ends a walk: psd=n or psd=y, RFC 9989 §4.10."""
    return step.record is not None and step.record.psd != "u"


def _step(name: str, found: LookedUp) -> WalkStep:
    records = [text for text in texts(found) if is_dmarc(text)]
    # RFC 9989 §4.10: of several records none counts
    record = parse_dmarc(records[0][:65_535]) if len(records) == 1 else None
    ignored = () if records else tuple(filter(is_nearly_dmarc, texts(found)))
    return WalkStep(
        name,
        found.status,
        len(records),
        record,
        found.detail,
        found.is_ours,
        found.failure,
        ignored,
    )


def _one_below(suffix: str, domain: str) -> str:
    labels = domain.split(".")
    return ".".join(labels[-(suffix.count(".") + 2) :])


async def _holding(
    walk: Walk, record: DmarcRecord, where: tuple[str, Source], lookup: Lookup
) -> Discovery:
    place, source = where
    is_own = place == walk.domain
    exists: bool | None = None
    if not is_own and record.nonexistent_policy is not None:
        exists = await _exists(walk.domain, lookup)
    policy, tag = record.policy_for(is_own=is_own, exists=exists is not False)
    return Discovery(
        domain=walk.domain,
        walk=walk,
        organisational_domain=walk.organisational_domain,
        found_at=place,
        source=source,
        record=record,
        policy=policy if record.is_applied else None,
        tag=tag,
        exists=exists,
    )


async def _exists(domain: str, lookup: Lookup) -> bool:
    """True if the domain exists, RFC 9989 §3.2: it has an A, AAAA or MX record.

    True also if a look-up fails.
    """
    asked: list[Awaitable[LookedUp]] = [lookup(domain, rdtype) for rdtype in ("A", "AAAA", "MX")]
    return not all(found.is_void for found in await asyncio.gather(*asked))
