"""What a running service tells others of itself: suspects in a metric, mailboxes in the ledger."""

from pathlib import Path

import pytest

from exporter.config import load
from exporter.demo.faults import find
from exporter.demo.world import MailWorld
from exporter.ledger.reader import reading
from exporter.reports.status import take_status
from probes.canary.lifecycle import Outcome
from probes.clock import SYSTEM_CLOCK
from tests.support.pages import fetch
from tests.support.service_rig import Running, running, write_config

pytestmark = pytest.mark.slow("a service runs until its canaries are settled")


async def suspects(run: Running) -> list[str]:
    await run.service.health.record()
    text = await fetch(run.port, "/metrics")
    return [line for line in text.splitlines() if line.startswith("mailcanary_suspect{")]


async def test_a_route_is_suspected_while_it_alone_fails_and_is_cleared_when_it_works_again(
    tmp_path: Path,
) -> None:
    async with MailWorld() as world:
        await world.apply(find("expired-certificate"))
        change = ("every: 20s", "every: 1s")
        file = write_config(world, tmp_path, change, paths=["healthy", "direct"])
        async with running(file) as run:
            assert await suspects(run) == []
            run.go(is_scheduled=True)
            heard = run.heard

            def told(path: str, outcome: Outcome) -> int:
                return heard.outcomes(path).count(outcome)

            await heard.until(lambda: told("healthy", Outcome.SEND_FAILED) >= 2)
            arrived = told("direct", Outcome.ARRIVED)
            await heard.until(lambda: told("direct", Outcome.ARRIVED) >= arrived + 2)
            (line,) = await suspects(run)
            assert line.startswith('mailcanary_suspect{part="route",name="relay",vantage="main"} ')
            assert float(line.rpartition(" ")[2]) >= 2
            with reading(str(tmp_path / "ledger.sqlite")) as reader:
                status = take_status(reader, load(file), SYSTEM_CLOCK.utc())
            assert [one.name for one in status.suspects] == ["relay"]
            assert [one.is_readable for one in status.mailboxes] == [True]
            await world.heal()
            await heard.until(lambda: told("healthy", Outcome.ARRIVED))
            assert await suspects(run) == []
