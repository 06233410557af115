"""Record the steps of canaries and settle those that waited long enough: on the ledger's thread."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from exporter.ledger.canary_steps import CanaryEvent, step
from exporter.ledger.encoding import Copy, copy_of
from exporter.ledger.steady_time import MICROS, SteadyTime
from exporter.ledger.store import Store
from exporter.ledger.waiting import HANDED_OVER
from exporter.model import ArrivedCopy, CanaryRecord, Change, Run
from probes.canary.lifecycle import UNSETTLED, Event, Outcome
from probes.clock import Clock, Instant
from probes.mailboxes.interface import Message, Sighting
from probes.result import Owner, ProbeResult

MAX_COPIES = 16
"""Copies of one canary that are told apart; further ones are not counted."""

CHUNK = 1_000
"""Rows that one transaction settles, lists or deletes."""

_ALL = 1_000_000


class Recorder:
    """Works inside the store's transactions, and may do each of them twice: it keeps no state.

    `keeps_time`: this process, and no other one, stores the steady time after a step.
    """

    def __init__(self, store: Store, clock: Clock, *, keeps_time: bool) -> None:
        self._store = store
        self._clock = clock
        self._keeps_time = keeps_time
        self._time = SteadyTime(0, clock.now())
        self._left_behind: tuple[str, ...] = ()

    def begin(self) -> None:
        """Take the steady time from the database, and the canaries an earlier process left.

        The steady time never goes back. So a calendar that was set back while nobody ran holds no
        canary for longer than its `lost_after`.
        """
        now = self._clock.now()
        self._time.follow(self._store.steady_time.offset(), now)
        newest = self._store.waiting.newest()
        if self._keeps_time and newest is not None and newest > self._time.at(now):
            offset = self._time.offset(now) + newest - self._time.at(now)
            self._store.steady_time.put(offset)
            self._time.follow(offset, now)
        unsettled = self._store.canaries.unsettled(None, _ALL)
        left = (one for one in unsettled if one.state not in HANDED_OVER and one.tick >= 0)
        self._left_behind = tuple(one.token for one in left)

    def claim(self, record: CanaryRecord, packed: bytes, now: Instant) -> bool:
        """Plan a canary; see `Ledger.claim`."""
        is_new = self._store.canaries.add(record)
        if is_new:
            self._store.waiting.add(record, self._steady(now))
        if is_new and packed:
            self._store.evidence.keep_sent(record.token, packed, now.utc)
        return is_new

    def copy_at(self, message: Message) -> ArrivedCopy | None:
        """The copy or bounce there; see `Ledger.copy_at`."""
        record = self._store.canaries.find(message.token)
        if record is None:
            return None
        sending = self._store.runs.sending_of(record)
        return self._store.evidence.copy_at(record, message.place, sending)

    def record(
        self,
        token: str,
        event: Event,
        at: Instant,
        result: ProbeResult | None,
        sighting: Sighting | None,
        mailbox: str | None,
    ) -> Change | None:
        """Record an event; see `Ledger.record`."""
        record = self._store.canaries.find(token)
        if record is None:
            return None
        number = 0
        if sighting is not None and (event in _NEWS or record.place is not None):
            copies = self._store.copies.all(token, is_bounce=event in _NEWS)
            number = len(copies)
            is_known = self._is_known(token, sighting, copies, is_bounce=event in _NEWS)
            settles = record.state in UNSETTLED and event is not Event.DELAY_SEEN
            if is_known or (number >= MAX_COPIES and not settles):
                return Change(record, event, None, at.utc)
        failure = None if result is None else result.failure
        change = self._advance(record, event, at, failure=failure, sighting=sighting)
        if sighting is not None:
            change = self._with_copy(change, record, number, sighting, mailbox)
        if result is not None:
            self._store.runs.put((Run(record.path, record.tick, result),))
        return change

    def expire(
        self,
        now: Instant,
        looked: Mapping[str, Instant],
        only: Collection[str] | None,
        folders: Mapping[str, str],
        owners: Mapping[str, Owner],
    ) -> tuple[Change, ...]:
        """Settle canaries that have waited long enough; see `Ledger.expire`."""
        at = self._steady(now)
        if self._keeps_time:
            self._store.steady_time.keep(self._time, now)
        looks = {mailbox: self._time.at(look) for mailbox, look in looked.items()}
        return self._settle(self._store.waiting.over(at, looks, only, CHUNK), now, folders, owners)

    def resume(self) -> tuple[Change, ...]:
        """Take over what an earlier process left; see `Ledger.resume`."""
        left = [(token, Event.SENDER_GONE) for token in self._left_behind]
        return self._settle(left, self._clock.now(), {}, {})

    def _settle(
        self,
        events: Iterable[tuple[str, Event]],
        now: Instant,
        folders: Mapping[str, str],
        owners: Mapping[str, Owner],
    ) -> tuple[Change, ...]:
        changes: list[Change] = []
        for token, event in events:
            record = self._store.canaries.find(token)
            if record is None or record.state not in UNSETTLED:
                self._store.waiting.remove(token)
            elif (event is Event.SENDER_GONE) != (record.state in HANDED_OVER):
                run = self._store.runs.sending_of(record) if event is Event.LOOKED_IN_VAIN else None
                sending = None if run is None else run.result
                where = folders.get(record.mailbox, "")
                known: dict[str, Any] = {"sending": sending, "folders": where}
                if event is Event.COULD_NOT_LOOK:
                    known["owner"] = owners.get(record.mailbox)
                changes.append(self._advance(record, event, now, **known))
        return tuple(changes)

    def _advance(
        self,
        record: CanaryRecord,
        event: Event,
        at: Instant,
        **known: Any,
    ) -> Change:
        steady = self._steady(at)
        elapsed = partial(self._elapsed, record)
        change = step(record, CanaryEvent(event, at, elapsed, **known))
        self._store.canaries.change(record, change.record)
        if record.state in UNSETTLED:
            self._store.waiting.follow(change.record, event, steady)
        return change

    def _elapsed(self, record: CanaryRecord, instant: Instant) -> float:
        """Seconds since the sending began, in steady time.

        A canary that was settled and comes back is measured by the calendar.
        """
        steady = self._store.waiting.began(record.token)
        if steady is not None:
            return max(0.0, (self._time.at(instant) - steady) / MICROS)
        began = record.sending_at or record.planned_at
        return max(0.0, (instant.utc - began).total_seconds())

    def _steady(self, instant: Instant) -> int:
        """Return the steady time of an instant; a process beside the service follows its time."""
        if not self._keeps_time:
            offset = self._store.steady_time.offset()
            if not self._time.is_followed(offset):
                self._time.follow(offset, self._clock.now())
        return self._time.at(instant)

    def _is_known(
        self, token: str, sighting: Sighting, copies: list[Copy], *, is_bounce: bool
    ) -> bool:
        """True if this copy was seen before; where it has moved, its new place is stored."""
        copy = copy_of(sighting)
        known = _number_of(copy, copies)
        if known is not None and copies[known] != copy:
            self._store.copies.move(token, known, copy, sighting.placement, is_bounce=is_bounce)
        return known is not None

    def _with_copy(
        self,
        change: Change,
        before: CanaryRecord,
        number: int,
        sighting: Sighting,
        mailbox: str | None,
    ) -> Change:
        """Store the copy of a sighting, and say beside if another canary overtook it."""
        is_first = change.event is Event.SEEN and before.place is None
        if is_first and self._store.copies.is_overtaken(before, sighting):
            change = replace(change, beside=(Outcome.OUT_OF_ORDER,))
        self._store.copies.put(
            before.token,
            number,
            copy_of(sighting),
            sighting,
            mailbox=mailbox or before.mailbox,
            is_bounce=change.event in _NEWS,
        )
        return change


_NEWS = frozenset({Event.BOUNCE_SEEN, Event.DELAY_SEEN})
"""Events of a message that is about a canary and no copy of it."""


def _number_of(copy: Copy, copies: list[Copy]) -> int | None:
    """Which of the known copies this is: the one at its place, else one that has moved there."""
    same = [n for n, known in enumerate(copies) if known.place == copy.place]
    moved = [n for n, known in enumerate(copies) if known.may_have_moved_to(copy)]
    return next(iter(same + moved), None)
