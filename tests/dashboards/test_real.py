"""Every query of the dashboards, asked of a real Prometheus while the demo world is in trouble."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from exporter.app import serving
from exporter.config import parse
from exporter.demo.behaviours import ServerBehaviour, WorldBehaviour
from exporter.demo.faults import Fault, find
from exporter.demo.world import MailWorld
from exporter.ledger.ledger import Ledger
from exporter.service.service import Service
from probes.clock import SYSTEM_CLOCK
from tests.exporter.web.test_prometheus import LOOPBACK, answer, prometheus
from tests.servers.real import needs
from tests.support.dashboards import Target, substituted, targets

QUIET = {
    ("mailcanary-itself", "Lagged runs"),
    ("mailcanary-itself", "Missed slots"),
    ("mailcanary-itself", "Ledger errors"),
    ("mailcanary-itself", "Task restarts"),
    ("mailcanary-itself", "Dropped log lines"),
    ("mailcanary-itself", "Dropped connections"),
    ("mailcanary-itself", "Mailboxes that keep our canaries"),
}
"""Panels of the boards that are empty while mailcanary itself does well."""

NOT_IN_THE_DEMO = {
    ("mail-path", "Events"),
    ("mail-path", "Spam score"),
    ("mail-path", "Changes to the message"),
    ("sender", "Spam score"),
}
"""Panels about things that the demo world does not do: it alters no message and gives no score."""

MAY_BE_EMPTY = QUIET | NOT_IN_THE_DEMO

MX_DOWN = Fault(
    "mx-down", "the MX host is down", WorldBehaviour(mx=ServerBehaviour(is_down=True)), {}
)

RECORDS = """\
@ MX 10 mx.receiver.test.
@ TXT "v=spf1 {spf} -all"
_dmarc TXT "v=DMARC1; p=none"
mail.sender.test. A 127.0.0.1
watcher.sender.test. A 127.0.0.1
"""
"""The sender's zone without a key, and with an SPF record that forgets its own servers."""

JOBS = """\
jobs:
  sender-records:
    kind: sender
    domain: sender.test
    every: 20s
    deadline: 15s
  refused-by-the-resolver:
    kind: mx
    domain: elsewhere.test
    every: 10s
    deadline: 8s
"""


@asynccontextmanager
async def watched(world: MailWorld, folder: Path) -> AsyncIterator[int]:
    """The service that watches the world; yields the port of its metrics."""
    text = world.config_text(ledger=str(folder / "ledger.sqlite"), listen=f"{LOOPBACK}:0")
    text = "phase_histograms: true\n" + text.replace("jobs:\n", JOBS)
    config = parse(text, "demo.yaml", {})
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK)
    stop = asyncio.Event()
    try:
        service = Service(config, ledger)
        async with serving(service, LOOPBACK, 0) as url:
            running = asyncio.create_task(service.run(stop, at_once=True))
            try:
                yield int(url.rsplit(":", 1)[1])
            finally:
                stop.set()
                await running
    finally:
        await ledger.close()


@dataclass
class Asked:
    """The queries, and those of them that had an answer."""

    client: httpx.AsyncClient
    open: list[Target]
    wrong: list[str] = field(default_factory=list)

    async def again(self) -> None:
        """Ask all that had no answer yet."""
        self.open = [target for target in self.open if not await self._is_filled(target)]

    async def until_filled(self, wanted: Iterable[tuple[str, str]], within: float) -> None:
        """Ask until each of these panels has an answer to each of its queries."""
        panels = set(wanted)
        async with asyncio.timeout(within):
            while any((target.board, target.panel) in panels for target in self.open):
                await self.again()
                await asyncio.sleep(1)

    async def _is_filled(self, target: Target) -> bool:
        answer = await self.client.get("/query", params={"query": substituted(target.query)})
        said = answer.json()
        if said["status"] != "success":
            self.wrong.append(f"{target}: {said['error']}")
            return True
        return bool(said["data"]["result"])


@needs("prometheus")
@pytest.mark.slow("canaries need their time to be lost")
@pytest.mark.timeout(240)
async def test_every_panel_fills_once_there_is_something_to_show(tmp_path: Path) -> None:
    async with MailWorld() as world:
        world.dns.load("sender.test", RECORDS.format(spf=""))
        async with watched(world, tmp_path) as port, prometheus(tmp_path, port, "1s") as client:
            await fill(world, Asked(client, targets()))


async def fill(world: MailWorld, asked: Asked) -> None:
    """Bring the world from one trouble into the next until every panel had an answer."""
    await answer(asked.client, "/query", {"query": "up == 1"})
    await asked.until_filled([("mail-path", "Round trip")], 60)
    world.dns.load("sender.test", RECORDS.format(spf="ip4:192.0.2.1"))
    await world.apply(find("expired-certificate"))
    await asked.until_filled([("overview", "Suspects"), ("overview", "Failures of paths")], 90)
    await world.heal()
    await world.apply(find("imap-down"), MX_DOWN)
    with suppress(TimeoutError):
        await asked.until_filled(every_panel() - MAY_BE_EMPTY, 80)
    missing = [one for one in asked.open if (one.board, one.panel) not in MAY_BE_EMPTY]
    assert asked.wrong == []
    assert not missing, "\n".join(sorted(map(str, missing)))


def every_panel() -> set[tuple[str, str]]:
    return {(target.board, target.panel) for target in targets()}


def test_the_panels_that_may_be_empty_exist() -> None:
    assert every_panel() >= MAY_BE_EMPTY
