"""The world, the services that are killed under it, and what is written down about each life."""

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from exporter.demo.scenario import Access
from tests.integration.nothing_lost.plan import DEADLINE, config_text
from tests.support.pages import fetch
from tests.support.places import ROOT
from tests.support.ports import reserved_port

PATIENCE = 30.0
STOPPED = DEADLINE + 0.3
"""Seconds a service is stopped for: longer than the deadline of every sending."""

_COUNTED = re.compile(
    r"^mailcanary_(?:canaries_total|canary_events_total)"
    r'\{path="([^"]+)",(?:outcome|event)="([^"]+)",vantage="main"\} (\S+)',
    re.MULTILINE,
)

Counts = Counter[tuple[str, str]]
"""(path, outcome) -> how often it was counted."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """What the service said it had counted; both ends of the asking, seconds since the epoch."""

    began: float
    ended: float
    counts: Counts


@dataclass
class Life:
    """One process from its fork to its end, seconds since the epoch. `status` as `wait` has it."""

    number: int
    death: str
    born: float
    died: float = 0.0
    status: int = 0
    scrapes: list[Scrape] = field(default_factory=list)


class Child:
    """A process that is spoken to by lines; it ends with its standard input."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path, module: str, *arguments: object) -> AsyncIterator["Child"]:
        """What it complains of goes into a file of `folder`."""
        with (folder / f"{module}.stderr").open("wb") as complaints:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"tests.integration.nothing_lost.{module}"),
                *map(str, arguments),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=complaints,
            )
        try:
            yield cls(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def ask(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()

    async def line(self) -> str:
        """The next line it says; an end is an error."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self.process.stdout.readline()
        assert line, "the process ended"
        return line.decode().rstrip("\n")


class Rig:
    """One world, one ledger, and one service after the other."""

    def __init__(self, folder: Path, access: Access, launcher: Child, port: int) -> None:
        self.access = access
        self.ledger = folder / "ledger.sqlite"
        self.world_log = folder / "world.log"
        self.service_log = folder / "service.log"
        self.lives: list[Life] = []
        self._launcher = launcher
        self.port = port
        self.config = folder / "mailcanary.yaml"
        self._pid = 0

    @classmethod
    @asynccontextmanager
    async def up(cls, folder: Path) -> AsyncIterator["Rig"]:
        """The world and the launcher run; no service yet."""
        config, log = folder / "mailcanary.yaml", folder / "service.log"
        with reserved_port() as port:
            async with Child.started(folder, "world", folder / "world.log") as world:
                told = json.loads(await world.line())
                access = Access(**(told | {"ca_file": Path(told["ca_file"])}))
                config.write_text(config_text(access, folder / "ledger.sqlite", port))
                async with Child.started(folder, "services", config, log) as launcher:
                    rig = cls(folder, access, launcher, port)
                    try:
                        yield rig
                    finally:
                        rig.signal(SIGKILL)

    async def be_born(self, death: str) -> Life:
        """Start a service."""
        life = Life(len(self.lives), death, time.time())
        self.lives.append(life)
        await self._launcher.ask()
        self._pid = int((await self._launcher.line()).removeprefix("started "))
        return life

    def signal(self, number: Signals) -> None:
        """Send a signal to the service, if one lives."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    async def die(self, life: Life, number: Signals) -> None:
        """End the service by a signal and wait for its end."""
        self.signal(number)
        life.status = int((await self._launcher.line()).removeprefix("ended "))
        life.died = time.time()
        self._pid = 0

    async def scrape(self, life: Life) -> Scrape | None:
        """Ask for the metrics; None when nobody answers yet."""
        began = time.time()
        try:
            text = await fetch(self.port, "/metrics")
        except (OSError, EOFError):
            return None
        counted = {(m[1], m[2]): int(float(m[3])) for m in _COUNTED.finditer(text)}
        scrape = Scrape(began, time.time(), Counter(counted))
        life.scrapes.append(scrape)
        return scrape

    async def live(self, rng: Random, *, longest: float) -> None:
        """One life with a random end at a random moment, looked at before it."""
        death = rng.choices(("kill", "term", "stop"), weights=(85, 10, 5))[0]
        life = await self.be_born(death)
        # Many ends while it starts, most of them later.
        await asyncio.sleep(rng.choice((0.15, longest, longest)) * rng.random())
        if death == "stop":
            self.signal(SIGSTOP)
            await asyncio.sleep(STOPPED)
            self.signal(SIGCONT)
            await asyncio.sleep(longest * rng.random())
        await self.scrape(life)
        await asyncio.sleep(0.05 * rng.random())
        await self.die(life, SIGTERM if death == "term" else SIGKILL)
