"""Whom the failures of several paths speak against, as tables of what went where."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.judgement import Verdict
from exporter.analysis.observations import Attempt, Observation
from exporter.analysis.suspects import LEAST_FAILED, PartKind, Suspect, find_suspects

BEGIN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OK, FAILED, UNTESTABLE = Verdict.OK, Verdict.FAILED, Verdict.UNTESTABLE
SIGNS = {".": OK, "x": FAILED, "?": UNTESTABLE}


def path(route: str, mailbox: str, signs: str, *, every: int = 60) -> list[Observation]:
    """A path's canaries, one a sign, the oldest first: `.` arrived, `x` failed, `?` untestable."""
    return [
        Observation(
            f"{route}-{mailbox}",
            tick,
            BEGIN + timedelta(seconds=tick * every),
            SIGNS[sign],
            route,
            mailbox,
        )
        for tick, sign in enumerate(signs)
    ]


def job(*runs: dict[tuple[str, str], str], name: str = "mx") -> list[Observation]:
    """A job's runs: for each, what host and family came to."""
    return [
        Observation(
            name,
            tick,
            BEGIN + timedelta(seconds=tick * 60),
            OK,
            None,
            None,
            tuple(
                Attempt(host, f"IPv{family}", SIGNS[sign]) for (host, family), sign in run.items()
            ),
        )
        for tick, run in enumerate(runs)
    ]


def named(observations: list[Observation], *unreadable: str) -> list[tuple[str, str, int, int]]:
    found = find_suspects(observations, unreadable)
    return [(one.part.value, one.name, one.failed, one.succeeded) for one in found]


TABLE = {
    "a route, when others into the same mailbox get through": (
        path("r1", "m1", ".xx") + path("r2", "m1", "..."),
        [("route", "r1", 2, 2)],
    ),
    "a route, by all the paths that go through it": (
        path("r1", "m1", "x") + path("r1", "m2", "x") + path("r2", "m1", "."),
        [("route", "r1", 2, 1)],
    ),
    "a mailbox, when other paths of the same routes get through": (
        path("r1", "m1", "xx") + path("r2", "m1", "xx") + path("r1", "m2", ".."),
        [("mailbox", "m1", 4, 2)],
    ),
    "nobody, on one failure": (path("r1", "m1", "..x") + path("r2", "m1", "..."), []),
    "nobody, when nothing succeeds beside it": (
        path("r1", "m1", "xxx") + path("r2", "m1", "xxx"),
        [],
    ),
    "nobody, when what succeeds has nothing in common with it": (
        path("r1", "m1", "xxx") + path("r2", "m2", "..."),
        [],
    ),
    "nobody, when one path of the route and one into the mailbox get through": (
        path("r1", "m1", "xxx") + path("r1", "m2", "...") + path("r2", "m1", "..."),
        [],
    ),
    "nobody, when the success beside it is older than the failures": (
        path("r1", "m1", "..xx") + path("r2", "m1", ".?", every=1),
        [],
    ),
    "nobody any more, once a canary gets through": (
        path("r1", "m1", "xxxx.") + path("r2", "m1", "....."),
        [],
    ),
    "nobody, when another path got through it between two failures": (
        path("r1", "m1", "x??") + path("r1", "m2", "?.x") + path("r2", "m1", "..."),
        [],
    ),
    "nobody, by canaries that could not be tested": (
        path("r1", "m1", "???") + path("r2", "m1", "..."),
        [],
    ),
    "a route all the same, when one canary between could not be tested": (
        path("r1", "m1", "x?x") + path("r2", "m1", "..."),
        [("route", "r1", 2, 3)],
    ),
    "one MX host, when the other takes mail": (
        job({("a", "4"): "x", ("b", "4"): "."}, {("a", "4"): "x", ("b", "4"): "."}),
        [("mx_host", "a", 2, 2)],
    ),
    "no MX host that one of its addresses clears, but the family of the other": (
        job(*[{("a", "4"): ".", ("a", "6"): "x", ("b", "4"): "."}] * 2),
        [("address_family", "IPv6", 2, 2)],
    ),
    "one address family, when all hosts fail over it": (
        job(*[{("a", "4"): ".", ("a", "6"): "x", ("b", "4"): ".", ("b", "6"): "x"}] * 3),
        [("address_family", "IPv6", 3, 3)],
    ),
    "no address family that somebody else is reached over": (
        job(*[{("a", "4"): ".", ("a", "6"): "x"}] * 2) + job({("c", "6"): "."}, name="other"),
        [],
    ),
    "nobody, by two addresses of one run": (
        job({("a", "4"): "x", ("a", "6"): "x", ("b", "4"): "."}),
        [],
    ),
    "no MX host, when all of them fail": (
        job(*[{("a", "4"): "x", ("b", "4"): "x"}] * 3),
        [],
    ),
    "no MX host of another domain, which proves nothing": (
        job(*[{("a", "4"): "x"}] * 3) + job(*[{("b", "4"): "."}] * 3, name="other"),
        [],
    ),
}


@pytest.mark.parametrize(("seen", "expected"), TABLE.values(), ids=TABLE)
def test_suspected_is(seen: list[Observation], expected: list[tuple[str, str, int, int]]) -> None:
    assert named(seen) == expected


def test_a_suspect_says_since_when_and_which_paths() -> None:
    seen = path("r1", "m1", ".xx") + path("r1", "m2", ".xx") + path("r2", "m1", "...")
    (suspect,) = find_suspects(seen)
    assert suspect == Suspect(
        PartKind.ROUTE, "r1", 4, 2, BEGIN + timedelta(seconds=60), ("r1-m1", "r1-m2")
    )


def test_a_mailbox_that_cannot_be_read_makes_nobody_suspect_and_clears_nobody() -> None:
    seen = path("r1", "m1", "xxx") + path("r2", "m1", "...")
    assert named(seen) == [("route", "r1", 3, 3)]
    assert named(seen, "m1") == []
    beside = path("r1", "m2", "xxx") + path("r1", "m1", "...") + path("r2", "m2", "...")
    assert named(beside) == []
    assert named(beside, "m1") == [("route", "r1", 3, 3)]


def test_a_path_whose_mail_is_lost_behind_one_mx_host_only_names_that_host() -> None:
    def sent(tick: int, host: str, verdict: Verdict) -> Observation:
        at = BEGIN + timedelta(seconds=tick)
        attempts = (Attempt(host, "IPv4", None),)
        return Observation("p", tick, at, verdict, "r", "m", attempts)

    seen = [sent(tick, *("ab"[tick % 2], (FAILED, OK)[tick % 2])) for tick in range(6)]
    assert named(seen) == [("mx_host", "a", 3, 3)]


OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        source=st.sampled_from("pqrs"),
        tick=st.integers(0, 9),
        at=st.integers(0, 99).map(lambda seconds: BEGIN + timedelta(seconds=seconds)),
        verdict=st.sampled_from(Verdict),
        route=st.sampled_from(["r1", "r2", None]),
        mailbox=st.sampled_from(["m1", "m2"]),
        attempts=st.lists(
            st.builds(
                Attempt,
                host=st.sampled_from(["a", "b", None]),
                family=st.sampled_from(["IPv4", "IPv6"]),
                verdict=st.sampled_from([*Verdict, None]),
            ),
            max_size=3,
        ).map(tuple),
    ),
    max_size=24,
)


@given(OBSERVATIONS, st.sets(st.sampled_from(["m1", "m2"])))
def test_whoever_is_suspected_failed_twice_and_something_succeeded_beside_it(
    seen: list[Observation], unreadable: set[str]
) -> None:
    readable = [one for one in seen if one.mailbox not in unreadable]
    for suspect in find_suspects(seen, unreadable):
        assert suspect.failed >= LEAST_FAILED
        assert suspect.succeeded >= 1
        failing = [one for one in readable if one.source in suspect.sources]
        assert len({(one.source, one.tick) for one in failing}) >= suspect.failed
        assert any(one.at == suspect.since for one in failing)


@given(OBSERVATIONS)
def test_the_order_in_which_they_are_told_changes_nothing(seen: list[Observation]) -> None:
    unique = list({(one.at, one.source, one.tick): one for one in seen}.values())
    assert set(find_suspects(unique)) == set(find_suspects(unique[::-1]))


@given(OBSERVATIONS)
def test_without_a_failure_nobody_is_suspected(seen: list[Observation]) -> None:
    def spoke_well(one: Observation) -> bool:
        verdicts = {one.verdict, *(attempt.verdict for attempt in one.attempts)}
        return FAILED not in verdicts

    assert find_suspects([one for one in seen if spoke_well(one)]) == ()
