"""The page of all facts."""

from pathlib import Path

from exporter.reports.facts_page import page

PAGE = Path(__file__).parents[3] / "docs" / "generated" / "facts.md"


def test_the_page_is_made_from_the_declarations() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "write exporter.reports.facts_page.page() to docs/generated/facts.md"
    )
