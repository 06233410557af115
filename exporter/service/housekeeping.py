"""Remove our own old canaries from the mailboxes and old rows from the ledger."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from exporter.ledger.ledger import Ledger
from exporter.model import Config
from exporter.service.cleaner import Cleaner
from exporter.service.publisher import Publisher
from probes.clock import Clock

CLEANING_SECONDS = 30.0


class Housekeeping:
    """Cleans again and again; `config` is asked each time, so that a reload takes effect."""

    def __init__(
        self,
        config: Callable[[], Config],
        cleaner: Cleaner,
        ledger: Ledger,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._config = config
        self._cleaner = cleaner
        self._ledger = ledger
        self._publisher = publisher
        self._clock = clock

    async def run(self) -> None:
        """Clean at once and again and again, until cancelled; a short-lived service cleans, too."""
        while True:
            await self.clean()
            await asyncio.sleep(CLEANING_SECONDS)

    async def clean(self) -> None:
        """Clean every mailbox once, then the ledger."""
        config = self._config()
        with self._publisher.attempting("cleaning"):
            for mailbox in config.mailboxes.values():
                await self._cleaner.clean(mailbox)
            keep = timedelta(seconds=config.service.keep_runs)
            await self._ledger.forget(self._clock.utc() - keep)
