"""Who may know whom, read from the syntax trees of `probes` and `exporter`.

`docs/design.md` says why. A room is a file or a folder; it may import itself and every room in a
row above its own, never one in the same row or below.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow("`./run check` runs it each time")

ROOT = Path(__file__).resolve().parents[1]
OWN = ("probes", "exporter")

ROOMS = (
    (
        "probes.clock",
        "probes.options",
        "probes.records",
        "probes.tasks",
    ),
    ("probes.result",),
    (
        "probes.canary",
        "probes.net",
        "probes.trace",
    ),
    (
        "probes.catalogue",
        "probes.lookups",
        "probes.run",
    ),
    ("probes.sessions",),
    (
        "probes.mailboxes",
        "probes.mx",
    ),
    (
        "probes.kinds",
        "probes.routes",
    ),
    ("probes.plugins", "probes.rows"),
    ("probes.registry",),
    (
        "exporter.cli",
        "exporter.model",
        "exporter.testbed",
    ),
    (
        "exporter.analysis",
        "exporter.config",
        "exporter.network",
    ),
    (
        "exporter.ledger",
        "exporter.metrics",
    ),
    (
        "exporter.reports",
        "exporter.service",
    ),
    (
        "exporter.diagnose",
        "exporter.selftest",
        "exporter.web",
    ),
    (
        "exporter.app",
        "exporter.terminal",
    ),
    ("exporter.commands",),
    ("exporter.demo",),
)

CLIENTS = {
    "aiosmtplib": ("probes/net/smtp_wire.py",),
    "cryptography": (
        "probes/net/certificates.py",
        "probes/net/tls.py",
        "probes/records/signatures/dkim_verification.py",
    ),
    "dkim": ("probes/canary/message.py",),
    "dns": ("probes/net/resolver.py",),
    "h11": ("probes/net/https.py",),
    "idna": ("probes/records/address.py",),
    "prometheus_client": ("exporter/metrics/own_metrics.py",),
    "pydantic": (
        "exporter/config/entries.py",
        "exporter/config/option_types.py",
    ),
    "rich": ("exporter/terminal/*.py",),
    "sqlalchemy": ("exporter/ledger/*.py",),
    "starlette": (
        "exporter/web/application.py",
        "exporter/web/server.py",
    ),
    "typer": ("exporter/cli.py",),
    "uvicorn": ("exporter/web/server.py",),
    "uvloop": (
        "exporter/commands/common.py",
        "exporter/commands/diagnose.py",
        "exporter/commands/selftest.py",
    ),
    "yaml": ("exporter/config/yaml_reader.py",),
}
"""Every third-party package, and the only files that import it."""

SERVER_SIDE = re.compile(r"exporter/(demo|testbed)/.*")
"""The embedded mail world plays the other side and may use whatever makes a server."""

LOADERS = {
    "exporter/cli.py": "loads a command when it is called, so that --help is fast",
    "probes/plugins.py": "loads the rows of other packages by their entry points",
}
"""The only files that load code by name, and why."""

LONGEST_FILE = 450
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
def test_a_third_party_package_is_imported_by_its_own_file_only(source: Source) -> None:
    if SERVER_SIDE.fullmatch(source.path):
        return
    for name in source.imports():
        package = name.split(".")[0]
        if package not in OWN and package not in sys.stdlib_module_names:
            allowed = CLIENTS.get(package, ())
            assert any(fnmatch(source.path, pattern) for pattern in allowed), name


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
