"""`mailcanary serve` as a process of its own, for tests of what its user sees."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Literal

from tests.support.pages import fetch
from tests.support.processes import MAILCANARY, PATIENCE, started
from tests.support.waiting import answered, until

QUIET = """\
ehlo_name: watcher.sender.test
listen: '127.0.0.1:{port}'
ledger: '{ledger}'
resolvers: ['127.0.0.1:9']
jobs: {{quiet: {{kind: mx, domain: example.test, every: 1d}}}}
"""
"""A configuration that touches nothing but its ledger."""


@dataclass
class Serving:
    """One service; everything it says goes into `log`."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    def send(self, number: Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def status(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def end(self, number: Signals) -> int:
        """End it by a signal; its exit code."""
        self.send(number)
        return await self.status()

    async def said(self, text: str) -> None:
        """Wait until its log holds `text`."""
        await self.until(lambda: text in self.log.read_text())

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until it is so; an end of the service is an error."""
        await until(lambda: is_so() or self._has_ended(), within=PATIENCE, every=0.05)

    async def values(self, name: str) -> dict[str, float]:
        """A metric's samples: labels as the exposition has them, without vantage -> value."""
        try:
            text = await fetch(self.port, "/metrics")
        except OSError:
            return {}
        shown = text.replace(',vantage="main"', "").splitlines()
        lines = [line for line in shown if line.startswith((f"{name}{{", f"{name} "))]
        parts = [line.removeprefix(name).rpartition(" ") for line in lines]
        return {labels.strip("{}"): float(value) for labels, _, value in parts}

    async def counted(self, outcome: str) -> float:
        """How many canaries were counted as this, on all paths."""
        samples = await self.values("mailcanary_canaries_total")
        return sum(n for labels, n in samples.items() if f'outcome="{outcome}"' in labels)

    async def until_counted(self, outcome: str, at_least: float) -> float:
        """Wait for so many canaries with this outcome."""

        async def enough() -> float:
            count = await self.counted(outcome)
            return count if count >= at_least else self._has_ended()

        return await answered(enough, within=PATIENCE, every=0.1)

    def _has_ended(self) -> Literal[False]:
        """Return False while the service runs; its end is an error."""
        assert self.process.returncode is None, self.log.read_text()
        return False


@asynccontextmanager
async def serving(
    config: Path,
    port: int,
    *,
    before: Sequence[str] = (),
    environ: Mapping[str, str] = {},
    stderr: int | None = None,
) -> AsyncIterator[Serving]:
    """Run the service; `before` are the words in front of its command.

    Its standard error is the descriptor `stderr`, `log` without one.
    """
    log = config.with_suffix(".log")
    with log.open("ab") as book:
        out = book.fileno()
        async with started(
            *(*before, *MAILCANARY, "serve", "--config", str(config)),
            stdout=out,
            stderr=out if stderr is None else stderr,
            environ=environ,
        ) as process:
            yield Serving(process, port, log)
