"""The metrics of paths: their sendings, their canaries, and the evidence of the newest copy."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import count

from exporter.analysis.judgement import SUCCESS
from exporter.analysis.latency import is_measured
from exporter.metrics.evidence_values import (
    EVIDENCE_GAUGES,
    authentication,
    hop_delays,
    spam_scores,
)
from exporter.metrics.exposition import Registry
from exporter.metrics.gauges import show_state, stamp, stamp_end
from exporter.metrics.info_metrics import path_info, show_info
from exporter.metrics.path_states import Flight, PathTracker, followed
from exporter.metrics.phase_metrics import PhaseMetrics
from exporter.metrics.result_values import (
    delivery_failure,
    durations,
    failure_labels,
    transit_seconds,
)
from exporter.model import CanaryRecord, Change, Examined, Path, Run
from probes.canary.evidence import Evidence
from probes.canary.lifecycle import BESIDE, SETTLING, UNSETTLED, Outcome, State
from probes.clock import Clock
from probes.registry.rows import ROUTES
from probes.result import Finding, Phase, all_findings

_IN_FLIGHT = UNSETTLED - {State.PLANNED}
_FOUND = frozenset({Outcome.ARRIVED, Outcome.LATE, Outcome.JUNKED, Outcome.RECOVERED})


class PathMetrics:
    """The metrics of each configured path; other paths are ignored."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._clock = clock
        self._registry = registry
        self._counters = registry.counters
        self._gauges = registry.gauges
        self._histograms = registry.histograms
        self._states: dict[str, PathTracker] = {}
        self._mailboxes: dict[str, list[PathTracker]] = {}
        self._phases = PhaseMetrics(registry)
        self._serial = count()

    def __contains__(self, name: object) -> bool:
        return name in self._states

    def configure(self, paths: Mapping[str, Path], *, phase_histograms: bool) -> None:
        """Make every series of these paths, and remove those of all others."""
        self._registry.keep("path", paths)
        self._states = {name: self._states.get(name) or PathTracker() for name in paths}
        self._mailboxes = {}
        self._phases.has_histograms = phase_histograms
        for path in paths.values():
            self._mailboxes.setdefault(path.mailbox.name, []).append(self._states[path.name])
            self._configure(path)

    def mailbox_watched(self, mailbox: str, *, is_up: bool) -> None:
        """A mailbox can be read, or no longer: without it most outcomes prove nothing."""
        for tracker in self._mailboxes.get(mailbox, ()):
            tracker.is_readable = is_up

    def run_finished(self, run: Run) -> None:
        """Count the sending of one canary."""
        result = run.result
        for timings in (result.timings, *(part.timings for part in result.parts)):
            self._count_phases(run.name, durations(timings))
        if result.failure is not None:
            failures = self._counters["mailcanary_failures_total"]
            failures.at(run.name, *failure_labels(result.failure)).increase()
        self.run_resumed(run)

    def run_resumed(self, run: Run) -> None:
        """Show when a sending ended, and keep its findings."""
        if run.tick >= 0:
            self._states[run.name].found(run.tick, all_findings(run.result))
        stamp_end(self._gauges["mailcanary_last_run_timestamp_seconds"], run)

    def missed_slots(self, name: str, missed: int) -> None:
        """Count slots in which nothing was sent."""
        self._counters["mailcanary_missed_slots_total"].at(name).increase(missed)

    def canary_changed(self, change: Change) -> None:
        """Follow one durable step in a canary's life; its outcome, if any, is counted."""
        state = self._states.get(change.record.path)
        if state is None or change.record.tick < 0:
            return
        flight = self._follow(state, change.record)
        for event in change.beside:
            self._count_event(change.record.path, event)
        if change.outcome is not None:
            self._count(change, change.outcome)
            if change.outcome not in BESIDE:  # those say nothing about the path as it is now
                state.settle(change.record, flight or self._flight(change.record))
            elif change.outcome is Outcome.RECOVERED:
                state.correct(change.record)

    def resumed(self, record: CanaryRecord) -> None:
        """Take over a canary of an earlier process: its age in flight, or its outcome."""
        state = self._states.get(record.path)
        if state is None or record.tick < 0:
            return
        flight = self._follow(state, record)
        if record.outcome is not None:
            state.settle(record, flight or self._flight(record), is_remembered=True)
        if record.outcome in SUCCESS and record.settled_at is not None:
            gauges = self._gauges["mailcanary_last_success_timestamp_seconds"]
            stamp(gauges, record.path, record.settled_at)

    def evidence_resumed(self, record: CanaryRecord, findings: Iterable[Finding]) -> None:
        """Take over the findings in the copies of a canary of an earlier process."""
        if record.path in self._states and record.tick >= 0:
            self._states[record.path].found(record.tick, findings)

    def copy_examined(self, examined: Examined) -> None:
        """Count the changes in a copy, and show the evidence of the newest canary's first copy."""
        copy, evidence = examined.copy, examined.evidence
        path, tick = copy.record.path, copy.record.tick
        state = self._states.get(path)
        if state is None or tick < 0 or copy.is_bounce:
            return
        state.found(tick, evidence.findings)
        if examined.is_new:
            for mutation in evidence.mutations:
                self._counters["mailcanary_mutations_total"].at(path, mutation.kind).increase()
        if copy.number == 0 and tick >= state.newest_examined:
            state.newest_examined = tick
            self._show_evidence(path, evidence)

    def refresh(self) -> None:
        """Compute the values that are true only at the moment of the scrape."""
        now = self._clock.monotonic()
        in_flight = self._gauges["mailcanary_canaries_in_flight"]
        oldest = self._gauges["mailcanary_oldest_in_flight_age_seconds"]
        up, states = self._gauges["mailcanary_path_up"], self._gauges["mailcanary_path_state"]
        for name, tracker in self._states.items():
            in_flight.at(name).set(len(tracker.in_flight))
            oldest.at(name).set(tracker.oldest(now) or 0.0)
            state = tracker.state(now)
            if state is not tracker.shown:
                show_state(up, states, name, state)
                tracker.shown = state

    def _configure(self, path: Path) -> None:
        name = path.name
        self._states[name].configure(path)
        show_info(self._gauges["mailcanary_path_info"], path_info(path))
        for outcome in SETTLING:
            self._counters["mailcanary_canaries_total"].at(name, outcome)
        for event in BESIDE:
            self._counters["mailcanary_canary_events_total"].at(name, event)
        self._phases.configure(name, (*ROUTES[path.route.kind].phases, Phase.TRANSIT))
        self._histograms["mailcanary_round_trip_seconds"].at(name)
        if self._phases.has_histograms:
            self._histograms["mailcanary_arrival_resolution_seconds"].at(name)
        self._counters["mailcanary_missed_slots_total"].at(name)
        self._gauges["mailcanary_last_run_timestamp_seconds"].at(name)
        self._gauges["mailcanary_last_success_timestamp_seconds"].at(name)
        self._gauges["mailcanary_interval_seconds"].at(name).set(path.every)
        self._gauges["mailcanary_late_after_seconds"].at(name).set(path.late_after)
        self._gauges["mailcanary_lost_after_seconds"].at(name).set(path.lost_after)

    def _follow(self, state: PathTracker, record: CanaryRecord) -> Flight | None:
        """Keep the set of canaries in flight; the flight this record continues or ends."""
        if record.state not in _IN_FLIGHT:
            return state.in_flight.pop(record.token, None)
        flight = state.in_flight.get(record.token)
        if flight is None:
            flight = state.in_flight[record.token] = self._flight(record)
        return followed(flight, record)

    def _flight(self, record: CanaryRecord) -> Flight:
        began = self._clock.monotonic() - self._age(record)
        return Flight(began, (record.tick, next(self._serial)))

    def _age(self, record: CanaryRecord) -> float:
        """Seconds since the sending began; read once, so that a stepped clock cannot age it."""
        if record.sending_at is None:
            return 0.0
        return max(0.0, (self._clock.utc() - record.sending_at).total_seconds())

    def _count(self, change: Change, outcome: Outcome) -> None:
        record = change.record
        if outcome in BESIDE:
            self._count_event(record.path, outcome)
        else:
            self._counters["mailcanary_canaries_total"].at(record.path, outcome).increase()
        labels = delivery_failure(change)
        if labels is not None:
            self._counters["mailcanary_failures_total"].at(record.path, *labels).increase()
        if outcome in _FOUND:
            self._found(change)

    def _count_event(self, path: str, event: Outcome) -> None:
        self._counters["mailcanary_canary_events_total"].at(path, event).increase()

    def _count_phases(self, path: str, seconds: Mapping[Phase, float]) -> None:
        self._phases.add_total(path, seconds)
        self._phases.observe(path, seconds)

    def _found(self, change: Change) -> None:
        record = change.record
        if is_measured(record, self._states[record.path].pause):
            self._measured(record, change.at)
        if change.outcome in SUCCESS:
            gauges = self._gauges["mailcanary_last_success_timestamp_seconds"]
            stamp(gauges, record.path, change.at)

    def _measured(self, record: CanaryRecord, at: datetime) -> None:
        """Count the times of a canary that no gap of ours hides."""
        if record.round_trip is None:
            return
        exemplar = ("token", record.token, at.timestamp())
        name = "mailcanary_round_trip_seconds"
        self._histograms[name].at(record.path).observe(record.round_trip, exemplar)
        transit = transit_seconds(record, record.round_trip)
        if transit is not None:
            self._count_phases(record.path, {Phase.TRANSIT: transit})
        if record.resolution is not None and self._phases.has_histograms:
            name = "mailcanary_arrival_resolution_seconds"
            self._histograms[name].at(record.path).observe(record.resolution)

    def _show_evidence(self, path: str, evidence: Evidence) -> None:
        for name in EVIDENCE_GAUGES:
            self._gauges[name].drop(path)
        for hop, delay in hop_delays(evidence).items():
            self._gauges["mailcanary_hop_delay_min_seconds"].at(path, hop).set(delay.min)
            if delay.max is not None:
                self._gauges["mailcanary_hop_delay_max_seconds"].at(path, hop).set(delay.max)
        results = self._gauges["mailcanary_authentication_result"]
        for (by, method), result in authentication(evidence).items():
            results.at(path, by, method, result).set(1)
        for system, score in spam_scores(evidence).items():
            self._gauges["mailcanary_spam_score"].at(path, system).set(score)
        for finding in evidence.findings:
            found = self._gauges["mailcanary_evidence_finding"]
            found.at(path, finding.code, finding.status).set(1)
