"""The JSON Schema says what the reader does, so that an editor finds what we would refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from exporter.config import ConfigError, load, parse, schema
from exporter.config.entries import options_of
from exporter.config.problems import Report
from exporter.config.yaml_reader import plain, read_yaml
from tests.exporter.config.examples import ENVIRON, EXAMPLES, NAMES, example
from tests.exporter.config.option_tables import SHAPES

FOLDER = Path(__file__).parent / "bad_configs"
START = """\
routes: {out: {type: submission, host: smtp.example.test}}
mailboxes: {inbox: {type: imap, host: imap.test, username: canary, password: secret}}
paths:
  first: {route: out, mailbox: inbox, mail_from: a@example.test, rcpt_to: b@example.test}
"""


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def document(text: str) -> Any:
    return json.loads(json.dumps(plain(read_yaml(text, Report("f.yaml")))))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_the_schema_and_loads(
    name: str, validator: Draft202012Validator, tmp_path: Path
) -> None:
    path = example(name, tmp_path)
    assert [error.message for error in validator.iter_errors(document(path.read_text()))] == []
    config = load(path, ENVIRON)
    assert config.paths
    assert "hunter" not in repr(config)


@pytest.mark.parametrize(
    "name",
    [
        "bad_durations",
        "bad_names",
        "bad_ports",
        "missing_options",
        "nothing_to_do",
        "not_a_mapping",
        "unknown_kinds",
        "unknown_option",
        "unknown_top_level_option",
        "wrong_types",
    ],
)
def test_what_the_reader_refuses_by_its_shape_the_schema_refuses_too(
    name: str, validator: Draft202012Validator
) -> None:
    assert not validator.is_valid(document((FOLDER / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(
    ("line", "is_valid"),
    [
        ("resolvers: system", True),
        ("resolvers: [192.0.2.53]", True),
        ("resolvers: default", False),
        ("keep_runs: 1.5h", True),
        ("keep_runs: 14", False),
        ("keep_runs: 14 d", False),
        ("max_concurrent: 0", False),
        ("ca_file: null", True),
        ("jobs:", True),
        ("jobs: {}", True),
        ("jobs: {a: {kind: mx, domain: a.test, max_hosts: 3}}", True),
        ("jobs: {a: {kind: mx, domain: a.test, host: a.test}}", False),
        ("jobs: {a: {kind: mx}}", False),
        ("jobs: {a: {domain: a.test}}", False),
        ("jobs: {a: {kind: submission, host: a.test, tls: ssl}}", False),
        ("jobs: {a: {kind: submission, host: a.test, tls: implicit, password: {file: x}}}", True),
        ("jobs: {a: {kind: submission, host: a.test, password: {env: x}}}", False),
        ("jobs: {A: {kind: mx, domain: a.test}}", False),
    ],
)
def test_schema_and_reader_agree_on_one_line(
    line: str, *, is_valid: bool, validator: Draft202012Validator
) -> None:
    text = START + line
    assert validator.is_valid(document(text)) is is_valid
    if not is_valid:
        with pytest.raises(ConfigError):
            parse(text, "c.yaml", {}, name_of_machine=lambda: "probe.example.test")


def test_every_option_is_described_and_has_its_default_as_the_file_would_write_it() -> None:
    top = schema()
    assert top["properties"]["keep_runs"]["default"] == "14d"
    assert top["properties"]["listen"]["default"] == "127.0.0.1:10587"
    mx = next(
        branch["then"]
        for branch in top["$defs"]["jobs"]["allOf"]
        if branch["if"]["properties"]["kind"]["const"] == "mx"
    )
    assert mx["properties"]["every"]["default"] == "5m"
    for option in options_of(SHAPES["jobs mx"]):
        described = mx["properties"][option.name]
        assert described["description"] == option.doc
        assert ("default" in described) is not option.is_required
    assert mx["required"] == ["domain"]
    assert mx["additionalProperties"] is False


def test_every_default_fits_the_schema_of_its_option() -> None:
    for shapes in SHAPES.values():
        for option in options_of(shapes):
            if not option.is_required:
                Draft202012Validator(option.kind.schema).validate(option.default)


def test_the_example_of_all_options_leaves_none_out() -> None:
    written = document((EXAMPLES / "all-options.yaml").read_text())
    entries = {
        "service": [written],
        "paths": list(written["paths"].values()),
        "jobs": list(written["jobs"].values()),
        "routes": list(written["routes"].values()),
        "mailboxes": list(written["mailboxes"].values()),
    }
    for name, shapes in SHAPES.items():
        section, _, word = name.partition(" ")
        found = entries.get(name) or [
            entry
            for entry in written[section].values()
            if word in (entry.get("type"), entry.get("kind"))
        ]
        missing = {option.name for option in options_of(shapes)} - set().union(*found)
        assert not missing, f"{name}: {missing}"
