"""Hops on our clock: the truth lies in every interval, and the intervals are as tight as can be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.canary.clocks import Interval, Stamp, Window, solve
from probes.canary.hops import CLOCK_ERROR, MAX_HOPS, Chain, OurTimes, place_hops
from probes.records.received import Received, parse_received

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def stamped(name: str, seconds: float | None, *, has_zone: bool = True) -> Received:
    date = None if seconds is None else at(floor(seconds))
    return Received(raw=name, by=name, date=date, has_zone=has_zone)


def placed(stamps: Sequence[tuple[str, float | None]], **times: float) -> Chain:
    """Stamps in travel order, instants of ours in seconds."""
    ours = OurTimes(**{f"{name}_at": at(seconds) for name, seconds in times.items()})
    return place_hops([stamped(*stamp) for stamp in reversed(stamps)], ours)


def holds(interval: Interval | None, truth: float) -> bool:
    if interval is None:
        return True
    most = float("inf") if interval.max is None else interval.max
    return interval.min - 0.002 <= truth <= most + 0.002


gaps = st.lists(st.floats(0, 400), min_size=2, max_size=6)
clocks = st.lists(st.floats(-5000, 5000), min_size=6, max_size=6)
names = st.lists(st.sampled_from("abcd"), min_size=6, max_size=6)


@settings(deadline=None)
@given(gaps, clocks, names)
def test_whatever_the_clocks_say_the_truth_is_in_the_certain_interval(
    delays: list[float], offsets: list[float], relays: list[str]
) -> None:
    truth = [sum(delays[: i + 1]) for i in range(len(delays))]
    off = dict(zip("abcd", offsets, strict=False))
    stamps = [(name, t + off[name]) for name, t in zip(relays, truth, strict=False)]
    chain = placed(stamps, began=0, accepted=truth[0] + 1, seen=truth[-1] + 0.5)
    assert chain.is_consistent
    for index in range(1, len(truth)):
        hop = chain.hops[index]
        assert holds(hop.certain_delay, truth[index] - truth[index - 1])
        assert hop.certain_delay is not None


@settings(deadline=None)
@given(
    delays=gaps,
    offsets=st.lists(st.floats(-CLOCK_ERROR, CLOCK_ERROR), min_size=6, max_size=6),
    is_bare=st.booleans(),
)
def test_with_clocks_that_are_right_the_truth_is_in_the_interval(
    delays: list[float], offsets: list[float], *, is_bare: bool
) -> None:
    truth = [sum(delays[: i + 1]) for i in range(len(delays))]
    stamps = [(f"mx{i}", t + off) for i, (t, off) in enumerate(zip(truth, offsets, strict=False))]
    ours = {} if is_bare else {"began": 0.0, "accepted": truth[0], "seen": truth[-1] + 1}
    chain = placed(stamps, **ours)
    for index in range(1, len(truth)):
        delay = chain.hops[index].delay
        assert delay is not None
        assert not chain.hops[index].is_skewed
        assert holds(delay, truth[index] - truth[index - 1])
        assert delay.max is not None
        assert delay.max - delay.min <= 2 + 4 * CLOCK_ERROR + 0.002


@settings(deadline=None)
@given(gaps, st.integers(0, 5), st.floats(-90000, 90000))
def test_one_wrong_clock_that_shows_does_not_lead_the_others_astray(
    delays: list[float], which: int, off: float
) -> None:
    truth = [sum(delays[: i + 1]) for i in range(len(delays))]
    which %= len(truth)
    stamps = [(f"mx{i}", t + off * (i == which)) for i, t in enumerate(truth)]
    chain = placed(stamps, began=0, accepted=truth[0] + 0.1, seen=truth[-1] + 0.5)
    if not chain.hops[which].is_skewed:
        return
    for index in range(1, len(truth)):
        assert holds(chain.hops[index].delay, truth[index] - truth[index - 1])
    assert holds(chain.hops[which].clock_offset, off)


def test_greylisting_is_found_between_its_two_hops() -> None:
    chain = placed(
        [("relay", 0.2), ("mx", 63.1), ("store", 63.3)], began=0, accepted=0.3, seen=64, missed=63.2
    )
    assert (chain.slowest, chain.is_slowest_sure) == (2, True)
    delay = chain.hops[1].delay
    assert delay is not None
    assert delay.min > 60
    assert delay.max is not None
    assert delay.max < 66
    assert chain.hops[0].delay is None
    assert chain.arrival is not None
    assert holds(chain.arrival, 0.7)


def test_a_fast_message_binds_every_clock_though_none_is_trusted() -> None:
    chain = placed([("relay", 10.0), ("mx", -3600.0)], began=0, accepted=0.1, seen=0.4)
    assert [hop.is_skewed for hop in chain.hops] == [True, True]
    assert chain.hops[1].clock_offset == Interval(-3600.4, -3599.0)
    assert chain.hops[1].delay == chain.hops[1].certain_delay == Interval(0, 0.4)
    assert chain.slowest is None


def test_a_stamp_before_the_one_before_it_is_skew_and_no_negative_delay() -> None:
    chain = placed([("a", 100), ("b", 101), ("wrong", 40), ("c", 102), ("d", 103)])
    assert [hop.is_skewed for hop in chain.hops] == [False, False, True, False, False]
    for hop in chain.hops[1:]:
        assert hop.delay is not None
        assert hop.delay.min >= 0
    offset = chain.hops[2].clock_offset
    assert offset is not None
    assert holds(offset, -61.5)


def test_two_clocks_that_contradict_each_other_are_both_in_doubt() -> None:
    chain = placed([("a", 100), ("b", 40)])
    assert [hop.is_skewed for hop in chain.hops] == [True, True]
    assert chain.hops[1].delay is None


def test_stamps_of_one_second_are_no_skew() -> None:
    chain = placed([("a", 100.9), ("b", 100.1)])
    assert not any(hop.is_skewed for hop in chain.hops)


def test_two_stamps_of_one_clock_need_no_trust() -> None:
    chain = placed([("a", 5000), ("A", 5010)])
    assert chain.hops[1].certain_delay == Interval(9, 11)


def test_a_clock_that_was_set_back_on_the_way_is_two_clocks() -> None:
    chain = placed([("a", 100), ("a", 50), ("b", 51)], began=49, seen=53)
    assert chain.is_consistent
    assert chain.hops[0].is_skewed
    assert chain.hops[1].delay is not None
    assert holds(chain.hops[1].delay, 1)


def test_a_date_without_zone_or_none_at_all_proves_nothing_and_breaks_nothing() -> None:
    chain = place_hops(
        [stamped("c", 12), stamped("b", -7200, has_zone=False), stamped("n", None), stamped("a", 2)]
    )
    assert not any(hop.is_skewed for hop in chain.hops)
    assert [hop.delay is None for hop in chain.hops] == [True, False, False, False]
    assert chain.hops[3].delay == Interval(0, 12)


def test_a_stamp_without_zone_is_shown_as_it_was_written_and_says_nothing_of_its_clock() -> None:
    local = stamped("b", 7201, has_zone=False)
    chain = place_hops(
        [stamped("c", 2), local, stamped("a", 1)], OurTimes(at(0), at(1.5), at(1.5), at(2.5))
    )
    hop = chain.hops[1]
    assert hop.date == at(7201).replace(tzinfo=None)
    assert (hop.is_skewed, hop.clock_offset) == (False, None)
    assert hop.delay is not None
    assert hop.delay.max is not None
    assert hop.delay.max <= 2
    assert chain.is_consistent


def test_our_own_times_that_contradict_each_other_are_not_used() -> None:
    chain = placed([("a", 1), ("b", 2)], began=10, seen=5)
    assert not chain.is_consistent
    assert chain.hops[1].delay == Interval(0, 3)


def test_no_hop_is_dropped_however_many_there_are() -> None:
    stamps: list[tuple[str, float | None]] = [(f"h{i}", float(i)) for i in range(MAX_HOPS + 20)]
    chain = placed(stamps)
    assert [hop.by for hop in chain.hops] == [name for name, _ in stamps]
    assert chain.hops[-1].delay is None
    assert placed([]) == Chain()


def test_what_the_field_tells_is_on_the_hop() -> None:
    field = (
        "from out.test (out.test [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384"
        " (256/256 bits)) by mx.test (Postfix) with ESMTPS id 4XYZ for <in@reader.test>;"
        " Mon, 23 Nov 2026 13:00:00 +0100 (CET)"
    )
    (hop,) = place_hops([parse_received(field)]).hops
    assert (hop.position, hop.from_, hop.by, hop.with_) == (1, "out.test", "mx.test", "ESMTPS")
    assert (hop.tls, hop.id_) == ("TLSv1.3 TLS_AES_256_GCM_SHA384", "4XYZ")
    assert (hop.for_, hop.date, hop.raw) == ("in@reader.test", NOON, field)


@pytest.mark.slow("reckons through thousands of cases")
@pytest.mark.parametrize("same_clock", [True, False])
@pytest.mark.parametrize("stamps", [(0, 0), (0, 2), (3, 1), (1, 2)])
def test_no_tighter_interval_would_hold(stamps: tuple[int, int], *, same_clock: bool) -> None:
    """Every quarter of a second is tried: what is possible reaches both ends of the interval."""
    grid = [quarter / 4 for quarter in range(13)]
    offsets = [quarter / 4 for quarter in range(-12, 17)]
    found = []
    for first, second, one, other in product(grid, grid, offsets, offsets):
        off = (one, one if same_clock else other)
        fits = all(
            mark <= t + o < mark + 1
            for mark, t, o in zip(stamps, (first, second), off, strict=True)
        )
        if first <= second and fits and (not same_clock or one == other):
            found.append(second - first)
    clock = ("a", "a" if same_clock else "b")
    solution = solve(
        [Stamp(name, mark) for name, mark in zip(clock, stamps, strict=True)], Window(0, None, 3)
    )
    if not found:
        assert solution is None
        return
    assert solution is not None
    interval = solution.between(0, 1)
    assert interval.max is not None
    # A stamp's second is open at its end, so an end may be missed by one step of the grid.
    assert interval.min <= min(found) <= interval.min + 0.25
    assert interval.max - 0.25 <= max(found) <= interval.max
