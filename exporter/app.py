"""The service: everything wired together, started in order and stopped without losing anything."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Any

from exporter.config import ConfigError, load
from exporter.ledger import Ledger, LedgerError
from exporter.metrics import Metrics
from exporter.model import CanaryRecord, Change, Config, Mailbox, Run
from exporter.runs import Publisher, event_of, finish, log_bug, path_host, probe, send
from exporter.scheduler import Entry, Scheduler, tick_at
from exporter.watcher import MailboxWatcher, WatchState
from exporter.web.application import HttpState
from exporter.web.health import LoopMonitor
from exporter.web.server import serve
from probes.canary.lifecycle import UNSETTLED
from probes.clock import SYSTEM_CLOCK, Clock
from probes.mailboxes import Cursor, Look, Report, Sighting
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.gate import Gate
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.registry import KINDS, MAILBOXES
from probes.result import Owner, ProbeFailure, Reason

LOG = logging.getLogger("mailcanary")

EXPIRY_SECONDS = 1.0
CLEANING_SECONDS = 30.0
STOP_SECONDS = 10.0
RECENT_CANARIES = 20


def build_net(config: Config, clock: Clock = SYSTEM_CLOCK) -> Net:
    """The network as the configuration describes it."""
    service = config.service
    if service.resolvers is None:
        resolver = Resolver.from_system(clock=clock)
    else:
        servers = tuple((server.address, server.port) for server in service.resolvers)
        resolver = Resolver(servers, clock=clock)
    return Net(
        resolver=resolver,
        dialer=_dialer(service.source_address),
        trust=TrustStore(service.ca_file, clock),
        clock=clock,
        ehlo_name=service.ehlo_name,
        gate=Gate(service.max_concurrent_per_host),
    )


def _dialer(source: str | None) -> Dialer:
    if source is None:
        return Dialer()
    return Dialer(source_v6=source) if ":" in source else Dialer(source_v4=source)


class Service:
    """One running service. `config` is the configuration in force.

    `observer` hears every step in every canary's life; it must return at once and never raise.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock = SYSTEM_CLOCK,
        observer: Callable[[Change], None] | None = None,
    ) -> None:
        self.config = config
        self.metrics = Metrics(version("mailcanary"), clock)
        self.loop_monitor = LoopMonitor(self.metrics.loop_lag, clock)
        self._clock = clock
        self._net = build_net(config, clock)
        self._ledger = ledger
        self._observer = observer
        self._publish = Publisher(self._on_change, self._on_run, self.metrics.ledger_error)
        self._watchers: dict[str, MailboxWatcher] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, Mailbox] = {}
        self._publishing: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self._scheduler = Scheduler(
            self._start,
            clock=clock,
            max_concurrent=config.service.max_concurrent,
            max_concurrent_per_host=config.service.max_concurrent_per_host,
            on_missed=self.metrics.missed_slots,
            on_bug=log_bug,
        )

    def not_ready(self) -> list[str]:
        """What has not had its first success or failure yet; empty once the service is ready."""
        return [
            f"mailbox {name} has not been looked at yet"
            for name, watcher in self._watchers.items()
            if not watcher.settled.is_set()
        ]

    @property
    def watchers(self) -> Mapping[str, MailboxWatcher]:
        """The mailbox watchers by mailbox name."""
        return self._watchers

    async def start(self) -> None:
        """Take up what an earlier process left, then watch; nothing is sent yet."""
        self.metrics.configure(self.config)
        await self._show_the_past()
        for change in await self._ledger.resume():
            LOG.info("resumed %s: %s", change.record.token, change.event)
            self._on_change(change)
        for mailbox in self.config.mailboxes.values():
            await self._watch(mailbox)

    async def _show_the_past(self) -> None:
        """Let the metrics say when the last runs were, and what is in flight from before."""
        for name in [*self.config.paths, *self.config.jobs]:
            for run in await self._ledger.runs(name, 1):
                self.metrics.run_resumed(run)
        for path in self.config.paths:
            for record in reversed(await self._ledger.recent(path, RECENT_CANARIES)):
                self.metrics.resumed(record)
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
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._scheduler.run(), name="scheduler"),
            asyncio.create_task(self._expire(), name="expiry"),
            asyncio.create_task(self._clean(), name="cleaning"),
        ]
        first = [self._start_now(entry) for entry in self._entries()] if at_once else []
        stopped = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        await self._scheduler.stop(STOP_SECONDS)
        await _cancel([stopped, *tasks, *first])
        for task in done - {stopped}:
            task.result()

    async def close(self) -> None:
        """End the watches; what they saw last is still published."""
        await _cancel(self._watching.values())
        await asyncio.gather(*self._publishing, return_exceptions=True)

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
        await self._rewatch(config.mailboxes)
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
        return asyncio.create_task(self._start(entry.name, tick), name=f"run {entry.name}")

    async def _start(self, name: str, tick: int) -> None:
        """One slot of the schedule has come."""
        lag = self.loop_monitor.worst_since
        path = self.config.paths.get(name)
        try:
            if path is not None:
                await send(path, tick, self._net, self._ledger, self._publish, lag=lag)
            elif name in self.config.jobs:
                run = await probe(self.config.jobs[name], tick, self._net, lag=lag)
                await finish(run, self._ledger, self._publish)
        except LedgerError as error:
            LOG.error("%s: not started: %s", name, error)  # noqa: TRY400 - our own words
            self.metrics.ledger_error()

    async def _watch(self, mailbox: Mailbox) -> None:
        kind = MAILBOXES[mailbox.kind]

        async def watch(
            watcher: MailboxWatcher, cursors: Mapping[str, Cursor], report: Report
        ) -> None:
            await kind.watch(self._net, mailbox.target, watcher, cursors, report)

        watcher = MailboxWatcher(
            mailbox.name,
            watch,
            self._clock,
            report=partial(self._on_report, mailbox.name),
            changed_state=partial(self._on_watch_state, mailbox.name),
            cursors=await self._ledger.cursors(mailbox.name),
        )
        self._watchers[mailbox.name] = watcher
        for record in await self._ledger.in_flight(mailbox.name):
            self._follow(record)
        self._watching[mailbox.name] = asyncio.create_task(
            watcher.run(), name=f"watch {mailbox.name}"
        )
        self._watched[mailbox.name] = mailbox

    async def _rewatch(self, wanted: Mapping[str, Mailbox]) -> None:
        """End the watches of mailboxes that went or changed, begin those of new or changed ones."""
        gone = [name for name, mailbox in self._watched.items() if mailbox != wanted.get(name)]
        await _cancel([self._watching.pop(name) for name in gone])
        for name in gone:
            del self._watchers[name], self._watched[name]
        for name, mailbox in wanted.items():
            if name not in self._watching:
                await self._watch(mailbox)

    def _follow(self, record: CanaryRecord) -> None:
        """Tell the mailbox's watcher whether this canary is waited for."""
        watcher = self._watchers.get(record.mailbox)
        if watcher is None:
            return
        if record.state in UNSETTLED and record.sending_at is not None:
            watcher.expect(record.token, record.sending_at)
        else:
            watcher.forget(record.token)

    def _on_change(self, change: Change) -> None:
        self._follow(change.record)
        if self._observer is not None:
            self._observer(change)
        if change.record.tick >= 0:
            self.metrics.canary_changed(change)
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

    def _on_watch_state(self, mailbox: str, state: WatchState) -> None:
        self.metrics.mailbox_watch(mailbox, is_up=state.is_up, failure=state.failure)
        if state.failure is not None:
            LOG.warning(
                "mailbox %s cannot be read: %s: %s",
                mailbox,
                state.failure.reason,
                state.failure.detail,
            )

    async def _on_report(self, mailbox: str, report: Look | Sighting | Cursor) -> None:
        """What a watch saw, stored before the watch goes on.

        A ledger that refuses ends the session: the next one sees the same again.
        """
        try:
            if isinstance(report, Look):
                self.metrics.looked(mailbox, report.began.utc)
            elif isinstance(report, Cursor):
                await self._ledger.save_cursor(mailbox, report)
            else:
                await self._to_its_end(self._on_sighting(mailbox, report))
        except LedgerError as error:
            self.metrics.ledger_error()
            raise ProbeFailure(Reason.UNTESTABLE, str(error), owner=Owner.MONITOR) from error

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, which a cancelled caller does not cancel.

        A watch that ends must not come between what the ledger has taken and its publication, or
        the outcome would be counted by nobody.
        """
        task = asyncio.create_task(work, name="sighting")
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
        await asyncio.shield(task)

    async def _on_sighting(self, mailbox: str, sighting: Sighting) -> None:
        event = event_of(sighting)
        if event is None:
            LOG.info("mailbox %s: %s is delayed, not given up", mailbox, sighting.token)
            return
        change = await self._ledger.record(sighting.token, event, sighting.seen, sighting=sighting)
        if change is None:
            self.metrics.forged(mailbox)
            LOG.warning("mailbox %s: a message with a token never issued", mailbox)
        else:
            self._on_change(change)

    async def _expire(self) -> None:
        """Settle as lost what was looked for in vain."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            if self.not_ready():
                continue  # what an earlier process sent may be lying there
            looked = {
                name: watcher.looked
                for name, watcher in self._watchers.items()
                if watcher.looked is not None
            }
            with self._ledger_trouble("expiry"):
                for change in await self._ledger.expire(self._clock.now(), looked):
                    self._on_change(change)

    async def _clean(self) -> None:
        """Remove our own settled canaries from the mailboxes, and old rows from the ledger.

        At once, too: a service that never lives long cleans all the same.
        """
        while True:
            with self._ledger_trouble("cleaning"):
                for mailbox in self.config.mailboxes.values():
                    await self._clean_mailbox(mailbox)
                keep = timedelta(seconds=self.config.service.keep_runs)
                await self._ledger.forget(self._clock.utc() - keep)
            await asyncio.sleep(CLEANING_SECONDS)

    async def _clean_mailbox(self, mailbox: Mailbox) -> None:
        kind = MAILBOXES[mailbox.kind]
        keep = kind.keep(mailbox.target)
        if keep is None:
            return
        before = self._clock.utc() - timedelta(seconds=keep)
        for (folder, uid_validity), tokens in _by_folder(
            await self._ledger.removable(mailbox.name, before)
        ).items():
            try:
                gone = await kind.remove(self._net, mailbox.target, folder, uid_validity, tokens)
            except ProbeFailure as error:
                LOG.warning("mailbox %s: canaries not removed: %s", mailbox.name, error)
                return
            await self._ledger.removed(gone, folder=folder)

    @contextmanager
    def _ledger_trouble(self, what: str) -> Iterator[None]:
        """A ledger that cannot be written is said aloud and tried again, never fatal."""
        try:
            yield
        except LedgerError as error:
            LOG.error("%s: %s", what, error)  # noqa: TRY400 - our own words
            self.metrics.ledger_error()


async def run_service(config: Config) -> None:
    """Run the service until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    Raises LedgerError when the ledger cannot be opened and OSError when the port is taken.
    """
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK)
        stack.push_async_callback(ledger.close)
        service = Service(config, ledger)
        reloads: set[asyncio.Task[bool]] = set()

        def reload() -> None:
            task = asyncio.create_task(service.reload(), name="reload")
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGINT, stop.set)
        loop.add_signal_handler(signal.SIGHUP, reload)
        address, port = config.service.listen_address, config.service.listen_port
        await stack.enter_async_context(serving(service, address, port))
        stack.push_async_callback(lambda: _cancel(reloads))
        await service.run(stop)
        LOG.info("stopped; what is in flight is in the ledger")


@asynccontextmanager
async def serving(service: Service, address: str, port: int) -> AsyncIterator[str]:
    """A started service with its pages; yields the address of the pages."""
    monitor = service.loop_monitor
    state = HttpState(service.metrics, monitor, service.not_ready)
    async with monitor, serve(state, address, port) as bound:
        url = f"http://{f'[{address}]' if ':' in address else address}:{bound}"
        LOG.info("serving %s/metrics", url)
        try:
            await service.start()
            yield url
        finally:
            await service.close()


def _by_folder(
    records: Iterable[CanaryRecord],
) -> dict[tuple[str, int], dict[int, str]]:
    """UID -> token of each folder that holds canaries."""
    folders: dict[tuple[str, int], dict[int, str]] = {}
    for record in records:
        if record.folder is not None and record.uid_validity is not None and record.uid is not None:
            folders.setdefault((record.folder, record.uid_validity), {})[record.uid] = record.token
    return folders


def _warn_of_restart(old: Config, new: Config) -> None:
    for field in ("listen_address", "listen_port", "ledger"):
        if getattr(old.service, field) != getattr(new.service, field):
            LOG.warning("%s changed: it takes effect after a restart", field)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End tasks and wait for their end; what they raise while ending is theirs."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
