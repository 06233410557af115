"""A watcher for each mailbox: it keeps a watch running and knows the expected canaries."""

import asyncio
import logging
import random
from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from probes.clock import Clock, Instant
from probes.mailboxes.interface import (
    Content,
    Cursor,
    Following,
    Look,
    Message,
    News,
    Remark,
    Report,
)
from probes.result import Failure, Owner, Phase, Reason, one_line
from probes.run import run_once
from probes.trace import Trace

LOG = logging.getLogger("mailcanary.watch")

FRESH_SECONDS = 30.0
"""How long after the sending began a canary is worth fast looks."""

MAX_WANTED = 1_000
"""Whole messages of one mailbox that can be waited for; further ones are not fetched."""

MAX_SESSIONS_PER_COPY = 2
"""Sessions that may try to fetch a message: one that ended two of them is not asked for again."""

MAX_REMARKS = 50
"""Oddities of one mailbox's server that are logged."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0

REFUSED_PAUSE = 60.0
LONGEST_REFUSED_PAUSE = 1800.0
"""Pauses after a refused login: many servers lock an account out after a few of them."""

Watch = Callable[["MailboxWatcher", Mapping[str, Cursor], Report], Awaitable[None]]
"""A mailbox kind's `watch` with its network and target bound; the watcher is its Interest."""


@dataclass(frozen=True, slots=True)
class WatchState:
    """Whether a mailbox can be read. `failure` is why not; None while it can or was not tried."""

    is_up: bool
    failure: Failure | None


class MailboxWatcher:
    """Watches one mailbox, reconnects without end and passes on every report.

    The longer it fails, the longer it pauses before it connects again. It is the `Interest` of the
    watch it runs.

    `looked` is the beginning of the last look that every watched folder has had: any message
    delivered before it has been seen. `room` bounds the whole messages in memory, and may be shared
    with other watchers.
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
        room: asyncio.Semaphore | None = None,
    ) -> None:
        self.name = name
        self.room = room or asyncio.Semaphore()
        self.changed = asyncio.Event()
        self.state = WatchState(is_up=False, failure=None)
        self.settled = asyncio.Event()
        self._watch = watch
        self._clock = clock
        self._report = report
        self._changed_state = changed_state
        self._cursors = dict(cursors)
        self._looks: dict[str, Look] = {}
        self._following: frozenset[str] = frozenset()
        self._has_junk = True
        self.remarks: list[str] = []
        """The oddities of the server that limit the watch, each once."""
        self._wanted: dict[Message, int] = {}
        self._copies: asyncio.Queue[Message] = asyncio.Queue()
        self._waiting: dict[str, datetime] = {}
        self._elsewhere: dict[str, datetime] = {}
        self._fresh_until = -1.0
        self._pause = FIRST_PAUSE
        self._refused_pause = REFUSED_PAUSE

    def tokens(self) -> Mapping[str, datetime]:
        """Return every canary in flight, with the UTC instant its sending began.

        Canaries to other mailboxes are included: their bounces may come to this one.
        """
        return ChainMap(self._waiting, self._elsewhere)

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

    def expect_news(self, token: str, sending_at: datetime) -> None:
        """A canary is on its way to another mailbox; a bounce of it may come to this one."""
        self._elsewhere[token] = sending_at

    def forget(self, token: str) -> None:
        """Nobody waits for this canary any more."""
        self._elsewhere.pop(token, None)
        if self._waiting.pop(token, None) is not None:
            self.changed.set()

    def want(self, message: Message) -> None:
        """Have the whole message there reported, in this session or the next."""
        if message not in self._wanted and len(self._wanted) < MAX_WANTED:
            self._wanted[message] = 0
            self._copies.put_nowait(message)

    @property
    def is_fetching(self) -> bool:
        """True while some whole message is wanted and not reported yet."""
        return bool(self._wanted)

    async def next_copy(self) -> Message:
        """Wait until a whole message is wanted, and say which; a Content answers."""
        message = await self._copies.get()
        self._wanted[message] += 1
        return message

    @property
    def folders(self) -> frozenset[str]:
        """The folders that the present session watches."""
        return self._following

    @property
    def looked(self) -> Instant | None:
        """When the last complete look began, None if there was none in this session."""
        if not self.state.is_up or not self._has_seen_all():
            return None
        return min((look.began for look in self._looks.values()), key=lambda at: at.monotonic)

    def ended(self, error: BaseException) -> None:
        """Show the mailbox as down: `run` ended by `error` though nobody ended it."""
        detail = one_line(f"the watch ended: {type(error).__name__}: {error}")
        self._set_state(WatchState(is_up=False, failure=_unexpected(detail)))

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            failure = await self._session()
            self._set_state(WatchState(is_up=False, failure=failure))
            await asyncio.sleep(self.next_pause(failure) * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def next_pause(self, failure: Failure) -> float:
        """Return the pause before the next session; it doubles from one failure to the next."""
        if is_refused_login(failure):
            pause = self._refused_pause
            self._refused_pause = min(pause * 2, LONGEST_REFUSED_PAUSE)
        else:
            pause = self._pause
            self._pause = min(pause * 2, LONGEST_PAUSE)
        return pause

    async def _session(self) -> Failure:
        """One connection's life, and why it ended."""
        self._looks.clear()
        self._following = frozenset()
        self._want_again()

        async def work(trace: Trace) -> None:
            with trace.phase(Phase.ARRIVAL):
                await self._watch(self, self._cursors, self._on_report)

        result = await run_once("watch", work, clock=self._clock, deadline=None, on_bug=log_bug)
        return result.failure or _unexpected("the watch ended without a reason")

    def _want_again(self) -> None:
        """Ask again for messages not reported in earlier sessions.

        A message already asked for in MAX_SESSIONS_PER_COPY sessions is left out: it may have ended
        them.
        """
        tried = self._wanted
        self._wanted = {message: n for message, n in tried.items() if n < MAX_SESSIONS_PER_COPY}
        self._copies = asyncio.Queue()
        for message in self._wanted:
            self._copies.put_nowait(message)

    async def _on_report(self, report: News) -> None:
        if isinstance(report, Following):
            self._following, self._has_junk = report.folders, report.has_junk
            return
        if isinstance(report, Remark):
            self._note(report)
            return
        await self._report(report)
        if isinstance(report, Content):
            self._wanted.pop(report.message, None)
        if isinstance(report, Cursor):
            self._cursors[report.folder] = report
        if isinstance(report, Look):
            self._looks[report.folder] = report
            self._pause, self._refused_pause = FIRST_PAUSE, REFUSED_PAUSE
            if not self.state.is_up and self._has_seen_all():
                self._set_state(WatchState(is_up=True, failure=None))

    def _note(self, remark: Remark) -> None:
        """Log it the first time."""
        if remark.text not in self.remarks and len(self.remarks) < MAX_REMARKS:
            self.remarks.append(remark.text)
            LOG.warning("mailbox %s: %s", self.name, remark.text)

    @property
    def reading(self) -> str:
        """The folders that are read, in words, and that none of them is Junk; or the failure."""
        if self.state.failure is not None:
            return self.state.failure.detail
        names = ", ".join(sorted(self._following)) or "none"
        return (
            f"folders read: {names}"
            if self._has_junk
            else (f"no Junk folder known, folders read: {names}")
        )

    def _has_seen_all(self) -> bool:
        """Whether each folder that the session watches has had a look; Junk may be the last."""
        return bool(self._following) and self._following <= self._looks.keys()

    def _set_state(self, state: WatchState) -> None:
        if state != self.state or not self.settled.is_set():
            self.state = state
            self._changed_state(state)
        self.settled.set()


def is_refused_login(failure: Failure) -> bool:
    """True where the server read the credentials and refused them for good."""
    return failure.reason is Reason.AUTHENTICATION_FAILED and not failure.is_transient


def _unexpected(detail: str) -> Failure:
    return Failure(Phase.ARRIVAL, Reason.UNEXPECTED, detail, Owner.MONITOR, is_transient=True)


def log_bug(error: BaseException) -> None:
    """A bug in a watch is logged with its traceback; the watch is begun anew."""
    LOG.error("unexpected error in a mailbox watch", exc_info=error)
