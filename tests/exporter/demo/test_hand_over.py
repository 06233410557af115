"""The configuration of the world against the world: every path's hand-over, under every fault."""

import asyncio

import pytest

from exporter.config import parse
from exporter.demo.faults import FAULTS, Fault
from exporter.demo.world import MailWorld
from exporter.model import Config, Path
from probes.canary.lifecycle import Event, Outcome, sending_ended
from probes.canary.message import compose, new_token
from probes.clock import SYSTEM_CLOCK
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.registry.rows import KINDS, ROUTES
from probes.result import ProbeResult
from probes.run import run_once

HAND_OVER_ENDS = {
    Outcome.REJECTED: Event.REFUSED_FOR_GOOD,
    Outcome.DEFERRED: Event.REFUSED_FOR_NOW,
    Outcome.SEND_FAILED: Event.SEND_BROKE,
}
QUICK = [fault for fault in FAULTS.values() if not fault.change.mx.reply_delay]


def configured(world: MailWorld) -> Config:
    return parse(world.config_text(ledger="demo.sqlite", listen="127.0.0.1:0"), "demo.yaml", {})


def net(world: MailWorld, config: Config) -> Net:
    return Net(
        resolver=Resolver([("127.0.0.1", world.access.dns_port)]),
        dialer=Dialer(allow_loopback=True),
        trust=TrustStore(config.service.ca_file),
        clock=SYSTEM_CLOCK,
        ehlo_name=config.service.ehlo_name,
    )


async def hand_over(net: Net, path: Path) -> ProbeResult:
    canary = compose(path.message, new_token(), SYSTEM_CLOCK.utc())
    route = ROUTES[path.route.kind]
    return await run_once(
        path.name,
        lambda trace: route.hand_over(net, path.route.target, canary, trace),
        clock=SYSTEM_CLOCK,
        deadline=path.deadline,
    )


async def events(world: MailWorld) -> dict[str, Event]:
    """How the hand-over of one canary along each path ended."""
    config = configured(world)
    way = net(world, config)
    results = await asyncio.gather(*(hand_over(way, path) for path in config.paths.values()))
    return {result.kind: sending_ended(result) for result in results}


async def test_the_configuration_is_accepted_and_says_how_every_path_should_end() -> None:
    async with MailWorld() as world:
        assert set(configured(world).paths) == set(world.intended)


async def test_without_a_fault_every_hand_over_ends_as_the_world_intends() -> None:
    async with MailWorld() as world:
        assert await events(world) == {
            name: HAND_OVER_ENDS.get(outcome, Event.HANDED_OVER)
            for name, outcome in world.intended.items()
        }


@pytest.mark.slow("starts a world for every fault")
@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
async def test_under_a_fault_every_hand_over_ends_as_the_world_intends(fault: Fault) -> None:
    is_reset = fault.name.startswith("drop-after-data")
    otherwise = Event.OUTCOME_UNKNOWN if is_reset else Event.HANDED_OVER
    async with MailWorld([fault]) as world:
        assert await events(world) == {
            name: HAND_OVER_ENDS.get(outcome, otherwise) for name, outcome in world.intended.items()
        }


async def test_both_jobs_are_healthy() -> None:
    async with MailWorld() as world:
        config = configured(world)
        way = net(world, config)
        for job in config.jobs.values():
            kind = KINDS[job.kind]
            result = await run_once(
                job.name,
                lambda trace, kind=kind, job=job: kind.probe(way, job.target, trace),
                clock=SYSTEM_CLOCK,
                deadline=job.deadline,
            )
            assert result.failure is None
