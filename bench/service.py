"""What the service costs while nothing is probed: scrapes, the schedule, and starting up."""

import asyncio
import sys
import time
from pathlib import Path
from statistics import median

from bench.table import Measured
from bench.worker import WorkerError, worker

SCRAPES = 9
MANY_JOBS = 10_000
AS_PROMETHEUS = "Accept-Encoding: gzip\r\n"
SCHEDULE_SECONDS = 3.0
JOBS = 100_000
STARTS = 7
READY_WITHIN = 60.0
PROGRAM = Path(sys.executable).with_name("mailcanary")


async def scrapes() -> list[Measured]:
    """Both sizes, every series having changed since the last scrape."""
    small, small_peer = await _scrape(10_000)
    large, large_peer = await _scrape(100_000)
    spent = [answer[0] for answer in small]
    stalls = [answer[1] for answer in large]
    peer = "prometheus_client"
    return [
        Measured(
            "scrape_10k_series_loop_ms",
            median(spent),
            median(spent),
            "ms",
            small_peer,
            peer,
            tuple(spent),
        ),
        Measured(
            "scrape_100k_series_loop_stall_ms",
            median(stalls),
            median(stalls),
            "ms",
            large_peer,
            peer,
            tuple(stalls),
        ),
    ]


async def _scrape(series: int) -> tuple[list[tuple[float, float]], float]:
    """(Loop time, longest stall) of every scrape and the peer's median, in milliseconds."""
    found: list[tuple[float, float]] = []
    async with worker("scraping", series=series) as ours:
        for _ in range(SCRAPES):
            await ours.ask(start=True)
            await get(int(ours.first["port"]), "/metrics")
            answer = await ours.ask(stop=True)
            found.append((answer["spent"] * 1000, answer["longest"] * 1000))
        peer = await ours.ask(peer=3)
    return found, median(peer["seconds"]) * 1000


async def scrape_of_many_jobs() -> list[Measured]:
    """Wall time of a whole scrape of MANY_JOBS jobs, packed, and the longest stall in it."""
    seconds: list[float] = []
    stalls: list[float] = []
    async with worker("scraping", jobs=MANY_JOBS) as ours:
        for _ in range(SCRAPES):
            await ours.ask(start=True)
            began = time.monotonic()
            await get(int(ours.first["port"]), "/metrics", AS_PROMETHEUS)
            seconds.append(time.monotonic() - began)
            answer = await ours.ask(stop=True)
            stalls.append(answer["longest"] * 1000)
    note = f"{ours.first['series']:,} series"
    whole, stall = median(seconds), median(stalls)
    return [
        Measured("scrape_10k_jobs_s", whole, whole, "s", rounds=tuple(seconds), note=note),
        Measured(
            "scrape_10k_jobs_loop_stall_ms", stall, stall, "ms", rounds=tuple(stalls), note=note
        ),
    ]


async def get(port: int, path: str, headers: str = "") -> bytes:
    """The answer to a GET on loopback. Raises WorkerError unless it is a 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        always = "Host: 127.0.0.1\r\nConnection: close\r\n"
        request = f"GET {path} HTTP/1.1\r\n{always}{headers}\r\n"
        writer.write(request.encode())
        answer = await reader.read()
    finally:
        writer.close()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise WorkerError(f"{path}: {answer[:60]!r}")
    return answer


async def schedule() -> Measured:
    """The scheduler with JOBS jobs, none of which does anything."""
    async with worker("scheduling", jobs=JOBS) as ours:
        await ours.ask(seconds=0.5)
        used = [(await ours.ask(seconds=SCHEDULE_SECONDS))["percent"] for _ in range(3)]
    name = "scheduler_100k_jobs_idle_cpu_percent"
    return Measured(name, median(used), median(used), "%", rounds=tuple(used))


async def starting() -> list[Measured]:
    """Wall time of `--help`, and of the demo until its pages say that it is ready."""
    helps = [await _help_ms() for _ in range(STARTS)]
    bare = [await _bare_ms() for _ in range(STARTS)]
    demos = [await _demo_ms() for _ in range(3)]
    return [
        Measured(
            "help_ms", median(helps), median(helps), "ms", median(bare), "python", tuple(helps)
        ),
        Measured("demo_ready_ms", median(demos), median(demos), "ms", rounds=tuple(demos)),
    ]


async def _help_ms() -> float:
    return await _wall_ms(str(PROGRAM), "--help")


async def _bare_ms() -> float:
    return await _wall_ms(sys.executable, "-c", "pass")


async def _wall_ms(*command: str) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait() != 0:
        raise WorkerError(f"{command} failed")
    return (time.perf_counter() - began) * 1000


async def _demo_ms() -> float:
    """From the start of the process to the first answer 200 of /-/ready."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), "demo", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "PATH": str(PROGRAM.parent)},
    )
    try:
        async with asyncio.timeout(READY_WITHIN):
            await _ready(await _port_of(process))
        return (time.perf_counter() - began) * 1000
    finally:
        process.terminate()
        await process.communicate()


async def _port_of(process: asyncio.subprocess.Process) -> int:
    """The port in the line `metrics  http://127.0.0.1:PORT/metrics`."""
    if process.stdout is None:
        raise WorkerError("the demo has no output")
    while line := await process.stdout.readline():
        if line.startswith(b"metrics"):
            return int(line.rpartition(b":")[2].partition(b"/")[0])
    raise WorkerError("the demo ended before it was ready")


async def _ready(port: int) -> None:
    while True:
        try:
            await get(port, "/-/ready")
        except WorkerError:
            await asyncio.sleep(0.01)
        else:
            return
