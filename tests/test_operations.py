"""docs/operations.md tells the truth: its messages are the program's, its metrics exist."""

import re

import pytest

from exporter.metrics.families import FAMILIES
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
BLOCKS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines()]


def source() -> str:
    """All code, the pieces of a string literal joined and its placeholders as in the page."""
    folders = (ROOT / "exporter", ROOT / "probes")
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    text = "\n".join(file.read_text("utf-8") for file in files)
    joined = re.sub(r'"\n\s+f?"', "", text)
    return re.sub(r"\{[^{}\n]*\}|%[sdr]", "…", joined)


CODE = source()


def test_there_is_something_to_check() -> None:
    assert len(LINES) > 8


@pytest.mark.parametrize("line", LINES)
def test_a_message_on_the_page_is_one_of_the_program(line: str) -> None:
    words = line.removeprefix("mailcanary: ").removeprefix("ERROR ")
    pieces = [piece.strip(" :,") for piece in re.split("…|: ", words)]
    missing = [piece for piece in pieces if piece and piece not in CODE]
    assert missing == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"mailcanary_[a-z_]+", PAGE))))
def test_a_metric_on_the_page_exists(name: str) -> None:
    assert name in {family.name for family in FAMILIES}


def test_every_test_file_the_page_names_exists() -> None:
    names = re.findall(r"tests/\S+?\.py", PAGE)
    assert names
    assert [name for name in names if not (ROOT / name).is_file()] == []
