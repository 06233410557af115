"""The JSON Schema of the configuration file, so that editors complete and explain it."""

from collections.abc import Mapping
from typing import Any

from exporter.config.entries import Option, Shapes, options_of
from exporter.config.keys import (
    NAME_PATTERN,
    SECTIONS,
    DoorKeys,
    JobKeys,
    PathKeys,
    ServiceKeys,
    Tables,
)
from probes.canary.message import MessageOptions

_Schema = dict[str, Any]


def build_schema(tables: Tables) -> _Schema:
    """JSON Schema (draft 2020-12) of the whole file."""
    top = _entry((ServiceKeys,))
    top["properties"] |= {name: _section(name, doc) for name, doc in SECTIONS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mailcanary configuration",
        **top,
        "anyOf": [{"required": ["paths"]}, {"required": ["jobs"]}],
        "$defs": {
            "routes": _tagged("type", "Which kind of route.", tables.routes, (DoorKeys,)),
            "mailboxes": _tagged("type", "Which kind of mailbox.", tables.mailboxes, (DoorKeys,)),
            "paths": _entry((PathKeys, MessageOptions)),
            "jobs": _tagged("kind", "What is probed.", tables.kinds, (JobKeys,)),
        },
    }


def _section(name: str, doc: str) -> _Schema:
    return {
        "description": doc,
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
        "additionalProperties": {"$ref": f"#/$defs/{name}"},
    }


def _entry(shapes: Shapes) -> _Schema:
    """One mapping of options; nothing else may stand in it."""
    options = options_of(shapes)
    return {
        "type": "object",
        "properties": {option.name: _option(option) for option in options},
        "required": [option.name for option in options if option.is_required],
        "additionalProperties": False,
    }


def _option(option: Option) -> _Schema:
    schema = {"description": option.doc, **option.kind.schema}
    return schema if option.is_required else schema | {"default": option.default}


def _tagged(tag: str, doc: str, table: Mapping[str, type], shapes: Shapes) -> _Schema:
    """Return the schema of an entry with options that depend on the word at `tag`."""
    return {
        "type": "object",
        "required": [tag],
        "properties": {tag: {"description": doc, "enum": sorted(table)}},
        "allOf": [
            {
                "if": {"properties": {tag: {"const": word}}, "required": [tag]},
                "then": _with_tag(_entry((*shapes, target)), tag),
            }
            for word, target in sorted(table.items())
        ],
    }


def _with_tag(entry: _Schema, tag: str) -> _Schema:
    return entry | {"properties": {tag: True, **entry["properties"]}}
