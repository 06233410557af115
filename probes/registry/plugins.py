"""Kinds, routes and mailboxes of other packages, found by their entry points.

A package declares `mailcanary.kinds`, `mailcanary.routes` or `mailcanary.mailboxes` entry points;
the name is the word of the configuration file, the object is a row of `probes.registry.row_types`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar

from probes.result import one_line


class Row(Protocol):
    """A row of any table."""

    @property
    def target(self) -> type:
        """The dataclass of the options."""


R = TypeVar("R", bound=Row)


class PluginError(Exception):
    """A plug-in cannot be used; the text names its entry point and its distribution."""


class PluginTable(Mapping[str, R]):
    """Built-in rows and those of plug-ins by name. Any access may raise PluginError.

    Plug-ins are loaded once, and only when a name is not built in or all names are wanted: a
    configuration of built-in names never pays for the search.
    """

    def __init__(self, group: str, row: type[R], built_in: Mapping[str, R]) -> None:
        self.built_in = built_in
        self._group = group
        self._row = row
        self._points: dict[str, EntryPoint] = {}
        self._all: Mapping[str, R] | None = None

    def __getitem__(self, name: str) -> R:
        row = self.built_in.get(name)
        return self.load()[name] if row is None else row

    def __iter__(self) -> Iterator[str]:
        return iter(self.load())

    def __len__(self) -> int:
        return len(self.load())

    def load(self) -> Mapping[str, R]:
        """All rows, after loading the plug-ins where that was not done yet."""
        if self._all is None:
            rows = dict(self.built_in)
            for point in entry_points(group=self._group):
                if point.name in rows:
                    raise PluginError(f"{_named(point)}: the name {point.name!r} is taken")
                rows[point.name] = self._loaded(point)
                self._points[point.name] = point
            self._all = rows
        return self._all

    def error(self, name: str, why: str) -> PluginError:
        """The error for a row that cannot be used."""
        point = self._points.get(name)
        return PluginError(f"{name}: {why}" if point is None else f"{_named(point)}: {why}")

    def _loaded(self, point: EntryPoint) -> R:
        try:
            row: Any = point.load()
        except Exception as error:  # whatever a stranger's module raises
            why = one_line(f"{type(error).__name__}: {error}")
            raise PluginError(f"{_named(point)}: cannot be loaded: {why}") from error
        if not isinstance(row, self._row):
            raise PluginError(
                f"{_named(point)}: is not a {self._row.__name__} of probes.registry.row_types"
            )
        if not is_dataclass(row.target):
            raise PluginError(f"{_named(point)}: its target is not a dataclass")
        return row


def _named(point: EntryPoint) -> str:
    owner = point.dist
    by = "an unknown distribution" if owner is None else f"{owner.name} {owner.version}"
    return one_line(f"plug-in {point.group}: {point.name} = {point.value} (of {by})")
