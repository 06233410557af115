"""One run of one path or job at a shell: the same steps as in the service, shown as they happen."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.model import CanaryRecord, Change, Config, Examined, Job, Path, Run
from exporter.network import build_net
from exporter.service.arrivals import Arrivals
from exporter.service.expiry import Expiry
from exporter.service.known_selectors import with_known_selectors_of_file
from exporter.service.loop_monitor import LoopMonitor
from exporter.service.mailbox_watcher import MailboxWatcher
from exporter.service.publisher import Publisher, Subscriber
from exporter.service.runs import probe, send
from exporter.service.supervision import Supervisor
from probes.canary.evidence import Evidence, evidence_json
from probes.canary.lifecycle import UNSETTLED
from probes.clock import SYSTEM_CLOCK
from probes.documents import to_json
from probes.net import Net
from probes.result import Failure, ProbeResult
from probes.trace import Listener

LOG = logging.getLogger("mailcanary.run")

LEDGER_LOOK_SECONDS = 0.25
"""Seconds between two looks into the ledger: a service beside us may have settled the canary."""

EVIDENCE_SECONDS = 20.0
"""How long a settled canary's copy may take to be fetched and examined."""


@dataclass(frozen=True, slots=True)
class CanaryStory:
    """A canary sent by hand with its outcome and its evidence.

    `record` is None if it was not sent because its mailbox could not be read: `mailbox_failure`
    says why. `evidence` is that of the copies we saw, the first one first, then of bounces. It is
    empty if nothing came or nothing could be examined in time.
    """

    record: CanaryRecord | None
    result: ProbeResult | None
    mailbox_failure: Failure | None
    evidence: tuple[Evidence, ...] = ()
    team: str | None = None


RUN_SCHEMA_VERSION = 1
"""The version of the documents that `story_json` makes."""


def story_json(story: CanaryStory) -> dict[str, Any]:
    """The document of `run PATH --json` in JSON types, see docs/json.md."""
    return {
        "version": RUN_SCHEMA_VERSION,
        "team": story.team,
        "record": to_json(story.record),
        "result": to_json(story.result),
        "mailbox_failure": to_json(story.mailbox_failure),
        "evidence": [evidence_json(one) for one in story.evidence],
    }


async def run_job(config: Config, name: str, listener: Listener) -> ProbeResult:
    """Run one job now, with the DKIM selectors learnt by the service. Nothing is stored."""
    job = await asyncio.to_thread(_with_known_selectors, config.jobs[name], config.service.ledger)
    async with LoopMonitor(_ignore_lag) as monitor:
        net, lag = build_net(config), monitor.worst_since
        return (await probe(job, 0, net, listener, lag=lag)).result


def _with_known_selectors(job: Job, ledger: str) -> Job:
    """As it is where no service has run yet, or its ledger cannot be read."""
    try:
        return with_known_selectors_of_file(job, ledger, SYSTEM_CLOCK.utc())
    except LedgerError as error:
        LOG.info("nothing learnt from canaries: %s", error)
        return job


@dataclass(frozen=True, slots=True)
class Waiting:
    """The present wait for a canary: the folders looked into, and seconds of how many."""

    mailbox: str
    folders: tuple[str, ...]
    can_be_read: bool
    seconds: float
    longest: float


class Progress:
    """Receives what happens to a canary sent by hand; `record` is its newest state."""

    record: CanaryRecord | None = None

    def waiting(self, waiting: Waiting) -> None:
        """The canary is waited for; called several times a second."""


async def run_path(
    config: Config, name: str, listener: Listener, progress: Progress | None = None
) -> CanaryStory:
    """Send one canary along a path now and follow it until it is settled.

    It is written into the service's ledger, so that the service settles it if this command is
    interrupted. Raises LedgerError.
    """
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK, exclusive=False)
    try:
        run = _ManualRun(config, name, build_net(config), ledger, progress or Progress())
        return await run.run(listener)
    finally:
        await ledger.close()


class _ManualRun(Subscriber):
    """Follows one canary by the service's own arrivals and expiry, each limited to this canary.

    All mailboxes of the configuration are watched, as the service does: a bounce goes to the
    envelope sender, whose mailbox may be another one than the canary's.
    """

    def __init__(
        self, config: Config, name: str, net: Net, ledger: Ledger, progress: Progress
    ) -> None:
        self._config = config
        self._path: Path = config.paths[name]
        self._progress = progress
        self._net = net
        self._ledger = ledger
        self._record: CanaryRecord | None = None
        self._result: ProbeResult | None = None
        self._evidence: dict[tuple[bool, int], Evidence] = {}
        self._changed = asyncio.Event()
        self._publisher = Publisher()
        supervisor = Supervisor(self._publisher.task_restarted)
        self._arrivals = Arrivals(
            lambda: net, ledger, self._publisher, net.clock, supervisor, only_own=True
        )
        self._publisher.subscribe(self._arrivals, self)
        self._expiry = Expiry(ledger, self._arrivals, self._publisher, net.clock)

    def canary_changed(self, change: Change) -> None:
        self._record = self._progress.record = change.record
        self._changed.set()

    def run_finished(self, run: Run) -> None:
        self._result = run.result

    def copy_examined(self, examined: Examined) -> None:
        copy = examined.copy
        self._evidence[copy.is_bounce, copy.number] = examined.evidence
        self._changed.set()

    def ledger_refused(self, action: str, error: LedgerError) -> None:
        LOG.error("%s: %s", action, error)

    async def run(self, listener: Listener) -> CanaryStory:
        """Send, and wait for the outcome and the evidence; only where the mailbox can be read."""
        mailbox = self._path.mailbox
        try:
            await self._arrivals.watch({mailbox.name: mailbox})
            watcher = self._arrivals.watchers[mailbox.name]
            await watcher.settled.wait()
            if watcher.state.failure is not None:
                return CanaryStory(None, None, watcher.state.failure, team=self._path.team)
            await self._arrivals.watch(self._config.mailboxes)
            await self._send(listener)
            await self._settle(watcher)
            await self._examine(watcher)
            evidence = tuple(self._evidence[key] for key in sorted(self._evidence))
            return CanaryStory(self._record, self._result, None, evidence, self._path.team)
        finally:
            await self._arrivals.close()

    async def _send(self, listener: Listener) -> None:
        async with LoopMonitor(self._publisher.loop_lagged) as monitor:
            tick, lag = -time.time_ns(), monitor.worst_since
            await send(
                self._path, tick, self._net, self._ledger, self._publisher, listener, lag=lag
            )

    async def _settle(self, watcher: MailboxWatcher) -> None:
        """Wait for the outcome, also for one that a service beside us finds first."""
        while self._record is not None and self._record.state in UNSETTLED:
            if not self._arrivals.not_ready():  # else its bounce may be lying there
                await self._expiry.expire(only=(self._record.token,))
            self._progress.waiting(self._waiting(watcher, self._record))
            await self._next_change()
            self._record = await self._ledger.find(self._record.token)
            self._progress.record = self._record

    def _waiting(self, watcher: MailboxWatcher, record: CanaryRecord) -> Waiting:
        began = record.sending_at or record.planned_at
        return Waiting(
            watcher.name,
            tuple(sorted(watcher.folders, key=lambda name: (name.upper() != "INBOX", name))),
            watcher.state.is_up,
            (self._net.clock.utc() - began).total_seconds(),
            record.lost_after,
        )

    async def _examine(self, watcher: MailboxWatcher) -> None:
        """Wait for our own evidence of the copy, also if the service was faster."""
        is_there = self._record is not None and self._record.placement is not None
        with suppress(TimeoutError):  # what there is by then is told
            async with asyncio.timeout(EVIDENCE_SECONDS):
                while watcher.is_fetching or (is_there and not self._evidence):
                    await self._next_change()

    async def _next_change(self) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEDGER_LOOK_SECONDS):
                await self._changed.wait()


def _ignore_lag(seconds: float) -> None:
    """Ignore the lag: the run's own result reports it."""
