"""Times of events on our clock, from stamps of clocks that may be wrong.

The method is difference constraints. Every unknown is an instant, every fact an upper bound on the
difference of two of them. The shortest paths through the bounds are the tightest bounds.

The unknowns are the instants at which the relays stamped the message and, for every clock, its
offset. A stamp is truncated to a whole second: the clock showed something in [stamp, stamp + 1)
(RFC 5321 §4.4, RFC 5322 §3.3).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

RESOLUTION = 1.0
"""The uncertainty of one stamp in seconds."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Seconds, both ends possible; `max` is None if there is no upper bound."""

    min: float
    max: float | None


@dataclass(frozen=True, slots=True)
class Stamp:
    """One hop's stamp: its clock, and the clock's reading in seconds of our clock's era.

    `seconds` is None for a hop without a date.
    """

    clock: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Window:
    """Our own observations, in seconds; None for an unknown time.

    No hop is before `begin`, the first is not after `accepted`, and none is after `end`.
    """

    begin: float | None = None
    accepted: float | None = None
    end: float | None = None


class Solution:
    """The tightest bounds on every difference of two unknowns."""

    def __init__(self, bounds: list[list[float]], clocks: dict[str, int]) -> None:
        self._bounds = bounds
        self._clocks = clocks

    def between(self, earlier: int, later: int) -> Interval:
        """The time from one hop's stamp to another's; never negative."""
        low = max(0.0, -self._bounds[earlier + 1][later + 1])
        high = self._bounds[later + 1][earlier + 1]
        return Interval(low, None if high == inf else max(low, high))

    def at(self, hop: int) -> tuple[float, float]:
        """The earliest and latest instant of a hop's stamp on our clock; infinite if unbounded."""
        return -self._bounds[_ZERO][hop + 1], self._bounds[hop + 1][_ZERO]

    def offset(self, clock: str) -> Interval | None:
        """The offset of a clock, positive if ahead of ours; None without both bounds."""
        node = self._clocks[clock]
        low, high = -self._bounds[node][_ZERO], self._bounds[_ZERO][node]
        return None if inf in (-low, high) else Interval(low, high)


_ZERO = 0
"""The unknown for our clock's zero: every instant is a difference from it."""


def solve(
    stamps: Sequence[Stamp], window: Window, offsets: Iterable[tuple[str, float, float]] = ()
) -> Solution | None:
    """Compute bounds for hops in travel order; None if the facts contradict each other.

    `offsets` are clocks with the least and the most seconds by which they are assumed to be ahead
    of ours. `bounds[a][b]` is an upper bound of a - b. Cubic in the number of hops.
    """
    names = dict.fromkeys(stamp.clock for stamp in stamps)
    clocks = {name: len(stamps) + 1 + index for index, name in enumerate(names)}
    bounds = _unknown(1 + len(stamps) + len(clocks))
    _add_window(bounds, len(stamps), window)
    for index, stamp in enumerate(stamps):
        _add_stamp(bounds, index + 1, clocks[stamp.clock], stamp.seconds)
    for name, least, most in offsets:
        # The unknown of a clock is minus its offset, so that a stamp is a difference.
        _bound(bounds, clocks[name], _ZERO, -least)
        _bound(bounds, _ZERO, clocks[name], most)
    return Solution(bounds, clocks) if _close(bounds) else None


def _unknown(size: int) -> list[list[float]]:
    return [[0.0 if row == column else inf for column in range(size)] for row in range(size)]


def _add_window(bounds: list[list[float]], hops: int, window: Window) -> None:
    """Add the bounds of our own times and of the travel order.

    No hop is before the one that handed the message to it.
    """
    for hop in range(1, hops):
        _bound(bounds, hop, hop + 1, 0.0)
    if not hops:
        return
    if window.begin is not None:
        _bound(bounds, _ZERO, 1, -window.begin)
    if window.accepted is not None:
        _bound(bounds, 1, _ZERO, window.accepted)
    if window.end is not None:
        _bound(bounds, hops, _ZERO, window.end)


def _add_stamp(bounds: list[list[float]], hop: int, clock: int, seconds: float | None) -> None:
    if seconds is not None:
        _bound(bounds, clock, hop, -seconds)
        _bound(bounds, hop, clock, seconds + RESOLUTION)


def _bound(bounds: list[list[float]], left: int, right: int, most: float) -> None:
    bounds[left][right] = min(bounds[left][right], most)


_ROUNDING = 1e-6


def _close(bounds: list[list[float]]) -> bool:
    """Floyd and Warshall's shortest paths, in place; False if there is a negative cycle."""
    for middle, through in enumerate(bounds):
        for row in bounds:
            first = row[middle]
            if first < inf:
                row[:] = [
                    a if a <= first + b else first + b for a, b in zip(row, through, strict=True)
                ]
    return all(bounds[index][index] >= -_ROUNDING for index in range(len(bounds)))


def agreeing_clocks(stamps: Sequence[Stamp], window: Window, error: float) -> frozenset[str]:
    """The clocks without a part in any contradiction, if none is off by more than `error`.

    The search is for the largest set of stamps, in travel order, in which none is later than one
    after it. A clock is right if every such set needs its stamps. If two clocks contradict each
    other and no other clock decides, neither counts. Cubic in the hops.
    """
    spans = [
        _span(stamp.clock, stamp.seconds, window, error, is_first=index == 0)
        for index, stamp in enumerate(stamps)
        if stamp.seconds is not None
    ]
    wrong = {clock for clock, low, high in spans if low > high}
    spans = [span for span in spans if span[0] not in wrong]
    most = _agreement(spans)
    names = dict.fromkeys(clock for clock, *_ in spans)
    return frozenset(
        name for name in names if _agreement([s for s in spans if s[0] != name]) < most - _ROUNDING
    )


_Span = tuple[str, float, float]


def _span(clock: str, seconds: float, window: Window, error: float, *, is_first: bool) -> _Span:
    """The clock, and the interval in which a right clock wrote this stamp; may be empty."""
    low, high = seconds - error, seconds + RESOLUTION + error
    if window.begin is not None:
        low = max(low, window.begin)
    ends = (window.end, window.accepted if is_first else None)
    return clock, low, min([high, *(end for end in ends if end is not None)])


def _agreement(spans: Sequence[_Span]) -> float:
    """The number of clocks that can be right at once.

    One that stamped n times counts 1/n for each stamp.
    """
    stamped = Counter(clock for clock, *_ in spans)
    best: list[tuple[float, float]] = [(-inf, 0.0)]
    for clock, low, high in spans:
        weight = 1 / stamped[clock]
        grown = [(max(latest, low), total + weight) for latest, total in best if latest <= high]
        best = _undominated(best + grown)
    return max(total for _, total in best)


def _undominated(choices: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The useful choices; each is its latest beginning and its worth.

    A choice that begins later is kept only if it is worth more.
    """
    kept: list[tuple[float, float]] = []
    for latest, total in sorted(choices, key=lambda choice: (choice[0], -choice[1])):
        if not kept or total > kept[-1][1] + _ROUNDING:
            kept.append((latest, total))
    return kept
