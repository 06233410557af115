"""`docs/standards.md` is held to the code: what is cited is listed, what is listed is cited."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

TABLE = ROOT / "docs" / "standards.md"

CITATION = re.compile(r"RFC\s+(?P<number>\d{3,5})(?:\s+§(?P<section>[0-9A-Z]+(?:\.[0-9]+)*))?")
ROW = re.compile(
    r"^\| RFC (?P<number>\d+) \| (?P<title>[^|]+) \| (?P<status>[^|]+) \| (?P<what>[^|]+) \|$"
)
SECTION = re.compile(r"§(?P<section>[0-9A-Z]+(?:\.[0-9]+)*)")
STATUSES = {"Yes", "Partial", "No"}


def _code() -> Iterator[Path]:
    for package in ("probes", "exporter"):
        yield from sorted((ROOT / package).rglob("*.py"))


def _documents() -> Iterator[Path]:
    yield from (path for path in sorted((ROOT / "docs").rglob("*.md")) if path != TABLE)
    yield from sorted(ROOT.glob("*.md"))


def _citations(paths: Iterator[Path]) -> dict[str, set[str]]:
    """RFC number -> the sections that are cited of it."""
    cited: dict[str, set[str]] = {}
    for path in paths:
        for found in CITATION.finditer(path.read_text("utf-8")):
            sections = cited.setdefault(found["number"], set())
            sections |= {found["section"]} - {None}
    return cited


def _rows() -> list[re.Match[str]]:
    lines = TABLE.read_text("utf-8").splitlines()
    return [row for line in lines if (row := ROW.match(line))]


IN_CODE = _citations(_code())
IN_DOCUMENTS = _citations(_documents())
ROWS = _rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"RFC {row['number']}")


@pytest.mark.parametrize("number", sorted({*IN_CODE, *IN_DOCUMENTS}))
def test_what_is_cited_is_in_the_table(number: str) -> None:
    assert number in {row["number"] for row in ROWS}


@each_row
def test_what_is_in_the_table_is_cited_where_it_is_obeyed(row: re.Match[str]) -> None:
    assert row["status"].strip() in STATUSES
    if row["status"].strip() != "No":
        assert row["number"] in IN_CODE


@each_row
def test_every_section_in_the_table_is_cited_in_the_code(row: re.Match[str]) -> None:
    told = {found["section"] for found in SECTION.finditer(row["what"])}
    assert told <= IN_CODE.get(row["number"], set())


def test_the_table_is_in_order_and_says_everything_once() -> None:
    numbers = [int(row["number"]) for row in ROWS]
    assert numbers == sorted(set(numbers))


def test_every_line_of_the_table_was_read() -> None:
    lines = TABLE.read_text("utf-8").splitlines()
    # One such line is the heading.
    assert len(ROWS) == sum(line.startswith("| RFC ") for line in lines) - 1
