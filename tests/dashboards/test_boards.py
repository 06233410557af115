"""The dashboards as Grafana and its linter want them: files, variables, panels."""

import hashlib
import json
import re
from typing import Any

import pytest

from dashboards.build.__main__ import main
from dashboards.build.all_boards import BOARDS
from dashboards.build.boards import Board, json_of
from dashboards.build.panels import metric_names
from exporter.metrics.families import FAMILIES
from tests.support.dashboards import FOLDER, committed, panels, selectors, substituted
from tests.support.places import DOCS

each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)

KINDS = {"timeseries", "stat", "table", "state-timeline", "bargauge"}
"""Panels that Grafana 10.4 and 13 both have; `graph`, `singlestat` and `table-old` are gone."""


def variables(board: Board) -> dict[str, Any]:
    return {one["name"]: one for one in committed(board.name)["templating"]["list"]}


@each_board
def test_a_board_made_anew_has_the_same_bytes(board: Board) -> None:
    assert json_of(board).encode() == (FOLDER / board.file_name).read_bytes(), (
        "run: python -m dashboards.build"
    )


def test_every_file_is_a_board_and_is_named_in_the_readme() -> None:
    files = {path.name for path in FOLDER.glob("*.json")}
    assert files == {board.file_name for board in BOARDS}
    readme = (FOLDER / "README.md").read_text("utf-8")
    for name in files:
        assert f"`{name}`" in readme


def test_the_command_writes_what_is_committed(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.build.__main__.FOLDER", tmp_path)
    main()
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in FOLDER.glob("*.json")}


@each_board
def test_the_uid_comes_from_the_file_name(board: Board) -> None:
    digest = hashlib.md5(board.file_name.encode(), usedforsecurity=False).hexdigest()
    assert committed(board.name)["uid"] == digest
    assert len(digest) <= 40, "Grafana takes 40 characters at most"


@each_board
def test_a_board_says_what_it_is_for(board: Board) -> None:
    whole = committed(board.name)
    assert whole["title"].startswith("mailcanary / ")
    assert whole["description"]
    assert whole["tags"] == ["mailcanary"]


@each_board
def test_a_board_needs_no_input_at_an_import(board: Board) -> None:
    text = (FOLDER / board.file_name).read_text("utf-8")
    assert not {"__inputs", "__requires", "__elements"} & set(committed(board.name))
    assert "${DS_" not in text
    assert "id" not in committed(board.name)


@each_board
def test_a_board_is_written_for_the_oldest_grafana(board: Board) -> None:
    assert committed(board.name)["schemaVersion"] == 39
    assert {panel["type"] for panel in panels(board.name)} <= KINDS


@each_board
def test_a_board_lets_the_reader_choose_the_data_source(board: Board) -> None:
    source = variables(board)["datasource"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert source["label"] == "Data source"


@each_board
@pytest.mark.parametrize("name", ["job", "instance"])
def test_a_board_lets_the_reader_choose_among_processes(board: Board, name: str) -> None:
    one = variables(board)[name]
    assert one["type"] == "query"
    assert one["datasource"]["uid"] == "${datasource}"
    assert one["multi"] is True
    assert one["allValue"] == ".+"
    assert one["label"] == name.capitalize()


@each_board
def test_every_choice_asks_for_a_label_of_a_metric_that_has_it(board: Board) -> None:
    known = {family.name: family.labels for family in FAMILIES}
    for name, one in variables(board).items():
        assert one["description"]
        if one["type"] != "query":
            continue
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"])
        assert match is not None
        (selector,) = selectors(match[1])
        assert match[2] == name
        assert name in {"job", "instance", *known[selector.metric]}


@each_board
def test_every_variable_in_a_query_exists_and_every_one_is_used(board: Board) -> None:
    own = set(variables(board))
    text = json.dumps([panel["targets"] for panel in panels(board.name)])
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__range"}
    assert used == own


@each_board
def test_every_panel_has_a_title_and_a_description_of_its_own(board: Board) -> None:
    found = panels(board.name)
    titles = [panel["title"] for panel in found]
    assert len(set(titles)) == len(titles)
    for panel in found:
        said = panel["description"].split("\n\n")[0]
        assert len(said) > 30, panel["title"]
        assert said.endswith("."), panel["title"]


@each_board
def test_every_description_names_the_metrics_and_their_page(board: Board) -> None:
    page = (DOCS / "metrics.md").read_text("utf-8")
    for panel in panels(board.name):
        for name in metric_names(" ".join(one["expr"] for one in panel["targets"])):
            assert f"`{name}`" in panel["description"]
            assert f"### `{name}`" in page
            assert "see docs/metrics.md" in panel["description"]


@each_board
def test_every_panel_and_query_uses_the_chosen_data_source(board: Board) -> None:
    for panel in panels(board.name):
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@each_board
def test_every_panel_has_a_unit_and_thresholds(board: Board) -> None:
    for panel in panels(board.name):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values), panel["title"]


@each_board
def test_panels_are_numbered_and_do_not_lie_on_each_other(board: Board) -> None:
    found = committed(board.name)["panels"]
    assert [panel["id"] for panel in found] == list(range(1, len(found) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in found:
        box = panel["gridPos"]
        assert box["x"] + box["w"] <= 24
        cells = {
            (x, y)
            for x in range(box["x"], box["x"] + box["w"])
            for y in range(box["y"], box["y"] + box["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@each_board
def test_every_query_of_a_panel_has_a_letter_of_its_own(board: Board) -> None:
    for panel in panels(board.name):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == list("ABCDEFGH"[: len(letters)])


@each_board
def test_a_link_leads_to_a_board_that_exists(board: Board) -> None:
    (others,) = committed(board.name)["links"]
    assert (others["type"], others["tags"]) == ("dashboards", ["mailcanary"])
    uids = {committed(one.name)["uid"] for one in BOARDS}
    for panel in panels(board.name):
        for link in panel["fieldConfig"]["defaults"].get("links", ()):
            match = re.match(r"/d/(\w+)\?", link["url"])
            assert match is not None
            assert match[1] in uids


def test_variables_are_written_out_as_grafana_does() -> None:
    assert substituted('x{path=~"$path"}[$__range]') == 'x{path=~".+"}[5m]'
