"""Every query of the dashboards, parsed: its metrics, its labels, its windows."""

import re
from datetime import timedelta

import promql_parser
import pytest

from exporter.metrics.exposition import FamilyType
from exporter.metrics.families import FAMILIES
from tests.support.dashboards import Target, labels_of, nodes, selectors, substituted, targets

each_target = pytest.mark.parametrize("target", targets(), ids=str)

OF_THE_SCRAPE = {"job", "instance"}

RARE = re.compile(r"mailcanary_(canaries|canary_events|failures|probe_\w+|mutations)_total")

COUNTERS = {family.name for family in FAMILIES if family.type is FamilyType.COUNTER}


@each_target
def test_a_query_is_promql_and_asks_for_something(target: Target) -> None:
    assert selectors(target.query)


@each_target
def test_a_query_names_only_metrics_that_exist(target: Target) -> None:
    for selector in selectors(target.query):
        assert labels_of(selector.metric) is not None, selector.text


@each_target
def test_a_query_chooses_only_by_labels_that_its_metric_has(target: Target) -> None:
    for selector in selectors(target.query):
        own = labels_of(selector.metric) or frozenset()
        assert selector.labels <= own | OF_THE_SCRAPE, selector.text


@each_target
def test_a_query_groups_only_by_labels_that_its_metrics_have(target: Target) -> None:
    known = OF_THE_SCRAPE.union(
        *(labels_of(selector.metric) or () for selector in selectors(target.query))
    )
    for node in nodes(target.query, promql_parser.AggregateExpr):
        assert set(node.modifier.labels if node.modifier else ()) <= known
    named = re.findall(r"{{(\w+)}}", target.json.get("legendFormat", ""))
    assert set(named) <= known


@each_target
def test_a_query_can_be_narrowed_to_a_job_and_an_instance(target: Target) -> None:
    for selector in selectors(target.query):
        assert selector.labels >= OF_THE_SCRAPE, selector.text


@each_target
def test_two_replicas_of_prometheus_do_not_double_a_series(target: Target) -> None:
    """The outermost step is an aggregation, or arithmetic between such."""
    assert re.search(r"\b(sum|min|max|histogram_quantile)\b", target.query)


@each_target
def test_a_rate_looks_back_as_far_as_grafana_says(target: Target) -> None:
    for function in re.findall(r"\b(?:rate|irate)\([^\[]*\[([^\]]*)\]", target.query):
        assert function == "$__rate_interval"
    for window in re.findall(r"\[([^\]]*)\]", target.query):
        assert window in {"$__rate_interval", "$__range"}
    if "$__range" in target.query:
        assert target.json["instant"], "a total over the chosen time is one number"


@each_target
def test_a_counter_is_read_as_a_rate_or_named_as_a_total(target: Target) -> None:
    windows = {
        node.vector_selector.name for node in nodes(target.query, promql_parser.MatrixSelector)
    }
    for selector in selectors(target.query):
        if selector.metric in COUNTERS and selector.metric not in windows:
            assert target.json["instant"], f"{selector.metric} as a line only rises"


@each_target
def test_a_query_over_time_about_canaries_holds_several_of_them(target: Target) -> None:
    """A canary comes once in some minutes; a window of one minute would hold none."""
    if (
        RARE.search(target.query)
        and "$__rate_interval" in target.query
        and "missed" not in target.query
    ):
        assert target.json.get("interval") == "15m"


@each_target
def test_a_query_is_one_line_without_leading_space(target: Target) -> None:
    assert target.query == " ".join(target.query.split())


def test_exemplars_are_asked_for_where_the_metric_has_them() -> None:
    asked = {target.panel for target in targets() if target.json.get("exemplar")}
    assert asked == {"Round trip"}
    for target in targets():
        if target.json.get("exemplar"):
            assert "mailcanary_round_trip_seconds_bucket" in target.query


def test_every_variable_is_written_out() -> None:
    for target in targets():
        assert "$" not in substituted(target.query)
    (matrix,) = nodes("rate(up[$__rate_interval])", promql_parser.MatrixSelector)
    assert matrix.range == timedelta(seconds=30)


def test_labels_of_a_histogram_part_hold_the_bound() -> None:
    assert labels_of("mailcanary_round_trip_seconds_bucket") == {"path", "le"}
    assert labels_of("mailcanary_round_trip_seconds_sum") == {"path"}
    assert labels_of("mailcanary_round_trip_seconds") is None
    assert labels_of("mailcanary_canaries") is None
