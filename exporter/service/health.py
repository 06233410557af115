"""How the parts are that several paths share: the suspects, and which mailboxes can be read."""

import asyncio
from collections.abc import Mapping

from exporter.analysis.mailbox_state import MAILBOX_STATE_SECONDS, MailboxState, to_run
from exporter.analysis.observations import RecentObservations
from exporter.analysis.suspects import find_suspects
from exporter.service.mailbox_watcher import MailboxWatcher
from exporter.service.publisher import Publisher
from exporter.service.run_buffer import RunBuffer
from probes.clock import Clock


class HealthRecorder:
    """Publishes the suspects again and again, and stores the state of every mailbox."""

    def __init__(
        self,
        observations: RecentObservations,
        watchers: Mapping[str, MailboxWatcher],
        run_buffer: RunBuffer,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._observations = observations
        self._watchers = watchers
        self._run_buffer = run_buffer
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
        for name, one in self._watchers.items():
            if one.settled.is_set():
                looked = None if one.looked is None else one.looked.utc
                state = MailboxState(name, now, one.state.is_up, looked, one.state.failure)
                self._run_buffer.add(to_run(state))
