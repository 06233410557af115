"""A ledger of a size that takes months to grow, and what it costs to open and to look at it.

`python -m bench.large_ledger --canaries 1000000 --jobs 10000` prints its measures. It is no part of
`./run bench`: a full one takes some minutes and 3 GB of disk.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exporter.config import load
from exporter.ledger.encoding import encode_result, to_micros
from exporter.ledger.ledger import Ledger
from exporter.ledger.reader import reading
from exporter.reports.status import take_status
from exporter.terminal.text import say
from probes.clock import SYSTEM_CLOCK
from probes.result import Part, Phase, PhaseTiming, ProbeResult

DAY = timedelta(days=1)
RUNS_OF_A_JOB = 10
_INSERT_CANARY = "INSERT INTO canaries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_COPIES = """INSERT INTO copies
    (token, is_bounce, number, mailbox, folder, epoch, id, position, digest, gone_at)
    SELECT token, 0, 0, mailbox, 'INBOX', '1', tick, tick, hex(randomblob(16)), settled_at
    FROM canaries"""
DOCUMENT = bytes(1_500)
"""As long as the evidence of a copy that came over three hops."""


def write(file: Path, canaries: int, jobs: int) -> None:
    """Fill a new ledger by SQL, as a service leaves it."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        _write_canaries(database, canaries)
        runs = _runs(jobs)
        database.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?)", runs)


def _write_canaries(database: sqlite3.Connection, canaries: int) -> None:
    if not canaries:
        return
    rows = _canaries(canaries)
    database.executemany(_INSERT_CANARY, rows)
    database.execute(_INSERT_COPIES)
    database.execute(
        "INSERT INTO evidence SELECT token, 0, 0, path, tick % 1000, randomblob(?) FROM canaries",
        (len(DOCUMENT),),
    )


def _canaries(count: int) -> Iterator[tuple[object, ...]]:
    now = to_micros(datetime.now(UTC)) or 0
    for number in range(count):
        at = now - (count - number) * 1_000_000
        yield (
            *(f"mailcanary-{number:020x}", f"path {number % 100}", "box", number // 100),
            *("arrived", "arrived", at, at, at, at, 60.0, 900.0, None, "inbox", 2.5, 0.5),
        )


def _runs(jobs: int) -> Iterator[tuple[object, ...]]:
    now = datetime.now(UTC)
    for job in range(jobs):
        for number in range(RUNS_OF_A_JOB):
            began = now - timedelta(seconds=60 * (RUNS_OF_A_JOB - number))
            result = _result(began, f"mx{job % 50}.example.test")
            yield f"job-{job}", number, number, to_micros(began), encode_result(result)


def _result(began: datetime, host: str) -> ProbeResult:
    phases = (Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.TLS)
    timings = tuple(PhaseTiming(phase, 0.01, 0.01) for phase in phases)
    part = Part(host, "192.0.2.1", timings, None, (), {"tls.version": "TLSv1.3"})
    result = ProbeResult("mx", began, 0.1, timings, None)
    return replace(result, parts=(part, part), facts={"mx.hosts": (host,)})


def _configuration(folder: Path, file: Path, jobs: int) -> Path:
    lines = [f"ledger: {file}", "ehlo_name: us.example.test", "jobs:"]
    job = "{kind: mx, domain: example.test, every: 1m}"
    lines += [f"  job-{number}: {job}" for number in range(jobs)]
    config = folder / "mailcanary.yaml"
    config.write_text("\n".join(lines))
    return config


async def _opening(file: Path) -> float:
    began = time.perf_counter()
    ledger = await Ledger.open(str(file), SYSTEM_CLOCK)
    try:
        await ledger.resume()
        await ledger.last_ticks()
        return time.perf_counter() - began
    finally:
        await ledger.close()


async def _checking(file: Path) -> float:
    ledger = await Ledger.open(str(file), SYSTEM_CLOCK)
    try:
        began = time.perf_counter()
        await ledger.check()
        return time.perf_counter() - began
    finally:
        await ledger.close()


async def _make(file: Path) -> None:
    await (await Ledger.open(str(file), SYSTEM_CLOCK)).close()


def main() -> None:
    """Write a ledger, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--canaries", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "ledger.sqlite"
        asyncio.run(_make(file))
        empty = file.stat().st_size
        write(file, options.canaries, 0)
        of_canaries = file.stat().st_size - empty
        write(file, 0, options.jobs)
        size = file.stat().st_size
        of_runs = size - of_canaries - empty
        say(f"size: {size / 1e6:.0f} MB")
        say(f"a canary: {of_canaries / max(1, options.canaries):.0f} bytes")
        say(f"a run: {of_runs / max(1, options.jobs * RUNS_OF_A_JOB):.0f} bytes")
        say(f"open until the first send: {asyncio.run(_opening(file)):.2f} s")
        say(f"check of all pages: {asyncio.run(_checking(file)):.2f} s")
        config = load(_configuration(Path(name), file, options.jobs))
        began = time.perf_counter()
        with reading(str(file)) as reader:
            status = take_status(reader, config, datetime.now(UTC))
        say(f"status of {len(status.jobs)} jobs: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
