"""Results and other values as JSON."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from probes.records.subject import Subject
from probes.result import Part, ProbeResult

_SCALARS = (str, int, float, bool, type(None))
_FIELD_NAMES: dict[type, tuple[str, ...]] = {}


def to_json(value: Any) -> Any:
    """A result (or any value inside one) as JSON types: enums by value, instants in ISO 8601."""
    if isinstance(value, _SCALARS):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Subject):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _document(value)
    return value


def json_default(value: Any) -> Any:
    """The same one level deep, for an encoder's `default`, which costs a third of `to_json`.

    A value of an unknown type becomes its text.
    """
    if isinstance(value, Subject):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _shallow(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _document(value: Any) -> dict[str, Any]:
    return {name: to_json(item) for name, item in _shallow(value).items()}


def _shallow(value: Any) -> dict[str, Any]:
    names = _FIELD_NAMES.get(type(value))
    if names is None:
        names = _FIELD_NAMES[type(value)] = tuple(
            field.name for field in fields(value) if field.metadata.get("document", True)
        )
    document = {name: getattr(value, name) for name in names}
    if isinstance(value, ProbeResult | Part):
        document["ok"] = value.ok
    return document
