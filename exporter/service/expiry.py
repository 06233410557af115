"""Canaries that nobody found in time are settled as lost."""

import asyncio
from collections.abc import Collection

from exporter.ledger.ledger import Ledger
from exporter.service.arrivals import Arrivals
from exporter.service.publisher import Publisher
from probes.clock import Clock

EXPIRY_SECONDS = 1.0


class Expiry:
    """Settles canaries that were looked for in vain, and publishes each change."""

    def __init__(
        self, ledger: Ledger, arrivals: Arrivals, publisher: Publisher, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._arrivals = arrivals
        self._publisher = publisher
        self._clock = clock

    async def run(self) -> None:
        """Settle again and again, until cancelled."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            if not self._arrivals.not_ready():  # else an earlier canary may be lying there
                await self.expire()

    async def expire(self, *, only: Collection[str] | None = None) -> None:
        """Settle all canaries that have waited long enough, or only those with these tokens."""
        with self._publisher.attempting("expiry"):
            now, looked = self._clock.now(), self._arrivals.looked()
            folders, owners = self._arrivals.folders(), self._arrivals.owners()
            for change in await self._ledger.expire(
                now, looked, only=only, folders=folders, owners=owners
            ):
                self._publisher.canary_changed(change)
