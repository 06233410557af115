"""The file of a ledger in the long run: its size, its check, and whether it is still there."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger import sqlite
from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.model import Run
from probes.clock import SYSTEM_CLOCK
from tests.support.ledger_rig import opened, result


def pragma(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute(f"pragma {name}").fetchone()[0])


def with_ballast(path: Path) -> None:
    """Let a file end with pages of which most are free."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table ballast (content blob)")
        database.executemany("insert into ballast values (zeroblob(?))", [(4000,)] * 3_000)
        database.execute("drop table ballast")


def without_auto_vacuum(old: sqlite3.Connection) -> None:
    """Rewrite the file as versions before made it."""
    old.execute("pragma journal_mode = delete")
    old.execute("pragma auto_vacuum = none")
    old.execute("vacuum")


async def test_what_is_forgotten_makes_the_file_smaller(path: Path) -> None:
    async with opened(path) as rig:
        now = rig.time.utc
        await rig.ledger.add_runs(
            Run(f"job {number}", 1, result(at=now)) for number in range(10_000)
        )
    full = pragma(path, "page_count")
    async with opened(path) as rig:
        await rig.send("t")
        await rig.ledger.forget(rig.time.utc + timedelta(days=1))
        assert await rig.ledger.find("t") is not None
    assert pragma(path, "page_count") < full / 5
    assert pragma(path, "auto_vacuum") == 2


async def test_a_small_file_of_an_older_version_learns_to_give_pages_back(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
    with closing(sqlite3.connect(path)) as old:
        without_auto_vacuum(old)
    with_ballast(path)
    assert pragma(path, "auto_vacuum") == 0
    full = pragma(path, "page_count")
    async with opened(path) as rig:
        assert await rig.ledger.find("t") is not None
    assert pragma(path, "auto_vacuum") == 2
    assert pragma(path, "page_count") < full / 10


async def test_a_large_file_of_an_older_version_is_used_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
    with closing(sqlite3.connect(path)) as old:
        without_auto_vacuum(old)
    monkeypatch.setattr(sqlite, "QUICK_BYTES", 1024)
    async with opened(path) as rig:
        await rig.ledger.forget(rig.time.utc)
        assert await rig.ledger.find("t") is not None
    assert pragma(path, "auto_vacuum") == 0


async def test_a_rewriting_that_another_program_prevents_is_left_for_the_next_start(
    path: Path,
) -> None:
    async with opened(path) as rig:
        await rig.send("t")
    with closing(sqlite3.connect(path)) as old:
        without_auto_vacuum(old)
        old.execute("pragma journal_mode = wal")
        old.execute("begin")
        old.execute("select * from canaries").fetchall()
        async with opened(path) as rig:
            assert await rig.ledger.find("t") is not None
            await rig.send("u", path="q")


def make_holes(path: Path) -> None:
    with path.open("r+b") as file:
        for offset in range(100 * 4096, path.stat().st_size - 4096, 4096):
            file.seek(offset)
            file.write(b"\xa5" * 64)


async def test_the_damage_of_a_large_file_is_found_beside_the_work(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as rig:
        now = rig.time.utc
        await rig.ledger.add_runs(Run(f"job {n}", 1, result(at=now)) for n in range(3_000))
    make_holes(path)
    with pytest.raises(LedgerError, match="it is damaged"):
        await Ledger.open(str(path), SYSTEM_CLOCK)
    monkeypatch.setattr(sqlite, "QUICK_BYTES", 1024)
    async with opened(path) as rig:
        with pytest.raises(LedgerError, match="it is damaged and was left as it is"):
            await rig.ledger.check()


async def test_a_check_finds_nothing_in_a_sound_file_and_can_be_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "QUICK_BYTES", 1024)
    async with opened(path) as rig:
        now = rig.time.utc
        await rig.ledger.add_runs(Run(f"job {n}", 1, result(at=now)) for n in range(3_000))
        await rig.ledger.check()
        with pytest.raises(LedgerError, match="interrupted"):
            sqlite.check_file(path, lambda: True)


def delete(path: Path) -> None:
    path.unlink()


def replace_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def move_back(path: Path) -> None:
    path.with_name("elsewhere").rename(path)


def delete_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("harm", [delete, replace_by_a_copy, move_away, delete_log, delete_folder])
async def test_a_file_that_is_no_longer_there_is_told_and_nothing_is_written_to_it(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = tmp_path / "state" / "ledger.sqlite"
    path.parent.mkdir()
    async with opened(path) as rig:
        await rig.send("t")
        harm(path)
        for _ in range(2):
            with pytest.raises(LedgerError, match="was deleted or replaced while it was in use"):
                await rig.send("u")
        with pytest.raises(LedgerError, match="deleted or replaced"):
            await rig.ledger.expire(rig.time.now(), {})


async def test_a_file_that_was_put_back_is_used_again(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        move_away(path)
        with pytest.raises(LedgerError, match="deleted or replaced"):
            await rig.send("u")
        move_back(path)
        await rig.send("u")
    async with opened(path) as rig:
        assert await rig.ledger.find("t") is not None
        assert await rig.ledger.find("u") is not None
