"""The facts of every small world of the self-test against their declarations."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.selftest.all_cases import all_cases
from exporter.selftest.case import Case
from exporter.selftest.execution import perform
from exporter.selftest.fixtures import make_props
from exporter.selftest.runner import AT_A_TIME
from probes.catalogue.facts import DECLARED
from probes.result import ProbeResult

pytestmark = [pytest.mark.slow("performs every case"), pytest.mark.timeout(300)]

ELSEWHERE = {
    *("https.octets", "https.is_whole"),  # the testbed's own fetch
    *("ledger.shortened", "handover.party"),  # the service
    "mailbox.quota_message",  # a server with a limit on messages
}
"""Facts that no case learns."""


def facts_of(result: ProbeResult) -> Iterator[tuple[str, Any]]:
    yield from result.facts.items()
    for part in result.parts:
        yield from part.facts.items()


async def test_every_fact_of_every_case_is_of_its_declared_type(tmp_path: Path) -> None:
    room = asyncio.Semaphore(AT_A_TIME)

    async def performed(case: Case) -> tuple[ProbeResult, ...]:
        async with room:
            return await perform(case)

    cases = [case for case in all_cases(make_props(tmp_path)) if not case.is_alone]
    results = await asyncio.gather(*map(performed, cases))
    found = [pair for each in results for result in each for pair in facts_of(result)]
    wrong = {name: value for name, value in found if not DECLARED[name].holds(value)}
    assert wrong == {}
    assert DECLARED.keys() - {name for name, _ in found} == ELSEWHERE
