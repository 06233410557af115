"""Common ways to set a gauge of a path, a job or a mailbox."""

from datetime import datetime, timedelta

from exporter.analysis.judgement import PathState, is_up
from exporter.metrics.exposition import Gauge, Table
from exporter.model import Run


def show_state(up: Table[Gauge], states: Table[Gauge], name: str, state: PathState) -> None:
    """Show the state, one series for each, and 1 or 0 for up; no `up` where nobody knows."""
    for one in PathState:
        states.at(name, one).set(int(one is state))
    shown = is_up(state)
    if shown is None:
        up.drop(name)
    else:
        up.at(name).set(int(shown))


def stamp(gauges: Table[Gauge], name: str, at: datetime) -> None:
    """Set, never kept at its greatest: a clock that was ahead must not hide an outage."""
    gauges.at(name).set(at.timestamp())


def stamp_end(gauges: Table[Gauge], run: Run) -> None:
    """Show when the run ended."""
    stamp(gauges, run.name, run.result.started_at + timedelta(seconds=run.result.seconds))
