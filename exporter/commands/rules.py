"""`mailcanary rules`: the rules for Prometheus, for one's own addresses and objective."""

from exporter.reports.exit_codes import ExitCode
from exporter.rules import Objective, RuleOptions, rule_file
from exporter.terminal.text import complain, say


def rules(
    objective: float, external_url: str | None, grafana_url: str | None, runbook_url: str | None
) -> int:
    """`mailcanary rules`: print them; an address or objective that cannot be is one line."""
    try:
        options = RuleOptions(Objective(objective), external_url, grafana_url, runbook_url)
    except ValueError as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    say(rule_file(options).rstrip("\n"))
    return ExitCode.OK
