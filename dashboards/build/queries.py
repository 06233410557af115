"""Queries: the short form that the boards are written in, and the targets made of it."""

import re
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATA_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The data source that the reader chose: no input has to be filled in at an import."""

FILTERS = {
    "@path": '@, path=~"$path"',
    "@probe": '@, probe=~"$probe"',
    "@mailbox": '@, mailbox=~"$mailbox"',
    "@": 'job=~"$job", instance=~"$instance"',
}
"""What stands for what in a selector; each is one variable of the board."""

MINUTES_OF_MAIL = "15m"
"""Least step of a query about canaries: they are rare, and a shorter window holds none."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression in the short form, and the name of its series.

    `is_rare`: it counts canaries or runs, which come once in some minutes.
    """

    expression: str
    legend: str = "__auto"
    is_rare: bool = False
    has_exemplars: bool = False


def promql(expression: str) -> str:
    """Write a short expression out: on one line, with the filters in every selector."""
    text = re.sub(r"\s+", " ", expression).strip()
    for short, long in FILTERS.items():
        text = text.replace(short, long)
    return text


def targets(queries: tuple[Query, ...], *, is_now: bool = False) -> list[prometheus.Dataquery]:
    """Make the targets of a panel; with `is_now` they ask for one value each, as a table."""
    return [
        _target(query, ref_id, is_now=is_now)
        for query, ref_id in zip(queries, ascii_uppercase, strict=False)
    ]


def _target(query: Query, ref_id: str, *, is_now: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(promql(query.expression)).ref_id(ref_id)
    target.datasource(DATA_SOURCE).legend_format(query.legend)
    if is_now:
        return target.instant().format(PromQueryFormat.TABLE)
    target.range()
    if query.is_rare:
        target.interval(MINUTES_OF_MAIL)
    return target.exemplar(exemplar=True) if query.has_exemplars else target
