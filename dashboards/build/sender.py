"""Sender: what receivers say about our mail, and the records of the sender domain."""

from dashboards.build.boards import PATH, Board, Row, Variable
from dashboards.build.panels import (
    NONE_IS_GOOD,
    RESULT_COLOURS,
    STATE_WORDS,
    STATES,
    STATUS_COLOURS,
    Card,
    labels,
    lines,
    rows,
    runs_by_verdict,
    states,
)
from dashboards.build.queries import Query

SENDER_PROBE = Variable(
    "probe",
    "Probe",
    'mailcanary_probe_info{@, kind=~"sender|policy"}',
    "Jobs of kind sender and policy.",
)

METHODS = "spf|dkim|dmarc"

SENDERS = 'mailcanary_probe_info{@probe, kind=~"sender|policy"}'


STATE = " or ".join(
    f'{number} * mailcanary_probe_state{{@probe, state="{state}"}}'
    for number, state in enumerate(STATES)
)

RECEIVERS = (
    labels(
        Card(
            "SPF, DKIM and DMARC",
            "What receivers say about the newest copy on each path. `by` is `us` for our own look "
            "at the signatures.",
            (
                Query(
                    "max by (path, by, method, result) (mailcanary_authentication_result"
                    f'{{@path, method=~"{METHODS}|arc"}})'
                ),
            ),
        ),
        "result",
        RESULT_COLOURS,
    ),
    lines(
        Card(
            "Paths without a pass",
            "How many paths have a result other than `pass`, over time. No line means that all "
            "pass, or that nobody says it.",
            (
                Query(
                    "sum by (method) (max by (path, method) (mailcanary_authentication_result"
                    f'{{@path, method=~"{METHODS}", result!="pass"}}))',
                    "{{method}}",
                ),
            ),
            steps=NONE_IS_GOOD,
        )
    ),
    labels(
        Card(
            "Findings in copies",
            "Findings of status `warning` and `failure` about the newest copies. "
            "docs/generated/findings.md explains each code.",
            (
                Query(
                    "max by (path, code, status) (mailcanary_evidence_finding"
                    '{@path, status=~"warning|failure"})'
                ),
            ),
            steps=NONE_IS_GOOD,
        ),
        "status",
        STATUS_COLOURS,
    ),
    lines(
        Card(
            "Spam score",
            "The score that a filter wrote into the newest copy, in the filter's own scale. A "
            "change says more than the value.",
            (Query("max by (path, system) (mailcanary_spam_score{@path})", "{{path}} {{system}}"),),
            unit="none",
        ),
        least=None,
    ),
)

DOMAIN = (
    states(
        Card(
            "State of the sender domain",
            "The state of each job that looks at a sender domain: `failing` is a broken record "
            "or key, `degraded` a warning such as a listing.",
            (
                Query(
                    f"max by (probe, target) (max by (probe) ({STATE}) * on (probe) group_left "
                    f"(target) max by (probe, target) ({SENDERS}))",
                    "{{probe}} {{target}}",
                ),
            ),
            width=24,
            words=STATE_WORDS,
        )
    ),
    rows(
        Card(
            "Changes and lists",
            "What changed in the chosen time. `listing` is a change on a block list, `dkim` a key "
            "that came, went or changed.",
            (
                Query(
                    "sum by (probe, aspect) (increase(mailcanary_probe_target_changes_total"
                    '{@probe, aspect=~"spf|dkim|dmarc|listing|nameservers|sts_record|sts_policy'
                    '|tlsrpt|tlsa"}[$__range])) > 0'
                ),
            ),
            decimals=0,
            steps=((None, "green"), (1, "yellow")),
        ),
        "Changes",
    ),
    rows(
        Card(
            "Failures",
            "Failed runs since mailcanary started with the reason and the owner.",
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
    runs_by_verdict(),
    rows(
        Card(
            "Age of the last run",
            "Time since the last run of each job ended, as a part of its interval. Much above 1 "
            "the job does not run as it should.",
            (
                Query(
                    "max by (probe) ((time() - (mailcanary_probe_last_run_timestamp_seconds"
                    "{@probe} > 0)) / mailcanary_probe_interval_seconds{@probe})"
                ),
            ),
            unit="percentunit",
            steps=((None, "green"), (2, "yellow"), (3, "red")),
        ),
        "Age",
    ),
)

SENDER = Board(
    name="sender",
    title="mailcanary / Sender",
    description="Do receivers believe our mail, and are the records of the sender domain whole?",
    variables=(PATH, SENDER_PROBE),
    rows=(Row("What receivers say", RECEIVERS), Row("The sender domain", DOMAIN)),
)
