"""Our side of many domains: the service itself with its schedule, ledger, metrics and pages."""

import asyncio
import re
import time
from collections import Counter

from bench.probing import log_to_nowhere
from bench.worker import Answer, main, serve
from exporter.app import serving, set_apart
from exporter.config import parse
from exporter.ledger.ledger import Ledger
from exporter.metrics.exposition import Format
from exporter.metrics.metrics import Metrics
from exporter.service.service import Service
from probes.clock import SYSTEM_CLOCK

AT_ONE_ADDRESS = 1000
"""Every domain's host is at one address here, which the service would visit one at a time."""

_RUNS = re.compile(rb'mailcanary_probe_runs_total\{[^}]*verdict="(\w+)"[^}]*\} (\d+)')


def configuration(folder: str, ca: str, ports: dict[str, int], domains: int, every: int) -> str:
    """A job of kind `mx` for every domain, each with a host of its own."""
    jobs = "\n".join(
        f"  d{n}: {{kind: mx, domain: d{n}.bench.test, port: {ports['starttls']}, every: {every}s}}"
        for n in range(domains)
    )
    return f"""
ehlo_name: probe.test
ledger: {folder}/domains.sqlite
resolvers: ["127.0.0.1:{ports["dns"]}"]
allow_loopback: true
ca_file: {ca}
max_concurrent_per_host: {AT_ONE_ADDRESS}
jobs:
{jobs}
"""


def runs(metrics: Metrics) -> Counter[str]:
    """How many runs there were so far, by verdict."""
    found: Counter[str] = Counter()
    for verdict, number in _RUNS.findall(b"".join(metrics.chunks(Format.TEXT))):
        found[verdict.decode()] += int(number)
    return found


async def run(folder: str, ca: str, ports: dict[str, int], domains: int, every: int) -> None:
    """Say the port of the pages; answer with the CPU seconds and the runs so far, by verdict."""
    log_to_nowhere()
    config = parse(configuration(folder, ca, ports, domains, every), "bench")
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK)
    service, stop = Service(config, ledger), asyncio.Event()
    async with serving(service, "127.0.0.1", 0) as url:
        set_apart()
        running = asyncio.create_task(service.run(stop))

        async def handle(request: Answer) -> Answer:  # noqa: ARG001 - there is one question only
            cpu = time.process_time()
            counted = runs(service.metrics)
            return {"cpu": cpu, "runs": counted, "counting": time.process_time() - cpu}

        await serve(handle, {"port": int(url.rpartition(":")[2])})
        stop.set()
        await running
    await ledger.close()


if __name__ == "__main__":
    main(run)
