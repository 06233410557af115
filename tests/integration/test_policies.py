"""Our word on DANE beside that of Postfix, on zones that Knot signs and unbound validates."""

import json
import re
import sys
from typing import Any

import pytest

from tests.integration.chain.chain import Chain

pytestmark = pytest.mark.timeout(120)

GOOD, WRONG, UNUSABLE, PLAIN, TAMPERED = (
    "example.test",
    "wrong.example.test",
    "unusable.example.test",
    "plain.example.test",
    "tampered:example.test",
)
OUTCOMES = {
    GOOD: "delivered_authenticated",
    WRONG: "deferred",
    UNUSABLE: "delivered_encrypted",
    PLAIN: "delivered_encrypted",
    TAMPERED: "deferred",
}


@pytest.fixture(scope="module")
def told(chain: Chain) -> Any:
    """What our kinds and Postfix say of every domain."""
    command = [sys.executable, "-m", "tests.integration.chain.policies", str(chain.place.root)]
    return json.loads(chain.run([*command, *OUTCOMES], within=100).stdout)


def codes(told: Any, domain: str) -> set[str]:
    return {finding["code"] for finding in told[domain]["policy"]["findings"]}


@pytest.mark.parametrize("domain", OUTCOMES)
def test_a_sender_that_honours_dane_does_as_the_records_say(told: Any, domain: str) -> None:
    result = told[domain]["policy"]
    assert result["facts"]["consequence.dane"] == OUTCOMES[domain]
    assert result["ok"] == (OUTCOMES[domain] != "deferred")
    assert result["facts"]["dnssec.mx"] == "secure"
    assert result["facts"]["dnssec.resolver_validates"] is True


@pytest.mark.parametrize("domain", [GOOD, WRONG, UNUSABLE, PLAIN])
def test_postfix_agrees(told: Any, domain: str) -> None:
    """At level dane it verifies where we say authenticated, and nowhere else."""
    is_verified = "Verified TLS connection established" in told[domain]["dane"]
    assert is_verified == (OUTCOMES[domain] == "delivered_authenticated")
    has_matched = re.search("Matched DANE EE certificate at depth 0", told[domain]["dane"])
    states = {part["facts"].get("dane.state") for part in told[domain]["policy"]["parts"]}
    assert ("match" in states) == (has_matched is not None)


def test_postfix_says_the_same_of_every_set_of_records(told: Any) -> None:
    assert "no matching DANE TLSA records" in told[WRONG]["dane"]
    assert "dane.mismatch" in codes(told, WRONG)
    assert "no usable TLSA records found" in told[UNUSABLE]["dane_only"]
    assert "dane.unusable" in codes(told, UNUSABLE)
    assert "no TLSA records found" in told[PLAIN]["dane_only"]
    assert "dane.absent" in codes(told, PLAIN)


def test_a_record_that_was_changed_on_the_way_is_bogus_even_where_the_resolver_only_fails(
    told: Any,
) -> None:
    result = told[TAMPERED]["policy"]
    assert result["failure"]["reason"] == "dnssec_invalid"
    (evidence,) = [
        finding["evidence"]
        for finding in result["findings"]
        if finding["code"] == "dane.lookup_failed"
    ]
    assert "dnssec_bogus" in evidence
    assert "validation is switched off" in evidence


def test_knot_is_asked_itself(told: Any) -> None:
    result = told[GOOD]["nameservers"]
    assert result["ok"]
    (part,) = result["parts"]
    assert part["address"] == "192.0.2.53"
    assert part["facts"]["dns.serial"] >= 1
    assert {finding["code"] for finding in result["findings"]} == {"nameservers.single"}
