"""The bounds of an arrival that we did not look for in time, in words."""

from collections.abc import Iterator, Sequence

from exporter.analysis.latency import is_measured
from exporter.model import CanaryRecord
from exporter.reports.timeline import Step
from exporter.reports.wording import milliseconds, visible


def arrival_bounds(record: CanaryRecord, pause: float, steps: Sequence[Step]) -> tuple[str, ...]:
    """Return what is known of the arrival where a gap of ours hides it; nothing else.

    `pause` is how many seconds lie between two looks at the mailbox.
    """
    if record.round_trip is None or record.resolution is None or is_measured(record, pause):
        return ()
    return tuple(_bounds(record, record.round_trip, record.resolution, steps))


def _bounds(
    record: CanaryRecord, round_trip: float, resolution: float, steps: Sequence[Step]
) -> Iterator[str]:
    low, high = milliseconds(round_trip - resolution), milliseconds(round_trip)
    yield f"we did not look in time: it arrived between {low} and {high} after it was sent"
    if record.internal_date is not None and record.sending_at is not None:
        taken = (record.internal_date - record.sending_at).total_seconds()
        at = f"{record.internal_date:%Y-%m-%d %H:%M:%S} UTC"
        after = f"{milliseconds(taken)} after" if taken >= 0 else f"{milliseconds(-taken)} before"
        yield f"the mailbox server's date (INTERNALDATE) is {at}, {after} it was sent by its clock"
    hops = [step for step in steps if step.is_hop and step.name.startswith("hop ")]
    if hops:
        last = hops[-1]
        between = f"{milliseconds(last.ended)} and {milliseconds(last.end)}"
        yield f"its Received fields say: {visible(last.name)} had it between {between}"
