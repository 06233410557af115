"""Which finding codes the program can produce, read from its syntax trees.

A producer is anything that has a parameter or a field called `code` and is given a dotted string:
`Finding` itself, and every helper or value on the way to it. What stands there is followed through
local names, module constants, conditions and tables; an f-string becomes a pattern.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from tests.support.places import ROOT

CODE = re.compile(r"[a-z0-9]+(\.[a-z0-9_]+)+")
LEFT_OUT = ("probes/catalogue/", "exporter/testbed/", "exporter/selftest/")
"""The table itself, and what peers and cases expect of it."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Produced:
    """Literal codes, and patterns of those that are put together, each with where it stands."""

    literals: dict[str, str] = field(default_factory=dict)
    patterns: dict[re.Pattern[str], str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


@cache
def produced() -> Produced:
    """Of every file under `probes` and `exporter`."""
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
        for package in ("probes", "exporter")
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    trees = {path: tree for path, tree in trees.items() if not path.startswith(LEFT_OUT)}
    constants = _constants(trees.values())
    positions = _producers(trees.values())
    found, unread = Produced(), list[str]()
    for path, tree in trees.items():
        for call, scope in _calls(tree, None):
            name = _name_of(call.func)
            for position in positions.get(name, ()):
                given = _given(call, position)
                if given is not None:
                    _Reader(found, constants, scope, f"{path}:{call.lineno}").read(given)
            if name == "Finding":  # other things have codes too: SMTP replies, processes
                unread += found.unread
            found.unread.clear()
    found.unread += unread
    return found


def _producers(trees: Iterable[ast.Module]) -> dict[str, set[int]]:
    """Callable name -> the positions at which it takes a code."""
    positions: defaultdict[str, set[int]] = defaultdict(set)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, Function):
                names = [arg.arg for arg in node.args.args if arg.arg not in ("self", "cls")]
                names += [arg.arg for arg in node.args.kwonlyargs]
            elif isinstance(node, ast.ClassDef):
                names = [
                    item.target.id
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                ]
            else:
                continue
            if "code" in names:
                positions[node.name].add(names.index("code"))
    return positions


def _constants(trees: Iterable[ast.Module]) -> dict[str, list[ast.expr]]:
    """Module-level names with what they are assigned, whichever file they stand in."""
    constants: defaultdict[str, list[ast.expr]] = defaultdict(list)
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        constants[target.id].append(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                constants[node.target.id] += [node.value] if node.value else []
    return constants


def _calls(node: ast.AST, scope: Function | None) -> Iterator[tuple[ast.Call, Function | None]]:
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, Function) else scope
        if isinstance(child, ast.Call):
            yield child, inner
        yield from _calls(child, inner)


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _given(call: ast.Call, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == "code":
            return keyword.value
    if any(isinstance(argument, ast.Starred) for argument in call.args[: position + 1]):
        return None
    return call.args[position] if position < len(call.args) else None


class _Reader:
    """Follows one expression to the codes it can be."""

    def __init__(
        self,
        found: Produced,
        constants: dict[str, list[ast.expr]],
        scope: Function | None,
        where: str,
    ) -> None:
        self.found = found
        self.constants = constants
        self.scope = scope
        self.where = where
        self.seen: set[str] = set()

    def read(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                self.found.literals.setdefault(node.value, self.where)
        elif isinstance(node, ast.JoinedStr):
            self._read_pattern(node)
        elif isinstance(node, ast.IfExp):
            self.read(node.body)
            self.read(node.orelse)
        elif isinstance(node, ast.Name):
            self._read_name(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            self._read_table(node)
        else:
            self.found.unread.append(f"{self.where}: {ast.unparse(node)}")

    def _read_pattern(self, node: ast.JoinedStr) -> None:
        parts = [
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z0-9_.]+"
            for part in node.values
        ]
        self.found.patterns.setdefault(re.compile("".join(parts)), self.where)

    def _read_name(self, name: str) -> None:
        if name in self.seen:
            return
        self.seen.add(name)
        local = [value for target, value in self._assigned() if target == name]
        for value in local or self.constants.get(name, []):
            self.read(value)
        if not local and name not in self.constants and not self._is_bound(name):
            self.found.unread.append(f"{self.where}: {name}")

    def _assigned(self) -> Iterator[tuple[str, ast.expr]]:
        for node in ast.walk(self.scope) if self.scope is not None else ():
            if isinstance(node, ast.NamedExpr):
                yield node.target.id, node.value
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    for one, value in zip(target.elts, node.value.elts, strict=True):
                        if isinstance(one, ast.Name):
                            yield one.id, value

    def _is_bound(self, name: str) -> bool:
        """A parameter (its callers are read) or what a loop takes from a table (which is read)."""
        if self.scope is None:
            return False
        arguments = [*self.scope.args.args, *self.scope.args.kwonlyargs]
        if any(argument.arg == name for argument in arguments):
            return True
        loops = [n for n in ast.walk(self.scope) if isinstance(n, ast.For | ast.comprehension)]
        for loop in loops:
            if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(loop.target)):
                self._read_table(loop.iter)
                return True
        return False

    def _read_table(self, node: ast.expr) -> None:
        """Every code-like string in the tables that the expression names."""
        names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        values = [value for name in names for value in self.constants.get(name, ())]
        local = [value for target, value in self._assigned() if target in names]
        for value in (node, *values, *local):
            for inner in ast.walk(value):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    if CODE.fullmatch(inner.value):
                        self.found.literals.setdefault(inner.value, self.where)
                elif isinstance(inner, ast.JoinedStr):
                    self._read_pattern(inner)
