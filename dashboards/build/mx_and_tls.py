"""MX and TLS: each MX host, its handshake, its certificate, and what changed about the domain."""

from dashboards.build.boards import HOST, MX_PROBE, Board, Row
from dashboards.build.panels import (
    NONE_IS_GOOD,
    UP_WORDS,
    Card,
    lines,
    numbers,
    rows,
    runs_by_verdict,
    states,
)
from dashboards.build.queries import Query

DAYS_LEFT = """
    (min by (probe, host) (mailcanary_mx_certificate_expiry_timestamp_seconds
    {@probe, host=~"$host"}) - time()) / 86400
"""

ASPECTS = "mx|certificate|capabilities|sts_record|sts_policy|tlsrpt|tlsa"

HOSTS = (
    numbers(
        Card(
            "MX hosts",
            "MX hosts of each domain in the last run, those with unfit names included.",
            (Query("max by (probe) (mailcanary_mx_hosts{@probe})", "{{probe}}"),),
            width=6,
        )
    ),
    states(
        Card(
            "Up",
            "Whether at least one address of the host took the handshake. A gap means that none "
            "could be tested.",
            (
                Query(
                    'min by (probe, host) (mailcanary_mx_up{@probe, host=~"$host"})',
                    "{{probe}} {{host}}",
                ),
            ),
            unit="bool_on_off",
            width=18,
            words=UP_WORDS,
        )
    ),
    rows(
        Card(
            "Addresses",
            "Addresses of each host by the verdict of the last run. Every sender loses time at a "
            "failed address, even where the host is up.",
            (
                Query(
                    'max by (probe, host, verdict) (mailcanary_mx_addresses{@probe, host=~"$host"})'
                ),
            ),
        ),
        "Addresses",
    ),
    lines(
        Card(
            "Addresses that fail",
            "Addresses of each host that failed or could not be tested, over time.",
            (
                Query(
                    "max by (probe, host, verdict) (mailcanary_mx_addresses"
                    '{@probe, host=~"$host", verdict!="ok"})',
                    "{{host}} {{verdict}}",
                ),
            ),
        )
    ),
)

HANDSHAKE = (
    lines(
        Card(
            "Handshake by phase",
            "Time of the slowest address of all chosen hosts for each phase of the last run.",
            (
                Query(
                    'max by (phase) (mailcanary_mx_phase_seconds{@probe, host=~"$host"})',
                    "{{phase}}",
                ),
            ),
            unit="s",
        ),
        is_stacked=True,
    ),
    lines(
        Card(
            "Handshake by host",
            "Time of the slowest address of each host for all phases of the last run together.",
            (
                Query(
                    "max by (probe, host) (sum without (phase) "
                    '(mailcanary_mx_phase_seconds{@probe, host=~"$host"}))',
                    "{{host}}",
                ),
            ),
            unit="s",
        )
    ),
    lines(
        Card(
            "Phases of a run",
            "Time of one run in each phase, on average. Of several addresses the slowest counts.",
            (
                Query(
                    "sum by (phase) (rate(mailcanary_probe_time_in_phase_seconds_total{@probe}"
                    "[$__rate_interval])) / on () group_left () "
                    "sum(rate(mailcanary_probe_runs_total{@probe}[$__rate_interval]))",
                    "{{phase}}",
                    is_rare=True,
                ),
            ),
            unit="s",
        ),
        is_stacked=True,
    ),
    lines(
        Card(
            "Phases, slowest of 20",
            "Time that 95 % of the dialogues stay below, in each phase. Empty unless the "
            "configuration says `phase_histograms: true`.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (phase, le) "
                    "(rate(mailcanary_probe_phase_seconds_bucket{@probe}[$__rate_interval])))",
                    "{{phase}}",
                    is_rare=True,
                ),
            ),
            unit="s",
        )
    ),
)

CERTIFICATES = (
    rows(
        Card(
            "Days until a certificate expires",
            "Days until the first certificate among the addresses of each host expires.",
            (Query(DAYS_LEFT),),
            unit="d",
            decimals=1,
            steps=((None, "red"), (7, "orange"), (14, "yellow"), (21, "green")),
        ),
        "Left",
    ),
    rows(
        Card(
            "Changes",
            "What changed about each domain in the chosen time: MX records, certificates, the "
            "answer to EHLO, MTA-STS, TLS reporting, TLSA records of DANE.",
            (
                Query(
                    "sum by (probe, aspect) (increase(mailcanary_probe_target_changes_total"
                    f'{{@, aspect=~"{ASPECTS}"}}[$__range])) > 0'
                ),
            ),
            decimals=0,
            steps=((None, "green"), (1, "yellow")),
        ),
        "Changes",
    ),
)

RUNS = (
    runs_by_verdict(),
    rows(
        Card(
            "Failures",
            "Failed runs since mailcanary started with the phase, the reason and the owner. "
            "Policies (MTA-STS, DANE) are jobs of kind `policy` and stand on the Overview.",
            (
                Query(
                    "sum by (probe, phase, reason, owner) "
                    "(mailcanary_probe_failures_total{@probe}) > 0"
                ),
            ),
            steps=NONE_IS_GOOD,
        ),
        "Failures",
    ),
)

MX_AND_TLS = Board(
    name="mx-and-tls",
    title="mailcanary / MX and TLS",
    description="Do the MX hosts answer, how fast, and how long are their certificates good?",
    variables=(MX_PROBE, HOST),
    rows=(
        Row("Hosts", HOSTS),
        Row("Handshake", HANDSHAKE),
        Row("Certificates and changes", CERTIFICATES),
        Row("Runs", RUNS),
    ),
)
