"""The kinds that look names up, against Knot and unbound, and what others make of these names."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.chain import layout
from tests.integration.chain.by_hand import by_hand
from tests.integration.chain.chain import Chain
from tests.integration.chain.kinds import Question, ask_all, codes, defects, findings, part_of

pytestmark = pytest.mark.timeout(120)

ZEN = "good.bl.test"
LISTS = (ZEN, "refusing.bl.test", "nobody.bl.test", "everybody.bl.test")
SENDER: dict[str, object] = {
    "domain": "sender.test",
    "mail_from": layout.SENDER,
    "ehlo_name": layout.OUT_HOST,
    "selectors": ["s1"],
    "block_lists": [],
}
OF_DOMAINS = ("mx", "policy", "sender", "nameservers")
BROKEN_NAME = f"broken.{layout.EXPIRED}"

QUESTIONS = {
    "sender": Question("sender", {**SENDER, "sending_ips": [layout.OUT[0]], "block_lists": [ZEN]}),
    "stranger": Question("sender", {**SENDER, "sending_ips": [layout.EXIM[0]]}),
    "listed": Question(
        "sender", {**SENDER, "sending_ips": [layout.CANARY], "block_lists": list(LISTS)}
    ),
    "pair": Question("nameservers", {"domain": "pair.test"}),
    "lame": Question("nameservers", {"domain": "lame.test"}),
    "udp": Question("nameservers", {"domain": "udp.test"}),
    "validating": Question("policy", {"domain": "example.test", "broken_name": BROKEN_NAME}),
    "insecure": Question("policy", {"domain": "pair.test", "broken_name": BROKEN_NAME}),
    "gullible": Question(
        "policy", {"domain": "example.test", "broken_name": BROKEN_NAME}, "gullible"
    ),
    "believed": Question(
        "policy", {"domain": layout.FORGED, "broken_name": BROKEN_NAME}, "gullible"
    ),
    **{
        f"{kind} {zone} {resolver}": Question(kind, {"domain": zone}, resolver)
        for kind in OF_DOMAINS
        for zone in layout.BROKEN_ZONES
        for resolver in ("", "curt")
    },
    **{f"{kind} dead": Question(kind, {"domain": "example.test"}, "dead") for kind in OF_DOMAINS},
}


@pytest.fixture(scope="module")
def delivered(chain: Chain) -> Mapping[str, str]:
    """The header of a message that went the whole way."""
    message_id = by_hand(chain, "submit", layout.RECIPIENT, "Here before the probes.")
    found = by_hand(chain, "find", layout.RECIPIENT, "Message-ID", message_id)
    return dict(found["headers"])


@pytest.fixture(scope="module")
def told(chain: Chain) -> Any:
    """The results of all questions."""
    return ask_all(chain, QUESTIONS)


# -- names that do not validate, and resolvers


@pytest.mark.parametrize("resolver", ["", "curt"])
@pytest.mark.parametrize("kind", OF_DOMAINS)
def test_signatures_that_are_over_are_told_by_every_kind_that_looks_names_up(
    told: Any, kind: str, resolver: str
) -> None:
    (result,) = told[f"{kind} {layout.EXPIRED} {resolver}"]
    assert result["failure"]["reason"] == "dnssec_bogus"
    assert result["failure"]["owner"] == ("sender" if kind == "sender" else "receiver_dns")
    said = json.dumps(result)
    assert ("validation is switched off" in said) is (resolver == "curt")
    assert bool(re.search(r"EDE [67] ", said)) is (resolver == "")
    expected = ["dmarc.lookup_failed", "spf.lookup_failed"]
    assert defects(result) == (expected if kind == "sender" else ["dnssec.bogus"])
    assert {finding["status"] for finding in findings(result)} - {"info"} == {"failure"}


@pytest.mark.parametrize("resolver", ["", "curt"])
def test_one_record_that_was_forged_is_told_by_those_that_need_it(told: Any, resolver: str) -> None:
    reasons = {
        kind: (told[f"{kind} {layout.FORGED} {resolver}"][0]["failure"] or {}).get("reason")
        for kind in OF_DOMAINS
    }
    assert reasons == {
        "mx": "dnssec_bogus",
        "policy": "dnssec_bogus",
        "sender": None,
        "nameservers": None,
    }


def test_a_resolver_is_proven_by_a_name_whose_signatures_are_broken(told: Any) -> None:
    (result,) = told["validating"]
    assert result["facts"]["dnssec.resolver_validates"] is True
    assert result["facts"]["dnssec.mx"] == "secure"
    assert result["facts"]["consequence.dane"] == "delivered_authenticated"
    assert codes(result) == ["sts.absent", "tlsrpt.absent"]


def test_an_unsigned_zone_is_insecure_and_not_bogus(told: Any) -> None:
    (result,) = told["insecure"]
    assert result["facts"]["dnssec.mx"] == "insecure"
    assert codes(result) == ["dnssec.insecure", "sts.absent", "tlsrpt.absent"]


def test_with_a_resolver_that_validates_nothing_dane_is_untestable(told: Any) -> None:
    (result,) = told["gullible"]
    assert result["facts"]["dnssec.resolver_validates"] is False
    assert result["facts"]["dnssec.mx"] == "untestable"
    assert result["facts"]["consequence.dane"] == "untestable"
    assert result["facts"]["consequence.opportunistic"] == "delivered_encrypted"
    assert codes(result) == ["dnssec.resolver_not_validating", "sts.absent", "tlsrpt.absent"]


def test_what_such_a_resolver_says_of_a_forged_record_is_believed_by_nobody_but_it(
    told: Any,
) -> None:
    (result,) = told["believed"]
    assert result["facts"]["mx.hosts"] == [layout.EXIM_HOST]
    assert result["facts"]["dnssec.mx"] == result["facts"]["consequence.dane"] == "untestable"


@pytest.mark.parametrize("kind", OF_DOMAINS)
def test_a_resolver_that_is_not_there_is_our_own_trouble(told: Any, kind: str) -> None:
    (result,) = told[f"{kind} dead"]
    assert result["failure"]["owner"] == "resolver"
    assert {finding["status"] for finding in findings(result)} <= {"untestable", "info"}


# -- sender


def test_what_the_receiver_said_of_a_real_message_is_what_the_records_promise(
    delivered: Mapping[str, str], told: Any
) -> None:
    (result,) = told["sender"]
    results = delivered["Authentication-Results"]
    assert result["ok"]
    assert codes(result) == ["dmarc.reports_missing"]
    spf = next(part["facts"] for part in result["parts"] if "spf.result" in part["facts"])
    assert f"spf={spf['spf.result']}" in results
    assert spf["spf.matched"] == f"ip4:{layout.OUT[0]}"
    dmarc = part_of(result, "_dmarc.sender.test")["facts"]
    assert f"dmarc=pass (policy={dmarc['dmarc.policy']})" in results
    key = part_of(result, "s1._domainkey.sender.test")["facts"]
    assert "dkim=pass header.d=sender.test header.s=s1" in results
    assert (key["dkim.key_type"], key["dkim.key_bits"]) == ("rsa", 2048)


def test_pyspf_comes_to_the_same_for_every_address(chain: Chain, told: Any) -> None:
    """With the chain's own resolver."""
    code = (
        "import spf, sys; "
        "[print(*spf.check2(i=ip, s=sys.argv[1], h=sys.argv[2])) for ip in sys.argv[3:]]"
    )
    ips = {"sender": layout.OUT[0], "stranger": layout.EXIM[0], "listed": layout.CANARY}
    said = chain.python(code, layout.SENDER, layout.OUT_HOST, *ips.values()).splitlines()
    ours = [
        part["facts"]["spf.result"]
        for name in ips
        for part in told[name][0]["parts"]
        if "spf.result" in part["facts"]
    ]
    assert ours == [line.split()[0] for line in said] == ["pass", "fail", "pass"]


def test_an_address_that_may_not_send_fails_the_run(told: Any) -> None:
    (result,) = told["stranger"]
    assert result["failure"]["reason"] == "authentication_failed"
    assert defects(result) == ["dmarc.reports_missing", "ehlo.elsewhere", "spf.not_authorised"]


def test_the_sending_address_leads_to_its_name_and_back(chain: Chain, told: Any) -> None:
    reverse = part_of(told["sender"][0], "10.2.0.192.in-addr.arpa")
    assert reverse["facts"]["rdns.confirmed"] == [layout.OUT_HOST]
    assert reverse["facts"]["ehlo_name"] == layout.OUT_HOST
    answer = chain.run(["dig", "+dnssec", "-x", layout.OUT[0]]).stdout
    assert re.search(r"flags: [a-z ]*\bad\b", answer)


def test_a_list_is_believed_only_where_its_test_entries_are_right(told: Any) -> None:
    (healthy,) = told["sender"]
    assert part_of(healthy, ZEN)["facts"] == {"dnsbl.health_v4": "ok", "dnsbl.listed": []}
    (result,) = told["listed"]
    assert result["failure"]["reason"] == "listed"
    assert result["failure"]["owner"] == "sender"
    (listed,) = (f for f in findings(result) if f["code"] == "dnsbl.listed")
    assert (listed["subject"], listed["evidence"]) == (
        f"{layout.CANARY} at {ZEN}",
        f"{ZEN} says 127.0.0.4: it is the address of a canary",
    )
    health = {name: part_of(result, name)["facts"]["dnsbl.health_v4"] for name in LISTS}
    assert health[ZEN] == "ok"
    assert "refused" in health["refusing.bl.test"]
    assert "not listed" in health["nobody.bl.test"]
    assert "lists everything" in health["everybody.bl.test"]
    unhealthy = [f for f in findings(result) if f["code"] == "dnsbl.list_unhealthy"]
    assert [finding["status"] for finding in unhealthy] == ["untestable"] * 3


# -- name servers


def test_servers_with_different_copies_of_a_zone_are_told_apart(told: Any) -> None:
    (result,) = told["pair"]
    assert result["ok"]
    assert codes(result) == ["nameservers.answers_differ", "nameservers.serials_differ"]
    (differ,) = (f for f in findings(result) if f["code"] == "nameservers.answers_differ")
    assert differ["subject"] == "MX of pair.test"
    assert f"[{layout.DNS[0]}]: 10 {layout.MX_HOST}" in differ["evidence"]
    assert f"[{layout.SECOND_DNS[0]}]: 10 {layout.EXIM_HOST}" in differ["evidence"]
    serials = {part["address"]: part["facts"]["dns.serial"] for part in result["parts"]}
    assert serials == {layout.DNS[0]: 1, layout.SECOND_DNS[0]: 2}


def test_a_server_that_knows_nothing_of_the_zone_is_lame(told: Any) -> None:
    (result,) = told["lame"]
    assert result["ok"]
    assert codes(result) == ["nameservers.lame"]
    lame = part_of(result, "ns2.pair.test")
    assert lame["failure"]["reason"] == "refused"
    assert part_of(result, "ns1.pair.test")["failure"] is None


def test_a_server_that_is_not_heard_over_tcp_is_told(told: Any) -> None:
    (result,) = told["udp"]
    assert result["ok"]
    assert codes(result) == ["nameservers.tcp_failed"]
    (finding,) = findings(result)
    assert finding["subject"] == f"ns3.pair.test [{layout.UDP_DNS[0]}]"
    assert part_of(result, "ns3.pair.test")["failure"] is None
