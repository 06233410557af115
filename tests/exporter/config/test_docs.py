"""docs/configuration.md tells the truth: every option is in it, and every one in it exists."""

import re

import pytest

from exporter.config import parse
from tests.exporter.config.option_tables import PAGE, SHAPES, TABLE, rewritten
from tests.support.places import ROOT


def test_every_table_is_as_the_declarations_have_it() -> None:
    page = PAGE.read_text()
    command = "python -m tests.exporter.config.option_tables"
    assert rewritten(page) == page, f"bring the page up to date: {command}"


def test_every_kind_route_and_mailbox_has_exactly_one_table() -> None:
    assert sorted(found["name"] for found in TABLE.finditer(PAGE.read_text())) == sorted(SHAPES)


def test_every_file_the_page_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []


def test_the_first_path_on_the_page_is_the_example() -> None:
    example = (ROOT / "docs" / "examples" / "first-path.yaml").read_text()
    assert f"```yaml\n{example}```" in PAGE.read_text()


def test_the_anchors_on_the_page_work_with_the_example() -> None:
    example = (ROOT / "docs" / "examples" / "first-path.yaml").read_text()
    (block,) = re.findall(r"```yaml\n(paths:\n.*?)```", PAGE.read_text(), re.DOTALL)
    text = example.partition("paths:\n")[0] + block
    environ = {"SMTP_PASSWORD": "a", "IMAP_PASSWORD": "b"}
    paths = parse(text, "c.yaml", environ).paths
    assert paths["outbound-large"].message.size == 5_000_000
    assert paths["outbound-large"].message.rcpt_to == paths["outbound"].message.rcpt_to


@pytest.mark.parametrize("written", ["250ms", "30s", "5m", "2h", "1.5h", "1d"])
def test_every_duration_on_the_page_can_be_written(written: str) -> None:
    assert f"`{written}`" in PAGE.read_text()
    text = f"keep_runs: {written}\nehlo_name: a.test\njobs: {{a: {{kind: mx, domain: a.test}}}}"
    assert parse(text, "c.yaml", {}).service.keep_runs > 0
