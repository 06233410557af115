"""The ledger: every planned canary, sending and sighting, on the disk before anybody acts on it."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from exporter.analysis.mailbox_state import MailboxState
from exporter.ledger.canary_steps import CanaryEvent, step
from exporter.ledger.commit_thread import CommitThread
from exporter.ledger.encoding import Copy, copy_of, pack_message
from exporter.ledger.lock import lock_file, sqlite_path, unlock
from exporter.ledger.store import RUNS_KEPT, Store
from exporter.ledger.waiting import HANDED_OVER, Waiting, verdict
from exporter.model import ArrivedCopy, CanaryRecord, Change, Examined, Run, TargetChange
from probes.canary.dkim_selectors import LearntSelector
from probes.canary.evidence import Evidence
from probes.canary.lifecycle import UNSETTLED, Event, Outcome, State
from probes.clock import Clock, Instant
from probes.mailboxes.interface import Cursor, Message, Sighting
from probes.result import ProbeResult

MAX_COPIES = 16
"""Copies of one canary that are told apart; further ones are not counted."""

SENT_KEPT = 86_400.0
"""Seconds that a sent message is kept at least, and until its canary is settled.

A copy that comes more than a day later is examined without being compared.
"""

_ALL = 1_000_000
_CHUNK = 1_000

T = TypeVar("T")


class Ledger:
    """Every canary's life, the latest runs and the newest state of each mailbox.

    Every awaited method returns after its commit: the returned state survives a power cut. All
    raise LedgerError when the database cannot do it; nothing of that call is stored then.
    """

    def __init__(self, store: Store, lock: int | None, clock: Clock) -> None:
        """Use `Ledger.open`."""
        self._store = store
        self._lock = lock
        self._clock = clock
        self._thread = CommitThread(store.transaction, store.name)
        self._waiting: dict[str, Waiting] = {}  # of the ledger's thread
        self._left_behind: tuple[CanaryRecord, ...] = ()

    @classmethod
    async def open(cls, url_or_path: str, clock: Clock, *, exclusive: bool = True) -> "Ledger":
        """Open or make the ledger: `sqlite:///FILE`, a file name, or `:memory:`.

        Only one process at a time can be the `exclusive` one, the service. It also settles canaries
        begun by other processes. Beside it a command may send canaries of its own, with negative
        ticks.

        Raises LedgerError: in use by another process, damaged (the file stays as it is), not ours,
        newer than this program, not writable.
        """
        path = sqlite_path(url_or_path)
        lock = None if path is None or not exclusive else await asyncio.to_thread(lock_file, path)
        try:
            store = await asyncio.to_thread(Store, path)
        except BaseException:
            unlock(lock)
            raise
        ledger = cls(store, lock, clock)
        try:
            unsettled = partial(store.unsettled, None, _ALL)
            await ledger._thread.call(unsettled, ledger._take_over)
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def close(self) -> None:
        """Finish the calls already made, then close the file and give up the lock."""
        await self._thread.close()
        await asyncio.to_thread(self._store.close)
        unlock(self._lock)
        self._lock = None

    async def claim(
        self,
        path: str,
        mailbox: str,
        tick: int,
        token: str,
        late_after: float,
        lost_after: float,
        content: bytes = b"",
    ) -> bool:
        """Plan a canary; False when that tick of the path was claimed before.

        Its `content` is kept for the comparison with the copies that come, for a day at least.
        """
        now = self._clock.now()
        packed = await pack_message(content)
        record = CanaryRecord(
            token=token,
            path=path,
            mailbox=mailbox,
            tick=tick,
            state=State.PLANNED,
            outcome=None,
            planned_at=now.utc,
            sending_at=None,
            accepted_at=None,
            settled_at=None,
            late_after=late_after,
            lost_after=lost_after,
        )

        work = partial(self._claim, record, packed, now)
        return await self._thread.call(work, partial(self._follow_claim, record, now))

    async def record(
        self,
        token: str,
        event: Event,
        at: Instant,
        *,
        result: ProbeResult | None = None,
        sighting: Sighting | None = None,
        mailbox: str | None = None,
    ) -> Change | None:
        """Record an event and return its Change; None if that token was never issued.

        SEEN needs its `sighting`; BOUNCE_SEEN and DELAY_SEEN take one, so that a message read twice
        counts once. `mailbox` is the mailbox of the event, the canary's own if None.

        The Change tells exactly one caller which outcome to count. A copy that was read before, or
        was moved, makes a Change without outcome. A `result` is kept as the path's run too, so no
        `add_runs` is needed for it. Raises ImpossibleEvent.
        """
        if event is Event.SEEN and sighting is None:
            raise ValueError("a canary is seen in a sighting")
        work = partial(self._record, token, event, at, result, sighting, mailbox)
        return await self._thread.call(work, lambda change: self._follow(change, at))

    async def expire(
        self,
        now: Instant,
        looked: Mapping[str, Instant],
        *,
        only: Collection[str] | None = None,
        folders: Mapping[str, str] | None = None,
    ) -> tuple[Change, ...]:
        """Settle canaries that have waited long enough, at most 1,000 per call.

        `looked`: mailbox -> when the last look at all its folders began; mailboxes that cannot be
        read now are missing. `folders`: mailbox -> the folders that are read there, in words.

        A canary is lost if that look came `lost_after` or more after it was handed over. It is
        untestable if its mailbox still cannot be read after GIVE_UP_AFTER times `lost_after`. A
        sender silent for `lost_after` is taken for gone.

        Canaries that another process sent by hand are settled as well. With `only`, no canary is
        settled but those with these tokens.
        """
        work = partial(self._expire, now, dict(looked), only, dict(folders or {}))
        return await self._thread.call(work, lambda changes: self._follow_all(changes, now))

    async def resume(self) -> tuple[Change, ...]:
        """Take over the canaries that an earlier process left planned or sending.

        To be called once after opening. A planned canary was not sent (untestable). One that was
        being sent is uncertain and looked for.
        """
        left, self._left_behind = self._left_behind, ()
        now = self._clock.now()
        tokens = [r.token for r in left if r.state not in HANDED_OVER and r.tick >= 0]
        work = partial(self._settle, [(token, Event.SENDER_GONE) for token in tokens], now)
        return await self._thread.call(work, lambda changes: self._follow_all(changes, now))

    async def last_ticks(self) -> dict[str, int]:
        """Return the highest tick claimed of each path; all above it are free, at any calendar."""
        return await self._thread.call(self._store.last_ticks)

    async def find(self, token: str) -> CanaryRecord | None:
        """The canary with this token, None when there is none."""
        return await self._thread.call(partial(self._store.find, token))

    async def in_flight(self, mailbox: str | None = None) -> tuple[CanaryRecord, ...]:
        """Canaries that may have been sent and are not settled, the oldest first."""
        records = await self._thread.call(partial(self._store.unsettled, mailbox, _ALL))
        return tuple(record for record in records if record.state is not State.PLANNED)

    async def recent(self, path: str, limit: int) -> tuple[CanaryRecord, ...]:
        """The path's canaries, the newest first."""
        return await self._thread.call(partial(self._store.recent, path, limit))

    async def removable(self, mailbox: str, before: datetime) -> tuple[CanaryRecord, ...]:
        """Settled before that instant and still in the mailbox, at most 1,000 per call.

        A canary of which there are several copies comes once per copy, with that copy's place.
        """
        return await self._thread.call(partial(self._store.removable, mailbox, before, _CHUNK))

    async def removed(self, tokens: Iterable[str], *, folder: str | None = None) -> None:
        """The copies of these canaries, in one folder or in all, are gone from the mailbox."""
        work = partial(self._store.mark_gone, tuple(tokens), folder, self._clock.utc())
        await self._thread.call(work)

    async def save_cursor(self, mailbox: str, cursor: Cursor) -> None:
        """Keep how far a folder has been read."""
        await self._thread.call(partial(self._store.put_cursor, mailbox, cursor))

    async def cursors(self, mailbox: str) -> dict[str, Cursor]:
        """How far each folder has been read."""
        return await self._thread.call(partial(self._store.cursors, mailbox))

    async def save_mailbox_states(self, states: Iterable[MailboxState]) -> None:
        """Keep these states; each takes the place of its mailbox's state before."""
        await self._thread.call(partial(self._store.mailbox_states.put, tuple(states)))

    async def unexamined(self, mailbox: str) -> tuple[Message, ...]:
        """Where messages about canaries lie that were not examined, at most 1,000, the newest."""
        work = partial(self._store.evidence.unexamined, mailbox, _CHUNK, RUNS_KEPT)
        return await self._thread.call(work)

    async def copy_at(self, message: Message) -> ArrivedCopy | None:
        """The copy or bounce there with all that is known of it; None where none was recorded."""
        return await self._thread.call(partial(self._copy_at, message))

    async def add_evidence(self, copy: ArrivedCopy, evidence: Evidence) -> Examined:
        """Keep the evidence of a copy; of each path that of the last RUNS_KEPT ticks is kept.

        The selectors with which a copy was signed are learnt with it.
        """
        work = partial(self._store.evidence.put, copy, evidence, RUNS_KEPT)
        return await self._thread.call(lambda: Examined(copy, evidence, is_new=work()))

    async def selectors(self, author: str, now: datetime) -> tuple[LearntSelector, ...]:
        """DKIM selectors in use for an author domain, learnt from its canaries, newest first."""
        return await self._thread.call(partial(self._store.evidence.selectors.known, author, now))

    async def evidence(self, token: str) -> tuple[dict[str, Any], ...]:
        """The documents of docs/json.md for every copy, the first copy first, then for bounces."""
        return await self._thread.call(partial(self._store.evidence.documents, token))

    async def add_runs(self, runs: Iterable[Run]) -> tuple[TargetChange, ...]:
        """Keep these runs of jobs and their snapshots; return the changes of their targets.

        Of each name the runs of the last RUNS_KEPT ticks are kept.
        """
        return await self._thread.call(partial(self._store.put_job_runs, tuple(runs)))

    async def runs(self, name: str, limit: int) -> tuple[Run, ...]:
        """The runs of a job or path, the newest first."""
        return await self._thread.call(partial(self._store.runs, name, limit))

    async def forget(self, before: datetime) -> int:
        """Delete runs begun, canaries settled and states of mailboxes stored before that instant.

        Return how many rows went.

        Never touches a canary that is not settled.
        """
        total, gone = 0, 1
        while gone:
            gone = await self._thread.call(partial(self._store.forget, before, _CHUNK))
            total += gone
        stale, gone = self._clock.utc() - timedelta(seconds=SENT_KEPT), 1
        while gone:
            gone = await self._thread.call(partial(self._store.evidence.drop_sent, stale, _CHUNK))
        return total

    # Below: on the ledger's thread.

    def _claim(self, record: CanaryRecord, packed: bytes, now: Instant) -> bool:
        is_new = self._store.add_canary(record)
        if is_new and packed:
            self._store.evidence.keep_sent(record.token, packed, now.utc)
        return is_new

    def _copy_at(self, message: Message) -> ArrivedCopy | None:
        record = self._store.find(message.token)
        if record is None:
            return None
        return self._store.evidence.copy_at(record, message.place, self._store.run_of(record))

    def _record(
        self,
        token: str,
        event: Event,
        at: Instant,
        result: ProbeResult | None,
        sighting: Sighting | None,
        mailbox: str | None,
    ) -> Change | None:
        record = self._store.find(token)
        if record is None:
            return None
        is_bounce = event in _NEWS
        copy = None if sighting is None else copy_of(sighting)
        number = 0
        if copy is not None and sighting is not None and (is_bounce or record.place is not None):
            copies = self._store.copies(token, is_bounce=is_bounce)
            number = len(copies)
            known = _number_of(copy, copies)
            if known is not None and copies[known] != copy:
                self._store.move_copy(token, known, copy, sighting.placement, is_bounce=is_bounce)
            settles = record.state in UNSETTLED and event is not Event.DELAY_SEEN
            if known is not None or (number >= MAX_COPIES and not settles):
                return Change(record, event, None, at.utc)
        failure = None if result is None else result.failure
        elapsed = partial(self._elapsed, record)
        change = self._advance(record, CanaryEvent(event, at, elapsed, failure, sighting))
        is_first = event is Event.SEEN and record.place is None
        if is_first and sighting is not None and self._store.is_overtaken(record, sighting):
            change = replace(change, beside=(Outcome.OUT_OF_ORDER,))
        if copy is not None and sighting is not None:
            where = mailbox or record.mailbox
            self._store.put_copy(token, number, copy, sighting, mailbox=where, is_bounce=is_bounce)
        if result is not None:
            self._store.put_runs((Run(record.path, record.tick, result),))
        return change

    def _advance(self, record: CanaryRecord, happening: CanaryEvent) -> Change:
        change = step(record, happening)
        self._store.change_canary(record, change.record)
        return change

    def _expire(
        self,
        now: Instant,
        looked: Mapping[str, Instant],
        only: Collection[str] | None,
        folders: Mapping[str, str],
    ) -> tuple[Change, ...]:
        if only is None:
            for record in self._store.unsettled_by_hand(_CHUNK):
                self._adopt(record, now)
        events: list[tuple[str, Event]] = []
        for token, waiting in self._waiting.items():
            if only is not None and token not in only:
                continue
            event = verdict(waiting, now.monotonic, looked.get(waiting.mailbox))
            if event is not None:
                events.append((token, event))
            if len(events) == _CHUNK:
                break
        return self._settle(events, now, folders)

    def _settle(
        self,
        events: Iterable[tuple[str, Event]],
        now: Instant,
        folders: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[Change, ...]:
        changes: list[Change] = []
        for token, event in events:
            record = self._store.find(token)
            if record is None or record.state not in UNSETTLED:  # by a process beside us
                self._waiting.pop(token, None)
            elif (event is Event.SENDER_GONE) != (record.state in HANDED_OVER):
                run = self._store.run_of(record) if event is Event.LOOKED_IN_VAIN else None
                sending = None if run is None else run.result
                where = folders.get(record.mailbox, "")
                elapsed = partial(self._elapsed, record)
                happening = CanaryEvent(event, now, elapsed, sending=sending, folders=where)
                changes.append(self._advance(record, happening))
        return tuple(changes)

    def _elapsed(self, record: CanaryRecord, instant: Instant) -> float:
        """Seconds since the sending began: on our own clock where we saw it begin or took it over.

        A canary that was settled and comes back is measured by the calendar.
        """
        waiting = self._waiting.get(record.token)
        if waiting is not None:
            return max(0.0, instant.monotonic - waiting.began)
        began = record.sending_at or record.planned_at
        return max(0.0, (instant.utc - began).total_seconds())

    def _take_over(self, unsettled: tuple[CanaryRecord, ...]) -> None:
        now = self._clock.now()
        self._waiting = {record.token: self._wait(record, now) for record in unsettled}
        self._left_behind = unsettled

    def _adopt(self, record: CanaryRecord, now: Instant) -> None:
        """Follow a canary of another process; once known, no step of the calendar ages it."""
        known, fresh = self._waiting.get(record.token), self._wait(record, now)
        if known is None:
            self._waiting[record.token] = fresh
        elif known.is_sending and not fresh.is_sending:
            self._waiting[record.token] = known._replace(since=now.monotonic, is_sending=False)

    def _wait(self, record: CanaryRecord, now: Instant) -> Waiting:
        """Put a canary on the monotonic clock by its age on the calendar."""
        began = record.sending_at or record.planned_at
        since = record.accepted_at or began

        def monotonic(instant: datetime) -> float:
            return now.monotonic - max(0.0, (now.utc - instant).total_seconds())

        return Waiting(
            record.mailbox,
            monotonic(began),
            monotonic(since),
            record.lost_after,
            record.state not in HANDED_OVER,
        )

    def _follow_claim(self, record: CanaryRecord, at: Instant, is_new: bool) -> None:  # noqa: FBT001
        if is_new:
            self._waiting[record.token] = self._wait(record, at)

    def _follow_all(self, changes: Iterable[Change], at: Instant) -> None:
        for change in changes:
            self._follow(change, at)

    def _follow(self, change: Change | None, at: Instant) -> None:
        """Update `_waiting` after a committed change."""
        if change is None:
            return
        record = change.record
        waiting = self._waiting.get(record.token)
        if waiting is None:
            return
        if record.state not in UNSETTLED:
            del self._waiting[record.token]
        elif change.event is Event.SEND_STARTED:
            moment = at.monotonic
            self._waiting[record.token] = waiting._replace(began=moment, since=moment)
        elif change.event is Event.HANDED_OVER:
            self._waiting[record.token] = waiting._replace(since=at.monotonic, is_sending=False)
        elif record.state in HANDED_OVER:
            self._waiting[record.token] = waiting._replace(is_sending=False)


_NEWS = frozenset({Event.BOUNCE_SEEN, Event.DELAY_SEEN})
"""Events of a message that is about a canary and no copy of it."""


def _number_of(copy: Copy, copies: list[Copy]) -> int | None:
    """Which of the known copies this is: the one at its place, else one that has moved there."""
    same = [n for n, known in enumerate(copies) if known.place == copy.place]
    moved = [n for n, known in enumerate(copies) if known.may_have_moved_to(copy)]
    return next(iter(same + moved), None)
