"""Values, their schema and the README of the chart say the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from helm.copies import ORIGINALS, found, wanted
from helm.readme import readme
from tests.helm.chart import CHART, PROGRAMS, VALUES, copied, helm, render, values_file
from tests.servers.real import needs

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
LEAST = CHART / "ci" / "least-values.yaml"


def names_of_values(values: dict[str, Any], schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Every key; a mapping is entered where the schema says what its keys are."""
    for key, value in values.items():
        yield f"{at}{key}"
        inner = schema.get("properties", {}).get(key, {})
        if isinstance(value, dict) and "properties" in inner:
            yield from names_of_values(value, inner, f"{at}{key}.")


def names_of_schema(schema: dict[str, Any], at: str = "") -> Iterator[str]:
    for key, inner in schema["properties"].items():
        yield f"{at}{key}"
        if "properties" in inner:
            yield from names_of_schema(inner, f"{at}{key}.")


def test_every_value_is_in_the_schema_and_the_reverse() -> None:
    assert sorted(names_of_values(DEFAULTS, SCHEMA)) == sorted(names_of_schema(SCHEMA))


def test_the_readme_is_made_from_the_values() -> None:
    assert (CHART / "README.md").read_text() == readme(), "python -m helm writes it"


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_the_defaults_keep_to_the_schema() -> None:
    assert list(Draft7Validator(SCHEMA).iter_errors(DEFAULTS)) == []


@pytest.mark.parametrize("file", VALUES, ids=lambda file: file.name)
def test_the_examples_keep_to_the_schema(file: Path) -> None:
    assert list(Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(file.read_text()))) == []


def test_all_values_that_switch_something_on_are_switched_on_in_some_example() -> None:
    switches = [name for name in names_of_schema(SCHEMA) if name.endswith(".enabled")]
    given = [yaml.safe_load(file.read_text()) for file in VALUES]
    assert switches
    for switch in switches:
        part, _, _ = switch.partition(".")
        assert any("enabled" in values.get(part, {}) for values in given), switch


REFUSED: dict[str, dict[str, Any]] = {
    "two replicas": {"replicas": 2},
    "a replica that is a word": {"replicas": "one"},
    "an unknown key": {"replicaCount": 1},
    "an unknown key below": {"service": {"prot": 80}},
    "an unknown key of a list": {"secretMounts": [{"name": "a", "secretNmae": "b"}]},
    "a port beyond all": {"service": {"port": 65536}},
    "a duration without a unit": {"serviceMonitor": {"interval": "30"}},
    "a digest that is none": {"image": {"digest": "sha256:12"}},
    "a Probe object without targets": {"probes": {"modules": [{"module": "mx", "targets": []}]}},
    "a label that is a number": {"podLabels": {"version": 1}},
    "an annotation that is a number": {"service": {"annotations": {"port": 80}}},
    "a mount with the name of ours": {
        "secretMounts": [{"name": "ledger", "secretName": "a", "mountPath": "/a"}]
    },
    "a configuration as a text": {"config": "ehlo_name: x"},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_the_schema_refuses(values: dict[str, Any]) -> None:
    assert list(Draft7Validator(SCHEMA).iter_errors(values)) != []


@needs("helm-3", "helm-4")
@pytest.mark.parametrize("version", PROGRAMS)
@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_helm_refuses_the_same(version: str, values: dict[str, Any], tmp_path: Path) -> None:
    complaint = render(version, LEAST, values_file(tmp_path, values)).complaint
    assert "values don't meet the specifications of the schema" in complaint


@needs("helm-3", "helm-4")
@pytest.mark.parametrize("version", PROGRAMS)
def test_whatever_may_be_null_can_be_null(version: str, tmp_path: Path) -> None:
    """A user takes a default away with `null`; Helm then drops the key."""
    nothing: dict[str, Any] = {}
    for name in names_of_schema(SCHEMA):
        *above, last = name.split(".")
        schema, place = SCHEMA, nothing
        for part in above:
            schema = schema["properties"][part]
        kind = schema["properties"][last].get("type")
        if isinstance(kind, list) and "null" in kind:
            for part in above:
                place = place.setdefault(part, {})
            place[last] = None
    switched_on = yaml.safe_load((CHART / "ci" / "all-values.yaml").read_text())
    for part, inner in switched_on.items():
        if isinstance(inner, dict) and inner.get("enabled"):
            nothing[part] = {**inner, **nothing.get(part, {})}
    rendered = render(version, LEAST, values_file(tmp_path, nothing))
    assert rendered.complaint == ""
    assert len(rendered.objects) > 8


@needs("helm-3", "helm-4")
@pytest.mark.parametrize("version", PROGRAMS)
def test_it_works_as_a_part_of_another_chart(version: str, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    copied(parent / "charts")
    about = {
        "apiVersion": "v2",
        "name": "parent",
        "version": "1.0.0",
        "dependencies": [
            {"name": "mailcanary", "version": "0.1.0", "condition": "mailcanary.enabled"}
        ],
    }
    (parent / "Chart.yaml").write_text(yaml.safe_dump(about))
    (parent / "values.yaml").write_text("global: {imageRegistry: r.example.com, other: [1]}\n")
    own = yaml.safe_load(LEAST.read_text())
    on = values_file(tmp_path, {"mailcanary": {**own, "enabled": True}})
    rendered = render(version, on, chart=parent)
    assert rendered.complaint == ""
    (container,) = rendered.only("StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("r.example.com/mailcanary:")
    off = values_file(tmp_path, {"mailcanary": {**own, "enabled": False}})
    assert render(version, off, chart=parent).objects == ()


@needs("helm-3", "helm-4")
@pytest.mark.parametrize("version", PROGRAMS)
def test_it_can_be_packed(version: str, tmp_path: Path) -> None:
    done = helm(version, "package", str(CHART), "--destination", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tgz")
    assert render(version, LEAST, chart=archive).complaint == ""


@pytest.mark.parametrize("folder", ORIGINALS)
def test_the_files_of_the_chart_are_copies_of_those_in_dashboards(folder: str) -> None:
    assert found(folder) == wanted(folder), "python -m helm copies them"
