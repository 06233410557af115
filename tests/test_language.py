"""The texts a user meets first are in short sentences."""

from pathlib import Path

import pytest
import typer.main

from exporter.cli import app
from tests.support.language import (
    MOST_RELATIVES,
    docstrings,
    markdown_sentences,
    relatives_per_thousand,
    sentences,
    too_long,
)

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = typer.main.get_group(app)
COMMANDS = {"mailcanary": PROGRAM, **PROGRAM.commands}


def test_the_readme_has_no_long_sentence() -> None:
    found = markdown_sentences((ROOT / "README.md").read_text("utf-8"))
    assert len(found) > 40
    assert too_long(found) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_text_has_a_long_sentence(name: str) -> None:
    command = COMMANDS[name]
    texts = [command.help or ""]
    texts += [getattr(option, "help", None) or "" for option in command.params]
    assert texts[0]
    assert too_long(sentence for text in texts for sentence in sentences(text)) == []


@pytest.mark.parametrize("package", ["probes", "exporter"])
def test_docstrings_name_things_instead_of_circling_them(package: str) -> None:
    assert relatives_per_thousand(docstrings(ROOT / package)) <= MOST_RELATIVES


def test_a_long_sentence_is_found_wherever_it_stands() -> None:
    long = " ".join(["word"] * 26)
    short = " ".join(["word"] * 25)
    skipped = f"# {long}\n\n| {long} |\n\n```\n{long}\n```\n\nIt is `{long}`. {short}.\n"
    page = f"{skipped}\n- {long}: [a {long}](x)\n"
    assert [len(one.split()) for one in too_long(markdown_sentences(page))] == [54]
    assert too_long(sentences(f"{short}. {short}! {short}; {short}")) == []
