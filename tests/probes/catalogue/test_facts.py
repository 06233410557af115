"""The declarations of facts against the program: who writes one, and who reads one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.catalogue.facts import AREAS, DECLARED, Fact, FactSheet, FactType, UndeclaredFact
from probes.clock import Clock
from probes.kinds.policy.consequences import Sender
from probes.mx.recipients import Question
from probes.trace import Trace

pytestmark = pytest.mark.slow("parses every file of the program")

ROOT = Path(__file__).resolve().parents[3]
MADE = {"consequence.", "rcpt.", "dnsbl.health_v", "mailbox.quota_"}
"""Beginnings of names that are put together where they are written."""


def strings(package: str) -> Iterator[str]:
    """Yield every text in the files of a package."""
    for path in (ROOT / package).rglob("*.py"):
        if path != ROOT / "probes" / "catalogue" / "facts.py":
            tree = ast.parse(path.read_text("utf-8"))
            yield from (
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )


def read_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names by which a file reads facts: `facts["a.b"]`, `facts.get("a.b")`."""
    for node in ast.walk(tree):
        of: ast.expr | None = None
        name: ast.expr | None = None
        if isinstance(node, ast.Subscript):
            of, name = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of, name = (node.func.value if node.func.attr == "get" else None), node.args[0]
        is_of_facts = of is not None and ast.unparse(of).rpartition(".")[2] == "facts"
        if is_of_facts and isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value


def test_an_undeclared_fact_cannot_be_written() -> None:
    facts = Trace(Clock()).facts
    facts["tls.version"] = "TLSv1.3"
    with pytest.raises(UndeclaredFact, match=r"tls\.versoin"):
        facts["tls.versoin"] = "TLSv1.3"
    with pytest.raises(UndeclaredFact):
        facts.note({"mx.hosts": (), "nobody.knows": 1})
    assert facts == {"tls.version": "TLSv1.3", "mx.hosts": ()}


def test_every_fact_is_declared_once() -> None:
    assert len(DECLARED) == sum(map(len, AREAS.values()))
    assert all(fact.meaning.endswith(".") for fact in DECLARED.values())


def test_every_declared_fact_is_written_somewhere() -> None:
    named = {*strings("probes"), *strings("exporter")}
    unused = {name for name in DECLARED if name not in named}
    assert {name for name in unused if not name.startswith(tuple(MADE))} == set()


def test_every_fact_that_is_read_is_declared() -> None:
    read = {
        name
        for package in ("probes", "exporter")
        for path in (ROOT / package).rglob("*.py")
        for name in read_names(ast.parse(path.read_text("utf-8")))
    }
    assert len(read) > 20
    assert read - DECLARED.keys() == set()


def test_every_name_that_is_put_together_is_declared() -> None:
    assert {name.split(".")[1] for name in DECLARED if name.startswith("consequence.")} == {
        sender.value for sender in Sender
    }
    assert {name.split(".")[1] for name in DECLARED if name.startswith("rcpt.")} == {
        question.value for question in Question
    }


@pytest.mark.parametrize(
    ("of", "good", "bad"),
    [
        (FactType.TEXT, "a", 1),
        (FactType.TEXTS, ("a",), ["a"]),
        (FactType.COUNT, 1, True),
        (FactType.COUNTS, (1, 2), (1, "2")),
        (FactType.SECONDS, 0.5, "0.5"),
        (FactType.FLAG, False, 0),
        (FactType.TIME, "2026-01-01T00:00:00+00:00", 0),
    ],
)
def test_a_type_tells_its_values_from_others(of: FactType, good: object, bad: object) -> None:
    fact = Fact("a.b", of, "One.")
    assert fact.holds(good)
    assert not fact.holds(bad)
    assert not fact.holds(None)
    assert Fact("a.b", of, "One.", True).holds(None)


def test_a_sheet_is_a_mapping_like_any_other() -> None:
    facts = FactSheet()
    facts["dns.serial"] = None
    assert dict(facts) == {"dns.serial": None}
