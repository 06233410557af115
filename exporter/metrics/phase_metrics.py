"""Time by phase: totals of the phases that a server may make long, histograms by option."""

from collections.abc import Iterable, Mapping

from exporter.metrics.exposition import Registry
from probes.result import Phase

SHORT_PHASES = frozenset({Phase.EHLO, Phase.STARTTLS, Phase.MAIL, Phase.DATA, Phase.QUIT})
"""Phases that wait for one line of a server which has just spoken; by option only."""


class PhaseMetrics:
    """Time by phase of each path, or of each job.

    `prefix` stands after `mailcanary_` in the names of the two metrics.
    """

    def __init__(self, registry: Registry, prefix: str = "") -> None:
        self._totals = registry.counters[f"mailcanary_{prefix}time_in_phase_seconds_total"]
        self._histograms = registry.histograms[f"mailcanary_{prefix}phase_seconds"]
        self.has_histograms = False

    def configure(self, name: str, phases: Iterable[Phase]) -> None:
        """Make the series of these phases at zero."""
        for phase in phases:
            if phase not in SHORT_PHASES:
                self._totals.at(name, phase)
            if self.has_histograms:
                self._histograms.at(name, phase)

    def add_total(self, name: str, seconds: Mapping[Phase, float]) -> None:
        """Add the time of one sending or run to the totals."""
        for phase, time in seconds.items():
            if phase not in SHORT_PHASES:
                self._totals.at(name, phase).increase(time)

    def observe(self, name: str, seconds: Mapping[Phase, float]) -> None:
        """Count the times of one dialogue in the histograms, if they are asked for."""
        if self.has_histograms:
            for phase, time in seconds.items():
                self._histograms.at(name, phase).observe(time)
