"""`mailcanary diagnose`: how soon it speaks, and how many rounds of sessions many addresses are."""

import asyncio
import time
from pathlib import Path
from statistics import median

from bench.certificates import issue
from bench.service import PROGRAM
from bench.table import Measured
from bench.target import WIDE, WIDE_ADDRESSES
from bench.worker import WorkerError, worker
from exporter.diagnose.diagnosis import Diagnosis, build_net, diagnose
from exporter.diagnose.request import Typed, read_request
from probes.clock import SYSTEM_CLOCK
from probes.result import Part
from probes.trace import Step

DELAY = 0.1
"""Seconds by which every reply of the servers comes late."""

STARTS = 7
SILENT = "127.0.0.1:9"
"""A resolver that need not answer: the first line does not wait for it."""


async def rounds_of_sessions(folder: Path, rounds: int) -> list[Measured]:
    """Seconds of a diagnosis of WIDE, its hosts' eight addresses, by those of one session."""
    files = issue(folder)
    whole: list[tuple[float, float]] = []
    mx_only: list[tuple[float, float]] = []
    async with (
        worker("target", pem=str(files.pem)) as target,
        worker("delaying", pem=str(files.pem), delay=DELAY, addresses=WIDE_ADDRESSES) as hosts,
    ):
        resolver, port = f"127.0.0.1:{target.first['dns']}", int(hosts.first["port"])
        for _ in range(rounds):
            whole.append(_seconds(await _diagnosis(resolver, port, None)))
            mx_only.append(_seconds(await _diagnosis(resolver, port, "mx")))
    return [
        _figure("diagnose_4mx_2addr_rounds", whole),
        _figure("diagnose_mx_only_4mx_2addr_rounds", mx_only),
    ]


def _figure(name: str, pairs: list[tuple[float, float]]) -> Measured:
    ratios = tuple(ours / session for ours, session in pairs)
    ours, session = (median(side) * 1000 for side in zip(*pairs, strict=True))
    return Measured(name, median(ratios), ours, "ms", session, "one session", ratios)


async def _diagnosis(resolver: str, port: int, only: str | None) -> Diagnosis:
    """As the command makes it, without its view."""
    typed = Typed(
        WIDE,
        resolver=(resolver,),
        smtp_port=port,
        helo="probe.test",
        only=only,
        allow_loopback=True,
    )
    request = read_request(typed)
    net = build_net(request, SYSTEM_CLOCK)
    return await diagnose(net, request, _unheard, asyncio.Event())


def _unheard(area: str, step: Step) -> None:
    """Nobody watches."""


def _seconds(diagnosis: Diagnosis) -> tuple[float, float]:
    """Of the diagnosis, and of the median session of its area `mx`."""
    parts = next(one.result for one in diagnosis.areas if one.area.name == "mx").parts
    if len(parts) != len(WIDE_ADDRESSES) or not all(part.ok for part in parts):
        raise WorkerError(f"not every address was well: {[part.failure for part in parts]}")
    return diagnosis.seconds, median(_session(part) for part in parts)


def _session(part: Part) -> float:
    """Seconds from the connection to the end of QUIT."""
    last = part.timings[-1]
    return last.start + last.seconds - part.timings[0].start


async def first_line() -> Measured:
    """Wall time from the start of the process to its first line."""
    found = [await _first_line_ms() for _ in range(STARTS)]
    name = "diagnose_first_line_ms"
    return Measured(name, median(found), median(found), "ms", rounds=tuple(found))


async def _first_line_ms() -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), "diagnose", "bench.test", "--resolver", SILENT, "--only", "mx"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        if process.stderr is None or not (line := await process.stderr.readline()):
            raise WorkerError("diagnose said nothing")
        if not line.startswith(b"bench.test "):
            raise WorkerError(f"diagnose said {line!r}")
        return (time.perf_counter() - began) * 1000
    finally:
        process.kill()
        await process.communicate()
