"""What a real Postfix and a real Dovecot say: true times, and what one canary costs."""

import asyncio
import random
import time
from pathlib import Path
from statistics import median

from bench.certificates import issue
from bench.floor import context_for, dialogue
from bench.idle import Idle, idle
from bench.table import Measured
from bench.worker import Worker, WorkerError, worker
from exporter.config import parse
from exporter.model import Config
from exporter.network import build_net
from exporter.service.runs import probe
from probes.net import Net
from probes.result import Phase
from tests.servers.dovecot import Dovecot, running_dovecot
from tests.servers.postfix import postfix

HANDSHAKES = 20
CANARIES = 400
PACE = 0.005
"""Seconds between two canaries: some ten arrive between two looks."""

HEAD_START = 0.5
"""Seconds at most by which a canary is known before it is delivered."""

ARRIVALS = 40
IDLE_ARRIVALS = 6
USER = "watched"
IDLER = "idler"


async def post_tls_ehlo(folder: Path) -> Measured:
    """The EHLO under TLS with a stock Postfix; the floor takes it as it comes."""
    files = issue(folder)
    ours: list[float] = []
    theirs: list[float] = []
    with postfix(files.pem.read_bytes()) as server:
        context = context_for(str(files.ca))
        config = parse(_postfix_job(server.port, files.ca), "bench")
        net = build_net(config)
        for _ in range(HANDSHAKES):
            ours.append(await _ehlo_seconds(config, net) * 1000)
            theirs.append(await dialogue(server.port, context, "127.0.0.1") * 1000)
    found = median(ours)
    return Measured("post_tls_ehlo_ms", found, found, "ms", median(theirs), "asyncio", tuple(ours))


def _postfix_job(port: int, ca: Path) -> str:
    return f"""
ehlo_name: probe.test
ca_file: {ca}
jobs:
  postfix: {{kind: submission, host: 127.0.0.1, port: {port}, every: 1h}}
"""


async def _ehlo_seconds(config: Config, net: Net) -> float:
    result = (await probe(config.jobs["postfix"], 0, net)).result
    if result.failure is not None:
        raise WorkerError(f"the handshake with Postfix failed: {result.failure.detail}")
    return [timing.seconds for timing in result.timings if timing.phase is Phase.EHLO][-1]


async def canaries(folder: Path, rounds: int) -> list[Measured]:
    """How late a delivery is seen, and what a canary costs, over one IMAP connection."""
    async with running_dovecot() as dovecot:
        options = {
            "port": dovecot.tls_port,
            "ca": str(dovecot.ca_file),
            "user": USER,
            "password": dovecot.password,
        }
        async with worker("watching", folder=str(folder), **options) as ours:
            costs = [await _cost(ours, dovecot) for _ in range(rounds)]
            delays = [await _delay(ours, dovecot) for _ in range(ARRIVALS)]
        async with idle(dovecot.tls_port, IDLER, dovecot.password) as client:
            idling = [await _idle_delay(client, dovecot) for _ in range(IDLE_ARRIVALS)]
    return [
        Measured(
            "detection_p50_ms", median(delays), median(delays), "ms", median(idling), "IDLE",
            tuple(delays),
        ),
        _figure("roundtrip_cpu_ms", [arrival for arrival, _ in costs]),
        _figure("roundtrip_with_sending_records_cpu_ms", [whole for _, whole in costs]),
    ]  # fmt: skip


def _figure(name: str, cpu: list[float]) -> Measured:
    return Measured(name, median(cpu), median(cpu), "ms", rounds=tuple(cpu))


async def _cost(ours: Worker, dovecot: Dovecot) -> tuple[float, float]:
    """Milliseconds of CPU per canary, many being in flight.

    The first from when it was handed over, which is what comes after the sending: looks, sighting,
    settling, metrics. The second with what the ledger and the metrics do about the sending.
    """
    messages = await ours.ask(compose=CANARIES)
    before = await ours.ask(tokens=list(messages))
    for content in messages.values():
        dovecot.deliver(USER, content.encode())
        await asyncio.sleep(PACE)
    after = await ours.ask(settled=list(messages))
    arrival, whole = after["cpu"] - before["handed_over"], after["cpu"] - before["cpu"]
    return arrival / CANARIES * 1000, whole / CANARIES * 1000


async def _delay(ours: Worker, dovecot: Dovecot) -> float:
    """Milliseconds from the delivery of one fresh canary to its sighting."""
    ((token, content),) = (await ours.ask(compose=1)).items()
    await ours.ask(tokens=[token])
    await asyncio.sleep(HEAD_START * random.uniform(0.5, 1))  # noqa: S311 - not in step with looks
    delivered = time.perf_counter()
    dovecot.deliver(USER, content.encode())
    answer = await ours.ask(settled=[token])
    return (float(answer["seen"][token]) - delivered) * 1000


async def _idle_delay(client: Idle, dovecot: Dovecot) -> float:
    await client.begin()
    await asyncio.sleep(HEAD_START)
    delivered = time.perf_counter()
    dovecot.deliver(IDLER, b"Subject: x\r\n\r\nx\r\n")
    async with asyncio.timeout(30):
        return (await client.arrival() - delivered) * 1000
