"""When things run: by a fake clock for the decisions, by real tasks for the waiting."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.service.scheduler import Agenda, Entry, Scheduler, Start, offset_of
from probes.clock import Instant
from tests.support.clock import FakeClock

BEGIN = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
HOUR = 3600.0


class World:
    """An agenda, a clock that the test moves, and runs that last as long as the test says."""

    def __init__(self, max_concurrent: int = 1000, per_host: int = 1000, lasting: float = 0.0):
        self.time = FakeClock(BEGIN)
        self.missed: Counter[str] = Counter()
        self.starts: list[tuple[float, Start]] = []
        self.lasting = lasting
        self.agenda = Agenda(max_concurrent, per_host, self._miss)
        self.ends: list[tuple[float, str]] = []
        self.hosts: dict[str, str] = {}
        self.most_at_once = 0
        self.most_per_host = 0

    def _miss(self, name: str, count: int) -> None:
        assert count > 0
        self.missed[name] += count

    def take(self, *entries: Entry, used: Mapping[str, int] | None = None) -> None:
        self.hosts |= {entry.name: entry.host for entry in entries}
        self.agenda.replace(entries, self.time.now(), used)

    def elapse(self, seconds: float, *, suspended: bool = False) -> None:
        """Time passes on both clocks; a suspended machine's monotonic clock stands still."""
        pass_time = self.time.step if suspended else self.time.elapse
        pass_time(seconds)

    def act(self) -> None:
        """Let everything happen that is due at this moment."""
        while True:
            starts = self.agenda.advance(self.time.now())
            for start in starts:
                self.starts.append((self.time.monotonic, start))
                self.ends.append((self.time.monotonic + self.lasting, start.name))
            self._count()
            ended = [end for end in self.ends if end[0] <= self.time.monotonic]
            for end in ended:
                self.ends.remove(end)
                self.agenda.finished(end[1])
            due = self.agenda.next_due
            if not ended and not starts and (due is None or due > self.time.monotonic):
                return

    def _count(self) -> None:
        self.most_at_once = max(self.most_at_once, len(self.ends))
        hosts = Counter(self.hosts[name] for _, name in self.ends)
        self.most_per_host = max([self.most_per_host, *hosts.values()])

    def run_for(self, seconds: float) -> None:
        """Jump from one moment at which something happens to the next."""
        until = self.time.monotonic + seconds
        self.act()
        while True:
            moments = [end for end, _ in self.ends]
            if self.agenda.next_due is not None:
                moments.append(self.agenda.next_due)
            moment = min(moments, default=math.inf)
            if moment > until:
                break
            self.elapse(moment - self.time.monotonic)
            self.act()
        self.elapse(until - self.time.monotonic)

    def ticks(self, name: str = "a") -> list[int]:
        return [start.tick for _, start in self.starts if start.name == name]

    def gaps(self, name: str = "a") -> list[float]:
        times = [at for at, start in self.starts if start.name == name]
        return [later - earlier for earlier, later in pairwise(times)]


def entries(count: int, every: float = 60.0, host: str | None = None) -> list[Entry]:
    return [Entry(f"job-{n}", every, host or f"mx{n}.test") for n in range(count)]


def consecutive(ticks: list[int]) -> bool:
    return ticks == list(range(ticks[0], ticks[0] + len(ticks)))


def test_every_slot_is_run_once_at_its_time() -> None:
    world = World()
    world.take(Entry("a", 60.0, "a.test"))
    world.run_for(HOUR)
    assert len(world.ticks()) == 60
    assert consecutive(world.ticks())
    assert all(gap == pytest.approx(60.0, abs=0.001) for gap in world.gaps())
    assert not world.missed


def test_the_tick_is_the_number_of_the_slot_on_the_calendar() -> None:
    world = World()
    entry = Entry("a", 60.0, "a.test")
    world.take(entry)
    begun = world.time.monotonic
    world.run_for(120.0)
    at, start = world.starts[0]
    utc = BEGIN.timestamp() + at - begun
    assert start.tick == round((utc - offset_of(entry)) / 60.0)
    assert utc >= start.tick * 60.0 + offset_of(entry) - 0.001


def test_two_replicas_started_at_different_moments_agree_on_every_tick() -> None:
    one, two = World(), World()
    two.elapse(1234.5)
    for world in (one, two):
        world.take(*entries(20))
    one.run_for(1234.5 + HOUR)
    two.run_for(HOUR)
    last_hour = {start for at, start in one.starts if at > 1000.0 + 1234.5}
    assert last_hour == {start for _, start in two.starts}


def test_starts_are_spread_over_the_period_and_the_spread_is_stable() -> None:
    offsets = [offset_of(entry) for entry in entries(1000)]
    assert all(0.0 <= offset < 60.0 for offset in offsets)
    per_second = Counter(int(offset) for offset in offsets)
    assert len(per_second) == 60
    assert max(per_second.values()) < 40
    assert offset_of(Entry("path-one", 60.0, "x")) == pytest.approx(24.0419, abs=0.001)


def test_a_run_that_lasts_too_long_costs_slots_and_never_queues_up() -> None:
    world = World(lasting=150.0)
    world.take(Entry("a", 60.0, "a.test"))
    world.run_for(HOUR)
    assert world.most_at_once == 1
    assert len(world.ticks()) == 20
    assert world.missed["a"] == pytest.approx(40, abs=2)
    assert all(gap == pytest.approx(180.0, abs=0.001) for gap in world.gaps())


def test_no_more_run_at_once_than_the_limit_and_who_waits_gets_its_turn_in_its_slot() -> None:
    world = World(max_concurrent=3, lasting=5.0)
    world.take(*entries(30))
    world.run_for(HOUR)
    assert world.most_at_once == 3
    assert not world.missed
    assert {len(world.ticks(f"job-{n}")) for n in range(30)} <= {59, 60}


def test_no_more_run_at_one_host_than_its_limit_while_other_hosts_are_not_held_up() -> None:
    world = World(max_concurrent=10, per_host=1, lasting=9.0)
    busy = entries(5, host="busy.test")
    world.take(*busy, Entry("free", 60.0, "free.test"))
    world.run_for(HOUR)
    assert world.most_per_host == 1
    assert not world.missed
    assert all(gap == pytest.approx(60.0, abs=0.001) for gap in world.gaps("free"))


def test_a_slot_that_passes_while_its_turn_does_not_come_is_missed() -> None:
    world = World(per_host=1, lasting=50.0)
    world.take(*entries(3, host="busy.test"))
    world.run_for(10 * HOUR)
    slots = sum(world.missed.values()) + len(world.starts)
    assert world.most_per_host == 1
    assert slots == pytest.approx(3 * 600, abs=6)
    shares = [len(world.ticks(f"job-{n}")) for n in range(3)]
    assert sum(shares) == pytest.approx(720, abs=3)
    assert min(shares) > 150, "nobody is starved"


@pytest.mark.slow("reckons through thousands of cases")
@pytest.mark.parametrize("step", [-HOUR, -1234.5, -61.0, -29.0, 29.0, 61.0, 1234.5, HOUR])
def test_a_calendar_that_is_set_neither_stalls_nor_storms(step: float) -> None:
    world = World()
    jobs = entries(50)
    world.take(*jobs)
    world.run_for(HOUR)
    before = len(world.starts)
    world.time.step(step)
    world.run_for(HOUR)
    for job in jobs:
        ticks = world.ticks(job.name)
        assert len(set(ticks)) == len(ticks), "no slot is run twice"
        assert ticks == sorted(ticks)
        assert max(world.gaps(job.name)) <= 90.001
    assert len(world.starts) - before == pytest.approx(50 * 60, abs=100)
    world.time.step(-step)
    world.run_for(HOUR)
    for job in jobs:
        ticks = world.ticks(job.name)
        assert len(set(ticks)) == len(ticks)
        assert max(world.gaps(job.name)) <= 90.001


@pytest.mark.parametrize("suspended", [True, False])
def test_after_a_sleep_of_hours_each_entry_runs_once_and_its_missed_slots_are_counted(
    suspended: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    world = World()
    jobs = entries(50)
    world.take(*jobs)
    world.run_for(HOUR)
    before = Counter(start.name for _, start in world.starts)
    world.elapse(8 * HOUR, suspended=suspended)
    world.run_for(60.0)
    for job in jobs:
        after = len(world.ticks(job.name)) - before[job.name]
        assert after in (1, 2), "one run and perhaps the next slot's, no burst"
        assert world.missed[job.name] == pytest.approx(480, abs=1)


def test_a_machine_stopped_for_hours_does_not_start_more_at_once_than_allowed() -> None:
    world = World(max_concurrent=5, lasting=1.0)
    world.take(*entries(100))
    world.run_for(HOUR)
    world.elapse(8 * HOUR)
    world.run_for(60.0)
    assert world.most_at_once == 5


def test_a_reload_keeps_the_slots_of_what_did_not_change() -> None:
    world = World()
    kept, gone, changed = Entry("a", 60.0, "a.test"), Entry("b", 60.0, "b"), Entry("c", 60.0, "c")
    world.take(kept, gone, changed)
    for _ in range(100):
        world.run_for(36.0)
        world.take(Entry("a", 60.0, "elsewhere.test"), Entry("c", 30.0, "c"), Entry("d", 60.0, "d"))
    assert len(world.ticks("a")) == 60
    assert consecutive(world.ticks("a"))
    assert len(world.ticks("b")) <= 1
    assert len(world.ticks("c")) == pytest.approx(120, abs=2)
    assert len(world.ticks("d")) == pytest.approx(60, abs=1)
    assert not world.missed


def test_ticks_go_on_after_those_used_before_the_calendar_was_set_back_and_we_restarted() -> None:
    before, after = World(), World()
    before.take(Entry("a", 60.0, "a.test"))
    before.run_for(HOUR)
    last = before.ticks()[-1]
    after.time.utc = before.time.utc - timedelta(seconds=1800)
    after.take(Entry("a", 60.0, "a.test"), used={"a": last})
    after.run_for(HOUR)
    assert after.ticks() == list(range(last + 1, last + 61))
    assert not after.missed


def test_what_runs_while_it_is_removed_or_replaced_ends_before_its_name_runs_again() -> None:
    world = World(lasting=100.0)
    world.take(Entry("a", 60.0, "a.test"))
    world.run_for(61.0)
    world.take(Entry("a", 10.0, "a.test"))
    world.run_for(HOUR)
    assert world.most_at_once == 1
    world.take()
    world.run_for(HOUR)
    count = len(world.starts)
    world.run_for(HOUR)
    assert len(world.starts) == count
    assert world.agenda.next_due is None


def test_what_waits_for_its_turn_while_it_is_removed_is_not_run() -> None:
    world = World(max_concurrent=1, lasting=1000.0)
    world.take(*entries(10))
    world.run_for(60.0)
    world.take(Entry("job-3", 60.0, "mx3.test"))
    world.run_for(5000.0)
    names = {start.name for _, start in world.starts[1:]}
    assert names == {"job-3"}


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.floats(0.0, 500.0)),
        st.tuples(st.just("step"), st.floats(-7200.0, 7200.0)),
        st.tuples(st.just("sleep"), st.floats(0.0, 50_000.0)),
        st.tuples(st.just("stop"), st.floats(0.0, 50_000.0)),
        st.tuples(st.just("reload"), st.floats(1.0, 8.0)),
    ),
    max_size=12,
)


@pytest.mark.slow("makes many examples that are large")
@settings(max_examples=60, deadline=None)
@given(
    actions=ACTIONS,
    max_concurrent=st.integers(1, 4),
    per_host=st.integers(1, 3),
    lasting=st.floats(0.0, 200.0),
)
def test_whatever_happens_limits_hold_no_tick_is_repeated_and_nothing_stalls(
    actions: list[tuple[str, float]], max_concurrent: int, per_host: int, lasting: float
) -> None:
    world = World(max_concurrent, per_host, lasting)
    jobs = [Entry(f"job-{n}", 20.0 + 15 * n, f"host-{n % 2}") for n in range(8)]
    world.take(*jobs)
    for action, amount in actions:
        if action == "run":
            world.run_for(amount)
        elif action == "step":
            world.time.step(amount)
        elif action == "reload":
            world.take(*jobs[int(amount) - 1 :])
        else:
            world.elapse(amount, suspended=action == "sleep")
    world.take(*jobs)
    before = Counter(start.name for _, start in world.starts)
    world.run_for(8 * (lasting + 1) + 400.0 + 8 * 8 * lasting)
    assert world.most_at_once <= max_concurrent
    assert world.most_per_host <= per_host
    running = {name for _, name in world.ends}
    for job in jobs:
        after = len(world.ticks(job.name)) - before[job.name]
        ticks = world.ticks(job.name)
        if "reload" not in dict(actions):
            assert len(set(ticks)) == len(ticks), f"{job.name} repeats a tick"
        assert after > 0 or job.name in running, f"{job.name} stalled"


@asynccontextmanager
async def serving(
    run: Callable[[str, int], Awaitable[None]],
    on_bug: Callable[[BaseException], None] | None = None,
) -> AsyncIterator[tuple[Scheduler, Counter[str]]]:
    missed: Counter[str] = Counter()
    scheduler = Scheduler(
        run,
        max_concurrent=10,
        max_concurrent_per_host=1,
        on_missed=lambda name, count: missed.update({name: count}),
        on_bug=on_bug,
    )
    task = asyncio.create_task(scheduler.run())
    try:
        yield scheduler, missed
    finally:
        await scheduler.stop(0.0)
        async with asyncio.timeout(5):
            await task


async def test_the_scheduler_runs_what_is_due_and_takes_a_reload_while_it_sleeps() -> None:
    seen: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def run(name: str, tick: int) -> None:
        await seen.put((name, tick))

    async with serving(run) as (scheduler, missed), asyncio.timeout(10):
        scheduler.replace([Entry("rare", 1e9, "a.test")])
        await asyncio.sleep(0)
        scheduler.replace([Entry("often", 0.1, "a.test")])
        got = [await seen.get() for _ in range(3)]
    assert {name for name, _ in got} == {"often"}
    ticks = [tick for _, tick in got]
    assert ticks == sorted(set(ticks))
    assert ticks[-1] - ticks[0] == 2 + missed["often"]


async def test_a_run_that_raises_is_reported_and_the_next_slot_is_run() -> None:
    bugs: asyncio.Queue[BaseException] = asyncio.Queue()

    async def run(name: str, tick: int) -> None:
        raise KeyError(tick)

    async with serving(run, bugs.put_nowait) as (scheduler, _), asyncio.timeout(10):
        scheduler.replace([Entry("a", 0.05, "a.test")])
        first, second = await bugs.get(), await bugs.get()
    assert isinstance(first, KeyError)
    assert isinstance(second, KeyError)
    assert first.args < second.args


async def test_without_anybody_to_tell_a_bug_goes_to_the_loops_handler() -> None:
    contexts: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: contexts.put_nowait(context)
    )

    async def run(name: str, tick: int) -> None:
        raise KeyError(name)

    async with serving(run) as (scheduler, _), asyncio.timeout(10):
        scheduler.replace([Entry("a", 0.05, "a.test")])
        context = await contexts.get()
    assert context["message"] == "run a failed"


async def test_stopping_waits_for_what_runs_and_starts_nothing_more() -> None:
    started, release = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def run(name: str, tick: int) -> None:
        started.set()
        await release.wait()
        ended.append(name)

    async with serving(run) as (scheduler, _), asyncio.timeout(10):
        scheduler.replace([Entry("a", 0.05, "a.test")])
        await started.wait()
        stopping = asyncio.create_task(scheduler.stop(5.0))
        await asyncio.sleep(0)
        release.set()
        assert await stopping == 0
    assert ended == ["a"]


async def test_stopping_cancels_what_does_not_end_in_time() -> None:
    started = asyncio.Event()
    cancelled: list[str] = []

    async def run(name: str, tick: int) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(name)
            raise

    async with serving(run) as (scheduler, _), asyncio.timeout(10):
        scheduler.replace([Entry("a", 0.05, "a.test")])
        await started.wait()
        assert await scheduler.stop(0.01) == 1
    assert cancelled == ["a"]


async def test_waiting_for_a_slot_costs_no_turns_of_the_loop() -> None:
    turns = 0

    class Counting(Agenda):
        def advance(self, now: Instant) -> list[Start]:
            nonlocal turns
            turns += 1
            return super().advance(now)

    done = asyncio.Event()

    async def run(name: str, tick: int) -> None:
        done.set()

    async with serving(run) as (scheduler, _), asyncio.timeout(10):
        scheduler._agenda = Counting(10, 1, lambda name, count: None)
        scheduler.replace([Entry("a", 0.5, "a.test")])
        await done.wait()
    assert turns <= 6
