"""MX records: null MX, the hosts to try, and their order."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from probes.records.mx import MxRecord, by_preference, delivery_order, hosts_of, is_null_mx

_RECORDS = st.lists(
    st.builds(MxRecord, st.integers(0, 3), st.sampled_from([".", "a.test", "b.test", "c.test"])),
    max_size=12,
)


def test_a_root_alone_is_a_null_mx_whatever_its_preference() -> None:
    assert is_null_mx([MxRecord(0, ".")])
    assert is_null_mx([MxRecord(10, ".")])
    assert not is_null_mx([MxRecord(0, "."), MxRecord(10, "a.test")])
    assert not is_null_mx([])


def test_equals_keep_their_order_until_they_are_shuffled() -> None:
    records = [MxRecord(20, "c.test"), MxRecord(10, "b.test"), MxRecord(10, "a.test")]
    assert [r.exchange for r in by_preference(records)] == ["b.test", "a.test", "c.test"]


@given(_RECORDS)
def test_every_host_is_named_once_at_its_lowest_preference_and_never_the_root(
    records: list[MxRecord],
) -> None:
    hosts = hosts_of(records)
    assert {host.exchange for host in hosts} == {r.exchange for r in records} - {"."}
    assert len({host.exchange for host in hosts}) == len(hosts)
    for host in hosts:
        same = [r.preference for r in records if r.exchange == host.exchange]
        assert host.preference == min(same)


@given(_RECORDS, st.integers())
def test_delivery_follows_preference_and_loses_nobody(records: list[MxRecord], seed: int) -> None:
    order = delivery_order(records, Random(seed).shuffle)
    assert [r.preference for r in order] == sorted(r.preference for r in records)
    assert sorted(order, key=str) == sorted(records, key=str)


def test_equals_are_tried_in_every_order_over_time() -> None:
    records = [MxRecord(10, "a.test"), MxRecord(10, "b.test"), MxRecord(20, "c.test")]
    shuffle = Random(1).shuffle
    orders = {tuple(r.exchange for r in delivery_order(records, shuffle)) for _ in range(50)}
    assert orders == {("a.test", "b.test", "c.test"), ("b.test", "a.test", "c.test")}
