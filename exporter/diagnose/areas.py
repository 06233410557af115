"""The areas of a diagnosis: the built-in kinds that say how they are told."""

from dataclasses import dataclass, fields

from probes.registry.row_types import Diagnosed
from probes.registry.rows import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Area(Diagnosed):
    """The part of a diagnosis that one kind of probe examines, by the name of the kind."""

    name: str


def _area(name: str, told: Diagnosed) -> Area:
    return Area(name=name, **{field.name: getattr(told, field.name) for field in fields(told)})


AREAS = tuple(
    _area(name, row.diagnosed) for name, row in KINDS.built_in.items() if row.diagnosed is not None
)
"""The areas in the order of the report."""
