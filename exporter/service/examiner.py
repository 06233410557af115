"""Examine the copies in the mailboxes, off the event loop, and store their evidence.

The examination comes after the canary was settled, and does not change its outcome.
"""

import asyncio
import logging
from collections.abc import Collection

from exporter.ledger.ledger import Ledger
from exporter.model import ArrivedCopy
from exporter.service.publisher import Publisher
from probes.canary.evidence import Evidence, ExaminationContext, examine, unread
from probes.lookups.dkim_keys import keys_for
from probes.lookups.organisational_domains import organisations_for
from probes.mailboxes.interface import Content
from probes.net import Net
from probes.result import ProbeFailure

LOG = logging.getLogger("mailcanary.evidence")


async def examine_copy(
    net: Net, copy: ArrivedCopy, content: Content, trusted_ids: Collection[str]
) -> Evidence:
    """Everything the copy proves. DKIM keys are looked up first, so that nothing waits in a thread.

    A message that could not be read is evidence too, which says so.
    """
    if content.octets is None:
        return unread(content.why, copy.placement)
    keys = None if content.is_header_only else await keys_for(content.octets, net.resolver)
    known = ExaminationContext(
        at=copy.times.seen_at or net.clock.utc(),
        times=copy.times,
        lookup=keys,
        trusted_ids=trusted_ids,
        organisation=await organisations_for(content.octets, net.resolver),
        placement=copy.placement,
        folder=content.message.place.folder,
        category=content.category,
        is_header_only=content.is_header_only,
    )
    return await asyncio.to_thread(examine, content.octets, copy.sent, known)


class Examiner:
    """Examines the contents that the watches of all mailboxes fetch, and publishes the evidence."""

    def __init__(self, ledger: Ledger, publisher: Publisher) -> None:
        self._ledger = ledger
        self._publisher = publisher

    async def examine(self, net: Net, content: Content, trusted_ids: Collection[str]) -> None:
        """Examine one message, store its evidence and publish it.

        If the ledger refuses, the evidence is lost, not the watch: at the next start the copy is
        wanted again. The same holds for an examination that fails, which is a bug of ours.
        """
        try:
            with self._publisher.attempting("evidence not kept"):
                await self._examine(net, content, trusted_ids)
        except ProbeFailure as failure:  # out of descriptors, say
            LOG.warning("%s not examined: %s", content.message, failure.detail)
        except Exception:
            LOG.exception("unexpected error in examining %s", content.message)

    async def _examine(self, net: Net, content: Content, trusted_ids: Collection[str]) -> None:
        copy = await self._ledger.copy_at(content.message)
        if copy is None:
            return  # forgotten meanwhile, or moved on
        evidence = await examine_copy(net, copy, content, trusted_ids)
        self._publisher.copy_examined(await self._ledger.add_evidence(copy, evidence))
