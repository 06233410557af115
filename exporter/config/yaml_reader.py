"""The only reader of YAML: text to a tree of values that know their lines.

Scalars follow the core schema of YAML 1.2 (`no` is a word and `010` is ten), duplicate keys are
refused, tags too; anchors, aliases and the merge key `<<` work and are bounded.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from exporter.config.problems import Report, Where

MAX_BYTES = 1024 * 1024
"""The largest configuration file."""

MAX_VALUES = 100_000
"""The most values a file may have, every alias counted with all it stands for."""

MAX_DEPTH = 16
"""The deepest nesting; a real configuration needs four levels."""

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_SYNTAX = (
    ("mapping values", "a colon and a space inside a value", "put the value in quotes"),
    ("cannot start any token", "a value begins with a reserved sign", "put the value in quotes"),
    ("escape", "an unknown escape in double quotes", "use single quotes"),
    ("end of stream while scanning a ", "a quotation mark is not closed", ""),
    ("quoted scalar", "a quotation mark is not closed", ""),
    ("flow", "a bracket is not closed, or a comma is missing", ""),
    ("expected ':'", "a key without a colon", "write key: value"),
    ("block", "the indentation does not fit the lines before", ""),
)
_BARE_VARIABLE = re.compile(r"""(?<!["'])\$\{""")
_MERGE = "<<"
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line it begins on; in a mapping, the line of its key."""

    line: int
    value: "Scalar | dict[str, Node] | tuple[Node, ...]"


Scalar = None | bool | int | float | str


def read_yaml(text: str, report: Report) -> Node:
    """The one document of `text`. Duplicate keys and their like go to `report`.

    Raises ConfigError where the text cannot be read to its end.
    """
    text = text.removeprefix("\ufeff")
    bad = _NOT_YAML.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        raise report.refuse(line, f"U+{ord(bad[0]):04X} is not allowed in YAML text")
    try:
        return _Composer(yaml.parse(text, Loader=_Parser), report).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax(text, error, report) from None


def plain(node: Node) -> Any:
    """The tree as dicts, tuples and scalars."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, tuple):
        return tuple(plain(child) for child in node.value)
    return node.value


def line_of(node: Node, where: Where) -> int:
    """The line of the value that `where` leads to from `node`, or of its nearest parent."""
    for piece in where:
        children = node.value
        if isinstance(children, dict) and piece in children:
            node = children[str(piece)]
        elif isinstance(children, tuple) and isinstance(piece, int) and piece < len(children):
            node = children[piece]
        else:
            break
    return node.line


class _Composer:
    """Builds the tree from the parser's events, with the bounds of this file."""

    def __init__(self, events: Iterator[Any], report: Report) -> None:
        self._events = events
        self._report = report
        self._count = 0
        self._anchors: dict[str, tuple[Node, int] | None] = {}

    def document(self) -> Node:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise self._report.refuse(1, "the file is empty")
        root = self._node(next(self._events), ())
        next(self._events)  # the end of the document
        further = next(self._events)
        if not isinstance(further, yaml.StreamEndEvent):
            raise self._report.refuse(_line(further), "a second document; one file is one document")
        return root

    def _node(self, event: Any, where: Where) -> Node:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line)
        self._spend(1, line)
        if event.tag is not None:
            raise self._report.refuse(line, "tags are not used here", "put text in quotes")
        if len(where) > MAX_DEPTH:
            raise self._report.refuse(line, f"nested more than {MAX_DEPTH} levels deep")
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # not to be used before it is complete
        before = self._count
        node = Node(line, self._value(event, where))
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._count - before + 1)
        return node

    def _alias(self, event: Any, line: int) -> Node:
        known = self._anchors.get(event.anchor)
        if known is None:
            raise self._report.refuse(
                line,
                "an alias (*) without a complete anchor (&) before it",
                "put text that begins with * in quotes",
            )
        node, size = known
        self._spend(size, line)
        return replace(node, line=line)

    def _spend(self, values: int, line: int) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            message = f"more than {MAX_VALUES} values, counting what aliases stand for"
            raise self._report.refuse(line, message)

    def _value(self, event: Any, where: Where) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(where)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(where)
        return _scalar(event.value) if event.implicit[0] else event.value

    def _sequence(self, where: Where) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*where, len(items))))
        return tuple(items)

    def _mapping(self, where: Where) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key, line = self._key(event), _line(event)
            child = self._node(next(self._events), (*where, key))
            if key == _MERGE:
                merged = self._merged(child, where) | merged
            elif key in entries:
                first = entries[key].line
                self._report.add(line, (*where, key), f"given twice, first on line {first}")
            else:
                entries[key] = replace(child, line=line)
        return merged | entries

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise self._report.refuse(_line(event), "a key must be a plain word")
        self._spend(1, _line(event))
        return str(event.value)

    def _merged(self, node: Node, where: Where) -> dict[str, Node]:
        """Return the keys that `<<` adds.

        Of several mappings the earlier wins, as the merge key says.
        """
        entries: dict[str, Node] = {}
        for source in node.value if isinstance(node.value, tuple) else (node,):
            if isinstance(source.value, dict):
                entries = source.value | entries
            else:
                self._report.add(node.line, (*where, _MERGE), "must be an alias of a mapping")
        return entries


def _scalar(text: str) -> Scalar:
    """A plain scalar by the core schema; numbers too large to be meant as such stay text."""
    if text.lower() in _WORDS and text in (text.lower(), text.title(), text.upper()):
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _syntax(text: str, error: yaml.MarkedYAMLError, report: Report) -> Exception:
    """The parser's complaint in our words, without anything it quotes from the file."""
    lines = text.splitlines() or [""]
    mark = error.problem_mark or error.context_mark
    number = min(mark.line + 1 if mark is not None else 1, len(lines))
    if "\t" in _indent(lines[number - 1]):
        return report.refuse(number, "indented with a tab", "YAML is indented with spaces")
    complaint = f"{error.problem} {error.context}"
    if "flow" in complaint and _BARE_VARIABLE.search(lines[number - 1]):
        message = "not YAML: ${...} stands inside { } or [ ] without quotes"
        return report.refuse(number, message, 'put it in quotes: "${...}"')
    for part, message, remedy in _SYNTAX:
        if part in complaint:
            return report.refuse(number, f"not YAML: {message}", remedy)
    return report.refuse(number, "not YAML")


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
