"""Finished runs are written together, a little later, and none of them is forgotten."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.model import Run, TargetChange
from exporter.service import run_buffer
from exporter.service.publisher import Publisher, Subscriber
from exporter.service.run_buffer import TOGETHER, RunBuffer
from probes.result import Aspect, Known
from tests.support.ledger_rig import BEGIN, Rig, opened, result
from tests.support.waiting import answered, until

NEVER = 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


class Heard(Subscriber):
    """Everything a run buffer publishes."""

    def __init__(self) -> None:
        self.changes: list[TargetChange] = []
        self.refused: list[LedgerError] = []

    def target_changed(self, change: TargetChange) -> None:
        self.changes.append(change)

    def ledger_refused(self, action: str, error: LedgerError) -> None:
        self.refused.append(error)


def execute(path: Path, statement: str) -> None:
    """What somebody else does to the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def runs(count: int) -> list[Run]:
    return [Run("job", tick, result()) for tick in range(count)]


async def stored(rig: Rig, count: int) -> None:
    """Wait until so many runs of the job are in the ledger."""

    async def is_stored() -> bool:
        return len(await rig.ledger.runs("job", count + 1)) == count

    await answered(is_stored)


async def test_what_is_noted_is_written_when_the_block_ends(path: Path) -> None:
    async with opened(path) as rig:
        async with RunBuffer(rig.ledger, Publisher(), span=NEVER) as book:
            for run in runs(3):
                book.add(run)
            assert await rig.ledger.runs("job", 9) == ()
        assert await rig.ledger.runs("job", 9) == tuple(
            sorted(runs(3), key=lambda run: (run.result.started_at, run.tick), reverse=True)
        )


async def test_it_is_written_after_its_span_while_the_block_is_open(path: Path) -> None:
    async with opened(path) as rig, RunBuffer(rig.ledger, Publisher(), span=0.01) as book:
        for run in runs(2):
            book.add(run)
            await stored(rig, run.tick + 1)


async def test_many_are_written_without_waiting_for_the_span(path: Path) -> None:
    async with opened(path) as rig, RunBuffer(rig.ledger, Publisher(), span=NEVER) as book:
        for run in runs(TOGETHER):
            book.add(run)
        await stored(rig, TOGETHER)


async def test_what_the_ledger_refuses_is_said_kept_and_written_later(path: Path) -> None:
    heard = Heard()
    async with opened(path) as rig:
        book = RunBuffer(rig.ledger, Publisher(heard), span=NEVER)
        execute(path, "CREATE TRIGGER no BEFORE INSERT ON runs BEGIN SELECT RAISE(FAIL, 'no'); END")
        for run in runs(2):
            book.add(run)
        assert not await book.write()
        assert not await book.write()
        assert len(heard.refused) == 2
        execute(path, "DROP TRIGGER no")
        assert await book.write()
        assert len(await rig.ledger.runs("job", 9)) == 2


async def test_a_write_that_is_broken_off_is_done_again(path: Path) -> None:
    async with opened(path) as rig:
        book = RunBuffer(rig.ledger, Publisher(), span=NEVER)
        book.add(runs(1)[0])
        task = asyncio.create_task(book.write())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert await book.write()
        assert len(await rig.ledger.runs("job", 9)) == 1


async def test_what_cannot_be_written_for_long_does_not_grow_without_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_buffer, "MOST_WAITING", 3)
    async with opened(path) as rig:
        book = RunBuffer(rig.ledger, Publisher(), span=NEVER)
        for run in runs(5):
            book.add(run)
        assert caplog.text.count("is not stored: too many wait") == 2
        assert await book.write()
        assert {run.tick for run in await rig.ledger.runs("job", 9)} == {2, 3, 4}


async def test_runs_that_come_while_the_ledger_refuses_do_not_pass_the_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_buffer, "MOST_WAITING", 3)
    async with opened(path) as rig:
        book = RunBuffer(rig.ledger, Publisher(), span=NEVER)
        execute(path, "CREATE TRIGGER no BEFORE INSERT ON runs BEGIN SELECT RAISE(FAIL, 'no'); END")
        for run in runs(3):
            book.add(run)
        writing = asyncio.create_task(book.write())
        await asyncio.sleep(0)
        for run in runs(9)[3:6]:
            book.add(run)
        assert not await writing
        for run in runs(9)[6:]:
            book.add(run)
        execute(path, "DROP TRIGGER no")
        assert await book.write()
        assert {run.tick for run in await rig.ledger.runs("job", 99)} == {6, 7, 8}


async def test_an_end_in_the_middle_of_a_write_tells_each_change_once(path: Path) -> None:
    """The file is held meanwhile, so that the write is under way when the block ends."""
    heard = Heard()
    async with opened(path) as rig:
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            async with RunBuffer(rig.ledger, Publisher(heard), span=0.01) as book:
                holder.execute("begin immediate")
                for tick, value in ((1, "old"), (2, "new")):
                    known = (Known(Aspect.SPF, "example.test", value),)
                    at = BEGIN + timedelta(seconds=tick)
                    book.add(Run("job", tick, replace(result(at=at), known=known)))
                await until(lambda: not book._runs)  # they are taken when the write begins
                asyncio.get_running_loop().call_later(0.2, holder.execute, "rollback")
        assert [(one.before, one.after) for one in heard.changes] == [("old", "new")]
        with reading(str(path)) as reader:
            assert reader.changes("job", 9) == tuple(heard.changes)
