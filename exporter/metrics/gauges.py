"""Common ways to set a gauge of a path, a job or a mailbox."""

from datetime import datetime, timedelta

from exporter.analysis.verdicts import Verdict
from exporter.metrics.exposition import Gauge, Table
from exporter.model import Run


def show_verdict(gauges: Table[Gauge], name: str, verdict: Verdict) -> None:
    """Show 1 or 0; nothing where it could not be tested."""
    if verdict is Verdict.UNTESTABLE:
        gauges.drop(name)
    else:
        gauges.at(name).set(int(verdict is Verdict.OK))


def stamp(gauges: Table[Gauge], name: str, at: datetime) -> None:
    """Set, never kept at its greatest: a clock that was ahead must not hide an outage."""
    gauges.at(name).set(at.timestamp())


def stamp_end(gauges: Table[Gauge], run: Run) -> None:
    """Show when the run ended."""
    stamp(gauges, run.name, run.result.started_at + timedelta(seconds=run.result.seconds))
