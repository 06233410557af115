"""What a person reads at a shell about one run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console

from exporter.model import CanaryRecord
from exporter.terminal.runs import canary_view
from probes.canary.lifecycle import Outcome, State
from probes.result import Phase, PhaseTiming, ProbeResult

BEGAN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SENDING = ProbeResult(
    kind="submission",
    started_at=BEGAN,
    seconds=0.115,
    timings=(PhaseTiming(Phase.END_OF_DATA, 0.0, 0.1),),
    failure=None,
)
LOST = CanaryRecord(
    token="mailcanary-x",
    path="outbound",
    mailbox="inbox",
    tick=-1,
    state=State.LOST,
    outcome=Outcome.LOST,
    planned_at=BEGAN,
    sending_at=BEGAN,
    accepted_at=BEGAN,
    settled_at=BEGAN + timedelta(seconds=19),
    late_after=5.0,
    lost_after=19.0,
)


def shown(record: CanaryRecord) -> str:
    text = StringIO()
    Console(file=text, width=120).print(canary_view(record, SENDING, (), 120))
    return text.getvalue()


def test_a_lost_canary_is_said_to_be_lost_after_the_waiting_not_after_the_sending() -> None:
    assert "outbound: lost after 19.00 s" in shown(LOST)


def test_a_canary_that_was_found_is_said_to_have_taken_its_round_trip() -> None:
    found = replace(LOST, state=State.ARRIVED, outcome=Outcome.LATE, round_trip=7.0, resolution=0.1)
    assert "outbound: late after 7.00 s" in shown(found)
