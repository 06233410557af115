"""What each kind remembers of its target: values that stay the same while the target does."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from exporter.testbed.servers.certificates import Identity, identity
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.https import page, sts_policy
from exporter.testbed.servers.keys import key_record
from exporter.testbed.servers.smtp import Script
from probes.kinds import mx
from probes.net.tls import TrustStore
from probes.options import Domain
from probes.result import NOTHING, Aspect, Known, ProbeResult
from probes.run import run_once
from probes.trace import MAX_KNOWN, MAX_VALUE, Trace
from tests.probes.kinds.sender.test_sender import LIST, TARGET, World, rsa_public
from tests.probes.kinds.test_nameservers import run as run_nameservers
from tests.probes.kinds.test_nameservers import two_servers
from tests.servers.certificates import Authority
from tests.support.mail_world import mail_world
from tests.support.policy_world import (
    DOMAIN,
    MX,
    MX_ADDRESS,
    PATH,
    POLICY,
    STS_RECORD,
    ZONE,
    policy_world,
)
from tests.support.policy_world import run as run_policy

TTL, NEGATIVE_TTL = 300, 60
TWO = "@ MX 20 mx2\n@ MX 10 mx1\nmx1 A 192.0.2.1\nmx2 A 192.0.2.2"


@pytest.fixture(scope="module")
def at_mx(authority: Authority) -> Identity:
    return identity(authority.pem(MX), authority.file.read_bytes())


def known(result: ProbeResult, aspect: Aspect) -> list[Known]:
    return [one for one in result.known if one.aspect is aspect]


def said(result: ProbeResult, aspect: Aspect) -> list[tuple[str, str, int | None]]:
    return [(one.subject, one.value, one.lifetime) for one in known(result, aspect)]


async def run_mx(
    trust: TrustStore, zone: str, peers: dict[str, Script], faults: Faults | None = None
) -> ProbeResult:
    async with mail_world(zone, peers, trust=trust, faults=faults) as world:
        return await run_once(
            "mx",
            lambda trace: mx.probe(world.net, mx.MxTarget(Domain("example.test")), trace),
            clock=world.net.clock,
            deadline=20,
        )


async def test_the_mx_records_are_known_in_one_order_with_their_lifetime(trust: TrustStore) -> None:
    result = await run_mx(trust, TWO, {})
    records = "10 mx1.example.test, 20 mx2.example.test"
    assert said(result, Aspect.MX) == [("example.test", records, TTL)]


@pytest.mark.parametrize(
    ("zone", "misbehaviour", "values"),
    [
        ("@ A 192.0.2.1", None, [("example.test", NOTHING, NEGATIVE_TTL)]),
        (TWO, Misbehaviour.NXDOMAIN, [("example.test", NOTHING, None)]),  # without a SOA record
        ("@ MX 0 .", None, [("example.test", "0 .", TTL)]),
        (TWO, Misbehaviour.SERVFAIL, []),
        (TWO, Misbehaviour.BOGUS, []),
        (TWO, Misbehaviour.SILENCE, []),
        (TWO, Misbehaviour.REFUSED, []),
    ],
)
async def test_that_there_are_none_is_known_and_that_nobody_answered_is_not(
    trust: TrustStore,
    zone: str,
    misbehaviour: Misbehaviour | None,
    values: Sequence[tuple[str, str, int | None]],
) -> None:
    faults = {("example.test", "MX"): DnsFault(misbehaviour)} if misbehaviour else {}
    result = await run_mx(trust, zone, {}, faults)
    assert said(result, Aspect.MX) == list(values)


async def test_certificate_and_capabilities_are_known_of_each_address(
    authority: Authority, trust: TrustStore
) -> None:
    context = authority.context("mx1.example.test")
    offered = ("SIZE 5000", "8BITMIME")
    peers = {
        "192.0.2.1": Script(tls=context, extensions=offered),
        "192.0.2.2": Script(extensions=()),
    }
    result = await run_mx(trust, TWO, peers)
    one, two = "mx1.example.test [192.0.2.1]", "mx2.example.test [192.0.2.2]"
    assert sorted(said(result, Aspect.CAPABILITIES)) == [
        (one, "8BITMIME, SIZE 5000, STARTTLS", None),
        (two, NOTHING, None),
    ]
    ((subject, value, lifetime),) = said(result, Aspect.CERTIFICATE)
    (part,) = [part for part in result.parts if part.address == "192.0.2.1"]
    assert (subject, lifetime) == (one, None)
    assert value.startswith(part.facts["tls.certificate_sha256"][:16])
    assert str(part.facts["tls.certificate_not_after"])[:10] in value


async def test_policies_are_known_as_they_are_published(
    authority: Authority, trust: TrustStore, at_mx: Identity
) -> None:
    zone = ZONE + STS_RECORD + at_mx.tlsa() + '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@a.test"'
    async with policy_world(
        zone,
        trust=trust,
        hosts={MX_ADDRESS: Script(tls=at_mx.context)},
        pages={PATH: page(sts_policy())},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run_policy(net)
    assert said(result, Aspect.MX) == [(DOMAIN, f"10 {MX}", TTL)]
    assert said(result, Aspect.STS_RECORD) == [(DOMAIN, "v=STSv1; id=20261123;", TTL)]
    ((subject, text, max_age),) = said(result, Aspect.STS_POLICY)
    assert (subject, max_age) == (DOMAIN, 2_000_000)
    assert text == f"version: STSv1; mode: enforce; mx: {MX}; max_age: 2000000; "
    assert said(result, Aspect.TLSRPT) == [(DOMAIN, "v=TLSRPTv1; rua=mailto:t@a.test", TTL)]
    digest = at_mx.tlsa().split()[-1]
    assert said(result, Aspect.TLSA) == [(MX, f"3 1 1 {digest}", TTL)]


async def test_that_nothing_is_published_is_known_too(trust: TrustStore, at_mx: Identity) -> None:
    hosts = {MX_ADDRESS: Script(tls=at_mx.context)}
    async with policy_world(ZONE, trust=trust, hosts=hosts) as net:
        result = await run_policy(net)
    for aspect in (Aspect.STS_RECORD, Aspect.TLSRPT, Aspect.TLSA):
        ((_, value, lifetime),) = said(result, aspect)
        assert (value, lifetime) == (NOTHING, NEGATIVE_TTL)
    assert known(result, Aspect.STS_POLICY) == []


async def test_a_policy_that_cannot_be_read_is_known_as_it_stands(
    authority: Authority, trust: TrustStore
) -> None:
    async with policy_world(
        ZONE + STS_RECORD,
        trust=trust,
        pages={PATH: page(b"version: STSv1\nmode: perhaps\n")},
        policy_context=authority.context(POLICY),
    ) as net:
        result = await run_policy(net)
    assert said(result, Aspect.STS_POLICY) == [(DOMAIN, "version: STSv1; mode: perhaps; ", None)]


async def test_the_records_of_a_sender_are_known_and_what_lists_say_of_it() -> None:
    target = replace(TARGET, selectors=("s1",))
    key = f"v=DKIM1; k=rsa; p={rsa_public(2048)}"
    world = World(lists={"list.test": f"{LIST}\n25.2.0.192 A 127.0.0.4"})
    result = await replace(world, zone=f"{world.zone}\n{key_record('s1', key)}").run(target)
    spf = "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"
    assert said(result, Aspect.SPF) == [("example.test", spf, TTL)]
    assert said(result, Aspect.DKIM) == [("s1._domainkey.example.test", key, TTL)]
    dmarc = "v=DMARC1; p=reject; rua=mailto:d@example.test"
    assert ("_dmarc.example.test", dmarc, TTL) in said(result, Aspect.DMARC)
    where = "192.0.2.25 at list.test"
    assert said(result, Aspect.LISTING) == [(where, "listed (127.0.0.4)", TTL)]


async def test_a_list_that_refuses_to_answer_is_not_taken_for_a_change() -> None:
    world = World(lists={"list.test": f"{LIST}\n25.2.0.192 A 127.255.255.254"})
    assert known(await world.run(), Aspect.LISTING) == []
    world = World(lists={"list.test": LIST})
    ((_, value, lifetime),) = said(await world.run(), Aspect.LISTING)
    assert (value, lifetime) == ("not listed", NEGATIVE_TTL)


async def test_the_name_servers_are_known_by_name(trust: TrustStore) -> None:
    async with two_servers(trust) as running:
        result = await run_nameservers(running)
    names = "ns.example.test, second.example.test"
    assert said(result, Aspect.NAMESERVERS) == [("example.test", names, TTL)]


async def test_what_is_remembered_is_bounded_and_a_cut_value_still_tells_a_change(
    trust: TrustStore,
) -> None:
    long = "x" * (2 * MAX_VALUE)

    async def work(trace: Trace) -> None:
        trace.remember(Aspect.SPF, "a", f"{long}1")
        trace.remember(Aspect.SPF, "b", f"{long}2")
        with trace.part("host", None) as part:
            for number in range(2 * MAX_KNOWN):
                part.remember(Aspect.MX, f"{number}", "x")

    async with mail_world(TWO, {}, trust=trust) as world:
        result = await run_once("mx", work, clock=world.net.clock, deadline=5)
    assert len(result.known) == MAX_KNOWN
    first, second, *_ = result.known
    assert first.value != second.value
    assert len(first.value) < MAX_VALUE + 50
