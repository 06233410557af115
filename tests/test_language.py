"""The texts a user meets first are in short sentences."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from exporter.cli import app
from probes.catalogue import ENTRIES
from probes.catalogue.failures import BY_OWNER, FAILURES
from tests.support.language import (
    MOST_RELATIVES,
    docstrings,
    markdown_sentences,
    relatives,
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


def catalogue_texts() -> dict[str, list[str]]:
    """The texts of every finding and every ending, by code."""
    entries = {**ENTRIES, **FAILURES}
    return {
        code: [entry.summary, entry.why, entry.remedy, *entry.severity.values()]
        for code, entry in entries.items()
    }


def test_no_finding_has_a_long_sentence() -> None:
    texts = (text for group in (*catalogue_texts().values(), BY_OWNER.values()) for text in group)
    found = [sentence for text in texts for sentence in markdown_sentences(text)]
    assert len(found) > 500
    assert too_long(found) == []


def test_no_finding_names_a_thing_by_a_relative_clause() -> None:
    found = {code: relatives(" ".join(texts)) for code, texts in catalogue_texts().items()}
    assert {code: words for code, words in found.items() if words} == {}
    assert not any(map(relatives, BY_OWNER.values()))


def test_no_sentence_of_a_finding_begins_with_a_question_word() -> None:
    found = [
        sentence
        for texts in catalogue_texts().values()
        for text in texts
        for sentence in markdown_sentences(text)
        if re.match(r"(?:which|whether|how|why)\b", sentence, re.IGNORECASE)
    ]
    assert found == []


def test_the_evidence_of_findings_names_things_as_well() -> None:
    """Texts in the code that measures; an f-string counts by its fixed parts."""
    found = [
        (path.name, node.lineno, node.value)
        for room in ("kinds", "mx", "sessions", "routes", "mailboxes", "canary", "lookups")
        for path in sorted((ROOT / "probes" / room).rglob("*.py"))
        for node in told(ast.parse(path.read_text("utf-8")))
        if relatives(node.value) or too_long(sentences(node.value))
    ]
    assert found == []


def told(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the texts of a file that are no docstring."""
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in documented:
            yield node


def test_a_relative_clause_is_found_in_a_text() -> None:
    assert relatives("Repair what is named; ask whoever owns it.") == ["what", "whoever"]
    assert relatives("A name whose key is there.") == []
    assert relatives("Whose key is there.") == ["Whose"]
    assert relatives("Repair the named file, `what.txt`.") == []
