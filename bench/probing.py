"""Our side: whole runs as the service makes them, from the job to the ledger and the metrics."""

import asyncio
import logging
import os
import resource
import time
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from bench.worker import Answer, main, serve
from exporter.app import set_apart
from exporter.commands.common import set_up_logging
from exporter.config import parse
from exporter.ledger.ledger import Ledger
from exporter.metrics.metrics import Metrics
from exporter.model import Config
from exporter.network import build_net
from exporter.service.log_writer import LogWriter
from exporter.service.publisher import Publisher
from exporter.service.run_buffer import RunBuffer
from exporter.service.runs import finish, probe
from exporter.service.subscribers import LogSubscriber, MetricsSubscriber
from probes.clock import SYSTEM_CLOCK
from probes.net.address_limiter import AddressLimiter

_DEADLINE = "60s"
AT_ONE_ADDRESS = 1000


def configuration(folder: str, ca: str, ports: dict[str, int]) -> str:
    """A configuration as a user would write it."""
    return f"""
ehlo_name: probe.test
ledger: {folder}/ledger.sqlite
resolvers: ["127.0.0.1:{ports["dns"]}"]
allow_loopback: true
ca_file: {ca}
max_concurrent_per_host: 2000
jobs:
  starttls: {{kind: submission, host: 127.0.0.1, port: {ports["starttls"]}, every: 1h,
    deadline: {_DEADLINE}}}
  plain: {{kind: submission, host: 127.0.0.1, port: {ports["plain"]}, tls: none, every: 1h,
    deadline: {_DEADLINE}}}
  mx: {{kind: mx, domain: bench.test, port: {ports["starttls"]}, every: 1h,
    deadline: {_DEADLINE}}}
  holding: {{kind: submission, host: 127.0.0.1, port: {ports["holding"]}, every: 1h,
    deadline: {_DEADLINE}}}
"""


class Probing:
    """Runs jobs by the same steps as `exporter.app` does, without its scheduler."""

    def __init__(self, config: Config, book: RunBuffer, publisher: Publisher) -> None:
        self._config = config
        self._book = book
        # everybody talks to one address here, which the service would do one session at a time
        self._net = replace(build_net(config), limiter=AddressLimiter(AT_ONE_ADDRESS))
        self._publisher = publisher
        self._ticks = count()

    async def run_one(self, name: str) -> bool:
        """One run; whether it was well."""
        run = await probe(self._config.jobs[name], next(self._ticks), self._net)
        finish(run, self._book, self._publisher)
        return run.result.ok

    async def measure(self, request: Answer) -> Answer:
        """{job, count, together} -> CPU seconds of all threads, and how many runs failed."""
        left = iter(range(request["count"]))
        failed = 0

        async def lane() -> None:
            nonlocal failed
            for _ in left:
                failed += not await self.run_one(request["job"])

        began = time.process_time()
        await asyncio.gather(*(lane() for _ in range(request["together"])))
        if not await self._book.write():
            raise AssertionError("the ledger refused a run")
        return {"cpu": time.process_time() - began, "failed": failed}

    async def hold(self, request: Answer) -> Answer:
        """Keep {count} runs waiting for their EHLO under TLS; the resident megabytes meanwhile."""
        before = resident_mb(os.getpid())
        tasks = [asyncio.create_task(self.run_one("holding")) for _ in range(request["count"])]
        await asyncio.sleep(request["seconds"])
        waiting = sum(not task.done() for task in tasks)
        resident = resident_mb(os.getpid())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        return {"before": before, "resident": resident, "waiting": waiting}


def resident_mb(pid: int) -> float:
    """Resident memory of a process in 10^6 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def run(folder: str, ca: str, ports: dict[str, int]) -> None:
    """Answer with `measure`, or with `hold` where the request says so."""
    log_to_nowhere()
    ledger = await Ledger.open(f"{folder}/ledger-{os.getpid()}.sqlite", SYSTEM_CLOCK)
    config = parse(configuration(folder, ca, ports), "bench")
    metrics = Metrics("0", SYSTEM_CLOCK)
    publisher = Publisher(MetricsSubscriber(metrics), LogSubscriber())
    publisher.configured(config)
    async with RunBuffer(ledger, publisher) as book:
        probing = Probing(config, book, publisher)

        async def handle(request: Answer) -> Answer:
            return await (probing.hold if "seconds" in request else probing.measure)(request)

        set_apart()
        await serve(handle, {"ready": True})
    await ledger.close()


def log_to_nowhere() -> None:
    """One line per run as the service logs it, formatted and written, but not seen."""
    set_up_logging(logging.INFO)
    nowhere = LogWriter(os.open(os.devnull, os.O_WRONLY)).stream()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(nowhere)


if __name__ == "__main__":
    main(run)
