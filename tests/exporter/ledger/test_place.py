"""Where a ledger may lie, and who may read it."""

import grp
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.config.state_directory import default_file
from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.ledger.place import require_place
from exporter.ledger.reader import reading
from probes.clock import SYSTEM_CLOCK
from tests.servers.real import require_root_and_namespaces
from tests.support.ledger_rig import LATE, LOST
from tests.support.other_user import as_other_user
from tests.support.processes import started

GROUP = "daemon"
"""A group of every system, of which the user of these tests is no member by itself."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter and list, and only its owner write."""
    require_root_and_namespaces()
    made = Path(tempfile.mkdtemp(prefix="mailcanary-place-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def group_id() -> int:
    return grp.getgrnam(GROUP).gr_gid


def read(path: Path) -> list[str] | str:
    """Return the tokens of the path's canaries, or why they cannot be read."""
    try:
        with reading(str(path)) as reader:
            return [one.token for one in reader.recent("p", 5)]
    except LedgerError as error:
        return str(error)


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def opened_for_group(path: Path) -> Ledger:
    ledger = await Ledger.open(str(path), SYSTEM_CLOCK, group=GROUP)
    await ledger.claim("p", "m", 1, "token", LATE, LOST)
    return ledger


async def test_members_of_the_group_read_while_the_service_runs_and_after_it(folder: Path) -> None:
    path = folder / "ledger.sqlite"
    ledger = await opened_for_group(path)
    try:
        assert as_other_user(lambda: read(path), group_id()) == ["token"]
        assert await ledger.claim("p", "m", 2, "next", LATE, LOST)
        assert as_other_user(lambda: read(path), group_id()) == ["next", "token"]
        assert "cannot be" in as_other_user(lambda: read(path))
    finally:
        await ledger.close()
    assert as_other_user(lambda: read(path), group_id()) == ["next", "token"]
    assert "cannot be" in as_other_user(lambda: read(path))
    assert [one.name for one in files_in(folder)] == ["ledger.sqlite", "ledger.sqlite.lock"]


async def test_members_of_the_group_see_whether_the_service_runs(folder: Path) -> None:
    path = folder / "ledger.sqlite"

    def is_running() -> bool | None:
        with reading(str(path)) as reader:
            return None if reader.holder is None else reader.holder.is_there

    ledger = await opened_for_group(path)
    try:
        assert as_other_user(is_running, group_id()) is True
    finally:
        await ledger.close()
    assert as_other_user(is_running, group_id()) is False


@pytest.mark.slow("starts the program as a process")
async def test_members_of_the_group_read_what_a_killed_service_left(folder: Path) -> None:
    path = folder / "ledger.sqlite"
    await (await opened_for_group(path)).close()
    child = (sys.executable, "-m", "tests.support.ledger_child", "kill", str(path), "more")
    async with started(*child, stderr=None) as process:
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert path.with_name("ledger.sqlite-wal").stat().st_size > 0
    for one in files_in(folder):
        os.chown(one, -1, group_id())
        one.chmod(0o640)
    assert as_other_user(lambda: read(path), group_id()) == ["token"]


async def test_a_group_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no group nobody-has-this; see ledger_group"):
        await Ledger.open(str(tmp_path / "l"), SYSTEM_CLOCK, group="nobody-has-this")


def test_a_place_that_cannot_be_used_is_told_with_its_reason(folder: Path) -> None:
    (folder / "file").write_text("")
    (folder / "file").chmod(0o644)

    def why(place: Path) -> str:
        try:
            require_place(str(place))
        except LedgerError as error:
            return str(error)
        return ""

    assert "there is no directory" in why(folder / "none" / "l")
    assert "file is no directory" in why(folder / "file" / "l")
    assert "it is a directory" in why(folder)
    assert why(folder / "l") == why(folder / "file") == ""
    told = as_other_user(lambda: [why(folder / "l"), why(folder / "file")])
    assert all("cannot be written by this user" in one for one in told)
    require_place(":memory:")


def test_the_state_directory_is_taken_where_there_is_one(tmp_path: Path) -> None:
    beside, state = tmp_path / "etc", tmp_path / "state"
    beside.mkdir()
    name = "l.sqlite"
    assert default_file(name, beside, {}, state) == beside / name
    state.mkdir()
    assert default_file(name, beside, {}, state) == state / name
    (beside / name).touch()
    assert default_file(name, beside, {}, state) == beside / name
    named = {"STATE_DIRECTORY": "/var/lib/other:/var/lib/more"}
    assert default_file(name, beside, named, state) == Path("/var/lib/other/l.sqlite")


def test_who_may_not_write_the_state_directory_finds_the_ledger_in_it(folder: Path) -> None:
    beside = folder / "etc"
    beside.mkdir()

    def found() -> str:
        return str(default_file("l.sqlite", beside, {}, folder))

    assert as_other_user(found) == str(beside / "l.sqlite")
    (folder / "l.sqlite").touch()
    assert as_other_user(found) == str(folder / "l.sqlite")
