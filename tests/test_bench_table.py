"""The pure parts of the bench: its figures, the table and the JSON."""

import json

import pytest

from bench.__main__ import FAMILIES
from bench.table import GOALS, Goal, Measured, to_document, to_table
from tests.support.places import DOCS

GOAL = Goal("some_ms", "something, ms", 10)
PERFORMANCE = DOCS / "performance.md"


@pytest.mark.parametrize(("value", "is_reached"), [(9.99, True), (10, True), (10.01, False)])
def test_a_figure_is_reached_up_to_its_goal(value: float, *, is_reached: bool) -> None:
    figure = Measured("some_ms", value, value, "ms", 42.0, "peer", (value,))
    entry = to_document([figure], {}, [GOAL])["some_ms"]
    assert entry["reached"] is is_reached
    assert entry["to_reach"] == 10
    assert entry["value"] == value
    assert entry["peer"] == 42.0


def test_what_could_not_be_measured_says_why_and_is_not_reached() -> None:
    document = to_document([], {"some_ms": "PeerError: not installed"}, [GOAL])
    assert document["some_ms"]["reached"] is False
    assert document["some_ms"]["value"] is None
    assert document["some_ms"]["error"] == "PeerError: not installed"
    assert "PeerError: not installed" in to_table(document, [GOAL])


def test_the_table_has_a_line_for_every_goal_with_ours_and_the_peers() -> None:
    figure = Measured("some_ms", 1.5, 3.0, "ms", 2.0, "blackbox")
    table = to_table(to_document([figure], {}, [GOAL]), [GOAL])
    head, line = table.splitlines()
    assert head.split() == ["figure", "value", "to", "reach", "reached", "ours", "peer"]
    assert line.split() == [
        *("something,", "ms", "1.5", "10", "yes", "3", "ms", "2", "ms", "(blackbox)"),
    ]


def test_every_goal_is_in_the_document_which_is_json() -> None:
    document = to_document([], {})
    assert list(document) == [goal.name for goal in GOALS]
    assert json.loads(json.dumps(document)) == document


def test_every_goal_is_measured_by_one_family() -> None:
    measured = [name for names, _ in FAMILIES for name in names]
    assert sorted(measured) == sorted(goal.name for goal in GOALS)


def test_every_figure_stands_in_the_documentation() -> None:
    text = PERFORMANCE.read_text("utf-8")
    assert [goal.name for goal in GOALS if f"`{goal.name}`" not in text] == []
