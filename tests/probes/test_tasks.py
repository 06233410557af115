"""Tasks that end together, and the cancellation they leave alone."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from probes.clock import SYSTEM_CLOCK
from probes.result import Reason
from probes.run import run_once
from probes.tasks import TaskSet, UntoldEnd
from probes.tasks import together as in_turns
from probes.trace import Trace


async def forever() -> None:
    await asyncio.Event().wait()


async def fail(words: str) -> None:
    raise ValueError(words)


async def cancelled_inside() -> None:
    """Await a task that somebody else cancelled, as a library may do."""
    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    task.cancel()
    await task


async def together(*works: Coroutine[Any, Any, None]) -> None:
    async with TaskSet() as tasks:
        for work in works:
            tasks.start(work, name="work")


def cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_all_tasks_of_a_set_have_ended_after_its_block() -> None:
    async with TaskSet() as tasks:
        first = tasks.start(asyncio.sleep(0, "first"))
        second = tasks.start(asyncio.sleep(0.01, "second"))
    assert (first.result(), second.result()) == ("first", "second")


async def test_a_failure_ends_the_others_and_leaves_the_caller_uncancelled() -> None:
    other_ended = asyncio.Event()

    async def other() -> None:
        try:
            await forever()
        finally:
            other_ended.set()

    with pytest.raises(ExceptionGroup) as caught:
        await together(other(), fail("one"))
    assert [str(error) for error in caught.value.exceptions] == ["one"]
    assert other_ended.is_set()
    assert cancelling() == 0


async def test_a_task_started_by_a_task_belongs_to_the_set() -> None:
    async def start_another(tasks: TaskSet) -> None:
        tasks.start(fail("another"))
        await forever()

    with pytest.raises(ExceptionGroup, match="tasks failed"):
        async with asyncio.timeout(5), TaskSet() as tasks:
            tasks.start(start_another(tasks))


async def test_an_error_of_the_block_ends_the_tasks_and_passes_on() -> None:
    started: list[asyncio.Task[None]] = []

    async def block() -> None:
        async with TaskSet() as tasks:
            started.append(tasks.start(forever()))
            await asyncio.sleep(0)
            raise LookupError

    with pytest.raises(LookupError):
        await block()
    assert started[0].cancelled()


async def test_a_task_that_nobody_here_cancelled_counts_as_failed() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await together(forever(), cancelled_inside())
    (error,) = caught.value.exceptions
    assert isinstance(error, UntoldEnd)
    assert "work was cancelled" in str(error)


async def test_the_end_of_the_block_comes_through_beside_a_failure() -> None:
    inner: list[asyncio.Task[None]] = []

    async def block() -> None:
        async with TaskSet() as tasks:
            inner.append(tasks.start(forever()))

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inner[0].cancelled()


async def test_a_deadline_around_a_set_whose_task_failed_is_a_timeout() -> None:
    """`asyncio.TaskGroup` turns it into a CancelledError on Python 3.11 and 3.12."""

    async def outlast_a_failure() -> None:
        async with asyncio.timeout(0.01):
            with pytest.raises(ExceptionGroup):
                await together(fail("one"))
            await forever()

    with pytest.raises(TimeoutError):
        await outlast_a_failure()


async def test_a_cancellation_that_the_work_met_by_itself_is_a_result_and_a_bug() -> None:
    bugs: list[BaseException] = []

    async def work(trace: Trace) -> None:
        await cancelled_inside()

    result = await run_once("test", work, clock=SYSTEM_CLOCK, deadline=5, on_bug=bugs.append)
    assert result.failure is not None
    assert result.failure.reason is Reason.UNEXPECTED
    assert "nobody ended it" in result.failure.detail
    assert [type(bug) for bug in bugs] == [asyncio.CancelledError]


async def test_the_cancellation_of_the_caller_passes_through_a_run() -> None:
    async def work(trace: Trace) -> None:
        await forever()

    task = asyncio.create_task(run_once("test", work, clock=SYSTEM_CLOCK, deadline=None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Busy:
    """Counts how many works are under way at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def work(self, number: int) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        if number == 13:
            raise ValueError("thirteen")
        self.now -= 1
        return number * 2


@pytest.mark.parametrize("count", [0, 1, 5, 12])
async def test_works_in_turns_give_their_results_in_order(count: int) -> None:
    busy = Busy()
    results = await in_turns(busy.work, range(count), 4)
    assert results == tuple(number * 2 for number in range(count))
    assert busy.most == min(count, 4)


async def test_a_work_that_fails_ends_the_turns_of_the_others() -> None:
    busy = Busy()
    with pytest.raises(ExceptionGroup, match="tasks failed"):
        await in_turns(busy.work, range(1000), 4)
    assert busy.most <= 4
