"""The Prometheus text formats, written from series that remember their own text.

A series renders its label text when it is made and its lines when its value has changed since the
last time, so that a scrape costs little more than joining bytes. `chunks` hands them out in pieces
small enough for an event loop to do other work between two of them.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import chain
from math import inf, isfinite, isinf, isnan
from typing import Generic, Protocol, TypeVar

CHUNK_BYTES = 64 * 1024
"""How much text is rendered in one go; about half a millisecond where every value has changed."""

MAX_EXEMPLAR = 128
"""OpenMetrics 1.0: characters in the names and values of an exemplar's labels together."""

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Format(StrEnum):
    """The formats of the exposition; the value is the Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class FamilyType(StrEnum):
    """The metric types in use; the value is the word on the TYPE line."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as declared: its name as written in queries (counters end in `_total`).

    `buckets` are the upper bounds of a histogram without +Inf, rising. `constants` are labels that
    have one value in the whole process; they stand after the others. Raises ValueError for a
    declaration that Prometheus would refuse or its linter complain about.
    """

    name: str
    type: FamilyType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    constants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (self.name, *self.all_labels)
        if not all(_NAME.match(name) for name in names) or "le" in names:
            raise ValueError(f"{self.name}: a name that Prometheus does not take")
        if self.name.endswith("_total") != (self.type is FamilyType.COUNTER):
            raise ValueError(f"{self.name}: counters, and only they, end in _total")
        if bool(self.buckets) != (self.type is FamilyType.HISTOGRAM):
            raise ValueError(f"{self.name}: histograms, and only they, have buckets")
        rising = sorted(set(self.buckets)) == list(self.buckets)
        if not rising or not all(map(isfinite, self.buckets)):
            raise ValueError(f"{self.name}: buckets have to be finite and rising")

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Every label of its series, in the order of the exposition."""
        return (*self.labels, *self.constants)

    def header(self, fmt: Format) -> bytes:
        """The HELP, TYPE and UNIT lines; OpenMetrics names a counter without its suffix."""
        name = self.name.removesuffix("_total") if fmt is Format.OPENMETRICS else self.name
        text = self.help.translate(_ESCAPES if fmt is Format.OPENMETRICS else _HELP_ESCAPES)
        lines = f"# HELP {name} {text}\n# TYPE {name} {self.type}\n"
        if fmt is Format.OPENMETRICS and name.endswith("_seconds"):
            lines += f"# UNIT {name} seconds\n"
        return lines.encode()


def label_text(names: Sequence[str], values: Sequence[str]) -> str:
    """Return the labels as they stand between the braces.

    A character that UTF-8 cannot encode becomes a question mark.
    """
    pairs = zip(names, values, strict=True)
    return ",".join([f'{name}="{escaped(value)}"' for name, value in pairs])


def escaped(value: str) -> str:
    """A label value as it stands between its quotation marks."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return value
    return value.translate(_ESCAPES).encode("utf-8", "replace").decode()


def number(value: float) -> str:
    """A sample value in the spelling both formats share."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


class Series(Protocol):
    """One child of a family."""

    def text(self, fmt: Format) -> bytes:
        """Its lines with their line ends, as of now."""


class _Sample:
    """A series of one line."""

    __slots__ = ("_head", "_text", "_value")

    def __init__(self, family: Family, labels: str) -> None:
        self._head = f"{family.name}{{{labels}}} " if labels else f"{family.name} "
        self._value: float = 0
        self._text: bytes | None = None

    @property
    def value(self) -> float:
        """The value as of now."""
        return self._value

    def text(self, fmt: Format) -> bytes:  # noqa: ARG002 - the line is the same in both formats
        """The line; rendered again only when the value has changed."""
        if self._text is None:
            self._text = f"{self._head}{number(self._value)}\n".encode()
        return self._text


class Counter(_Sample):
    """A total that never goes down."""

    __slots__ = ()

    def increase(self, amount: float = 1) -> None:
        """Raises ValueError for a negative amount."""
        if amount < 0:
            raise ValueError("a counter never goes down")
        self._value += amount
        self._text = None


class Gauge(_Sample):
    """A value that goes up and down."""

    __slots__ = ()

    def set(self, value: float) -> None:
        """An unchanged value keeps its rendered line."""
        if value != self._value:
            self._value = value
            self._text = None


class Histogram:
    """Counts by bucket, with the latest exemplar of each bucket."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_head", "_labels", "_sum", "_text")

    def __init__(self, family: Family, labels: str) -> None:
        self._bounds = family.buckets
        self._counts = [0] * (len(family.buckets) + 1)
        self._exemplars: dict[int, str] = {}
        self._head = family.name
        self._labels = labels
        self._sum = 0.0
        self._text: bytes | None = None

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """The observed values together."""
        return self._sum

    def observe(self, value: float, exemplar: tuple[str, str, float] | None = None) -> None:
        """Count one value; `exemplar` is a label name, its value and a UNIX time.

        Raises ValueError for a value that would spoil the sum for ever: negative or not finite. An
        exemplar longer than OpenMetrics allows is left out.
        """
        if not 0 <= value < inf:
            raise ValueError(f"not a duration: {value}")
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value
        self._text = None
        if exemplar is not None and len(exemplar[0]) + len(exemplar[1]) <= MAX_EXEMPLAR:
            labels = label_text(exemplar[:1], exemplar[1:2])
            self._exemplars[bucket] = f" # {{{labels}}} {number(value)} {exemplar[2]:.3f}"

    def text(self, fmt: Format) -> bytes:
        """All lines of this histogram, of one moment. Exemplars only in OpenMetrics."""
        if fmt is Format.OPENMETRICS and self._exemplars:
            return self._render(self._exemplars)
        if self._text is None:
            self._text = self._render({})
        return self._text

    def _render(self, exemplars: dict[int, str]) -> bytes:
        head, labels = self._head, self._labels
        separator = "," if labels else ""
        cumulative = 0
        lines = []
        prefix = f"{head}_bucket{{{labels}{separator}"
        for bucket, le in enumerate(_bucket_labels(self._bounds)):
            cumulative += self._counts[bucket]
            lines.append(f"{prefix}{le} {cumulative}{exemplars.get(bucket, '')}\n")
        braced = f"{{{labels}}}" if labels else ""
        lines.append(f"{head}_count{braced} {cumulative}\n")
        lines.append(f"{head}_sum{braced} {number(self._sum)}\n")
        return "".join(lines).encode()


@cache
def _bucket_labels(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """The last label and the closing brace of every bucket; one entry per declared family."""
    return tuple(f'le="{number(float(bound))}"}}' for bound in (*bounds, inf))


S_co = TypeVar("S_co", bound=Series, covariant=True)


class Table(Generic[S_co]):
    """The series of one family by their label values."""

    def __init__(
        self,
        family: Family,
        make: Callable[[Family, str], S_co],
        constants: Mapping[str, str] = {},
    ) -> None:
        self.family = family
        self._constants = tuple(constants[name] for name in family.constants)
        self._make = make
        self._series: dict[tuple[str, ...], S_co] = {}
        self._by_first: dict[str, dict[tuple[str, ...], None]] = {}

    def at(self, *values: str) -> S_co:
        """The series with these label values, made at zero where there was none."""
        series = self._series.get(values)
        if series is None:
            series = self._make(self.family, self._labels(values))
            self._series[values] = series
            if len(values) > 1:
                self._by_first.setdefault(values[0], {})[values] = None
        return series

    def _labels(self, values: tuple[str, ...]) -> str:
        return label_text(self.family.all_labels, (*values, *self._constants))

    def find(self, *values: str) -> S_co | None:
        """The series with these label values if it exists."""
        return self._series.get(values)

    def drop(self, first: str, *others: str) -> None:
        """Remove the series with these values as their first labels; there may be none.

        The costs are those of the series with the first value, not those of the whole table.
        """
        values = (first, *others)
        if len(self.family.labels) == 1:
            self._series.pop(values, None)
            return
        beside = self._by_first.get(first, {})
        for key in [key for key in beside if key[: len(values)] == values]:
            del self._series[key], beside[key]
        if not beside:
            self._by_first.pop(first, None)

    def retain(self, first: str, wanted: Set[tuple[str, ...]]) -> None:
        """Remove the series with this value of the first label that are not wanted.

        For families of two labels and more; the rest keep their rendered labels and their place.
        """
        beside = self._by_first.get(first, {})
        for key in beside.keys() - wanted:
            del self._series[key], beside[key]
        if not beside:
            self._by_first.pop(first, None)

    def clear(self) -> None:
        """Remove every series."""
        self._series.clear()
        self._by_first.clear()

    def labels(self) -> list[tuple[str, ...]]:
        """The label values of every series, in the order of their making."""
        return list(self._series)

    def series(self) -> list[S_co]:
        """Return a copy of the list of series, so that a reload does not disturb a slow scrape."""
        return list(self._series.values())


class Registry:
    """A table of series for every declared family; `constants` are the values of their constants.

    Raises KeyError where a family has a constant without a value.
    """

    def __init__(self, families: Sequence[Family], constants: Mapping[str, str] = {}) -> None:
        def of(kind: FamilyType) -> Iterator[Family]:
            return (family for family in families if family.type is kind)

        self.counters = {f.name: Table(f, Counter, constants) for f in of(FamilyType.COUNTER)}
        self.gauges = {f.name: Table(f, Gauge, constants) for f in of(FamilyType.GAUGE)}
        self.histograms = {f.name: Table(f, Histogram, constants) for f in of(FamilyType.HISTOGRAM)}
        by_name: dict[str, Table[Series]] = {**self.counters, **self.gauges, **self.histograms}
        if len(by_name) != len(families):
            raise ValueError("two families with the same name")
        self.tables = tuple(by_name[family.name] for family in families)
        """In the order of their declaration."""

    def keep(self, label: str, values: Collection[str]) -> None:
        """Remove every series with `label` as first label and a value that is not among these."""
        for table in self.tables:
            if table.family.labels[:1] == (label,):
                for stale in {key[0] for key in table.labels()} - set(values):
                    table.drop(stale)


def chunks(
    tables: Sequence[Table[Series]], fmt: Format, size: int = CHUNK_BYTES
) -> Iterator[bytes]:
    """The exposition of these families in pieces of about `size` bytes, without `# EOF`.

    Every series is of one moment; two series in different pieces may be of different moments.
    """
    pieces: list[bytes] = []
    length = 0
    for table in tables:
        for text in chain((table.family.header(fmt),), (s.text(fmt) for s in table.series())):
            pieces.append(text)
            length += len(text)
            if length >= size:
                yield b"".join(pieces)
                pieces, length = [], 0
    if pieces:
        yield b"".join(pieces)
