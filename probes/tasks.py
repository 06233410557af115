"""Tasks that end together, and the end of a task."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
ItemT = TypeVar("ItemT")

MAX_TOGETHER = 16
"""Look-ups of one run that wait for their answers at the same time, of as many as there are."""


class TaskSet:
    """Tasks that are waited for at the end of the block; the first failure ends the others.

    A failure is raised as an exception group, with everything else that the tasks raised until
    then. Unlike `asyncio.TaskGroup` the set never cancels the task that runs the block: on Python
    3.11 and 3.12 such a request stays counted in `Task.cancelling`, so that the task cannot tell
    its own end from a child's failure, and an `asyncio.timeout` around it raises CancelledError.
    So the block itself should only start tasks; tasks may start further ones.

    A task that ends as cancelled though nobody here cancelled it counts as failed. The
    cancellation of the block's own task always comes through.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._errors: list[BaseException] = []
        self._ended = asyncio.Event()
        self._is_ending = False

    def start(self, work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
        """Run `work` as a task of the set. In a set that is ending it is cancelled at once."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_end)
        if self._is_ending:
            task.cancel()
        return task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            while error is None and self._tasks and not self._errors:
                self._ended.clear()
                await self._ended.wait()
        finally:
            self._is_ending = True
            while self._tasks:
                await cancel(self._tasks)
        if error is None and self._errors:
            raise BaseExceptionGroup("tasks failed", self._errors)

    def _on_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._ended.set()
        error = end_of(task)
        if error is not None and not (self._is_ending and task.cancelled()):
            self._errors.append(error)


async def together(
    work: Callable[[ItemT], Coroutine[Any, Any, T]],
    items: Sequence[ItemT],
    most: int = MAX_TOGETHER,
) -> tuple[T, ...]:
    """Do `work` for every item, `most` at a time in their order; return the results in that order.

    For as many items as a stranger likes. The first failure ends the others, as in a TaskSet.
    """
    results: dict[int, T] = {}
    waiting = iter(enumerate(items))

    async def take_turns() -> None:
        for index, item in waiting:
            results[index] = await work(item)

    async with TaskSet() as tasks:
        for _ in range(min(most, len(items))):
            tasks.start(take_turns())
    return tuple(results[index] for index in range(len(items)))


class UntoldEnd(Exception):
    """The end of a task that was cancelled, though not by those who own it."""


def end_of(task: asyncio.Task[Any]) -> BaseException | None:
    """Return the exception that ended a task that is done, None if it returned.

    A cancelled task gives UntoldEnd: an owner that cancelled it does not ask.
    """
    if task.cancelled():
        return UntoldEnd(f"{task.get_name()} was cancelled, but nobody ended it")
    return task.exception()


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End tasks and wait for their end; what they raise while ending is theirs."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
