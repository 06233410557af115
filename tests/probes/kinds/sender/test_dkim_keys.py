"""Keys at selectors that nobody configured: learnt from canaries, judged by when they signed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.keys import key_record
from probes.canary.dkim_selectors import IN_USE_FOR, LearntSelector
from probes.kinds.sender.dkim_keys import selectors_of
from probes.kinds.sender.probe import MAX_IPS
from probes.result import Owner, ProbeResult, Reason, Status
from tests.probes.kinds.sender.test_sender import (
    GOOD,
    TARGET,
    World,
    all_findings,
    rsa_public,
    told,
)

NOW = datetime.now(UTC)
JUST_NOW = NOW - timedelta(hours=1)
LONG_AGO = NOW - IN_USE_FOR - timedelta(hours=1)
DEFECTS = {
    "dkim.key_missing": "",
    "dkim.key_revoked": "v=DKIM1; p=",
    "dkim.key_malformed": "v=DKIM1; p=%%%",
}


def learnt(
    selector: str, seen: datetime = JUST_NOW, domain: str = "example.test"
) -> LearntSelector:
    return LearntSelector(selector, domain, seen)


async def run(
    zone: str, *selectors: LearntSelector, configured: tuple[str, ...] = ()
) -> ProbeResult:
    target = replace(TARGET, learnt=selectors, selectors=configured)
    return await World(zone).run(target)


async def test_a_learnt_selector_with_its_key_is_in_order_and_says_where_it_is_from() -> None:
    key = f"v=DKIM1; k=rsa; p={rsa_public(2048)}"
    result = await run(f"{GOOD}\n{key_record('s1', key)}\n{key_record('s2', key)}", learnt("s1"))
    assert result.ok, result
    assert told(result) == {}
    (facts,) = [p.facts for p in result.parts if p.host == "s1._domainkey.example.test"]
    assert facts["dkim.selector_is_learnt"] is True
    assert facts["dkim.selector_last_seen"] == JUST_NOW.isoformat()
    assert facts["dkim.key_bits"] == 2048
    assert not [p for p in result.parts if p.host.startswith("s2.")]


@pytest.mark.parametrize("code", DEFECTS)
async def test_a_selector_in_use_whose_key_is_no_good_fails_and_tells_when_it_was_learnt(
    code: str,
) -> None:
    zone = f"{GOOD}\n{key_record('s1', DEFECTS[code])}" if DEFECTS[code] else GOOD
    result = await run(zone, learnt("s1"))
    assert told(result) == {code: Status.FAILURE}
    (finding,) = all_findings(result)
    assert str(finding.subject) == "s1._domainkey.example.test"
    assert f"learnt: it last signed a canary of {JUST_NOW:%Y-%m-%d %H:%M} UTC" in finding.evidence
    assert result.failure is not None
    assert result.failure.owner is Owner.SENDER


@pytest.mark.parametrize("code", DEFECTS)
async def test_a_selector_that_was_retired_may_lose_its_key(code: str) -> None:
    zone = f"{GOOD}\n{key_record('s1', DEFECTS[code])}" if DEFECTS[code] else GOOD
    result = await run(zone, learnt("s1", LONG_AGO))
    assert result.ok, result
    assert told(result) == {code: Status.NOTICE}


async def test_a_configured_selector_has_to_have_its_key_whatever_was_learnt() -> None:
    result = await run(GOOD, learnt("s1", LONG_AGO), configured=("S1",))
    assert told(result) == {"dkim.key_missing": Status.FAILURE}
    (finding,) = all_findings(result)
    assert "learnt" not in finding.evidence
    assert result.failure is not None
    assert result.failure.reason is Reason.RECORD_MISSING


async def test_a_learnt_selector_is_asked_for_in_the_domain_of_its_signature() -> None:
    result = await run(GOOD, learnt("s1", domain="sub.example.test"))
    (finding,) = all_findings(result)
    assert str(finding.subject) == "s1._domainkey.sub.example.test"


@pytest.mark.parametrize(("seen", "ok"), [(JUST_NOW, False), (LONG_AGO, True)])
async def test_a_key_that_cannot_be_looked_up_is_no_missing_key(
    seen: datetime, *, ok: bool
) -> None:
    fault = {("s1._domainkey.example.test", "TXT"): DnsFault(Misbehaviour.BOGUS_UNSAID)}
    result = await World(faults=fault).run(replace(TARGET, learnt=(learnt("s1", seen),)))
    assert told(result) == {"dkim.lookup_failed": Status.NOTICE if ok else Status.FAILURE}
    assert result.ok is ok
    if result.failure is not None:
        assert result.failure.reason is Reason.DNSSEC_BOGUS


async def test_more_selectors_than_one_run_probes_are_left_out_the_oldest_first() -> None:
    many = [learnt(f"s{n}", JUST_NOW - timedelta(minutes=n)) for n in range(MAX_IPS)]
    result = await run(GOOD, *reversed(many), configured=("mine",))
    asked = {part.host.partition(".")[0] for part in result.parts if "_domainkey" in part.host}
    assert asked == {"mine", *(f"s{n}" for n in range(MAX_IPS - 1))}
    (left_out,) = [one for one in result.findings if one.code == "sender.left_out"]
    assert f"s{MAX_IPS - 1}._domainkey.example.test" in left_out.evidence


def test_the_configured_selectors_come_first_and_the_learnt_ones_newest_first() -> None:
    old, new = learnt("old", LONG_AGO), learnt("new")
    found = selectors_of(("mine", "new"), "example.test", (old, new), NOW)
    assert [(one.selector, one.is_in_use) for one in found] == [
        ("mine", True),
        ("new", True),
        ("old", False),
    ]
    assert [one.learnt for one in found] == [None, None, old]
