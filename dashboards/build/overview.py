"""Overview: does mail arrive, and where not."""

from dashboards.build.boards import MAILBOX, PATH, PROBE, Board, Row, Variable, uid_of
from dashboards.build.panels import (
    CLEAR,
    NONE_IS_GOOD,
    STATE_COLOURS,
    STATE_WORDS,
    STATES,
    UP_WORDS,
    Card,
    bars,
    levels,
    lines,
    matrix,
    numbers,
    rows,
    states,
)
from dashboards.build.queries import Query

ROUTE = Variable("route", "Route", "mailcanary_path_info{@}", "Routes by which canaries go.")

COLOURS = dict(zip(STATES, STATE_COLOURS, strict=True))

TO_MAIL_PATH = (
    "Mail path",
    f"/d/{uid_of('mail-path')}?var-datasource=${{datasource}}"
    "&var-path=${__field.labels.path}&${__url_time_range}",
)

PARTS = 'mailcanary_path_info{@path, route=~"$route", mailbox=~"$mailbox"}'


def _worst(metric: str, selector: str, by: str) -> str:
    """The number of the worst state that holds: 0 is ok, 4 is failing."""
    terms = (
        f'{number} * {metric}{{{selector}, state="{state}"}}' for number, state in enumerate(STATES)
    )
    return f"max by ({by}) ({' or '.join(terms)})"


PATH_STATE = _worst("mailcanary_path_state", "@path", "path")

CHOSEN = f"{PATH_STATE} and on (path) {PARTS}"

SUCCESS = """
    sum by (path) (increase(mailcanary_canaries_total{@path, outcome=~"arrived|late"}[%s]))
    / sum by (path) (increase(mailcanary_canaries_total{@path, outcome!="untestable"}[%s]))
"""

BUDGET_LEFT = f"""
    1 - (1 - {SUCCESS % ("$__range", "$__range")}) / (1 - $objective / 100)
"""

STATE = (
    numbers(
        Card(
            "Paths by state",
            "How many mail paths are in each state now. Only `failing` says that mail does not "
            "arrive; `untestable` says that our own side failed.",
            (
                Query(
                    "sum by (state) (max by (path, state) (mailcanary_path_state{@path}))",
                    "{{state}}",
                ),
            ),
            height=4,
        ),
        colours=COLOURS,
    ),
    numbers(
        Card(
            "Jobs by state",
            "How many jobs that probe a target are in each state now. A job is a probe of MX "
            "hosts, a policy, a sender domain or a server.",
            (
                Query(
                    "sum by (state) (max by (probe, state) (mailcanary_probe_state{@probe}))",
                    "{{state}}",
                ),
            ),
            height=4,
        ),
        colours=COLOURS,
    ),
    matrix(
        Card(
            "Routes and mailboxes",
            "The worst state of the paths from each route into each mailbox. A red row speaks "
            "against the route, a red column against the mailbox.",
            (
                Query(
                    f"max by (route, mailbox) (({PATH_STATE}) * on (path) group_left "
                    f"(route, mailbox) max by (path, route, mailbox) ({PARTS}))"
                ),
            ),
            steps=CLEAR,
            words=STATE_WORDS,
        ),
        "route",
        "mailbox",
    ),
    rows(
        Card(
            "Suspects",
            "Parts that failing paths have in common, with the number of failures that speak "
            "against each. A suspect is not a proof. Empty is good.",
            (Query("max by (part, name) (mailcanary_suspect{@})"),),
            steps=NONE_IS_GOOD,
        ),
        "Failures",
    ),
    states(
        Card(
            "State of each path",
            "The state of each mail path over time. A click on a band leads to the path.",
            (Query(CHOSEN, "{{path}}"),),
            width=24,
            words=STATE_WORDS,
            link=TO_MAIL_PATH,
        )
    ),
    states(
        Card(
            "State of each job",
            "The state of each job over time. A run with a warning makes its job `degraded`.",
            (Query(_worst("mailcanary_probe_state", "@probe", "probe"), "{{probe}}"),),
            width=24,
            words=STATE_WORDS,
        )
    ),
)

OBJECTIVE = (
    levels(
        Card(
            "Success",
            "Share of the settled canaries that were found in the inbox, in the chosen time. "
            "Untestable canaries do not count, because our own side failed.",
            (Query(SUCCESS % ("$__range", "$__range"), "{{path}}"),),
            unit="percentunit",
            steps=((None, "red"), (0.95, "yellow"), (0.99, "green")),
        )
    ),
    levels(
        Card(
            "Error budget left",
            "Share of the error budget that the chosen time has left, for the objective above. "
            "Below 0 the objective is missed. One lost canary of few may use all of it.",
            (Query(BUDGET_LEFT, "{{path}}"),),
            unit="percentunit",
            steps=((None, "red"), (0, "yellow"), (0.25, "green")),
        )
    ),
    lines(
        Card(
            "Success over time",
            "Share of the canaries that were found in the inbox, in steps of 15 minutes or more.",
            (Query(SUCCESS % ("$__rate_interval", "$__rate_interval"), "{{path}}", is_rare=True),),
            unit="percentunit",
        )
    ),
    bars(
        Card(
            "Outcomes",
            "Settled canaries by outcome. An outcome comes only after `lost_after` where nothing "
            "arrives: the age of what is in flight shows an outage sooner.",
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
)

IN_FLIGHT = (
    lines(
        Card(
            "Age in flight",
            "Age of the oldest canary in flight, as a part of `late_after`. Above 1 it is late. "
            "Slow mail shows here first.",
            (
                Query(
                    "max by (path) (mailcanary_oldest_in_flight_age_seconds{@path} "
                    "/ mailcanary_late_after_seconds{@path})",
                    "{{path}}",
                ),
            ),
            unit="percentunit",
            steps=((None, "green"), (1, "red")),
        )
    ),
    lines(
        Card(
            "Canaries in flight",
            "Canaries whose sending has begun and whose outcome is open.",
            (Query("max by (path) (mailcanary_canaries_in_flight{@path})", "{{path}}"),),
        )
    ),
    rows(
        Card(
            "Time since the last success",
            "Time since a canary was last found in the inbox. A path without any success is "
            "missing here.",
            (
                Query(
                    "time() - max by (path) (mailcanary_last_success_timestamp_seconds{@path} > 0)"
                ),
            ),
            unit="s",
            steps=((None, "green"), (3600, "yellow"), (21600, "red")),
        ),
        "Age",
    ),
    states(
        Card(
            "Mailboxes",
            "Whether each mailbox is watched. While it is not, no canary in it can be found, and "
            "none is given up as lost.",
            (Query("min by (mailbox) (mailcanary_mailbox_up{@mailbox})", "{{mailbox}}"),),
            unit="bool_on_off",
            words=UP_WORDS,
        )
    ),
)

WHY = (
    bars(
        Card(
            "Failures by owner",
            "Failures of mail paths by the party that has to act. docs/owners.md says who each is. "
            "The first failure of a kind begins its series and is not among them.",
            (
                Query(
                    "sum by (owner) (increase(mailcanary_failures_total{@path}"
                    "[$__rate_interval])) > 0",
                    "{{owner}}",
                    is_rare=True,
                ),
            ),
        )
    ),
    rows(
        Card(
            "Failures of paths",
            "Failures in the chosen time with the phase, the reason and the owner. The first "
            "failure of a kind begins its series and may be missing here.",
            (
                Query(
                    "sum by (path, phase, reason, owner) "
                    "(increase(mailcanary_failures_total{@path}[$__range])) > 0"
                ),
            ),
            decimals=0,
            steps=NONE_IS_GOOD,
        ),
        "Failures",
    ),
    rows(
        Card(
            "Failures of jobs",
            "Failed runs of jobs in the chosen time with the phase, the reason and the owner.",
            (
                Query(
                    "sum by (probe, phase, reason, owner) "
                    "(increase(mailcanary_probe_failures_total{@probe}[$__range])) > 0"
                ),
            ),
            decimals=0,
            steps=NONE_IS_GOOD,
        ),
        "Failures",
    ),
    rows(
        Card(
            "Changed targets",
            "What jobs found changed about their targets in the chosen time. "
            "`mailcanary history JOB` says what it was and what it is.",
            (
                Query(
                    "sum by (probe, aspect) (increase(mailcanary_probe_target_changes_total"
                    "{@probe}[$__range])) > 0"
                ),
            ),
            decimals=0,
            steps=((None, "green"), (1, "yellow")),
        ),
        "Changes",
    ),
)

OVERVIEW = Board(
    name="overview",
    title="mailcanary / Overview",
    description="Does mail arrive? Which part fails, and who has to act?",
    variables=(PATH, ROUTE, MAILBOX, PROBE),
    rows=(
        Row("Now", STATE),
        Row("Objective", OBJECTIVE),
        Row("In flight", IN_FLIGHT),
        Row("Why", WHY),
    ),
    has_objective=True,
)
