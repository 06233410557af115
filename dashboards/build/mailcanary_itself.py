"""mailcanary itself: can the measurements be believed, and does the process do well."""

from dashboards.build.boards import Board, Row
from dashboards.build.panels import (
    NONE_IS_GOOD,
    UP_WORDS,
    Card,
    bars,
    labels,
    lines,
    numbers,
    rows,
    states,
)
from dashboards.build.queries import Query


def _events(metric: str, legend: str, by: str = "instance") -> Query:
    return Query(f"sum by ({by}) (increase({metric}{{@}}[$__rate_interval])) > 0", legend)


HEALTH = (
    states(
        Card(
            "Scraped",
            "Whether Prometheus could read the metrics of each process.",
            (Query("min by (job, instance) (up{@})", "{{instance}}"),),
            unit="bool_on_off",
            words=UP_WORDS,
        )
    ),
    states(
        Card(
            "Configuration",
            "Whether the configuration file was good when it was last read. While it is not, the "
            "one before stays in force.",
            (
                Query(
                    "min by (instance) (mailcanary_config_last_reload_successful{@})",
                    "{{instance}}",
                ),
            ),
            unit="bool_on_off",
            words=UP_WORDS,
        )
    ),
    labels(
        Card(
            "Versions",
            "The running versions of mailcanary and Python.",
            (Query("max by (instance, version, python) (mailcanary_build_info{@})"),),
            height=6,
        )
    ),
    numbers(
        Card(
            "Time since the start",
            "How long each process runs. Canaries in flight outlive a restart; counters begin "
            "at zero.",
            (
                Query(
                    "time() - max by (instance) (process_start_time_seconds{@})",
                    "{{instance}}",
                ),
            ),
            unit="s",
            width=6,
            height=6,
        )
    ),
    numbers(
        Card(
            "Restarts",
            "Restarts of each process in the chosen time.",
            (
                Query(
                    "max by (instance) (changes(process_start_time_seconds{@}[$__range]))",
                    "{{instance}}",
                ),
            ),
            width=6,
            height=6,
            steps=NONE_IS_GOOD,
        )
    ),
)

CREDIBILITY = (
    lines(
        Card(
            "Event loop lag",
            "How much later than asked for the event loop woke up: the greatest lag of half a "
            "minute, and the one that 99 % stay below. A measurement may be too long by as much.",
            (
                Query(
                    "max by (instance) (mailcanary_event_loop_lag_max_seconds{@})",
                    "{{instance}} greatest",
                ),
                Query(
                    "histogram_quantile(0.99, sum by (instance, le) "
                    "(rate(mailcanary_event_loop_lag_seconds_bucket{@}[$__rate_interval])))",
                    "{{instance}} 99 %",
                ),
            ),
            unit="s",
            steps=((None, "green"), (0.05, "yellow"), (1, "red")),
        )
    ),
    bars(
        Card(
            "Lagged runs",
            "Runs during which the event loop was late by 20 ms or more. If many do, start fewer "
            "at once or give the process more of a CPU.",
            (_events("mailcanary_lagged_runs_total", "{{instance}}"),),
        )
    ),
    bars(
        Card(
            "Missed slots",
            "Slots in which a path should have sent or a job should have run, and did not.",
            (
                _events("mailcanary_missed_slots_total", "path {{path}}", "path"),
                _events("mailcanary_probe_missed_slots_total", "job {{probe}}", "probe"),
            ),
        )
    ),
    bars(
        Card(
            "Untestable",
            "Canaries and runs that our own side spoiled: the resolver, a password, the process. "
            "They say nothing about mail.",
            (
                Query(
                    'sum by (path) (increase(mailcanary_canaries_total{@, outcome="untestable"}'
                    "[$__rate_interval])) > 0",
                    "path {{path}}",
                    is_rare=True,
                ),
                Query(
                    "sum by (probe) (increase(mailcanary_probe_runs_total"
                    '{@, verdict="untestable"}[$__rate_interval])) > 0',
                    "job {{probe}}",
                    is_rare=True,
                ),
            ),
        )
    ),
)

TROUBLE = (
    bars(
        Card(
            "Ledger errors",
            "Operations that the ledger refused: a full disk, a file that cannot be written. "
            "Nothing is sent that the ledger did not take down first.",
            (_events("mailcanary_ledger_errors_total", "{{instance}}"),),
        )
    ),
    bars(
        Card(
            "Task restarts",
            "Long-lived tasks that ended by an error of mailcanary and began anew. Each is a bug; "
            "the log has the traceback.",
            (_events("mailcanary_task_restarts_total", "{{task}}", "task"),),
        )
    ),
    bars(
        Card(
            "Dropped log lines",
            "Log lines that standard error did not take: its reader stalls, or the disk is full.",
            (_events("mailcanary_log_lines_dropped_total", "{{instance}}"),),
        )
    ),
    bars(
        Card(
            "Dropped connections",
            "Connections to the pages that were closed because of how the client behaved.",
            (_events("mailcanary_http_connections_dropped_total", "{{reason}}", "reason"),),
        )
    ),
    rows(
        Card(
            "Mailboxes that keep our canaries",
            "Mailboxes from which settled canaries could not be removed. They fill up with time.",
            (Query("min by (mailbox) (mailcanary_mailbox_cleaning_successful{@}) == 0"),),
            steps=((None, "yellow"),),
        ),
        "Removed",
    ),
)

COST = (
    lines(
        Card(
            "Duration of a scrape",
            "Time that Prometheus needed to read the metrics.",
            (Query("max by (instance) (scrape_duration_seconds{@})", "{{instance}}"),),
            unit="s",
            steps=((None, "green"), (1, "yellow"), (5, "red")),
        )
    ),
    lines(
        Card(
            "Series of a scrape",
            "Series in one scrape. A path has some 50, a job some 20.",
            (Query("max by (instance) (scrape_samples_scraped{@})", "{{instance}}"),),
        )
    ),
    lines(
        Card(
            "CPU",
            "Share of one core that each process uses. Near 100 % the measurements suffer.",
            (
                Query(
                    "sum by (instance) (rate(process_cpu_seconds_total{@}[$__rate_interval]))",
                    "{{instance}}",
                ),
            ),
            unit="percentunit",
            steps=((None, "green"), (0.5, "yellow"), (0.8, "red")),
        )
    ),
    lines(
        Card(
            "Memory",
            "Resident memory of each process.",
            (Query("max by (instance) (process_resident_memory_bytes{@})", "{{instance}}"),),
            unit="bytes",
        )
    ),
    lines(
        Card(
            "File descriptors",
            "Share of the allowed file descriptors that each process uses.",
            (
                Query(
                    "max by (instance) (process_open_fds{@} / process_max_fds{@})",
                    "{{instance}}",
                ),
            ),
            unit="percentunit",
            steps=((None, "green"), (0.7, "yellow"), (0.9, "red")),
        )
    ),
)

MAILCANARY_ITSELF = Board(
    name="mailcanary-itself",
    title="mailcanary / mailcanary itself",
    description="Can the measurements be believed, and does the process do well?",
    variables=(),
    rows=(
        Row("Health", HEALTH),
        Row("Can the measurements be believed?", CREDIBILITY),
        Row("Trouble", TROUBLE),
        Row("Cost", COST),
    ),
)
