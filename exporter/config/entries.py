"""One mapping of the file to frozen dataclasses, through a pydantic model built from their fields.

The dataclasses are the targets of kinds, routes and mailboxes and the file's own options; a new
kind needs no line here.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from functools import lru_cache
from typing import Any, get_type_hints

import pydantic
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from exporter.config.option_types import Described, describe
from exporter.config.problems import Refusal, Report, Where, suggestion
from exporter.config.values import Reading
from exporter.config.yaml_reader import Node, line_of, plain

Shapes = tuple[type, ...]
"""The dataclasses whose options stand side by side in one mapping."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option as the file, its schema and its documentation know it.

    `default` is written as the file would write it; it means nothing where `is_required`.
    """

    name: str
    doc: str
    kind: Described
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


@lru_cache(maxsize=256)
def model_of(shapes: Shapes) -> type[BaseModel]:
    """The pydantic model of one mapping; its field names are prefixed, its aliases are not."""
    declared: dict[str, Any] = {}
    for option in options_of(shapes):
        default = ... if option.is_required else None
        declared[_attribute(option.name)] = (
            option.kind.annotation,
            pydantic.Field(default, alias=option.name),
        )
    config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    return create_model("Entry", __config__=config, **declared)


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
    try:
        entry = model_of(shapes).model_validate(plain(node), context=reading)
    except ValidationError as error:
        names = [*known, *(option.name for option in options_of(shapes))]
        for detail in error.errors(include_url=False, include_input=False):
            _report(detail, node, where, names, report)
        return None
    try:
        return tuple(_instance(shape, entry) for shape in shapes)
    except ValueError as error:
        # A target's own word on options that do not go together.
        report.add(node.line, where, str(error))
        return None


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


def _attribute(name: str) -> str:
    """Prefixed, so that no option can shadow what pydantic's models have of their own."""
    return f"option_{name}"


def _instance(shape: type, entry: BaseModel) -> Any:
    """The dataclass with the options that were given; the others keep its own defaults."""
    make: Callable[..., Any] = shape
    given = {
        field.name: getattr(entry, _attribute(field.name))
        for field in fields(shape)
        if _attribute(field.name) in entry.model_fields_set
    }
    return make(**given)


def _report(detail: Any, node: Node, where: Where, known: list[str], report: Report) -> None:
    inside: Where = detail["loc"]
    line = line_of(node, inside)
    place = where + inside
    match detail["type"]:
        case "missing":
            report.add(line, place, "is required")
        case "extra_forbidden":
            report.add(line, place, "unknown option", suggestion(str(inside[-1]), known))
        case "tuple_type":
            report.add(line, place, "must be a list")
        case "value_error":
            refusal = detail["ctx"]["error"]
            if not isinstance(refusal, Refusal):
                raise TypeError(f"the reader of {place} raised {type(refusal).__name__}")
            report.add(line, place, refusal.message, refusal.remedy)
        case other:
            raise TypeError(f"pydantic has a complaint without a translation: {other}")
