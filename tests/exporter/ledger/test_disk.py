"""What the ledger does when the process, the disk or the file fails under it."""

import asyncio
import hashlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from probes.canary.lifecycle import State
from probes.clock import SYSTEM_CLOCK
from tests.servers.real import require_root_and_namespaces
from tests.support.ledger_rig import opened
from tests.support.processes import started

CHILD = (sys.executable, "-m", "tests.support.ledger_child")
ORDER = [State.PLANNED, State.SENDING, State.ACCEPTED, State.ARRIVED]


@asynccontextmanager
async def child(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    async with started(*command, stderr=None) as process, asyncio.timeout(50):
        yield process


async def lines(process: asyncio.subprocess.Process, count: int | None = None) -> list[str]:
    """The next `count` lines, or all up to the end."""
    assert process.stdout is not None
    read: list[str] = []
    while count is None or len(read) < count:
        line = await process.stdout.readline()
        if not line:
            break
        read.append(line.decode().rstrip("\n"))
    return read


@pytest.mark.slow("starts the program as a process")
async def test_what_was_awaited_is_there_after_a_kill(path: Path) -> None:
    told: dict[str, State] = {}
    for round_number, count in enumerate((50, 777, 1500)):
        async with child(*CHILD, "kill", str(path), f"round{round_number}") as process:
            said = await lines(process, count)
            process.send_signal(signal.SIGKILL)
            said += await lines(process)
            assert len(said) >= count
        for line in said:
            state, token, *_ = line.split()
            told[token] = max(State(state), told.get(token, State.PLANNED), key=ORDER.index)
        async with opened(path) as rig:
            for token, state in told.items():
                record = await rig.ledger.find(token)
                assert record is not None, f"{token} was {state} and is gone"
                assert ORDER.index(record.state) >= ORDER.index(state)
    assert State.ARRIVED in told.values()


@pytest.mark.slow("starts the program as a process")
async def test_a_full_disk_is_said_loses_nothing_and_is_got_over(tmp_path: Path) -> None:
    require_root_and_namespaces()
    ballast = tmp_path / "ballast"
    script = (
        f"mount -t tmpfs -o size=600k tmpfs {tmp_path} && "
        f"head -c 200000 /dev/zero >{ballast} && exec "
        + " ".join([*CHILD, "full", str(tmp_path / "ledger.sqlite"), str(ballast)])
    )
    async with child("unshare", "--mount", "sh", "-c", script) as process:
        said = await lines(process)
    assert len(said) == 2
    assert said[0].startswith(f"full ledger {tmp_path}/ledger.sqlite: the disk is full; free")
    assert said[1] == "went on True True True"


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize("exists", [True, False])
async def test_a_place_that_cannot_be_written_is_said(
    path: Path,
    exists: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    require_root_and_namespaces()
    if exists:
        async with opened(path):
            pass
    folder = path.parent
    script = (
        f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && exec "
        + " ".join([*CHILD, "open", str(path)])
    )
    async with child("unshare", "--mount", "sh", "-c", script) as process:
        (said,) = await lines(process)
    assert said.startswith(f"error ledger {path}: its directory must exist and the service's user")
    assert said.endswith("(Read-only file system)")


async def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"nowhere/l.sqlite: its directory must exist"):
        await Ledger.open(str(tmp_path / "nowhere" / "l.sqlite"), SYSTEM_CLOCK)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def fill(path: Path) -> None:
    async with opened(path) as rig:
        await asyncio.gather(*(rig.send(f"token-{n}") for n in range(500)))


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def make_text(path: Path) -> None:
    path.write_text("this is somebody's diary\n" * 500)


def make_headless(path: Path) -> None:
    overwrite(path, 0, b"\xff" * 100)


def make_holes(path: Path) -> None:
    size = path.stat().st_size
    for offset in range(10 * 4096, size, 4096):
        overwrite(path, offset, b"\xa5" * 64)


def make_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


@pytest.mark.parametrize("damage", [make_text, make_headless, make_holes, make_short])
async def test_a_damaged_ledger_is_refused_and_left_as_it_is(
    path: Path, damage: Callable[[Path], None]
) -> None:
    await fill(path)
    damage(path)
    before = digest(path)
    for _ in range(2):
        with pytest.raises(LedgerError, match=rf"ledger {path}: .*was left as it is"):
            await Ledger.open(str(path), SYSTEM_CLOCK)
        assert digest(path) == before
    await asyncio.to_thread(path.rename, path.with_suffix(".damaged"))
    async with opened(path) as rig:
        await rig.send("afresh")


async def test_a_ledger_that_breaks_while_it_is_open_is_said_and_not_answered_from(
    path: Path,
) -> None:
    await fill(path)
    async with opened(path) as rig:
        make_holes(path)
        with closing(sqlite3.connect(path)) as person:  # whose writing empties our cache
            person.execute("pragma user_version = 7")
        reading = (rig.ledger.find(f"token-{n}") for n in range(500))
        with pytest.raises(LedgerError, match="is damaged and was left as it is"):
            await asyncio.gather(*reading)


async def test_a_database_of_another_program_is_not_touched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table diary (entry text)")
        other.commit()
    before = digest(path)
    with pytest.raises(LedgerError, match="the database of another program"):
        await Ledger.open(str(path), SYSTEM_CLOCK)
    assert digest(path) == before
    assert not path.with_name("ledger.sqlite-wal").exists()


async def test_a_ledger_of_a_newer_program_is_not_touched(path: Path) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("update ledger_schema set version = 99")
        newer.commit()
    before = digest(path)
    with pytest.raises(LedgerError, match=r"schema version 99.*start the program that wrote it"):
        await Ledger.open(str(path), SYSTEM_CLOCK)
    assert digest(path) == before


async def test_two_services_do_not_share_a_ledger(path: Path) -> None:
    async with opened(path):
        taken = rf"another mailcanary \(process {os.getpid()}\) uses it; stop that one"
        with pytest.raises(LedgerError, match=taken):
            await Ledger.open(str(path), SYSTEM_CLOCK)
        link = path.with_name("link.sqlite")
        link.symlink_to(path)
        with pytest.raises(LedgerError, match=taken):
            await Ledger.open(f"sqlite:///{link}", SYSTEM_CLOCK)
    async with opened(path) as rig:
        await rig.send("t")


async def test_a_failed_opening_lets_go_of_the_ledger(path: Path) -> None:
    make_text(path)
    with pytest.raises(LedgerError):
        await Ledger.open(str(path), SYSTEM_CLOCK)
    await asyncio.to_thread(path.unlink)
    async with opened(path) as rig:
        await rig.send("t")


async def test_somebody_who_reads_or_writes_beside_us_is_waited_for(path: Path) -> None:
    async with opened(path) as rig:
        with closing(sqlite3.connect(path, isolation_level=None)) as person:
            person.execute("begin immediate")
            sending = asyncio.create_task(rig.send("t"))
            done, _ = await asyncio.wait({sending}, timeout=0.2)
            assert not done
            person.execute("rollback")
            await sending
            assert person.execute("select state from canaries").fetchall() == [("accepted",)]


async def test_the_file_is_for_its_owner_only_and_the_disk_is_waited_for(path: Path) -> None:
    async with opened(path) as rig:
        await rig.send("t")
        names = [path, path.with_name("ledger.sqlite-wal"), path.with_name("ledger.sqlite.lock")]
        assert [oct(name.stat().st_mode & 0o777) for name in names] == ["0o600"] * 3
        cursor = rig.ledger._store._cursor
        settings = ("journal_mode", "synchronous", "foreign_keys")
        values = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in settings]
    assert values == ["wal", 2, 1]


async def test_a_ledger_that_was_closed_says_so(path: Path) -> None:
    async with opened(path) as rig:
        pass
    with pytest.raises(LedgerError, match="it was closed"):
        await rig.send("t")
    await rig.ledger.close()


@pytest.mark.parametrize(
    "url", ["postgresql://mailcanary:hunter2@db.test/mail", "mysql://root:hunter2@db.test/mail"]
)
async def test_another_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(LedgerError, match="only SQLite is known") as refused:
        await Ledger.open(url, SYSTEM_CLOCK)
    assert "hunter2" not in str(refused.value)


async def test_a_name_with_odd_characters_is_a_file_name(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20d é.sqlite"
    async with opened(path) as rig:
        await rig.send("t")
    assert names_in(tmp_path) == [path.name, f"{path.name}.lock"]
