"""The page of all facts, generated from their declarations."""

from probes.catalogue.facts import AREAS, Fact

_HEAD = """\
# Facts

A fact is one thing a run or one part of it learnt. Its name is stable: JSON and queries use it. A
fact that a run did not learn is absent; one that can be null says so. `run --json`,
`show --json` and `diagnose --json` have them under `facts`.

This page is made from `probes/catalogue/facts.py` by `exporter/reports/facts_page.py`.
"""


def page() -> str:
    """Return the whole of docs/generated/facts.md."""
    return "\n".join((_HEAD, *(_section(title, facts) for title, facts in AREAS.items())))


def _section(title: str, facts: tuple[Fact, ...]) -> str:
    lines = [f"## {title}", "", "| Fact | Type | Meaning |", "|---|---|---|", *map(_row, facts)]
    return "\n".join((*lines, ""))


def _row(fact: Fact) -> str:
    null = ", or null" if fact.is_optional else ""
    return f"| `{fact.name}` | {fact.type}{null} | {fact.meaning} |"
