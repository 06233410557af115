"""Rows that cannot be used."""

from dataclasses import dataclass

from probes.registry.row_types import RouteKind
from tests.support.example_door.folder import hand_over


@dataclass(frozen=True, slots=True)
class Undocumented:
    """Options of which one is not documented."""

    folder: str = ""


class NoOptions:
    """No dataclass."""


UNDOCUMENTED = RouteKind(Undocumented, hand_over, lambda target, canary: "")
NO_OPTIONS = RouteKind(NoOptions, hand_over, lambda target, canary: "")
NOT_A_ROW = 7
