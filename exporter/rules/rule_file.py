"""The groups of rules and the file they make."""

from exporter.rules.monitor_alerts import monitor_alerts
from exporter.rules.options import RuleOptions
from exporter.rules.path_alerts import path_alerts
from exporter.rules.recordings import blame_recordings, path_recordings, slo_recordings
from exporter.rules.rule import Alert, Group
from exporter.rules.target_alerts import target_alerts
from exporter.rules.words import word_rules
from exporter.rules.yaml_writer import as_yaml

_HEAD = """\
# Alert and recording rules of mailcanary, made by `mailcanary rules`. Do not edit: print them anew
# with your own addresses and objective. The objective here is {percent:g} %.
"""


def groups(options: RuleOptions) -> tuple[Group, ...]:
    """Return every group, the series before the alerts that use them."""
    return (
        Group("mailcanary-words", word_rules()),
        Group("mailcanary-paths", (*path_recordings(), *blame_recordings())),
        Group("mailcanary-slo", slo_recordings(options)),
        Group("mailcanary-path-alerts", path_alerts(options)),
        Group("mailcanary-target-alerts", target_alerts()),
        Group("mailcanary-monitor-alerts", monitor_alerts()),
    )


def alerts(options: RuleOptions) -> tuple[Alert, ...]:
    """Return every alert in its order; one name may stand for several windows."""
    return tuple(
        rule for group in groups(options) for rule in group.rules if isinstance(rule, Alert)
    )


def rule_file(options: RuleOptions) -> str:
    """Return the rules as a file for Prometheus."""
    documents = [group.document(options) for group in groups(options)]
    head = _HEAD.format(percent=options.objective.percent)
    return head + as_yaml({"groups": documents})
