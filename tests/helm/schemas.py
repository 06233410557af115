"""Schemas of the objects in a cluster; every one refuses keys it does not know.

Kubernetes' own come from `.cache`. Those of the Prometheus operator were made once from the models
of its version 0.80 (Apache-2.0), without their texts. HTTPRoute is written here after version 1 of
the Gateway API.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.places import ROOT

KUBERNETES = ("1.25", "1.37")
"""The oldest version that the chart promises and the newest whose schemas there are."""

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}


def closed(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with these keys and no other."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def several(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
METADATA = closed(("name",), name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)
MATCH = closed(
    path=closed(type={"enum": ["Exact", "PathPrefix", "RegularExpression"]}, value=TEXT),
    headers=several(closed(("name", "value"), type=TEXT, name=TEXT, value=TEXT)),
    method=TEXT,
)
BACKEND = closed(("name", "port"), name=TEXT, port={"type": "integer"}, namespace=TEXT)
PARENT = closed(
    ("name",), name=TEXT, namespace=TEXT, sectionName=TEXT, port={"type": "integer"}, kind=TEXT
)
HTTP_ROUTE = closed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "gateway.networking.k8s.io/v1"},
    kind={"const": "HTTPRoute"},
    metadata=METADATA,
    spec=closed(
        parentRefs=several(PARENT),
        hostnames=several(TEXT),
        rules=several(closed(matches=several(MATCH), backendRefs=several(BACKEND))),
    ),
)


def mistakes(thing: Mapping[str, Any], version: str) -> list[str]:
    """What the schema of its kind holds against an object."""
    found = _validator(thing["apiVersion"], thing["kind"], version).iter_errors(thing)
    return [f"{thing['kind']} {error.json_path}: {error.message[:200]}" for error in found]


@cache
def _validator(api: str, kind: str, version: str) -> Draft202012Validator:
    if api == "gateway.networking.k8s.io/v1" and kind == "HTTPRoute":
        return Draft202012Validator(HTTP_ROUTE)
    if api == "monitoring.coreos.com/v1":
        models = json.loads((Path(__file__).parent / "operator_schemas.json").read_text())
        return Draft202012Validator(models[kind])
    group, _, number = api.rpartition("/")
    wanted = {"group": group, "kind": kind, "version": number}
    definitions = _kubernetes(version)
    (name,) = [
        name
        for name, one in definitions.items()
        if wanted in one.get("x-kubernetes-group-version-kind", [])
    ]
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})


@cache
def _kubernetes(version: str) -> dict[str, Schema]:
    file = ROOT / ".cache" / "helm" / f"kubernetes-{version}.json"
    definitions: dict[str, Schema] = json.loads(file.read_text())["$defs"]
    return definitions
