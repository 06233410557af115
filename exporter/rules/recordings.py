"""The recorded series: each path once, whatever scrapes it; and its SLO by the names of Sloth."""

from collections.abc import Iterator

from exporter.rules.options import RuleOptions
from exporter.rules.queries import FAILURES, MAILBOX, PATH, PROBE, TESTED, canaries, constant, gauge
from exporter.rules.rule import Recording
from exporter.rules.windows import WINDOWS

INTERVAL = "mailcanary:path_interval:seconds"
LATE_AFTER = "mailcanary:path_late_after:seconds"
SCRAPED_SINCE_SUCCESS = "mailcanary:path_since_success_scraped:seconds"
SINCE_SUCCESS = "mailcanary:path_since_success:seconds"
AGE = "mailcanary:path_in_flight_age:seconds"
STATE = "mailcanary:path_state:bool"
BLAME = "mailcanary:path_blame:info"
UNTESTABLE_BLAME = "mailcanary:path_untestable_blame:info"
PROBE_BLAME = "mailcanary:probe_blame:info"
MAILBOX_BLAME = "mailcanary:mailbox_blame:info"

_OURS = "configuration|monitor|resolver"
_SLOTH = {"sloth_service": "mailcanary"}
_PERIOD = "30d"


def path_recordings() -> tuple[Recording, ...]:
    """The gauges of each path, once for all processes and servers."""
    success = "mailcanary_last_success_timestamp_seconds"
    at_scrape = f"min by ({PATH}) (timestamp({success}) - ({success} > 0))"
    return (
        Recording(INTERVAL, gauge("mailcanary_interval_seconds", PATH), {}),
        Recording(LATE_AFTER, gauge("mailcanary_late_after_seconds", PATH), {}),
        # The time of the scrape, and not of now: the age of a path that was removed must not grow.
        Recording(SCRAPED_SINCE_SUCCESS, at_scrape, {}),
        Recording(SINCE_SUCCESS, gauge(SCRAPED_SINCE_SUCCESS, PATH, "min"), {}),
        Recording(AGE, gauge("mailcanary_oldest_in_flight_age_seconds", PATH), {}),
        Recording(STATE, gauge("mailcanary_path_state", f"{PATH}, state"), {}),
    )


def blame_recordings() -> tuple[Recording, ...]:
    """The failure seen most of the last hour, with its owner: one series for each thing.

    A path without a counted failure has its next server as owner: its canaries are overdue there.
    """
    failures = "mailcanary_failures_total"
    ours, others = f'{{owner=~"{_OURS}"}}', f'{{owner!~"{_OURS}"}}'
    paths = f"max by ({PATH}) (mailcanary_path_info)"
    monitor = {"owner": "monitor", "phase": "arrival", "reason": "untestable"}
    mailboxes = f"max by ({MAILBOX}) (mailcanary_mailbox_info)"
    mailbox = {"owner": "receiver_mailbox", "phase": "arrival", "reason": "untestable"}
    probes = f"max by ({PROBE}) (mailcanary_probe_info)"
    probe = {"owner": "receiver_mx", "phase": "evaluate", "reason": "validation_failure"}
    return (
        Recording(BLAME, _blame(f"{failures}{others}", PATH, _next_server()), {}),
        Recording(
            UNTESTABLE_BLAME, _blame(f"{failures}{ours}", PATH, constant(paths, monitor)), {}
        ),
        Recording(
            MAILBOX_BLAME,
            _blame(
                "mailcanary_mailbox_failures_total",
                MAILBOX,
                constant(mailboxes, mailbox),
            ),
            {},
        ),
        Recording(
            PROBE_BLAME,
            _blame("mailcanary_probe_failures_total", PROBE, constant(probes, probe)),
            {},
        ),
    )


def _blame(failures: str, by: str, otherwise: str) -> str:
    """A failure counter is born with its first event, which `increase` would not see."""
    every = f"{by}, phase, reason, owner"
    born = f"({failures} unless {failures} offset 1h)"
    return (
        f"topk by ({by}) (1, max by ({every}) (\n"
        f"  ({born} or increase({failures}[1h])) > 0\n"
        f")) * 0 + 1\n"
        f"or on ({by}) {otherwise}"
    )


def _next_server() -> str:
    """Of a path of type `direct` the receiver's MX, of others the relay."""
    lost = {"phase": "transit", "reason": "lost"}
    direct = f'max by ({PATH}) (mailcanary_path_info{{route_type="direct"}})'
    every = f"max by ({PATH}) (mailcanary_path_info)"
    return (
        f"{constant(direct, {'owner': 'receiver_mx', **lost})}\n"
        f"or on ({PATH}) {constant(every, {'owner': 'relay', **lost})}"
    )


def bad(window: str) -> str:
    """The name of the recorded count of failed canaries."""
    return f"mailcanary:canaries_failed:increase{window}"


def ratio(window: str) -> str:
    """The name of the recorded share of failed canaries."""
    return f"slo:sli_error:ratio_rate{window}"


def slo_recordings(options: RuleOptions) -> tuple[Recording, ...]:
    """The error ratio over every window, and the budget."""
    return (*_ratios(), *_budget(options))


def _ratios() -> Iterator[Recording]:
    for window in WINDOWS:
        share = f"{bad(window)}\n/ on ({PATH}) ({canaries(TESTED, window)} > 0)"
        yield Recording(bad(window), canaries(FAILURES, window), {})
        yield Recording(ratio(window), _named(share), {**_SLOTH, "sloth_window": window})


def _named(expr: str) -> str:
    """The series with the labels by which Sloth knows an objective."""
    return (
        "label_replace(label_replace(\n"
        f"{expr},\n"
        '"sloth_id", "mailcanary-$1", "path", "(.*)"), "sloth_slo", "$1", "path", "(.*)")'
    )


def _budget(options: RuleOptions) -> Iterator[Recording]:
    each = _named(f"{INTERVAL} * 0")
    burn, period = "slo:current_burn_rate:ratio", "slo:period_burn_rate:ratio"
    budget = "slo:error_budget:ratio"
    on = f"on ({PATH}) group_left"
    yield Recording("slo:objective:ratio", f"{each} + {options.objective.ratio:g}", _SLOTH)
    yield Recording(budget, f"{each} + {options.objective.budget:g}", _SLOTH)
    yield Recording("slo:time_period:days", f"{each} + {_PERIOD[:-1]}", _SLOTH)
    yield Recording(burn, f"{ratio('1h')} / {on} {budget}", {})
    yield Recording(period, f"{ratio(_PERIOD)} / {on} {budget}", {})
    yield Recording("slo:period_error_budget_remaining:ratio", f"1 - {period}", {})
    info = {**_SLOTH, "sloth_mode": "mailcanary", "sloth_spec": "prometheus/v1"}
    info["sloth_objective"] = f"{options.objective.percent:g}"
    yield Recording("sloth_slo_info", f"{each} + 1", info)
