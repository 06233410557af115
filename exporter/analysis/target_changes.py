"""Changes of a target: the values a job saw, the last good ones, and the differences.

Pure: a snapshot and a run make the next snapshot and the changes between them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from exporter.model import Run, TargetChange
from probes.result import Aspect, Known

MAX_VALUES = 256
"""Values that are remembered of one target; those that the newest run did not see go first."""


RECENT = timedelta(days=1)

MOST_BEFORE = 5
"""Changes before the last good run that are told of."""


class Key(NamedTuple):
    """The aspect and the subject of a value."""

    aspect: Aspect
    subject: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A value, from when on it was seen, and the longest lifetime (seconds) that came with it."""

    value: str
    since: datetime
    lifetime: int | None


Values = Mapping[Key, Seen]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The known values of a target: for each aspect and subject the newest one that a run could
    see.

    `good` are the values as of the last good run and `good_at` is when that began. Both are None
    while the target is good (`values` are those then), and if it never was.
    """

    values: Values
    is_good: bool
    good: Values | None = None
    good_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that was another one when the target was good, first seen at `at`."""

    aspect: Aspect
    subject: str
    before: str
    after: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LastGood:
    """The begin of the last good run of a target that is not good any more, and the differences
    since.

    `before` are changes within RECENT before that run: they may show only now, when the old answers
    are no longer kept.
    """

    at: datetime | None
    differences: tuple[Difference, ...]
    before: tuple[TargetChange, ...]


def advance(
    before: Snapshot | None, run: Run, good_run: Callable[[], datetime | None]
) -> tuple[Snapshot | None, tuple[TargetChange, ...]]:
    """Return the snapshot after a run, and the changes that the run found.

    It is `before` itself if nothing changed. `good_run` is the begin of the last good run before
    this one. An untestable run tells nothing about good and bad.
    """
    result = run.result
    if before is None and not result.known:
        return None, ()
    old = {} if before is None else before.values
    values = _updated(old, result.known, result.started_at)
    was_good = before is not None and before.is_good
    is_good = was_good if _is_untestable(run) else result.ok
    if before is not None and values is old and is_good == was_good:
        return before, ()
    after = Snapshot(values, is_good)
    if not is_good and before is not None:
        good = (old, good_run()) if was_good else (before.good, before.good_at)
        after = replace(after, good=good[0], good_at=good[1])
    return after, tuple(_changes(run, old, values))


def differences(good: Values, now: Iterable[Known], at: datetime) -> tuple[Difference, ...]:
    """Return the differences between a run that began `at` and the last good run."""
    found = []
    for known in now:
        seen = good.get(Key(known.aspect, known.subject))
        if seen is not None and seen.value != known.value:
            found.append(Difference(known.aspect, known.subject, seen.value, known.value, at))
    return tuple(found)


def last_good(snapshot: Snapshot | None, changes: Iterable[TargetChange]) -> LastGood | None:
    """Return the differences since the target was last good; None while it is, and if it never was.

    `changes` are the stored ones, the newest first.
    """
    if snapshot is None or snapshot.good is None:
        return None
    found = (
        Difference(key.aspect, key.subject, before.value, now.value, now.since)
        for key, before in snapshot.good.items()
        if (now := snapshot.values.get(key)) is not None and now.value != before.value
    )
    at = snapshot.good_at
    before = (one for one in changes if at is not None and at - RECENT <= one.at <= at)
    return LastGood(at, tuple(found), tuple(islice(before, MOST_BEFORE)))


def visible_by(known: Known | Seen, at: datetime) -> datetime | None:
    """Return the instant at which every resolver sees the successor of a value."""
    return None if known.lifetime is None else at + timedelta(seconds=known.lifetime)


def _is_untestable(run: Run) -> bool:
    return run.result.failure is not None and run.result.failure.is_untestable


def _updated(old: Values, known: Iterable[Known], at: datetime) -> Values:
    """Return `old` with the new values; `old` itself if nothing is new."""
    news: dict[Key, Seen] = {}
    told = {Key(one.aspect, one.subject): one for one in known}
    for key, one in told.items():
        seen = old.get(key)
        if seen is None or seen.value != one.value:
            news[key] = Seen(one.value, at, one.lifetime)
        elif (one.lifetime or 0) > (seen.lifetime or 0):
            news[key] = replace(seen, lifetime=one.lifetime)
    if not news:
        return old
    values = {**old, **news}
    by_age = sorted(values.keys() - told.keys(), key=lambda key: (values[key].since, key))
    for key in by_age[: max(0, len(values) - MAX_VALUES)]:
        del values[key]
    return values


def _changes(run: Run, old: Values, new: Values) -> Iterator[TargetChange]:
    at = run.result.started_at
    for key, after in new.items():
        before = old.get(key)
        if before is not None and before.value != after.value:
            yield TargetChange(
                run.name,
                run.tick,
                at,
                key.aspect,
                key.subject,
                before.value,
                after.value,
                before.since,
                visible_by(_kept(key, old, new), at),
            )


def _kept(key: Key, old: Values, new: Values) -> Seen:
    """Return how long others may keep the old value.

    RFC 8461 §3.3: a sender fetches a policy anew when the id in the DNS has changed, else when
    max_age is over.
    """
    record = Key(Aspect.STS_RECORD, key.subject)
    id_before, id_after = old.get(record), new.get(record)
    if key.aspect is not Aspect.STS_POLICY or id_before is None or id_after is None:
        return old[key]
    return old[key] if id_before.value == id_after.value else id_before
