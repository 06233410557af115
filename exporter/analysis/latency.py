"""Whether a round trip was measured, or whether a gap in our looking hides it."""

from collections.abc import Iterable

from exporter.model import CanaryRecord, Mailbox

FRESH_SECONDS = 30.0
"""A canary that is younger is looked for many times a second."""

SLACK_SECONDS = 5.0
"""A look may take that long, and begin that much later than it was due."""

DEFAULT_PAUSE = 15.0
"""Seconds between two looks of a mailbox type that has no option `poll`."""


def usual_pause(mailbox: Mailbox | None) -> float:
    """Seconds between two looks at a mailbox while a canary is under way."""
    return float(getattr(getattr(mailbox, "target", None), "poll", DEFAULT_PAUSE))


def is_measured(record: CanaryRecord, pause: float) -> bool:
    """True if the looks around the arrival were as close together as they always are.

    Otherwise we did not look for a while (the mailbox, the process or the machine was down), and
    the round trip is mostly our own gap.
    """
    if record.round_trip is None:
        return False
    if record.resolution is None:
        return True
    was_fresh = record.round_trip - record.resolution < FRESH_SECONDS - SLACK_SECONDS
    longest = SLACK_SECONDS if was_fresh else max(pause, SLACK_SECONDS) + SLACK_SECONDS
    return record.resolution <= longest


def measured(records: Iterable[CanaryRecord], pause: float) -> list[float]:
    """Return the round trips that were measured, in the order of the records."""
    return [
        one.round_trip for one in records if one.round_trip is not None and is_measured(one, pause)
    ]
