"""One mapping of the file to frozen dataclasses, by the types of their fields.

The dataclasses are the targets of kinds, routes and mailboxes and the file's own options; a new
kind needs no line here.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import lru_cache
from typing import Any, get_type_hints

from exporter.config.option_types import OptionType, describe
from exporter.config.problems import Refusal, RefusedItems, Report, Where, suggestion
from exporter.config.values import Reading
from exporter.config.yaml_reader import Node, line_of, plain

Shapes = tuple[type, ...]
"""The dataclasses with their options side by side in one mapping."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the file, its schema and its documentation know it.

    `default` is written as the file would write it; it means nothing where `is_required`.
    """

    name: str
    doc: str
    kind: OptionType
    is_required: bool
    default: Any


@lru_cache(maxsize=256)
def options_of(shapes: Shapes) -> tuple[Option, ...]:
    """The options of these dataclasses in the order they were declared.

    Raises TypeError for an option declared twice, without documentation or of an unknown type.
    """
    options = [_option(field, hints) for hints, field in _fields(shapes)]
    names = [option.name for option in options]
    if len(set(names)) != len(names):
        raise TypeError(f"an option of {shapes} is declared twice: {names}")
    return tuple(options)


def read_entry(
    shapes: Shapes,
    node: Node,
    where: Where,
    reading: Reading,
    report: Report,
    known: tuple[str, ...] = (),
) -> tuple[Any, ...] | None:
    """One instance of each dataclass, or None when anything was reported.

    `known` are keys that the caller took out before and that a typing mistake may have meant.
    """
    if not isinstance(node.value, dict):
        report.add(node.line, where, "must be a mapping of options")
        return None
    count = len(report.problems)
    given = _read_options(options_of(shapes), node, where, reading, report)
    _report_unknown(node.value, shapes, where, known, report)
    if len(report.problems) > count and not _may_stand(shapes, given, reading):
        return None
    try:
        return tuple(_instance(shape, given) for shape in shapes)
    except ValueError as error:
        # A target's own word on options that do not go together.
        report.add(node.line, where, str(error))
        return None


def _may_stand(shapes: Shapes, given: Mapping[str, Any], reading: Reading) -> bool:
    """True where one only looks, and nothing required is missing."""
    return reading.is_lenient and all(
        option.name in given for option in options_of(shapes) if option.is_required
    )


def _read_options(
    options: tuple[Option, ...], node: Node, where: Where, reading: Reading, report: Report
) -> dict[str, Any]:
    """The values of the options that are given and good; the others are reported."""
    entries = plain(node)
    values = {}
    for option in options:
        if option.name in entries:
            try:
                values[option.name] = option.kind.read(entries[option.name], reading)
            except Refusal as refusal:
                _report_refusal(refusal, node, (option.name,), where, report)
        elif option.is_required:
            report.add(node.line, (*where, option.name), "is required")
    return values


def _report_refusal(
    refusal: Refusal, node: Node, inside: Where, where: Where, report: Report
) -> None:
    """Report the refused value at `inside` of the node, or each refused item of a list."""
    if isinstance(refusal, RefusedItems):
        for position, item in refusal.items.items():
            _report_refusal(item, node, (*inside, position), where, report)
    else:
        report.add(line_of(node, inside), where + inside, refusal.message, refusal.remedy)


def _report_unknown(
    entries: Mapping[str, Node],
    shapes: Shapes,
    where: Where,
    known: tuple[str, ...],
    report: Report,
) -> None:
    names = [option.name for option in options_of(shapes)]
    for key in (key for key in entries if key not in names):
        remedy = suggestion(key, [*known, *names])
        report.add(entries[key].line, (*where, key), "unknown option", remedy)


def _fields(shapes: Shapes) -> list[tuple[dict[str, Any], "Field[Any]"]]:
    pairs = []
    for shape in shapes:
        hints = get_type_hints(shape)
        declared = [field for field in fields(shape) if field.init]
        pairs += [(hints, field) for field in declared if "given" not in field.metadata]
    return pairs


def _option(field: "Field[Any]", hints: dict[str, Any]) -> Option:
    doc = field.metadata.get("doc")
    if not doc:
        raise TypeError(f"option {field.name} has no documentation")
    kind = describe(hints[field.name])
    default = field.default
    if field.default_factory is not MISSING:
        default = field.default_factory()
    is_required = default is MISSING
    return Option(
        name=field.name,
        doc=doc,
        kind=kind,
        is_required=is_required,
        default=None if is_required else kind.show(default),
    )


def _instance(shape: type, given: Mapping[str, Any]) -> Any:
    """The dataclass with the options that were given; the others keep its own defaults."""
    make: Callable[..., Any] = shape
    own = (field.name for field in fields(shape))
    return make(**{name: given[name] for name in own if name in given})
