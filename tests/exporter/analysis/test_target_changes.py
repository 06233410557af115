"""What a job knows of its target: what is new about it, and what is different since it was good."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.target_changes import (
    MAX_VALUES,
    Difference,
    Key,
    Snapshot,
    advance,
    differences,
    last_good,
)
from exporter.model import Run, TargetChange
from probes.result import NOTHING, Aspect, Failure, Known, Owner, Phase, ProbeResult, Reason

BEGIN = datetime(2026, 5, 6, 7, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MX = Known(Aspect.MX, "example.test", "10 mx.example.test", 300)
SPF = Known(Aspect.SPF, "example.test", "v=spf1 -all", 3600)
BROKEN = Failure(Phase.CONNECT, Reason.TIMEOUT, "", Owner.NETWORK, is_transient=True)
OURS = Failure(Phase.DNS_MX, Reason.TIMEOUT, "", Owner.RESOLVER, is_transient=True)


def known(one: Known, value: str, lifetime: int | None = 300) -> Known:
    return Known(one.aspect, one.subject, value, lifetime)


class Life:
    """A job that runs every minute."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.runs = 0
        self.past: list[TargetChange] = []

    def run(self, *seen: Known, failure: Failure | None = None) -> tuple[TargetChange, ...]:
        at = BEGIN + self.runs * MINUTE
        self.runs += 1
        result = ProbeResult("mx", at, 0.1, (), failure, known=seen)
        before = self.snapshot
        self.snapshot, changes = advance(before, Run("job", self.runs, result), lambda: at - MINUTE)
        self.past = [*changes, *self.past]
        return changes


def test_what_is_seen_first_is_no_change_and_what_is_seen_again_no_news() -> None:
    life = Life()
    assert life.run(MX, SPF) == ()
    first = life.snapshot
    assert life.run(SPF, MX) == ()
    assert life.snapshot is first


def test_a_change_says_what_was_since_when_what_is_and_when_everybody_sees_it() -> None:
    life = Life()
    life.run(MX)
    life.run(MX)
    (change,) = life.run(known(MX, "10 other.test", 60))
    assert (change.name, change.tick, change.at) == ("job", 3, BEGIN + 2 * MINUTE)
    assert (change.aspect, change.subject) == (Aspect.MX, "example.test")
    assert (change.before, change.after) == ("10 mx.example.test", "10 other.test")
    assert change.since == BEGIN
    assert change.visible_by == BEGIN + 2 * MINUTE + timedelta(seconds=300)
    assert life.run(known(MX, "10 other.test", 60)) == ()


def test_what_was_not_looked_up_has_not_changed() -> None:
    life = Life()
    life.run(MX, SPF)
    assert life.run(SPF) == ()
    assert life.run(failure=OURS) == ()
    assert [one.after for one in life.run(known(MX, NOTHING), SPF)] == [NOTHING]


def test_a_cache_that_counts_down_does_not_shorten_how_long_others_keep_the_old() -> None:
    life = Life()
    for seconds in (120, 300, 17):
        assert life.run(known(MX, MX.value, seconds)) == ()
    (change,) = life.run(known(MX, "10 other.test", 5))
    assert change.visible_by == BEGIN + 3 * MINUTE + timedelta(seconds=300)


def test_what_nobody_keeps_is_seen_at_once() -> None:
    life = Life()
    life.run(Known(Aspect.CERTIFICATE, "mx.example.test [192.0.2.1]", "a"))
    (change,) = life.run(Known(Aspect.CERTIFICATE, "mx.example.test [192.0.2.1]", "b"))
    assert change.visible_by is None


def test_a_policy_is_kept_for_its_max_age_unless_its_id_is_a_new_one() -> None:
    """RFC 8461 §3.3."""
    life = Life()
    record = Known(Aspect.STS_RECORD, "example.test", "v=STSv1; id=1", 60)
    policy = Known(Aspect.STS_POLICY, "example.test", "mode: testing", 86_400)
    life.run(record, policy)
    (change,) = life.run(record, known(policy, "mode: enforce", 86_400))
    assert change.visible_by == BEGIN + MINUTE + timedelta(days=1)
    changes = life.run(known(record, "v=STSv1; id=2", 60), known(policy, "mode: none", 86_400))
    assert {one.aspect: one.visible_by for one in changes} == dict.fromkeys(
        (Aspect.STS_RECORD, Aspect.STS_POLICY), BEGIN + 2 * MINUTE + timedelta(seconds=60)
    )


def test_the_last_good_state_is_kept_while_the_target_is_bad() -> None:
    life = Life()
    life.run(MX, SPF)
    life.run(MX, SPF)
    assert last_good(life.snapshot, life.past) is None
    life.run(known(MX, "10 wrong.test"), SPF, failure=BROKEN)
    life.run(known(MX, "10 worse.test"), SPF, failure=BROKEN)
    told = last_good(life.snapshot, life.past)
    assert told is not None
    assert told.at == BEGIN + MINUTE
    was, now = "10 mx.example.test", "10 worse.test"
    seen_at = BEGIN + 3 * MINUTE
    assert told.differences == (Difference(Aspect.MX, "example.test", was, now, seen_at),)
    life.run(known(MX, "10 worse.test"), SPF)
    assert last_good(life.snapshot, life.past) is None


def test_what_changed_shortly_before_the_last_good_run_stands_beside_the_failure() -> None:
    life = Life()
    life.run(MX, SPF)
    (change,) = life.run(known(MX, "10 new.test"), SPF)
    life.run(failure=BROKEN)
    told = last_good(life.snapshot, life.past)
    assert told is not None
    assert (told.differences, told.before) == ((), (change,))


def test_a_run_that_could_not_test_says_nothing_of_good_and_bad() -> None:
    life = Life()
    life.run(MX)
    life.run(failure=OURS)
    assert last_good(life.snapshot, life.past) is None
    life.run(failure=BROKEN)
    life.run(failure=OURS)
    assert last_good(life.snapshot, life.past) is not None


def test_a_target_that_never_was_good_has_no_good_state() -> None:
    life = Life()
    assert life.run(failure=BROKEN) == ()
    assert life.snapshot is None
    life.run(MX, failure=BROKEN)
    life.run(known(MX, "10 other.test"), failure=BROKEN)
    assert last_good(life.snapshot, life.past) is None


def test_what_a_run_says_twice_is_what_it_said_last() -> None:
    life = Life()
    life.run(MX, known(MX, "10 other.test"))
    assert life.run(MX, known(MX, "10 other.test")) == ()
    assert [one.after for one in life.run(MX)] == [MX.value]


def test_hosts_that_come_and_go_do_not_grow_the_memory() -> None:
    life = Life()
    for number in range(3 * MAX_VALUES):
        life.run(MX, Known(Aspect.CERTIFICATE, f"mx.test [192.0.2.{number}]", "a"))
    assert life.snapshot is not None
    assert len(life.snapshot.values) == MAX_VALUES
    newest = f"mx.test [192.0.2.{3 * MAX_VALUES - 1}]"
    assert {Key(Aspect.MX, "example.test"), Key(Aspect.CERTIFICATE, newest)} <= set(
        life.snapshot.values
    )


values = st.sampled_from(("a", "b", NOTHING))
runs = st.lists(
    st.tuples(st.lists(st.tuples(st.sampled_from(Aspect), values), max_size=4), st.booleans()),
    max_size=12,
)


@given(runs)
def test_changes_lead_from_the_first_value_to_the_last(
    lived: Iterable[tuple[list[tuple[Aspect, str]], bool]],
) -> None:
    life = Life()
    first: dict[Aspect, str] = {}
    for seen, is_bad in lived:
        once = dict(seen)
        for aspect, value in once.items():
            first.setdefault(aspect, value)
        told = tuple(Known(aspect, "x", value) for aspect, value in once.items())
        life.run(*told, failure=BROKEN if is_bad else None)
    for change in reversed(life.past):
        assert first[change.aspect] == change.before
        first[change.aspect] = change.after
    now = {} if life.snapshot is None else life.snapshot.values
    assert first == {key.aspect: seen.value for key, seen in now.items()}
    assert (
        differences(now, [Known(k.aspect, k.subject, s.value) for k, s in now.items()], BEGIN) == ()
    )
