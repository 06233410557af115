"""Our side of a scrape: all metrics of many jobs, served by the service's own HTTP server."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from bench.worker import Answer, main, serve
from exporter.config import parse
from exporter.metrics.exposition import Format
from exporter.metrics.metrics import Metrics
from exporter.model import Config, Job, Run
from exporter.service.loop_monitor import LoopMonitor
from exporter.web.application import HttpState
from exporter.web.server import serve as serve_http
from probes.clock import SYSTEM_CLOCK
from probes.result import Phase, PhaseTiming, ProbeResult

_EMPTY = """
ehlo_name: probe.test
jobs:
  job: {kind: submission, host: 127.0.0.1, every: 1h}
"""
_PHASES = (Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.QUIT)


def _jobs(config: Config, number: int) -> Config:
    job = config.jobs["job"]
    jobs: dict[str, Job] = {f"job{n:05}": replace(job, name=f"job{n:05}") for n in range(number)}
    return replace(config, jobs=jobs)


def _lines(metrics: Metrics) -> int:
    text = b"".join(metrics.chunks(Format.TEXT))
    return sum(not line.startswith(b"#") for line in text.splitlines())


class LoopTime:
    """How much CPU the loop's thread used, and how much in its longest single iteration.

    CPU, not wall time: what other processes of the machine take away is not ours. While it runs it
    has the loop turn all the time, which is not counted.
    """

    def __init__(self) -> None:
        self._is_running = False
        self.spent = 0.0
        self.longest = 0.0

    def start(self) -> None:
        self.spent = self.longest = 0.0
        self._is_running = True
        asyncio.get_running_loop().call_soon(self._turn, time.thread_time())

    def stop(self) -> None:
        self._is_running = False

    def _turn(self, before: float) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - before)
        if now - before > _EMPTY_TURN:
            self.spent += now - before
        if self._is_running:
            asyncio.get_running_loop().call_soon(self._turn, time.thread_time())


_EMPTY_TURN = 0.00005
"""Seconds that a turn of the loop takes in which nothing was done."""


def _jobs_for(config: Config, series: int) -> int:
    """How many jobs have so many series."""
    sizes: list[int] = []
    for number in (1, 2):
        metrics = Metrics("0", SYSTEM_CLOCK)
        metrics.configure(_jobs(config, number))
        sizes.append(_lines(metrics))
    return round((series - sizes[0]) / (sizes[1] - sizes[0])) + 1


async def run(series: int = 0, jobs: int = 0) -> None:
    """Serve so many series, or jobs. Answers {start}, {stop} and {peer: rounds}."""
    config = parse(_EMPTY, "bench")
    config = _jobs(config, jobs or _jobs_for(config, series))
    metrics = Metrics("0", SYSTEM_CLOCK)
    metrics.configure(config)
    monitor = LoopMonitor(metrics.loop_lag)
    state = HttpState(metrics, monitor, lambda: [])
    timer = LoopTime()

    async def handle(request: Answer) -> Answer:
        if "peer" in request:
            return {"seconds": [_prometheus_client(series) for _ in range(request["peer"])]}
        if "start" in request:
            _touch(metrics, config)
            timer.start()
        else:
            timer.stop()
        return {"spent": timer.spent, "longest": timer.longest}

    async with serve_http(state, "127.0.0.1", 0) as port:
        await serve(handle, {"port": port, "series": _lines(metrics)})


def _touch(metrics: Metrics, config: Config) -> None:
    """Every job has run since the last scrape: the worst case, all text is rendered anew."""
    timings = tuple(PhaseTiming(phase, 0.0, 0.003) for phase in _PHASES)
    result = ProbeResult("submission", datetime.now(UTC), 0.02, timings, None)
    for name in config.jobs:
        metrics.run_finished(Run(name, 1, result))


def _prometheus_client(series: int) -> float:
    """Seconds in which prometheus_client renders as many series of one gauge, in one go."""
    registry = CollectorRegistry()
    gauge = Gauge("bench_value", "A value.", ["name", "phase"], registry=registry)
    for number in range(series):
        gauge.labels(f"job{number:05}", "connect").set(number + 0.5)
    began = time.thread_time()
    generate_latest(registry)
    return time.thread_time() - began


if __name__ == "__main__":
    main(run)
