"""The text formats, with prometheus_client's parsers as the judges of what we write."""

import math
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.metrics.exposition import (
    Family,
    FamilyType,
    Format,
    Gauge,
    Histogram,
    Registry,
    Table,
    chunks,
)
from tests.support.metric_rig import read_openmetrics

COUNTER = Family("canaries_total", FamilyType.COUNTER, 'A "test"\nof \\ text.', ("path", "outcome"))
GAUGE = Family("age_seconds", FamilyType.GAUGE, "An age.", ("path",))
HISTOGRAM = Family("trip_seconds", FamilyType.HISTOGRAM, "A trip.", ("path",), (0.1, 1, 10))
BARE = Family("lag_seconds", FamilyType.HISTOGRAM, "A lag.", (), (0.5,))
EMPTY = Family("empty", FamilyType.GAUGE, "Nothing.")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def rendered(registry: Registry, fmt: Format) -> str:
    text = b"".join(chunks(registry.tables, fmt)).decode()
    return text + "# EOF\n" if fmt is Format.OPENMETRICS else text


def families(text: str, fmt: Format) -> list[Metric]:
    read: Callable[[str], Iterable[Metric]]
    read = read_openmetrics if fmt is Format.OPENMETRICS else read_text
    return list(read(text))


def samples(text: str, fmt: Format) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(text, fmt)
        for sample in family.samples
    }


@pytest.fixture
def registry() -> Registry:
    registry = Registry((COUNTER, GAUGE, HISTOGRAM, BARE, EMPTY))
    registry.counters["canaries_total"].at("a", "lost").increase(3)
    registry.gauges["age_seconds"].at("a").set(1.5)
    for seconds in (0.1, 0.2, 5, 60):
        registry.histograms["trip_seconds"].at("a").observe(seconds, ("token", "abc", 1.25))
    registry.histograms["lag_seconds"].at().observe(0.25)
    return registry


@pytest.mark.parametrize("fmt", Format)
def test_both_formats_say_the_same_and_their_parsers_agree(registry: Registry, fmt: Format) -> None:
    a = frozenset({("path", "a")})
    bucket = {bound: a | {("le", bound)} for bound in ("0.1", "1.0", "10.0", "+Inf")}
    assert samples(rendered(registry, fmt), fmt) == {
        ("canaries_total", a | {("outcome", "lost")}): 3,
        ("age_seconds", a): 1.5,
        ("trip_seconds_bucket", bucket["0.1"]): 1,
        ("trip_seconds_bucket", bucket["1.0"]): 2,
        ("trip_seconds_bucket", bucket["10.0"]): 3,
        ("trip_seconds_bucket", bucket["+Inf"]): 4,
        ("trip_seconds_count", a): 4,
        ("trip_seconds_sum", a): pytest.approx(65.3),
        ("lag_seconds_bucket", frozenset({("le", "0.5")})): 1,
        ("lag_seconds_bucket", frozenset({("le", "+Inf")})): 1,
        ("lag_seconds_count", frozenset()): 1,
        ("lag_seconds_sum", frozenset()): 0.25,
    }


@pytest.mark.parametrize("fmt", Format)
def test_help_and_type_survive_the_round_trip(registry: Registry, fmt: Format) -> None:
    found = {f.name: (f.type, f.documentation) for f in families(rendered(registry, fmt), fmt)}
    assert found == {
        "canaries": ("counter", 'A "test"\nof \\ text.'),
        "age_seconds": ("gauge", "An age."),
        "trip_seconds": ("histogram", "A trip."),
        "lag_seconds": ("histogram", "A lag."),
        "empty": ("gauge", "Nothing."),
    }


def test_units_are_told_in_openmetrics_only(registry: Registry) -> None:
    units = {
        f.name: f.unit for f in families(rendered(registry, Format.OPENMETRICS), Format.OPENMETRICS)
    }
    assert units["age_seconds"] == "seconds"
    assert units["canaries"] == ""
    assert "# UNIT" not in rendered(registry, Format.TEXT)


def test_each_bucket_shows_its_latest_exemplar_and_only_in_openmetrics(registry: Registry) -> None:
    registry.histograms["trip_seconds"].at("a").observe(7, ("token", "x-y", 2.5))
    text = rendered(registry, Format.OPENMETRICS)
    exemplars = {
        sample.labels["le"]: (
            sample.exemplar.labels,
            sample.exemplar.value,
            float(sample.exemplar.timestamp or 0),
        )
        for family in families(text, Format.OPENMETRICS)
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert exemplars == {
        "0.1": ({"token": "abc"}, 0.1, 1.25),
        "1.0": ({"token": "abc"}, 0.2, 1.25),
        "10.0": ({"token": "x-y"}, 7, 2.5),
        "+Inf": ({"token": "abc"}, 60, 1.25),
    }
    assert "abc" not in rendered(registry, Format.TEXT)


def test_an_exemplar_cannot_end_its_line_or_its_quotes() -> None:
    histogram = Histogram(BARE, "")
    histogram.observe(0.5, ("token", 'a"} 1\n\\', 1.0))
    line = histogram.text(Format.OPENMETRICS).split(b"\n")[0]
    assert line == rb'lag_seconds_bucket{le="0.5"} 1 # {token="a\"} 1\n\\"} 0.5 1.000'


def test_an_exemplar_longer_than_openmetrics_allows_is_left_out() -> None:
    histogram = Histogram(BARE, "")
    histogram.observe(0.1, ("token", "x" * 124, 1.0))
    assert histogram.count == 1
    assert b"token" not in histogram.text(Format.OPENMETRICS)
    histogram.observe(0.1, ("token", "x" * 123, 1.0))
    assert b"token" in histogram.text(Format.OPENMETRICS)


# Line ends other than \n are legal in a label value, but the judge splits its input at them.
hostile = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    )
)


@given(path=hostile, value=st.floats())
@pytest.mark.parametrize("fmt", Format)
def test_any_label_and_any_value_come_back_as_they_were(
    fmt: Format, path: str, value: float
) -> None:
    registry = Registry((GAUGE,))
    registry.gauges["age_seconds"].at(path).set(value)
    ((_, labels), found), *rest = samples(rendered(registry, fmt), fmt).items()
    assert not rest
    assert dict(labels) == {"path": path}
    assert found == value or (math.isnan(found) and math.isnan(value))


@given(path=st.text())
def test_no_label_value_can_end_its_line_or_break_the_encoding(path: str) -> None:
    registry = Registry((GAUGE,))
    registry.gauges["age_seconds"].at(path).set(1)
    lines = rendered(registry, Format.TEXT).split("\n")
    assert len(lines) == 4
    assert lines[2].startswith('age_seconds{path="')
    assert lines[2].endswith('"} 1')


@given(st.lists(st.floats(min_value=0, max_value=1e6)), st.integers(1, 500))
def test_the_size_of_the_pieces_changes_nothing_but_the_pieces(
    values: list[float], size: int
) -> None:
    registry = Registry((COUNTER, HISTOGRAM))
    for index, value in enumerate(values):
        registry.histograms["trip_seconds"].at(str(index)).observe(value)
    pieces = list(chunks(registry.tables, Format.TEXT, size))
    assert b"".join(pieces) == b"".join(chunks(registry.tables, Format.TEXT))
    largest = max((len(s.text(Format.TEXT)) for s in registry.tables[1].series()), default=0)
    assert all(len(piece) <= size + max(largest, 200) for piece in pieces)


@given(st.lists(st.floats(min_value=0, max_value=20)))
def test_a_histogram_counts_every_value_once_in_the_first_bucket_that_holds_it(
    values: list[float],
) -> None:
    registry = Registry((HISTOGRAM,))
    for value in values:
        registry.histograms["trip_seconds"].at("a").observe(value)
    registry.histograms["trip_seconds"].at("a")
    found = samples(rendered(registry, Format.TEXT), Format.TEXT)
    for bound in ("0.1", "1.0", "10.0", "+Inf"):
        key = ("trip_seconds_bucket", frozenset({("path", "a"), ("le", bound)}))
        assert found[key] == sum(value <= float(bound) for value in values)


def test_text_is_rendered_again_only_where_a_value_has_changed() -> None:
    registry = Registry((COUNTER, GAUGE, HISTOGRAM))
    counter = registry.counters["canaries_total"].at("a", "lost")
    gauge = registry.gauges["age_seconds"].at("a")
    histogram = registry.histograms["trip_seconds"].at("a")
    before = [series.text(Format.TEXT) for series in (counter, gauge, histogram)]
    gauge.set(0)
    again = [series.text(Format.OPENMETRICS) for series in (counter, gauge, histogram)]
    assert all(first is second for first, second in zip(before, again, strict=True))
    counter.increase()
    gauge.set(2)
    histogram.observe(3)
    after = [series.text(Format.TEXT) for series in (counter, gauge, histogram)]
    assert all(first != second for first, second in zip(before, after, strict=True))


def test_a_reload_in_the_middle_of_a_scrape_does_not_disturb_it() -> None:
    registry = Registry((GAUGE,))
    for index in range(100):
        registry.gauges["age_seconds"].at(str(index))
    scrape = chunks(registry.tables, Format.TEXT, 100)
    head = next(scrape)
    registry.keep("path", ())
    registry.gauges["age_seconds"].at("new")
    text = head + b"".join(scrape)
    assert text.count(b"\n") == 102


def test_keep_removes_the_series_of_other_names_and_of_no_other_label() -> None:
    other = Family("up", FamilyType.GAUGE, "Up.", ("mailbox",))
    registry = Registry((COUNTER, GAUGE, other))
    for path in ("a", "b"):
        registry.counters["canaries_total"].at(path, "lost")
        registry.counters["canaries_total"].at(path, "late")
        registry.gauges["age_seconds"].at(path)
    registry.gauges["up"].at("b")
    registry.keep("path", ("a", "c"))
    assert registry.counters["canaries_total"].labels() == [("a", "lost"), ("a", "late")]
    assert registry.gauges["age_seconds"].labels() == [("a",)]
    assert registry.gauges["up"].labels() == [("b",)]


def test_a_table_refuses_the_wrong_number_of_labels() -> None:
    registry = Registry((COUNTER,))
    with pytest.raises(ValueError, match="zip"):
        registry.counters["canaries_total"].at("a")


def test_counters_never_go_down() -> None:
    counter = Registry((COUNTER,)).counters["canaries_total"].at("a", "lost")
    with pytest.raises(ValueError, match="never goes down"):
        counter.increase(-1)
    assert counter.value == 0


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_histogram_refuses_what_would_spoil_its_sum_for_ever(value: float) -> None:
    histogram = Histogram(BARE, "")
    with pytest.raises(ValueError, match="not a duration"):
        histogram.observe(value)
    assert (histogram.count, histogram.sum) == (0, 0)


@pytest.mark.parametrize(
    ("name", "kind", "labels", "buckets"),
    [
        ("lost", FamilyType.COUNTER, (), ()),
        ("lost_total", FamilyType.GAUGE, (), ()),
        ("Lost", FamilyType.GAUGE, (), ()),
        ("lost", FamilyType.GAUGE, ("a-b",), ()),
        ("lost", FamilyType.HISTOGRAM, ("le",), (1,)),
        ("lost", FamilyType.HISTOGRAM, (), ()),
        ("lost", FamilyType.GAUGE, (), (1,)),
        ("lost", FamilyType.HISTOGRAM, (), (2, 1)),
        ("lost", FamilyType.HISTOGRAM, (), (1, math.inf)),
    ],
)
def test_a_declaration_prometheus_would_not_take_is_refused(
    name: str, kind: FamilyType, labels: tuple[str, ...], buckets: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match=name):
        Family(name, kind, "Help.", labels, buckets)


def test_two_families_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="same name"):
        Registry((GAUGE, GAUGE))


def test_the_content_types_are_those_of_the_reference_client() -> None:
    assert Format.TEXT.value == CONTENT_TYPE_PLAIN_0_0_4
    assert Format.OPENMETRICS.value == CONTENT_TYPE_LATEST


def test_what_is_retained_is_the_same_series_and_others_of_the_first_label_are_gone() -> None:
    table = Table(Family("a_value", FamilyType.GAUGE, "A value.", ("job", "host")), Gauge)
    kept = table.at("x", "old")
    for values in (("x", "gone"), ("y", "gone")):
        table.at(*values)
    table.retain("x", {("x", "old"), ("x", "new")})
    assert table.labels() == [("x", "old"), ("y", "gone")]
    assert table.at("x", "old") is kept
    table.retain("x", set())
    table.retain("z", set())
    assert table.labels() == [("y", "gone")]


def test_what_is_dropped_is_gone_and_what_begins_otherwise_stays() -> None:
    table = Table(Family("some_value", FamilyType.GAUGE, "A value.", ("a", "b", "c")), Gauge)
    for key in (("x", "1", "p"), ("x", "1", "q"), ("x", "2", "p"), ("y", "1", "p")):
        table.at(*key)
    table.drop("x", "1")
    table.drop("z")
    table.drop("y", "1", "none")
    assert table.labels() == [("x", "2", "p"), ("y", "1", "p")]
    table.drop("y", "1", "p")
    table.drop("x")
    assert table.labels() == []
    table.at("x", "1", "p")
    table.drop("x")
    assert table.labels() == []
