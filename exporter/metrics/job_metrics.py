"""The metrics of jobs: their runs, and the hosts that jobs of some kinds find."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from exporter.analysis.judgement import (
    PathState,
    Verdict,
    is_up,
    state_of_result,
    verdict,
    verdict_of,
)
from exporter.analysis.observations import horizon
from exporter.metrics.exposition import Gauge, Registry, Table
from exporter.metrics.gauges import show_state, stamp_end
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
from probes.clock import Clock
from probes.registry.rows import KINDS
from probes.result import Phase, ProbeResult


@dataclass(slots=True)
class _JobState:
    """The judgement on the newest run, when it began (monotonic), and the state that is shown."""

    state: PathState = PathState.UNKNOWN
    began: float = 0.0
    horizon: float = 0.0
    shown: PathState | None = None

    def judged(self, state: PathState, began: float) -> None:
        """Take over the judgement on a newer run."""
        self.state, self.began = state, began

    def at(self, now: float) -> PathState:
        """Return the state as of now."""
        return self.state if now - self.began <= self.horizon else PathState.UNKNOWN


class JobMetrics:
    """The metrics of each configured job; other jobs are ignored."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._clock = clock
        self._registry = registry
        self._counters = registry.counters
        self._gauges = registry.gauges
        self._phases = PhaseMetrics(registry, "probe_")
        self._names: frozenset[str] = frozenset()
        self._states: dict[str, _JobState] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def configure(self, jobs: Mapping[str, Job], *, phase_histograms: bool) -> None:
        """Make every series of these jobs, and remove those of all others."""
        self._registry.keep("probe", jobs)
        self._phases.has_histograms = phase_histograms
        self._names = frozenset(jobs)
        self._states = {name: self._states.get(name) or _JobState() for name in jobs}
        for job in jobs.values():
            self._configure(job)

    def run_finished(self, run: Run) -> None:
        """Count one finished run and show its verdict."""
        result = run.result
        ended = verdict(state_of_result(result))
        self._counters["mailcanary_probe_runs_total"].at(run.name, ended).increase()
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
        """Show when a run ended, and the state of the job after it."""
        state = state_of_result(run.result)
        age = max(0.0, (self._clock.utc() - run.result.started_at).total_seconds())
        self._states[run.name].judged(state, self._clock.monotonic() - age)
        stamp_end(self._gauges["mailcanary_probe_last_run_timestamp_seconds"], run)
        if is_up(state):
            stamp_end(self._gauges["mailcanary_probe_last_success_timestamp_seconds"], run)

    def missed_slots(self, name: str, missed: int) -> None:
        """Count slots in which a job did not run."""
        self._counters["mailcanary_probe_missed_slots_total"].at(name).increase(missed)

    def refresh(self) -> None:
        """Show the state of each job as of now: a run that is too old says nothing."""
        now = self._clock.monotonic()
        up, states = self._gauges["mailcanary_probe_up"], self._gauges["mailcanary_probe_state"]
        for name, job in self._states.items():
            state = job.at(now)
            if state is not job.shown:
                show_state(up, states, name, state)
                job.shown = state

    def target_changed(self, change: TargetChange) -> None:
        """Count a change that a job found in its target."""
        if change.name in self._names:
            changes = self._counters["mailcanary_probe_target_changes_total"]
            changes.at(change.name, change.aspect).increase()

    def _configure(self, job: Job) -> None:
        name, kind = job.name, KINDS[job.kind]
        self._states[name].horizon = horizon(job).total_seconds()
        for one in Verdict:
            self._counters["mailcanary_probe_runs_total"].at(name, one)
        show_info(self._gauges["mailcanary_probe_info"], probe_info(job))
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
