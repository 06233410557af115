"""What one probe costs in CPU, beside blackbox_exporter and beside the floor; and in memory."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.blackbox import Blackbox, blackbox
from bench.certificates import issue
from bench.table import Measured
from bench.worker import Worker, WorkerError, worker

TOGETHER = 10
"""Probes under way at a time, for everybody."""

SESSIONS = 1000
HOLD_SECONDS = 6.0
"""Long enough for 1,000 handshakes on one slow core."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Everybody who takes part, each in a process of its own."""

    ports: dict[str, int]
    ours: Worker
    floor: Worker
    peer: Blackbox

    async def our_cpu(self, job: str, count: int) -> float:
        answer = await self.ours.ask(job=job, count=count, together=TOGETHER)
        if answer["failed"]:
            raise WorkerError(f"{answer['failed']} of {count} runs of {job} failed")
        return float(answer["cpu"]) / count * 1000

    async def floor_cpu(self, kind: str, count: int) -> float:
        port, tls = self.ports[kind], kind == "starttls"
        answer = await self.floor.ask(port=port, tls=tls, count=count, together=TOGETHER)
        return float(answer["cpu"]) / count * 1000

    async def peer_cpu(self, modules: dict[str, str], count: int) -> float:
        """Milliseconds of one probe of every module, by module -> name of the port."""
        began = self.peer.cpu()
        for module, port in modules.items():
            await self.peer.probe(module, self.ports[port], count, TOGETHER)
        return (self.peer.cpu() - began) / count * 1000


async def measure(folder: Path, rounds: int, count: int) -> list[Measured]:
    """All figures of this family; who is measured first changes from round to round."""
    files = issue(folder)
    ca = str(files.ca)
    async with worker("target", pem=str(files.pem)) as target:
        ports = target.first
        async with (
            worker("probing", folder=str(folder), ca=ca, ports=ports) as ours,
            worker("floor", ca=ca) as floor,
            blackbox(folder, files.ca) as peer,
        ):
            parties = Parties(ports, ours, floor, peer)
            figures = [*await _cpu(parties, rounds, count)]
        async with (
            worker("probing", folder=str(folder), ca=ca, ports=ports) as ours,
            blackbox(folder, files.ca) as peer,
        ):
            figures.append(await _memory(ports, ours, peer))
    return figures


async def _cpu(parties: Parties, rounds: int, count: int) -> Iterator[Measured]:
    table: dict[str, list[float]] = {}

    async def note(name: str, milliseconds: float) -> None:
        table.setdefault(name, []).append(milliseconds)

    for number in range(-1, rounds):
        steps = [
            ("starttls", parties.our_cpu("starttls", count)),
            ("starttls peer", parties.peer_cpu({"starttls": "starttls"}, count)),
            ("starttls floor", parties.floor_cpu("starttls", count)),
            ("plain", parties.our_cpu("plain", count * 2)),
            ("plain peer", parties.peer_cpu({"plain": "plain"}, count * 2)),
            ("plain floor", parties.floor_cpu("plain", count * 2)),
            ("mx", parties.our_cpu("mx", count)),
            ("mx peer", parties.peer_cpu({"mx": "dns", "starttls": "starttls"}, count)),
        ]
        for name, step in steps if number % 2 else reversed(steps):
            milliseconds = await step
            if number >= 0:  # the first round warms everybody up
                await note(name, milliseconds)
    return _ratios(table)


def _ratios(table: dict[str, list[float]]) -> Iterator[Measured]:
    for name, ours, other, who in (
        ("handshake_starttls_cpu_vs_blackbox", "starttls", "starttls peer", "blackbox"),
        ("handshake_plain_cpu_vs_blackbox", "plain", "plain peer", "blackbox"),
        ("handshake_starttls_cpu_vs_floor", "starttls", "starttls floor", "floor"),
        ("mx_and_handshake_cpu_vs_blackbox", "mx", "mx peer", "blackbox"),
    ):
        ratios = [a / b for a, b in zip(table[ours], table[other], strict=True)]
        yield Measured(
            name,
            median(ratios),
            median(table[ours]),
            "ms",
            median(table[other]),
            who,
            tuple(ratios),
        )


async def _memory(ports: dict[str, int], ours: Worker, peer: Blackbox) -> Measured:
    answer = await ours.ask(count=SESSIONS, seconds=HOLD_SECONDS)
    if answer["waiting"] != SESSIONS:
        raise WorkerError(f"only {answer['waiting']} of {SESSIONS} sessions were held")
    probes = asyncio.create_task(peer.probe("starttls", ports["holding"], SESSIONS, SESSIONS))
    await asyncio.sleep(HOLD_SECONDS)
    resident = peer.resident_mb()
    probes.cancel()
    await asyncio.wait([probes])
    return Measured(
        "rss_mb_1000_tls_sessions",
        answer["resident"],
        answer["resident"],
        "MB",
        resident,
        "blackbox",
        (answer["before"], answer["resident"]),
    )
