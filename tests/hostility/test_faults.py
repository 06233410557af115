"""Every fault of the testbed against the real probe: the result, and the cost for us."""

import asyncio

import pytest

from exporter.testbed.faults.all_faults import FAULTS
from exporter.testbed.faults.harness import Harness
from tests.hostility.watching import Neighbour, Pulse, measured_memory, settled, sockets
from tests.servers.certificates import Authority

pytestmark = pytest.mark.slow("waits for what servers never say")

MEMORY = 48 * 1024 * 1024
"""Bytes a run may take at its peak, that of its server included. Every bound on what is read is far
below; without one, a flood comes to hundreds of megabytes."""

HOLD = 0.5
"""Seconds of processor time between two turns of the loop; measured are 0.15 at the most."""

SLOWER = 25
PAUSE = 0.5
"""A neighbour's slowest run takes so many times its usual time, and so many seconds, at the most;
it shares its processor with the hostile server, and the machine with others."""


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_recognised_and_harms_nothing_else(
    name: str, authority: Authority
) -> None:
    fault = FAULTS[name]
    before, tasks = sockets(), asyncio.all_tasks()
    async with (
        Harness(fault, authority, authority.trust) as harness,
        Neighbour(authority, authority.trust) as neighbour,
    ):
        await neighbour.runs(3)
        alone = neighbour.median
        with measured_memory() as memory:
            async with Pulse() as pulse:
                result = await harness.run()
                await neighbour.runs(1)
    await settled()
    assert not fault.verdict.objections(result)
    assert result.seconds < harness.deadline + PAUSE
    assert memory.peak < MEMORY
    assert pulse.longest_hold < HOLD
    assert [run.failure for run in neighbour.results if not run.ok] == []
    assert neighbour.worst < SLOWER * alone + PAUSE
    assert sockets() <= before
    assert asyncio.all_tasks() == tasks


def test_there_are_faults_of_every_protocol_and_every_name_says_which() -> None:
    spoken = [name.partition(":")[0] for name in FAULTS]
    assert {protocol: spoken.count(protocol) >= 20 for protocol in spoken} == dict.fromkeys(
        ("DNS", "SMTP", "IMAP", "HTTPS"), True
    )
