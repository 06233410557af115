"""Group commit: many callers, few transactions, nobody's error is another's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from exporter.ledger.commit_thread import MAX_TOGETHER, MAX_WAITING, CommitThread
from exporter.ledger.errors import LedgerError


class Book:
    """What was written, committed at the end of each transaction or not at all."""

    def __init__(self) -> None:
        self.committed: list[int] = []
        self.transactions = 0
        self.commit_fails = False
        self._open: list[int] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._open = []
        yield
        if self.commit_fails:
            raise LedgerError("book", "the disk is full")
        self.committed += self._open
        self.transactions += 1

    def write(self, number: int) -> Callable[[], int]:
        def work() -> int:
            self._open.append(number)
            return number

        return work


@asynccontextmanager
async def running(book: Book) -> AsyncIterator[CommitThread]:
    thread = CommitThread(book.transaction, "book")
    try:
        yield thread
    finally:
        async with asyncio.timeout(10):
            await thread.close()


async def test_callers_at_the_same_time_share_transactions_in_their_order() -> None:
    book = Book()
    async with running(book) as thread:
        answers = await asyncio.gather(*(thread.call(book.write(n)) for n in range(2000)))
    assert answers == book.committed == list(range(2000))
    assert 2000 / MAX_TOGETHER <= book.transactions <= 200


async def test_a_call_returns_after_its_commit() -> None:
    book = Book()
    async with running(book) as thread:
        for n in range(20):
            await thread.call(book.write(n))
            assert book.committed[-1] == n


async def test_what_follows_a_call_happens_after_the_commit_and_before_the_answer() -> None:
    book = Book()
    seen: list[tuple[int, bool]] = []
    async with running(book) as thread:

        def then(number: int) -> None:
            seen.append((number, number in book.committed))

        await asyncio.gather(*(thread.call(book.write(n), then) for n in range(100)))
        assert seen == [(n, True) for n in range(100)]


async def test_an_error_is_its_callers_alone_and_nothing_is_written_twice() -> None:
    book = Book()

    def fail() -> int:
        book.write(-1)()
        raise KeyError("mine")

    async with running(book) as thread:
        calls = [thread.call(fail if n % 7 == 0 else book.write(n)) for n in range(100)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, KeyError)] == list(
        range(0, 100, 7)
    )
    assert book.committed == [n for n in range(100) if n % 7]


async def test_an_error_in_what_follows_is_said_and_the_thread_lives_on() -> None:
    book = Book()

    def then(number: int) -> None:
        raise KeyError(number)

    async with running(book) as thread:
        with pytest.raises(KeyError):
            await thread.call(book.write(1), then)
        assert await thread.call(book.write(2)) == 2


async def test_a_commit_that_fails_fails_every_call_in_it_and_the_next_may_succeed() -> None:
    book = Book()
    async with running(book) as thread:
        book.commit_fails = True
        answers = await asyncio.gather(
            *(thread.call(book.write(n)) for n in range(50)), return_exceptions=True
        )
        assert all(isinstance(answer, LedgerError) for answer in answers)
        assert book.committed == []
        book.commit_fails = False
        assert await thread.call(book.write(7)) == 7
    assert book.committed == [7]


async def test_the_queue_is_bounded_and_everybody_gets_a_turn() -> None:
    book = Book()
    count = MAX_WAITING + 500
    async with running(book) as thread:
        calls = [asyncio.create_task(thread.call(book.write(n))) for n in range(count)]
        await asyncio.sleep(0)
        assert thread._room.locked()
        await asyncio.gather(*calls)
        assert not thread._room.locked()
    assert book.committed == list(range(count))


async def test_closing_finishes_what_was_called_and_refuses_what_comes_after() -> None:
    book = Book()
    async with running(book) as thread:
        calls = [asyncio.create_task(thread.call(book.write(n))) for n in range(100)]
        await asyncio.sleep(0)
        await thread.close()
        assert await asyncio.gather(*calls) == list(range(100))
        with pytest.raises(LedgerError, match="closed"):
            await thread.call(book.write(100))


async def test_a_cancelled_caller_gives_its_place_back() -> None:
    book = Book()
    async with running(book) as thread:
        for n in range(50):
            task = asyncio.create_task(thread.call(book.write(n)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await thread.call(book.write(50)) == 50
        assert thread._room._value == MAX_WAITING
    assert book.committed == list(range(51))
