"""The service: everything wired together, started in order and stopped without losing anything."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path as FilePath

from exporter.analysis.mailbox_state import MAILBOX_STATE_SECONDS, MailboxState, to_run
from exporter.analysis.observations import KEPT, RecentObservations
from exporter.analysis.suspects import find_suspects
from exporter.config import ConfigError, load
from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.metrics.metrics import Metrics
from exporter.model import Change, Config, Job, Run, TargetChange
from exporter.network import build_net
from exporter.service.arrivals import Arrivals
from exporter.service.known_selectors import with_known_selectors
from exporter.service.loop_monitor import LoopMonitor
from exporter.service.publisher import Publisher
from exporter.service.run_buffer import RunBuffer
from exporter.service.runs import finish, log_bug, path_host, probe, send
from exporter.service.scheduler import Entry, Scheduler, tick_at
from exporter.service.supervision import Supervisor, log_error
from probes.clock import SYSTEM_CLOCK, Clock
from probes.net import Net
from probes.registry import KINDS
from probes.result import one_line
from probes.tasks import cancel

LOG = logging.getLogger("mailcanary")

EXPIRY_SECONDS = 1.0

CLEANING_SECONDS = 30.0

STOP_SECONDS = 10.0

RECENT_CANARIES = 20


class Service:
    """One running service. `config` is the configuration in force.

    `observer` hears every step in every canary's life; it must return at once and never raise.
    `log_lines_dropped` counts them since the process began.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock = SYSTEM_CLOCK,
        observer: Callable[[Change], None] | None = None,
        log_lines_dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        self.config = config
        self.metrics = Metrics(version("mailcanary"), clock, log_lines_dropped)
        self.supervisor = Supervisor(self.metrics.task_restarted)
        self.loop_monitor = LoopMonitor(self.metrics.loop_lag, clock, supervisor=self.supervisor)
        self._clock = clock
        self._net = build_net(config, clock)
        self._ledger = ledger
        self._observer = observer
        self._publish = Publisher(self._on_change, self._on_run, self.metrics.ledger_error)
        self.run_buffer = RunBuffer(
            ledger, self.metrics.ledger_error, self._on_target_change, supervisor=self.supervisor
        )
        self.arrivals = Arrivals(
            lambda: self._net, ledger, self.metrics, clock, self._on_change, self.supervisor
        )
        self._observations = RecentObservations()
        self._reloading = asyncio.Lock()
        self._scheduler = Scheduler(
            self._start,
            clock=clock,
            max_concurrent=config.service.max_concurrent,
            max_concurrent_per_host=config.service.max_concurrent_per_host,
            on_missed=self.metrics.missed_slots,
            on_bug=log_bug,
        )

    def net(self) -> Net:
        """The network of the configuration in force."""
        return self._net

    async def start(self) -> None:
        """Take up what an earlier process left, then watch; nothing is sent yet."""
        self.metrics.configure(self.config)
        self._observations.configure(self.config)
        await self._show_the_past()
        for change in await self._ledger.resume():
            LOG.info("resumed %s: %s", change.record.token, change.event)
            self._on_change(change)
        await self.arrivals.watch(self.config.mailboxes)

    async def _show_the_past(self) -> None:
        """Let the metrics say when the last runs were, and what is in flight from before."""
        for name in [*self.config.paths, *self.config.jobs]:
            for run in reversed(await self._ledger.runs(name, KEPT)):
                self.metrics.run_resumed(run)
                self._observations.finished(run)
        for path in self.config.paths:
            for record in reversed(await self._ledger.recent(path, RECENT_CANARIES)):
                self.metrics.resumed(record)
                self._observations.settled(record)
        for record in await self._ledger.in_flight():
            self.metrics.resumed(record)

    async def run(
        self, stop: asyncio.Event, *, at_once: bool = False, scheduled: bool = True
    ) -> None:
        """Send, settle and clean until `stop` is set; then end what is under way, bounded.

        With `at_once` everything also runs in the current slot, not only from the next one on;
        without `scheduled` that is all.
        """
        if scheduled:
            self._scheduler.replace(self._entries(), await self._ledger.last_ticks())
        scheduler = self.supervisor.keep(
            "scheduler", self._scheduler.run, may_end=lambda: self._scheduler.is_stopping
        )
        tasks = [
            asyncio.create_task(scheduler, name="keep scheduler"),
            self._kept("expiry", self._expire),
            self._kept("cleaning", self._clean),
            self._kept("standing", self._record_health),
        ]
        first = [self._start_now(entry) for entry in self._entries()] if at_once else []
        try:
            await stop.wait()
        finally:
            await self._scheduler.stop(STOP_SECONDS)
            await cancel([*tasks, *first])

    def _kept(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(self.supervisor.keep(name, work), name=f"keep {name}")

    async def reload(self) -> bool:
        """Read the configuration file again, one reload at a time; a broken file changes nothing.

        A ledger that refuses leaves the reload half done and false; the next one completes it.
        """
        async with self._reloading:
            try:
                return await self._reload()
            except LedgerError as error:
                LOG.error("configuration not fully reloaded: %s", error)  # noqa: TRY400 - as above
                self.metrics.ledger_error()
                self.metrics.config_reloaded(ok=False)
                return False

    async def _reload(self) -> bool:
        try:
            config = await asyncio.to_thread(load, FilePath(self.config.source))
            # sessions that are under way keep their places
            self._net = replace(build_net(config, self._clock), gate=self._net.gate)
        except ConfigError as error:
            LOG.error("configuration not reloaded:\n%s", error)  # noqa: TRY400 - our own words
            self.metrics.config_reloaded(ok=False)
            return False
        old, self.config = self.config, config
        _warn_of_restart(old, config)
        self.metrics.configure(config)
        self._observations.configure(config)
        await self.arrivals.watch(config.mailboxes)
        self._scheduler.replace(self._entries(), await self._ledger.last_ticks())
        self.metrics.config_reloaded(ok=True)
        LOG.info("configuration reloaded: %d paths, %d jobs", len(config.paths), len(config.jobs))
        return True

    def _entries(self) -> Iterable[Entry]:
        for path in self.config.paths.values():
            yield Entry(path.name, path.every, path_host(path))
        for job in self.config.jobs.values():
            yield Entry(job.name, job.every, KINDS[job.kind].host(job.target))

    def _start_now(self, entry: Entry) -> asyncio.Task[None]:
        tick = tick_at(entry, self._clock.utc().timestamp())
        task = asyncio.create_task(self._start(entry.name, tick), name=f"run {entry.name}")
        task.add_done_callback(log_error)
        return task

    async def _start(self, name: str, tick: int) -> None:
        """One slot of the schedule has come."""
        lag = self.loop_monitor.worst_since
        path = self.config.paths.get(name)
        try:
            if path is not None:
                await send(path, tick, self._net, self._ledger, self._publish, lag=lag)
            elif name in self.config.jobs:
                job = await self.with_known_selectors(self.config.jobs[name])
                run = await probe(job, tick, self._net, lag=lag)
                finish(run, self.run_buffer, self._publish)
        except LedgerError as error:
            LOG.error("%s: not started: %s", name, error)  # noqa: TRY400 - our own words
            self.metrics.ledger_error()

    async def with_known_selectors(self, job: Job) -> Job:
        """The job with what canaries taught; as it is where the ledger does not say."""
        try:
            return await with_known_selectors(job, self._ledger, self._clock.utc())
        except LedgerError as error:
            LOG.error("%s: %s", job.name, error)  # noqa: TRY400 - our own words
            self.metrics.ledger_error()
            return job

    def _on_change(self, change: Change) -> None:
        self.arrivals.follow(change.record)
        if self._observer is not None:
            self._observer(change)
        if change.record.tick >= 0:
            self.metrics.canary_changed(change)
            self._observations.settled(change.record)
        if change.outcome is not None:
            LOG.info(
                "canary path=%s outcome=%s token=%s round_trip=%s",
                change.record.path,
                change.outcome,
                change.record.token,
                change.record.round_trip,
            )

    def _on_run(self, run: Run) -> None:
        self.metrics.run_finished(run)
        self._observations.finished(run)

    def _on_target_change(self, change: TargetChange) -> None:
        self.metrics.target_changed(change)
        LOG.info(
            "change job=%s aspect=%s subject=%s before=%r after=%r",
            *(change.name, change.aspect, one_line(change.subject)),
            *(one_line(change.before), one_line(change.after)),
        )

    async def _record_health(self) -> None:
        """Again and again; the suspects of one moment may be cleared in the next."""
        while True:
            await asyncio.sleep(MAILBOX_STATE_SECONDS)
            await self.record_health()

    async def record_health(self) -> None:
        """Say whom the failures speak against, and tell the ledger which mailboxes are read."""
        now = self._clock.utc()
        watchers = self.arrivals.watchers
        unreadable = [name for name, one in watchers.items() if not one.state.is_up]
        seen = self._observations.at(now)
        suspects = await asyncio.to_thread(find_suspects, seen, unreadable)
        self.metrics.suspects({(one.part, one.name): one.failed for one in suspects})
        tried = {name: one for name, one in watchers.items() if one.settled.is_set()}
        for name, one in tried.items():
            looked = None if one.looked is None else one.looked.utc
            state = MailboxState(name, now, one.state.is_up, looked, one.state.failure)
            self.run_buffer.add(to_run(state))

    async def _expire(self) -> None:
        """Settle as lost what was looked for in vain."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            if self.arrivals.not_ready():
                continue  # what an earlier process sent may be lying there
            with self._ledger_trouble("expiry"):
                for change in await self._ledger.expire(self._clock.now(), self.arrivals.looked()):
                    self._on_change(change)

    async def _clean(self) -> None:
        """Remove our own settled canaries from the mailboxes, and old rows from the ledger.

        At once, too: a service that never lives long cleans all the same.
        """
        while True:
            with self._ledger_trouble("cleaning"):
                for mailbox in self.config.mailboxes.values():
                    await self.arrivals.clean(mailbox)
                keep = timedelta(seconds=self.config.service.keep_runs)
                await self._ledger.forget(self._clock.utc() - keep)
            await asyncio.sleep(CLEANING_SECONDS)

    @contextmanager
    def _ledger_trouble(self, what: str) -> Iterator[None]:
        """A ledger that cannot be written is said aloud and tried again, never fatal."""
        try:
            yield
        except LedgerError as error:
            LOG.error("%s: %s", what, error)  # noqa: TRY400 - our own words
            self.metrics.ledger_error()


def _warn_of_restart(old: Config, new: Config) -> None:
    for field in ("listen_address", "listen_port", "ledger"):
        if getattr(old.service, field) != getattr(new.service, field):
            LOG.warning("%s changed: it takes effect after a restart", field)
