"""The whole service among hostile peers: it measures the one healthy path as if there were none."""

import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.app import serving
from exporter.config import parse
from exporter.ledger.ledger import Ledger
from exporter.model import Change, Config, Job, Mailbox, Route
from exporter.model import Path as MailPath
from exporter.service.publisher import Subscriber
from exporter.service.service import Service
from exporter.testbed.faults.fault import (
    DOMAIN,
    IMAP_HOST,
    PASSWORD,
    SUBMISSION_HOST,
    USER,
    ProbeUnderTest,
)
from probes.canary.lifecycle import Outcome
from probes.canary.message import MessageOptions
from probes.clock import SYSTEM_CLOCK
from probes.kinds.mx import MxTarget
from probes.kinds.submission import SubmissionTarget
from probes.mailboxes.imap.watch import ImapMailbox
from probes.options import Domain, EmailAddress, FilePath, Host, Seconds, Secret
from probes.routes.submission import SubmissionRoute
from tests.hostility.hostile_peers import LOOPBACK, SERVED, HostilePeer, peers_at
from tests.hostility.watching import settled, sockets

pytestmark = pytest.mark.slow("a service among hostile peers runs for half a minute")

HEALTHY = "healthy"
WANTED = 6
"""Canaries of the healthy path that have to end before the test does."""

EVERY, DEADLINE = 4.0, 4.0


class UnderFire:
    """A configuration with its healthy path alone, to which hostile peers are added."""

    def __init__(self, config: Config, ca_file: Path) -> None:
        # they share our machine: arriving is what counts, not when
        self.healthy = replace(config.paths[HEALTHY], every=1.0, late_after=20, lost_after=40)
        self.ca_file = FilePath(str(ca_file))
        self.routes = dict(config.routes)
        self.mailboxes = dict(config.mailboxes)
        self.paths = {HEALTHY: self.healthy}
        self.jobs: dict[str, Job] = {}
        self._config = replace(
            config,
            service=replace(
                config.service,
                max_concurrent=len(SERVED),
                max_concurrent_per_host=len(SERVED),
            ),
        )

    def add(self, peer: HostilePeer) -> None:
        """Watch, send to or probe this one."""
        name, under_test = peer.name, peer.fault.under_test
        if under_test is ProbeUnderTest.HAND_OVER:
            self._add_path(peer)
        elif under_test in (ProbeUnderTest.MAILBOX, ProbeUnderTest.IDLE):
            self._add_mailbox(peer)
        elif under_test is ProbeUnderTest.SUBMISSION:
            target = SubmissionTarget(
                Host(SUBMISSION_HOST),
                peer.port,
                username=USER,
                password=Secret(PASSWORD),
                ca_file=self.ca_file,
            )
            self.jobs[name] = Job(name, "submission", target, EVERY, DEADLINE)
        else:
            mx = MxTarget(Domain(peer.domain), peer.port, address_timeout=Seconds(1.0))
            self.jobs[name] = Job(name, "mx", mx, EVERY, DEADLINE)

    def config(self) -> Config:
        return replace(
            self._config,
            routes=self.routes,
            mailboxes=self.mailboxes,
            paths=self.paths,
            jobs=self.jobs,
        )

    def _add_path(self, peer: HostilePeer) -> None:
        target = SubmissionRoute(
            Host(SUBMISSION_HOST),
            peer.port,
            username=USER,
            password=Secret(PASSWORD),
            ca_file=self.ca_file,
        )
        message = MessageOptions(EmailAddress("us@sender.test"), EmailAddress(f"them@{DOMAIN}"))
        route = self.routes[peer.name] = Route(peer.name, "submission", target)
        self.paths[peer.name] = MailPath(
            peer.name, route, self.healthy.mailbox, message, EVERY, DEADLINE, 5.0, 60.0
        )

    def _add_mailbox(self, peer: HostilePeer) -> None:
        target = ImapMailbox(
            Host(IMAP_HOST),
            USER,
            Secret(PASSWORD),
            peer.port,
            timeout=Seconds(2.0),
            ca_file=self.ca_file,
        )
        self.mailboxes[peer.name] = Mailbox(peer.name, "imap", target)


class Watch(Subscriber):
    """How the canaries of the healthy path end."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.others: list[Change] = []
        self.enough = asyncio.Event()

    def canary_changed(self, change: Change) -> None:
        if change.record.path != HEALTHY or self.enough.is_set():
            return
        if change.outcome is not None:
            if change.outcome is not Outcome.ARRIVED:
                self.others.append(change)
            self.outcomes[change.outcome] += 1
            if self.outcomes.total() >= WANTED:
                self.enough.set()


@asynccontextmanager
async def hostile_peers(folder: Path) -> AsyncIterator[list[HostilePeer]]:
    """Run the peers and the healthy world in their own process, which must end without a bug."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hostility.hostile_peers", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield peers_at(json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(15):
                code = await process.wait()
        except BaseException:
            process.kill()
            raise
    assert code == 0


async def test_a_service_among_hostile_peers_keeps_its_one_healthy_path(tmp_path: Path) -> None:
    before = sockets()
    watch = Watch()
    async with AsyncExitStack() as stack:
        peers = await stack.enter_async_context(hostile_peers(tmp_path))
        text = (tmp_path / "config.yaml").read_text()
        fire = UnderFire(parse(text, "config.yaml", {}), tmp_path / "ca.pem")
        for peer in peers:
            fire.add(peer)
        ledger = await Ledger.open(fire.config().service.ledger, SYSTEM_CLOCK)
        stack.push_async_callback(ledger.close)
        service = Service(fire.config(), ledger, subscribers=(watch,))
        url = await stack.enter_async_context(serving(service, LOOPBACK, 0))
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop, at_once=True))
        async with asyncio.timeout(40):
            await watch.enough.wait()
        telling = {peer.name for peer in peers if _must_show(peer, fire)}
        failed = await _scraped_until(f"{url}/metrics", telling)
        healthy = await _get(f"{url}/-/healthy")
        stop.set()
        await running
    assert [(change.outcome, change.record.failure) for change in watch.others] == []
    assert healthy.status_code == 200, healthy.text
    assert HEALTHY not in failed
    assert [peer.fault.name for peer in peers if "unexpected" in failed.get(peer.name, ())] == []
    assert [peer.fault.name for peer in peers if peer.name in telling - failed.keys()] == []
    await settled()
    assert sockets() <= before


def _must_show(peer: HostilePeer, fire: UnderFire) -> bool:
    """True if its fault stops something that the service does by the clock.

    A mailbox may not have met its fault yet, and the service has time for a peer that is only slow.
    """
    is_slow = any(fault.delay for fault in peer.fault.dns.values())
    return peer.fault.verdict.phase is not None and peer.name not in fire.mailboxes and not is_slow


async def _scraped_until(url: str, names: set[str]) -> dict[str, set[str]]:
    """The failures when all of these are among them, or a few runs later without them."""
    for _ in range(20):
        failed = _failures((await _get(url)).text)
        if names <= failed.keys():
            break
        await asyncio.sleep(EVERY / 4)  # as Prometheus does
    return failed


async def _get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return await client.get(url)


_FAILURES = {
    "mailcanary_failures_total": "path",
    "mailcanary_probe_failures_total": "probe",
    "mailcanary_mailbox_failures_total": "mailbox",
}


def _failures(exposition: str) -> dict[str, set[str]]:
    """The reasons of failures by the name of the path, job or mailbox."""
    failed: defaultdict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name in _FAILURES and sample.value > 0:
                failed[sample.labels[_FAILURES[sample.name]]].add(sample.labels["reason"])
    return failed
