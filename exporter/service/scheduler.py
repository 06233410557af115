"""Start each path and job in its slots: one heap of due times, no task for an idle entry.

Every entry has slots of the calendar, `every` seconds long and shifted by an offset made from its
name. Slot numbers (ticks) are the same after a restart and in every replica, so that a tick can be
claimed by its number. The waiting is done on the monotonic clock: a calendar that is set forwards
or backwards neither starts everything at once nor stops anything.
"""

import asyncio
import hashlib
import heapq
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from probes.clock import SYSTEM_CLOCK, Clock, Instant

GRAIN_SECONDS = 0.01
"""Sleeps are rounded up to this: a timer that fires early, as uvloop's of 1 ms may, would spin."""

START_SPACING = 0.002
"""Seconds between two starts at least. Runs that start together come to their TLS handshakes, a
millisecond of work each, together, and one's work would be in another's times."""

_DUE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """A path or job to run: `name` is unique, `every` in seconds, `host` the host it loads."""

    name: str
    every: float
    host: str


@dataclass(frozen=True, slots=True)
class Start:
    """An entry to be started now, in its slot `tick`."""

    name: str
    tick: int


class _Slots:
    """One entry's slots, and where it stands. `tick` is the slot that comes next."""

    __slots__ = ("entry", "held_host", "is_gone", "is_running", "offset", "queued_tick", "tick")

    def __init__(self, entry: Entry) -> None:
        self.is_running = False
        self.is_gone = False
        self.held_host = ""
        self.queued_tick: int | None = None
        self.entry = entry
        self.offset = offset_of(entry)
        self.tick = 0

    def number_at(self, utc: float) -> int:
        return _number(utc, self.offset, self.entry.every)

    def start_of(self, tick: int) -> float:
        return tick * self.entry.every + self.offset


class _Host:
    """Places at one host: the number taken, and the entries waiting for one."""

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken = 0
        self.waiting: deque[_Slots] = deque()


def tick_at(entry: Entry, utc: float) -> int:
    """The number of the entry's slot at that time (seconds since the epoch).

    A scheduler never starts the slot during which it took the entry on: it is free to be run now.
    """
    return _number(utc, offset_of(entry), entry.every)


def _number(utc: float, offset: float, every: float) -> int:
    return math.floor((utc - offset) / every)


def offset_of(entry: Entry) -> float:
    """Seconds by which the entry's slots are shifted, in [0, every); the same after a restart."""
    digest = hashlib.blake2b(entry.name.encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56 * entry.every


class Agenda:
    """Decides which entries start, given the time; it waits for nothing itself.

    An entry in a new slot waits for a place at its host and among all. If the next slot comes
    first, or comes while the entry still runs, a slot is missed. `on_missed(name, count)` is then
    called.
    """

    def __init__(
        self,
        max_concurrent: int,
        max_concurrent_per_host: int,
        on_missed: Callable[[str, int], None],
    ) -> None:
        self._max_concurrent = max_concurrent
        self._max_per_host = max_concurrent_per_host
        self._on_missed = on_missed
        self._all: dict[str, _Slots] = {}
        self._heap: list[tuple[float, int, _Slots]] = []
        self._sequence = 0
        self._ready: deque[_Slots] = deque()
        self._hosts: dict[str, _Host] = {}
        self._running: dict[str, _Slots] = {}

    @property
    def next_due(self) -> float | None:
        """The monotonic time of the next slot; None when there is nothing to run."""
        return self._heap[0][0] if self._heap else None

    def first_due(self, most: int) -> tuple[tuple[str, float], ...]:
        """Return the names whose slots come first, and the monotonic time of each."""
        coming = (item for item in self._heap if not item[2].is_gone)
        first = heapq.nsmallest(most, coming, key=lambda item: item[:2])
        return tuple((slots.entry.name, due) for due, _, slots in first)

    def replace(
        self, entries: Iterable[Entry], now: Instant, used: Mapping[str, int] | None = None
    ) -> None:
        """Take these entries from now on. One with the same name and period keeps its slot.

        Runs under way are left to end, and a new entry of the same name does not start before that.
        `used` is the highest tick an earlier process used for a name: a new entry's ticks go on
        after it.
        """
        wanted = {entry.name: entry for entry in entries}
        for name in self._all.keys() - wanted.keys():
            self._all.pop(name).is_gone = True
        replanned = [entry for entry in wanted.values() if not self._keep(entry)]
        self._heap = [item for item in self._heap if not item[2].is_gone]
        for entry in replanned:
            self._add(entry, now, (used or {}).get(entry.name))
        heapq.heapify(self._heap)

    def _keep(self, entry: Entry) -> bool:
        slots = self._all.get(entry.name)
        if slots is None:
            return False
        if slots.entry.every != entry.every:
            slots.is_gone = True
            return False
        slots.entry = entry
        return True

    def _add(self, entry: Entry, now: Instant, used: int | None) -> None:
        slots = self._all[entry.name] = _Slots(entry)
        utc = now.utc.timestamp()
        following = slots.number_at(utc) + 1
        slots.tick = following if used is None else max(following, used + 1)
        self._heap.append(self._item(slots, now.monotonic + slots.start_of(following) - utc))

    def _item(self, slots: _Slots, due: float) -> tuple[float, int, _Slots]:
        self._sequence += 1
        return due, self._sequence, slots

    def advance(self, now: Instant) -> list[Start]:
        """Return the entries that start now; the caller reports the end of each with `finished`.

        Looks at a bounded number of due entries; if more are due, `next_due` is in the past.
        """
        for _ in range(_DUE_AT_ONCE):
            if not self._heap or self._heap[0][0] > now.monotonic:
                break
            slots = self._heap[0][2]
            tick, delay = self._turn(slots, now.utc.timestamp())
            heapq.heapreplace(self._heap, self._item(slots, now.monotonic + delay))
            self._come(slots, tick)
        return self._start()

    def _turn(self, slots: _Slots, utc: float) -> tuple[int, float]:
        """The slot that has come and the seconds to the one after it."""
        every, tick = slots.entry.every, slots.tick
        lateness = utc - slots.start_of(tick)
        if lateness >= every:  # we were stopped or suspended, or the calendar was set forwards
            tick = max(slots.number_at(utc), slots.tick + 1)
            self._on_missed(slots.entry.name, tick - slots.tick)
        slots.tick = tick + 1
        if lateness > -every / 2:
            return tick, max(slots.start_of(slots.tick) - utc, 0.0)
        # The calendar was set backwards: go on with numbers nobody has claimed, in its new rhythm.
        delay = slots.start_of(slots.number_at(utc) + 1) - utc
        return tick, delay if delay >= every / 2 else delay + every

    def _come(self, slots: _Slots, tick: int) -> None:
        name = slots.entry.name
        if slots.queued_tick is not None:
            slots.queued_tick = tick
            self._on_missed(name, 1)
        elif name in self._running:
            self._on_missed(name, 1)
        else:
            slots.queued_tick = tick
            slots.held_host = slots.entry.host
            self._host(slots).waiting.append(slots)
            self._give_place(slots.held_host)

    def _host(self, slots: _Slots) -> _Host:
        return self._hosts.setdefault(slots.held_host, _Host())

    def _give_place(self, host_name: str) -> None:
        host = self._hosts[host_name]
        while host.waiting and host.taken < self._max_per_host:
            host.taken += 1
            self._ready.append(host.waiting.popleft())
        if not host.taken:
            del self._hosts[host_name]

    def _start(self) -> list[Start]:
        starts: list[Start] = []
        while self._ready and len(self._running) < self._max_concurrent:
            slots = self._ready.popleft()
            tick, slots.queued_tick = slots.queued_tick, None
            if slots.is_gone or tick is None:
                self._leave(slots)
                continue
            self._running[slots.entry.name] = slots
            starts.append(Start(slots.entry.name, tick))
        return starts

    def _leave(self, slots: _Slots) -> None:
        self._hosts[slots.held_host].taken -= 1
        self._give_place(slots.held_host)

    def finished(self, name: str) -> None:
        """Free the place of a run that has ended; `advance` returns the entries to start then."""
        self._leave(self._running.pop(name))


Run = Callable[[str, int], Awaitable[None]]
"""Runs an entry, given its name and tick. It is to raise nothing: an exception is a bug."""


class Scheduler:
    """Waits for the slots and runs them as tasks.

    An exception out of a run goes to `on_bug`, else to the loop's exception handler.
    """

    def __init__(
        self,
        run: Run,
        *,
        max_concurrent: int,
        max_concurrent_per_host: int,
        on_missed: Callable[[str, int], None],
        on_bug: Callable[[BaseException], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._run_entry = run
        self._on_bug = on_bug
        self._clock = clock
        self._agenda = Agenda(max_concurrent, max_concurrent_per_host, on_missed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._next_start = -math.inf
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        """True once `stop` was called."""
        return self._is_stopping

    def replace(self, entries: Iterable[Entry], used: Mapping[str, int] | None = None) -> None:
        """Schedule these entries from now on; see `Agenda.replace`."""
        self._agenda.replace(entries, self._clock.now(), used)
        self._wake.set()

    def next_due(self, most: int) -> tuple[tuple[str, float], ...]:
        """Return the names whose slots come first, and the seconds until then."""
        now = self._clock.monotonic()
        return tuple((name, max(due - now, 0.0)) for name, due in self._agenda.first_due(most))

    async def run(self) -> None:
        """Start due entries until `stop` is called (or this is cancelled; then call `stop` too)."""
        while not self._is_stopping:
            self._start_due()
            await self._pause()

    async def stop(self, grace: float) -> int:
        """Start nothing more, cancel runs left after `grace` seconds and return their number."""
        self._is_stopping = True
        self._wake.set()
        if not self._tasks:
            return 0
        _, running = await asyncio.wait(self._tasks, timeout=grace)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return len(running)

    def _start_due(self) -> None:
        now = self._clock.now()
        for start in self._agenda.advance(now):
            delay = max(self._next_start - now.monotonic, 0.0)
            self._next_start = now.monotonic + delay + START_SPACING
            task = asyncio.create_task(self._run_one(start, delay), name=f"run {start.name}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def _run_one(self, start: Start, delay: float) -> None:
        try:
            if delay > 0:
                await asyncio.sleep(delay)
            if not self._is_stopping:
                await self._run_entry(start.name, start.tick)
        finally:
            self._agenda.finished(start.name)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._on_bug is not None:
            self._on_bug(error)
        elif error is not None:
            context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)
        if not self._is_stopping:
            self._start_due()

    async def _pause(self) -> None:
        """Sleep until the next slot or until something changed."""
        due = self._agenda.next_due
        loop = asyncio.get_running_loop()
        timer = None
        if due is not None:
            grains = math.ceil((due - self._clock.monotonic()) / GRAIN_SECONDS)
            timer = loop.call_later(max(grains, 0) * GRAIN_SECONDS, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._wake.clear()
