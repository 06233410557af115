"""The service's own subscribers: the metrics, the observations that show suspects, and the log."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime

from exporter.analysis.observations import RecentObservations
from exporter.analysis.suspects import Suspect
from exporter.ledger.errors import LedgerError, LedgerGoneError
from exporter.metrics.metrics import Metrics
from exporter.model import (
    CanaryRecord,
    Change,
    Config,
    Examined,
    Job,
    Path,
    Run,
    TargetChange,
)
from exporter.service.log_format import event
from exporter.service.mailbox_watcher import WatchState
from exporter.service.publisher import Subscriber
from probes.clock import SYSTEM_CLOCK, Clock
from probes.result import Finding, one_line

LOG = logging.getLogger("mailcanary")
RUN_LOG = logging.getLogger("mailcanary.run")

TOLD_AGAIN = 3_600.0
"""Seconds after which the log tells the same trouble again."""

MAX_TOLD = 20_000
"""Troubles of which it is remembered when they were told."""


class MetricsSubscriber(Subscriber):
    """Writes every notice to the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def configured(self, config: Config) -> None:
        self._metrics.configure(config)

    def config_reloaded(self, *, ok: bool) -> None:
        self._metrics.config_reloaded(ok=ok)

    def run_resumed(self, run: Run) -> None:
        self._metrics.run_resumed(run)

    def canary_resumed(self, record: CanaryRecord) -> None:
        self._metrics.resumed(record)

    def evidence_resumed(self, record: CanaryRecord, findings: tuple[Finding, ...]) -> None:
        self._metrics.evidence_resumed(record, findings)

    def canary_changed(self, change: Change) -> None:
        self._metrics.canary_changed(change)

    def run_finished(self, run: Run) -> None:
        self._metrics.run_finished(run)

    def target_changed(self, change: TargetChange) -> None:
        self._metrics.target_changed(change)

    def copy_examined(self, examined: Examined) -> None:
        self._metrics.copy_examined(examined)

    def slots_missed(self, name: str, missed: int) -> None:
        self._metrics.missed_slots(name, missed)

    def mailbox_changed(self, mailbox: str, state: WatchState) -> None:
        self._metrics.mailbox_watch(mailbox, is_up=state.is_up, failure=state.failure)

    def mailbox_looked(self, mailbox: str, at: datetime) -> None:
        self._metrics.looked(mailbox, at)

    def mailbox_cleaned(self, mailbox: str, *, ok: bool) -> None:
        self._metrics.cleaned(mailbox, ok=ok)

    def canary_forged(self, mailbox: str) -> None:
        self._metrics.forged(mailbox)

    def suspects_found(self, suspects: Iterable[Suspect]) -> None:
        self._metrics.suspects({(one.part, one.name): one.failed for one in suspects})

    def ledger_refused(self, action: str, error: LedgerError) -> None:  # noqa: ARG002 - a count
        self._metrics.ledger_error()

    def task_restarted(self, name: str) -> None:
        self._metrics.task_restarted(name)

    def loop_lagged(self, seconds: float) -> None:
        self._metrics.loop_lag(seconds)


class ObservationsSubscriber(Subscriber):
    """Keeps the newest observations of every path and job, from which suspects are found."""

    def __init__(self, observations: RecentObservations) -> None:
        self._observations = observations

    def configured(self, config: Config) -> None:
        self._observations.configure(config)

    def run_resumed(self, run: Run) -> None:
        self._observations.finished(run)

    def canary_resumed(self, record: CanaryRecord) -> None:
        self._observations.settled(record)

    def canary_changed(self, change: Change) -> None:
        if change.record.tick >= 0:
            self._observations.settled(change.record)

    def run_finished(self, run: Run) -> None:
        self._observations.finished(run)


class LogSubscriber(Subscriber):
    """Writes one line for every outcome, run, change and trouble.

    Missed slots of one name are told once an hour, as is the same refusal of the ledger. One that
    refuses everything, because its file is gone, is told once for all.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._down_since: dict[str, float] = {}
        self._teams: Mapping[str, str] = {}
        self._missed: dict[str, int] = {}
        self._told: dict[str, float] = {}

    def slots_missed(self, name: str, missed: int) -> None:
        count = self._missed[name] = self._missed.get(name, 0) + missed
        if self._is_due(f"missed {name}"):
            del self._missed[name]
            LOG.warning(
                "%s did not run in %d slots: its run before was not over, the limits of runs at "
                "the same time were reached, or this machine stood still",
                *(name, count),
            )

    def _is_due(self, key: str) -> bool:
        """True once an hour for each key."""
        now, told = self._clock.monotonic(), self._told.get(key)
        if told is not None and now - told < TOLD_AGAIN:
            return False
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[key] = now
        return True

    def configured(self, config: Config) -> None:
        watched: tuple[Path | Job, ...] = (*config.paths.values(), *config.jobs.values())
        self._teams = {one.name: one.team for one in watched if one.team is not None}

    def _team(self, name: str) -> dict[str, str]:
        """The team to call as a field of a log line, if there is one."""
        team = self._teams.get(name)
        return {} if team is None else {"team": team}

    def canary_changed(self, change: Change) -> None:
        if change.outcome is not None:
            event(
                *(LOG, logging.INFO, "canary"),
                path=change.record.path,
                outcome=change.outcome,
                token=change.record.token,
                round_trip=change.record.round_trip,
                **self._team(change.record.path),
            )

    def run_finished(self, run: Run) -> None:
        failure, why = run.result.failure, dict[str, object]()
        if failure is not None:
            why = {"phase": failure.phase, "reason": failure.reason, "owner": failure.owner}
        event(
            *(RUN_LOG, logging.INFO, "run"),
            name=run.name,
            kind=run.result.kind,
            ok=run.result.ok,
            seconds=f"{run.result.seconds:.3f}",
            **why,
            **self._team(run.name),
        )

    def target_changed(self, change: TargetChange) -> None:
        event(
            *(LOG, logging.INFO, "change"),
            job=change.name,
            aspect=change.aspect,
            subject=one_line(change.subject),
            before=repr(one_line(change.before)),
            after=repr(one_line(change.after)),
        )

    def copy_examined(self, examined: Examined) -> None:
        record = examined.copy.record
        codes = sorted({finding.code for finding in examined.evidence.findings})
        event(
            *(LOG, logging.INFO, "evidence"),
            path=record.path,
            token=record.token,
            findings=",".join(codes),
        )

    def mailbox_changed(self, mailbox: str, state: WatchState) -> None:
        if state.failure is not None:
            self._down_since.setdefault(mailbox, self._clock.monotonic())
            reason, detail = state.failure.reason, state.failure.detail
            LOG.warning("mailbox %s cannot be read: %s: %s", mailbox, reason, detail)
        elif state.is_up:
            since = self._down_since.pop(mailbox, None)
            if since is None:
                LOG.info("mailbox %s can be read", mailbox)
            else:
                down = self._clock.monotonic() - since
                LOG.warning("mailbox %s can be read again after %.0f s", mailbox, down)

    def canary_forged(self, mailbox: str) -> None:
        LOG.warning("mailbox %s: a message with a token never issued", mailbox)

    def ledger_refused(self, action: str, error: LedgerError) -> None:
        about = "" if isinstance(error, LedgerGoneError) else action
        if self._is_due(f"refused {about} {error}"):
            LOG.error("%s: %s", action, error)
