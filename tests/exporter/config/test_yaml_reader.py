"""YAML text to a tree that knows its lines, whatever the text is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.problems import ConfigError, Report
from exporter.config.yaml_reader import MAX_VALUES, line_of, plain, read_yaml


def read(text: str) -> object:
    report = Report("f.yaml")
    value = plain(read_yaml(text, report))
    assert report.problems == []
    return value


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, Report("f.yaml"))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("fAlse", "fAlse"),
        ("~", None),
        ("Null", None),
        ("010", 10),
        ("-7", -7),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("0x1f", "0x1f"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
        ("'5'", "5"),
        ('"true"', "true"),
        ("[a, 1]", ("a", 1)),
        ("{a: {b: }}", {"a": {"b": None}}),
        ("1: one", {"1": "one"}),
        ("| \n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    assert read(text) == value
    assert type(read(text)) is type(value)


def test_a_value_of_a_mapping_stands_on_the_line_of_its_key() -> None:
    node = read_yaml("a:\n  b:\n\n    - x\n    - y: 1\n      z: 2\n", Report("f.yaml"))
    assert line_of(node, ("a",)) == 1
    assert line_of(node, ("a", "b")) == 2
    assert line_of(node, ("a", "b", 0)) == 4
    assert line_of(node, ("a", "b", 1, "z")) == 6
    assert line_of(node, ("a", "b", 7, "missing")) == 2


def test_an_aliased_mapping_is_as_if_written_out_and_its_parts_keep_their_lines() -> None:
    text = "a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\nc: *a\n"
    node = read_yaml(text, Report("f.yaml"))
    assert plain(node) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}
    assert line_of(node, ("b", "x")) == 2
    assert line_of(node, ("b", "y")) == 6
    assert line_of(node, ("c",)) == 7


def test_of_several_merged_mappings_the_first_wins() -> None:
    text = "- &a {x: 1}\n- &b {x: 2, y: 2}\n- {<<: [*a, *b]}\n- {y: 0, <<: *b, <<: *a}\n"
    assert read(text)[2:] == ({"x": 1, "y": 2}, {"x": 2, "y": 0})  # type: ignore[index]


def test_a_second_key_of_the_same_name_is_reported_and_the_first_one_kept() -> None:
    report = Report("f.yaml")
    assert plain(read_yaml("a: 1\nb: {c: 1,\n c: 2}\na: 3\n", report)) == {"a": 1, "b": {"c": 1}}
    assert list(map(str, report.problems)) == [
        "f.yaml:3: b.c: given twice, first on line 2",
        "f.yaml:4: a: given twice, first on line 1",
    ]


@pytest.mark.slow("reads megabytes")
def test_a_file_may_hold_as_many_values_as_the_bound_says_and_no_more() -> None:
    items = "[" + "x," * (MAX_VALUES - 1) + "]"
    assert len(read(items)) == MAX_VALUES - 1  # type: ignore[arg-type]
    assert refused("[x, " + items[1:]) == [
        f"f.yaml:1: more than {MAX_VALUES} values, counting what aliases stand for"
    ]


def test_ten_thousand_levels_of_nesting_are_refused_without_recursion() -> None:
    assert refused("[" * 10_000) == ["f.yaml:1: nested more than 16 levels deep"]
    assert refused("- " * 10_000) == ["f.yaml:1: nested more than 16 levels deep"]


@pytest.mark.parametrize("text", ["? [a, b]\n: c", "? {a: b}\n: c", "!!str a: b", "? *x\n: c"])
def test_a_key_must_be_a_plain_word(text: str) -> None:
    assert refused(text) == ["f.yaml:1: a key must be a plain word"]


@given(st.text())
def test_any_text_gives_a_tree_or_a_config_error(text: str) -> None:
    try:
        node = read_yaml(text, Report("f.yaml"))
    except ConfigError as error:
        assert len(error.problems) == 1  # noqa: PT017 - either outcome is right
    else:
        assert node.line >= 1


@given(st.text(alphabet="ab:-[]{},&*<'\"|>!%@# \n\t?~1.", max_size=60))
def test_any_text_of_yaml_signs_gives_a_tree_or_a_config_error(text: str) -> None:
    lines = text.count("\n") + 1
    report = Report("f.yaml")
    try:
        plain(read_yaml(text, report))
    except ConfigError as error:
        assert all(1 <= (problem.line or 0) <= lines for problem in error.problems)  # noqa: PT017
    assert all(1 <= (problem.line or 0) <= lines for problem in report.problems)
