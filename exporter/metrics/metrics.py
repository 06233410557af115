"""What Prometheus scrapes: finished values in, text out.

Nothing here measures. The service hands over every finished Run and every durable Change once, and
asks for the exposition when it is scraped; `docs/metrics.md` says what each metric means. What
belongs to a path, job or mailbox that is no longer configured is ignored.
"""

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, count

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest as process_text
from prometheus_client.openmetrics.exposition import generate_latest as process_openmetrics

from exporter.analysis.verdicts import SUCCESS, Verdict, path_verdict, verdict_of
from exporter.metrics.evidence_values import (
    EVIDENCE_GAUGES,
    authentication,
    hop_delays,
    spam_scores,
)
from exporter.metrics.exposition import Format, Gauge, Registry, Table, chunks
from exporter.metrics.families import FAMILIES
from exporter.metrics.result_values import (
    DELIVERY_FAILURES,
    EXPIRY,
    delivery_failure,
    durations,
    failure_labels,
    is_lagged,
    mx_gauges,
    mx_host_count,
    mx_hosts,
    transit_seconds,
)
from exporter.metrics.rolling_maximum import RollingMaximum
from exporter.model import CanaryRecord, Change, Config, Examined, Job, Path, Run, TargetChange
from probes.canary.evidence import Evidence
from probes.canary.lifecycle import BESIDE, UNSETTLED, Outcome, State
from probes.canary.mutation import MutationKind
from probes.clock import Clock
from probes.registry import KINDS, ROUTES
from probes.result import Failure, Phase, ProbeResult, Reason, owner_of

LAG_WINDOW = 30.0
"""Seconds; the greatest loop lag is that of the current and the previous such span."""

_END_OF_EXPOSITION = b"# EOF\n"

_IN_FLIGHT = UNSETTLED - {State.PLANNED}
_FOUND = frozenset({Outcome.ARRIVED, Outcome.LATE, Outcome.JUNKED, Outcome.RECOVERED})


@dataclass(slots=True)
class _Flight:
    """A canary under way: when its sending began (monotonic) and how many began before it."""

    began: float
    serial: int


@dataclass(slots=True)
class _PathState:
    in_flight: dict[str, _Flight] = field(default_factory=dict)
    newest_settled: int = -1
    newest_examined: int = -1


class Metrics:
    """All metrics of one process."""

    def __init__(
        self, version: str, clock: Clock, log_lines_dropped: Callable[[], int] = lambda: 0
    ) -> None:
        self._clock = clock
        self._log_lines_dropped = log_lines_dropped
        registry = Registry(FAMILIES)
        self._registry = registry
        self._counters = registry.counters
        self._gauges = registry.gauges
        self._histograms = registry.histograms
        self._paths: dict[str, _PathState] = {}
        self._jobs: frozenset[str] = frozenset()
        self._mailboxes: frozenset[str] = frozenset()
        self._serial = count()
        self._lag = RollingMaximum(clock, LAG_WINDOW)
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        for table in registry.tables:
            if not table.family.labels:
                table.at()
        self._gauges["mailcanary_build_info"].at(version, platform.python_version()).set(1)

    def configure(self, config: Config) -> None:
        """Make every series that can be known, at zero, and remove those of what is gone.

        What stays configured keeps its values: a reload never sets a counter back.
        """
        self._registry.keep("path", config.paths)
        self._registry.keep("probe", config.jobs)
        self._registry.keep("mailbox", config.mailboxes)
        self._paths = {name: self._paths.get(name) or _PathState() for name in config.paths}
        self._jobs = frozenset(config.jobs)
        self._mailboxes = frozenset(config.mailboxes)
        for path in config.paths.values():
            self._configure_path(path)
        for job in config.jobs.values():
            self._configure_job(job)
        self.config_reloaded(ok=True)
        for mailbox in config.mailboxes:
            self._gauges["mailcanary_mailbox_up"].at(mailbox)
            self._gauges["mailcanary_mailbox_last_look_timestamp_seconds"].at(mailbox)
            self._counters["mailcanary_forged_canaries_total"].at(mailbox)

    def run_finished(self, run: Run) -> None:
        """Count one finished run of a job, or the sending of one canary.

        Runs started by hand (a negative tick) are not counted.
        """
        result = run.result
        if run.tick < 0:
            return
        if run.name in self._paths:
            phases = self._histograms["mailcanary_phase_seconds"]
            failures = self._counters["mailcanary_failures_total"]
        elif run.name in self._jobs:
            phases = self._histograms["mailcanary_probe_phase_seconds"]
            failures = self._counters["mailcanary_probe_failures_total"]
            self._job_finished(run.name, result)
        else:
            return
        for timings in (result.timings, *(part.timings for part in result.parts)):
            for phase, seconds in durations(timings).items():
                phases.at(run.name, phase).observe(seconds)
        if result.failure is not None:
            failures.at(run.name, *failure_labels(result.failure)).increase()
        if is_lagged(result):
            self._counters["mailcanary_lagged_runs_total"].at().increase()
        self._show_end(run)

    def run_resumed(self, run: Run) -> None:
        """Show when a run of an earlier process ended, without counting it again.

        Call it before the first run of this process finishes, the newest run last.
        """
        if run.tick >= 0 and (run.name in self._paths or run.name in self._jobs):
            self._show_end(run)

    def canary_changed(self, change: Change) -> None:
        """Follow one durable step in a canary's life; its outcome, if any, is counted.

        Canaries sent by hand (a negative tick) are not.
        """
        state = self._paths.get(change.record.path)
        if state is None or change.record.tick < 0:
            return
        flight = self._follow(state, change.record)
        for outcome in change.beside:
            self._counters["mailcanary_canaries_total"].at(change.record.path, outcome).increase()
        if change.outcome is not None:
            self._count(change, change.outcome)
            if change.outcome not in BESIDE:  # those say nothing about the path as it is now
                serial = flight.serial if flight else next(self._serial)
                self._settle(state, serial, change.record, change.outcome)

    def resumed(self, record: CanaryRecord) -> None:
        """Take over a canary of an earlier process: its age if it is in flight, else its success.

        Nothing is counted, and whether the path is up stays unknown until a canary settles. Call
        it before the first canary of this process settles, the newest record last.
        """
        state = self._paths.get(record.path)
        if state is None or record.tick < 0:
            return
        self._follow(state, record)
        if record.outcome in SUCCESS and record.settled_at is not None:
            name = "mailcanary_last_success_timestamp_seconds"
            self._stamp(name, record.path, record.settled_at)

    def copy_examined(self, examined: Examined) -> None:
        """Count what was changed in a copy, and show what the newest canary's first one proves.

        Bounces and canaries sent by hand are passed over.
        """
        copy, evidence = examined.copy, examined.evidence
        path, tick = copy.record.path, copy.record.tick
        state = self._paths.get(path)
        if state is None or tick < 0 or copy.is_bounce:
            return
        if examined.is_new:
            for mutation in evidence.mutations:
                self._counters["mailcanary_mutations_total"].at(path, mutation.kind).increase()
        if copy.number == 0 and tick >= state.newest_examined:
            state.newest_examined = tick
            self._show_evidence(path, evidence)

    def target_changed(self, change: TargetChange) -> None:
        """Count what a job found changed about its target."""
        if change.name in self._jobs:
            changes = self._counters["mailcanary_probe_target_changes_total"]
            changes.at(change.name, change.aspect).increase()

    def forged(self, mailbox: str) -> None:
        """Count a message whose token was never issued."""
        if mailbox in self._mailboxes:
            self._counters["mailcanary_forged_canaries_total"].at(mailbox).increase()

    def missed_slots(self, name: str, missed: int) -> None:
        """Count slots in which a path or job did not run."""
        if name in self._paths:
            self._counters["mailcanary_missed_slots_total"].at(name).increase(missed)
        elif name in self._jobs:
            self._counters["mailcanary_probe_missed_slots_total"].at(name).increase(missed)

    def mailbox_watch(self, mailbox: str, *, is_up: bool, failure: Failure | None) -> None:
        """Say whether a mailbox is being watched, and count what ended the watch."""
        if mailbox not in self._mailboxes:
            return
        self._gauges["mailcanary_mailbox_up"].at(mailbox).set(int(is_up))
        if failure is not None:
            failures = self._counters["mailcanary_mailbox_failures_total"]
            failures.at(mailbox, *failure_labels(failure)).increase()

    def cleaned(self, mailbox: str, *, ok: bool) -> None:
        """Say whether our own canaries could be removed from a mailbox when it was due."""
        if mailbox in self._mailboxes:
            self._gauges["mailcanary_mailbox_cleaning_successful"].at(mailbox).set(int(ok))

    def looked(self, mailbox: str, at: datetime) -> None:
        """Say when a mailbox was last looked at."""
        if mailbox in self._mailboxes:
            self._stamp("mailcanary_mailbox_last_look_timestamp_seconds", mailbox, at)

    def suspects(self, failed: Mapping[tuple[str, str], int]) -> None:
        """Show whom failures speak against: kind of part and name -> how many; others disappear."""
        gauges = self._gauges["mailcanary_suspect"]
        for gone in set(gauges.labels()) - failed.keys():
            gauges.drop(*gone)
        for suspect, failures in failed.items():
            gauges.at(*suspect).set(failures)

    def loop_lag(self, seconds: float) -> None:
        """Record how much later than asked for the event loop woke up."""
        self._histograms["mailcanary_event_loop_lag_seconds"].at().observe(seconds)
        self._lag.add(seconds)

    def task_restarted(self, name: str) -> None:
        """Count a long-lived task that ended though nobody ended it, and begins anew."""
        self._counters["mailcanary_task_restarts_total"].at(name).increase()

    def ledger_error(self) -> None:
        """Count an operation that the ledger refused."""
        self._counters["mailcanary_ledger_errors_total"].at().increase()

    def config_reloaded(self, *, ok: bool) -> None:
        """Say whether the configuration file was good when it was last read."""
        self._gauges["mailcanary_config_last_reload_successful"].at().set(int(ok))
        if ok:
            name = "mailcanary_config_last_reload_success_timestamp_seconds"
            self._gauges[name].at().set(self._clock.utc().timestamp())

    def chunks(self, fmt: Format) -> Iterator[bytes]:
        """The exposition as of now, in pieces that each take well under a millisecond or two."""
        self._refresh()
        yield from chunks(self._registry.tables, fmt)
        if fmt is Format.OPENMETRICS:
            text: bytes = process_openmetrics(self._process)  # type: ignore[no-untyped-call]
            yield text.removesuffix(_END_OF_EXPOSITION)
            yield _END_OF_EXPOSITION
        else:
            yield process_text(self._process)

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

    def _configure_path(self, path: Path) -> None:
        name = path.name
        for kind in MutationKind:
            self._counters["mailcanary_mutations_total"].at(name, kind)
        for outcome in Outcome:
            self._counters["mailcanary_canaries_total"].at(name, outcome)
        phases = ROUTES[path.route.kind].phases
        for phase in (*phases, Phase.TRANSIT):
            self._histograms["mailcanary_phase_seconds"].at(name, phase)
        reasons = chain(((phase, Reason.TIMEOUT) for phase in phases), DELIVERY_FAILURES.values())
        for phase, reason in reasons:
            owner = owner_of(phase, reason)
            self._counters["mailcanary_failures_total"].at(name, phase, reason, owner)
        self._histograms["mailcanary_round_trip_seconds"].at(name)
        self._histograms["mailcanary_arrival_resolution_seconds"].at(name)
        self._counters["mailcanary_missed_slots_total"].at(name)
        self._gauges["mailcanary_last_run_timestamp_seconds"].at(name)
        self._gauges["mailcanary_last_success_timestamp_seconds"].at(name)
        self._gauges["mailcanary_interval_seconds"].at(name).set(path.every)
        self._gauges["mailcanary_late_after_seconds"].at(name).set(path.late_after)
        self._gauges["mailcanary_lost_after_seconds"].at(name).set(path.lost_after)

    def _configure_job(self, job: Job) -> None:
        name = job.name
        for verdict in Verdict:
            self._counters["mailcanary_probe_runs_total"].at(name, verdict)
        for phase in KINDS[job.kind].phases:
            self._histograms["mailcanary_probe_phase_seconds"].at(name, phase)
            labels = (phase, Reason.TIMEOUT, owner_of(phase, Reason.TIMEOUT))
            self._counters["mailcanary_probe_failures_total"].at(name, *labels)
        for aspect in KINDS[job.kind].aspects:
            self._counters["mailcanary_probe_target_changes_total"].at(name, aspect)
        self._counters["mailcanary_probe_missed_slots_total"].at(name)
        self._gauges["mailcanary_probe_last_run_timestamp_seconds"].at(name)
        self._gauges["mailcanary_probe_last_success_timestamp_seconds"].at(name)
        self._gauges["mailcanary_probe_interval_seconds"].at(name).set(job.every)

    def _job_finished(self, name: str, result: ProbeResult) -> None:
        verdict = verdict_of(result.failure)
        self._counters["mailcanary_probe_runs_total"].at(name, verdict).increase()
        self._show_up("mailcanary_probe_up", verdict, name)
        if KINDS[result.kind].has_mx_metrics:
            self._show_mx(name, result)

    def _show_up(self, metric: str, verdict: Verdict, name: str) -> None:
        if verdict is Verdict.UNTESTABLE:
            self._gauges[metric].drop(name)
        else:
            self._gauges[metric].at(name).set(int(verdict is Verdict.OK))

    def _show_mx(self, name: str, result: ProbeResult) -> None:
        """The hosts of the last run; what could not be tested is absent, never a stale value.

        Only a certificate's expiry outlives a run that could not ask for the hosts: it is a date,
        and our broken resolver does not change it.
        """
        hosts = self._gauges["mailcanary_mx_hosts"]
        is_unknown = not result.parts and verdict_of(result.failure) is Verdict.UNTESTABLE
        if is_unknown:
            hosts.drop(name)
        else:
            hosts.at(name).set(mx_host_count(result))
        for metric, values in mx_gauges(name, mx_hosts(result.parts)).items():
            if not (is_unknown and metric == EXPIRY):
                _show_only(self._gauges[f"mailcanary_mx_{metric}"], name, values)

    def _follow(self, state: _PathState, record: CanaryRecord) -> _Flight | None:
        """Keep the set of canaries in flight; the flight this record continues or ends."""
        if record.state not in _IN_FLIGHT:
            return state.in_flight.pop(record.token, None)
        flight = state.in_flight.get(record.token)
        if flight is None:
            began = self._clock.monotonic() - self._age(record)
            flight = state.in_flight[record.token] = _Flight(began, next(self._serial))
        return flight

    def _age(self, record: CanaryRecord) -> float:
        """Seconds since the sending began; read once, so that a stepped clock cannot age it."""
        if record.sending_at is None:
            return 0.0
        return max(0.0, (self._clock.utc() - record.sending_at).total_seconds())

    def _count(self, change: Change, outcome: Outcome) -> None:
        record = change.record
        self._counters["mailcanary_canaries_total"].at(record.path, outcome).increase()
        labels = delivery_failure(change)
        if labels is not None:
            self._counters["mailcanary_failures_total"].at(record.path, *labels).increase()
        if outcome in _FOUND:
            self._found(change)

    def _found(self, change: Change) -> None:
        record = change.record
        if record.round_trip is None:
            return
        exemplar = ("token", record.token, change.at.timestamp())
        name = "mailcanary_round_trip_seconds"
        self._histograms[name].at(record.path).observe(record.round_trip, exemplar)
        transit = transit_seconds(record, record.round_trip)
        if transit is not None:
            phases = self._histograms["mailcanary_phase_seconds"]
            phases.at(record.path, Phase.TRANSIT).observe(transit)
        if record.resolution is not None:
            name = "mailcanary_arrival_resolution_seconds"
            self._histograms[name].at(record.path).observe(record.resolution)
        if change.outcome in SUCCESS:
            self._stamp("mailcanary_last_success_timestamp_seconds", record.path, change.at)

    def _settle(
        self, state: _PathState, serial: int, record: CanaryRecord, outcome: Outcome
    ) -> None:
        """Let the newest settled canary say whether the path is up; an older one comes too late."""
        if serial > state.newest_settled:
            state.newest_settled = serial
            self._show_up("mailcanary_path_up", path_verdict(record, outcome), record.path)

    def _show_end(self, run: Run) -> None:
        ended = run.result.started_at + timedelta(seconds=run.result.seconds)
        prefix = "mailcanary_probe" if run.name in self._jobs else "mailcanary"
        self._stamp(f"{prefix}_last_run_timestamp_seconds", run.name, ended)
        if run.name in self._jobs and run.result.ok:
            self._stamp("mailcanary_probe_last_success_timestamp_seconds", run.name, ended)

    def _stamp(self, metric: str, name: str, at: datetime) -> None:
        """Set, never kept at its greatest: a clock that was ahead must not hide an outage."""
        self._gauges[metric].at(name).set(at.timestamp())

    def _refresh(self) -> None:
        """Compute what is true only at the moment of the scrape."""
        now = self._clock.monotonic()
        in_flight = self._gauges["mailcanary_canaries_in_flight"]
        oldest = self._gauges["mailcanary_oldest_in_flight_age_seconds"]
        for name, state in self._paths.items():
            began = min((flight.began for flight in state.in_flight.values()), default=now)
            in_flight.at(name).set(len(state.in_flight))
            oldest.at(name).set(max(0.0, now - began))
        self._gauges["mailcanary_event_loop_lag_max_seconds"].at().set(self._lag.value())
        dropped = self._counters["mailcanary_log_lines_dropped_total"].at()
        dropped.increase(self._log_lines_dropped() - int(dropped.value))


def _show_only(gauges: Table[Gauge], first: str, values: Mapping[tuple[str, ...], float]) -> None:
    """Show these values by their labels, and no others that have this first one."""
    gauges.retain(first, values.keys())
    for labels, value in values.items():
        gauges.at(*labels).set(value)
