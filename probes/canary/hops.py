"""The relays of a message, in travel order, with times on our clock."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.canary.clocks import Interval, Solution, Stamp, Window, agreeing_clocks, solve
from probes.records.received import Received

MAX_HOPS = 50
"""Hops with computed times, from the first on; later ones have no delay."""

CLOCK_ERROR = 0.5
"""The assumed error in seconds of an uncontradicted clock: relays keep time by NTP."""


@dataclass(frozen=True, slots=True)
class OurTimes:
    """Our own observations, by our clock, all aware; None for an unobserved time.

    `began_at`: the handing over began (the relay may stamp the message before its last octet).
    `accepted_at`: the end of data was answered. `missed_at`: the last look that did not find the
    copy. `seen_at`: the look that found it.
    """

    began_at: datetime | None = None
    accepted_at: datetime | None = None
    missed_at: datetime | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received field; `position` counts in travel order, 1 is the relay that we handed it to.

    `delay` is the time since the hop before, in seconds. It holds if the clocks that are not
    `is_skewed` are right to within CLOCK_ERROR. `certain_delay` holds for any error of the clocks.
    Both are None for the first hop and without bounds. `clock_offset` is the number of seconds by
    which the relay's clock is ahead of ours, None without bounds. `is_skewed`: the stamp
    contradicts the others; if two contradict each other and nothing decides, both are. `date` is
    the stamp as written: naive if it names no zone, which also leaves the offset unknown.
    """

    position: int
    from_: str | None
    by: str | None
    with_: str | None
    tls: str | None
    id_: str | None
    for_: str | None
    date: datetime | None
    delay: Interval | None
    certain_delay: Interval | None
    clock_offset: Interval | None
    is_skewed: bool
    raw: str


@dataclass(frozen=True, slots=True)
class Chain:
    """All hops in travel order.

    `slowest` is the position of the hop with the longest delay, None if no delay is surely above
    zero. `is_slowest_sure` is False if another may have been slower. `arrival` is the time from the
    last stamp to the look that found the copy. `is_consistent` is False if our own times contradict
    each other; they are then not used.
    """

    hops: tuple[Hop, ...] = ()
    slowest: int | None = None
    is_slowest_sure: bool = False
    arrival: Interval | None = None
    is_consistent: bool = True


def place_hops(
    received: Sequence[Received],
    times: OurTimes | None = None,
    clock_error: float = CLOCK_ERROR,
) -> Chain:
    """Compute the times of the hops of Received fields, topmost first, as in the message."""
    travelled = tuple(reversed(received))
    placed = _Placed.of(travelled[:MAX_HOPS], times or OurTimes(), clock_error)
    hops = tuple(_hop(index, one, placed) for index, one in enumerate(travelled))
    slowest, is_sure = _slowest(hops)
    arrival = placed.arrival(len(travelled))
    return Chain(hops, slowest, is_sure, arrival, placed.is_consistent)


@dataclass(frozen=True, slots=True)
class _Placed:
    """The two solutions: `certain` trusts no clock, `likely` all uncontradicted ones."""

    stamps: tuple[Stamp, ...]
    certain: Solution
    likely: Solution
    skewed: frozenset[str]
    zoneless: frozenset[int]
    times: OurTimes
    origin: datetime | None
    is_consistent: bool

    @staticmethod
    def of(received: Sequence[Received], times: OurTimes, error: float) -> "_Placed":
        origin = _origin(received, times)
        window = _window(times, origin)
        stamps = _stamps(received, origin)
        certain = solve(stamps, window)
        if certain is None:
            # One clock that went backwards: its offset at one stamp holds for no other.
            stamps = _each_its_own(stamps)
            certain = solve(stamps, window)
        is_consistent = certain is not None
        if certain is None:
            window = Window()
            certain = _solved(stamps, window)
        known = frozenset(
            stamp.clock
            for stamp, one in zip(stamps, received, strict=True)
            if one.date is not None and one.has_zone
        )
        trusted, likely = _trusting(stamps, window, known, error)
        return _Placed(
            stamps,
            certain,
            likely or certain,
            skewed=known - trusted,
            zoneless=frozenset(i for i, one in enumerate(received) if not one.has_zone),
            times=times,
            origin=origin,
            is_consistent=is_consistent,
        )

    def delay(self, index: int, solution: Solution) -> Interval | None:
        if not 0 < index < len(self.stamps):
            return None
        delay = solution.between(index - 1, index)
        return None if delay == Interval(0.0, None) else _rounded(delay)

    def offset(self, index: int) -> Interval | None:
        if index >= len(self.stamps) or self.stamps[index].seconds is None:
            return None
        if index in self.zoneless:
            return None  # hours of the offset may be the zone's
        clock = self.stamps[index].clock
        solution = self.likely if clock in self.skewed else self.certain
        offset = solution.offset(clock)
        return None if offset is None else _rounded(offset)

    def arrival(self, hops: int) -> Interval | None:
        """The time from the last stamp to the mailbox.

        The copy arrived after the last look that missed it, and before the look that found it.
        """
        if self.times.seen_at is None or not 0 < hops <= len(self.stamps) or self.origin is None:
            return None
        low, high = self.likely.at(hops - 1)
        seen = (self.times.seen_at - self.origin).total_seconds()
        missed = self.times.missed_at
        least = max(0.0, (missed - self.origin).total_seconds() - high) if missed else 0.0
        if low == -float("inf"):
            return Interval(round(least, 3), None) if least else None
        return _rounded(Interval(least, max(least, seen - low)))


def _origin(received: Sequence[Received], times: OurTimes) -> datetime | None:
    """The instant of zero: floats near it are exact to the microsecond."""
    ours = (times.began_at, times.accepted_at, times.seen_at)
    dates = (one.date for one in received)
    first = next((at for at in (*ours, *dates) if at is not None), None)
    return None if first is None else first.replace(microsecond=0)


def _window(times: OurTimes, origin: datetime | None) -> Window:
    def seconds(at: datetime | None) -> float | None:
        return None if at is None or origin is None else (at - origin).total_seconds()

    return Window(seconds(times.began_at), seconds(times.accepted_at), seconds(times.seen_at))


def _stamps(received: Sequence[Received], origin: datetime | None) -> tuple[Stamp, ...]:
    """The stamps, with one clock per relay name.

    A stamp without a zone, or of a relay without a name, has a clock of its own.
    """
    stamps = []
    for index, one in enumerate(received):
        name = (one.by or "").lower() if one.has_zone else ""
        seconds = None
        if one.date is not None and origin is not None:
            seconds = (one.date - origin) // timedelta(seconds=1)
        stamps.append(Stamp(name or f"#{index}", seconds))
    return tuple(stamps)


def _each_its_own(stamps: Sequence[Stamp]) -> tuple[Stamp, ...]:
    return tuple(Stamp(f"{one.clock}#{i}", one.seconds) for i, one in enumerate(stamps))


def _solved(stamps: Sequence[Stamp], window: Window) -> Solution:
    solution = solve(stamps, window)
    if solution is None:
        raise AssertionError("clocks of their own cannot contradict each other")
    return solution


def _trusting(
    stamps: Sequence[Stamp], window: Window, known: frozenset[str], error: float
) -> tuple[frozenset[str], Solution | None]:
    """The trusted clocks, and the solution if they are right."""
    dated = [one if one.clock in known else Stamp(one.clock, None) for one in stamps]
    trusted = agreeing_clocks(dated, window, error)
    likely = solve(stamps, window, [(clock, -error, error) for clock in trusted])
    return (trusted, likely) if likely is not None else (frozenset(), None)


def _hop(index: int, one: Received, placed: _Placed) -> Hop:
    is_placed = index < len(placed.stamps)
    return Hop(
        position=index + 1,
        from_=one.from_name or one.from_reverse or one.from_address or one.invoked_by,
        by=one.by or one.by_address,
        with_=one.with_type or one.protocol,
        tls=" ".join(filter(None, (one.tls_version, one.tls_cipher))) or None,
        id_=one.id_,
        for_=one.for_,
        date=one.date if one.has_zone or one.date is None else one.date.replace(tzinfo=None),
        delay=placed.delay(index, placed.likely),
        certain_delay=placed.delay(index, placed.certain),
        clock_offset=placed.offset(index),
        is_skewed=is_placed and placed.stamps[index].clock in placed.skewed,
        raw=one.raw,
    )


def _slowest(hops: Sequence[Hop]) -> tuple[int | None, bool]:
    """The hop with the longest certain delay, and True if no other hop can reach it."""
    delays: Mapping[int, Interval] = {
        hop.position: hop.delay for hop in hops if hop.delay is not None
    }
    if not delays:
        return None, False
    least = max(delays.values(), key=lambda delay: delay.min).min
    if least <= 0 or Counter(delay.min for delay in delays.values())[least] > 1:
        return None, False
    position = next(place for place, delay in delays.items() if delay.min == least)
    others = [hop.delay for hop in hops[1:] if hop.position != position]
    is_sure = all(
        delay is not None and delay.max is not None and delay.max < least for delay in others
    )
    return position, is_sure


def _rounded(interval: Interval) -> Interval:
    """The interval in milliseconds, rounded outwards so that no possible value is lost."""
    most = interval.max
    low = _down(interval.min)
    return Interval(low, None if most is None else 0.0 - _down(-most))


def _down(seconds: float) -> float:
    return ((seconds * 1000 + 1e-6) // 1) / 1000
