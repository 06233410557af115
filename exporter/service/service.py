"""The service: everything wired together, started in order and stopped without losing anything."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path as FilePath

from exporter.analysis.observations import KEPT, RecentObservations
from exporter.config import ConfigError, load
from exporter.ledger.canary_findings import canary_findings
from exporter.ledger.ledger import Ledger
from exporter.metrics.metrics import Metrics
from exporter.model import CanaryRecord, Config
from exporter.network import build_net
from exporter.service.arrivals import Arrivals
from exporter.service.cleaner import Cleaner
from exporter.service.expiry import Expiry
from exporter.service.health import HealthRecorder
from exporter.service.housekeeping import Housekeeping
from exporter.service.loop_monitor import LoopMonitor
from exporter.service.publisher import Publisher, Subscriber
from exporter.service.run_buffer import RunBuffer
from exporter.service.schedule import Schedule
from exporter.service.starter import Starter
from exporter.service.subscribers import LogSubscriber, MetricsSubscriber, ObservationsSubscriber
from exporter.service.supervision import Supervisor
from probes.clock import SYSTEM_CLOCK, Clock
from probes.net import Net
from probes.result import ProbeFailure
from probes.tasks import cancel

LOG = logging.getLogger("mailcanary")

STOP_SECONDS = 10.0

RECENT_CANARIES = 20

FIRST_SHOWN = 3
"""Paths and jobs that the log names with the time of their first run."""

LEDGER_REFUSED = "configuration not fully reloaded: the ledger refused, see the log"


@dataclass(frozen=True, slots=True)
class ReloadProblem:
    """Why a reload was not done; `is_in_file` if the configuration is to be mended."""

    text: str
    is_in_file: bool


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
        vantage = config.service.vantage
        self.metrics = Metrics(version("mailcanary"), clock, log_lines_dropped, vantage)
        self.publisher = Publisher()
        self.supervisor = Supervisor(self.publisher.task_restarted)
        self.loop_monitor = LoopMonitor(
            self.publisher.loop_lagged, clock, supervisor=self.supervisor
        )
        self._clock = clock
        self._net = build_net(config, clock)
        self._ledger = ledger
        self.run_buffer = RunBuffer(ledger, self.publisher, supervisor=self.supervisor)
        self.arrivals = Arrivals(
            *(self.net, ledger, self.publisher, clock, self.supervisor),
            site=lambda: self.config.service.site,
        )
        self._expiry = Expiry(ledger, self.arrivals, self.publisher, clock)
        observations = RecentObservations()
        self.publisher.subscribe(
            self.arrivals,
            *subscribers,
            MetricsSubscriber(self.metrics),
            ObservationsSubscriber(observations),
            LogSubscriber(clock),
        )
        self.health = HealthRecorder(
            observations, self.arrivals.watchers, ledger, self.publisher, clock
        )
        cleaner = Cleaner(self.net, ledger, self.publisher, clock)
        self._housekeeping = Housekeeping(
            lambda: self.config, cleaner, ledger, self.publisher, clock
        )
        self.starter = Starter(
            lambda: self.config,
            self.net,
            ledger,
            self.run_buffer,
            self.publisher,
            self.loop_monitor.worst_since,
            clock,
        )
        self._schedule = Schedule(config, self.starter.start, self.publisher.slots_missed, clock)
        self._reloading = asyncio.Lock()
        self._is_running = False

    def net(self) -> Net:
        """The network of the configuration in force."""
        return self._net

    def not_ready(self) -> list[str]:
        """Return a line for each thing that is waited for; empty once the service is ready.

        The configuration is loaded and the ledger is open as long as there is a service.
        """
        schedule = [] if self._is_running else ["the schedule does not run"]
        return [*schedule, *self.arrivals.not_ready()]

    async def start(self) -> None:
        """Take up the state that an earlier process left, then watch; nothing is sent yet."""
        self.publisher.configured(self.config)
        await self._show_the_past()
        for change in await self._ledger.resume():
            LOG.info("resumed %s: %s", change.record.token, change.event)
            self.publisher.canary_changed(change)
        await self.arrivals.watch(self.config.mailboxes)

    async def _show_the_past(self) -> None:
        """Publish the last runs and canaries of earlier processes, also the canaries in flight."""
        for name in [*self.config.paths, *self.config.jobs]:
            for run in reversed(await self._ledger.runs(name, KEPT)):
                self.publisher.run_resumed(run)
        for path in self.config.paths:
            recent = await self._ledger.recent(path, RECENT_CANARIES)
            for record in reversed(recent):
                self.publisher.canary_resumed(record)
            await self._show_evidence(recent)
        for record in await self._ledger.in_flight():
            self.publisher.canary_resumed(record)

    async def _show_evidence(self, recent: Iterable[CanaryRecord]) -> None:
        """Publish the findings in the newest settled canary's copies: they decide its judgement."""
        settled = (one for one in recent if one.outcome is not None and one.tick >= 0)
        newest = next(settled, None)
        if newest is not None and newest.place is not None:
            documents = await self._ledger.evidence(newest.token)
            self.publisher.evidence_resumed(newest, canary_findings(None, documents))

    async def run(
        self, stop: asyncio.Event, *, at_once: bool = False, scheduled: bool = True
    ) -> None:
        """Send, settle and clean until `stop` is set; then end the work under way, bounded.

        With `at_once` everything also runs in the current slot, not only from the next one on.
        Without `scheduled` nothing runs in later slots.
        """
        if scheduled:
            self._schedule.replace(self.config, await self._ledger.last_ticks())
        scheduler = self._schedule.run(self.supervisor)
        tasks = [
            asyncio.create_task(scheduler, name="keep scheduler"),
            self._kept("expiry", self._expiry.run),
            self._kept("cleaning", self._housekeeping.run),
            self._kept("health", self.health.run),
            asyncio.create_task(self._check_ledger(), name="ledger check"),
        ]
        first = self._schedule.start_now(self.config) if at_once else []
        for warning in self.config.warnings:
            LOG.warning("%s", warning)
        LOG.info("%s", self._introduction())
        self._is_running = True
        try:
            await stop.wait()
        finally:
            self._is_running = False
            await self._schedule.stop(STOP_SECONDS)
            await cancel([*tasks, *first])

    def _introduction(self) -> str:
        """Say what runs, and what begins when."""
        config = self.config
        counts = (
            f"{len(config.paths)} paths, {len(config.jobs)} jobs, {len(config.mailboxes)} mailboxes"
        )
        due = ", ".join(
            f"{name} in {seconds:.0f} s" for name, seconds in self._schedule.next_due(FIRST_SHOWN)
        )
        text = f"mailcanary {version('mailcanary')}: {counts} from {config.source}"
        return f"{text}; first due: {due}" if due else text

    async def _check_ledger(self) -> None:
        """Look for damage beside the work: that of a large ledger takes half a minute."""
        with self.publisher.attempting("ledger check"):
            await self._ledger.check()

    def _kept(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(self.supervisor.keep(name, work), name=f"keep {name}")

    async def reload(self) -> ReloadProblem | None:
        """Read the configuration file again, one reload at a time; return why it was not done.

        A broken file changes nothing, nor does a ledger that cannot be read. One that refuses
        later leaves the reload half done; the next one completes it.
        """
        async with self._reloading:
            problem: ReloadProblem | None = ReloadProblem(LEDGER_REFUSED, is_in_file=False)
            with self.publisher.attempting("configuration not fully reloaded"):
                problem = await self._reload()
            if problem is not None:
                self.publisher.config_reloaded(ok=False)
            return problem

    async def _reload(self) -> ReloadProblem | None:
        try:
            config = await asyncio.to_thread(load, FilePath(self.config.source))
            net = build_net(config, self._clock)
        except (ConfigError, ProbeFailure) as error:  # the machine is out of resources, say
            LOG.error("configuration not reloaded:\n%s", error)  # noqa: TRY400 - our own words
            is_in_file = isinstance(error, ConfigError)
            return ReloadProblem(f"configuration not reloaded:\n{error}", is_in_file=is_in_file)
        await self._ledger.last_ticks()  # a ledger that refuses does so before anything changed
        # sessions that are under way keep their places
        self._net = replace(net, limiter=self._net.limiter)
        old, self.config = self.config, config
        _warn_of_restart(old, config)
        for warning in config.warnings:
            LOG.warning("%s", warning)
        self.publisher.configured(config)
        await self.arrivals.watch(config.mailboxes)
        self._schedule.replace(config, await self._ledger.last_ticks())
        self.publisher.config_reloaded(ok=True)
        LOG.info("configuration reloaded: %d paths, %d jobs", len(config.paths), len(config.jobs))
        return None


def _warn_of_restart(old: Config, new: Config) -> None:
    for field in ("listen_address", "listen_port", "ledger", "ledger_group", "vantage"):
        if getattr(old.service, field) != getattr(new.service, field):
            LOG.warning("%s changed: it takes effect after a restart", field)
