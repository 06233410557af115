"""A round trip counts as latency only where no gap in our looking hides it."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from exporter.analysis.latency import is_measured, measured, usual_pause
from exporter.metrics.metrics import Metrics
from exporter.model import Mailbox
from probes.canary.lifecycle import Event, Outcome, State
from tests.support.clock import START, FakeClock
from tests.support.metric_rig import Reader, change, config, record


@pytest.mark.parametrize(
    ("round_trip", "resolution", "pause", "expected"),
    [
        (2.0, 0.05, 15.0, True),
        (2.0, None, 15.0, True),
        (None, None, 15.0, False),
        (4.0, 4.0, 15.0, True),  # the first look of a session, soon after the sending
        (8.0, 8.0, 15.0, False),  # a fresh canary is looked for many times a second
        (1800.0, 1800.0, 15.0, False),  # the mailbox was down
        (1800.0, 1500.0, 15.0, False),  # it went down while we waited
        (100.0, 15.2, 15.0, True),
        (100.0, 40.0, 15.0, False),
        (300.0, 60.5, 60.0, True),
        (20_000.0, 600.0, 15.0, False),  # a gap is a gap beside a long wait as well
        (30.0, 6.0, 300.0, False),
        (330.0, 300.0, 300.0, True),
    ],
)
def test_a_round_trip_is_measured_where_the_looks_were_as_close_as_always(
    round_trip: float | None, resolution: float | None, pause: float, *, expected: bool
) -> None:
    canary = record(State.ARRIVED, round_trip=round_trip, resolution=resolution)
    assert is_measured(canary, pause) is expected
    assert measured([canary], pause) == ([round_trip] if expected else [])


def test_the_pause_is_that_of_the_mailbox() -> None:
    assert usual_pause(Mailbox("box", "imap", SimpleNamespace(poll=60.0))) == 60.0
    assert usual_pause(Mailbox("box", "other", None)) == usual_pause(None) == 15.0


def test_no_gap_of_ours_enters_a_histogram_and_the_path_is_up_all_the_same() -> None:
    metrics = Metrics("1", FakeClock().clock)
    metrics.configure(config("a"))
    seen = START + timedelta(seconds=1800)
    hidden = change(
        *(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, seen), round_trip=1800.0, resolution=1790.0
    )
    metrics.canary_changed(hidden)
    read = Reader(metrics)
    for name in ("round_trip_seconds_count", "arrival_resolution_seconds_count"):
        assert read(name, "a") == 0
    assert read("phase_seconds_count", "a", "transit") == 0
    assert read("canaries_total", "arrived", "a") == 1
    assert read("last_success_timestamp_seconds", "a") == seen.timestamp()
    sharp = replace(hidden.record, token="b", tick=2, round_trip=1800.0, resolution=1.0)
    metrics.canary_changed(replace(hidden, record=sharp))
    assert Reader(metrics)("round_trip_seconds_sum", "a") == 1800.0
