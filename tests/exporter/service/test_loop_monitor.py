"""The loop monitor, with a clock that the test moves."""

import asyncio

import pytest

from exporter.service.loop_monitor import LAG_INTERVAL, LoopMonitor
from tests.support.clock import FakeClock


class Lags:
    """Collects lags and tells when one came."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.came = asyncio.Event()

    def __call__(self, seconds: float) -> None:
        self.seen.append(seconds)
        self.came.set()

    async def next(self) -> float:
        self.came.clear()
        async with asyncio.timeout(5):
            await self.came.wait()
        return self.seen[-1]


async def test_a_loop_that_wakes_up_in_time_is_healthy() -> None:
    time, lags = FakeClock(), Lags()
    async with LoopMonitor(lags, time.clock) as monitor:
        assert await lags.next() == 0
        assert monitor.problem() is None


async def test_a_blocked_loop_is_unhealthy_until_it_has_been_well_for_a_while() -> None:
    time, lags = FakeClock(), Lags()
    async with LoopMonitor(lags, time.clock, limit=5) as monitor:
        time.elapse(7 + LAG_INTERVAL)
        assert await lags.next() == pytest.approx(7)
        assert monitor.problem() == "the event loop was blocked for 7.0 s"
        for _ in range(2):
            time.elapse(4)
            await lags.next()
            assert monitor.problem() is not None
        for _ in range(3):
            time.elapse(4)
            await lags.next()
        assert monitor.problem() is None


async def test_a_wake_up_that_is_overdue_counts_before_it_comes() -> None:
    time, lags = FakeClock(), Lags()
    async with LoopMonitor(lags, time.clock, limit=5) as monitor:
        time.elapse(5 + LAG_INTERVAL / 2)
        assert monitor.problem() is None
        time.elapse(1)
        assert not lags.seen
        assert monitor.problem() == "the event loop was blocked for 6.0 s"


async def test_the_worst_lag_since_an_instant_forgets_what_was_before_it() -> None:
    time, lags = FakeClock(), Lags()
    async with LoopMonitor(lags, time.clock) as monitor:
        for lag in (0.5, 0.03, 0.2):
            time.elapse(lag + LAG_INTERVAL)
            await lags.next()
        now = time.monotonic
        assert monitor.worst_since(now) == 0
        assert monitor.worst_since(now - 1) == pytest.approx(0.5)
        assert monitor.worst_since(now - 0.4) == pytest.approx(0.2)


async def test_a_run_that_began_within_a_lag_had_only_the_rest_of_it() -> None:
    time, lags = FakeClock(), Lags()
    async with LoopMonitor(lags, time.clock) as monitor:
        for lag in (0.5, 0.03):
            time.elapse(lag + LAG_INTERVAL)
            await lags.next()
        began = time.monotonic - 0.03 - LAG_INTERVAL - 0.01
        assert monitor.worst_since(began) == pytest.approx(0.03)


async def test_a_lag_that_goes_on_counts_as_far_as_it_has_come() -> None:
    time, lags = FakeClock(), Lags()
    async with LoopMonitor(lags, time.clock) as monitor:
        began = time.monotonic
        time.elapse(0.3 + LAG_INTERVAL)
        assert monitor.worst_since(began) == pytest.approx(0.3)
        assert monitor.worst_since(time.monotonic - 0.1) == pytest.approx(0.1)


async def test_a_monitor_that_does_not_run_vouches_for_nothing() -> None:
    time, lags = FakeClock(), Lags()
    monitor = LoopMonitor(lags, time.clock)
    assert monitor.problem() == "the event loop is not being measured"
    async with monitor:
        assert monitor.problem() is None
    assert monitor.problem() == "the event loop is not being measured"


async def test_a_monitor_that_broke_vouches_for_nothing_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    called = asyncio.Event()

    def refuse(seconds: float) -> None:
        called.set()
        raise ValueError("no such lag")

    monitor = LoopMonitor(refuse, FakeClock().clock)
    await monitor.__aenter__()
    async with asyncio.timeout(5):
        await called.wait()
    await asyncio.sleep(0)
    assert monitor.problem() == "the event loop is not being measured"
    await monitor.__aexit__(None, None, None)
    assert "no such lag" in caplog.text
