"""The service: everything wired together, started in order and stopped without losing anything."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path as FilePath

from exporter.analysis.mailbox_state import MAILBOX_STATE_SECONDS, MailboxState, to_run
from exporter.analysis.observations import KEPT, RecentObservations
from exporter.analysis.suspects import find_suspects
from exporter.config import ConfigError, load
from exporter.ledger.ledger import Ledger
from exporter.metrics.metrics import Metrics
from exporter.model import Config, Job
from exporter.network import build_net
from exporter.service.arrivals import Arrivals
from exporter.service.expiry import Expiry
from exporter.service.known_selectors import with_known_selectors
from exporter.service.loop_monitor import LoopMonitor
from exporter.service.publisher import Publisher, Subscriber
from exporter.service.run_buffer import RunBuffer
from exporter.service.runs import finish, log_bug, path_host, probe, send
from exporter.service.scheduler import Entry, Scheduler, tick_at
from exporter.service.subscribers import (
    LogSubscriber,
    MetricsSubscriber,
    ObservationsSubscriber,
)
from exporter.service.supervision import Supervisor, log_error
from probes.clock import SYSTEM_CLOCK, Clock
from probes.net import Net
from probes.registry import KINDS
from probes.tasks import cancel

LOG = logging.getLogger("mailcanary")

CLEANING_SECONDS = 30.0

STOP_SECONDS = 10.0

RECENT_CANARIES = 20


class Service:
    """One running service. `config` is the configuration in force.

    `subscribers` receive everything that is published, before the service's own.
    `log_lines_dropped` counts them since the process began.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock = SYSTEM_CLOCK,
        subscribers: Iterable[Subscriber] = (),
        log_lines_dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        self.config = config
        self.metrics = Metrics(version("mailcanary"), clock, log_lines_dropped)
        self.publisher = Publisher()
        self.supervisor = Supervisor(self.publisher.task_restarted)
        self.loop_monitor = LoopMonitor(
            self.publisher.loop_lagged, clock, supervisor=self.supervisor
        )
        self._clock = clock
        self._net = build_net(config, clock)
        self._ledger = ledger
        self.run_buffer = RunBuffer(ledger, self.publisher, supervisor=self.supervisor)
        self.arrivals = Arrivals(lambda: self._net, ledger, self.publisher, clock, self.supervisor)
        self._expiry = Expiry(ledger, self.arrivals, self.publisher, clock)
        self._observations = RecentObservations()
        self.publisher.subscribe(
            self.arrivals,
            *subscribers,
            MetricsSubscriber(self.metrics),
            ObservationsSubscriber(self._observations),
            LogSubscriber(),
        )
        self._reloading = asyncio.Lock()
        self._scheduler = Scheduler(
            self._start,
            clock=clock,
            max_concurrent=config.service.max_concurrent,
            max_concurrent_per_host=config.service.max_concurrent_per_host,
            on_missed=self.publisher.slots_missed,
            on_bug=log_bug,
        )

    def net(self) -> Net:
        """The network of the configuration in force."""
        return self._net

    async def start(self) -> None:
        """Take up what an earlier process left, then watch; nothing is sent yet."""
        self.publisher.configured(self.config)
        await self._show_the_past()
        for change in await self._ledger.resume():
            LOG.info("resumed %s: %s", change.record.token, change.event)
            self.publisher.canary_changed(change)
        await self.arrivals.watch(self.config.mailboxes)

    async def _show_the_past(self) -> None:
        """Publish the last runs of earlier processes, and what they left in flight."""
        for name in [*self.config.paths, *self.config.jobs]:
            for run in reversed(await self._ledger.runs(name, KEPT)):
                self.publisher.run_resumed(run)
        for path in self.config.paths:
            for record in reversed(await self._ledger.recent(path, RECENT_CANARIES)):
                self.publisher.canary_resumed(record)
        for record in await self._ledger.in_flight():
            self.publisher.canary_resumed(record)

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
            self._kept("expiry", self._expiry.run),
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
            with self.publisher.attempting("configuration not fully reloaded"):
                return await self._reload()
            self.publisher.config_reloaded(ok=False)
            return False

    async def _reload(self) -> bool:
        try:
            config = await asyncio.to_thread(load, FilePath(self.config.source))
            # sessions that are under way keep their places
            self._net = replace(build_net(config, self._clock), gate=self._net.gate)
        except ConfigError as error:
            LOG.error("configuration not reloaded:\n%s", error)  # noqa: TRY400 - our own words
            self.publisher.config_reloaded(ok=False)
            return False
        old, self.config = self.config, config
        _warn_of_restart(old, config)
        self.publisher.configured(config)
        await self.arrivals.watch(config.mailboxes)
        self._scheduler.replace(self._entries(), await self._ledger.last_ticks())
        self.publisher.config_reloaded(ok=True)
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
        with self.publisher.attempting(f"{name}: not started"):
            await self._run(name, tick)

    async def _run(self, name: str, tick: int) -> None:
        lag = self.loop_monitor.worst_since
        path = self.config.paths.get(name)
        if path is not None:
            await send(path, tick, self._net, self._ledger, self.publisher, lag=lag)
        elif name in self.config.jobs:
            job = await self.with_known_selectors(self.config.jobs[name])
            run = await probe(job, tick, self._net, lag=lag)
            finish(run, self.run_buffer, self.publisher)

    async def with_known_selectors(self, job: Job) -> Job:
        """The job with what canaries taught; as it is where the ledger does not say."""
        with self.publisher.attempting(f"{job.name}: DKIM selectors of canaries not read"):
            return await with_known_selectors(job, self._ledger, self._clock.utc())
        return job

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
        self.publisher.suspects_found(suspects)
        tried = {name: one for name, one in watchers.items() if one.settled.is_set()}
        for name, one in tried.items():
            looked = None if one.looked is None else one.looked.utc
            state = MailboxState(name, now, one.state.is_up, looked, one.state.failure)
            self.run_buffer.add(to_run(state))

    async def _clean(self) -> None:
        """Remove our own settled canaries from the mailboxes, and old rows from the ledger.

        At once, too: a service that never lives long cleans all the same.
        """
        while True:
            with self.publisher.attempting("cleaning"):
                for mailbox in self.config.mailboxes.values():
                    await self.arrivals.clean(mailbox)
                keep = timedelta(seconds=self.config.service.keep_runs)
                await self._ledger.forget(self._clock.utc() - keep)
            await asyncio.sleep(CLEANING_SECONDS)


def _warn_of_restart(old: Config, new: Config) -> None:
    for field in ("listen_address", "listen_port", "ledger"):
        if getattr(old.service, field) != getattr(new.service, field):
            LOG.warning("%s changed: it takes effect after a restart", field)
