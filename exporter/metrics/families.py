"""The one table of every metric of the service itself; `docs/metrics.md` explains each row.

`path` is the name of a mail path and `probe` the name of a job: Prometheus keeps the label `job`
for its own scrape jobs. Every label takes its values from a closed set: names in the configuration,
enum members, and at most 32 MX hosts per probe. What is observed of paths, jobs, mailboxes and
suspects also has the label `vantage`: from where it was observed.
"""

from dataclasses import replace

from exporter.metrics.exposition import Family, FamilyType

COUNTER, GAUGE, HISTOGRAM = FamilyType.COUNTER, FamilyType.GAUGE, FamilyType.HISTOGRAM

MAIL_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    *(60, 120, 300, 600, 1800, 3600, 7200),
)
"""From a reply on the local network to a message that was deferred for two hours."""

ROUND_TRIP_SECONDS = (1, 5, 15, 60, 300, 1800)
"""Fast, usual, slow, late by default, greylisted, deferred; every path has them all."""

LOOK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

PATH_INFO = ("path", "route", "route_type", "mailbox", "mailbox_type", "rcpt_domain", "team")
PROBE_INFO = ("probe", "kind", "target", "team")
MAILBOX_INFO = ("mailbox", "type", "host", "team")

BY_OPTION = (
    "mailcanary_phase_seconds",
    "mailcanary_arrival_resolution_seconds",
    "mailcanary_probe_phase_seconds",
)
"""Metrics that have series only with the option `phase_histograms`."""

VANTAGE = "vantage"
DEFAULT_VANTAGE = "main"
_OBSERVED = ("path", "probe", "mailbox", "part")
"""First labels of the metrics that may look otherwise from another place."""

_DECLARED = (
    # mail paths
    Family(
        "mailcanary_path_info",
        GAUGE,
        "Parts of each configured path, as labels; always 1.",
        PATH_INFO,
    ),
    Family(
        "mailcanary_canaries_total",
        COUNTER,
        "Settled canaries by outcome; each canary counts once.",
        ("path", "outcome"),
    ),
    Family(
        "mailcanary_canary_events_total",
        COUNTER,
        "Events in the life of canaries that settle nothing.",
        ("path", "event"),
    ),
    Family(
        "mailcanary_path_up",
        GAUGE,
        "1 if mail arrives, 0 if it fails, absent if that is not known now.",
        ("path",),
    ),
    Family(
        "mailcanary_path_state",
        GAUGE,
        "1 for the state of a path now, 0 for each other state.",
        ("path", "state"),
    ),
    Family(
        "mailcanary_time_in_phase_seconds_total",
        COUNTER,
        "Time all canaries spent in each phase of their way.",
        ("path", "phase"),
    ),
    Family(
        "mailcanary_phase_seconds",
        HISTOGRAM,
        "Time one canary spent in each phase of its way, with phase_histograms.",
        ("path", "phase"),
        MAIL_SECONDS,
    ),
    Family(
        "mailcanary_round_trip_seconds",
        HISTOGRAM,
        "Time from the beginning of the sending to the look that found the canary.",
        ("path",),
        ROUND_TRIP_SECONDS,
    ),
    Family(
        "mailcanary_arrival_resolution_seconds",
        HISTOGRAM,
        "Time between the last look without the canary and the look with it, with "
        "phase_histograms.",
        ("path",),
        LOOK_SECONDS,
    ),
    Family(
        "mailcanary_failures_total",
        COUNTER,
        "Failures on a mail path by phase, reason and owner.",
        ("path", "phase", "reason", "owner"),
    ),
    Family(
        "mailcanary_canaries_in_flight",
        GAUGE,
        "Canaries whose sending has begun and whose outcome is open.",
        ("path",),
    ),
    Family(
        "mailcanary_oldest_in_flight_age_seconds",
        GAUGE,
        "Age of the oldest canary in flight, 0 if there is none.",
        ("path",),
    ),
    Family(
        "mailcanary_last_run_timestamp_seconds",
        GAUGE,
        "When the last sending ended, 0 if never.",
        ("path",),
    ),
    Family(
        "mailcanary_last_success_timestamp_seconds",
        GAUGE,
        "When a canary was last found in its inbox, 0 if never.",
        ("path",),
    ),
    Family(
        "mailcanary_missed_slots_total",
        COUNTER,
        "Slots in which a path should have sent and did not.",
        ("path",),
    ),
    Family(
        "mailcanary_interval_seconds",
        GAUGE,
        "Configured time between two canaries.",
        ("path",),
    ),
    Family(
        "mailcanary_late_after_seconds",
        GAUGE,
        "Configured age at which a canary is late.",
        ("path",),
    ),
    Family(
        "mailcanary_lost_after_seconds",
        GAUGE,
        "Configured age at which a canary is lost.",
        ("path",),
    ),
    # what the newest copy proves
    Family(
        "mailcanary_hop_delay_min_seconds",
        GAUGE,
        "Least time the newest copy can have taken from the relay before to this one.",
        ("path", "hop"),
    ),
    Family(
        "mailcanary_hop_delay_max_seconds",
        GAUGE,
        "Greatest time the newest copy can have taken from the relay before to this one.",
        ("path", "hop"),
    ),
    Family(
        "mailcanary_authentication_result",
        GAUGE,
        "Verdicts of receivers and filters on the newest copy; always 1.",
        ("path", "by", "method", "result"),
    ),
    Family(
        "mailcanary_spam_score",
        GAUGE,
        "Score that a filter wrote into the newest copy.",
        ("path", "system"),
    ),
    Family(
        "mailcanary_evidence_finding",
        GAUGE,
        "Findings about the newest copy; always 1.",
        ("path", "code", "status"),
    ),
    Family(
        "mailcanary_mutations_total",
        COUNTER,
        "Changes that were made to canaries on their way.",
        ("path", "kind"),
    ),
    # jobs
    Family(
        "mailcanary_probe_info",
        GAUGE,
        "Kind and target of each configured job, as labels; always 1.",
        PROBE_INFO,
    ),
    Family(
        "mailcanary_probe_runs_total",
        COUNTER,
        "Finished runs of a job by verdict.",
        ("probe", "verdict"),
    ),
    Family(
        "mailcanary_probe_up",
        GAUGE,
        "1 if the last run succeeded, 0 if it failed, absent if that is not known now.",
        ("probe",),
    ),
    Family(
        "mailcanary_probe_state",
        GAUGE,
        "1 for the state of a job now, 0 for each other state.",
        ("probe", "state"),
    ),
    Family(
        "mailcanary_probe_time_in_phase_seconds_total",
        COUNTER,
        "Time the slowest dialogue of each run spent in each phase.",
        ("probe", "phase"),
    ),
    Family(
        "mailcanary_probe_phase_seconds",
        HISTOGRAM,
        "Time one dialogue of a job spent in each phase, with phase_histograms.",
        ("probe", "phase"),
        MAIL_SECONDS,
    ),
    Family(
        "mailcanary_probe_failures_total",
        COUNTER,
        "Failed runs of a job by phase, reason and owner.",
        ("probe", "phase", "reason", "owner"),
    ),
    Family(
        "mailcanary_probe_last_run_timestamp_seconds",
        GAUGE,
        "When the last run of a job ended, 0 if never.",
        ("probe",),
    ),
    Family(
        "mailcanary_probe_last_success_timestamp_seconds",
        GAUGE,
        "When the last successful run of a job ended, 0 if never.",
        ("probe",),
    ),
    Family(
        "mailcanary_probe_missed_slots_total",
        COUNTER,
        "Slots in which a job should have run and did not.",
        ("probe",),
    ),
    Family(
        "mailcanary_probe_target_changes_total",
        COUNTER,
        "Things about a job's target that were found changed since the run before.",
        ("probe", "aspect"),
    ),
    Family(
        "mailcanary_probe_interval_seconds",
        GAUGE,
        "Configured time between two runs of a job.",
        ("probe",),
    ),
    # MX hosts
    Family(
        "mailcanary_mx_hosts",
        GAUGE,
        "MX hosts of the domain in the last run, those without series of their own included.",
        ("probe",),
    ),
    Family(
        "mailcanary_mx_up",
        GAUGE,
        "1 if an address of the MX host took the handshake, 0 if none did, absent if unknown.",
        ("probe", "host"),
    ),
    Family(
        "mailcanary_mx_addresses",
        GAUGE,
        "Addresses of the MX host by verdict of the last run.",
        ("probe", "host", "verdict"),
    ),
    Family(
        "mailcanary_mx_phase_seconds",
        GAUGE,
        "Time the slowest address of the MX host took for each phase of the last run.",
        ("probe", "host", "phase"),
    ),
    Family(
        "mailcanary_mx_certificate_expiry_timestamp_seconds",
        GAUGE,
        "When the first certificate of the MX host's addresses expires.",
        ("probe", "host"),
    ),
    # mailboxes
    Family(
        "mailcanary_mailbox_info",
        GAUGE,
        "Type and host of each configured mailbox, as labels; always 1.",
        MAILBOX_INFO,
    ),
    Family(
        "mailcanary_mailbox_up",
        GAUGE,
        "1 while the mailbox is being watched, 0 while it cannot be.",
        ("mailbox",),
    ),
    Family(
        "mailcanary_mailbox_last_look_timestamp_seconds",
        GAUGE,
        "When the mailbox was last looked at, 0 if never.",
        ("mailbox",),
    ),
    Family(
        "mailcanary_mailbox_failures_total",
        COUNTER,
        "Ends of a mailbox watch by phase, reason and owner.",
        ("mailbox", "phase", "reason", "owner"),
    ),
    Family(
        "mailcanary_mailbox_cleaning_successful",
        GAUGE,
        "1 if our canaries were removed when it was last due, 0 if they stay, absent before.",
        ("mailbox",),
    ),
    Family(
        "mailcanary_forged_canaries_total",
        COUNTER,
        "Messages with a token that was never issued.",
        ("mailbox",),
    ),
    # fault localisation
    Family(
        "mailcanary_suspect",
        GAUGE,
        "Failures that speak against a part which failing paths have in common, absent if none do.",
        ("part", "name"),
    ),
    # the service
    Family(
        "mailcanary_event_loop_lag_seconds",
        HISTOGRAM,
        "How much later than asked for the event loop woke up.",
        (),
        LAG_SECONDS,
    ),
    Family(
        "mailcanary_event_loop_lag_max_seconds",
        GAUGE,
        "Greatest event loop lag of the last 30 to 60 seconds.",
    ),
    Family(
        "mailcanary_lagged_runs_total",
        COUNTER,
        "Runs of paths and jobs during which the event loop was late.",
    ),
    Family(
        "mailcanary_task_restarts_total",
        COUNTER,
        "Long-lived tasks of the service that ended by an error of ours and began anew.",
        ("task",),
    ),
    Family(
        "mailcanary_ledger_errors_total",
        COUNTER,
        "Operations that the ledger refused.",
    ),
    Family(
        "mailcanary_log_lines_dropped_total",
        COUNTER,
        "Log lines that were dropped because standard error did not take them.",
    ),
    Family(
        "mailcanary_http_connections_dropped_total",
        COUNTER,
        "Connections to the pages that were closed because of how the client behaved.",
        ("reason",),
    ),
    Family(
        "mailcanary_config_last_reload_successful",
        GAUGE,
        "1 if the configuration file was good when it was last read, 0 if the one before is kept.",
    ),
    Family(
        "mailcanary_config_last_reload_success_timestamp_seconds",
        GAUGE,
        "When a good configuration was last read.",
    ),
    Family(
        "mailcanary_build_info",
        GAUGE,
        "The running versions, as labels; always 1.",
        ("version", "python"),
    ),
)

FAMILIES = tuple(
    replace(family, constants=(VANTAGE,))
    if family.labels[:1] and family.labels[0] in _OBSERVED
    else family
    for family in _DECLARED
)
