"""The alerts about the monitor itself: while they fire, little is known of the mail."""

from exporter.rules.queries import MAILBOX, PATH, PROBE, gauge
from exporter.rules.recordings import MAILBOX_BLAME, PROBE_BLAME, STATE, UNTESTABLE_BLAME
from exporter.rules.rule import Alert, Board, Severity
from exporter.rules.words import who

TEAM = "monitoring"
"""The team of everything that says nothing about mail."""


def monitor_alerts() -> tuple[Alert, ...]:
    """Every alert about ourselves."""
    return (*_absence(), *_untestable(), *_stale(), *_service())


def _absence() -> tuple[Alert, ...]:
    return (
        _own(
            "MonitorDead",
            'max by (job) (up{job=~".*mailcanary.*"}) == 0',
            "5m",
            "Prometheus cannot scrape mailcanary.",
            "No process of the job {{ $labels.job }} answers. Nothing is known of the mail.",
            Severity.CRITICAL,
        ),
        _own(
            "MonitorAbsent",
            "absent(last_over_time(mailcanary_build_info[5m]))",
            "5m",
            "Prometheus has no metric of mailcanary.",
            "No target gives the metrics of mailcanary. Nothing is known of the mail.",
            Severity.CRITICAL,
        ),
    )


def _untestable() -> tuple[Alert, ...]:
    paths = f"max by ({PATH}, owner) ({UNTESTABLE_BLAME})"
    probes = gauge('mailcanary_probe_state{state="untestable"}', PROBE)
    mailboxes = f"max by ({MAILBOX}, owner) ({MAILBOX_BLAME})"
    unread = f"max by ({MAILBOX}) (max_over_time(mailcanary_mailbox_up[5m])) == 0"
    return (
        Alert(
            "MailcanaryPathUntestable",
            (
                f'(max by ({PATH}) ({STATE}{{state="untestable"}}) == 1)\n'
                f"* on ({PATH}) group_left (owner) {paths}"
            ),
            "10m",
            Severity.UNTESTABLE,
            "A path cannot be tested.",
            "Nothing is known of the mail on the path {{ $labels.path }}: the monitor's own side "
            f"fails.{who(UNTESTABLE_BLAME, 'path')}",
            ("path",),
            Board.MONITOR,
            team=TEAM,
        ),
        Alert(
            "MailcanaryProbeUntestable",
            f"{probes} == 1",
            "10m",
            Severity.UNTESTABLE,
            "A job cannot test its target.",
            "Nothing is known of the target of the job {{ $labels.probe }}: the monitor's own side "
            f"fails.{who(PROBE_BLAME, 'probe')}",
            ("probe",),
            Board.MONITOR,
            owner="monitor",
            team=TEAM,
        ),
        Alert(
            "MailcanaryMailboxUnreadable",
            f"(({unread}) + 1)\n* on ({MAILBOX}) group_left (owner) {mailboxes}",
            "5m",
            Severity.UNTESTABLE,
            "A mailbox cannot be read.",
            "The mailbox {{ $labels.mailbox }} cannot be read. No canary in it can be found, and "
            f"none is given up as lost.{who(MAILBOX_BLAME, 'mailbox')}",
            ("mailbox",),
            Board.MONITOR,
            team=TEAM,
        ),
    )


def _stale() -> tuple[Alert, ...]:
    return (
        _late_schedule("PathScheduleStale", "path", "mailcanary_"),
        _late_schedule("ProbeScheduleStale", "probe", "mailcanary_probe_"),
    )


def _late_schedule(name: str, what: str, prefix: str) -> Alert:
    by = f"vantage, {what}"
    last = gauge(f"{prefix}last_run_timestamp_seconds", by)
    interval = gauge(f"{prefix}interval_seconds", by)
    return _own(
        name,
        f"time() - ({last} > 0) > on ({by}) 3 * {interval}",
        "5m",
        f"A {what} is not run as often as it should be.",
        f"The last run of the {what} {{{{ $labels.{what} }}}} was "
        "{{ $value | humanizeDuration }} ago: three slots or more were missed.",
        about=(what,),
    )


def _service() -> tuple[Alert, ...]:
    return (
        _own(
            "LedgerErrors",
            "max(increase(mailcanary_ledger_errors_total[15m])) > 0",
            "",
            "The ledger refuses operations.",
            "The ledger refused {{ $value | humanize }} operations in 15 minutes. Look at its "
            "disk. Nothing is sent that the ledger did not take down.",
        ),
        _own(
            "TaskRestarts",
            "max by (task) (increase(mailcanary_task_restarts_total[1h])) > 0",
            "",
            "A task of mailcanary ended by an error of its own.",
            "The task {{ $labels.task }} ended by an error and began anew. The log has the "
            "traceback.",
        ),
        _own(
            "ConfigReloadFailed",
            "min(last_over_time(mailcanary_config_last_reload_successful[5m])) == 0",
            "5m",
            "The configuration has mistakes and was not taken over.",
            "The configuration before stays in force. `mailcanary check-config` lists the "
            "mistakes.",
            owner="configuration",
        ),
        _own(
            "LoopLag",
            "max(min_over_time(mailcanary_event_loop_lag_max_seconds[10m])) > 0.2",
            "5m",
            "The process of mailcanary has too little of a CPU.",
            "The event loop is late by {{ $value | humanizeDuration }} again and again. All "
            "measured times may be too long by as much.",
        ),
    )


def _own(
    name: str,
    expr: str,
    wait: str,
    summary: str,
    description: str,
    severity: Severity = Severity.UNTESTABLE,
    about: tuple[str, ...] = (),
    owner: str = "monitor",
) -> Alert:
    board = Board.MONITOR
    return Alert(
        *(f"Mailcanary{name}", expr, wait, severity, summary, description, about, board),
        owner=owner,
        team=TEAM,
    )
