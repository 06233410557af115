"""One watcher per mailbox: keeps a watch running and knows who is waiting for a copy."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from probes.clock import Clock, Instant
from probes.mailboxes import Cursor, Look, Placement, Report, Sighting
from probes.result import Failure, Owner, Phase, Reason
from probes.run import run_once
from probes.trace import Trace

LOG = logging.getLogger("mailcanary.watch")

FRESH_SECONDS = 30.0
"""How long after the sending began a canary is worth fast looks."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0

Watch = Callable[["MailboxWatcher", Mapping[str, Cursor], Report], Awaitable[None]]
"""A mailbox kind's `watch` with its network and target bound; the watcher is its Interest."""


@dataclass(frozen=True, slots=True)
class WatchState:
    """Whether a mailbox can be read. `failure` is why not; None while it can or was not tried."""

    is_up: bool
    failure: Failure | None


class MailboxWatcher:
    """Reconnects for ever, more slowly the longer it fails; passes on every report.

    It is the `Interest` of the watch it runs. `looked` is when the last look began that
    every watched folder has had: what was delivered before it has been seen.
    """

    def __init__(
        self,
        name: str,
        watch: Watch,
        clock: Clock,
        *,
        report: Report,
        changed_state: Callable[[WatchState], None],
        cursors: Mapping[str, Cursor],
    ) -> None:
        self.name = name
        self.changed = asyncio.Event()
        self.state = WatchState(is_up=False, failure=None)
        self.settled = asyncio.Event()
        self._watch = watch
        self._clock = clock
        self._report = report
        self._changed_state = changed_state
        self._cursors = dict(cursors)
        self._looks: dict[str, Look] = {}
        self._waiting: dict[str, datetime] = {}
        self._fresh_until = -1.0
        self._pause = FIRST_PAUSE

    def tokens(self) -> Mapping[str, datetime]:
        """Every canary in flight to this mailbox, with the UTC instant its sending began."""
        return self._waiting

    def is_fresh(self) -> bool:
        """True while some canary is young enough for fast looks."""
        return bool(self._waiting) and self._clock.monotonic() < self._fresh_until

    def expect(self, token: str, sending_at: datetime) -> None:
        """A canary is on its way: look fast for a while."""
        self._waiting[token] = sending_at
        age = (self._clock.utc() - sending_at).total_seconds()
        fresh_until = self._clock.monotonic() + FRESH_SECONDS - max(0.0, age)
        self._fresh_until = max(self._fresh_until, fresh_until)
        self.changed.set()

    def forget(self, token: str) -> None:
        """Nobody waits for this canary any more."""
        if self._waiting.pop(token, None) is not None:
            self.changed.set()

    @property
    def looked(self) -> Instant | None:
        """When the last complete look began, None if there was none in this session."""
        if not self._looks or not self.state.is_up:
            return None
        return min((look.began for look in self._looks.values()), key=lambda at: at.monotonic)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            failure = await self._session()
            self._set_state(WatchState(is_up=False, failure=failure))
            await asyncio.sleep(self._pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _session(self) -> Failure:
        """One connection's life, and why it ended."""
        self._looks.clear()

        async def work(trace: Trace) -> None:
            with trace.phase(Phase.ARRIVAL):
                await self._watch(self, self._cursors, self._on_report)

        result = await run_once("watch", work, clock=self._clock, deadline=None, on_bug=log_bug)
        detail = "the watch ended without a reason"
        return result.failure or Failure(
            Phase.ARRIVAL, Reason.UNEXPECTED, detail, Owner.MONITOR, is_transient=True
        )

    async def _on_report(self, report: Look | Sighting | Cursor) -> None:
        await self._report(report)
        if isinstance(report, Cursor):
            self._cursors[report.folder] = report
        if isinstance(report, Look):
            self._looks[report.folder] = report
            self._pause = FIRST_PAUSE
            if not self.state.is_up and self._has_seen_all():
                self._set_state(WatchState(is_up=True, failure=None))

    def _has_seen_all(self) -> bool:
        return any(look.placement is Placement.INBOX for look in self._looks.values())

    def _set_state(self, state: WatchState) -> None:
        if state != self.state or not self.settled.is_set():
            self.state = state
            self._changed_state(state)
        self.settled.set()


def log_bug(error: BaseException) -> None:
    """A bug in a watch is logged with its traceback; the watch is begun anew."""
    LOG.error("unexpected error in a mailbox watch", exc_info=error)
