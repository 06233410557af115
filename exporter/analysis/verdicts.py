"""The verdict on a path, from its canaries."""

from enum import StrEnum

from exporter.model import CanaryRecord
from probes.canary.lifecycle import Outcome
from probes.result import Failure

SUCCESS = frozenset({Outcome.ARRIVED, Outcome.LATE})
"""Outcomes of a mail path that works."""


class Verdict(StrEnum):
    """How a run or a part of it ended."""

    OK = "ok"
    FAILED = "failed"
    UNTESTABLE = "untestable"


def verdict_of(failure: Failure | None) -> Verdict:
    """Return untestable if the monitor failed and not the measured server."""
    if failure is None:
        return Verdict.OK
    return Verdict.UNTESTABLE if failure.is_untestable else Verdict.FAILED


def path_verdict(record: CanaryRecord, outcome: Outcome) -> Verdict:
    """Return the verdict on a canary. A fault of ours, or an unknown end, is untestable."""
    if outcome in SUCCESS:
        return Verdict.OK
    if outcome is Outcome.UNTESTABLE:
        return Verdict.UNTESTABLE
    if outcome is Outcome.LOST and record.accepted_at is None and record.failure is None:
        return Verdict.UNTESTABLE  # the sender died: nobody knows whether it was handed over
    if outcome in (Outcome.JUNKED, Outcome.BOUNCED):
        return Verdict.FAILED
    return (
        Verdict.UNTESTABLE if verdict_of(record.failure) is Verdict.UNTESTABLE else Verdict.FAILED
    )
