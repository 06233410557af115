"""Alert and recording rules for Prometheus, made as data and written as YAML."""

from exporter.rules.options import Objective, RuleOptions
from exporter.rules.rule_file import groups, rule_file

__all__ = ["Objective", "RuleOptions", "groups", "rule_file"]
