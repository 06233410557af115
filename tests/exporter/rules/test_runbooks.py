"""Every alert and every reason has its runbook, and it is the one the catalogue makes."""

import re

import pytest
import typer.main

from exporter.cli import app
from exporter.rules import RuleOptions
from exporter.rules.rule_file import alerts
from exporter.rules.runbook_texts import ADVICE
from exporter.rules.runbooks import pages
from probes.result import Reason
from tests.support.language import markdown_sentences, too_long
from tests.support.places import DOCS

FOLDER = DOCS / "runbooks"
PAGES = pages()
PARTS = ["Meaning", "Impact", "Whose", "First look", "Mend", "When to escalate"]
EACH = pytest.mark.parametrize("name", sorted(PAGES.keys() - {"README.md"}))


def test_the_committed_pages_are_those_that_are_made_and_no_other() -> None:
    files = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*.md")}
    assert set(files) == set(PAGES)
    assert {name for name, path in files.items() if path.read_text("utf-8") != PAGES[name]} == set()


def test_no_alert_and_no_reason_is_without_a_page() -> None:
    names = {alert.name for alert in alerts(RuleOptions())}
    assert set(ADVICE) == names
    wanted = {f"{name.lower()}.md" for name in names} | {f"reasons/{one}.md" for one in Reason}
    assert wanted | {"README.md"} == set(PAGES)


@EACH
def test_a_page_has_all_parts_and_none_is_empty(name: str) -> None:
    parts = re.split(r"^## ", PAGES[name], flags=re.MULTILINE)[1:]
    assert [part.partition("\n")[0] for part in parts] == PARTS
    assert all(part.partition("\n")[2].strip() for part in parts)


@EACH
def test_the_commands_of_a_page_exist(name: str) -> None:
    known = typer.main.get_group(app).commands
    commands = re.findall(r"^mailcanary ([\w-]+)", PAGES[name], re.MULTILINE)
    assert [one for one in commands if one not in known] == []


@EACH
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAGES[name]):
        assert ((FOLDER / name).parent / link).exists()


def test_what_was_written_by_hand_is_in_short_sentences() -> None:
    texts = [text for one in ADVICE.values() for text in (one.impact, one.mend, one.escalate)]
    assert too_long(sentence for text in texts for sentence in markdown_sentences(text)) == []
