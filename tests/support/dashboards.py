"""The committed dashboards as values: their panels, their queries, the selectors in them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import promql_parser

from dashboards.build.all_boards import BOARDS
from exporter.metrics.exposition import FamilyType
from exporter.metrics.families import FAMILIES
from tests.support.places import ROOT

FOLDER = ROOT / "dashboards"

VARIABLES = {
    "$__rate_interval": "30s",
    "$__range": "5m",
    "$objective": "99",
}
"""What Grafana writes into a query; every other variable is a choice and becomes `.+`."""


@dataclass(frozen=True)
class Target:
    """One query of one panel of one board."""

    board: str
    panel: str
    query: str
    json: Any

    def __str__(self) -> str:
        return f"{self.board}: {self.panel} {self.json.get('refId')}"


@dataclass(frozen=True)
class Selector:
    """A metric in a query, with the labels it is chosen by."""

    metric: str
    labels: frozenset[str]
    text: str


@cache
def committed(name: str) -> Any:
    """Read the JSON of a board."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def panels(name: str) -> list[Any]:
    """Everything on a board but its headings."""
    return [panel for panel in committed(name)["panels"] if panel["type"] != "row"]


def targets() -> list[Target]:
    """Every query of every board."""
    return [
        Target(board.name, panel["title"], target["expr"], target)
        for board in BOARDS
        for panel in panels(board.name)
        for target in panel["targets"]
    ]


def substituted(query: str) -> str:
    """Write the variables out, as Grafana does where everything is chosen."""
    for name, text in VARIABLES.items():
        query = query.replace(name, text)
    return re.sub(r"\$\w+", ".+", query)


def selectors(query: str) -> list[Selector]:
    """Every selector of a query."""
    return [_selector(node) for node in nodes(query, promql_parser.VectorSelector)]


def nodes(query: str, kind: type) -> list[Any]:
    """All nodes of a kind in the tree of a query."""
    return [
        node for node in _walk(promql_parser.parse(substituted(query))) if isinstance(node, kind)
    ]


def _selector(node: Any) -> Selector:
    names = frozenset(matcher.name for matcher in node.matchers.matchers)
    return Selector(node.name, names, node.prettify())


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        below = getattr(node, name, None)
        if below is not None:
            yield from _walk(below)
    for below in getattr(node, "args", None) or ():
        yield from _walk(below)


def labels_of(metric: str) -> frozenset[str] | None:
    """The labels that a metric name may have; None for a name that nobody exports."""
    for family in FAMILIES:
        if metric == family.name and family.type is not FamilyType.HISTOGRAM:
            return frozenset(family.labels)
        if family.type is FamilyType.HISTOGRAM and metric in _parts(family.name):
            return frozenset({*family.labels, *(("le",) if metric.endswith("_bucket") else ())})
    known = metric in PROMETHEUS_OWN or metric.startswith(("process_", "python_"))
    return frozenset() if known else None


PROMETHEUS_OWN = ("up", "scrape_duration_seconds", "scrape_samples_scraped")
"""Metrics that Prometheus makes itself about each target."""


def _parts(name: str) -> tuple[str, ...]:
    return tuple(f"{name}{part}" for part in ("_bucket", "_sum", "_count"))
