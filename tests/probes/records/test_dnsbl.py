"""Block lists: names to ask, health first, and refusals that are no listings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.dnsbl import (
    DOMAIN_REFUSALS,
    MAX_CODES,
    ListAnswer,
    Listing,
    domain_health,
    domain_query_name,
    health,
    query_name,
    read_answer,
    read_domain_answer,
    reasons,
    without_key,
)
from probes.records.looked_up import LookedUp, LookupStatus

LISTED = ListAnswer(Listing.LISTED, ("127.0.0.2",))
NOT_LISTED = ListAnswer(Listing.NOT_LISTED)


def found(*codes: str) -> LookedUp:
    return LookedUp(LookupStatus.FOUND, codes)


def test_addresses_are_asked_for_backwards() -> None:
    assert query_name("192.0.2.99", "bad.test") == "99.2.0.192.bad.test"
    assert query_name("2001:db8:1:2:3:4:567:89ab", "ugly.test") == (
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.test"
    )
    assert query_name("::ffff:7f00:2", "l.test").startswith("2.0.0.0.0.0.f.7.f.f.f.f.0.")
    with pytest.raises(RecordError):
        query_name("mail.example.test", "bad.test")


@pytest.mark.parametrize(
    ("outcome", "listing"),
    [
        (found("127.0.0.2"), Listing.LISTED),
        (found("127.0.0.4", "127.0.0.10"), Listing.LISTED),
        (found("127.255.255.252"), Listing.REFUSED),
        (found("127.255.255.254"), Listing.REFUSED),
        (found("127.0.0.2", "127.255.255.255"), Listing.REFUSED),
        (found("127.255.255.1"), Listing.REFUSED),
        (found("192.0.2.1"), Listing.ODD),
        (found("127.0.0.2", "203.0.113.1"), Listing.ODD),
        (LookedUp(LookupStatus.NXDOMAIN), Listing.NOT_LISTED),
        (LookedUp(LookupStatus.NO_DATA), Listing.NOT_LISTED),
        (LookedUp(LookupStatus.FAILED, detail="servfail"), Listing.FAILED),
    ],
)
def test_an_answer_is_a_listing_only_when_it_is_one(outcome: LookedUp, listing: Listing) -> None:
    assert read_answer(outcome).listing is listing


def test_a_domain_is_asked_for_as_it_is() -> None:
    assert domain_query_name("Mail.Example.test.", "dbl.test") == "mail.example.test.dbl.test"


@pytest.mark.parametrize(
    ("outcome", "listing"),
    [
        (found("127.0.1.2"), Listing.LISTED),
        (found("127.0.0.2", "127.0.0.8"), Listing.LISTED),
        *((found(code), Listing.REFUSED) for code in DOMAIN_REFUSALS),
        (found("127.0.0.2", "127.0.0.1"), Listing.REFUSED),
        (found("127.255.255.254"), Listing.REFUSED),
        (found("203.0.113.1"), Listing.ODD),
        (LookedUp(LookupStatus.NXDOMAIN), Listing.NOT_LISTED),
        (LookedUp(LookupStatus.FAILED, detail="servfail"), Listing.FAILED),
    ],
)
def test_a_list_of_domains_refuses_in_its_own_way(outcome: LookedUp, listing: Listing) -> None:
    assert read_domain_answer(outcome).listing is listing


REFUSED = ListAnswer(Listing.REFUSED, detail="open resolver")


@pytest.mark.parametrize(
    ("test_entry", "no_entry", "address_entry", "word"),
    [
        (LISTED, NOT_LISTED, NOT_LISTED, ""),
        (NOT_LISTED, NOT_LISTED, LISTED, ""),
        (NOT_LISTED, NOT_LISTED, REFUSED, "empty or gone"),
        (NOT_LISTED, NOT_LISTED, NOT_LISTED, "empty or gone"),
        (LISTED, LISTED, NOT_LISTED, "lists everything"),
        (REFUSED, NOT_LISTED, LISTED, "open resolver"),
        (LISTED, ListAnswer(Listing.FAILED, detail="timeout"), LISTED, "timeout"),
    ],
)
def test_a_list_of_domains_has_test_entries_of_its_own(
    test_entry: ListAnswer, no_entry: ListAnswer, address_entry: ListAnswer, word: str
) -> None:
    state = domain_health(test_entry, no_entry, address_entry)
    assert state.is_healthy is (word == "")
    assert word in state.problem


def test_an_answer_of_many_addresses_is_cut() -> None:
    assert len(read_answer(found(*[f"127.0.0.{n}" for n in range(2, 200)])).codes) == MAX_CODES


@pytest.mark.parametrize(
    ("test_entry", "no_entry", "word"),
    [
        (LISTED, NOT_LISTED, ""),
        (NOT_LISTED, NOT_LISTED, "empty or gone"),
        (LISTED, LISTED, "lists everything"),
        (ListAnswer(Listing.REFUSED, detail="open resolver"), NOT_LISTED, "open resolver"),
        (LISTED, ListAnswer(Listing.FAILED, detail="timeout"), "timeout"),
        (ListAnswer(Listing.ODD, ("203.0.113.1",)), NOT_LISTED, "odd"),
    ],
)
def test_a_list_is_believed_only_when_its_test_entries_are_right(
    test_entry: ListAnswer, no_entry: ListAnswer, word: str
) -> None:
    state = health(test_entry, no_entry, version=4)
    assert state.is_healthy is (word == "")
    assert word in state.problem
    assert state.is_supported


def test_a_list_without_the_ipv6_test_entry_has_no_ipv6_addresses() -> None:
    state = health(NOT_LISTED, NOT_LISTED, version=6)
    assert (state.is_healthy, state.is_supported) == (False, False)


def test_what_is_shown_of_a_keyed_zone_is_not_its_key() -> None:
    assert without_key("abcdef.zen.dq.test") == "***.zen.dq.test"


def test_the_reasons_of_a_list_are_one_short_line() -> None:
    assert reasons(["https://l.test/?ip=192.0.2.1 ", "x" * 500]) == (
        "https://l.test/?ip=192.0.2.1 / " + "x" * 200
    )


@given(st.ip_addresses())
def test_every_address_has_a_name_of_the_right_length(address: object) -> None:
    name = query_name(str(address), "l.test")
    assert name.count(".") in (5, 33)
