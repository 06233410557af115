"""What the service's user sees when disk, file or clock fail under it; see docs/operations.md."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGINT, SIGSTOP, SIGTERM

import pytest

from exporter.demo.behaviours import Treatment, WorldBehaviour
from exporter.demo.faults import Fault
from exporter.demo.world import MailWorld
from tests.exporter.ledger.test_disk import (
    digest,
    fill,
    make_headless,
    make_holes,
    make_short,
    make_text,
)
from tests.servers.real import needs, require_root_and_namespaces
from tests.support.demo_clients import inbox
from tests.support.pages import fetch
from tests.support.ports import reserving
from tests.support.service_rig import write_config
from tests.support.serving import QUIET, Serving, serving

pytestmark = pytest.mark.slow("starts the program as a process")

EACH_SECOND = ("every: 20s", "every: 1s")


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """A port for a service, another at every call; each is kept until the test ends."""
    with reserving() as reserve:
        yield reserve


def quiet(port: int, folder: Path, ledger: Path | None = None) -> tuple[Path, int]:
    config = folder / "mailcanary.yaml"
    config.write_text(QUIET.format(port=port, ledger=ledger or folder / "ledger.sqlite"))
    return config, port


def busy(port: int, world: MailWorld, folder: Path, *changes: tuple[str, str]) -> tuple[Path, int]:
    """The world's direct path, once a second."""
    listen = ("127.0.0.1:0", f"127.0.0.1:{port}")
    return write_config(world, folder, listen, EACH_SECOND, *changes, paths=["direct"]), port


def complaint(service: Serving) -> str:
    """The one line it ended with; before it stand only lines of information."""
    *before, line = service.log.read_text().splitlines()
    assert all(" INFO " in one for one in before), before
    return line


# A ledger that cannot be used


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("update ledger_schema set version = 99")
        newer.commit()


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table diary (entry text)")
        other.commit()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (make_text, "it is not a ledger (or its beginning is damaged) and was left as it is"),
        (make_headless, "it is not a ledger (or its beginning is damaged) and was left as it is"),
        (make_holes, "it is damaged and was left as it is; move it aside"),
        (make_short, "it is damaged and was left as it is; move it aside"),
        (make_newer, "it has schema version 99, this program knows "),
        (make_foreign, "it is the database of another program and was left as it is"),
    ],
)
async def test_a_ledger_that_cannot_be_used_is_named_and_kept_and_nothing_begins(
    tmp_path: Path, harm: Callable[[Path], None], words: str, free_port: Callable[[], int]
) -> None:
    ledger = tmp_path / "ledger.sqlite"
    await fill(ledger)
    harm(ledger)
    before = digest(ledger)
    config, port = quiet(free_port(), tmp_path)
    async with serving(config, port) as service:
        assert await service.status() == 2
        assert complaint(service).startswith(f"mailcanary: ledger {ledger}: {words}")
    assert digest(ledger) == before


async def test_a_ledger_that_cannot_be_written_is_named_and_nothing_begins(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    require_root_and_namespaces()
    await fill(tmp_path / "ledger.sqlite")
    config, port = quiet(free_port(), tmp_path)
    script = f'mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path} && "$@"'
    inside = ("unshare", "--mount", "sh", "-c", script, "sh")
    async with serving(config, port, before=inside) as service:
        assert await service.status() == 64
        assert "cannot be written by this user" in complaint(service)
        assert f"{config}:3: ledger " in complaint(service)


async def test_the_second_service_on_a_ledger_says_who_has_it_and_the_first_goes_on(
    tmp_path: Path,
    free_port: Callable[[], int],
) -> None:
    config, port = quiet(free_port(), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    second, second_port = quiet(free_port(), other, tmp_path / "ledger.sqlite")
    async with serving(config, port) as first:
        await first.said("serving")
        async with serving(second, second_port) as service:
            assert await service.status() == 2
            words = f"another mailcanary (process {first.process.pid}) uses it; stop that one"
            assert words in complaint(service)
        assert await fetch(port, "/-/healthy") == "healthy\n"
        assert await first.end(SIGTERM) == 0


# A disk that fills up


async def test_a_disk_that_fills_up_stops_the_sending_and_loses_nothing(
    world: MailWorld, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    require_root_and_namespaces()
    disk = tmp_path / "disk"
    disk.mkdir()
    config, port = busy(free_port(), world, tmp_path, (f"{tmp_path}/ledger", f"{disk}/ledger"))
    script = f'mount -t tmpfs -o size=3m tmpfs {disk} && exec "$@"'
    inside = ("unshare", "--mount", "sh", "-c", script, "sh")
    async with serving(config, port, before=inside) as service:
        before = await service.until_counted("arrived", 1)
        # the mount is the service's own; this is how others look into it
        its_disk = Path(f"/proc/{service.process.pid}/root{disk}")
        ballast = its_disk / "ballast"
        await asyncio.to_thread(fill_up, ballast)
        await service.said("the disk is full; free some space, what was recorded is safe")
        await service.said("ERROR direct: not started: ledger")
        assert (await service.values("mailcanary_ledger_errors_total"))[""] > 0
        assert await fetch(port, "/-/healthy") == "healthy\n"
        await asyncio.to_thread(ballast.unlink)
        await service.until_counted("arrived", before + 2)
        assert await service.counted("lost") == 0
        received = {message["X-Mailcanary"] for message in await inbox(world.access)}
        service.send(SIGSTOP)
        await asyncio.to_thread(copy_ledger, its_disk, tmp_path)
        service.send(SIGCONT)
        assert await service.end(SIGTERM) == 0
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        known = {row[0] for row in ledger.execute("select token from canaries")}
    assert received <= known
    assert "Traceback" not in service.log.read_text()


async def test_a_service_does_not_start_on_a_full_disk_and_says_why(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    require_root_and_namespaces()
    disk = tmp_path / "disk"
    disk.mkdir()
    config, port = quiet(free_port(), tmp_path, disk / "ledger.sqlite")
    script = (
        f"mount -t tmpfs -o size=64k tmpfs {disk} && "
        f'{{ cat /dev/zero >{disk}/ballast 2>{os.devnull}; exec "$@"; }}'
    )
    inside = ("unshare", "--mount", "sh", "-c", script, "sh")
    async with serving(config, port, before=inside) as service:
        assert await service.status() == 2
        assert "the disk is full; free some space" in complaint(service)


def copy_ledger(folder: Path, to: Path) -> None:
    for file in folder.glob("ledger.sqlite*"):
        shutil.copy(file, to)


def faketime_library() -> str:
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return str(library)


def fill_up(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                assert error.errno == 28, error  # noqa: PT017 - ENOSPC ends the loop


# The clock


@needs("faketime")
@pytest.mark.timeout(180)
async def test_a_clock_set_forwards_and_back_by_an_hour_loses_delays_and_repeats_nothing(
    world: MailWorld, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    control = tmp_path / "faketime"
    config_port = busy(free_port(), world, tmp_path, ("late_after: 5s", "late_after: 15s"))
    control.write_text("+0")
    environ = {
        "LD_PRELOAD": await asyncio.to_thread(faketime_library),
        "FAKETIME_TIMESTAMP_FILE": str(control),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with serving(*config_port, environ=environ) as service:
        count = await service.until_counted("arrived", 1)
        for step in ("+3600", "-3600", "+0"):
            control.write_text(step)
            count = await service.until_counted("arrived", count + 2)
        for outcome in ("lost", "late", "untestable", "duplicated", "send_failed"):
            assert await service.counted(outcome) == 0, outcome
        slowest = (await service.values("mailcanary_round_trip_seconds_sum"))['path="direct"']
        assert slowest < 15 * count
        assert await service.end(SIGTERM) == 0
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        years = "select max(planned_at) - min(planned_at) from canaries"
        assert ledger.execute(years).fetchone()[0] > 3600 * 10**6, "the clock was not stepped"


# A process that stands still


async def test_a_suspended_service_loses_nothing_and_does_not_make_up_for_missed_slots(
    world: MailWorld, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    delayed = WorldBehaviour(recipients={"direct@receiver.test": Treatment(delivery_delay=2.0)})
    await world.apply(Fault("delayed", "a delivery takes two seconds", delayed, {}))
    times = [("lost_after: 20s", "lost_after: 8s"), ("late_after: 5s", "late_after: 7s")]
    config, port = busy(free_port(), world, tmp_path, *times, ("deadline: 18s", "deadline: 6s"))
    async with serving(config, port) as service:
        count = await service.until_counted("arrived", 2)
        service.send(SIGSTOP)
        await asyncio.sleep(9)
        sent_before = sent(tmp_path)
        service.send(SIGCONT)
        await service.until_counted("arrived", count + 3)
        assert await service.counted("lost") == 0
        assert await service.counted("send_failed") == 0
        missed = await service.values("mailcanary_missed_slots_total")
        assert missed['path="direct"'] >= 3
        assert sent(tmp_path) - sent_before <= (await service.counted("arrived")) - count + 3
        assert await service.end(SIGTERM) == 0


def sent(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
        count: int = ledger.execute("select count(*) from canaries").fetchone()[0]
        return count


# Signals


async def test_it_reloads_on_sighup_and_ends_well_on_ctrl_c(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    config, port = quiet(free_port(), tmp_path)
    good = config.read_text()
    async with serving(config, port) as service:
        await service.said("serving")
        service.send(SIGHUP)
        await service.said("configuration reloaded: 0 paths, 1 jobs")
        config.write_text(good + "surprise: true\n")
        service.send(SIGHUP)
        await service.said("configuration not reloaded:")
        name = "mailcanary_config_last_reload_successful"
        assert (await service.values(name))[""] == 0
        config.write_text(good)
        service.send(SIGHUP)
        await service.until(lambda: service.log.read_text().count("reloaded: 0 paths") == 2)
        assert (await service.values(name))[""] == 1
        assert await service.end(SIGINT) == 0
        assert (
            service.log.read_text()
            .splitlines()[-1]
            .endswith("stopped; what is in flight is in the ledger")
        )
