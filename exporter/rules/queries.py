"""The pieces all expressions are made of.

Every expression is made for two Prometheus servers that scrape the same process, and for several
processes: `instance`, `job` and `replica` are aggregated away. `vantage` is kept; where no metric
has it, the grouping has no such label.
"""

PATH = "vantage, path"
PROBE = "vantage, probe"
HOST = "vantage, probe, host"
MAILBOX = "vantage, mailbox"

LOOKBACK = "5m"
"""A gauge is read over this time: one failed scrape changes nothing."""

SUCCESSES = "arrived|late"
FAILURES = "rejected|deferred|send_failed|bounced|lost|junked"
TESTED = f"{SUCCESSES}|{FAILURES}"


def gauge(selector: str, by: str, function: str = "max") -> str:
    """A gauge as it last was, once for all processes."""
    return f"{function} by ({by}) (last_over_time({selector}[{LOOKBACK}]))"


def counted(selector: str, by: str, split: str, window: str) -> str:
    """The increase of a counter. Two servers with the same series count it once, not twice."""
    return f"sum by ({by}) (max by ({by}, {split}) (increase({selector}[{window}])))"


def canaries(outcomes: str, window: str) -> str:
    """The canaries of each path that were settled with one of these outcomes."""
    return counted(f'mailcanary_canaries_total{{outcome=~"{outcomes}"}}', PATH, "outcome", window)


def constant(expr: str, labels: dict[str, str]) -> str:
    """The same series with more labels."""
    for name, text in labels.items():
        expr = f'label_replace({expr}, "{name}", "{text}", "", "")'
    return expr
