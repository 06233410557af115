"""What an interrupted `mailcanary run` leaves behind, and runs by hand beside the schedule."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter.ledger.lock import Holder
from exporter.model import CanaryRecord
from exporter.reports.wording import age
from probes.canary.lifecycle import UNSETTLED, Outcome, State

BY_HAND_SHOWN = timedelta(days=1)
"""How long `status` shows a run by hand."""


def left_behind(
    record: CanaryRecord | None, service: Holder | None, config: str, now: datetime
) -> str:
    """Say what an interrupted run leaves behind, which process settles it, and how to look."""
    if record is None or record.sending_at is None:
        return "mailcanary: interrupted; nothing was sent"
    if record.state not in UNSETTLED:
        return f"mailcanary: interrupted; the canary is settled: {record.outcome or record.state}"
    sent = age((now - record.sending_at).total_seconds())
    left = f"the canary is in flight, sent {sent} ago"
    if record.state is State.SENDING:
        left = "the canary was being sent; it may have been handed over or not"
    longest = age(record.lost_after)
    return (
        f"mailcanary: interrupted; {left}\n"
        f"{_settler(service)}, at most {longest} after the sending.\n"
        f"To look: mailcanary show {record.token} -c {config}"
    )


def _settler(service: Holder | None) -> str:
    if service is None:
        return "The service settles it if it runs (no right to ask)"
    if not service.is_there:
        return "No service runs: the next one that starts settles it"
    process = "" if service.process is None else f" (process {service.process})"
    return f"The service{process} settles it"


@dataclass(frozen=True, slots=True)
class HandRun:
    """The newest canary of a path sent by hand. It never decides the state of the path."""

    token: str
    at: datetime
    state: State
    outcome: Outcome | None
    round_trip: float | None


def newest_by_hand(records: Iterable[CanaryRecord], now: datetime) -> HandRun | None:
    """Return the newest of the records that was sent by hand; None if it is a day old or more."""
    for record in records:
        at = record.sending_at or record.planned_at
        if record.tick < 0 and now - at < BY_HAND_SHOWN:
            return HandRun(record.token, at, record.state, record.outcome, record.round_trip)
    return None
