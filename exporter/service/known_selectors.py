"""What the service learnt from its canaries and hands to the probes that can use it.

So far: the DKIM selectors with which mail of a domain is signed, for jobs of kind `sender`.
"""

from dataclasses import replace
from datetime import datetime

from exporter.ledger.ledger import Ledger
from exporter.ledger.reader import reading
from exporter.model import Job
from probes.canary.dkim_selectors import LearntSelector
from probes.kinds.sender.probe import SenderTarget


async def with_known_selectors(job: Job, ledger: Ledger, now: datetime) -> Job:
    """The job with what the service learnt about its target. Raises LedgerError."""
    if not isinstance(job.target, SenderTarget):
        return job
    return _with(job, job.target, await ledger.selectors(job.target.domain, now))


def with_known_selectors_of_file(job: Job, ledger: str, now: datetime) -> Job:
    """The same beside a service, by the file of its ledger. Raises LedgerError."""
    if not isinstance(job.target, SenderTarget):
        return job
    with reading(ledger) as reader:
        return _with(job, job.target, reader.selectors(job.target.domain, now))


def _with(job: Job, target: SenderTarget, learnt: tuple[LearntSelector, ...]) -> Job:
    return replace(job, target=replace(target, learnt=learnt))
