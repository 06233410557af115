"""The ledger's memory of targets: through restarts, beside a reader, bounded."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from exporter.ledger.reader import reading
from exporter.ledger.snapshots import CHANGES_KEPT
from exporter.ledger.store import Store
from exporter.model import Run
from probes.result import Aspect, Failure, Known, Owner, Phase, ProbeResult, Reason
from tests.support.ledger_rig import BEGIN, Rig, as_version_4, opened

OURS = Failure(Phase.DNS_MX, Reason.TIMEOUT, "", Owner.RESOLVER, is_transient=True)
BROKEN = Failure(Phase.CONNECT, Reason.TIMEOUT, "", Owner.NETWORK, is_transient=True)


def run(tick: int, value: str, *, name: str = "job", failure: Failure | None = None) -> Run:
    known = (Known(Aspect.SPF, "example.test", value, 300),) if value else ()
    at = BEGIN + timedelta(seconds=tick)
    return Run(name, tick, ProbeResult("sender", at, 0.1, (), failure, known=known))


async def test_changes_are_told_once_and_kept_with_the_runs(path: Path) -> None:
    async with opened(path) as rig:
        changes = await rig.ledger.add_runs([run(1, "a"), run(2, "a"), run(3, "b"), run(4, "c")])
        assert [(one.tick, one.before, one.after) for one in changes] == [
            (3, "a", "b"),
            (4, "b", "c"),
        ]
        assert await rig.ledger.add_runs([run(4, "c")]) == ()
        with reading(str(path)) as reader:  # as a command does, beside the service
            assert reader.changes("job", 10) == tuple(reversed(changes))
            assert reader.changes("job", 1) == (changes[-1],)
            assert reader.changes("other", 10) == ()
            assert reader.last_good("job") is None
            assert reader.last_goods({"job"}) == {}


async def test_a_restart_forgets_nothing(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.add_runs([run(1, "a"), run(2, "a")])
    async with opened(path) as rig:
        (change,) = await rig.ledger.add_runs([run(3, "b", failure=BROKEN)])
        assert (change.before, change.since) == ("a", BEGIN + timedelta(seconds=1))
    async with opened(path) as rig:
        await rig.ledger.add_runs([run(4, "", failure=BROKEN)])
        with reading(str(path)) as reader:
            told = reader.last_good("job")
            assert reader.last_goods({"job", "other"}) == {"job": told}
            assert reader.last_goods({"other"}) == {}
    assert told is not None
    assert told.at == BEGIN + timedelta(seconds=2)
    assert [(one.before, one.after) for one in told.differences] == [("a", "b")]


async def test_the_last_good_run_is_a_good_one_whatever_came_after_it(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.add_runs(
            [run(1, "a"), run(2, "a", failure=OURS), run(3, "", failure=OURS)]
        )
        with reading(str(path)) as reader:
            assert reader.good_run_at("job") == BEGIN + timedelta(seconds=1)
        await rig.ledger.add_runs([run(4, "b", failure=BROKEN)])
        with reading(str(path)) as reader:
            told = reader.last_good("job")
            assert reader.good_run_at("other") is None
    assert told is not None
    assert told.at == BEGIN + timedelta(seconds=1)


async def test_jobs_do_not_mix_and_a_path_of_mail_has_no_target(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.add_runs([run(1, "a"), run(1, "b", name="other")])
        assert await rig.ledger.add_runs([run(2, "a"), run(2, "b", name="other")]) == ()
        await rig.send("t")
        with reading(str(path)) as reader:
            assert reader.snapshot("p") is None
            assert reader.snapshot("job") is not None


async def test_the_newest_changes_are_kept_and_no_more(path: Path) -> None:
    async with opened(path) as rig:
        for first in range(1, 3 * CHANGES_KEPT, 50):
            await rig.ledger.add_runs([run(n, f"value {n}") for n in range(first, first + 50)])
        with reading(str(path)) as reader:
            changes = reader.changes("job", 10 * CHANGES_KEPT)
    assert len(changes) == CHANGES_KEPT
    assert [one.tick for one in changes] == list(range(600, 400, -1))


async def test_what_is_known_of_a_job_goes_with_its_last_run(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.add_runs([run(1, "a"), run(2, "b"), run(1, "a", name="young")])
        await rig.ledger.add_runs([run(100, "a", name="young")])
        await rig.ledger.forget(BEGIN + timedelta(seconds=50))
        with reading(str(path)) as reader:
            assert (reader.snapshot("job"), reader.changes("job", 5)) == (None, ())
            assert reader.snapshot("young") is not None


async def test_a_ledger_that_knew_no_targets_is_converted_and_keeps_its_runs(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.add_runs([run(1, "a")])
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for table in ("snapshots", "changes"):
            old.execute(f"drop table {table}")
        as_version_4(old)
        old.execute("update ledger_schema set version = 3")
    async with opened(path) as rig:
        assert [one.tick for one in await rig.ledger.runs("job", 5)] == [1]
        assert await rig.ledger.add_runs([run(2, "a")]) == ()
        assert len(await rig.ledger.add_runs([run(3, "b")])) == 1


async def test_nothing_is_written_while_nothing_changes(path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.add_runs([run(1, "a")])
        before = written(rig)
        for tick in range(2, 10):
            await rig.ledger.add_runs([run(tick, "a")])
        assert written(rig) - before == 8  # a row for each run


def written(rig: Rig) -> int:
    """Rows that this ledger's connection has written so far."""
    store: Store = rig.ledger._store
    driver = store._connection.connection.dbapi_connection
    assert driver is not None
    changes: int = driver.total_changes
    return changes
