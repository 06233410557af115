"""A document of mappings, lists and texts, written as YAML.

The bytes are the same with every version of every library: the file is committed.
"""

import json
from collections.abc import Iterator


def as_yaml(document: object) -> str:
    """Return the document as YAML; every text is quoted or stands in a block."""
    return "".join(f"{line}\n" for line in _lines(document, ""))


def _lines(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _member(f"{indent}{key}:", inner, indent)
    elif isinstance(value, list):
        for inner in value:
            first, *others = _lines(inner, f"{indent}  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from others


def _member(head: str, inner: object, indent: str) -> Iterator[str]:
    if isinstance(inner, dict | list):
        yield head
        yield from _lines(inner, f"{indent}  ")
    elif "\n" in str(inner):
        yield f"{head} |-"
        yield from (f"{indent}  {line}".rstrip() for line in str(inner).split("\n"))
    else:
        yield f"{head} {json.dumps(str(inner), ensure_ascii=False)}"
