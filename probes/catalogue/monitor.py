"""Findings about ourselves: causes of a doubtful measurement."""

from probes.catalogue.entry import Entry, always
from probes.result import Owner, Status

LOOP_LAGGED = Entry(
    "monitor.loop_lagged",
    "Our own event loop was late while this was measured",
    "The times of the run may be longer than the peer made them.",
    "Give the process more processor time, or spread the jobs: the metric "
    "`mailcanary_event_loop_lag_seconds` says how busy it is.",
    "",
    "",
    Owner.MONITOR,
    always(Status.NOTICE),
)

WAITED = Entry(
    "monitor.waited",
    "The run waited for an earlier session of ours with the same address",
    "Servers expect one session per address at a time from us; the waiting is in no phase's time.",
    "Nothing, unless it is often: then give jobs that share an MX host longer intervals.",
    "",
    "",
    Owner.MONITOR,
    always(Status.NOTICE),
)
