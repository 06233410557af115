"""The catalogue against the program: every finding is made from an entry, every entry is used."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from probes.canary.mutation import MutationKind
from probes.catalogue import (
    AREAS,
    ENTRIES,
    MODULES,
    PLACEHOLDERS,
    Entry,
    arrival,
    filled,
    mx,
    nearest,
    placeholders,
)
from probes.catalogue import owner_of_finding as owner_of
from probes.records.subject import Subject
from probes.result import Finding, Owner, Status

pytestmark = pytest.mark.slow("parses every file of the program")

ROOT = Path(__file__).resolve().parents[3]
CODE = re.compile(r"[a-z0-9]+(\.[a-z0-9_]+)+")
CATALOGUE = "probes/catalogue/"
MAKERS = {
    "probes/catalogue/entry.py": "makes every new one",
    "exporter/ledger/encoding.py": "reads those that are stored",
}
"""The only files that build a Finding."""

each_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.code)


@cache
def trees() -> Mapping[str, ast.Module]:
    """Every file under `probes` and `exporter` by its path."""
    files = (path for package in ("probes", "exporter") for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in files}


def used(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what a file takes from the files of the catalogue: the file's name and the constant."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "probes.catalogue":
            modules |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            room, _, file = (node.module or "").rpartition(".")
            yield from ((file, one.name) for one in node.names if room == "probes.catalogue")
    for node in ast.walk(tree):
        of = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(node, ast.Attribute) and isinstance(of, ast.Name) and of.id in modules:
            yield modules[of.id], node.attr


@cache
def constants() -> Mapping[str, tuple[str, str]]:
    """The file and the name under which an entry, or a table it stands in, is declared."""
    found = {}
    for module in (module for modules in MODULES.values() for module in modules):
        file = module.__name__.rpartition(".")[2]
        for name, value in vars(module).items():
            entries = value.values() if isinstance(value, Mapping) and name.isupper() else (value,)
            found |= {one.code: (file, name) for one in entries if isinstance(one, Entry)}
    return found


@cache
def all_used() -> frozenset[tuple[str, str]]:
    outside = (tree for path, tree in trees().items() if not path.startswith(CATALOGUE))
    return frozenset(pair for tree in outside for pair in used(tree))


def test_a_finding_is_built_by_its_entry_and_nowhere_else() -> None:
    def builds(tree: ast.Module) -> bool:
        calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
        return any(isinstance(call, ast.Name) and call.id == "Finding" for call in calls)

    assert {path for path, tree in trees().items() if builds(tree)} == MAKERS.keys()


@each_entry
def test_every_entry_of_the_catalogue_is_used(entry: Entry) -> None:
    assert constants()[entry.code] in all_used()


def test_every_change_of_a_copy_has_its_entry() -> None:
    assert arrival.ALTERED.keys() == set(MutationKind)


@each_entry
def test_an_entry_says_everything_that_is_asked(entry: Entry) -> None:
    assert CODE.fullmatch(entry.code)
    assert entry.summary
    assert not entry.summary.endswith(".")
    assert entry.why.endswith(".")
    assert entry.remedy.endswith(".")
    assert entry.severity
    assert Status.OK not in entry.severity
    assert not entry.reference or re.fullmatch(r"RFC \d+( §\S+)?", entry.reference)
    assert placeholders(entry.remedy + entry.verify) <= PLACEHOLDERS


def test_no_code_stands_in_two_areas() -> None:
    assert len(ENTRIES) == sum(map(len, AREAS.values()))
    assert len({entry.anchor for entry in ENTRIES.values()}) == len(ENTRIES)


def test_a_text_is_filled_with_what_is_known_and_says_the_rest_in_capitals() -> None:
    assert filled("dig MX {domain} @{resolver}", {"domain": "a.test"}) == "dig MX a.test @RESOLVER"


def test_a_code_that_is_mistyped_finds_its_neighbours() -> None:
    assert nearest("mx.adress_unusable")[0] == "mx.address_unusable"
    assert "smtp.quit.failed" in nearest("QUIT")
    assert nearest("") == ()
    assert nearest("x" * 10_000) == ()


def test_what_we_could_not_test_is_ours_and_everything_else_its_owners() -> None:
    def finding(code: str, status: Status) -> Finding:
        return Finding(code, status, Subject.of("mx"), "", "")

    assert owner_of(finding("mx.address_unusable", Status.WARNING)) is Owner.RECEIVER_MX
    assert owner_of(finding("mx.address_unusable", Status.UNTESTABLE)) is Owner.MONITOR
    assert owner_of(finding("spf.lookup_failed", Status.FAILURE)) is Owner.SENDER
    assert owner_of(finding("spf.lookup_failed", Status.UNTESTABLE)) is Owner.RESOLVER
    assert owner_of(finding("nobody.knows", Status.WARNING)) is Owner.MONITOR
    assert owner_of(finding("spf.lookup_failed", Status.WARNING)) is Owner.SENDER
    assert owner_of(finding("spf.lookup_failed", Status.UNTESTABLE)) is Owner.RESOLVER
    assert owner_of(finding("ehlo.lookup_failed", Status.UNTESTABLE)) is Owner.RESOLVER


@pytest.mark.parametrize("entry", AREAS["sender"], ids=lambda entry: entry.code)
def test_a_finding_about_the_sending_side_is_never_the_receivers(entry: Entry) -> None:
    owners = {entry.owner_of(status) for status in entry.severity}
    assert owners <= {Owner.SENDER, Owner.MONITOR, Owner.RESOLVER}


@pytest.mark.parametrize("entry", AREAS["policy"], ids=lambda entry: entry.code)
def test_a_finding_about_what_a_domain_promises_is_the_receiving_sides(entry: Entry) -> None:
    owners = {entry.owner_of(status) for status in entry.severity}
    allowed = {Owner.RECEIVER_DNS, Owner.RECEIVER_MX, Owner.MONITOR, Owner.RESOLVER}
    assert owners <= allowed


def test_a_finding_that_says_its_owner_is_that_owners() -> None:
    of_the_network = mx.ADDRESS_UNUSABLE.found(Status.WARNING, "mx", "", owner=Owner.NETWORK)
    assert owner_of(of_the_network) is Owner.NETWORK


@each_entry
def test_what_our_own_resolver_did_is_told_to_be_its(entry: Entry) -> None:
    when = entry.severity.get(Status.UNTESTABLE, "")
    if when.startswith("our own resolver failed"):
        assert entry.owner_of(Status.UNTESTABLE) is Owner.RESOLVER
