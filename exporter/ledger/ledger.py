"""The ledger: every planned canary, sending and sighting, on the disk before anybody acts on it."""

import asyncio
import threading
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from exporter.analysis.mailbox_state import MailboxState
from exporter.ledger.commit_thread import CommitThread
from exporter.ledger.encoding import pack_message
from exporter.ledger.lock import lock_file, sqlite_path, unlock
from exporter.ledger.place import share
from exporter.ledger.recorder import CHUNK, Recorder
from exporter.ledger.runs import RUNS_KEPT
from exporter.ledger.sqlite import check_file, is_large
from exporter.ledger.store import Store
from exporter.model import ArrivedCopy, CanaryRecord, Change, Examined, Run, TargetChange
from probes.canary.dkim_selectors import LearntSelector
from probes.canary.evidence import Evidence
from probes.canary.lifecycle import Event, State
from probes.clock import Clock, Instant
from probes.mailboxes.interface import Cursor, Message, Sighting
from probes.result import Owner, ProbeResult

SENT_KEPT = 86_400.0
"""Seconds that a sent message is kept at least, and until its canary is settled.

A copy that comes more than a day later is examined without being compared.
"""

_ALL = 1_000_000


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
        self._recorder = Recorder(store, clock, keeps_time=lock is not None or store.path is None)

    @classmethod
    async def open(
        cls, url_or_path: str, clock: Clock, *, exclusive: bool = True, group: str | None = None
    ) -> "Ledger":
        """Open or make the ledger: `sqlite:///FILE`, a file name, or `:memory:`.

        Only one process at a time can be the `exclusive` one, the service. It also settles canaries
        begun by other processes. Beside it a command may send canaries of its own, with negative
        ticks.

        Members of `group` may read its files.

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
            if exclusive:
                await asyncio.to_thread(store.rewrite_small)
            await ledger._thread.call(ledger._recorder.begin)
            if path is not None and group is not None:
                await asyncio.to_thread(share, path, group)
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

        return await self._thread.call(partial(self._recorder.claim, record, packed, now))

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
        work = partial(self._recorder.record, token, event, at, result, sighting, mailbox)
        return await self._thread.call(work)

    async def expire(
        self,
        now: Instant,
        looked: Mapping[str, Instant],
        *,
        only: Collection[str] | None = None,
        folders: Mapping[str, str] | None = None,
        owners: Mapping[str, Owner] | None = None,
    ) -> tuple[Change, ...]:
        """Settle canaries that have waited long enough, at most 1,000 per call.

        `looked`: mailbox -> when the last look at all its folders began; mailboxes that cannot be
        read now are missing. `folders`: mailbox -> the folders that are read there, or why none
        is, in words. `owners`: mailbox that cannot be read -> who has to act there.

        A canary is lost if that look came `lost_after` or more after it was handed over. It is
        untestable if its mailbox still cannot be read after GIVE_UP_AFTER times `lost_after`. A
        sender silent for `lost_after` is taken for gone.

        Canaries that another process sent by hand are settled as well. With `only`, no canary is
        settled but those with these tokens.
        """
        words, acting = dict(folders or {}), dict(owners or {})
        work = partial(self._recorder.expire, now, dict(looked), only, words, acting)
        return await self._thread.call(work)

    async def resume(self) -> tuple[Change, ...]:
        """Take over the canaries that an earlier process left planned or sending.

        To be called once after opening. A planned canary was not sent (untestable). One that was
        being sent is uncertain and looked for.
        """
        return await self._thread.call(self._recorder.resume)

    async def check(self) -> None:
        """Look at every page of the file, beside the work; returns at once for a small one.

        A small one was checked when it was opened. Raises LedgerError if it is damaged.
        """
        path = self._store.path
        if path is None or not await asyncio.to_thread(is_large, path):
            return
        over = threading.Event()
        try:
            await asyncio.to_thread(check_file, path, over.is_set)
        finally:
            over.set()  # a thread is not cancelled: it would hold up the end of the process

    async def last_ticks(self) -> dict[str, int]:
        """Return the highest tick claimed of each path; all above it are free, at any calendar."""
        return await self._thread.call(self._store.canaries.last_ticks)

    async def find(self, token: str) -> CanaryRecord | None:
        """The canary with this token, None when there is none."""
        return await self._thread.call(partial(self._store.canaries.find, token))

    async def in_flight(self, mailbox: str | None = None) -> tuple[CanaryRecord, ...]:
        """Canaries that may have been sent and are not settled, the oldest first."""
        records = await self._thread.call(partial(self._store.canaries.unsettled, mailbox, _ALL))
        return tuple(record for record in records if record.state is not State.PLANNED)

    async def recent(self, path: str, limit: int) -> tuple[CanaryRecord, ...]:
        """The path's canaries, the newest first."""
        return await self._thread.call(partial(self._store.canaries.recent, path, limit))

    async def removable(self, mailbox: str, before: datetime) -> tuple[CanaryRecord, ...]:
        """Settled before that instant and still in the mailbox, at most 1,000 per call.

        A canary of which there are several copies comes once per copy, with that copy's place.
        """
        return await self._thread.call(
            partial(self._store.copies.removable, mailbox, before, CHUNK)
        )

    async def removed(self, tokens: Iterable[str], *, folder: str | None = None) -> None:
        """The copies of these canaries, in one folder or in all, are gone from the mailbox."""
        work = partial(self._store.copies.mark_gone, tuple(tokens), folder, self._clock.utc())
        await self._thread.call(work)

    async def save_cursor(self, mailbox: str, cursor: Cursor) -> None:
        """Keep how far a folder has been read."""
        await self._thread.call(partial(self._store.cursors.put, mailbox, cursor))

    async def cursors(self, mailbox: str) -> dict[str, Cursor]:
        """How far each folder has been read."""
        return await self._thread.call(partial(self._store.cursors.all, mailbox))

    async def save_mailbox_states(self, states: Iterable[MailboxState]) -> None:
        """Keep these states; each takes the place of its mailbox's state before."""
        await self._thread.call(partial(self._store.mailbox_states.put, tuple(states)))

    async def unexamined(self, mailbox: str) -> tuple[Message, ...]:
        """Where messages about canaries lie that were not examined, at most 1,000, the newest."""
        work = partial(self._store.evidence.unexamined, mailbox, CHUNK, RUNS_KEPT)
        return await self._thread.call(work)

    async def copy_at(self, message: Message) -> ArrivedCopy | None:
        """The copy or bounce there with all that is known of it; None where none was recorded."""
        return await self._thread.call(partial(self._recorder.copy_at, message))

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
        return await self._thread.call(partial(self._store.runs.newest, name, limit))

    async def forget(self, before: datetime) -> int:
        """Delete runs begun, canaries settled and states of mailboxes stored before that instant.

        Return how many rows went.

        Never touches a canary that is not settled.
        """
        total, gone = 0, 1
        while gone:
            gone = await self._thread.call(partial(self._store.forget, before, CHUNK))
            total += gone
        stale, gone = self._clock.utc() - timedelta(seconds=SENT_KEPT), 1
        while gone:
            gone = await self._thread.call(partial(self._store.evidence.drop_sent, stale, CHUNK))
        while await self._thread.call(self._store.give_back):
            pass
        return total
