"""A canary that came after all keeps both facts, and a gap of ours is named with its bounds."""

from dataclasses import replace
from datetime import timedelta

from rich.console import Console, RenderableType

from exporter.model import CanaryRecord
from exporter.reports.arrival_bounds import arrival_bounds
from exporter.reports.story import Story
from exporter.reports.timeline import Step
from exporter.reports.wording import outcome_words
from exporter.terminal.runs import canary_view
from exporter.terminal.story import story_view
from probes.canary.lifecycle import Outcome, State
from probes.mailboxes.interface import Place, Placement
from probes.result import ProbeResult
from tests.support.clock import START
from tests.support.metric_rig import record

SENT = ProbeResult("direct", START, 1.0, (), None)
HOP = Step("hop 2 mx.them.test", 1, 1, 3.0, 4.0, is_hop=True)


def shown(view: RenderableType) -> str:
    console = Console(width=200)
    with console.capture() as caught:
        console.print(view)
    return caught.get()


def arrived(round_trip: float, resolution: float, **changes: object) -> CanaryRecord:
    found = record(
        State.ARRIVED,
        outcome=Outcome.ARRIVED,
        sending_at=START,
        settled_at=START + timedelta(seconds=round_trip),
        round_trip=round_trip,
        resolution=resolution,
        placement=Placement.INBOX,
        place=Place("INBOX", "1", "2"),
        internal_date=START + timedelta(seconds=5),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_a_gap_of_ours_is_told_with_what_each_clock_says() -> None:
    looks, server, relay = arrival_bounds(arrived(7200.0, 7190.0), 15.0, [HOP])
    assert looks.startswith("we did not look in time: it arrived between 10.00 s and 120 min")
    assert "(INTERNALDATE)" in server
    assert "5.00 s after it was sent" in server
    assert "hop 2 mx.them.test had it between 3.00 s and 4.00 s" in relay


def test_a_server_whose_clock_is_behind_is_told_as_it_is() -> None:
    before = arrived(7200.0, 7190.0, internal_date=START - timedelta(seconds=90))
    assert "90.00 s before it was sent by its clock" in arrival_bounds(before, 15.0, [])[1]
    assert len(arrival_bounds(replace(before, internal_date=None), 15.0, [])) == 1


def test_nothing_is_told_of_a_round_trip_that_was_measured() -> None:
    assert arrival_bounds(arrived(7.0, 1.0), 15.0, [HOP]) == ()


def test_run_names_a_gap_of_ours_as_show_does() -> None:
    gap = arrived(7200.0, 7190.0)
    story = Story("a", "out", gap, SENT, ())
    for view in (canary_view(gap, SENT, (), 200), story_view(story, 200)):
        told = shown(view)
        assert "we did not look in time" in told
        assert "(INTERNALDATE)" in told


def test_a_lost_canary_that_came_later_is_told_with_both_facts() -> None:
    late = arrived(7200.0, 10.0, state=State.RECOVERED, outcome=Outcome.LOST)
    assert "LOST, recovered after 2 h " in shown(story_view(Story("a", "out", late, SENT, ()), 200))
    assert ": lost, recovered after" in shown(canary_view(late, SENT, (), 200))
    assert outcome_words("lost", is_recovered=False) == "lost"
    assert outcome_words("recovered", is_recovered=True) == "recovered"
