"""The lists of files in CONTRIBUTING.md name what a new thing really touches."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from exporter.metrics.families import FAMILIES
from probes.catalogue import ENTRIES
from probes.registry.rows import KINDS, MAILBOXES, ROUTES

pytestmark = pytest.mark.slow("parses every file for each thing that can be added")

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SECTION = re.compile(r"^### How to add an? (.+?)\n(.*?)(?=^##)", re.MULTILINE | re.DOTALL)
LISTS = {
    name: re.findall(r"`([\w./-]+(?:/|\.py|\.md|\.yaml))`", text)
    for name, text in SECTION.findall(PAGE)
}
TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
    for folder in ("probes", "exporter")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
PLUGGED = (
    *(("kind", name, row.target) for name, row in KINDS.items()),
    *(("route", name, row.target) for name, row in ROUTES.items()),
    *(("mailbox type", name, row.target) for name, row in MAILBOXES.items()),
)
AREAS = {"mx", "policy", "sender", "mailbox"}
"""Kinds whose name is a word of its own elsewhere, so that only its imports tell who knows it."""


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def knowing_module(module: str) -> set[str]:
    return {
        path
        for path, tree in TREES.items()
        if any(f"{name}.".startswith(f"{module}.") for name in imported(tree))
    }


def holding(word: str) -> set[str]:
    return {path for path, tree in TREES.items() if word in texts(tree)}


def not_named(files: Iterable[str], section: str) -> list[str]:
    named = LISTS[section]
    return [
        file
        for file in sorted(files)
        if not any(file == one or (one.endswith("/") and file.startswith(one)) for one in named)
    ]


def test_there_is_a_list_for_everything_that_can_be_added() -> None:
    assert list(LISTS) == [
        *("kind", "route", "mailbox type", "finding", "metric", "panel", "command", "page")
    ]


@pytest.mark.parametrize("section", LISTS)
def test_every_file_that_is_named_exists(section: str) -> None:
    for name in LISTS[section]:
        where = ROOT / name
        assert (where.is_dir() if name.endswith("/") else where.exists()) or (
            section == "metric" and (ROOT / "exporter" / "metrics" / name).exists()
        ), name


@pytest.mark.parametrize(("section", "name", "target"), PLUGGED)
def test_who_knows_a_kind_route_or_mailbox_is_named(section: str, name: str, target: type) -> None:
    files = knowing_module(target.__module__)
    assert "probes/registry/rows.py" in files
    if name not in AREAS:
        files |= holding(name)
    assert not_named(files, section) == []
    word = "kind" if section == "kind" else "type"
    for page in ("docs/examples/all-options.yaml", "docs/configuration.md"):
        assert page in LISTS[section]
    example = (ROOT / "docs" / "examples" / "all-options.yaml").read_text("utf-8")
    assert re.search(rf"\b{word}: {name}\b", example)


def test_who_makes_a_finding_is_named() -> None:
    codes = set(ENTRIES)
    files = {path for path, tree in TREES.items() if codes & set(texts(tree))}
    assert not_named(files, "finding") == []


def test_who_sets_a_metric_is_named() -> None:
    names = {family.name for family in FAMILIES}
    files = {path for path, tree in TREES.items() if names & set(texts(tree))}
    assert not_named(files, "metric") == []
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    assert all(name in page for name in names)


def test_where_commands_and_pages_are_is_named() -> None:
    called = {
        text.replace(".", "/") + ".py"
        for text in texts(TREES["exporter/cli.py"])
        if re.fullmatch(r"exporter\.[a-z_.]+", text) and text != "exporter.diagnose.request"
    }
    assert called
    assert not_named({*called, "exporter/cli.py"}, "command") == []
    web = {path for path, tree in TREES.items() if any("starlette" in n for n in imported(tree))}
    assert not_named(web, "page") == []
