"""The table of what senders do, row by row and in every combination."""

from dataclasses import replace
from itertools import product

import pytest

from probes.kinds.policy.consequences import (
    DaneState,
    DomainView,
    HostView,
    MxState,
    Outcome,
    Sender,
    StsState,
    TlsState,
    consequences,
)

GOOD = HostView(
    "mx", TlsState.WORKS, is_trusted=True, sts_covers=True, dane=DaneState.MATCH, requiretls=True
)
DOMAIN = DomainView(MxState.FOUND, mx_secure=True, sts=StsState.ENFORCE, hosts=(GOOD,))
A, E, C = Outcome.AUTHENTICATED, Outcome.ENCRYPTED, Outcome.IN_CLEAR
D, B, U = Outcome.DEFERRED, Outcome.BOUNCED, Outcome.UNTESTABLE


def outcomes(view: DomainView) -> list[Outcome]:
    rows = consequences(view)
    assert [row.sender for row in rows] == list(Sender)
    return [row.outcome for row in rows]


@pytest.mark.parametrize(
    ("view", "wanted"),
    [
        (DOMAIN, [E, A, A, A]),
        (replace(DOMAIN, mx=MxState.NONE), [B, B, B, B]),
        (replace(DOMAIN, mx=MxState.FAILED), [D, D, D, D]),
        (replace(DOMAIN, mx=MxState.UNTESTABLE), [U, U, U, U]),
        (replace(DOMAIN, hosts=()), [D, D, D, D]),
        (replace(DOMAIN, mx_secure=False), [E, A, E, A]),
        (replace(DOMAIN, mx_secure=None), [E, A, U, A]),
        (replace(DOMAIN, sts=StsState.ABSENT), [E, E, A, A]),
        (replace(DOMAIN, sts=StsState.TESTING), [E, E, A, A]),
        (replace(DOMAIN, sts=StsState.UNTESTABLE), [E, U, A, A]),
        (replace(DOMAIN, mx_secure=False, sts=StsState.ABSENT), [E, E, E, B]),
        (replace(DOMAIN, mx_secure=None, sts=StsState.ABSENT), [E, E, U, U]),
    ],
)
def test_what_the_domain_publishes_decides(view: DomainView, wanted: list[Outcome]) -> None:
    assert outcomes(view) == wanted


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        (replace(GOOD, tls=TlsState.NOT_OFFERED), [C, D, D, B]),
        (replace(GOOD, tls=TlsState.FAILED), [C, D, D, B]),
        (replace(GOOD, tls=TlsState.UNREACHABLE), [D, D, D, D]),
        (replace(GOOD, tls=TlsState.UNRESOLVED), [D, D, D, D]),
        (replace(GOOD, tls=TlsState.NO_ADDRESS), [B, B, B, B]),
        (replace(GOOD, tls=TlsState.REFUSED), [B, B, B, B]),
        (replace(GOOD, tls=TlsState.REFUSED, dane=DaneState.LOOKUP_FAILED), [B, B, D, B]),
        (replace(GOOD, tls=TlsState.REFUSED_FOR_NOW), [D, D, D, D]),
        (replace(GOOD, tls=TlsState.REFUSED_FOR_NOW, dane=DaneState.UNTESTABLE), [D, D, D, D]),
        (replace(GOOD, tls=TlsState.UNTESTABLE), [U, U, U, U]),
        (replace(GOOD, is_trusted=False), [E, D, A, A]),
        (replace(GOOD, is_trusted=False, dane=DaneState.ABSENT), [E, D, E, B]),
        (replace(GOOD, sts_covers=False), [E, D, A, A]),
        (replace(GOOD, dane=DaneState.MISMATCH), [E, A, D, A]),
        (replace(GOOD, dane=DaneState.UNUSABLE), [E, A, E, A]),
        (replace(GOOD, dane=DaneState.LOOKUP_FAILED), [E, A, D, A]),
        (replace(GOOD, dane=DaneState.UNTESTABLE), [E, A, U, A]),
        (replace(GOOD, requiretls=False), [E, A, A, B]),
    ],
)
def test_what_the_host_does_decides(host: HostView, wanted: list[Outcome]) -> None:
    assert outcomes(replace(DOMAIN, hosts=(host,))) == wanted


def test_a_row_says_what_stopped_the_sender_in_the_words_of_what_was_seen() -> None:
    host = replace(GOOD, tls=TlsState.REFUSED, trouble="the greeting was 521 no mail here")
    for row in consequences(replace(DOMAIN, hosts=(host,))):
        assert row.why == "mx: it refuses for good: the greeting was 521 no mail here"
        assert row.rule == "RFC 5321 §4.2.1"


def test_a_sender_that_has_nothing_to_hold_a_host_to_says_why() -> None:
    bare = replace(GOOD, dane=DaneState.ABSENT, dane_why="its TLSA records are not signed")
    domain = replace(DOMAIN, sts=StsState.ABSENT, sts_why="it cannot be fetched", hosts=(bare,))
    _, by_sts, by_dane, _ = consequences(domain)
    assert by_sts.why.startswith("no policy (it cannot be fetched): STARTTLS works")
    assert by_dane.why.startswith("no DANE (its TLSA records are not signed): STARTTLS works")
    _, by_sts, by_dane, _ = consequences(
        replace(domain, sts_may_be_kept=True, mx_secure=False, hosts=(bare,))
    )
    assert "an older copy" in by_sts.why
    assert by_dane.why.startswith("no DANE (the MX records are not signed)")


def test_what_is_not_known_is_told_with_the_look_up_that_failed() -> None:
    host = replace(GOOD, dane=DaneState.UNTESTABLE, dane_why="our resolver is silent about it")
    rows = consequences(replace(DOMAIN, hosts=(host,)))
    assert rows[2].why == "our resolver is silent about it"
    rows = consequences(
        replace(DOMAIN, mx_secure=None, mx_doubt="it proves nothing", sts=StsState.ABSENT)
    )
    assert {rows[2].why, rows[3].why} == {"it proves nothing"}


def test_a_second_host_takes_what_the_first_does_not() -> None:
    first = replace(GOOD, name="first", tls=TlsState.UNREACHABLE)
    rows = consequences(replace(DOMAIN, hosts=(first, GOOD)))
    assert {row.host for row in rows} == {"mx"}
    assert all(row.outcome.is_delivery for row in rows)


def test_a_host_that_could_not_be_tried_leaves_open_what_comes_after_it() -> None:
    first = replace(GOOD, name="first", tls=TlsState.UNTESTABLE)
    assert outcomes(replace(DOMAIN, hosts=(first, GOOD))) == [U, U, U, U]
    assert outcomes(replace(DOMAIN, hosts=(GOOD, first))) == [E, A, A, A]


def test_mail_that_may_still_be_taken_is_not_returned() -> None:
    """One host lacks REQUIRETLS for good, another one may be back in an hour."""
    hosts = (replace(GOOD, requiretls=False), replace(GOOD, tls=TlsState.UNREACHABLE))
    assert outcomes(replace(DOMAIN, hosts=hosts))[3] is D


EVERY_HOST = [
    HostView("mx", tls, trusted, covered, dane, requiretls)
    for tls, trusted, covered, dane, requiretls in product(
        TlsState, (True, False), (True, False), DaneState, (True, False)
    )
]


@pytest.mark.parametrize("sts", StsState)
@pytest.mark.parametrize("mx_secure", [True, False, None])
def test_no_sender_with_a_promise_ever_breaks_it(sts: StsState, mx_secure: bool | None) -> None:  # noqa: FBT001
    for host in EVERY_HOST:
        view = DomainView(MxState.FOUND, mx_secure, sts, (host,))
        plain, by_sts, by_dane, required = consequences(view)
        assert plain.outcome is not A
        if sts is StsState.ENFORCE:
            assert by_sts.outcome not in (E, C)
        if mx_secure and host.dane not in (DaneState.ABSENT, DaneState.UNTESTABLE):
            assert by_dane.outcome is not C
        assert required.outcome not in (E, C)
        assert all(row.rule for row in (plain, by_sts, by_dane, required))
