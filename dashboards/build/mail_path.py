"""Mail path: how long each phase takes, what the copies prove, why canaries fail."""

from dashboards.build.boards import MAILBOX, PATH, Board, Row
from dashboards.build.panels import (
    NONE_IS_GOOD,
    RESULT_COLOURS,
    STATUS_COLOURS,
    Card,
    bars,
    labels,
    lines,
    rows,
)
from dashboards.build.queries import Query

CANARIES = "sum by (path) (rate(mailcanary_canaries_total{@path}[$__rate_interval]))"


def _round_trip(share: float) -> Query:
    return Query(
        f"histogram_quantile({share}, sum by (le) "
        "(rate(mailcanary_round_trip_seconds_bucket{@path}[$__rate_interval])))",
        f"{share:.0%} of the canaries",
        is_rare=True,
        has_exemplars=True,
    )


TIME = (
    lines(
        Card(
            "Waterfall",
            "Time of one canary in each phase, on average over the chosen paths. The phases stand "
            "one on the other, so that the top is the whole time. `transit` is the time from the "
            "reply to the final dot until the canary was seen.",
            (
                Query(
                    "sum by (phase) (rate(mailcanary_time_in_phase_seconds_total{@path}"
                    "[$__rate_interval])) / on () group_left () "
                    "sum(rate(mailcanary_canaries_total{@path}[$__rate_interval]))",
                    "{{phase}}",
                    is_rare=True,
                ),
            ),
            unit="s",
            width=24,
            height=10,
        ),
        is_stacked=True,
    ),
    lines(
        Card(
            "Round trip",
            "Time from the beginning of the sending to the look that found the canary. Each point "
            "is one canary with its token: `mailcanary show TOKEN` tells its run.",
            (_round_trip(0.5), _round_trip(0.9), _round_trip(0.99)),
            unit="s",
        )
    ),
    lines(
        Card(
            "Time of each path",
            "Time of one canary in all phases together, on average. It tells a slow path from "
            "the others.",
            (
                Query(
                    "sum by (path) (rate(mailcanary_time_in_phase_seconds_total{@path}"
                    f"[$__rate_interval])) / {CANARIES}",
                    "{{path}}",
                    is_rare=True,
                ),
            ),
            unit="s",
        )
    ),
    lines(
        Card(
            "Phases, slowest of 20",
            "Time that 95 % of the canaries stay below, in each phase. Empty unless the "
            "configuration says `phase_histograms: true`.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (phase, le) "
                    "(rate(mailcanary_phase_seconds_bucket{@path}[$__rate_interval])))",
                    "{{phase}}",
                    is_rare=True,
                ),
            ),
            unit="s",
        )
    ),
    lines(
        Card(
            "Hop delays",
            "Time of the newest copy between two relays, in travel order. The lines are the least "
            "and the greatest time that the stamps allow.",
            (
                Query(
                    "max by (path, hop) (mailcanary_hop_delay_min_seconds{@path})",
                    "{{path}} hop {{hop}}, least",
                ),
                Query(
                    "max by (path, hop) (mailcanary_hop_delay_max_seconds{@path})",
                    "{{path}} hop {{hop}}, greatest",
                ),
            ),
            unit="s",
            steps=((None, "green"), (60, "red")),
        )
    ),
)

PLACEMENT = (
    bars(
        Card(
            "Placement",
            "Settled canaries by outcome: `arrived` and `late` are in the inbox, `junked` is in "
            "the junk folder, the others did not come.",
            (
                Query(
                    "sum by (outcome) (increase(mailcanary_canaries_total{@path}"
                    "[$__rate_interval])) > 0",
                    "{{outcome}}",
                    is_rare=True,
                ),
            ),
        )
    ),
    bars(
        Card(
            "Events",
            "Events that settle nothing: canaries that came after they were given up, second "
            "copies, notices of delay, bounces after the arrival.",
            (
                Query(
                    "sum by (event) (increase(mailcanary_canary_events_total{@path}"
                    "[$__rate_interval])) > 0",
                    "{{event}}",
                    is_rare=True,
                ),
            ),
        )
    ),
)

VERDICTS = (
    labels(
        Card(
            "Authentication",
            "Results about the newest copy. `by` is the receiver, or `us` for our own look at the "
            "signatures.",
            (Query("max by (path, by, method, result) (mailcanary_authentication_result{@path})"),),
        ),
        "result",
        RESULT_COLOURS,
    ),
    labels(
        Card(
            "Findings",
            "What the newest copies give cause to say. docs/generated/findings.md explains each "
            "code.",
            (
                Query(
                    "max by (path, code, status) "
                    '(mailcanary_evidence_finding{@path, status!="info"})'
                ),
            ),
        ),
        "status",
        STATUS_COLOURS,
    ),
    lines(
        Card(
            "Spam score",
            "The score that a filter wrote into the newest copy, in the filter's own scale.",
            (Query("max by (path, system) (mailcanary_spam_score{@path})", "{{path}} {{system}}"),),
            unit="none",
        ),
        least=None,
    ),
    bars(
        Card(
            "Changes to the message",
            "Changes that were found in copies, compared with what was sent.",
            (
                Query(
                    "sum by (kind) (increase(mailcanary_mutations_total{@path}"
                    "[$__rate_interval])) > 0",
                    "{{kind}}",
                    is_rare=True,
                ),
            ),
        )
    ),
)

FAILURES = (
    bars(
        Card(
            "Failures by phase and reason",
            "Failures by the phase in which the canary stopped and the reason. Failures after the "
            "sending have the phase `transit` or `arrival`. The first of a kind is not among them: "
            "see the table beside.",
            (
                Query(
                    "sum by (phase, reason) (increase(mailcanary_failures_total{@path}"
                    "[$__rate_interval])) > 0",
                    "{{phase}} {{reason}}",
                    is_rare=True,
                ),
            ),
        )
    ),
    rows(
        Card(
            "Failures",
            "All failures since mailcanary started, with the owner: the party that has to act.",
            (Query("sum by (path, phase, reason, owner) (mailcanary_failures_total{@path}) > 0"),),
            steps=NONE_IS_GOOD,
        ),
        "Failures",
    ),
)

MAILBOXES = (
    lines(
        Card(
            "Age of the last look",
            "Time since the last completed look into each mailbox. A watched mailbox that is "
            "quiet is looked at now and then.",
            (
                Query(
                    "time() - max by (mailbox) "
                    "(mailcanary_mailbox_last_look_timestamp_seconds{@mailbox} > 0)",
                    "{{mailbox}}",
                ),
            ),
            unit="s",
            steps=((None, "green"), (900, "red")),
        )
    ),
    rows(
        Card(
            "Ends of a watch",
            "Ends of the watch of a mailbox since mailcanary started, with the reason and the "
            "owner. Each is followed by a new attempt.",
            (
                Query(
                    "sum by (mailbox, phase, reason, owner) "
                    "(mailcanary_mailbox_failures_total{@mailbox}) > 0"
                ),
            ),
            steps=NONE_IS_GOOD,
        ),
        "Ends",
    ),
    lines(
        Card(
            "Resolution of arrivals",
            "Time between the look without the canary and the look with it, on average. The round "
            "trip is too long by at most this much. Empty unless the configuration says "
            "`phase_histograms: true`.",
            (
                Query(
                    "sum by (path) (rate(mailcanary_arrival_resolution_seconds_sum{@path}"
                    "[$__rate_interval])) / sum by (path) "
                    "(rate(mailcanary_arrival_resolution_seconds_count{@path}[$__rate_interval]))",
                    "{{path}}",
                    is_rare=True,
                ),
            ),
            unit="s",
        )
    ),
    rows(
        Card(
            "Forged canaries",
            "Messages with a token that this ledger never issued: forged, or sent by another "
            "mailcanary.",
            (Query("sum by (mailbox) (mailcanary_forged_canaries_total{@mailbox})"),),
            steps=NONE_IS_GOOD,
        ),
        "Messages",
    ),
)

MAIL_PATH = Board(
    name="mail-path",
    title="mailcanary / Mail path",
    description="Where the time of a canary goes, what its copy proves and why it failed.",
    variables=(PATH, MAILBOX),
    rows=(
        Row("Time", TIME),
        Row("Placement", PLACEMENT),
        Row("Verdicts", VERDICTS),
        Row("Failures", FAILURES),
        Row("Mailboxes", MAILBOXES),
    ),
)
