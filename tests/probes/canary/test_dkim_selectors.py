"""Which selectors a copy's signatures teach, and which are somebody's invention."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.canary.dkim_selectors import (
    IN_USE_FOR,
    KNOWN_FOR,
    MAX_USED,
    LearntSelector,
    UsedSelector,
    used_selectors,
)
from probes.canary.trust import Alignment
from probes.records.signatures.dkim_verification import verify

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def used(*signatures: tuple[str, str], author: str | None = "mail.example.test") -> list[str]:
    """What is learnt from signatures of (s=, d=), as `selector domain`."""
    fields = "".join(
        f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s={selector}; h=From; bh=AA==; b=AA==\r\n"
        for selector, domain in signatures
    )
    message = f"{fields}From: a@{author}\r\n\r\n".encode("utf-8", "surrogatepass")
    verdicts = verify(message, lambda _: (), NOW)
    return [f"{one.selector} {one.domain}" for one in used_selectors(verdicts, Alignment(author))]


def test_what_signs_for_the_author_domain_is_learnt_good_or_not() -> None:
    assert used(("s1", "mail.example.test"), ("S2", "Example.Test"), ("s3", "x.mail.example.test"))
    assert used(("s1", "mail.example.test"), ("S2", "Example.Test")) == [
        "s1 mail.example.test",
        "s2 example.test",
    ]


@pytest.mark.parametrize(
    ("selector", "domain"),
    [
        ("s1", "relay.test"),  # a relay signs in its own name
        ("s1", "test"),
        ("s1", "notexample.test"),
        ("s1", "xmail.example.test"),
        ("s 1", "mail.example.test"),
        ("s*1", "mail.example.test"),
        ("-s1", "mail.example.test"),
        ("sé", "mail.example.test"),
    ],
)
def test_what_does_not_or_is_no_plain_name_is_not(selector: str, domain: str) -> None:
    assert used((selector, domain)) == []


def test_of_one_copy_a_few_are_learnt_and_each_once() -> None:
    many = [(f"s{number}", "mail.example.test") for number in range(10)]
    assert used(*many) == [f"s{number} mail.example.test" for number in range(MAX_USED)]
    assert used(*many[:1] * 5) == ["s0 mail.example.test"]


def test_without_an_author_domain_or_verdicts_nothing_is_learnt() -> None:
    assert used(("s1", "mail.example.test"), author=None) == []
    assert used_selectors(None, Alignment("mail.example.test")) == ()


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_stands_in_a_signature_only_plain_names_are_learnt(
    selector: str, domain: str
) -> None:
    for one in used((selector, domain), (selector, "mail.example.test")):
        learnt = UsedSelector(*one.split(" "))
        assert f"{learnt.selector}.{learnt.domain}".isascii()
        assert set('*;"\\ ').isdisjoint(learnt.selector)


def test_a_selector_is_in_use_for_two_days_after_it_signed() -> None:
    learnt = LearntSelector("s1", "example.test", NOW)
    assert learnt.is_in_use(NOW + IN_USE_FOR)
    assert not learnt.is_in_use(NOW + IN_USE_FOR + timedelta(seconds=1))
    assert IN_USE_FOR < KNOWN_FOR
