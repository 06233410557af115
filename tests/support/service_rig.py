"""The service inside the test's own process, in the embedded mail world."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from exporter.app import serving
from exporter.config import load
from exporter.demo.world import MailWorld
from exporter.ledger.ledger import Ledger
from exporter.model import CanaryRecord, Change
from exporter.service.publisher import Subscriber
from exporter.service.service import Service
from probes.canary.lifecycle import Outcome
from probes.clock import SYSTEM_CLOCK
from tests.support.demo_clients import PATIENCE
from tests.support.pages import fetch


@dataclass
class Heard(Subscriber):
    """Every change the service published, and a way to wait for one."""

    changes: list[Change] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def canary_changed(self, change: Change) -> None:
        self.changes.append(change)
        self.news.set()

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until it is so, asked at every change."""
        async with asyncio.timeout(2 * PATIENCE):
            while not is_so():
                self.news.clear()
                await self.news.wait()

    def outcomes(self, path: str) -> list[Outcome]:
        """What the path's canaries were counted as, in order."""
        return [c.outcome for c in self.changes if c.record.path == path and c.outcome is not None]

    async def outcome(self, path: str) -> Outcome:
        """What the path's first canary was counted as, once it is."""
        await self.until(lambda: self.outcomes(path))
        return self.outcomes(path)[0]


@dataclass
class Running:
    """A service that runs in a task of the test."""

    service: Service
    ledger: Ledger
    heard: Heard
    port: int
    stop: asyncio.Event
    task: asyncio.Task[None] | None = None

    def go(self, *, at_once: bool = True, is_scheduled: bool = False) -> None:
        """Begin to work; unless told otherwise each path sends once now, and nothing more."""
        at_once = at_once and not is_scheduled
        work = self.service.run(self.stop, at_once=at_once, scheduled=is_scheduled)
        self.task = asyncio.create_task(work)

    async def end(self) -> None:
        """Stop it as a signal would."""
        self.stop.set()
        if self.task is not None:
            async with asyncio.timeout(PATIENCE):
                await self.task

    async def ready(self) -> None:
        """Every mailbox has been looked at, or has failed."""
        async with asyncio.timeout(PATIENCE):
            for watcher in self.service.arrivals.watchers.values():
                await watcher.settled.wait()

    async def metric(self, sample: str) -> float:
        """The value of a sample, named as the exposition has it without its vantage."""
        text = await fetch(self.port, "/metrics")
        shown = text.replace(',vantage="main"', "").splitlines()
        lines = [line for line in shown if line.startswith(f"{sample} ")]
        assert len(lines) == 1, f"{sample}: {lines}"
        return float(lines[0].rpartition(" ")[2])


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[Running]:
    """A started service; it sends nothing before `go`."""
    config = load(file)
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK)
    heard = Heard()
    try:
        service = Service(config, ledger, subscribers=(heard,))
        async with serving(service, "127.0.0.1", 0) as url:
            port = int(url.rpartition(":")[2])
            run = Running(service, ledger, heard, port, asyncio.Event())
            try:
                yield run
            finally:
                await run.end()
    finally:
        await ledger.close()


def write_config(
    world: MailWorld, folder: Path, *changes: tuple[str, str], paths: Iterable[str] | None = None
) -> Path:
    """The world's configuration with texts replaced, and only these of its paths."""
    text = world.config_text(ledger=str(folder / "ledger.sqlite"), listen="127.0.0.1:0")
    if paths is not None:
        head, _, rest = text.partition("paths:\n")
        blocks = re.split(r"^(?=  [a-z])", rest, flags=re.MULTILINE)
        wanted = tuple(f"  {path}:" for path in paths)
        text = head + "paths:\n" + "".join(b for b in blocks if b.startswith(wanted))
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file = folder / "mailcanary.yaml"
    file.write_text(text)
    return file


async def record_of(ledger: Ledger, path: str) -> CanaryRecord:
    """The path's newest canary."""
    (record,) = await ledger.recent(path, 1)
    return record
