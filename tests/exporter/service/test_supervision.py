"""Long-lived tasks: one that ends untold is said, counted and begun anew."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from exporter.service.supervision import Supervisor
from probes.tasks import UntoldEnd, cancel

LIMIT = 10.0


async def return_at_once() -> None:
    """A task that ends without a word."""


async def raise_an_error() -> None:
    raise ValueError("no such thing")


async def be_cancelled_from_inside() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (return_at_once, UntoldEnd),
        (raise_an_error, ValueError),
        (be_cancelled_from_inside, UntoldEnd),
    ],
)
async def test_a_task_that_ends_untold_is_said_counted_and_begun_anew(
    end: Callable[[], asyncio.Future[None]], kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    errors: list[BaseException] = []
    begun_again = asyncio.Event()

    async def work() -> None:
        if not errors:
            await end()
        else:
            begun_again.set()
            await asyncio.Event().wait()

    supervisor = Supervisor(ended.append, pause=0.001)
    kept = asyncio.create_task(supervisor.keep("watch box", work, on_error=errors.append))
    async with asyncio.timeout(LIMIT):
        await begun_again.wait()
    await cancel((kept,))
    assert ended == ["watch box"]
    assert [type(error) for error in errors] == [kind]
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in said] == ["watch box ended and begins anew"]
    assert said[0].exc_info is not None


async def test_an_end_that_was_asked_for_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor(pytest.fail)
    await supervisor.keep("scheduler", return_at_once, may_end=lambda: True)
    assert not caplog.records


async def test_the_end_of_the_keeper_ends_the_task_and_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    kept = asyncio.create_task(Supervisor(pytest.fail).keep("watch", work))
    async with asyncio.timeout(LIMIT):
        await begun.wait()
        kept.cancel()
        with pytest.raises(asyncio.CancelledError):
            await kept
    assert ended.is_set()
    assert not caplog.records
