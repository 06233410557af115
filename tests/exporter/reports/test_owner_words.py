"""Owners for people: one table, which the documentation shows."""

import re
from pathlib import Path

import pytest

from exporter.reports.wording import OWNER_TEXTS, owner_rows, owner_words
from probes.result import Owner

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "owners.md").read_text("utf-8")


def test_every_owner_has_its_words_and_no_two_have_the_same() -> None:
    assert OWNER_TEXTS.keys() == set(Owner)
    assert len({text.name for text in OWNER_TEXTS.values()}) == len(Owner)


def test_the_page_has_the_table_of_owners_as_it_is() -> None:
    shown = [line for line in PAGE.splitlines() if re.match(r"\| `[a-z_]+` \|", line)]
    assert tuple(shown) == owner_rows()


@pytest.mark.parametrize("owner", Owner)
def test_an_owner_is_told_by_its_words_also_as_a_text(owner: Owner) -> None:
    assert owner_words(owner) == owner_words(owner.value) == OWNER_TEXTS[owner].name
    assert "_" not in owner_words(owner)


def test_an_owner_of_another_version_stays_as_it_is() -> None:
    assert owner_words("their_dog") == "their_dog"


def test_no_view_for_people_shows_the_value_of_an_owner() -> None:
    for file in (ROOT / "exporter" / "terminal").glob("*.py"):
        assert not re.search(r"\{\w+(\.\w+)*\.owner\}", file.read_text("utf-8")), file
