"""The service's own subscribers: the metrics, the observations that show suspects, and the log."""

import logging
from collections.abc import Iterable
from datetime import datetime

from exporter.analysis.observations import RecentObservations
from exporter.analysis.suspects import Suspect
from exporter.ledger.errors import LedgerError
from exporter.metrics.metrics import Metrics
from exporter.model import CanaryRecord, Change, Config, Examined, Run, TargetChange
from exporter.service.mailbox_watcher import WatchState
from exporter.service.publisher import Subscriber
from probes.result import Finding, one_line

LOG = logging.getLogger("mailcanary")
RUN_LOG = logging.getLogger("mailcanary.run")


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
    """Writes one line for every outcome, run, change and trouble."""

    def canary_changed(self, change: Change) -> None:
        if change.outcome is not None:
            LOG.info(
                "canary path=%s outcome=%s token=%s round_trip=%s",
                change.record.path,
                change.outcome,
                change.record.token,
                change.record.round_trip,
            )

    def run_finished(self, run: Run) -> None:
        failure, why = run.result.failure, ""
        if failure is not None:
            why = f" phase={failure.phase} reason={failure.reason} owner={failure.owner}"
        RUN_LOG.info(
            "run name=%s kind=%s ok=%s seconds=%.3f%s",
            run.name,
            run.result.kind,
            run.result.ok,
            run.result.seconds,
            why,
        )

    def target_changed(self, change: TargetChange) -> None:
        LOG.info(
            "change job=%s aspect=%s subject=%s before=%r after=%r",
            *(change.name, change.aspect, one_line(change.subject)),
            *(one_line(change.before), one_line(change.after)),
        )

    def copy_examined(self, examined: Examined) -> None:
        record = examined.copy.record
        codes = sorted({finding.code for finding in examined.evidence.findings})
        LOG.info(
            "evidence path=%s token=%s findings=%s", record.path, record.token, ",".join(codes)
        )

    def mailbox_changed(self, mailbox: str, state: WatchState) -> None:
        if state.failure is not None:
            reason, detail = state.failure.reason, state.failure.detail
            LOG.warning("mailbox %s cannot be read: %s: %s", mailbox, reason, detail)

    def canary_forged(self, mailbox: str) -> None:
        LOG.warning("mailbox %s: a message with a token never issued", mailbox)

    def ledger_refused(self, action: str, error: LedgerError) -> None:
        LOG.error("%s: %s", action, error)
