"""The metrics of jobs: their runs, and the hosts that jobs of some kinds find."""

from collections.abc import Mapping, Set

from exporter.analysis.verdicts import Verdict, verdict_of
from exporter.metrics.exposition import Gauge, Registry, Table
from exporter.metrics.gauges import show_verdict, stamp_end
from exporter.metrics.info_metrics import probe_info, show_info
from exporter.metrics.phase_metrics import SHORT_PHASES, PhaseMetrics
from exporter.metrics.result_values import (
    EXPIRY,
    durations,
    failure_labels,
    mx_gauges,
    mx_host_count,
    mx_hosts,
    slowest,
)
from exporter.model import Job, Run, TargetChange
from probes.registry.rows import KINDS
from probes.result import Phase, ProbeResult


class JobMetrics:
    """The metrics of each configured job; other jobs are ignored."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._counters = registry.counters
        self._gauges = registry.gauges
        self._phases = PhaseMetrics(registry, "probe_")
        self._names: frozenset[str] = frozenset()

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def configure(self, jobs: Mapping[str, Job], *, phase_histograms: bool) -> None:
        """Make every series of these jobs, and remove those of all others."""
        self._registry.keep("probe", jobs)
        self._phases.has_histograms = phase_histograms
        self._names = frozenset(jobs)
        for job in jobs.values():
            self._configure(job)

    def run_finished(self, run: Run) -> None:
        """Count one finished run and show its verdict."""
        result = run.result
        verdict = verdict_of(result.failure)
        self._counters["mailcanary_probe_runs_total"].at(run.name, verdict).increase()
        show_verdict(self._gauges["mailcanary_probe_up"], run.name, verdict)
        if KINDS[result.kind].has_mx_metrics:
            self._show_mx(run.name, result)
        timings = (result.timings, *(part.timings for part in result.parts))
        dialogues = [durations(of_one) for of_one in timings]
        self._phases.add_total(run.name, slowest(dialogues))
        for seconds in dialogues:
            self._phases.observe(run.name, seconds)
        if result.failure is not None:
            failures = self._counters["mailcanary_probe_failures_total"]
            failures.at(run.name, *failure_labels(result.failure)).increase()
        self.run_resumed(run)

    def run_resumed(self, run: Run) -> None:
        """Show when a run ended."""
        stamp_end(self._gauges["mailcanary_probe_last_run_timestamp_seconds"], run)
        if run.result.ok:
            stamp_end(self._gauges["mailcanary_probe_last_success_timestamp_seconds"], run)

    def missed_slots(self, name: str, missed: int) -> None:
        """Count slots in which a job did not run."""
        self._counters["mailcanary_probe_missed_slots_total"].at(name).increase(missed)

    def target_changed(self, change: TargetChange) -> None:
        """Count a change that a job found in its target."""
        if change.name in self._names:
            changes = self._counters["mailcanary_probe_target_changes_total"]
            changes.at(change.name, change.aspect).increase()

    def _configure(self, job: Job) -> None:
        name, kind = job.name, KINDS[job.kind]
        show_info(self._gauges["mailcanary_probe_info"], probe_info(job))
        for verdict in Verdict:
            self._counters["mailcanary_probe_runs_total"].at(name, verdict)
        self._phases.configure(name, kind.phases)
        for aspect in kind.aspects:
            self._counters["mailcanary_probe_target_changes_total"].at(name, aspect)
        self._counters["mailcanary_probe_missed_slots_total"].at(name)
        self._gauges["mailcanary_probe_last_run_timestamp_seconds"].at(name)
        self._gauges["mailcanary_probe_last_success_timestamp_seconds"].at(name)
        self._gauges["mailcanary_probe_interval_seconds"].at(name).set(job.every)

    def _show_mx(self, name: str, result: ProbeResult) -> None:
        """Show the hosts of the last run; an untestable value is absent, never stale.

        Only a certificate's expiry outlives a run that could not ask for the hosts: our broken
        resolver does not change a date.
        """
        hosts = self._gauges["mailcanary_mx_hosts"]
        is_unknown = not result.parts and verdict_of(result.failure) is Verdict.UNTESTABLE
        if is_unknown:
            hosts.drop(name)
        else:
            hosts.at(name).set(mx_host_count(result))
        shown = self._shown_phases()
        for metric, values in mx_gauges(name, mx_hosts(result.parts), shown).items():
            if not (is_unknown and metric == EXPIRY):
                _show_only(self._gauges[f"mailcanary_mx_{metric}"], name, values)

    def _shown_phases(self) -> Set[Phase]:
        every = frozenset(Phase)
        return every if self._phases.has_histograms else every - SHORT_PHASES


def _show_only(gauges: Table[Gauge], first: str, values: Mapping[tuple[str, ...], float]) -> None:
    """Show these values by their labels, and no others that have this first one."""
    gauges.retain(first, values.keys())
    for labels, value in values.items():
        gauges.at(*labels).set(value)
