"""Apply an event to a canary's record: pure, so that the ledger only has to store it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from exporter.ledger.handed_over import lost
from exporter.model import CanaryRecord, Change
from probes.canary.bounce import failure_of
from probes.canary.lifecycle import UNSETTLED, Event, Outcome, State, advance
from probes.clock import Instant
from probes.mailboxes.interface import Placement, Sighting
from probes.records.raw_message import read_message
from probes.records.received import parse_received
from probes.result import Failure, Owner, Phase, ProbeResult, Reason, one_line, owner_of

_VERDICTS = {
    Event.BOUNCE_SEEN: (Phase.TRANSIT, Reason.BOUNCED, "a bounce came back"),
    Event.COULD_NOT_LOOK: (Phase.ARRIVAL, Reason.UNTESTABLE, "the mailbox could not be read"),
    Event.SENDER_GONE: (Phase.CONNECT, Reason.UNTESTABLE, "the service ended before it was sent"),
    Event.SEEN: (Phase.ARRIVAL, Reason.JUNKED, "filed as junk"),
}
_SENDER_DIED = (
    Phase.END_OF_DATA,
    Reason.UNTESTABLE,
    "the service ended while it was sending this, and no copy came: perhaps it was never sent",
)
_HELD_BACK = {
    Placement.JUNK: "filed as junk",
    Placement.QUARANTINE: "held back in quarantine",
}
_DATE_MARGIN = 2.0
"""Seconds by which a server's clock may be ahead of ours: dates are whole seconds."""

_GOOD = frozenset({Outcome.ARRIVED, Outcome.LATE, Outcome.RECOVERED})


@dataclass(frozen=True, slots=True)
class CanaryEvent:
    """One event with everything known about it.

    `elapsed` gives the seconds from the beginning of the sending to an instant of this process.
    `sending` is the run that sent it, where it is wanted and kept.
    """

    event: Event
    at: Instant
    elapsed: Callable[[Instant], float]
    failure: Failure | None = None
    sighting: Sighting | None = None
    sending: ProbeResult | None = None
    folders: str = ""
    """Where it was looked for, or why that could not be done, in words."""
    owner: Owner | None = None
    """Who has to act where the mailbox could not be read."""


def step(record: CanaryRecord, happening: CanaryEvent) -> Change:
    """Return the record after an event, and the outcome to count.

    Raises ImpossibleEvent.
    """
    at = happening.at.utc
    event, sighting = happening.event, happening.sighting
    changes = _seen(record, happening)
    transition = advance(
        record.state,
        event,
        is_late=sighting is not None and _is_late(record, sighting, changes),
        is_junk=sighting is not None and sighting.placement in _HELD_BACK,
        has_sender_spoken=_has_sender_spoken(record),
    )
    outcome = transition.outcome
    is_settled_now = record.state in UNSETTLED and transition.state not in UNSETTLED
    changes["state"] = transition.state
    changes["failure"] = _failure(record, happening, outcome, is_settled_now=is_settled_now)
    if event is Event.SEND_STARTED:
        changes["sending_at"] = at
    if event is Event.HANDED_OVER:
        changes["accepted_at"] = at
    if is_settled_now:
        changes["settled_at"] = at
        changes["outcome"] = outcome
    return Change(replace(record, **changes), event, outcome, at)


def _seen(record: CanaryRecord, happening: CanaryEvent) -> dict[str, Any]:
    """The first copy's place and times; a later copy changes nothing of them."""
    sighting = happening.sighting
    if happening.event is not Event.SEEN or sighting is None or record.place is not None:
        return {}
    round_trip = happening.elapsed(sighting.seen)
    return {
        "placement": sighting.placement,
        "place": sighting.place,
        "round_trip": round_trip,
        "resolution": _resolution(round_trip, sighting),
        "internal_date": sighting.internal_date,
    }


def _resolution(round_trip: float, sighting: Sighting) -> float:
    """Seconds in which it arrived unseen: since the look before, at most since it was sent."""
    if sighting.not_before is None:
        return round_trip
    between = sighting.seen.monotonic - sighting.not_before.monotonic
    return min(max(between, 0.0), round_trip)


def _is_late(record: CanaryRecord, sighting: Sighting, seen: dict[str, Any]) -> bool:
    """Whether the path, not our looking, was slow.

    Where the time limit passed between two looks (we were down, say) the server's own date decides,
    else the topmost Received field. Without a date nothing is proven.
    """
    if not seen or seen["round_trip"] <= record.late_after:
        return False
    if seen["round_trip"] - seen["resolution"] > record.late_after:
        return True
    arrived = _arrived_at(sighting)
    if arrived is None or record.sending_at is None:
        return False
    return arrived - record.sending_at > timedelta(seconds=record.late_after)


def _arrived_at(sighting: Sighting) -> datetime | None:
    """When the server took the copy, by its own clock; None if no date fits what we saw."""
    at, margin = sighting.seen.utc, timedelta(seconds=_DATE_MARGIN)
    dates = (sighting.internal_date, _received_at(sighting.header))
    return next((one for one in dates if one is not None and one <= at + margin), None)


def _received_at(header: bytes) -> datetime | None:
    """The date of the topmost Received field, None where it has none with a zone."""
    top = parse_received(read_message(header).first("received"))
    return top.date if top.has_zone else None


def _failure(
    record: CanaryRecord, happening: CanaryEvent, outcome: Outcome | None, *, is_settled_now: bool
) -> Failure | None:
    """Why the canary stands where it stands; None once a copy has come to where it belongs."""
    if outcome in _GOOD:
        return None
    if happening.failure is not None and record.state in (State.SENDING, State.UNCERTAIN):
        return happening.failure
    if not is_settled_now:
        return record.failure
    is_vain = happening.event is Event.LOOKED_IN_VAIN
    if is_vain and _has_sender_spoken(record):
        return lost(record, happening.sending, happening.folders)
    if not is_vain and happening.event not in _VERDICTS:
        return None
    if happening.sighting is not None and happening.sighting.bounce is not None:
        return failure_of(happening.sighting.bounce)
    phase, reason, detail = _SENDER_DIED if is_vain else _VERDICTS[happening.event]
    if happening.sighting is not None and happening.sighting.placement in _HELD_BACK:
        seen = happening.sighting
        detail = f"{_HELD_BACK[seen.placement]}: {one_line(seen.place.folder)}"
    if happening.folders:
        detail = one_line(f"{detail}{_looked_for(happening)}")
    owner = happening.owner or owner_of(phase, reason)
    return Failure(phase, reason, detail, owner, is_transient=False)


def _looked_for(happening: CanaryEvent) -> str:
    """Where: that is part of the statement that it was not there. Or why it could not be done."""
    if happening.event is Event.LOOKED_IN_VAIN:
        return f" ({happening.folders})"
    return f": {happening.folders}" if happening.event is Event.COULD_NOT_LOOK else ""


def _has_sender_spoken(record: CanaryRecord) -> bool:
    """Whether it is known how the sending ended: it was accepted, or failed with a reason."""
    return record.accepted_at is not None or record.failure is not None
