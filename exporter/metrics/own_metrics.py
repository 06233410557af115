"""The metrics of our own process: its event loop, its ledger, its configuration and its tasks."""

import platform
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest as process_text
from prometheus_client.openmetrics.exposition import generate_latest as process_openmetrics

from exporter.metrics.exposition import Format, Registry
from exporter.metrics.rolling_maximum import RollingMaximum
from probes.clock import Clock

LAG_WINDOW = 30.0
"""Seconds; the greatest loop lag is that of the current and the previous such span."""

_END_OF_EXPOSITION = b"# EOF\n"


class OwnMetrics:
    """The metrics of this process."""

    def __init__(
        self, registry: Registry, version: str, clock: Clock, log_lines_dropped: Callable[[], int]
    ) -> None:
        self._clock = clock
        self._counters = registry.counters
        self._gauges = registry.gauges
        self._histograms = registry.histograms
        self._log_lines_dropped = log_lines_dropped
        self._lag = RollingMaximum(clock, LAG_WINDOW)
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        self._gauges["mailcanary_build_info"].at(version, platform.python_version()).set(1)

    def loop_lag(self, seconds: float) -> None:
        """Record how much later than asked for the event loop woke up."""
        self._histograms["mailcanary_event_loop_lag_seconds"].at().observe(seconds)
        self._lag.add(seconds)

    def lagged_run(self) -> None:
        """Count a run during which the event loop was late."""
        self._counters["mailcanary_lagged_runs_total"].at().increase()

    def task_restarted(self, name: str) -> None:
        """Count a long-lived task that ended though nobody ended it, and begins anew."""
        self._counters["mailcanary_task_restarts_total"].at(name).increase()

    def connection_dropped(self, reason: str) -> None:
        """Count a connection to the pages that we closed."""
        self._counters["mailcanary_http_connections_dropped_total"].at(reason).increase()

    def ledger_error(self) -> None:
        """Count an operation that the ledger refused."""
        self._counters["mailcanary_ledger_errors_total"].at().increase()

    def config_reloaded(self, *, ok: bool) -> None:
        """Show whether the configuration file was good when it was last read."""
        self._gauges["mailcanary_config_last_reload_successful"].at().set(int(ok))
        if ok:
            name = "mailcanary_config_last_reload_success_timestamp_seconds"
            self._gauges[name].at().set(self._clock.utc().timestamp())

    def refresh(self) -> None:
        """Compute the values that are true only at the moment of the scrape."""
        self._gauges["mailcanary_event_loop_lag_max_seconds"].at().set(self._lag.value())
        dropped = self._counters["mailcanary_log_lines_dropped_total"].at()
        dropped.increase(self._log_lines_dropped() - int(dropped.value))

    def process_chunks(self, fmt: Format) -> Iterator[bytes]:
        """Return the client library's metrics of the process, and the end of the exposition."""
        if fmt is Format.OPENMETRICS:
            text: bytes = process_openmetrics(self._process)  # type: ignore[no-untyped-call]
            yield text.removesuffix(_END_OF_EXPOSITION)
            yield _END_OF_EXPOSITION
        else:
            yield process_text(self._process)
