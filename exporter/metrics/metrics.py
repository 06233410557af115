"""The exposition that Prometheus scrapes: finished values in, text out.

Nothing here measures. The service hands over every finished Run and every durable Change once, and
asks for the exposition when it is scraped. `docs/metrics.md` gives the meaning of each metric.
Values of a path, job or mailbox that is no longer configured are ignored.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from exporter.metrics.exposition import Format, Registry, chunks
from exporter.metrics.families import BY_OPTION, DEFAULT_VANTAGE, FAMILIES, VANTAGE
from exporter.metrics.job_metrics import JobMetrics
from exporter.metrics.mailbox_metrics import MailboxMetrics
from exporter.metrics.own_metrics import OwnMetrics
from exporter.metrics.path_metrics import PathMetrics
from exporter.metrics.result_values import is_lagged
from exporter.model import CanaryRecord, Change, Config, Examined, Run, TargetChange
from probes.clock import Clock
from probes.result import Failure, Finding


class Metrics:
    """All metrics of one process: those of its paths, jobs and mailboxes, and its own.

    `vantage` names the place from which this process looks, for the whole of its life.
    """

    def __init__(
        self,
        version: str,
        clock: Clock,
        log_lines_dropped: Callable[[], int] = lambda: 0,
        vantage: str = DEFAULT_VANTAGE,
    ) -> None:
        self._registry = registry = Registry(FAMILIES, {VANTAGE: vantage})
        for table in registry.tables:
            if not table.family.labels:
                table.at()
        self._paths = PathMetrics(registry, clock)
        self._jobs = JobMetrics(registry, clock)
        self._mailboxes = MailboxMetrics(registry)
        self._own = OwnMetrics(registry, version, clock, log_lines_dropped)

    def configure(self, config: Config) -> None:
        """Make every series that can be known, at zero, and remove those of removed names.

        Names that stay configured keep their values: a reload never sets a counter back.
        """
        has_histograms = config.service.phase_histograms
        if not has_histograms:
            for name in BY_OPTION:
                self._registry.histograms[name].clear()
        self._paths.configure(config.paths, phase_histograms=has_histograms)
        self._jobs.configure(config.jobs, phase_histograms=has_histograms)
        self._mailboxes.configure(config.mailboxes)
        self._own.config_reloaded(ok=True)

    def run_finished(self, run: Run) -> None:
        """Count one finished run of a job, or the sending of one canary.

        Runs started by hand (a negative tick) are not counted.
        """
        about = self._about(run.name)
        if run.tick < 0 or about is None:
            return
        about.run_finished(run)
        if is_lagged(run.result):
            self._own.lagged_run()

    def run_resumed(self, run: Run) -> None:
        """Show when a run of an earlier process ended, without counting it again.

        Call it before the first run of this process finishes, the newest run last.
        """
        about = self._about(run.name)
        if run.tick >= 0 and about is not None:
            about.run_resumed(run)

    def missed_slots(self, name: str, missed: int) -> None:
        """Count slots in which a path or job did not run."""
        about = self._about(name)
        if about is not None:
            about.missed_slots(name, missed)

    def canary_changed(self, change: Change) -> None:
        """Follow one durable step in a canary's life; its outcome, if any, is counted.

        Canaries sent by hand (a negative tick) are not.
        """
        self._paths.canary_changed(change)

    def resumed(self, record: CanaryRecord) -> None:
        """Take over a canary of an earlier process: its age if it is in flight, else its success.

        Nothing is counted. The newest settled canary says how its path is, as long as it speaks of
        now. Call it before the first canary of this process settles, the newest record last.
        """
        self._paths.resumed(record)

    def evidence_resumed(self, record: CanaryRecord, findings: Iterable[Finding]) -> None:
        """Take over the findings in the copies of a canary of an earlier process."""
        self._paths.evidence_resumed(record, findings)

    def copy_examined(self, examined: Examined) -> None:
        """Count the changes in a copy, and show the evidence of the newest canary's first copy.

        Bounces and canaries sent by hand are passed over.
        """
        self._paths.copy_examined(examined)

    def target_changed(self, change: TargetChange) -> None:
        """Count a change that a job found in its target."""
        self._jobs.target_changed(change)

    def forged(self, mailbox: str) -> None:
        """Count a message with a token that was never issued."""
        self._mailboxes.forged(mailbox)

    def mailbox_watch(self, mailbox: str, *, is_up: bool, failure: Failure | None) -> None:
        """Show whether a mailbox is being watched, and count the failure that ended the watch."""
        self._mailboxes.watched(mailbox, is_up=is_up, failure=failure)
        self._paths.mailbox_watched(mailbox, is_up=is_up)

    def cleaned(self, mailbox: str, *, ok: bool) -> None:
        """Show whether our own canaries could be removed from a mailbox when it was due."""
        self._mailboxes.cleaned(mailbox, ok=ok)

    def looked(self, mailbox: str, at: datetime) -> None:
        """Show when a mailbox was last looked at."""
        self._mailboxes.looked(mailbox, at)

    def suspects(self, failed: Mapping[tuple[str, str], int]) -> None:
        """Show the parts that failing paths share: (kind, name) -> failures; others disappear."""
        gauges = self._registry.gauges["mailcanary_suspect"]
        for gone in set(gauges.labels()) - failed.keys():
            gauges.drop(*gone)
        for suspect, failures in failed.items():
            gauges.at(*suspect).set(failures)

    def loop_lag(self, seconds: float) -> None:
        """Record how much later than asked for the event loop woke up."""
        self._own.loop_lag(seconds)

    def task_restarted(self, name: str) -> None:
        """Count a long-lived task that ended though nobody ended it, and begins anew."""
        self._own.task_restarted(name)

    def connection_dropped(self, reason: str) -> None:
        """Count a connection to the pages that we closed; `reason` is of a closed set."""
        self._own.connection_dropped(reason)

    def ledger_error(self) -> None:
        """Count an operation that the ledger refused."""
        self._own.ledger_error()

    def config_reloaded(self, *, ok: bool) -> None:
        """Show whether the configuration file was good when it was last read."""
        self._own.config_reloaded(ok=ok)

    def chunks(self, fmt: Format) -> Iterator[bytes]:
        """The exposition as of now, in pieces that each take well under a millisecond or two."""
        self._paths.refresh()
        self._jobs.refresh()
        self._own.refresh()
        yield from chunks(self._registry.tables, fmt)
        yield from self._own.process_chunks(fmt)

    def _about(self, name: str) -> PathMetrics | JobMetrics | None:
        """The metrics of a path or a job; their names are unique together."""
        if name in self._paths:
            return self._paths
        return self._jobs if name in self._jobs else None
