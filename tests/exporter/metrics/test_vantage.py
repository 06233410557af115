"""The label `vantage`: on everything that is observed, and on nothing else."""

import pytest

from exporter.metrics.exposition import Family, FamilyType, Registry
from exporter.metrics.families import FAMILIES
from exporter.metrics.metrics import Metrics
from tests.support.clock import FakeClock
from tests.support.metric_rig import Reader, config

OBSERVED = {"path", "probe", "mailbox", "part"}


def test_what_is_observed_has_the_vantage_and_the_process_has_not() -> None:
    for family in FAMILIES:
        is_observed = bool(OBSERVED & set(family.labels[:1]))
        assert ("vantage" in family.all_labels) == is_observed, family.name


def test_every_series_names_the_vantage_of_its_process() -> None:
    metrics = Metrics("1", FakeClock().clock, vantage='eu"1')
    metrics.configure(config("a", jobs=("j",), phase_histograms=True))
    metrics.suspects({("route", "out"): 2})
    lines = Reader(metrics).text().splitlines()
    observed = [line for line in lines if any(f'{{{label}="' in line for label in OBSERVED)]
    assert len(observed) > 300
    assert all(r'vantage="eu\"1"' in line for line in observed)
    others = [line for line in lines if line not in observed]
    assert not any("vantage" in line for line in others if line[0] != "#")


def test_a_series_is_found_dropped_and_kept_without_naming_the_vantage() -> None:
    family = Family("state", FamilyType.GAUGE, "x.", ("path", "state"), constants=("vantage",))
    registry = Registry((family,), {"vantage": "main"})
    gauges = registry.gauges["state"]
    gauges.at("a", "ok").set(1)
    gauges.at("b", "ok").set(1)
    registry.keep("path", {"b"})
    assert gauges.labels() == [("b", "ok")]
    gauges.retain("b", set())
    assert gauges.labels() == []


def test_a_constant_needs_a_value() -> None:
    family = Family("state", FamilyType.GAUGE, "x.", ("path",), constants=("vantage",))
    with pytest.raises(KeyError):
        Registry((family,))
