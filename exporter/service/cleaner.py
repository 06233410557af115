"""Taking our own canaries out of the mailboxes again, and saying where that cannot be done."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from exporter.ledger.ledger import Ledger
from exporter.model import CanaryRecord, Mailbox
from exporter.service.publisher import Publisher
from probes.clock import Clock
from probes.net import Net
from probes.registry.rows import MAILBOXES
from probes.result import ProbeFailure

LOG = logging.getLogger("mailcanary")

FIRST_PAUSE = 60.0
LONGEST_PAUSE = 3600.0
"""Seconds between two attempts where the first ones failed."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why the canaries of a mailbox stay in it, and when to try again (monotonic)."""

    mailbox: Mailbox
    detail: str
    pause: float
    again_at: float


class Cleaner:
    """Removes settled canaries kept long enough, by id and only if they bear our token.

    Canaries stay where the server cannot remove single messages (UIDPLUS, RFC 4315), or where
    anything else goes wrong. The log says so once, the metric for as long as it lasts.
    """

    def __init__(
        self, net: Callable[[], Net], ledger: Ledger, publisher: Publisher, clock: Clock
    ) -> None:
        self._net = net
        self._ledger = ledger
        self._publisher = publisher
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    async def clean(self, mailbox: Mailbox) -> None:
        """One attempt, if there is something to remove and it is time. Raises LedgerError."""
        keep = MAILBOXES[mailbox.kind].keep(mailbox.target)
        if keep is None or not self._is_time(mailbox):
            return
        before = self._clock.utc() - timedelta(seconds=keep)
        due = _by_folder(await self._ledger.removable(mailbox.name, before))
        if not due:
            return
        try:
            for (folder, epoch), tokens in due.items():
                await self._remove(mailbox, folder, epoch, tokens)
        except ProbeFailure as failure:
            self._failed(mailbox, failure)
        else:
            self._succeeded(mailbox)

    async def _remove(
        self, mailbox: Mailbox, folder: str, epoch: str, tokens: dict[str, str]
    ) -> None:
        remove = MAILBOXES[mailbox.kind].remove
        gone = await remove(self._net(), mailbox.target, folder, epoch, tokens)
        await self._ledger.removed(gone, folder=folder)

    def _is_time(self, mailbox: Mailbox) -> bool:
        """Another configuration of the mailbox may have ended its trouble."""
        trouble = self._troubles.get(mailbox.name)
        if trouble is None or trouble.mailbox != mailbox:
            return True
        return self._clock.monotonic() >= trouble.again_at

    def _failed(self, mailbox: Mailbox, failure: ProbeFailure) -> None:
        before = self._troubles.get(mailbox.name)
        pause = FIRST_PAUSE if before is None else min(before.pause * 2, LONGEST_PAUSE)
        again_at = self._clock.monotonic() + pause
        detail = f"{failure.reason}: {failure.detail}"
        self._troubles[mailbox.name] = _Trouble(mailbox, detail, pause, again_at)
        self._publisher.mailbox_cleaned(mailbox.name, ok=False)
        if before is None or before.detail != detail:
            LOG.warning("mailbox %s: our canaries stay in it: %s", mailbox.name, detail)

    def _succeeded(self, mailbox: Mailbox) -> None:
        self._publisher.mailbox_cleaned(mailbox.name, ok=True)
        if self._troubles.pop(mailbox.name, None) is not None:
            LOG.info("mailbox %s: our canaries are removed again", mailbox.name)


def _by_folder(
    records: Iterable[CanaryRecord],
) -> dict[tuple[str, str], dict[str, str]]:
    """Id -> token of each folder that holds canaries."""
    folders: dict[tuple[str, str], dict[str, str]] = {}
    for record in records:
        place = record.place
        if place is not None:
            folders.setdefault((place.folder, place.epoch), {})[place.id] = record.token
    return folders
