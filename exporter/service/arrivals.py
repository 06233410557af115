"""Watch the mailboxes and settle canaries by the reports of the watches."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from exporter.ledger.ledger import Ledger
from exporter.model import CanaryRecord, Change, Mailbox
from exporter.service.examiner import Examiner
from exporter.service.mailbox_watcher import MailboxWatcher
from exporter.service.publisher import Publisher, Subscriber
from exporter.service.runs import event_of, unstored
from exporter.service.supervision import Supervisor, log_error
from probes.canary.lifecycle import UNSETTLED
from probes.canary.message import site_of
from probes.clock import Clock, Instant
from probes.mailboxes.interface import Content, Cursor, Look, News, Report, Sighting, message_of
from probes.net import Net
from probes.registry.rows import MAILBOXES
from probes.result import Owner
from probes.tasks import cancel

LOG = logging.getLogger("mailcanary")

COPIES_AT_A_TIME = 2
"""Whole messages of all mailboxes that are held in memory, 16 MiB each at most."""


class Arrivals(Subscriber):
    """Watches the configured mailboxes and records in the ledger the canaries seen there.

    `net` is called anew for every session, so that a reload takes effect. It is a subscriber of its
    own publisher: each change of a canary decides whether the watchers wait for it.

    With `only_own` it acts only on canaries with a change published by this process. The service,
    another process, reads the same mailboxes. It settles and counts all other canaries, and it
    alone stores how far a folder has been read.

    A token with another `site` than ours belongs to another monitor at the same mailbox.
    """

    def __init__(
        self,
        net: Callable[[], Net],
        ledger: Ledger,
        publisher: Publisher,
        clock: Clock,
        supervisor: Supervisor,
        *,
        only_own: bool = False,
        site: Callable[[], str] = lambda: "",
    ) -> None:
        self._site = site
        self._own: set[str] | None = set() if only_own else None
        self._supervisor = supervisor
        self._net = net
        self._ledger = ledger
        self._publisher = publisher
        self._clock = clock
        self._examiner = Examiner(ledger, publisher)
        self._room = asyncio.Semaphore(COPIES_AT_A_TIME)
        self._watchers: dict[str, MailboxWatcher] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, Mailbox] = {}
        self._publishing: set[asyncio.Task[None]] = set()

    @property
    def watchers(self) -> Mapping[str, MailboxWatcher]:
        """The mailbox watchers by mailbox name."""
        return self._watchers

    def not_ready(self) -> list[str]:
        """Return a line for each mailbox without a first success or failure; empty once ready."""
        return [
            f"mailbox {name} has not been looked at yet"
            for name, watcher in self._watchers.items()
            if not watcher.settled.is_set()
        ]

    async def watch(self, wanted: Mapping[str, Mailbox]) -> None:
        """End the watches of mailboxes that went or changed, begin those of new or changed ones."""
        gone = [name for name, mailbox in self._watched.items() if mailbox != wanted.get(name)]
        await cancel([self._watching.pop(name) for name in gone])
        for name in gone:
            del self._watchers[name], self._watched[name]
        for name, mailbox in wanted.items():
            if name not in self._watching:
                await self._begin(mailbox)

    async def close(self) -> None:
        """End the watches; their last sightings are still published."""
        await cancel(self._watching.values())
        await asyncio.gather(*self._publishing, return_exceptions=True)

    def canary_changed(self, change: Change) -> None:
        """Tell the watchers whether this canary is waited for: its copy, or news of it."""
        if self._own is not None:
            self._own.add(change.record.token)
        for watcher in self._watchers.values():
            _tell(watcher, change.record)

    def looked(self) -> dict[str, Instant]:
        """When the last complete look at each mailbox began that can be read now."""
        looks = {name: watcher.looked for name, watcher in self._watchers.items()}
        return {name: looked for name, looked in looks.items() if looked is not None}

    def folders(self) -> dict[str, str]:
        """The folders that are read in each mailbox, or why it cannot be read, in words."""
        return {name: watcher.reading for name, watcher in self._watchers.items()}

    def owners(self) -> dict[str, Owner]:
        """Who has to act for each mailbox that cannot be read."""
        failures = {name: watcher.state.failure for name, watcher in self._watchers.items()}
        return {name: failure.owner for name, failure in failures.items() if failure is not None}

    async def _begin(self, mailbox: Mailbox) -> None:
        kind = MAILBOXES[mailbox.kind]

        async def watch(
            watcher: MailboxWatcher, cursors: Mapping[str, Cursor], report: Report
        ) -> None:
            await kind.watch(self._net(), mailbox.target, watcher, cursors, report)

        watcher = MailboxWatcher(
            mailbox.name,
            watch,
            self._clock,
            report=partial(self._on_report, mailbox.name),
            changed_state=partial(self._publisher.mailbox_changed, mailbox.name),
            cursors={} if self._own is not None else await self._ledger.cursors(mailbox.name),
            room=self._room,
        )
        self._watchers[mailbox.name] = watcher
        if self._own is None:
            await self._take_over(watcher)
        name = f"watch {mailbox.name}"
        kept = self._supervisor.keep(name, watcher.run, on_error=watcher.ended)
        self._watching[mailbox.name] = asyncio.create_task(kept, name=f"keep {name}")
        self._watched[mailbox.name] = mailbox

    async def _take_over(self, watcher: MailboxWatcher) -> None:
        """Give a new watcher the unexamined copies and the canaries in flight in the ledger."""
        for message in await self._ledger.unexamined(watcher.name):
            watcher.want(message)
        for record in await self._ledger.in_flight():
            _tell(watcher, record)

    async def _on_report(self, mailbox: str, report: News) -> None:
        """Store a watch's report before the watch goes on.

        A ledger that refuses ends the session: the next session sees the same again.
        """
        if not self._is_ours(report):
            return
        with self._publisher.attempting(f"mailbox {mailbox}") as attempt:
            await self._take(mailbox, report)
        if attempt.refusal is not None:
            raise unstored(attempt.refusal) from attempt.refusal

    def _is_ours(self, report: News) -> bool:
        """False for a report on which only the service beside this process acts."""
        if self._own is None:
            return True
        if isinstance(report, Sighting):
            return report.token in self._own
        return not isinstance(report, Cursor)

    async def _take(self, mailbox: str, report: News) -> None:
        if isinstance(report, Look):
            self._publisher.mailbox_looked(mailbox, report.began.utc)
        elif isinstance(report, Cursor):
            await self._ledger.save_cursor(mailbox, report)
        elif isinstance(report, Sighting):
            await self._to_its_end(self._on_sighting(mailbox, report))
        elif isinstance(report, Content):
            await self._on_content(self._watched[mailbox], report)

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`; a cancelled caller does not cancel it.

        The end of a watch must not prevent the publication of a change that the ledger has taken.
        Otherwise the outcome would never be counted.
        """
        task = asyncio.create_task(work, name="sighting")
        self._publishing.add(task)
        task.add_done_callback(self._published)
        await asyncio.shield(task)

    def _published(self, task: asyncio.Task[None]) -> None:
        """Log a failure here: a watch that has ended does not hear of it."""
        self._publishing.discard(task)
        log_error(task)

    async def _on_sighting(self, mailbox: str, sighting: Sighting) -> None:
        event = event_of(sighting)
        if event is None:
            LOG.info("mailbox %s: %s was passed on, says a report", mailbox, sighting.token)
            return
        change = await self._ledger.record(
            sighting.token, event, sighting.seen, sighting=sighting, mailbox=mailbox
        )
        if change is None and site_of(sighting.token) != self._site():
            LOG.debug("mailbox %s: %s is another monitor's", mailbox, sighting.token)
        elif change is None:
            self._publisher.canary_forged(mailbox)
        else:
            self._publisher.canary_changed(change)
            watcher = self._watchers.get(mailbox)
            if watcher is not None:
                watcher.want(message_of(sighting))

    async def _on_content(self, mailbox: Mailbox, content: Content) -> None:
        if content.octets is None:
            LOG.warning(
                "mailbox %s: %s not read: %s", mailbox.name, content.message.token, content.why
            )
        trusted = MAILBOXES[mailbox.kind].trusted_authserv_ids(mailbox.target)
        await self._examiner.examine(self._net(), content, trusted)


def _tell(watcher: MailboxWatcher, record: CanaryRecord) -> None:
    """Whether this mailbox may have the canary's copy, or the bounce that its sender gets."""
    if record.state not in UNSETTLED or record.sending_at is None:
        watcher.forget(record.token)
    elif record.mailbox == watcher.name:
        watcher.expect(record.token, record.sending_at)
    else:
        watcher.expect_news(record.token, record.sending_at)
