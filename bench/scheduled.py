"""What a thousand domains cost on schedule, beside blackbox_exporter at the same pace."""

import asyncio
from pathlib import Path
from statistics import median

from bench.blackbox import Blackbox, blackbox
from bench.certificates import issue
from bench.service import get
from bench.table import Measured
from bench.worker import Worker, WorkerError, worker

DOMAINS = 1000
EVERY = 10
"""Seconds between two runs of a domain, and between two scrapes."""

TOGETHER = 50


async def domains(folder: Path, rounds: int) -> Measured:
    """CPU of an MX run with everything that goes with it, beside the peer's handshake alone.

    Ours is the whole service with a scrape every EVERY seconds; the peer hands its metrics out with
    each probe. Both do one probe of every domain in EVERY seconds.
    """
    files = issue(folder)
    ca = str(files.ca)
    async with worker("target", pem=str(files.pem)) as target, blackbox(folder, files.ca) as peer:
        ports = target.first
        async with worker(
            "domains", folder=str(folder), ca=ca, ports=ports, domains=DOMAINS, every=EVERY
        ) as ours:
            await asyncio.sleep(EVERY)  # everything runs for the first time
            ratios = [await _round(ours, peer, ports["starttls"]) for _ in range(rounds)]
    values = tuple(mine / theirs for mine, theirs in ratios)
    return Measured(
        "scheduled_domains_cpu_vs_blackbox",
        median(values),
        median(mine for mine, _ in ratios),
        "ms",
        median(theirs for _, theirs in ratios),
        "blackbox",
        values,
    )


async def _round(ours: Worker, peer: Blackbox, port: int) -> tuple[float, float]:
    """Milliseconds of CPU per probe, ours and the peer's, both under way at the same time."""
    before, began = await ours.ask(), peer.cpu()
    scraped = asyncio.create_task(get(int(ours.first["port"]), "/metrics"))
    await peer.probe("starttls", port, DOMAINS, TOGETHER, seconds=EVERY)
    await scraped
    theirs = (peer.cpu() - began) / DOMAINS
    after = await ours.ask()
    done = after["runs"]["ok"] - before["runs"]["ok"]
    failed = sum(n for verdict, n in after["runs"].items() if verdict != "ok")
    if failed or done < DOMAINS / 2:
        raise WorkerError(f"{done} runs were well, {failed} were not")
    spent = after["cpu"] - before["cpu"] - before["counting"]
    return spent / done * 1000, theirs * 1000
