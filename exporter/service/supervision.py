"""Tasks that live as long as the service: one that ends untold is an error and begins anew."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from probes.tasks import UntoldEnd, cancel, end_of

LOG = logging.getLogger("mailcanary")

PAUSE_SECONDS = 1.0
"""Pause before a task that ended untold begins anew."""


def _never() -> bool:
    return False


def _ignore(error: BaseException) -> None:
    """The log says it."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Keeps tasks going.

    `on_end` receives the name of a task that ended untold. It must not raise.
    """

    on_end: Callable[[str], None]
    pause: float = PAUSE_SECONDS

    async def keep(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        may_end: Callable[[], bool] = _never,
        on_error: Callable[[BaseException], None] = _ignore,
    ) -> None:
        """Run `work` again and again until this is cancelled, or `work` returns and may end.

        Each time is a task of its own, so that no earlier cancellation is left in it. `on_error`
        receives the error that ended the task, or UntoldEnd if there was none.
        """
        while True:
            task = asyncio.create_task(_as_coroutine(work), name=name)
            try:
                await asyncio.wait((task,))
            finally:
                if not task.done():
                    await cancel((task,))
                elif (error := _untold(task, may_end)) is not None:
                    LOG.error("%s ended and begins anew", name, exc_info=error)
                    self.on_end(name)
                    on_error(error)
            if error is None:
                return
            await asyncio.sleep(self.pause)


UNHEARD = Supervisor(lambda _: None)
"""A supervisor that only logs."""


def _untold(task: asyncio.Task[None], may_end: Callable[[], bool]) -> BaseException | None:
    error = end_of(task)
    if error is not None or may_end():
        return error
    return UntoldEnd(f"{task.get_name()} returned, but nobody ended it")


async def _as_coroutine(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def log_error(task: asyncio.Task[object]) -> None:
    """Log an error that ended a task; a done callback for tasks that nobody awaits."""
    if not task.cancelled() and task.exception() is not None:
        LOG.error("%s failed", task.get_name(), exc_info=task.exception())
