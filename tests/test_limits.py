"""docs/limits.md against the code: every limit is what it says, and none is left out."""

import ast
import importlib
import re

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "limits.md").read_text("utf-8")
ROW = re.compile(r"^\| [^|]+ \| ([\d,.]+)( KiB| MiB)? \| [^|]+ \| `([\w.]+)` \|$", re.MULTILINE)
UNITS = {"": 1, " KiB": 1024, " MiB": 1024 * 1024}
ROWS = {
    name: float(number.replace(",", "")) * UNITS[unit] for number, unit, name in ROW.findall(PAGE)
}


def constants() -> set[str]:
    """Every public MAX_ of a module, by its dotted name; the embedded worlds have their own."""
    found = set()
    for package in ("probes", "exporter"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if module.startswith(("exporter.testbed", "exporter.demo", "exporter.selftest")):
                continue
            for node in ast.parse(path.read_text("utf-8")).body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                names = [one.id for one in targets if isinstance(one, ast.Name)]
                found |= {f"{module}.{name}" for name in names if name.startswith("MAX_")}
    return found


OF_THE_SCREEN = {
    "exporter.reports.advice.MAX_PLACES",
    "exporter.diagnose.problems.MAX_CASES",
    "exporter.diagnose.facts.MAX_ROWS",
    "exporter.terminal.diagnosis.MAX_LINES",
    "exporter.metrics.exposition.MAX_EXEMPLAR",
    "exporter.ledger.commit_thread.MAX_TOGETHER",
    "exporter.ledger.commit_thread.MAX_WAITING",
    "exporter.ledger.encoding.MAX_EVIDENCE_CHARACTERS",
    "exporter.ledger.encoding.MAX_RESULT_CHARACTERS",
    "exporter.service.mailbox_watcher.MAX_SESSIONS_PER_COPY",
    "exporter.service.mailbox_watcher.MAX_WANTED",
}
"""How much is shown or done at one go, and what bounds our own housekeeping."""


@pytest.mark.parametrize("name", ROWS)
def test_a_limit_is_what_the_page_says(name: str) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(importlib.import_module(module), constant) == ROWS[name]


def test_every_row_of_the_page_was_read() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.endswith("` |")]
    assert len(rows) == len(ROWS)


def test_no_limit_is_left_out() -> None:
    assert constants() - OF_THE_SCREEN - set(ROWS) == set()
    assert constants() >= OF_THE_SCREEN
