"""Give probes the DKIM selectors that the service saw on its own canaries.

A kind that can use them says so in its row of the registry.
"""

from dataclasses import replace
from datetime import datetime

from exporter.ledger.ledger import Ledger
from exporter.ledger.reader import reading
from exporter.model import Job
from probes.canary.dkim_selectors import LearntSelector
from probes.registry.row_types import Kind
from probes.registry.rows import KINDS


async def with_known_selectors(job: Job, ledger: Ledger, now: datetime) -> Job:
    """Return the job with the selectors seen for its domain. Raises LedgerError."""
    kind = KINDS[job.kind]
    if kind.with_selectors is None:
        return job
    return _with(job, kind, await ledger.selectors(kind.host(job.target), now))


def with_known_selectors_of_file(job: Job, ledger: str, now: datetime) -> Job:
    """Do the same beside a service, by the file of its ledger. Raises LedgerError."""
    kind = KINDS[job.kind]
    if kind.with_selectors is None:
        return job
    with reading(ledger) as reader:
        return _with(job, kind, reader.selectors(kind.host(job.target), now))


def _with(job: Job, kind: Kind, learnt: tuple[LearntSelector, ...]) -> Job:
    if kind.with_selectors is None:
        return job
    return replace(job, target=kind.with_selectors(job.target, learnt))
