"""One thread for all database work, and many callers' work in one transaction (group commit)."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from exporter.ledger.errors import LedgerError

MAX_WAITING = 10_000
"""Calls that may wait for the thread; further callers wait before they are taken on."""

MAX_TOGETHER = 500
"""Calls after which a transaction takes no more on."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call:
    """`work` runs inside the transaction, `then` gets its value on the same thread after it."""

    work: Callable[[], Any]
    then: Callable[[Any], None] | None
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Answer:
    future: asyncio.Future[Any]
    value: Any
    error: Exception | None


class CommitThread:
    """Runs calls one after the other on its thread; each returns when its commit is on the disk.

    `work` may run twice: when another call of its transaction fails, all are done again one by one,
    so it keeps no state but the database's.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[None]], name: str) -> None:
        self._transaction = transaction
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._is_closed = False
        self._ended = asyncio.Event()
        threading.Thread(target=self._work, name=f"ledger {name}", daemon=True).start()

    async def call(
        self,
        work: Callable[[], T],
        then: Callable[[T], None] | None = None,
    ) -> T:
        """Return the value of `work` once its transaction is durable.

        Calls are done in the order in which they came. Cancelling the caller does not cancel the
        work. Raises LedgerError, and any error of `work` (nothing of it is stored then).
        """
        await self._room.acquire()
        if self._is_closed:
            self._room.release()
            raise LedgerError(self._name, "it was closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._calls.put(_Call(work, then, future))
        return await future

    async def close(self) -> None:
        """Finish the calls already made, then end the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._calls.put(None)
        await self._ended.wait()

    def _work(self) -> None:
        is_open = True
        while is_open:
            calls, is_open = self._take()
            answers = self._do(calls)
            with suppress(RuntimeError):  # a loop that was closed under us: nobody waits any more
                self._loop.call_soon_threadsafe(self._deliver, answers)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)

    def _take(self) -> tuple[list[_Call], bool]:
        """Wait for a call and take those that came with it; False when the last one was taken."""
        calls: list[_Call] = []
        more = self._calls.get()
        while more is not None:
            calls.append(more)
            if len(calls) >= MAX_TOGETHER:
                return calls, True
            try:
                more = self._calls.get_nowait()
            except Empty:
                return calls, True
        return calls, False

    def _do(self, calls: list[_Call]) -> list[_Answer]:
        if not calls:
            return []
        try:
            with self._transaction():
                values = [call.work() for call in calls]
        except LedgerError as error:
            return [_Answer(call.future, None, error) for call in calls]
        except Exception as error:  # noqa: BLE001 - the caller's own, handed back to the caller
            if len(calls) == 1:
                return [_Answer(calls[0].future, None, error)]
            return [answer for call in calls for answer in self._do([call])]
        return [self._finish(call, value) for call, value in zip(calls, values, strict=True)]

    def _finish(self, call: _Call, value: Any) -> _Answer:
        try:
            if call.then is not None:
                call.then(value)
        except Exception as error:  # noqa: BLE001 - the caller's own, handed back to the caller
            return _Answer(call.future, None, error)
        return _Answer(call.future, value, None)

    def _deliver(self, answers: list[_Answer]) -> None:
        for answer in answers:
            self._room.release()
            if answer.future.done():
                continue
            if answer.error is None:
                answer.future.set_result(answer.value)
            else:
                answer.future.set_exception(answer.error)
