"""Fault localisation: the part that failing paths have in common and succeeding ones do not.

A part is suspected when everything that went through it lately failed, at least twice, while
something that differs from it in this part alone succeeded at the same time. A path that goes
through it and succeeds clears it. A suspect is not proven: the counts are part of it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from exporter.analysis.judgement import Verdict
from exporter.analysis.observations import Observation

LEAST_FAILED = 2
"""Canaries or runs that must have failed: nobody is suspected on a single observation."""

MAX_SUSPECTS = 32
"""Suspects of one kind of part that are named, those with the most failures."""


class PartKind(StrEnum):
    """Kinds of parts that paths can have in common; the value is the metric label."""

    ROUTE = "route"
    MAILBOX = "mailbox"
    MX_HOST = "mx_host"
    ADDRESS_FAMILY = "address_family"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A part, with the counts that speak against it.

    `failed` canaries or runs went through it since `since` and none succeeded; `succeeded` went
    beside it in that time and did. `sources` are the paths and jobs that failed, by name.
    """

    part: PartKind
    name: str
    failed: int
    succeeded: int
    since: datetime
    sources: tuple[str, ...]


class _Key(NamedTuple):
    """The parts of one lane; None for a part that it does not have or that is not known."""

    source: str
    route: str | None = None
    mailbox: str | None = None
    host: str | None = None
    family: str | None = None


class _Lane(NamedTuple):
    """The history of one way: the failures since its last success, and its successes."""

    key: _Key
    failed: tuple[Observation, ...]
    succeeded: tuple[Observation, ...]

    @property
    def is_ok(self) -> bool:
        return bool(self.succeeded) and not self.failed


def find_suspects(
    observations: Iterable[Observation], unreadable: Collection[str] = ()
) -> tuple[Suspect, ...]:
    """Return the suspects of each kind of part, the one with the most failures first.

    `unreadable` are the mailboxes that cannot be read now. Canaries to them are left out: they
    neither suspect nor clear a part.
    """
    seen = [one for one in observations if one.mailbox not in unreadable]
    if not any(map(has_failed, seen)):
        return ()
    ways, hosts, families = _ways(seen), _hosts(seen), _families(seen)
    reached = _ways(one for one in seen if one.is_mailbox_reached)
    return (
        *_of_kind(PartKind.ROUTE, ways, lambda key: key.route, lambda key: key.mailbox),
        *_of_kind(PartKind.MAILBOX, reached, lambda key: key.mailbox, lambda key: key.route),
        *_of_kind(PartKind.MX_HOST, hosts, lambda key: key.host, lambda key: key.source),
        *_of_kind(PartKind.ADDRESS_FAMILY, families, lambda key: key.family, _to_host),
    )


def _to_host(key: _Key) -> tuple[str, str | None]:
    return key.source, key.host


def has_failed(one: Observation) -> bool:
    """True if it speaks against anything."""
    return one.verdict is Verdict.FAILED or any(
        attempt.verdict is Verdict.FAILED for attempt in one.attempts
    )


def _of_kind(
    part: PartKind,
    lanes: Sequence[_Lane],
    value_of: Callable[[_Key], str | None],
    rest_of: Callable[[_Key], object],
) -> list[Suspect]:
    """`value_of` is the part a lane goes through, `rest_of` the parts that lanes beside it share
    with it.
    """
    by_value: defaultdict[str, list[_Lane]] = defaultdict(list)
    good: defaultdict[object, list[_Lane]] = defaultdict(list)
    for lane in lanes:
        value = value_of(lane.key)
        if value is not None:
            by_value[value].append(lane)
        if lane.is_ok:
            good[rest_of(lane.key)].append(lane)
    found = [_suspect(part, value, members, good, rest_of) for value, members in by_value.items()]
    suspects = [one for one in found if one is not None]
    return sorted(suspects, key=lambda one: (-one.failed, one.name))[:MAX_SUSPECTS]


def _since_success(members: Sequence[_Lane]) -> list[_Lane]:
    """Return the lanes with the failures that came after the last success of any of them.

    Before that the part worked: earlier failures have another cause.
    """
    worked = max((one.at for lane in members for one in lane.succeeded), default=None)
    if worked is None:
        return [lane for lane in members if lane.failed]
    after = (
        lane._replace(failed=tuple(one for one in lane.failed if one.at > worked))
        for lane in members
    )
    return [lane for lane in after if lane.failed]


def _suspect(
    part: PartKind,
    name: str,
    members: Sequence[_Lane],
    good: Mapping[object, Sequence[_Lane]],
    rest_of: Callable[[_Key], object],
) -> Suspect | None:
    """The suspect, if nothing got through the part and something that differs in it alone did.

    No lane of `members` is OK then, so the `good` ones do not go through the part.
    """
    if any(lane.is_ok for lane in members):
        return None
    failing = _since_success(members)
    failed = {_identity(one) for lane in failing for one in lane.failed}
    if len(failed) < LEAST_FAILED:
        return None
    since = min(one.at for lane in failing for one in lane.failed)
    rests = {rest_of(lane.key) for lane in failing}
    beside = [lane for rest in rests for lane in good.get(rest, ())]
    succeeded = {_identity(one) for lane in beside for one in lane.succeeded if one.at >= since}
    if not succeeded:
        return None
    sources = tuple(sorted({lane.key.source for lane in failing}))
    return Suspect(part, name, len(failed), len(succeeded), since, sources)


def _identity(observation: Observation) -> tuple[str, int]:
    """Two addresses of one run are not two observations."""
    return observation.source, observation.tick


def _ways(observations: Iterable[Observation]) -> list[_Lane]:
    """One lane per path."""
    lanes: defaultdict[_Key, list[tuple[Observation, Verdict]]] = defaultdict(list)
    for one in observations:
        if one.route is not None:
            lanes[_Key(one.source, one.route, one.mailbox)].append((one, one.verdict))
    return _lanes(lanes)


def _hosts(observations: Iterable[Observation]) -> list[_Lane]:
    """One lane per path or job and MX host; a host is as good as its best address."""
    lanes: defaultdict[_Key, list[tuple[Observation, Verdict]]] = defaultdict(list)
    for one in observations:
        by_host: defaultdict[str, set[Verdict]] = defaultdict(set)
        for attempt in one.attempts:
            if attempt.host is not None:
                by_host[attempt.host].add(attempt.verdict or one.verdict)
        for host, verdicts in by_host.items():
            lanes[_Key(one.source, host=host)].append((one, _best(verdicts)))
    return _lanes(lanes)


def _families(observations: Iterable[Observation]) -> list[_Lane]:
    """One lane per path or job, host and address family."""
    lanes: defaultdict[_Key, list[tuple[Observation, Verdict]]] = defaultdict(list)
    for one in observations:
        by_family: defaultdict[tuple[str | None, str], set[Verdict]] = defaultdict(set)
        for attempt in one.attempts:
            by_family[attempt.host, attempt.family].add(attempt.verdict or one.verdict)
        for (host, family), verdicts in by_family.items():
            key = _Key(one.source, host=host, family=family)
            lanes[key].append((one, _best(verdicts)))
    return _lanes(lanes)


def _best(verdicts: Collection[Verdict]) -> Verdict:
    return next(one for one in (Verdict.OK, Verdict.FAILED, Verdict.UNTESTABLE) if one in verdicts)


def _lanes(seen: Mapping[_Key, list[tuple[Observation, Verdict]]]) -> list[_Lane]:
    return [_lane(key, pairs) for key, pairs in seen.items()]


def _lane(key: _Key, pairs: list[tuple[Observation, Verdict]]) -> _Lane:
    """An untestable run neither ends a row of failures nor begins one."""
    failed: list[Observation] = []
    succeeded: list[Observation] = []
    for one, verdict in sorted(pairs, key=lambda pair: (pair[0].at, pair[0].tick)):
        if verdict is Verdict.OK:
            succeeded.append(one)
            failed.clear()
        elif verdict is Verdict.FAILED:
            failed.append(one)
    return _Lane(key, tuple(failed), tuple(succeeded))
