"""How the parts are that several paths share: the suspects, and which mailboxes can be read."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from exporter.analysis.mailbox_state import MAILBOX_STATE_SECONDS, MailboxState
from exporter.analysis.observations import RecentObservations
from exporter.analysis.suspects import find_suspects
from exporter.ledger.ledger import Ledger
from exporter.service.mailbox_watcher import MailboxWatcher
from exporter.service.publisher import Publisher
from probes.clock import Clock


class HealthRecorder:
    """Publishes the suspects again and again, and stores the state of every mailbox."""

    def __init__(
        self,
        observations: RecentObservations,
        watchers: Mapping[str, MailboxWatcher],
        ledger: Ledger,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._observations = observations
        self._watchers = watchers
        self._ledger = ledger
        self._publisher = publisher
        self._clock = clock

    async def run(self) -> None:
        """Record until cancelled; the suspects of one moment may be cleared in the next."""
        while True:
            await asyncio.sleep(MAILBOX_STATE_SECONDS)
            await self.record()

    async def record(self) -> None:
        """Publish the suspects of this moment, and store the mailboxes' states."""
        now = self._clock.utc()
        unreadable = [name for name, one in self._watchers.items() if not one.state.is_up]
        seen = self._observations.at(now)
        self._publisher.suspects_found(await asyncio.to_thread(find_suspects, seen, unreadable))
        states = self._mailbox_states(now)
        if states:
            with self._publisher.attempting("the states of the mailboxes are not stored"):
                await self._ledger.save_mailbox_states(states)

    def _mailbox_states(self, now: datetime) -> tuple[MailboxState, ...]:
        """Return the states of the mailboxes that were looked at, or failed, at least once."""
        return tuple(
            _mailbox_state(name, one, now)
            for name, one in self._watchers.items()
            if one.settled.is_set()
        )


def _mailbox_state(name: str, watcher: MailboxWatcher, now: datetime) -> MailboxState:
    looked_at = None if watcher.looked is None else watcher.looked.utc
    return MailboxState(name, now, watcher.state.is_up, looked_at, watcher.state.failure)
