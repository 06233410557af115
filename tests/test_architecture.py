"""Who may know whom, read from the syntax trees of `probes` and `exporter`.

`docs/design.md` says why. A room is a file or a folder; it may import itself and every room in a
row above its own, never one in the same row or below.
"""

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.places import ROOT

pytestmark = pytest.mark.slow("`./run check` runs it each time")

OWN = ("probes", "exporter")

ROOMS = (
    ("probes.clock", "probes.options", "probes.tasks"),
    ("probes.records",),
    ("probes.result",),
    ("probes.documents",),
    ("probes.catalogue",),
    ("probes.canary",),
    ("probes.net",),
    ("probes.trace",),
    ("probes.lookups",),
    ("probes.sessions",),
    ("probes.mx",),
    ("probes.kinds", "probes.routes", "probes.mailboxes"),
    ("probes.registry", "probes.run"),
    ("exporter.testbed", "exporter.model"),
    ("exporter.config", "exporter.analysis", "exporter.network"),
    ("exporter.ledger", "exporter.metrics"),
    ("exporter.reports",),
    ("exporter.service",),
    ("exporter.diagnose", "exporter.selftest", "exporter.rules"),
    ("exporter.terminal", "exporter.web"),
    ("exporter.app",),
    ("exporter.commands",),
    ("exporter.demo",),
    ("exporter.cli",),
)
"""The rooms in their order: each may import those of the rows above it."""

CLIENTS = {
    "aiosmtplib": ("probes.net",),
    "bcrypt": ("exporter.web",),
    "cryptography": ("probes.net", "probes.records.signatures"),
    "dns": ("probes.net",),
    "h11": ("probes.net",),
    "idna": ("probes.records",),
    "prometheus_client": ("exporter.metrics",),
    "rich": ("exporter.terminal",),
    "sqlalchemy": ("exporter.ledger",),
    "starlette": ("exporter.web",),
    "typer": ("exporter.commands.arguments", "exporter.cli"),
    "uvicorn": ("exporter.web",),
    "uvloop": ("exporter.commands",),
    "yaml": ("exporter.config",),
}
"""Every third-party package, and the room that knows it."""

SERVER_SIDE = ("exporter.demo", "exporter.testbed")
"""The embedded mail world plays the other side and may use whatever makes a server."""

LOADERS = {
    "exporter/cli.py": "loads a command when it is called, so that --help is fast",
    "probes/registry/plugins.py": "loads the rows of other packages by their entry points",
}
"""The only files that load code by name, and why."""

LONGEST_FILE = 450
LONGEST_FUNCTION = 60
MEDIAN_FUNCTION, MOST_FUNCTIONS = 6, 16
"""Lines of a function's body: half of all have at most the one, nine tenths at most the other."""

MOST_FILES = {"probes": 9, "exporter": 6}
"""Files beside the rooms of a package: its listing is to be read at a glance."""

SHADOWS_ON_PURPOSE = {"trace"}
"""`probes.trace` is the notebook of one run; nobody here wants the standard library's `trace`."""
FORBIDDEN_WORDS = re.compile(r"black_?list|white_?list|end_?point", re.IGNORECASE)
"""Words that have a standard one: block list, allow list, and what it is instead."""


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root and its dotted name."""

    path: str
    name: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def imports(self) -> Iterator[str]:
        """Every imported name, dotted, `from a import b` as `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}:{node.lineno}: relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _source(path: Path) -> Source:
    relative = path.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Source(relative.as_posix(), name)


SOURCES = [_source(path) for package in OWN for path in sorted((ROOT / package).rglob("*.py"))]
RANK = {room: rank for rank, row in enumerate(ROOMS) for room in row}


def room_of(name: str) -> str | None:
    """The room a dotted name lives in; None for the bare packages."""
    return next((room for room in RANK if name == room or name.startswith(room + ".")), None)


def is_in(name: str, rooms: tuple[str, ...]) -> bool:
    """True if the file of that dotted name is one of these rooms or stands in one."""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.path)


@each_source
def test_a_file_knows_only_rooms_above_its_own(source: Source) -> None:
    own = room_of(source.name)
    if own is None:
        assert source.name in OWN, f"{source.path} is in no room of ROOMS"
        assert not any(name.split(".")[0] == "exporter" for name in source.imports())
        return
    for name in source.imports():
        if name.split(".")[0] in OWN:
            known = room_of(name)
            assert known is not None, f"{name} is in no room of ROOMS"
            assert known == own or RANK[known] < RANK[own], f"{own} must not know {known}"


@each_source
def test_a_third_party_package_is_known_in_its_own_room_only(source: Source) -> None:
    if is_in(source.name, SERVER_SIDE):
        return
    for name in source.imports():
        package = name.split(".")[0]
        if package not in OWN and package not in sys.stdlib_module_names:
            assert is_in(source.name, CLIENTS.get(package, ())), name


@each_source
def test_imports_stand_at_the_top_and_hide_nothing_from_this_test(source: Source) -> None:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = [
                child for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)
            ]
            assert not inner, f"line {inner[0].lineno}: import inside a function"
    words = {node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name)}
    words |= {name.rpartition(".")[2] for name in source.imports()}
    assert "TYPE_CHECKING" not in words
    assert "TaskGroup" not in {
        n.attr for n in ast.walk(source.tree) if isinstance(n, ast.Attribute)
    }
    if source.path not in LOADERS:
        assert not words & {"import_module", "importlib", "__import__"}


@each_source
def test_a_file_is_short_and_its_name_shadows_nothing(source: Source) -> None:
    assert len(source.text.splitlines()) <= LONGEST_FILE
    last = source.name.rpartition(".")[2]
    taken = (sys.stdlib_module_names | CLIENTS.keys()) - SHADOWS_ON_PURPOSE
    assert last not in taken


@each_source
def test_what_is_defined_is_called_by_the_standard_word(source: Source) -> None:
    for node in ast.walk(source.tree):
        name = _defined_name(node)
        assert not FORBIDDEN_WORDS.search(name), f"line {getattr(node, 'lineno', 0)}: {name}"


def _defined_name(node: ast.AST) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return ""


def test_every_room_and_every_client_of_the_tables_exists() -> None:
    names = {source.name for source in SOURCES}
    assert [room for room in RANK if room not in names] == []
    used = {name.split(".")[0] for source in SOURCES for name in source.imports()}
    assert set(CLIENTS) <= used


@pytest.mark.parametrize("package", OWN)
def test_the_listing_of_a_package_is_its_rooms_and_a_few_files(package: str) -> None:
    files = [path for path in (ROOT / package).iterdir() if path.is_file()]
    assert len(files) <= MOST_FILES[package], sorted(path.name for path in files)


def test_functions_are_short() -> None:
    lengths = [
        _body_lines(node)
        for source in SOURCES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert max(lengths) <= LONGEST_FUNCTION
    assert statistics.median(lengths) <= MEDIAN_FUNCTION
    assert statistics.quantiles(lengths, n=10)[-1] <= MOST_FUNCTIONS


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines below the signature and the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_file_knows_itself_over_others() -> None:
    names = {source.name for source in SOURCES}
    known = {
        source.name: {
            name if name in names else name.rpartition(".")[0] for name in source.imports()
        }
        - {source.name}
        for source in SOURCES
    }
    list(TopologicalSorter({name: known[name] & names for name in known}).static_order())
