"""One run of one path or job at a shell: the same steps as in the service, shown as they happen."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.model import CanaryRecord, Change, Config, Examined, Job, Path, Run
from exporter.network import build_net
from exporter.service.examiner import Examiner
from exporter.service.known_selectors import with_known_selectors_of_file
from exporter.service.loop_monitor import LoopMonitor
from exporter.service.mailbox_watcher import MailboxWatcher, WatchState
from exporter.service.publisher import Publisher
from exporter.service.runs import event_of, probe, send, unstored
from exporter.service.supervision import UNHEARD
from probes.canary.evidence import Evidence, evidence_json
from probes.canary.lifecycle import UNSETTLED, Event, ImpossibleEvent
from probes.clock import SYSTEM_CLOCK
from probes.mailboxes import Content, Cursor, News, Report, Sighting, message_of
from probes.net import Net
from probes.registry import MAILBOXES
from probes.result import Failure, ProbeResult, to_json
from probes.tasks import cancel
from probes.trace import Listener

LOG = logging.getLogger("mailcanary.run")

LAST_LOOK_SECONDS = 5.0

EVIDENCE_SECONDS = 20.0
"""How long a settled canary's copy may take to be fetched and examined."""


@dataclass(frozen=True, slots=True)
class CanaryStory:
    """A canary sent by hand and what became of it.

    `record` is None when it was not sent because its mailbox could not be read: `mailbox_failure`
    says why. `evidence` is that of the copies we saw, the first one first, then of bounces; empty
    where nothing came or nothing could be examined in time.
    """

    record: CanaryRecord | None
    result: ProbeResult | None
    mailbox_failure: Failure | None
    evidence: tuple[Evidence, ...] = ()


RUN_SCHEMA_VERSION = 1
"""The version of the documents that `story_json` makes."""


def story_json(story: CanaryStory) -> dict[str, Any]:
    """The document of `run PATH --json` in JSON types, see docs/json.md."""
    return {
        "version": RUN_SCHEMA_VERSION,
        "record": to_json(story.record),
        "result": to_json(story.result),
        "mailbox_failure": to_json(story.mailbox_failure),
        "evidence": [evidence_json(one) for one in story.evidence],
    }


async def run_job(config: Config, name: str, listener: Listener) -> ProbeResult:
    """Run one job now, with what the service learnt about its target. Nothing is stored."""
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


async def run_path(config: Config, name: str, listener: Listener) -> CanaryStory:
    """Send one canary along a path now and follow it until it is settled.

    It is written into the service's ledger, so that a canary whose sender was interrupted is still
    settled by the service. Raises LedgerError.
    """
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK, exclusive=False)
    try:
        return await _ManualRun(config.paths[name], build_net(config), ledger).run(listener)
    finally:
        await ledger.close()


@dataclass
class _ManualRun:
    """Watches the mailbox of one path for one canary."""

    path: Path
    net: Net
    ledger: Ledger
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    record: CanaryRecord | None = None
    result: ProbeResult | None = None
    examined: dict[tuple[bool, int], Evidence] = field(default_factory=dict)
    """By whether it is a bounce, and number."""
    wanted: int = 0
    """Messages whose evidence is still to come."""
    since: float = 0.0
    """When the waiting began: with the sending, then anew when it was handed over; monotonic."""

    async def run(self, listener: Listener) -> CanaryStory:
        watcher = self._watcher()
        kept = UNHEARD.keep("watch", watcher.run, on_error=watcher.ended)
        watching = asyncio.create_task(kept, name="keep watch")
        try:
            await watcher.settled.wait()
            if watcher.state.failure is not None:
                return CanaryStory(None, None, watcher.state.failure)
            publish = Publisher(
                lambda change: self._on_change(watcher, change), self._on_run, lambda: None
            )
            async with LoopMonitor(_ignore_lag) as monitor:
                tick, lag = -time.time_ns(), monitor.worst_since
                await send(self.path, tick, self.net, self.ledger, publish, listener, lag=lag)
            await self._settle(watcher)
            await self._examine()
            evidence = tuple(self.examined[key] for key in sorted(self.examined))
            return CanaryStory(self.record, self.result, None, evidence)
        finally:
            await cancel((watching,))

    def _watcher(self) -> MailboxWatcher:
        kind = MAILBOXES[self.path.mailbox.kind]

        async def watch(
            watcher: MailboxWatcher, cursors: Mapping[str, Cursor], report: Report
        ) -> None:
            await kind.watch(self.net, self.path.mailbox.target, watcher, cursors, report)

        async def report(news: News) -> None:
            await self._on_report(watcher, news)

        watcher = MailboxWatcher(
            self.path.mailbox.name,
            watch,
            self.net.clock,
            report=report,
            changed_state=_ignore_state,
            cursors={},
        )
        return watcher

    async def _settle(self, watcher: MailboxWatcher) -> None:
        """Wait for the copy; when it is overdue and the mailbox was read since, call it lost."""
        while self.record is not None and self.record.state in UNSETTLED:
            overdue = self._overdue(watcher)
            if overdue is not None:
                await self._give_up(watcher, self.record.token, overdue)
                continue
            self.changed.clear()
            try:
                async with asyncio.timeout(0.25):
                    await self.changed.wait()
            except TimeoutError:
                continue

    async def _examine(self) -> None:
        """Wait for what the copy proves; where the service was faster, for our own look at it."""
        record = self.record
        is_there = record is not None and record.place is not None
        try:
            async with asyncio.timeout(EVIDENCE_SECONDS):
                while self.wanted or (is_there and not self.examined):
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return  # what there is is told

    async def _give_up(self, watcher: MailboxWatcher, token: str, event: Event) -> None:
        try:
            change = await self.ledger.record(token, event, self.net.clock.now())
        except ImpossibleEvent:  # the service, which reads the same mailbox, was faster
            self.record = await self.ledger.find(token)
            return
        if change is not None:
            self._on_change(watcher, change)

    def _overdue(self, watcher: MailboxWatcher) -> Event | None:
        record, looked = self.record, watcher.looked
        if record is None:
            return None
        lost_at = self.since + record.lost_after
        if looked is not None and looked.monotonic >= lost_at:
            return Event.LOOKED_IN_VAIN
        if self.net.clock.monotonic() >= lost_at + LAST_LOOK_SECONDS:
            return None if watcher.state.is_up else Event.COULD_NOT_LOOK
        return None

    def _on_change(self, watcher: MailboxWatcher, change: Change) -> None:
        self.record = change.record
        if change.event in (Event.SEND_STARTED, Event.HANDED_OVER):
            self.since = self.net.clock.monotonic()
        if change.record.state in UNSETTLED and change.record.sending_at is not None:
            watcher.expect(change.record.token, change.record.sending_at)
        self.changed.set()

    def _on_run(self, run: Run) -> None:
        self.result = run.result

    async def _on_report(self, watcher: MailboxWatcher, report: News) -> None:
        record = self.record
        if isinstance(report, Content):
            await self._on_content(report)
        if not isinstance(report, Sighting) or record is None or report.token != record.token:
            return
        event = event_of(report)
        if event is None:
            return
        try:
            change = await self.ledger.record(report.token, event, report.seen, sighting=report)
        except LedgerError as error:
            raise unstored(error) from error
        if change is not None:
            self.record = change.record
            self.wanted += 1
            watcher.want(message_of(report))
            self.changed.set()

    async def _on_content(self, content: Content) -> None:
        mailbox = self.path.mailbox
        trusted = MAILBOXES[mailbox.kind].trusted_authserv_ids(mailbox.target)
        examiner = Examiner(self.ledger, self._on_examined, lambda: None)
        await examiner.examine(self.net, content, trusted)
        self.wanted -= 1
        self.changed.set()

    def _on_examined(self, examined: Examined) -> None:
        copy = examined.copy
        self.examined[copy.is_bounce, copy.number] = examined.evidence


def _ignore_lag(seconds: float) -> None:
    """What counts is what the run's own result says of it."""


def _ignore_state(state: WatchState) -> None:
    """The follower reads the state where it needs it."""
