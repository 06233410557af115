"""The steps of one canary in their order, from DNS to the mailbox."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.model import CanaryRecord
from exporter.reports.story import Story
from probes.result import Failure, Phase, PhaseTiming, ProbeResult


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the way from DNS to the mailbox, in seconds from the beginning of the sending.

    It began between `begin` and `begun`, and ended between `ended` and `end`. For our own timings
    both are one; for a relay they are as far apart as all the clocks leave open.
    """

    name: str
    begin: float
    begun: float
    ended: float
    end: float
    is_hop: bool = False
    is_slowest: bool = False
    is_failed: bool = False

    @property
    def shortest(self) -> float:
        """How long it took at least."""
        return max(0.0, self.ended - self.begun)

    @property
    def longest(self) -> float:
        """How long it took at most."""
        return max(0.0, self.end - self.begin)


def timeline(story: Story) -> tuple[Step, ...]:
    """Return the steps of a canary or of a run of a job."""
    return way(story.result, story.record, story.evidence)


def way(
    result: ProbeResult | None,
    record: CanaryRecord | None,
    evidence: Sequence[Mapping[str, Any]],
) -> tuple[Step, ...]:
    """Return our own timings, the hops from the final dot to the copy, and the look that saw it."""
    steps = [] if result is None else timed(result.timings, result.failure)
    if record is None or record.round_trip is None:
        return (*steps, *_in_vain(record, _end_of_data(result)))
    resolution = min(record.resolution or 0.0, record.round_trip)
    last_look = record.round_trip - resolution
    accepted = _end_of_data(result)
    hops = _hops(evidence, record, _begin_of_mail(result), accepted)
    steps += hops
    low, high = (hops[-1].ended, hops[-1].end) if hops else (accepted or 0.0, accepted or 0.0)
    low, high = min(low, record.round_trip), min(high, record.round_trip)
    arrived_from = max(low, last_look)
    if hops or accepted is not None:  # from the last hop that is told, or from our final dot
        trip = record.round_trip
        steps.append(Step(Phase.TRANSIT, low, high, arrived_from, trip, is_hop=True))
    steps.append(
        Step(Phase.ARRIVAL, arrived_from, arrived_from, record.round_trip, record.round_trip)
    )
    return tuple(steps)


def _in_vain(record: CanaryRecord | None, accepted: float | None) -> Iterable[Step]:
    """How long a canary was waited for that was taken over and did not come."""
    if record is None or record.settled_at is None or record.sending_at is None:
        return
    waited = (record.settled_at - record.sending_at).total_seconds()
    if accepted is not None and record.accepted_at is not None and waited > accepted:
        yield Step(Phase.TRANSIT, accepted, accepted, waited, waited, is_failed=True)


def timed(timings: Sequence[PhaseTiming], failure: Failure | None) -> list[Step]:
    """Return the phases we timed; the last one failed if the failure is of that phase."""
    last = len(timings) - 1
    return [
        Step(
            timing.phase,
            timing.start,
            timing.start,
            timing.start + timing.seconds,
            timing.start + timing.seconds,
            is_failed=failure is not None and number == last and failure.phase is timing.phase,
        )
        for number, timing in enumerate(timings)
    ]


def _end_of_data(result: ProbeResult | None) -> float | None:
    timings = () if result is None else result.timings
    ends = [one.start + one.seconds for one in timings if one.phase is Phase.END_OF_DATA]
    return ends[-1] if ends else None


def _begin_of_mail(result: ProbeResult | None) -> float:
    """From when on the first relay can have stamped the message."""
    timings = () if result is None else result.timings
    begins = [one.start for one in timings if one.phase is Phase.MAIL]
    return begins[-1] if begins else 0.0


def _hops(
    evidence: Sequence[Mapping[str, Any]],
    record: CanaryRecord,
    begin_of_mail: float,
    accepted: float | None,
) -> list[Step]:
    """Where on our clock each relay of the first copy can have stamped it."""
    if not evidence or record.sending_at is None or record.round_trip is None:
        return []
    steps: list[Step] = []
    low, high = begin_of_mail, accepted if accepted is not None else record.round_trip
    for hop in evidence[0]["hops"]:
        before = (low, high)
        low, high = _instant(hop, record.sending_at, before, is_first=not steps)
        high = min(high, record.round_trip)
        low = min(low, high)
        name = f"hop {hop['position']} {hop['by'] or hop['from'] or ''}".rstrip()
        begin, begun = before if steps else (low, low)
        is_slowest = hop["position"] == evidence[0]["slowest_hop"]
        steps.append(Step(name, begin, begun, low, high, is_hop=True, is_slowest=is_slowest))
    return steps


def _instant(
    hop: Mapping[str, Any], began: datetime, before: tuple[float, float], *, is_first: bool
) -> tuple[float, float]:
    """Between which seconds the hop was reached: by its delay, and by its own clock if told."""
    low, high = before
    delay, offset = hop["delay_seconds"], hop["clock_offset_seconds"]
    if not is_first:
        most = None if delay is None else delay["max"]
        low += 0.0 if delay is None else delay["min"]
        high = float("inf") if most is None else high + most
    stamp = None if hop["date"] is None else datetime.fromisoformat(hop["date"])
    if stamp is not None and stamp.tzinfo is not None and offset is not None:
        seconds = (stamp - began).total_seconds()
        low = max(low, seconds - offset["max"])
        high = min(high, seconds + 1.0 - offset["min"])
    return low, max(low, high)
