"""How true our times are while 1,000 probes are under way: the error against a known delay.

`python -m bench.true_time` prints it for itself. The error of a probe is its EHLO under TLS less
what the wire saw of it: everything that our own process, full of others' handshakes, adds or takes
away. The scheduler of the service starts them, over and over.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import uvloop

from bench.certificates import issue
from bench.table import Measured
from bench.worker import ROOT, Answer, Worker, WorkerError, worker
from exporter.app import set_apart
from exporter.config import parse
from exporter.ledger.ledger import Ledger
from exporter.metrics.metrics import Metrics
from exporter.model import Run
from exporter.network import build_net
from exporter.service.loop_monitor import LoopMonitor
from exporter.service.publisher import Publisher, Subscriber
from exporter.service.run_buffer import RunBuffer
from exporter.service.runs import finish, probe
from exporter.service.scheduler import Entry, Scheduler
from exporter.service.subscribers import LogSubscriber, MetricsSubscriber
from probes.catalogue.monitor import LOOP_LAGGED
from probes.clock import SYSTEM_CLOCK
from probes.result import Phase, ProbeResult

IN_FLIGHT = 1000
REPLIES = 5
RATES = (60, 100, 150, 250)
"""Probes a second; the server's delay is such that IN_FLIGHT of them are under way."""

BUSIEST = 60.0
"""Percent of a core up to which our times are to be true."""

SECONDS = 8.0
"""For which probes are started, after as many as it takes until IN_FLIGHT are under way."""

FEWEST = 200
"""Ended probes below which a 99th percentile says nothing."""

_CONFIG = """
ehlo_name: probe.test
ledger: {folder}/true-time.sqlite
ca_file: {ca}
max_concurrent_per_host: 5000
jobs:
  slow: {{kind: submission, host: 127.0.0.1, port: {port}, every: 1h, deadline: 60s}}
"""


@dataclass(frozen=True, slots=True)
class Level:
    """What was seen at one rate. Errors in ms; `lagged` is the share that said the loop lagged.

    `cpu_percent` is of one core, kernel included, while new probes were started. `waited_percent`
    is the time in which the loop's thread could have run but other processes had the CPU: where
    that is more than little, the errors are the machine's.
    """

    rate: int
    in_flight: float
    cpu_percent: float
    waited_percent: float
    error_p50_ms: float
    error_p99_ms: float
    error_max_ms: float
    lagged: float


async def measure() -> dict[str, dict[str, float]]:
    """A Level as a mapping for each of RATES, by the rate. Run it on uvloop, as the service is."""
    levels: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="mailcanary-true-time-") as name:
        folder = Path(name)
        certificates = issue(folder)
        for rate in RATES:
            delay = IN_FLIGHT / REPLIES / rate
            async with worker("delaying", pem=str(certificates.pem), delay=delay) as server:
                port = server.first["port"]
                async with worker("wire", port=port, delay=delay) as wire:
                    told = _Told(folder, str(certificates.ca), port, wire)
                    level = await _level(told, rate, delay * REPLIES)
            levels[str(rate)] = {key: getattr(level, key) for key in Level.__slots__}
    return levels


async def measured() -> Measured:
    """The figure of the bench, measured in a process of its own: the busiest level within BUSIEST.

    Raises WorkerError where every level was busier, or the process failed.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.true_time"), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise WorkerError("the levels could not be measured")
    levels = [level for level in json.loads(out).values() if level["cpu_percent"] <= BUSIEST]
    if not levels:
        raise WorkerError(f"no level needed less than {BUSIEST:.0f} % CPU")
    level = max(levels, key=lambda level: level["cpu_percent"])
    p99 = float(level["error_p99_ms"])
    note = f"{level['cpu_percent']:.0f} % CPU, others had {level['waited_percent']:.0f} %"
    rounds = tuple(float(level["error_p99_ms"]) for level in levels)
    return Measured("true_time_p99_ms_1000_in_flight", p99, p99, "ms", rounds=rounds, note=note)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a level is measured against."""

    folder: Path
    ca: str
    port: int
    wire: Worker


@dataclass(frozen=True, slots=True)
class _Results(Subscriber):
    """Keeps the result of every run."""

    results: list[ProbeResult]

    def run_finished(self, run: Run) -> None:
        self.results.append(run.result)


async def _level(told: _Told, rate: int, takes: float) -> Level:
    text = _CONFIG.format(folder=told.folder, ca=told.ca, port=told.port)
    config = parse(text, "bench", {})
    metrics = Metrics("0", SYSTEM_CLOCK)
    metrics.configure(config)
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK)
    results: list[ProbeResult] = []
    publisher = Publisher(MetricsSubscriber(metrics), LogSubscriber(), _Results(results))
    net, ticks = build_net(config), iter(range(10**9))
    book = RunBuffer(ledger, publisher)
    async with LoopMonitor(publisher.loop_lagged) as monitor, book:

        async def one(name: str, tick: int) -> None:  # noqa: ARG001 - the scheduler's words
            job = config.jobs["slow"]
            finish(await probe(job, next(ticks), net, lag=monitor.worst_since), book, publisher)

        set_apart()
        warm_up = takes + 1.0
        period = warm_up + SECONDS
        scheduler = Scheduler(
            one, max_concurrent=5000, max_concurrent_per_host=5000, on_missed=_nothing_missed
        )
        scheduler.replace(Entry(f"job{n}", period, "server") for n in range(round(rate * period)))
        scheduling = asyncio.create_task(scheduler.run())
        await asyncio.sleep(warm_up)
        usage, waited, began, skipped = _cpu(), _waited(), time.perf_counter(), len(results)
        await asyncio.sleep(SECONDS)
        span = time.perf_counter() - began
        cpu, waiting = (_cpu() - usage) / span, (_waited() - waited) / span
        measured = results[skipped:]
        await scheduler.stop(2 * takes)
        await scheduling
        if not await book.write():
            raise AssertionError("the ledger refused a run")
    await ledger.close()
    return _summary(rate, cpu, waiting, measured, await told.wire.ask())


def _summary(
    rate: int, cpu: float, waiting: float, results: list[ProbeResult], truth: Answer
) -> Level:
    if len(results) < FEWEST:
        raise AssertionError(
            f"only {len(results)} probes ended: the machine is too busy to measure"
        )
    errors = [_error(result, truth) * 1000 for result in results]
    percentiles = quantiles(errors, n=100)
    lagged = sum(any(f.code == LOOP_LAGGED.code for f in result.findings) for result in results)
    return Level(
        rate=rate,
        in_flight=sum(result.seconds for result in results) / SECONDS,
        cpu_percent=100 * cpu,
        waited_percent=100 * waiting,
        error_p50_ms=percentiles[49],
        error_p99_ms=percentiles[98],
        error_max_ms=max(errors),
        lagged=lagged / len(results),
    )


def _error(result: ProbeResult, truth: Answer) -> float:
    """Seconds by which EHLO under TLS is off from what the wire saw; every run must be well."""
    if result.failure is not None:
        raise AssertionError(f"a probe failed: {result.failure}")
    took = truth[result.facts["ehlo.name"].removeprefix("port-")]
    _, under_tls = (timing.seconds for timing in result.timings if timing.phase is Phase.EHLO)
    return abs(under_tls - float(took))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _waited() -> float:
    """Seconds this thread stood in a run queue so far."""
    return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9


def _nothing_missed(name: str, count: int) -> None:
    raise AssertionError(f"{name} missed {count} slots")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(runner.run(measure()), sys.stdout, indent=2)
