"""The ledger read by a person while a service writes it."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.analysis.mailbox_state import MailboxState
from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.ledger.lock import Holder, holder
from exporter.ledger.reader import reading
from exporter.model import Run
from probes.canary.lifecycle import Event, State
from probes.clock import SYSTEM_CLOCK
from tests.support.ledger_rig import failure, opened, result


async def test_what_a_running_service_writes_is_read_at_once_and_its_process_is_known(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.sqlite"
    async with opened(file) as rig:
        with reading(str(file)) as reader:
            assert reader.holder == Holder(is_there=True, process=os.getpid())
            assert reader.recent("p", 5) == ()
            await rig.send("mailcanary-a")
            await rig.plan("mailcanary-b")
            assert [one.token for one in reader.recent("p", 5)] == ["mailcanary-b", "mailcanary-a"]
            assert [one.token for one in reader.in_flight()] == ["mailcanary-a"]
            assert [one.state for one in reader.beginning_with("mailcanary-a", 5)] == [
                State.ACCEPTED
            ]
            assert reader.beginning_with("mailcanary-c", 5) == ()
            first = reader.at_tick("p", 1)
            assert first is not None
            assert (first.token, reader.at_tick("p", 9)) == ("mailcanary-a", None)
            assert reader.find("mailcanary-a") == await rig.ledger.find("mailcanary-a")
            run = reader.run_at("p", 1)
            assert run is not None
            assert run == reader.runs("p", 1)[0]
            assert reader.run_at("p", 1001) is None
    with reading(str(file)) as reader:
        assert reader.holder == Holder(is_there=False, process=None)


async def test_a_reader_holds_up_neither_the_service_nor_its_start(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    async with opened(file) as rig:
        await rig.plan("mailcanary-a")
    with reading(str(file)) as reader:
        async with opened(file) as rig:
            await rig.happen("mailcanary-a", Event.SEND_STARTED)
            await rig.ledger.add_runs([Run("job", 1, result())])
            assert reader.runs("job", 1) == (Run("job", 1, result()),)


async def test_asking_who_holds_the_ledger_keeps_no_service_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    for _ in range(20):
        holder(file)
        ledger = await Ledger.open(str(file), SYSTEM_CLOCK)
        assert holder(file) == Holder(is_there=True, process=os.getpid())
        await ledger.close()


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with pytest.raises(LedgerError, match="no service has run"), reading(str(file)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_would_lie_under_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "under_a_file").write_bytes(b"")
    file = tmp_path / "under_a_file" / "ledger.sqlite"
    with pytest.raises(LedgerError, match="cannot be read"), reading(str(file)):
        pass


@pytest.mark.parametrize("content", [b"", b"no database at all" * 99])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(content)
    with pytest.raises(LedgerError, match="left as it is"), reading(str(file)):
        pass
    assert file.read_bytes() == content


def test_a_ledger_in_memory_cannot_be_looked_at() -> None:
    with pytest.raises(LedgerError, match="ends with its service"), reading(":memory:"):
        pass


async def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    async with opened(file):
        pass
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE ledger_schema SET version = 999")
    connection.close()
    with pytest.raises(LedgerError, match="schema version 999"), reading(str(file)):
        pass


async def test_many_names_are_read_at_once_and_tell_what_one_by_one_tells(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    async with opened(file) as rig:
        for tick in range(3):
            at = rig.time.elapse(60.0).utc
            await rig.ledger.add_runs(
                [
                    Run("good", tick, result(at=at)),
                    Run("bad", tick, result(failure() if tick == 2 else None, at=at)),
                ]
            )
        await rig.plan("a", path="p")
        await rig.plan("b", path="q")
        states = [
            MailboxState(name, rig.time.utc, name == "up", None, None) for name in ("up", "m")
        ]
        await rig.ledger.save_mailbox_states(states)
        with reading(str(file)) as reader:
            names = ("good", "bad", "none")
            stored = reader.newest_runs(names, 2)
            for name in names:
                assert tuple(one.read() for one in stored[name]) == reader.runs(name, 2)
            assert [one.is_quiet for one in stored["good"]] == [True, True]
            assert [one.is_quiet for one in stored["bad"]] == [False, True]
            assert stored["bad"][0].outline() == stored["bad"][0].read()
            outline, whole = stored["good"][0].outline().result, stored["good"][0].read().result
            assert (outline.timings, outline) == ((), replace(whole, timings=()))
            recent = reader.recent_of(("p", "q", "r"), 5)
            assert recent == {path: reader.recent(path, 5) for path in ("p", "q", "r")}
            assert reader.mailbox_states() == {one.mailbox: one for one in states}
            assert reader.last_goods(names) == {}
