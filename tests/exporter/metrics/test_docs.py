"""docs/metrics.md against the table of families, both ways."""

import re

from exporter.metrics.families import FAMILIES
from tests.support.places import DOCS

PAGE = DOCS / "metrics.md"

SECTION = re.compile(
    r"^### `(?P<name>\w+)`\n\n"
    r"(?P<type>\w+) · (?:labels (?P<labels>`\w+`(?:, `\w+`)*)|no labels)\n\n"
    r"(?P<meaning>[^#`].*?)\n\n"
    r"```promql\n(?P<query>.+?)\n```\n",
    re.MULTILINE | re.DOTALL,
)


def sections() -> dict[str, re.Match[str]]:
    return {match["name"]: match for match in SECTION.finditer(PAGE.read_text("utf-8"))}


def test_every_metric_is_documented_in_its_order_and_every_documented_metric_exists() -> None:
    headings = re.findall(r"^### (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert headings == [f"`{family.name}`" for family in FAMILIES]
    assert list(sections()) == [family.name for family in FAMILIES]


def test_types_and_labels_are_documented_as_they_are() -> None:
    documented = {
        name: (match["type"], tuple(re.findall(r"`(\w+)`", match["labels"] or "")))
        for name, match in sections().items()
    }
    assert documented == {family.name: (family.type, family.all_labels) for family in FAMILIES}


def test_every_example_query_uses_the_metric_and_only_metrics_and_labels_that_exist() -> None:
    names = {family.name for family in FAMILIES}
    suffixed = {f"{name}{suffix}" for name in names for suffix in ("_bucket", "_sum", "_count")}
    for name, match in sections().items():
        used = set(re.findall(r"\bmailcanary_\w+", match["query"]))
        assert any(word.startswith(name) for word in used), name
        assert used <= names | suffixed


def test_every_metric_the_page_mentions_exists() -> None:
    names = {family.name for family in FAMILIES}
    suffixed = {f"{name}{suffix}" for name in names for suffix in ("_bucket", "_sum", "_count")}
    assert set(re.findall(r"\bmailcanary_\w+", PAGE.read_text("utf-8"))) <= names | suffixed
